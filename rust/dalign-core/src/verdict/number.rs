//! Numbers as judges write them: `7`, `-2.5`, `7/10`, `**7** out of 10`, `70%`.

use super::place::near;

/// A number at the head of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number<'t> {
    pub(super) value: f64,
    /// The scale's end, where it is named: the 10 of `7/10`.
    pub(super) out_of: Option<f64>,
    /// What follows.
    pub(super) rest: &'t str,
}

/// A description of a scale is never longer, in bytes.
pub(super) const SCALE: usize = 64;

pub(super) const BLANK: [char; 2] = [' ', '\t'];
pub(super) const EMPHASIS: [char; 4] = ['*', '_', '`', '"'];

/// The number at the head of a text with the end of its scale; none where it goes on into something
/// that is no score: `7th`, `7.5.1`, `1-10`, `1 to 10`.
#[inline]
pub(super) fn score(text: &str) -> Option<Number<'_>> {
    let Some(number) = with_scale(text) else { return worded(text) };
    let ends_here = !continues_as_another_word(number.rest) && !continues_as_range(number.rest);
    ends_here.then_some(number)
}

/// A number in a word that stands for itself: `eight`, `eight (8)`, `eight out of ten`.
#[cold]
fn worded(text: &str) -> Option<Number<'_>> {
    let (value, rest) = figure(text)?;
    let same = rest.strip_prefix(" (").and_then(|inside| {
        let (number, rest) = leading(inside)?;
        rest.strip_prefix(')').filter(|_| (number - value).abs() <= f64::EPSILON)
    });
    let (out_of, rest) = denominator(same.unwrap_or(rest));
    let behind = rest.trim_start_matches(EMPHASIS).trim_start_matches(BLANK);
    let stands_alone = behind.is_empty()
        || behind.starts_with(['.', '\n', '\r', '}', '<', ')', ',', ';'])
        || out_of.is_some();
    stands_alone.then_some(Number { value, out_of, rest })
}

/// The number at the head of a text with the end of its scale, whatever follows.
#[inline]
pub(super) fn with_scale(text: &str) -> Option<Number<'_>> {
    let (value, rest) = leading(text)?;
    let (out_of, rest) = denominator(rest);
    Some(Number { value, out_of, rest })
}

