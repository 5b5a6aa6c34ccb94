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
use window::{SEED, WordHasher, absorb, finish, windows_of};

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
    /// What ends a word or is no ASCII from `at` on, one bit for each of the 64 bytes before `searched`.
    stops: u64,
    searched: usize,
    notion: std::marker::PhantomData<N>,
}

impl<'t, N: Notion> HashedWords<'t, N> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, stops: 0, searched: 0, notion: std::marker::PhantomData }
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

    /// The next place that ends a word or is no ASCII; the text's end at the latest.
    #[inline(always)]
    fn next_stop(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        while self.stops == 0 {
            if self.searched >= bytes.len() {
                return bytes.len();
            }
            let rest = &bytes[self.searched..];
            self.stops = rest.first_chunk().map_or_else(|| last_stops::<N>(rest), N::stops);
            self.searched += 64;
        }
        let stop = self.searched - 64 + self.stops.trailing_zeros() as usize;
        self.stops &= self.stops - 1;
        stop
    }
}

impl<N: Notion> Iterator for HashedWords<'_, N> {
    type Item = HashedWord;

    #[inline(always)]
    fn next(&mut self) -> Option<HashedWord> {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            let (start, end) = (self.at, self.next_stop());
            if bytes.get(end).is_some_and(|byte| !byte.is_ascii()) {
                let (after, word) = word_by_character::<N>(self.text, start);
                // The search for stops goes on behind the word, which may be far from here.
                (self.at, self.stops, self.searched) = (after, 0, after);
                if word.is_some() {
                    return word;
                }
                continue;
            }
            // The separator is passed over too.
            self.at = end + 1;
            if end > start {
                return Some(HashedWord { start, end, hash: hash_ascii::<N>(bytes, start, end) });
            }
        }
        None
    }
}

/// The stops of the last bytes of a text, fewer than 64; behind them stand spaces, which end a word in
/// either notion.
#[cold]
fn last_stops<N: Notion>(rest: &[u8]) -> u64 {
    let mut block = [b' '; 64];
    block[..rest.len()].copy_from_slice(rest);
    N::stops(&block)
}

/// The word at a place, character by character: for words with a character beyond ASCII. None when there
/// is none. First the place behind it, or behind what is no word.
#[cold]
fn word_by_character<N: Notion>(text: &str, start: usize) -> (usize, Option<HashedWord>) {
    let mut end = start;
    let mut hasher = WordHasher::default();
    for (offset, character) in text[start..].char_indices() {
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
        return (start + text[start..].chars().next().map_or(1, char::len_utf8), None);
    }
    (end, Some(HashedWord { start, end, hash: hasher.finish() }))
}

/// The hash of a word of ASCII.
#[inline(always)]
fn hash_ascii<N: Notion>(bytes: &[u8], start: usize, end: usize) -> u64 {
    let count = end - start;
    match bytes[start..].first_chunk() {
        Some(window) if count <= 16 => finish(absorb_part::<N>(SEED, window, count), count),
        _ => hash_by_parts::<N>(&bytes[start..end]),
    }
}

/// [`hash_ascii`] of a word that is long or at the end of its text.
#[cold]
fn hash_by_parts<N: Notion>(word: &[u8]) -> u64 {
    let (parts, rest) = word.as_chunks();
    let mut hash = parts.iter().fold(SEED, |hash, part| absorb_part::<N>(hash, part, 16));
    if !rest.is_empty() {
        let mut part = [0; 16];
        part[..rest.len()].copy_from_slice(rest);
        hash = absorb_part::<N>(hash, &part, rest.len());
    }
    finish(hash, word.len())
}

/// Takes the first `count` of sixteen bytes into a hash.
#[inline(always)]
fn absorb_part<N: Notion>(hash: u64, part: &[u8; 16], count: usize) -> u64 {
    let [low, high] = windows_of(part, count);
    absorb(hash, N::fold_window(low), N::fold_window(high))
}
