//! The signatures of texts that come batch by batch.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::candidates::candidate_pairs;
use super::exact::first_rows;
use super::signature::{Sketch, shingles_into};
use super::{Candidates, NearError, Settings};
use crate::error::indexable;

/// Near-duplicates among texts that do not fit into memory together: they come batch by batch, and only
/// their signatures stay.
///
/// First every text is [added](Self::add); then [`candidates`](Self::candidates) names the rows to read again.
/// 4 · bands + 16 bytes a row, and about 70 while candidates are sought: 212 with 32 bands, measured.
///
/// ```
/// use dalign_core::dedup::{NearIndex, Settings};
///
/// let file = ["a b c", "x y z", "a b c "];
/// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
/// for batch in file.chunks(2) {
///     index.add(batch)?;
/// }
/// let mut candidates = index.candidates();
/// while let Some(rows) = candidates.wanted(100) {
///     let texts: Vec<&str> = rows.iter().map(|&row| file[row as usize]).collect();
///     candidates.verify(&texts)?;
/// }
/// assert_eq!(candidates.representatives(None)?, [0, 1, 0]);
/// # Ok::<(), dalign_core::dedup::NearError>(())
/// ```
#[derive(Debug, Clone)]
pub struct NearIndex {
    settings: Settings,
    /// A hash of each row's bytes.
    contents: Vec<u128>,
    /// For each band, each row's key.
    bands: Vec<Vec<u32>>,
}

impl NearIndex {
    /// No texts yet.
    ///
    /// ```
    /// use dalign_core::dedup::{NearIndex, Settings};
    ///
    /// let index = NearIndex::new(Settings::new(5, 128, 16, 0.7)?);
    /// assert_eq!(index.rows(), 0);
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, contents: Vec::new(), bands: vec![Vec::new(); settings.bands] }
    }

    /// How many texts were added.
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(5, 128, 16, 0.7)?);
    /// index.add(&["a", "b"])?;
    /// assert_eq!(index.rows(), 2);
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    #[must_use]
    pub fn rows(&self) -> usize {
        self.contents.len()
    }

    /// Takes the next rows. O(bytes).
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(5, 128, 16, 0.7)?);
    /// index.add(&["the first row"])?;
    /// index.add(&["the second row", "the third"])?;
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `too_many_rows` when there would be more than 2³² − 1.
    pub fn add(&mut self, texts: &[&str]) -> Result<(), NearError> {
        indexable("texts", self.rows() + texts.len())?;
        let bands = self.settings.bands;
        // A block's keys stay in the cache until they are dealt out to the bands.
        for block in texts.chunks(4_096) {
            let mut keys = vec![0_u32; block.len() * bands];
            let mut contents = vec![0_u128; block.len()];
            let rows = keys.par_chunks_exact_mut(bands).zip(&mut contents).zip(block);
            rows.with_min_len(16).for_each_init(
                || Sketcher::new(self.settings),
                |sketcher, ((keys, content), text)| {
                    *content = xxh3_128(text.as_bytes());
                    sketcher.keys_into(text, keys);
                },
            );
            self.contents.extend(contents);
            for (band, column) in self.bands.iter_mut().enumerate() {
                column.extend(keys.iter().skip(band).step_by(bands));
            }
        }
        Ok(())
    }

    /// The rows that may be near-duplicates, still to be verified. O(rows · bands).
    ///
    /// ```
    /// # use dalign_core::dedup::{NearIndex, Settings};
    /// let mut index = NearIndex::new(Settings::new(2, 128, 16, 0.7)?);
    /// index.add(&["a b c", "x y z", "a  b c"])?;
    /// assert_eq!(index.candidates().wanted(10), Some(vec![0, 2]));
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    #[must_use]
    pub fn candidates(&self) -> Candidates {
        let firsts = first_rows(&self.contents);
        let is_copy = |row: u32| firsts[row as usize] != row;
        let pairs = candidate_pairs(&self.bands, &self.contents, is_copy);
        let copies = (0..).zip(&firsts).filter(|&(row, &first)| first != row);
        let copies = copies.map(|(row, &first)| (first, row)).collect();
        Candidates::new(self.settings, self.rows(), copies, pairs)
    }
}

/// From a text to its keys, and the room for it.
struct Sketcher {
    ngram: usize,
    words: Vec<u64>,
    shingles: Vec<u64>,
    sketch: Sketch,
}

impl Sketcher {
    fn new(settings: Settings) -> Self {
        let sketch = Sketch::new(settings.permutations);
        Self { ngram: settings.ngram, words: Vec::new(), shingles: Vec::new(), sketch }
    }

    fn keys_into(&mut self, text: &str, keys: &mut [u32]) {
        shingles_into(text, self.ngram, &mut self.words, &mut self.shingles);
        let bands = keys.len();
        for (to, key) in keys.iter_mut().zip(self.sketch.band_keys(&self.shingles, bands)) {
            *to = key;
        }
    }
}
