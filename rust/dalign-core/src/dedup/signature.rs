//! Signatures: two texts agree at each place of theirs with a chance of their Jaccard similarity.
//!
//! One permutation hashing (Li, Owen and Zhang 2012) with densification (Shrivastava 2017): a shingle's
//! hash names a bin and a value, each bin keeps its least value, and an empty bin takes that of
//! another bin, the first non-empty one in an order that is the same for every text. One step a
//! shingle, where MinHash with k permutations takes k.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::simd::widest;
use crate::text::ngram::ngrams;
use crate::text::words::verbatim;

/// The hashes of a text's shingles, one for each place, into `shingles`; `words` is room to work in.
///
/// A text of fewer than n words has one shingle, all its words; one without words the empty shingle.
pub(super) fn shingles_into(text: &str, n: usize, words: &mut Vec<u64>, shingles: &mut Vec<u64>) {
    words.clear();
    widest(|| {
        // `extend` would leave the loop outside: it is not inlined here.
        for word in verbatim(text) {
            words.push(word.hash);
        }
    });
    shingles.clear();
    if words.len() < n {
        // Beside full shingles this is the hash of no n words in a row but by chance.
        shingles.extend(ngrams(words, words.len().max(1)));
        shingles.resize(1, 0);
    } else {
        shingles.extend(ngrams(words, n));
    }
}

/// What no shingle's value is taken for: an empty bin.
const EMPTY: u32 = u32::MAX;

/// Signatures of one shape, and the room to compute them in.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    bins: Vec<u32>,
    /// How far from an empty bin to look next: every distance once, in no order.
    distances: Vec<usize>,
    /// The bins in the order in which they make up bands: every bin once, in no order.
    order: Vec<usize>,
    /// The bins before any was filled from another.
    own: Vec<u32>,
    full: Vec<usize>,
    empty: Vec<usize>,
}

impl Sketch {
    pub(super) fn new(permutations: usize) -> Self {
        // As good as random, both: where distances are spread evenly, or a band has neighbouring bins,
        // the value in which two short texts differ comes into every band alike.
        let scattered = |from: usize, seed: u64| {
            let mut places: Vec<usize> = (from..permutations).collect();
            places.sort_by_key(|&place| xxh3_64_with_seed(&(place as u64).to_le_bytes(), seed));
            places
        };
        let (own, full, empty) = (Vec::new(), Vec::new(), Vec::new());
        let bins = vec![EMPTY; permutations];
        Self { bins, distances: scattered(1, 1), order: scattered(0, 2), own, full, empty }
    }

    /// One key a band: texts with the same values in a band have the same key there; two others share
    /// one with a chance of 2⁻³², which costs a comparison and changes no result. There is a shingle.
    pub(super) fn band_keys(
        &mut self,
        shingles: &[u64],
        bands: usize,
    ) -> impl Iterator<Item = u32> + '_ {
        self.sign(shingles);
        self.order.chunks_exact(self.order.len() / bands).map(|band| {
            let hash = band.iter().fold(0_u64, |hash, &bin| {
                let value = u64::from(self.bins[bin]);
                (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            });
            (hash >> 32) as u32
        })
    }

    /// The least value of each bin, and of another where a bin is empty.
    fn sign(&mut self, shingles: &[u64]) {
        self.bins.fill(EMPTY);
        let count = self.bins.len() as u64;
        for &shingle in shingles {
            // The high half names the bin and the low half is the value, so they are independent.
            let bin = (((shingle >> 32) * count) >> 32) as usize;
            self.bins[bin] = self.bins[bin].min(shingle as u32);
        }
        self.fill_empty();
    }

    /// In each round every empty bin looks at the bin at the round's distance: a one-to-one map of
    /// bins, so that it can be walked from its smaller side. O(k log k), however few bins are full.
    fn fill_empty(&mut self) {
        let (bins, empty) = (&self.bins, &mut self.empty);
        empty.clear();
        empty.extend(0..bins.len());
        retain(empty, |bin| bins[bin] == EMPTY);
        if empty.len() < bins.len() - empty.len() {
            self.pull();
        } else {
            self.push();
        }
    }

    /// Each round from the empty bins.
    fn pull(&mut self) {
        self.own.clone_from(&self.bins);
        let (own, bins, count) = (&self.own, &mut self.bins, self.own.len());
        for &distance in &self.distances {
            retain(&mut self.empty, |bin| {
                let beyond = bin + distance;
                bins[bin] = own[if beyond < count { beyond } else { beyond - count }];
                bins[bin] == EMPTY
            });
            if self.empty.is_empty() {
                break;
            }
        }
    }

    /// Each round from the full bins.
    fn push(&mut self) {
        let (bins, count, mut left) = (&mut self.bins, self.distances.len() + 1, self.empty.len());
        self.full.clear();
        self.full.extend((0..count).filter(|&bin| bins[bin] != EMPTY));
        for &distance in &self.distances {
            for &bin in &self.full {
                let to = if bin < distance { bin + count } else { bin } - distance;
                if bins[to] == EMPTY {
                    bins[to] = bins[bin];
                    left -= 1;
                }
            }
            if left == 0 {
                break;
            }
        }
    }
}

/// [`Vec::retain`] without a branch a bin: which bins are full is as good as random, so that every third
/// branch would be guessed wrong.
fn retain(bins: &mut Vec<usize>, mut is_kept: impl FnMut(usize) -> bool) {
    let mut kept = 0;
    for at in 0..bins.len() {
        let bin = bins[at];
        bins[kept] = bin;
        kept += usize::from(is_kept(bin));
    }
    bins.truncate(kept);
}
