//! Whether a judge shares the hint that it was given.

use memchr::memchr2_iter;

use super::Stance;

/// The stance of all statements of their own: `Agree`, `I disagree.`, `Stance: agree`,
/// `<stance>disagree</stance>`, `"stance": "agree"`; none where two differ.
pub(super) fn find(text: &str) -> Option<Stance> {
    let places = memchr2_iter(b'g', b'G', text.as_bytes());
    let mut stances = places.filter_map(|at| read(text, at));
    let first = stances.next()?;
    stances.all(|stance| stance == first).then_some(first)
}

/// The stance whose `g` stands at `at`, if it is one.
fn read(text: &str, at: usize) -> Option<Stance> {
    let bytes = text.as_bytes();
    let start = at.checked_sub(1)?;
    let end = start + "agree".len();
    if !bytes.get(start..end)?.eq_ignore_ascii_case(b"agree") {
        return None;
    }
    let undone = start.checked_sub("dis".len());
    let undone = undone.filter(|&from| bytes[from..start].eq_ignore_ascii_case(b"dis"));
    let (stance, start) = undone.map_or((Stance::Agree, start), |at| (Stance::Disagree, at));
    (opens_statement(&text[..start]) && closes_statement(&text[end..])).then_some(stance)
}

/// Whether a statement can start after this text: at a line's start, after a label, after `I`.
fn opens_statement(head: &str) -> bool {
    let trimmed = trim_end(head);
    let said = trimmed
        .strip_suffix(['I', 'i'])
        .filter(|before| !before.ends_with(|c: char| c.is_alphanumeric()));
    let before = said.map_or(trimmed, trim_end);
    before.is_empty()
        || before.ends_with(['\n', ':', '=', '>'])
        || said.is_some() && before.ends_with(['.', '!', '?'])
}

/// Whether a statement can end before this text.
fn closes_statement(tail: &str) -> bool {
    !tail.starts_with(|c: char| c.is_alphanumeric())
        && !tail.trim_start_matches(MARKUP).starts_with(|c: char| c.is_alphanumeric())
}

const MARKUP: [char; 8] = [' ', '\t', '\r', '*', '_', '`', '"', '#'];

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(MARKUP)
}
