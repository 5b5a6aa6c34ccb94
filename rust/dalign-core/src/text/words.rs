//! The words of a text, each with its place and its hash, in two notions.
//!
//! | notion | a word is | `"Don't  STOP!"` |
//! |---|---|---|
//! | [`verbatim`] | what stands between white space, as Python's `str.split` has it | `Don't`, `STOP!` |
//! | [`folded`] | a run of letters and digits, without regard to case and width | `don`, `t`, `stop` |
//!
//! Scripts that are written without spaces between words (Chinese, Japanese, Thai, Lao, Khmer,
//! Burmese) have no such runs: in both notions each of their characters is a word of its own. Korean
//! is written with spaces and needs no rule.

#![allow(clippy::inline_always, reason = "a few instructions each, in the loop over every byte")]

mod notion;
mod window;

pub use notion::{Folded, Notion, Role, Verbatim};
use window::{HIGH, SEED, WordHasher, absorb, below, below_count, finish, lowest, window_at};

/// A word: where it stands and what it hashes to.
///
/// Equal words have equal hashes wherever they stand; different ones share a hash with a chance of
/// 2⁻⁶⁴ unless they were built to collide. Compare [`HashedWords::spell`] where that matters.
///
/// ```
/// use dalign_core::text::words::{HashedWord, verbatim};
///
/// let words: Vec<HashedWord> = verbatim("no, no").collect();
/// assert_eq!((words[1].start, words[1].end), (4, 6));
/// assert_ne!(words[0].hash, words[1].hash);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedWord {
    /// Its first byte in the text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// 64 bits over its letters: as they stand in [`verbatim`], folded in [`folded`].
    pub hash: u64,
}

/// The words between white space, as they stand.
///
/// White space is Python's: Unicode's `White_Space` and the four separators U+001C to U+001F. So
/// these are the words of `str.split()`, except that a character of a script without spaces is a
/// word of its own. O(bytes), about 1 GB/s on ASCII; allocates nothing.
///
/// ```
/// use dalign_core::text::words::verbatim;
///
/// let text = "Stop,  he said";
/// let words: Vec<&str> = verbatim(text).map(|word| &text[word.start..word.end]).collect();
/// assert_eq!(words, ["Stop,", "he", "said"]);
/// assert_eq!(verbatim("再见 bye").count(), 3);
/// ```
#[must_use]
pub fn verbatim(text: &str) -> HashedWords<'_, Verbatim> {
    HashedWords::new(text)
}

/// The runs of letters and digits, whatever their case and width.
///
/// A letter counts as the small form of its capital (so `ß` is `ss` and `ς` is `σ`), a full-width
/// form as its ASCII equal. Invisible characters inside a word are passed over; every other
/// character, apostrophe, hyphen and underscore among them, ends it. O(bytes); allocates nothing.
///
/// ```
/// use dalign_core::text::words::folded;
///
/// let hashes = |text| folded(text).map(|word| word.hash).collect::<Vec<_>>();
/// assert_eq!(hashes("**Well-known** FACTS."), hashes("well known ｆａｃｔｓ"));
/// assert!(hashes("… — !").is_empty());
/// ```
#[must_use]
pub fn folded(text: &str) -> HashedWords<'_, Folded> {
    HashedWords::new(text)
}

/// The words of a text, in order.
///
/// ```
/// let mut words = dalign_core::text::words::folded("One two");
/// assert_eq!(words.next().map(|word| (word.start, word.end)), Some((0, 3)));
/// ```
#[derive(Debug, Clone)]
pub struct HashedWords<'t, N> {
    text: &'t str,
    at: usize,
    notion: std::marker::PhantomData<N>,
}

impl<'t, N: Notion> HashedWords<'t, N> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, notion: std::marker::PhantomData }
    }

    /// A word spelt as it is hashed: two words are the same if and only if this is.
    ///
    /// ```
    /// use dalign_core::text::words::{Folded, HashedWords};
    ///
    /// assert_eq!(HashedWords::<Folded>::spell("STRASSE"), HashedWords::<Folded>::spell("Straße"));
    /// ```
    #[must_use]
    pub fn spell(word: &str) -> String {
        let mut spelt = String::with_capacity(word.len());
        for character in word.chars().filter(|&c| N::role(c) != Role::Skipped) {
            N::fold(character, |folded| spelt.push(folded));
        }
        spelt
    }

    /// The next word, character by character: for words with a character beyond ASCII. None when
    /// there is no word at `self.at`, which then stands behind what is not one.
    #[cold]
    fn next_by_character(&mut self) -> Option<HashedWord> {
        let (start, mut end) = (self.at, self.at);
        let mut hasher = WordHasher::default();
        for (offset, character) in self.text[start..].char_indices() {
            let after = start + offset + character.len_utf8();
            let role = N::role(character);
            match role {
                Role::Separator => break,
                Role::Alone if end > start => break,
                Role::Skipped if end == start => break,
                Role::Skipped => continue,
                Role::Letter | Role::Alone => {
                    N::fold(character, |folded| hasher.push(folded));
                    end = after;
                }
            }
            if role == Role::Alone {
                break;
            }
        }
        if end == start {
            self.at += self.text[start..].chars().next().map_or(1, char::len_utf8);
            return None;
        }
        self.at = end;
        Some(HashedWord { start, end, hash: hasher.finish() })
    }
}

impl<N: Notion> Iterator for HashedWords<'_, N> {
    type Item = HashedWord;

    #[inline(always)]
    fn next(&mut self) -> Option<HashedWord> {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            let start = self.at;
            let (mut end, mut hash) = (start, SEED);
            // Two windows at a time, whatever the length: few words are longer, so no branch is guessed.
            let stop = loop {
                let (low, high) = (
                    N::fold_window(window_at(bytes, end)),
                    N::fold_window(window_at(bytes, end + 8)),
                );
                let low_stop = lowest(N::separators(low) | low & HIGH);
                let high_stop = lowest(N::separators(high) | high & HIGH);
                let is_long = if low_stop == 0 { u64::MAX } else { 0 };
                let count = below_count(low_stop) + (below_count(high_stop) & is_long as usize);
                if count > 0 {
                    hash = absorb(hash, low & below(low_stop), high & below(high_stop) & is_long);
                }
                end += count;
                if count < 16 {
                    break low & low_stop | high & high_stop & is_long;
                }
            };
            if stop != 0 {
                if let word @ Some(_) = self.next_by_character() {
                    return word;
                }
                continue;
            }
            // The separator is passed over too.
            self.at = end + 1;
            if end > start {
                return Some(HashedWord { start, end, hash: finish(hash, end - start) });
            }
        }
        None
    }
}
