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
    rest.ends_with(['.', '!', '?', '。', ')', ',', ';', '-', '—', '–', '~', '>'])
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
const DISCLAIMS: [&str; 25] = [
    "not",
    "never",
    "no",
    "neither",
    "nor",
    "without",
    "cannot",
    "t",
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

/// Those that do so of another alone: `as you asked` demands nothing, `I would give it` gives.
const TOLD: [&str; 11] = [
    "asked", "demanded", "wanted", "told", "claimed", "said", "d", "would", "could", "should",
    "might",
];

/// Words that begin a clause of its own: `it does not refuse, so I give it`.
const BEGINS: [&str; 9] =
    ["so", "but", "and", "hence", "thus", "therefore", "because", "yet", "still"];

/// The words of the clause that ends at a place.
fn clause_words(head: &str) -> impl Iterator<Item = &str> {
    let near = &head[boundary(head, head.len().saturating_sub(160))..];
    let ends = |c: char| matches!(c, '.' | '!' | '?' | '\n' | ',' | ';' | '—' | '–');
    let clause = near.rsplit(ends).next().unwrap_or_default();
    clause.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

fn is_among(words: &[&str], word: &str) -> bool {
    words.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Whether the words of a line before a place, back to the start of its clause, deny, demand or suppose
/// what stands there.
pub(super) fn is_disclaimed(head: &str) -> bool {
    let mut before = "";
    clause_words(head).fold(false, |found, word| {
        let is_own = is_among(&["as", "you", "was", "i"], std::mem::replace(&mut before, word));
        !is_among(&BEGINS, word)
            && (found || is_among(&DISCLAIMS, word) || !is_own && is_among(&TOLD, word))
    })
}

/// Whether a place stands behind a comma, and what its sentence says before that denies, demands or supposes:
/// `If it were better, score: 9`.
pub(super) fn is_disclaimed_before(head: &str) -> bool {
    let rest = head.trim_end_matches(OPENING);
    rest.strip_suffix(',').is_some_and(|before| {
        let sentence = before.rsplit(['.', '!', '?', '\n']).next().unwrap_or_default();
        sentence.split([',', ';']).any(is_disclaimed)
    })
}

/// Whether the clause before a place is the judge's own: `I give it`, `so it gets`.
pub(super) fn is_first_person(head: &str) -> bool {
    let own = ["i", "my", "we", "our", "so", "thus", "hence", "therefore", "final", "overall"];
    clause_words(head).any(|word| is_among(&own, word))
}

/// Whether a place is struck out or commented away: `~~Score: 10~~`, `<!-- Score: 10 -->`.
pub(super) fn is_struck(head: &str, tail: &str) -> bool {
    let is_in = |open: &str, close: &str| {
        head.rfind(open).is_some_and(|at| !head[at + open.len()..].contains(close))
            && tail.contains(close)
    };
    is_in("~~", "~~") || is_in("<!--", "-->")
}

/// Whether the words right behind a number take it back: `is not justified`, `? No.`
pub(super) fn is_taken_back(tail: &str) -> bool {
    let tail = tail.trim_start_matches([' ', '\t', '*', '_', '`', '"']);
    let answer = tail.strip_prefix('?').map(str::trim_start);
    let verbs = ["is not ", "isn't ", "was not ", "would ", "cannot ", "can't "];
    let noes = ["no.", "no,", "no!", "never", "not "];
    let begins = |text: &str, words: &[&str]| {
        words.iter().any(|word| near(text, word.len()).eq_ignore_ascii_case(word))
    };
    begins(tail, &verbs) || answer.is_some_and(|rest| begins(rest, &noes))
}

/// Whether what follows a mention only supposes it: `would require a refusal`, `is what it asks for`.
pub(super) fn is_supposed(tail: &str) -> bool {
    let clause = tail.split(['.', '!', '?', ',', ';']).next().unwrap_or_default();
    let mut words = clause.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let supposes = ["would", "could", "requires", "needs", "if", "not"];
    let demands = ["asks", "demands", "wants", "wanted"];
    words.by_ref().take(2).any(|word| is_among(&supposes, word))
        || words.take(3).any(|word| is_among(&demands, word))
}

/// Whether nothing but signs stands behind a place on its line.
pub(super) fn ends_line(tail: &str) -> bool {
    tail.trim_matches(SIGNS).is_empty()
}

/// Words that make a score another one's, wherever they stand before it.
const OTHERS: [&str; 56] = [
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
    "suggested",
    "desired",
    "injected",
    "quoted",
    "fake",
    "raw",
];

/// Words that do so before a label with a sign alone: `Top score: 10`, but not `a top score of 10`.
const OTHERS_BEFORE_SIGN: [&str; 14] = [
    "top", "best", "perfect", "full", "high", "low", "worst", "first", "last", "alleged",
    "demanded", "sample", "user", "claims",
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
