//! The words that announce a score, and the text of the value behind them.
#![allow(clippy::inline_always, reason = "only what is inlined is compiled for wide instructions")]

use super::number::{self, BLANK, SCALE};
use super::place::is_other;
use crate::simd::{Masks, Work, widest};

/// A word that announces a score, where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) needs: Needs,
}

/// What must stand behind a word so that it is a label, and not a word of any prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: `score 7`.
    Nothing,
    /// A sign or a verb: `rating of 7`.
    Connector,
    /// A sign: `correctness: 7`.
    Sign,
}

/// Every `score` and `rating` of a text, in capitals or not, in order, in place of what `found` holds.
pub(super) fn find(text: &str, found: &mut Vec<Label>) {
    found.clear();
    widest(Search { bytes: text.as_bytes(), found });
}

/// What [`find`] does.
struct Search<'b, 'f> {
    bytes: &'b [u8],
    found: &'f mut Vec<Label>,
}

/// Bytes of one wide step, and the one after them.
const WINDOW: usize = 65;

impl Work for Search<'_, '_> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(mut self) {
        let mut base = 0;
        while let Some(window) = self.bytes[base..].first_chunk::<WINDOW>() {
            self.add(base, begins_label::<M>(window));
            base += WINDOW - 1;
        }
        let rest = self.bytes.len() - base;
        // The last window ends with the text; what was looked at before is left out.
        if let Some(window) = self.bytes.last_chunk::<WINDOW>() {
            let unseen = u64::MAX.unbounded_shl((WINDOW - rest) as u32);
            self.add(self.bytes.len() - WINDOW, begins_label::<M>(window) & unseen);
        } else {
            (base..self.bytes.len())
                .for_each(|start| self.found.extend(label_at(self.bytes, start)));
        }
    }
}

impl Search<'_, '_> {
    /// Takes up the labels that begin at these places behind `base`.
    #[inline(always)]
    fn add(&mut self, base: usize, mut places: u64) {
        while places != 0 {
            self.found.extend(label_at(self.bytes, base + places.trailing_zeros() as usize));
            places &= places - 1;
        }
    }
}

/// One bit for each byte of a window but the last that begins `sc` or `ra`.
#[inline(always)]
fn begins_label<M: Masks>(window: &[u8; WINDOW]) -> u64 {
    let mut marks = [0; WINDOW - 1];
    for (at, mark) in marks.iter_mut().enumerate() {
        let (byte, next) = (window[at] | 0x20, window[at + 1] | 0x20);
        // Bits by subtraction: the compiler makes wide compares of this.
        let score = u8::from(byte == b's') & u8::from(next == b'c');
        let rating = u8::from(byte == b'r') & u8::from(next == b'a');
        *mark = 0_u8.wrapping_sub(score | rating);
    }
    M::high_bits(&marks)
}

/// The label that begins at a place, if one does.
#[inline]
fn label_at(bytes: &[u8], start: usize) -> Option<Label> {
    let is_word = |word: &[u8]| {
        bytes.get(start..start + word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word))
    };
    if is_word(b"score") {
        return Some(Label { start, end: start + 5, needs: Needs::Nothing });
    }
    is_word(b"rating").then_some(Label { start, end: start + 6, needs: Needs::Connector })
}

/// Where the whole label begins: `overall_score` and `final-score` are the score's own names.
#[inline]
pub(super) fn whole_start(text: &str, start: usize) -> usize {
    let head = &text.as_bytes()[..start];
    match head.last() {
        Some(b'_' | b'-' | b' ') => before_whole(head).unwrap_or(start),
        _ => start,
    }
}

/// Where `overall` or `final` begins that a text ends with, a sign or a space behind it or not.
pub(super) fn before_whole(text: &[u8]) -> Option<usize> {
    let text = text.strip_suffix(b"_").or(text.strip_suffix(b"-")).unwrap_or(text);
    let text = text.strip_suffix(b" ").unwrap_or(text);
    [&b"overall"[..], b"final"].iter().find_map(|word| {
        let start = text.len().checked_sub(word.len())?;
        text[start..].eq_ignore_ascii_case(word).then_some(start)
    })
}

