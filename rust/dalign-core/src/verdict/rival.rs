//! Other numbers beside a score that are given with equal right: `7 or 8`, `7. Correction: 9`.

use super::number::{BLANK, EMPHASIS, continues_as_another_word, leading, number_word};
use super::place::{names_another, near};

/// Words and signs that join a second number to a score as its equal.
const JOINS: [&str; 10] =
    ["or maybe", "or perhaps", "or", "maybe", "perhaps", "possibly", "to", "→", "=>", "-"];

/// Those that do so only before a number that counts nothing: `7, 8`, but not `7, 8 clauses hold`.
const LISTS: [&str; 3] = ["and", "&", ","];

/// What stands behind both numbers of a rubric: `0 = bad, 10 = good`.
const EXPLAINS: [&str; 8] = ["=", "means", "meaning", "for", "is", "being", "if", "when"];

/// What makes the rest of a number's clause a change of it.
const CORRECTIONS: [&str; 15] = [
    "correction",
    "corrected",
    "actually",
    "rather",
    "sorry",
    "wait",
    "reflection",
    "mean",
    "edit",
    "update",
    "revised",
    "instead",
    "thought",
    "that",
    "no",
];

/// How far below a score a correction is looked for, in bytes.
const BELOW: usize = 64;

/// Whether the rest of a score's line gives another number with equal right: `7 or 8`,
/// `0 (breaks it) to 10 (keeps it)`; not `8, as 3 clauses hold`, `8. A 10 would need more`.
/// `is_part`: of a sub-score, beside which the score itself may stand.
pub(super) fn in_line(line: &str, value: f64, is_part: bool) -> bool {
    line.starts_with('+')
        || is_joined(line, value)
        || is_rubric(line, value)
        || is_told(line, value, is_part)
}

/// Whether the next line corrects a score: `No, 9.`
pub(super) fn below(text: &str, end: usize, value: f64) -> bool {
    let Some((_, rest)) = near(&text[end..], 512).split_once('\n') else { return false };
    let line = near(rest.trim_start(), BELOW).lines().next().unwrap_or_default();
    let Some(at) = line.find(|c: char| c.is_ascii_digit()) else { return false };
    let words = line[..at].split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.count() <= 3 && corrects(&line[..at], &line[at..], value)
}

/// A number in figures or in a word, and what follows.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start_matches(EMPHASIS).trim_start_matches(BLANK);
    leading(text).or_else(|| {
        let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        Some((number_word(&text[..length])?, &text[length..]))
    })
}

/// The text behind a word or a sign at its head.
fn behind<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(word)?;
    let is_word = word.ends_with(|c: char| c.is_alphabetic());
    (!is_word || !rest.starts_with(char::is_alphanumeric)).then_some(rest)
}

fn is_other(number: f64, value: f64) -> bool {
    (number - value).abs() > f64::EPSILON
}

/// `7 or 8`, `7 (or 8)`, `7, maybe 8`, `7, 8`, `7 or more`, `7 and a half`.
fn is_joined(line: &str, value: f64) -> bool {
    let line = line.trim_start_matches([' ', '\t', '*', '_', '`', '"', '(']);
    let line = ["points", "point"].iter().find_map(|word| behind(line, word)).unwrap_or(line);
    let text = line.trim_start_matches([' ', '\t', ',', '(', '*', '_']);
    let joined = JOINS.iter().find_map(|join| behind(text, join));
    if let Some(rest) = joined {
        let rest = rest.trim_start_matches(BLANK);
        let is_open = ["more", "less", "higher", "lower", "above", "below", "better"];
        return number(rest).is_some_and(|(it, _)| is_other(it, value))
            || text.starts_with("or ") && is_open.iter().any(|word| behind(rest, word).is_some());
    }
    let line = line.trim_start_matches(BLANK);
    let halves = ["and a half", "and a quarter", "point five", "½", "1/2"];
    halves.iter().any(|half| behind(line, half).is_some())
        || LISTS.iter().filter_map(|list| behind(line, list)).any(|rest| {
            number(rest.trim_start_matches(BLANK))
                .is_some_and(|(it, rest)| is_other(it, value) && stands_alone(rest))
        })
}

/// Whether nothing that it could count follows a number.
fn stands_alone(rest: &str) -> bool {
    let rest = rest.trim_start_matches(EMPHASIS);
    let next = rest.trim_start_matches(BLANK);
    !continues_as_another_word(rest)
        && !next.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '%' | '(' | ')'))
}

/// `0 (bad) to 10 (good)`, `0 = bad, 10 = good`.
fn is_rubric(line: &str, value: f64) -> bool {
    let line = line.trim_start_matches(EMPHASIS).trim_start_matches(BLANK);
    if let Some((_, rest)) = line.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
        let joined = rest.trim_start_matches([' ', '\t', ',', ';', '-', '–', '—', '/', '…', '.']);
        let upper = ["to", "and", "or"].iter().find_map(|word| behind(joined, word));
        return number(upper.unwrap_or(joined)).is_some_and(|(it, rest)| {
            is_other(it, value) && (upper.is_some() || rest.trim_start().starts_with(['(', '=']))
        });
    }
    let explained = EXPLAINS.iter().find(|word| behind(line, word).is_some());
    explained.is_some_and(|word| {
        numbers(line).any(|(_, it, rest)| {
            is_other(it, value) && behind(rest.trim_start_matches(BLANK), word).is_some()
        })
    })
}

/// Every number of a line with the texts before and behind it.
fn numbers(line: &str) -> impl Iterator<Item = (&str, f64, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|c: char| c.is_ascii_digit())?;
        let (number, rest) = leading(&line[start..])?;
        at = line.len() - rest.len();
        Some((&line[..start], number, rest))
    })
}

/// `3, no, score: 4`, `7. Correction: 9`.
fn is_told(line: &str, value: f64, is_part: bool) -> bool {
    numbers(line).any(|(head, number, rest)| {
        is_other(number, value)
            && (!is_part && is_labelled(head) || corrects(head, &line[head.len()..], value))
            && !continues_as_another_word(rest)
    })
}

/// Whether a text ends with a label of the score: `score: `, `the score is `.
fn is_labelled(head: &str) -> bool {
    let before = head.trim_end_matches([' ', '\t', '*', '_', '`', '"', '(', ':', '=']);
    let has_sign = head[before.len()..].contains([':', '=']);
    let before = before.strip_suffix(" is").unwrap_or(before);
    let label = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    ["score", "rating"].iter().any(|own| label.eq_ignore_ascii_case(own))
        && !names_another(before, has_sign)
}

/// Whether the words before a number make it a correction, and the number differs and stands alone.
fn corrects(head: &str, tail: &str, value: f64) -> bool {
    let before =
        head.trim_end_matches([' ', '\t', '*', '_', '`', '"', ':', ',', ';', '-', '—', '–']);
    let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    // `no 9` may be a number's; `no, 9` is not.
    let is_parted = head[before.len()..].contains([',', ':', ';', '-', '—', '–']);
    let is_no = word.eq_ignore_ascii_case("no");
    CORRECTIONS.iter().any(|it| word.eq_ignore_ascii_case(it))
        && (!is_no || is_parted)
        && leading(tail).is_some_and(|(it, rest)| {
            is_other(it, value) && (stands_alone(rest) || rest.trim_start().starts_with(')'))
        })
}
