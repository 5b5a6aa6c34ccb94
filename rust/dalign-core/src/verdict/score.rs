//! Every place in a reply where a score is given, and which of them is the verdict.

use std::sync::LazyLock;

use crate::text::Word;

/// The word that announces a score, less its first letter.
static WORD: LazyLock<Word> = LazyLock::new(|| Word::new("core", "CORE"));

/// How a score is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `<score>7</score>`
    Tag,
    /// `"score": 7`
    Json,
    /// `Score: 7`, `score is 7`, `score 7`
    Prose,
}

/// One place where a score is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// The scale's end, where the reply names it: the 10 of `7/10`.
    pub(super) out_of: Option<f64>,
    /// Another value stands beside it with equal right.
    pub(super) contradicted: bool,
    form: Form,
    start: usize,
    end: usize,
}

/// The verdict of a text: its last reading, but a JSON object's own score before those of objects
/// inside it.
pub(super) fn verdict(text: &str) -> Option<Reading> {
    WORD.find_iter(text)
        .filter(|&tail| text[..tail].ends_with(['s', 'S']))
        .filter_map(|tail| read(text, tail - 1, tail + "core".len()))
        .reduce(|before, next| merge(text, before, next))
}

/// The verdict of two readings that follow one another.
fn merge(text: &str, before: Reading, next: Reading) -> Reading {
    let between = &text[before.end..next.start];
    let mut same_place = !between.contains('\n');
    if before.form == Form::Json && next.form == Form::Json {
        let (depth, least) = depth_after(between);
        if least == 0 && depth > 0 {
            return before;
        }
        let is_in_enclosing_object = least < 0 && depth == least;
        same_place = depth == 0 && least == 0 || same_place && !is_in_enclosing_object;
    }
    let differs = before.contradicted || differ(before.value, next.value);
    Reading { contradicted: same_place && before.form == next.form && differs, ..next }
}

/// Whether two scores are not the same number.
fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > f64::EPSILON
}

/// How many braces are open after some text, and the least number on the way, both from 0.
fn depth_after(text: &str) -> (i32, i32) {
    text.bytes().fold((0, 0), |(depth, least), byte| {
        let depth = match byte {
            b'{' => depth + 1,
            b'}' => depth - 1,
            _ => depth,
        };
        (depth, least.min(depth))
    })
}

/// Reads the score that the word at `start..end` announces, if it does.
fn read(text: &str, start: usize, end: usize) -> Option<Reading> {
    let (head, tail) = (&text[..start], &text[end..]);
    let (form, number) = if head.ends_with('<') {
        (Form::Tag, tail.strip_prefix('>')?.trim_start())
    } else if let Some(value) = json_value(head, tail) {
        (Form::Json, value)
    } else {
        (Form::Prose, prose_value(head, tail)?)
    };
    let (value, rest) = leading_number(number)?;
    let (out_of, rest) = denominator(rest);
    if form == Form::Tag && !rest.trim_start().starts_with("</") {
        return None;
    }
    let ends_here = !continues_as_another_word(rest) && !continues_as_range(rest);
    ends_here.then(|| Reading {
        value,
        out_of,
        contradicted: false,
        form,
        start,
        end: text.len() - rest.len(),
    })
}

/// The text of the value, when the word is a key in quotes.
fn json_value<'t>(head: &str, tail: &'t str) -> Option<&'t str> {
    let quote = head.chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
    let value = tail.strip_prefix(quote)?.trim_start().strip_prefix(':')?.trim_start();
    Some(value.trim_start_matches(['"', '\'']))
}

