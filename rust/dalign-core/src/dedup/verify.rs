//! Candidate pairs, compared when their texts come.

use std::collections::HashSet;

use rayon::prelude::*;

use super::groups::roots;
use super::jaccard::Comparer;
use super::{NearError, Pair, Settings, representatives};

/// Pairs of rows that may be near-duplicates, compared as their texts come.
///
/// See [`NearIndex`](super::NearIndex) for the two passes over a file. 8 bytes a candidate pair.
///
/// ```
/// use dalign_core::dedup::{NearIndex, Settings};
///
/// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
/// index.add(&["a b c", "x y z"])?;
/// assert_eq!(index.candidates().wanted(10), None);
/// # Ok::<(), dalign_core::dedup::NearError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Candidates {
    settings: Settings,
    rows: usize,
    /// Pairs not compared yet; those of one connected component stand together.
    left: Vec<(u32, u32)>,
    /// The rows of the pairs at the end of `left` that are compared next; sorted.
    wanted: Vec<u32>,
    /// How many pairs these are.
    next: usize,
    found: Vec<Pair>,
}

impl Candidates {
    pub(super) fn new(
        settings: Settings,
        rows: usize,
        copies: Vec<(u32, u32)>,
        mut pairs: Vec<(u32, u32)>,
    ) -> Self {
        let components = roots(rows, pairs.iter().copied());
        // Taken from the end: the first component stands last.
        pairs.sort_unstable_by_key(|&(a, b)| std::cmp::Reverse((components[a as usize], a, b)));
        let found = copies.into_iter().map(|(a, b)| Pair { a, b, jaccard: 1.0 }).collect();
        Self { settings, rows, left: pairs, wanted: Vec::new(), next: 0, found }
    }

    /// The rows whose texts [`verify`](Self::verify) takes next, rising: at most `most`, but at least the two
    /// of one pair. None when every pair is compared.
    ///
    /// Rows of one connected component of pairs come together, so that few are asked for twice.
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
    /// index.add(&["a b c", "x y", "a b  c", "x  y"])?;
    /// let mut candidates = index.candidates();
    /// assert_eq!(candidates.wanted(2), Some(vec![0, 2]));
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    pub fn wanted(&mut self, most: usize) -> Option<Vec<u32>> {
        if self.left.is_empty() {
            return None;
        }
        let mut rows = HashSet::new();
        self.next = 0;
        for &(a, b) in self.left.iter().rev() {
            let new = usize::from(!rows.contains(&a)) + usize::from(!rows.contains(&b));
            if self.next > 0 && rows.len() + new > most {
                break;
            }
            rows.extend([a, b]);
            self.next += 1;
        }
        self.wanted = rows.into_iter().collect();
        self.wanted.sort_unstable();
        Some(self.wanted.clone())
    }

    /// Compares the pairs among the wanted rows, whose texts these are. O(words) a pair.
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
    /// index.add(&["a b c", "a b  c"])?;
    /// let mut candidates = index.candidates();
    /// candidates.wanted(2);
    /// assert!(candidates.verify(&["a b c"]).is_err());
    /// assert!(candidates.verify(&["a b c", "a b  c"]).is_ok());
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NearError::NotWanted`] unless there is one text for each wanted row.
    pub fn verify(&mut self, texts: &[&str]) -> Result<(), NearError> {
        let wanted = std::mem::take(&mut self.wanted);
        if texts.len() != wanted.len() {
            let refusal = NearError::NotWanted { found: texts.len(), expected: wanted.len() };
            self.wanted = wanted;
            return Err(refusal);
        }
        // Rows are wanted in rising order, so each is found by bisection.
        let text = |row: u32| wanted.binary_search(&row).map_or("", |place| texts[place]);
        let count = std::mem::take(&mut self.next);
        self.compare(count, text);
        Ok(())
    }

    /// The pairs at or above the threshold, sorted by their rows.
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
    /// index.add(&["same", "same"])?;
    /// assert_eq!(index.candidates().into_pairs()?.len(), 1);
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NearError::Unverified`] while pairs are still to be compared.
    pub fn into_pairs(mut self) -> Result<Vec<Pair>, NearError> {
        self.check_complete()?;
        self.found.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok(self.found)
    }

    /// [`representatives`] of these pairs.
    ///
    /// # Errors
    ///
    /// [`NearError::Unverified`] while pairs are still to be compared; `length_mismatch` unless there is one
    /// score for each row.
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
    /// index.add(&["same", "same"])?;
    /// assert_eq!(index.candidates().representatives(Some(&[1.0, 2.0]))?, [1, 1]);
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    pub fn representatives(&self, scores: Option<&[f64]>) -> Result<Vec<u32>, NearError> {
        self.check_complete()?;
        representatives(self.rows, &self.found, scores)
    }

    fn check_complete(&self) -> Result<(), NearError> {
        match self.left.len() {
            0 => Ok(()),
            left => Err(NearError::Unverified { left }),
        }
    }

    pub(super) fn compare_all<'t>(&mut self, text: impl Fn(u32) -> &'t str + Sync) {
        self.compare(self.left.len(), text);
    }

    /// Compares so many pairs from the end.
    fn compare<'t>(&mut self, count: usize, text: impl Fn(u32) -> &'t str + Sync) {
        let Settings { ngram, threshold, .. } = self.settings;
        let pairs = self.left.split_off(self.left.len() - count);
        // A row with many pairs is shared by several threads.
        let found = pairs.par_chunks(64).map_init(Comparer::default, |comparer, pairs| {
            let mut found = Vec::new();
            for group in pairs.chunk_by(|left, right| left.0 == right.0) {
                comparer.set(text(group[0].0), ngram);
                let compared = group.iter().map(|&(a, b)| Pair {
                    a,
                    b,
                    jaccard: comparer.jaccard(text(b), ngram),
                });
                found.extend(compared.filter(|pair| pair.jaccard >= threshold));
            }
            found
        });
        self.found.par_extend(found.flatten_iter());
    }
}
