//! Whether a judge shares the hint that it was given.

use std::sync::LazyLock;

use super::Stance;
use crate::text::Word;

/// The word that states a stance, less its first letter.
static WORD: LazyLock<Word> = LazyLock::new(|| Word::new("gree", "GREE"));

/// The last stance that stands as a statement of its own: `Agree`, `I disagree.`,
/// `Stance: agree`, `<stance>disagree</stance>`, `"stance": "agree"`.
pub(super) fn find(text: &str) -> Option<Stance> {
    let words = WORD.find_iter(text).filter(|&tail| text[..tail].ends_with(['a', 'A']));
    let stances = words.filter_map(|tail| {
        let (head, tail) = (&text[..tail - 1], &text[tail + "gree".len()..]);
        let undone = ["dis", "Dis", "DIS"].iter().find_map(|prefix| head.strip_suffix(prefix));
        let (stance, head) = match undone {
            Some(head) => (Stance::Disagree, head),
            None => (Stance::Agree, head),
        };
        (opens_statement(head) && closes_statement(tail)).then_some(stance)
    });
    stances.last()
}

/// Whether a statement can start after this text: at a line's start, after a label, after `I`.
fn opens_statement(head: &str) -> bool {
    let line = head.rsplit('\n').next().unwrap_or(head);
    let trimmed = trim_end(line);
    let said = trimmed
        .strip_suffix(['I', 'i'])
        .filter(|before| !before.ends_with(|c: char| c.is_alphanumeric()));
    let before = said.map_or(trimmed, trim_end);
    before.trim_start_matches(MARKUP).is_empty()
        || before.ends_with([':', '=', '>'])
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
