//! Runs of words that stand in a set of reference texts too: the policy recited in an answer, an
//! evaluation prompt in a training row.
//!
//! Words are [`folded`]: neither case, punctuation nor line breaks hide a run.

mod error;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;

pub use error::OverlapError;

use crate::error::{indexable, same_length};
use crate::simd::{Masks, Work, widest};
use crate::text::ngram::ngrams;
use crate::text::words::{HashedWord, folded};

/// What a text shares with the reference texts.
///
/// ```
/// use dalign_core::overlap::{NgramIndex, Overlap};
///
/// let index = NgramIndex::new(&["a b c"], 2)?;
/// let nothing = Overlap { ngrams: 1, shared: 0, longest: None };
/// assert_eq!(index.overlap("x y", None), nothing);
/// # Ok::<(), dalign_core::overlap::OverlapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// How many n-grams the text has, one for each place.
    pub ngrams: u32,
    /// How many of them stand in a reference text; `shared / ngrams` is the share.
    pub shared: u32,
    /// The longest run of words all of whose n-grams are shared, the first of equals.
    pub longest: Option<Run>,
}

/// A run of words of a text that stands in a reference text.
///
/// ```
/// use dalign_core::overlap::{NgramIndex, Run};
///
/// let index = NgramIndex::new(&["x y", "a b c"], 2)?;
/// let run = Run { reference: 1, start: 4, end: 7, words: 2 };
/// assert_eq!(index.overlap("So, b c!", None).longest, Some(run));
/// # Ok::<(), dalign_core::overlap::OverlapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The reference text that holds the run's beginning; the first of several.
    pub reference: u32,
    /// The run's first byte in the text.
    pub start: usize,
    /// One past the run's last byte.
    pub end: usize,
    /// How many words it has: at least n, or all words of a shorter reference.
    pub words: u32,
}

/// Reference texts, indexed by their n-grams of words. 24 bytes an n-gram.
///
/// A reference of fewer than n words has no n-gram; a text overlaps with it only if it has the same words and
/// no others, so that a greeting among the evaluation prompts does not strike out every row that greets.
///
/// ```
/// use dalign_core::overlap::NgramIndex;
///
/// let policy = NgramIndex::new(&["Refuse instructions for a method, with one apology."], 3)?;
/// let answer = "I must REFUSE\n**instructions** for a reason.";
/// let found = policy.overlap(answer, None);
/// assert_eq!((found.ngrams, found.shared), (5, 2));
/// let run = found.longest.expect("an n-gram is shared");
/// assert_eq!(&answer[run.start..run.end], "REFUSE\n**instructions** for a");
/// // The user's own words are no recital.
/// assert_eq!(policy.overlap(answer, Some("refuse instructions for a")).shared, 0);
/// # Ok::<(), dalign_core::overlap::OverlapError>(())
/// ```
#[derive(Debug, Clone)]
pub struct NgramIndex {
    n: usize,
    /// The hashes of all references' words, one reference after the other.
    words: Vec<u64>,
    /// Where each reference's words end.
    ends: Vec<u32>,
    /// Where an n-gram of this hash stands first.
    places: HashMap<u64, u32, BuildHasherDefault<Taken>>,
    /// The reference that has these words and no others, for those of fewer than n.
    short: HashMap<Vec<u64>, u32>,
}

impl NgramIndex {
    /// Indexes the references by their n-grams. O(bytes).
    ///
    /// # Errors
    ///
    /// [`OverlapError::NoWords`] for n = 0; `too_many_rows` above 2³² − 1 words.
    ///
    /// ```
    /// assert!(dalign_core::overlap::NgramIndex::new(&["a text"], 0).is_err());
    /// ```
    pub fn new(references: &[&str], n: usize) -> Result<Self, OverlapError> {
        if n == 0 {
            return Err(OverlapError::NoWords);
        }
        let mut index = Self {
            n,
            words: Vec::new(),
            ends: Vec::with_capacity(references.len()),
            places: HashMap::default(),
            short: HashMap::new(),
        };
        for (reference, text) in (0..).zip(references) {
            let start = index.words.len();
            index.words.extend(folded(text).map(|word| word.hash));
            indexable("references", index.words.len())?;
            index.ends.push(index.words.len() as u32);
            let words = &index.words[start..];
            if words.len() >= n {
                for (place, gram) in (start as u32..).zip(ngrams(words, n)) {
                    index.places.entry(gram).or_insert(place);
                }
            } else if !words.is_empty() {
                index.short.entry(words.to_vec()).or_insert(reference);
            }
        }
        Ok(index)
    }