/// The text of the value, when the word is a label or part of a sentence.
fn prose_value<'t>(head: &str, tail: &'t str) -> Option<&'t str> {
    // `sub_score` and `sub-score` announce something else; `_Score_` is only set in italics.
    let before = head.trim_end_matches(['_', '-']);
    if before.ends_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let tail = skip_scale(tail.trim_start_matches(MARKUP).trim_start_matches(BLANK));
    let (labelled, value) = connector(tail.trim_start_matches(BLANK).trim_start_matches(MARKUP))?;
    let value = value.trim_start_matches(BLANK).trim_start_matches(MARKUP);
    let same_line = value.trim_start_matches(BLANK).trim_start_matches(OPENING);
    if !labelled || !same_line.starts_with(['\n', '\r']) {
        return Some(same_line);
    }
    // On a line of its own the number must stand alone: `1. Compliance` opens a list.
    let line = same_line.trim_start().trim_start_matches(OPENING);
    let (_, rest) = leading_number(line)?;
    let (_, rest) = denominator(rest);
    let rest = rest.trim_start_matches(MARKUP).trim_start_matches(BLANK);
    (rest.is_empty() || rest.starts_with(['\n', '\r'])).then_some(line)
}

const BLANK: [char; 2] = [' ', '\t'];
const MARKUP: [char; 4] = ['*', '_', '`', '"'];
const OPENING: [char; 8] = ['*', '_', '`', '"', '\'', '(', '[', ' '];

/// The text after a bracket that describes the scale: `(1-10)`, `[0 to 10]`.
fn skip_scale(text: &str) -> &str {
    let close = match text.as_bytes().first() {
        Some(b'(') => ')',
        Some(b'[') => ']',
        _ => return text,
    };
    match text.find([close, '\n']) {
        Some(at) if text[at..].starts_with(close) => {
            let inside = text[1..at].trim();
            // A bracket around one number is the score itself.
            let is_score = leading_number(inside)
                .is_some_and(|(_, rest)| denominator(rest).1.trim().is_empty());
            if is_score { text } else { &text[at + 1..] }
        }
        _ => text,
    }
}

/// What stands between word and value: whether it is a label's sign, and the text after it.
fn connector(text: &str) -> Option<(bool, &str)> {
    if let Some(value) = text.strip_prefix([':', '=']) {
        return Some((true, value));
    }
    for word in ["is", "of"] {
        if let Some(value) = text.strip_prefix(word) {
            let value = value.strip_prefix(':').unwrap_or(value);
            return value.starts_with(BLANK).then_some((false, value));
        }
    }
    Some((false, text))
}

/// The number at the head of a text, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = |from: usize| {
        text.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut end = sign + digits(sign);
    let whole = end > sign;
    if text[end..].starts_with('.') {
        let decimals = digits(end + 1);
        if decimals > 0 {
            end += 1 + decimals;
        }
    }
    if !whole && end == sign {
        return None;
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// The number that a score is out of, if one is named, and what follows.
fn denominator(text: &str) -> (Option<f64>, &str) {
    if let Some(rest) = text.strip_prefix('%') {
        return (Some(100.0), rest);
    }
    let trimmed = text.trim_start_matches(BLANK);
    let rest = trimmed.strip_prefix('/').or_else(|| trimmed.strip_prefix("out of "));
    match rest.and_then(|rest| leading_number(rest.trim_start_matches(BLANK))) {
        Some((end, rest)) => (Some(end), rest),
        None => (None, text),
    }
}

/// Whether the number goes on into something that is no score: `7th`, `7.5.1`, `7,5`.
fn continues_as_another_word(rest: &str) -> bool {
    let mut characters = rest.chars();
    match characters.next() {
        Some('.' | ',') => characters.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_alphanumeric(),
        None => false,
    }
}

/// Whether the number is the lower end of a scale: `1-10`, `1 to 10`.
fn continues_as_range(rest: &str) -> bool {
    let rest = rest.trim_start_matches(BLANK);
    let upper = rest
        .strip_prefix(['-', '\u{2013}', '\u{2014}'])
        .or_else(|| rest.strip_prefix("to "))
        .or_else(|| rest.strip_prefix(".."));
    upper.is_some_and(|upper| {
        upper.trim_start_matches(BLANK).starts_with(|c: char| c.is_ascii_digit())
    })
}