/// The text of the value, when the label is a key in quotes.
#[inline]
pub(super) fn json_value<'t>(head: &str, tail: &'t str) -> Option<&'t str> {
    let quote = *head.as_bytes().last().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let value = tail.strip_prefix(char::from(quote))?.trim_start().strip_prefix(':')?.trim_start();
    Some(value.trim_start_matches(['"', '\'']))
}

/// What stands behind a label in prose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced<'t> {
    pub(super) connector: Connector,
    /// The text of the value; empty where a list follows on the next line.
    pub(super) value: &'t str,
    /// The end of the scale that a bracket between them names: `Score (1-5): 4`.
    pub(super) out_of: Option<f64>,
}

/// The text of the value, when the label stands in prose; none where it is no label, or another score's.
pub(super) fn prose_value(tail: &str, needs: Needs) -> Option<Announced<'_>> {
    // What most replies have, without the looks at all that could stand between.
    if let [b':', b' ', b'0'..=b'9', ..] = tail.as_bytes() {
        return Some(Announced { connector: Connector::Sign, value: &tail[2..], out_of: None });
    }
    let (out_of, tail) = skip_scale(skip(after_tag(skip(tail, is_markup)), is_blank))?;
    let (connector, value) = connector(after_tag(skip(skip(tail, is_blank), is_markup)))?;
    match (needs, connector) {
        (Needs::Nothing, _)
        | (_, Connector::Sign)
        | (Needs::Connector, Connector::Is | Connector::Of) => {}
        _ => return None,
    }
    let value = skip(after_tag(skip(skip(value, is_blank), is_markup)), is_blank);
    let same_line = opened(value);
    let announced = |value| Some(Announced { connector, value, out_of });
    if connector != Connector::Sign && connector != Connector::None
        || !same_line.starts_with(['\n', '\r'])
    {
        return announced(same_line);
    }
    // On a line of its own the number must stand alone: `1. Compliance` opens a list.
    let line = same_line.trim_start();
    let line = opened(
        ["- ", "> ", "```"]
            .iter()
            .find_map(|it| line.strip_prefix(it))
            .unwrap_or(line)
            .trim_start(),
    );
    let rest = number::with_scale(line).map(|it| skip(skip(it.rest, is_markup), is_blank));
    let is_alone = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['\n', '\r']));
    announced(if is_alone { line } else { "" })
}

/// The text behind the seal in a label, and whether it is this one: `Score 3f2a9c1d: 7`. Another word of
/// hexadecimal digits is passed over too: a seal that was guessed, or written down wrongly.
pub(super) fn skip_seal<'t>(tail: &'t str, seal: &str) -> (bool, &'t str) {
    let word = skip(tail, is_opening).trim_start_matches(['<', '{']);
    let length = word.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let (word, rest) = word.split_at(length);
    let is_sealed = !seal.is_empty() && word.eq_ignore_ascii_case(seal);
    let is_like = (6..=32).contains(&length) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rest = rest.trim_start_matches(['*', '_', '`', '"', '\'', ')', ']', '>', '}', ' ', '\t']);
    // Behind the right one anything may stand that leads to a number: `Score 3f2a9c1d is 7`.
    if is_sealed || is_like && rest.starts_with([':', '=']) {
        (is_sealed, rest)
    } else {
        (false, tail)
    }
}

/// The text without the bytes at its head that `is_one` takes, all of them ASCII.
fn skip(text: &str, is_one: impl Fn(u8) -> bool) -> &str {
    let length = text.bytes().take_while(|&byte| is_one(byte)).count();
    &text[length..]
}

/// Tags that set a word in another face.
const FACES: [&str; 4] = ["b>", "strong>", "em>", "i>"];

/// The text behind a tag at its head that opens or closes another face, if there is one.
fn after_tag(text: &str) -> &str {
    let Some(name) = text.strip_prefix('<') else { return text };
    let name = name.strip_prefix('/').unwrap_or(name);
    FACES.iter().find_map(|face| name.strip_prefix(face)).unwrap_or(text)
}