    /// What a text shares with the references, less the n-grams of `own`, such as the user's prompt. O(bytes).
    ///
    /// An n-gram found by its hash is compared word by word.
    ///
    /// ```
    /// use dalign_core::overlap::NgramIndex;
    ///
    /// let policy = NgramIndex::new(&["one short apology"], 2)?;
    /// assert_eq!(policy.overlap("a short apology", None).shared, 1);
    /// # Ok::<(), dalign_core::overlap::OverlapError>(())
    /// ```
    #[must_use]
    pub fn overlap(&self, text: &str, own: Option<&str>) -> Overlap {
        let mut room = Room::default();
        self.overlap_in(text, own, &mut room)
    }

    /// The overlap of each row of a column, in parallel; `own` has one text for each row.
    ///
    /// # Errors
    ///
    /// `length_mismatch` unless it has.
    ///
    /// ```
    /// use dalign_core::overlap::NgramIndex;
    ///
    /// let evaluation = NgramIndex::new(&["What is the capital of France?", "Hi!"], 4)?;
    /// let rows = evaluation.overlap_column(&["So, what is the capital of Chad?", "hi", "hi you"], None)?;
    /// assert_eq!(rows.iter().map(|row| row.longest.is_some()).collect::<Vec<_>>(), [true, true, false]);
    /// # Ok::<(), dalign_core::overlap::OverlapError>(())
    /// ```
    pub fn overlap_column(
        &self,
        texts: &[&str],
        own: Option<&[&str]>,
    ) -> Result<Vec<Overlap>, OverlapError> {
        if let Some(own) = own {
            same_length("own", own.len(), texts.len())?;
        }
        let rows = texts.par_iter().enumerate().with_min_len(64);
        let overlap = |room: &mut Room, (row, text): (usize, &&str)| {
            self.overlap_in(text, own.map(|own| own[row]), room)
        };
        Ok(rows.map_init(Room::default, overlap).collect())
    }

    fn overlap_in(&self, text: &str, own: Option<&str>, room: &mut Room) -> Overlap {
        let Room { words, hashes } = room;
        words.clear();
        hashes.clear();
        widest(Fold { text, words, hashes });
        let own = own.map(|own| {
            let hashes: Vec<u64> = folded(own).map(|word| word.hash).collect();
            ngrams(&hashes, self.n).collect::<HashSet<u64>>()
        });
        if hashes.len() < self.n {
            return self.whole(words, hashes);
        }
        let mut found = Overlap::default();
        // The run that the last shared n-gram belongs to: where it began, here and in the references.
        let mut run: Option<(usize, u32)> = None;
        for (place, gram) in ngrams(hashes, self.n).enumerate() {
            found.ngrams += 1;
            let is_own = own.as_ref().is_some_and(|own| own.contains(&gram));
            let at = self.places.get(&gram).copied().filter(|_| !is_own);
            let Some(at) = at.filter(|&at| self.holds(at, &hashes[place..place + self.n])) else {
                run = None;
                continue;
            };
            found.shared += 1;
            let (from, reference) = *run.get_or_insert((place, at));
            let length = (place - from + self.n) as u32;
            if found.longest.is_none_or(|longest| longest.words < length) {
                found.longest = Some(Run {
                    reference: self.reference(reference),
                    start: words[from].start,
                    end: words[place + self.n - 1].end,
                    words: length,
                });
            }
        }
        found
    }

    /// A text of fewer than n words overlaps with a reference that has the same.
    fn whole(&self, words: &[HashedWord], hashes: &[u64]) -> Overlap {
        let reference = self.short.get(hashes).copied();
        let ends = words.first().zip(words.last());
        let longest = reference.zip(ends).map(|(reference, (first, last))| Run {
            reference,
            start: first.start,
            end: last.end,
            words: words.len() as u32,
        });
        Overlap { ngrams: 0, shared: 0, longest }
    }

    fn holds(&self, at: u32, words: &[u64]) -> bool {
        self.words[at as usize..at as usize + self.n] == *words
    }

    /// The reference that a word belongs to.
    fn reference(&self, word: u32) -> u32 {
        self.ends.partition_point(|&end| end <= word) as u32
    }
}

/// Memory that a thread uses again for each row.
#[derive(Default)]
struct Room {
    words: Vec<HashedWord>,
    hashes: Vec<u64>,
}

/// Finds the words of a text.
struct Fold<'a> {
    text: &'a str,
    words: &'a mut Vec<HashedWord>,
    hashes: &'a mut Vec<u64>,
}

impl Work for Fold<'_> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(self) {
        for word in folded(self.text) {
            self.words.push(word);
            self.hashes.push(word.hash);
        }
    }
}

/// Takes a key that is a hash already.
#[derive(Debug, Default, Clone)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("keys are u64, {} bytes were hashed", bytes.len())
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
