//! Where on its line a score stands, and whether the words before it make it another one's.

use memchr::{memchr, memrchr};

use crate::text::boundary;

/// How far from a place its line is looked at, in bytes: a reply of one long line must not be gone
/// through from each of its labels.
const REACH: usize = 512;

/// The text of the line before a place, as far as it is looked at.
pub(super) fn line_head(text: &str, start: usize) -> &str {
    let from = boundary(text, start.saturating_sub(REACH));
    let near = &text[from..start];
    &near[memrchr(b'\n', near.as_bytes()).map_or(0, |at| at + 1)..]
}

/// The text of the line behind a place, as far as it is looked at, and whether the line's end is seen.
pub(super) fn line_tail(text: &str, end: usize) -> (&str, bool) {
    let near = near(&text[end..], REACH);
    match memchr(b'\n', near.as_bytes()) {
        Some(at) => (&near[..at], true),
        None => (near, false),
    }
}

/// The first bytes of a text, so many at most.
pub(super) fn near(text: &str, bytes: usize) -> &str {
    &text[..boundary(text, bytes)]
}

/// What may stand around a verdict on its line: emphasis, quotes, bullets, brackets.
const SIGNS: [char; 24] = [
    ' ', '\t', '\r', '*', '_', '`', '"', '\'', '#', '>', '|', '~', '-', '+', '•', '(', ')', '[',
    ']', '{', '}', ',', '.', ';',
];

/// Words that may stand before a label of the verdict itself.
const LEADS: [&str; 12] = [
    "final",
    "overall",
    "total",
    "my",
    "the",
    "so",
    "thus",
    "hence",
    "therefore",
    "and",
    "verdict",
    "json",
];

/// Whether nothing but signs, and words of the verdict itself, stands before a place on its line.
pub(super) fn begins_line(head: &str) -> bool {
    let mut words = head.split(SIGNS).filter(|word| !word.is_empty());
    words.all(|word| {
        let is_number = word.len() < 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        is_number || LEADS.iter().any(|lead| word.eq_ignore_ascii_case(lead))
    })
}

/// Whether a place begins its line, a clause of it, or what a colon announces: `My verdict: `.
pub(super) fn begins_clause(head: &str) -> bool {
    if begins_line(head) {
        return true;
    }
    let mut rest = head.trim_end_matches(OPENING);
    while let Some(lead) = LEADS.iter().find_map(|lead| before_word(rest, lead)) {
        rest = lead.trim_end_matches(OPENING);
    }
    rest.ends_with(['.', '!', '?', '。', ')', ',', ';', '-', '—', '–'])
        || rest.strip_suffix(':').is_some_and(|clause| !is_disclaimed(clause))
}

const OPENING: [char; 8] = [' ', '\t', '*', '_', '`', '"', '(', '['];

/// The text before a whole word at its end, in capitals or not.
fn before_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let start = text.len().checked_sub(word.len())?;
    let (head, last) = text.split_at_checked(start)?;
    let is_it = last.eq_ignore_ascii_case(word) && !head.ends_with(char::is_alphanumeric);
    is_it.then_some(head)
}

/// Words of who denies, demands or supposes a score, and does not give it.
const DISCLAIMS: [&str; 30] = [
    "not",
    "never",
    "no",
    "neither",
    "nor",
    "without",
    "cannot",
    "t",
    "d",
    "would",
    "could",
    "should",
    "might",
    "if",
    "unless",
    "were",
    "ask",
    "asks",
    "asking",
    "demand",
    "demands",
    "demanding",
    "want",
    "wants",
    "wanting",
    "tells",
    "claims",
    "claiming",
    "says",
    "insists",
];

/// Those that are another's only: `as you asked` is no demand of what was judged.
const TOLD: [&str; 6] = ["asked", "demanded", "wanted", "told", "claimed", "said"];

/// Whether the words of a line before a place, back to the end of the clause before, deny, demand or
/// suppose what stands there.
pub(super) fn is_disclaimed(head: &str) -> bool {
    let near = &head[boundary(head, head.len().saturating_sub(160))..];
    let ends = |c: char| matches!(c, '.' | '!' | '?' | '\n' | ',' | ';' | '—' | '–');
    let clause = near.rsplit(ends).next().unwrap_or_default();
    let is_in = |words: &[&str], word: &str| words.iter().any(|it| word.eq_ignore_ascii_case(it));
    let mut before = "";
    clause.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).any(|word| {
        let is_own = is_in(&["as", "you", "was", "i"], std::mem::replace(&mut before, word));
        is_in(&DISCLAIMS, word) || !is_own && is_in(&TOLD, word)
    })
}

/// Whether nothing but signs stands behind a place on its line.
pub(super) fn ends_line(tail: &str) -> bool {
    tail.trim_matches(SIGNS).is_empty()
}

/// Words that make a score another one's, wherever they stand before it.
const OTHERS: [&str; 50] = [
    "maximum",
    "max",
    "maximal",
    "minimum",
    "min",
    "minimal",
    "highest",
    "lowest",
    "higher",
    "lower",
    "possible",
    "ideal",
    "optimal",
    "passing",
    "pass",
    "threshold",
    "cutoff",
    "target",
    "required",
    "previous",
    "previously",
    "prior",
    "earlier",
    "former",
    "old",
    "initial",
    "original",
    "preliminary",
    "provisional",
    "tentative",
    "draft",
    "baseline",
    "reference",
    "benchmark",
    "average",
    "mean",
    "median",
    "expected",
    "predicted",
    "confidence",
    "certainty",
    "risk",
    "severity",
    "toxicity",
    "another",
    "other",
    "example",
    "hypothetical",
    "claimed",
    "requested",
];

/// Words that do so before a label with a sign alone: `Top score: 10`, but not `a top score of 10`.
const OTHERS_BEFORE_SIGN: [&str; 12] = [
    "top", "best", "perfect", "full", "high", "low", "worst", "first", "last", "alleged",
    "demanded", "sample",
];

/// How many words before a label are looked at.
const WORDS: usize = 5;

/// Whether the words right before a label, back to the last sign of its line, name another score:
/// `maximum score`, `the previous answer got a score`.
pub(super) fn names_another(head: &str, has_sign: bool) -> bool {
    let is_part =
        |c: char| c.is_alphabetic() || matches!(c, ' ' | '\t' | '*' | '_' | '`' | '\'' | '-');
    // No five words of prose are longer.
    let near = &head[boundary(head, head.len().saturating_sub(80))..];
    let clause = near.rsplit(|c| !is_part(c)).next().unwrap_or_default();
    let words = clause.rsplit(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.take(WORDS).any(|word| is_other(word, has_sign))
}

/// Whether a word makes a score another one's.
pub(super) fn is_other(word: &str, has_sign: bool) -> bool {
    let is_in = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    is_in(&OTHERS) || has_sign && is_in(&OTHERS_BEFORE_SIGN)
}
