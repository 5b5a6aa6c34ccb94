//! The words that announce a score, and the text of the value behind them.

use memchr::memrchr2;

use super::number::{self, BLANK};

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

/// The last `score` or `rating` inside `text[from..end]`, in capitals or not.
#[inline]
pub(super) fn last_before(text: &str, from: usize, end: usize) -> Option<Label> {
    let bytes = text.as_bytes();
    let mut end = end;
    // The letter that both words have: one search for the two.
    while let Some(at) = memrchr2(b'r', b'R', bytes.get(from..end)?) {
        end = from + at;
        let is_word = |word: &[u8], start: usize| {
            bytes.get(start..start + word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word))
        };
        if at >= 3 && is_word(b"score", end - 3) {
            return Some(Label { start: end - 3, end: end + 2, needs: Needs::Nothing });
        }
        if is_word(b"rating", end) {
            return Some(Label { start: end, end: end + 6, needs: Needs::Connector });
        }
    }
    None
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

/// The text of the value, when the label stands in prose.
pub(super) fn prose_value(tail: &str, needs: Needs) -> Option<&str> {
    // What most replies have, without the looks at all that could stand between.
    if let [b':', b' ', b'0'..=b'9', ..] = tail.as_bytes() {
        return Some(&tail[2..]);
    }
    let tail = skip_scale(skip(skip(tail, is_markup), is_blank));
    let (connector, value) = connector(skip(skip(tail, is_blank), is_markup))?;
    match (needs, connector) {
        (Needs::Sign, Connector::Verb) | (Needs::Sign | Needs::Connector, Connector::None) => {
            return None;
        }
        _ => {}
    }
    let value = skip(skip(skip(value, is_blank), is_markup), is_blank);
    let same_line = skip(value, is_opening);
    if connector == Connector::Verb || !same_line.starts_with(['\n', '\r']) {
        return Some(same_line);
    }
    // On a line of its own the number must stand alone: `1. Compliance` opens a list.
    let line = skip(same_line.trim_start(), is_opening);
    let rest = skip(skip(number::with_scale(line)?.rest, is_markup), is_blank);
    (rest.is_empty() || rest.starts_with(['\n', '\r'])).then_some(line)
}

/// The text without the bytes at its head that `is_one` takes, all of them ASCII.
fn skip(text: &str, is_one: impl Fn(u8) -> bool) -> &str {
    let length = text.bytes().take_while(|&byte| is_one(byte)).count();
    &text[length..]
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

/// A description of a scale is never longer, in bytes.
const SCALE: usize = 64;

/// The text after a bracket that describes the scale: `(1-10)`, `[0 to 10]`.
fn skip_scale(text: &str) -> &str {
    let close = match text.as_bytes().first() {
        Some(b'(') => b')',
        Some(b'[') => b']',
        _ => return text,
    };
    let ends = |byte: &u8| *byte == close || *byte == b'\n';
    match text.bytes().take(SCALE).position(|byte| ends(&byte)) {
        Some(at) if text.as_bytes()[at] == close => {
            let inside = text[1..at].trim();
            // A bracket around one number is the score itself.
            let is_score = number::with_scale(inside).is_some_and(|it| it.rest.trim().is_empty());
            if is_score { text } else { &text[at + 1..] }
        }
        _ => text,
    }
}

/// What stands between a label and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connector {
    /// `:` or `=`
    Sign,
    /// `is` or `of`
    Verb,
    /// Nothing.
    None,
}

/// The connector at the head of a text, and the text after it; none where a word that is no
/// connector begins like one.
fn connector(text: &str) -> Option<(Connector, &str)> {
    if let Some(value) = text.strip_prefix([':', '=']) {
        return Some((Connector::Sign, value));
    }
    for word in ["is", "of"] {
        if let Some(value) = text.strip_prefix(word) {
            let value = value.strip_prefix(':').unwrap_or(value);
            return value.starts_with(BLANK).then_some((Connector::Verb, value));
        }
    }
    Some((Connector::None, text))
}
