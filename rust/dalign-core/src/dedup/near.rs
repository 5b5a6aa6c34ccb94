//! Near-duplicates: MinHash signatures, bands of them as keys (Broder 1997; Indyk and Motwani 1998), and
//! every pair verified.

use super::{NearError, NearIndex};

/// What counts as near, and how hard to look.
///
/// ```
/// use dalign_core::dedup::{Settings, near};
///
/// // Three of four words in a row are shared: one shingle of two.
/// let texts = ["a b c d", "a b c e"];
/// let pairs = |threshold| near(&texts, Settings::new(2, 128, 64, threshold).unwrap()).unwrap();
/// assert_eq!((pairs(0.5).len(), pairs(0.6).len()), (1, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// At least 1.
    pub(super) ngram: usize,
    /// A multiple of `bands`.
    pub(super) permutations: usize,
    /// At least 1.
    pub(super) bands: usize,
    /// Above 0, at most 1.
    pub(super) threshold: f64,
}

impl Settings {
    /// Shingles of `ngram` words; pairs of a Jaccard similarity of `threshold` or more.
    ///
    /// Signatures have `permutations` values in `bands` bands. With r = permutations / bands, a pair of
    /// similarity J is found with a chance of about 1 − (1 − Jʳ)ᵇᵃⁿᵈˢ.
    ///
    /// ```
    /// use dalign_core::dedup::Settings;
    ///
    /// let settings = Settings::new(5, 128, 16, 0.7)?;
    /// let chance: f64 = 1.0 - (1.0 - 0.8_f64.powf(8.0)).powf(16.0);
    /// assert!((chance - 0.947).abs() < 0.001);
    /// # Ok::<(), dalign_core::dedup::NearError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NearError::BadNgram`] for 0, [`NearError::BadBands`] unless the permutations are a multiple of the
    /// bands, [`NearError::BadThreshold`] outside 0 (excluded) to 1.
    pub fn new(
        ngram: usize,
        permutations: usize,
        bands: usize,
        threshold: f64,
    ) -> Result<Self, NearError> {
        if ngram == 0 {
            return Err(NearError::BadNgram { ngram });
        }
        if bands == 0 || permutations == 0 || !permutations.is_multiple_of(bands) {
            return Err(NearError::BadBands { permutations, bands });
        }
        if !(threshold > 0.0 && threshold <= 1.0) {
            return Err(NearError::BadThreshold { threshold });
        }
        Ok(Self { ngram, permutations, bands, threshold })
    }
}

/// Two rows that are near-duplicates.
///
/// ```
/// use dalign_core::dedup::{Pair, Settings, near};
///
/// let pairs = near(&["a b", "c d", "a b"], Settings::new(2, 128, 16, 0.7)?)?;
/// assert_eq!(pairs, [Pair { a: 0, b: 2, jaccard: 1.0 }]);
/// # Ok::<(), dalign_core::dedup::NearError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The earlier row.
    pub a: u32,
    /// The later row.
    pub b: u32,
    /// The Jaccard similarity of their shingles, at least the threshold.
    pub jaccard: f64,
}

/// The pairs of near-duplicates among some texts, sorted by their rows; [`representatives`](super::representatives) turns them
/// into the rows to keep.
///
/// A shingle is n words in a row, words as in [`verbatim`](crate::text::words::verbatim); a text of fewer
/// words has one shingle, all of them. Signatures only say which pairs to look at; each pair is then
/// compared by its sets of shingles (64-bit hashes), so none is reported below the threshold. Of
/// texts that are the same byte for byte, each later one is paired with the first, and only the first
/// with others; in buckets of more than 32 rows each row is compared with eight of them. So time is
/// O(bytes + rows · bands), also for a hundred thousand copies. About 4 · bands + 32 bytes a row beside
/// the pairs.
///
/// ```
/// use dalign_core::dedup::{Settings, near};
///
/// let a = "one two three four five six seven eight nine ten";
/// let texts = [a, "something else", &format!("{a} eleven")];
/// let pairs = near(&texts, Settings::new(5, 128, 16, 0.7)?)?;
/// assert_eq!((pairs[0].a, pairs[0].b, pairs[0].jaccard), (0, 2, 6.0 / 7.0));
/// # Ok::<(), dalign_core::dedup::NearError>(())
/// ```
///
/// # Errors
///
/// `too_many_rows` above 2³² − 1 rows.
pub fn near(texts: &[&str], settings: Settings) -> Result<Vec<Pair>, NearError> {
    let mut index = NearIndex::new(settings);
    index.add(texts)?;
    let mut candidates = index.candidates();
    drop(index);
    candidates.compare_all(|row| texts[row as usize]);
    candidates.into_pairs()
}