/// The text behind all that may stand around a number: quotes, brackets, another face, a formula.
fn opened(text: &str) -> &str {
    let inside = skip(after_tag(skip(text, is_opening)), is_opening);
    let formula = inside.strip_prefix('$').unwrap_or(inside);
    formula.strip_prefix("\\boxed{").unwrap_or(formula)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_markup(byte: u8) -> bool {
    matches!(byte, b'*' | b'_' | b'`' | b'"')
}

fn is_opening(byte: u8) -> bool {
    matches!(byte, b'*' | b'_' | b'`' | b'"' | b'\'' | b'(' | b'[' | b' ')
}

/// The end of the scale that a bracket describes, `(1-10)`, `[0 to 10]`, and the text after it; none
/// where the bracket names another score: `(maximum)`.
fn skip_scale(text: &str) -> Option<(Option<f64>, &str)> {
    let close = match text.as_bytes().first() {
        Some(b'(') => b')',
        Some(b'[') => b']',
        _ => return Some(bare_scale(text).unwrap_or((None, text))),
    };
    let ends = |byte: &u8| *byte == close || *byte == b'\n';
    match text.bytes().take(SCALE).position(|byte| ends(&byte)) {
        Some(at) if text.as_bytes()[at] == close => {
            let inside = text[1..at].trim();
            // A bracket around one number is the score itself.
            if number::with_scale(inside).is_some_and(|it| it.rest.trim().is_empty()) {
                return Some((None, text));
            }
            let scale = number::bracketed_scale(inside);
            let mut words = inside.split(|c: char| !c.is_alphabetic());
            let is_another = scale.is_none() && words.any(|word| is_other(word, true));
            (!is_another).then_some((scale, &text[at + 1..]))
        }
        _ => Some((None, text)),
    }
}

/// The end of a scale before the sign, without a bracket, and the text after it: `Score out of 10: 4`.
fn bare_scale(text: &str) -> Option<(Option<f64>, &str)> {
    let named = text.strip_prefix("out of ").or_else(|| text.strip_prefix('/'))?;
    let end = number::with_scale(named)?;
    skip(skip(end.rest, is_blank), is_markup)
        .starts_with([':', '='])
        .then_some((Some(end.value), end.rest))
}

/// What stands between a label and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connector {
    /// `:` or `=`
    Sign,
    Is,
    Of,
    /// Nothing.
    None,
}

/// The connector at the head of a text, and the text after it; none where a word that is no
/// connector begins like one.
fn connector(text: &str) -> Option<(Connector, &str)> {
    if let Some(value) = dashed(text).or_else(|| text.strip_prefix(":=")) {
        return Some((Connector::Sign, value));
    }
    if let Some(value) = text.strip_prefix([':', '=']) {
        return Some((Connector::Sign, value));
    }
    for (word, verb) in [("is", Connector::Is), ("of", Connector::Of)] {
        if let Some(value) = text.strip_prefix(word) {
            let value = value.strip_prefix(':').unwrap_or(value);
            return value.starts_with(BLANK).then_some((verb, value));
        }
    }
    Some((Connector::None, text))
}

/// The number behind a dash, an arrow or a table's bar: `Score – 7`, `| Score | 7 |`.
fn dashed(text: &str) -> Option<&str> {
    let dashes = ["->", "=>", "→", "⇒", "–", "—", "-", "|"];
    let value = dashes.iter().find_map(|dash| text.strip_prefix(dash))?;
    let number = skip(skip(value, is_blank), is_markup);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit());
    (is_number && value.starts_with(BLANK)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_label_is_found_at_every_place() {
        // Below, at and above one wide step, and two of them.
        for length in [0, 1, 5, 6, 63, 64, 65, 66, 127, 128, 129, 130, 200] {
            for word in ["score", "RATING", "rascore"] {
                for at in 0..=length {
                    let text = format!("{}{word}{}", "r".repeat(at), "s".repeat(length - at));
                    let mut found = Vec::new();
                    find(&text, &mut found);
                    let end = at + word.len();
                    assert!(
                        matches!(found[..], [label] if label.end == end),
                        "{word} at {at} of {length}"
                    );
                }
            }
        }
    }
}
