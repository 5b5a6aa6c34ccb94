//! Words in a text, in capitals or not (ASCII).

use memchr::memchr2_iter;

/// Whether a text begins with a word.
pub(super) fn begins_folded(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()))
}

/// Every place where a text has a word, which is ASCII or begins a character.
pub(super) fn find_folded<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let (bytes, first) = (text.as_bytes(), word.as_bytes().first().copied());
    let starts = first
        .map(|first| memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), bytes));
    starts
        .into_iter()
        .flatten()
        .filter(|at| text.get(*at..).is_some_and(|it| begins_folded(it, word)))
}
