//! Numbers as judges write them: `7`, `-2.5`, `7/10`, `7 out of 10`, `70%`.

/// A number at the head of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number<'t> {
    pub(super) value: f64,
    /// The scale's end, where it is named: the 10 of `7/10`.
    pub(super) out_of: Option<f64>,
    /// What follows.
    pub(super) rest: &'t str,
}

pub(super) const BLANK: [char; 2] = [' ', '\t'];

/// The number at the head of a text with the end of its scale; none where it goes on into something
/// that is no score: `7th`, `7.5.1`, `1-10`, `1 to 10`.
#[inline]
pub(super) fn score(text: &str) -> Option<Number<'_>> {
    let number = with_scale(text)?;
    let ends_here = !continues_as_another_word(number.rest) && !continues_as_range(number.rest);
    ends_here.then_some(number)
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
fn leading(text: &str) -> Option<(f64, &str)> {
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

/// The number that a score is out of, if one is named, and what follows.
#[inline]
fn denominator(text: &str) -> (Option<f64>, &str) {
    if let Some(rest) = text.strip_prefix('%') {
        return (Some(100.0), rest);
    }
    let trimmed = text.trim_start_matches(BLANK);
    let rest = trimmed.strip_prefix('/').or_else(|| trimmed.strip_prefix("out of "));
    match rest.and_then(|rest| leading(rest.trim_start_matches(BLANK))) {
        Some((end, rest)) => (Some(end), rest),
        None => (None, text),
    }
}

/// Whether the number goes on into something that is no score: `7th`, `7.5.1`, `7,5`.
#[inline]
fn continues_as_another_word(rest: &str) -> bool {
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
    let rest = rest.trim_start_matches(BLANK);
    let upper = rest
        .strip_prefix(['-', '\u{2013}', '\u{2014}'])
        .or_else(|| rest.strip_prefix("to "))
        .or_else(|| rest.strip_prefix(".."));
    upper.is_some_and(|upper| {
        upper.trim_start_matches(BLANK).starts_with(|c: char| c.is_ascii_digit())
    })
}