/// The number at the head of a text, and what follows it.
#[inline]
pub(super) fn leading(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut end = sign;
    let mut whole = 0_u64;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        end += 1;
    }
    // Most scores are small whole numbers, and need no general reading.
    if (1..=15).contains(&(end - sign)) && bytes.get(end) != Some(&b'.') {
        let value = whole as f64;
        return Some((if bytes[0] == b'-' { -value } else { value }, &text[end..]));
    }
    if bytes.get(end) == Some(&b'.') {
        let decimals = bytes[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if decimals > 0 {
            end += 1 + decimals;
        }
    }
    if end == sign {
        return None;
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// What may stand between a number and the end of its scale.
const SCALES: [&str; 21] = [
    "/",
    "out of a possible ",
    "out of a total of ",
    "out of a total ",
    "from ",
    "out of a maximum of ",
    "out of a maximum ",
    "out of the ",
    "out of ",
    "of a possible ",
    "of ",
    "on a scale of ",
    "on a scale from ",
    "on the scale of ",
    "on the scale from ",
    "on a ",
    ", scale ",
    ", scale of ",
    ", on a scale of ",
    ", out of ",
    "von ",
];

/// The number that a score is out of, if one is named, and what follows.
#[inline]
pub(super) fn denominator(text: &str) -> (Option<f64>, &str) {
    if matches!(text.as_bytes().first(), None | Some(b'\n' | b'\r' | b'}' | b'<')) {
        return (None, text);
    }
    named_scale(text).map_or((None, text), |(end, rest)| (Some(end), rest))
}

/// As [`denominator`], of a text that may name one.
fn named_scale(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start_matches(EMPHASIS).trim_start_matches(BLANK);
    let text = text.strip_prefix([')', ']']).filter(|rest| rest.starts_with('/')).unwrap_or(text);
    if let Some(rest) = text.strip_prefix('%').or_else(|| text.strip_prefix("percent")) {
        return Some((100.0, rest));
    }
    let points = ["points", "pts", "stars", "star", "★"].iter().find(|it| text.starts_with(**it));
    let scaled = text[points.map_or(0, |it| it.len())..].trim_start_matches(BLANK);
    if let Some(inside) = scaled.strip_prefix(['(', '[']) {
        let close = near(inside, SCALE).find([')', ']'])?;
        let (inside, rest) = (&inside[..close], &inside[close + 1..]);
        return Some((bracketed_scale(inside)?, rest));
    }
    let rest = SCALES.iter().find_map(|words| scaled.strip_prefix(words));
    let rest = rest.map(|rest| rest.trim_start_matches(EMPHASIS).trim_start_matches(BLANK));
    if let Some((number, rest)) = rest.and_then(figure) {
        return Some(upper_end(number, rest));
    }
    points.filter(|it| it.starts_with('s') || **it == "★").map(|it| (5.0, &text[it.len()..]))
}

/// The number that a word names, to ten.
pub(super) fn number_word(word: &str) -> Option<f64> {
    let words =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    words.iter().position(|it| word.eq_ignore_ascii_case(it)).map(|at| at as f64)
}

/// A number in figures or in a word.
fn figure(text: &str) -> Option<(f64, &str)> {
    leading(text).or_else(|| {
        let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        Some((number_word(&text[..length])?, &text[length..]))
    })
}

/// The upper end of the scale that a number begins, and what follows.
fn upper_end(number: f64, rest: &str) -> (f64, &str) {
    range(rest).and_then(figure).unwrap_or((number, rest))
}

/// The end of a scale that is written alone: `5`, `1-5`, `1 to 5`.
pub(super) fn scale_end(text: &str) -> Option<f64> {
    let (number, rest) = leading(text)?;
    Some(upper_end(number, rest).0)
}

/// The end of the scale that a bracket describes: `0-10`, `1 to 5`, `out of 10`, `max 10`.
pub(super) fn bracketed_scale(inside: &str) -> Option<f64> {
    let inside = inside.trim();
    if let Some((head, _)) = inside.rsplit_once('=') {
        // `0 = worst, 10 = best`
        let last = head.trim_end().rsplit(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        return Some(leading(last)?.0);
    }
    let number = |at: usize, c: char| {
        let starts_word = !inside[..at].ends_with(char::is_alphanumeric);
        c.is_ascii_digit() || starts_word && figure(&inside[at..]).is_some()
    };
    let (lead, _) = inside.char_indices().find(|(at, c)| number(*at, *c))?;
    let (words, numbers) = inside.split_at(lead);
    let words = words.trim_matches(['-', '+', '.']).trim().trim_end_matches([':', '.']).trim();
    let (first, rest) = figure(numbers)?;
    let upper = range(rest).and_then(figure);
    let names = [
        "out of",
        "of",
        "/",
        "max",
        "maximum",
        "max score",
        "from",
        "scale",
        "range",
        "scale of",
        "scale from",
        "on a scale of",
        "on a",
        "out of a maximum",
        "out of a possible",
    ];
    let is_named = names.iter().any(|name| words.eq_ignore_ascii_case(name));
    let is_pointed = ["-point", " point"].iter().any(|it| rest.starts_with(it));
    match upper {
        Some((upper, _)) if words.is_empty() || is_named => Some(upper),
        None if is_named || is_pointed && words.is_empty() => Some(first),
        _ => None,
    }
}

/// Whether the number goes on into something that is no score: `7th`, `7.5.1`, `7,5`.
#[inline]
pub(super) fn continues_as_another_word(rest: &str) -> bool {
    let mut characters = rest.chars();
    match characters.next() {
        Some('.' | ',') => characters.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_alphanumeric(),
        None => false,
    }
}

/// Whether the number is the lower end of a scale: `1-10`, `1 to 10`.
#[inline]
fn continues_as_range(rest: &str) -> bool {
    range(rest).is_some_and(|upper| upper.starts_with(|c: char| c.is_ascii_digit()))
}

/// What follows the sign or word of a range.
#[inline]
fn range(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches(EMPHASIS).trim_start_matches(BLANK);
    let upper = rest
        .strip_prefix([
            '-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '~', '\u{2026}',
        ])
        .or_else(|| rest.strip_prefix("to "))
        .or_else(|| rest.strip_prefix("through "))
        .or_else(|| rest.strip_prefix(".."))?;
    let upper = upper.trim_start_matches(['.', '>']).trim_start_matches(BLANK);
    Some(upper.trim_start_matches(EMPHASIS))
}
