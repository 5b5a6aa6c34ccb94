//! Intervals of many groups at once, each from a random stream of its own.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::interval::interval;
use super::{BootstrapError, Estimate, Settings, check_settings, first_not_finite};
use crate::error::offsets_delimit;
use crate::simd::widest;

/// Up to so many values, two are drawn at once from a table of the sums of all pairs.
const MOST_PAIRED: usize = 160;

/// Up to so many values, one random number gives four places in that table, else three: the odds of
/// each four are right to 0.06 %, of each three to 0.0001 %.
const MOST_BY_FOUR: usize = 100;

/// The mean of each group's values and its interval; the values of a group are resampled one by one.
///
/// Group `i` has `values[offsets[i]..offsets[i + 1]]`. Groups draw independently of one another, and
/// the result does not depend on the number of threads. A group of one value has no interval.
/// O(values · resamples); on groups of up to 160 values two draws cost one look-up.
///
/// # Errors
///
/// [`BootstrapError::EmptyGroup`], [`BootstrapError::NotFinite`], those for settings without meaning, and
/// `bad_offsets`.
///
/// ```
/// use dalign_core::bootstrap::{Interval, Method, Settings, groups};
///
/// let settings = Settings { n_resamples: 2_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let found = groups(&[0.0, 1.0, 5.0, 5.0, 5.0], &[0, 2, 5], settings)?;
/// assert_eq!(found[0].mean, 0.5);
/// assert_eq!(found[0].interval, Some(Interval { low: 0.0, high: 1.0 }));
/// assert_eq!(found[1].interval, Some(Interval { low: 5.0, high: 5.0 }));
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
pub fn groups(
    values: &[f64],
    offsets: &[u64],
    settings: Settings,
) -> Result<Vec<Estimate>, BootstrapError> {
    check_groups(values, offsets)?;
    check_settings(settings)?;
    let rows = offsets.par_windows(2).enumerate();
    Ok(rows
        .map_init(Room::default, |room, (group, ends)| {
            estimate(&values[ends[0] as usize..ends[1] as usize], group as u64, settings, room)
        })
        .collect())
}

/// Checks that offsets delimit groups of finite values, none of them empty.
pub(super) fn check_groups(values: &[f64], offsets: &[u64]) -> Result<(), BootstrapError> {
    offsets_delimit("offsets", offsets.iter().copied(), values.len())?;
    if let Some(group) = offsets.windows(2).position(|ends| ends[0] == ends[1]) {
        return Err(BootstrapError::EmptyGroup { group });
    }
    first_not_finite(values)
}

/// Memory that a thread uses again for each group.
#[derive(Default)]
struct Room {
    pairs: Vec<f64>,
    means: Vec<f64>,
}

fn estimate(values: &[f64], group: u64, settings: Settings, room: &mut Room) -> Estimate {
    let count = values.len() as f64;
    let total = values.iter().sum::<f64>();
    let mean = total / count;
    if values.len() < 2 {
        return Estimate { mean, interval: None };
    }
    let Room { pairs, means } = room;
    means.clear();
    let mut stream = Stream::new(settings.seed, group);
    let resamples = 0..settings.n_resamples;
    if values.len() <= MOST_PAIRED {
        sums_of_pairs(values, pairs);
        if values.len() <= MOST_BY_FOUR {
            means.extend(resamples.map(|_| stream.paired::<4>(values, pairs) / count));
        } else {
            means.extend(resamples.map(|_| stream.paired::<3>(values, pairs) / count));
        }
    } else {
        means.extend(resamples.map(|_| stream.single(values) / count));
    }
    let jackknife = || values.iter().map(|value| (total - value) / (count - 1.0)).collect();
    let interval = interval(means, mean, settings.level, settings.method, jackknife);
    Estimate { mean, interval: Some(interval) }
}

/// The sum of each value and each value.
fn sums_of_pairs(values: &[f64], pairs: &mut Vec<f64>) {
    pairs.resize(values.len() * values.len(), 0.0);
    widest(|| {
        for (row, a) in pairs.chunks_exact_mut(values.len()).zip(values) {
            for (sum, b) in row.iter_mut().zip(values) {
                *sum = a + b;
            }
        }
    });
}

/// The random stream of one group: a Weyl sequence, each step mixed by one wide multiplication
/// (wyrand; Wang Yi 2019).
struct Stream(u64);

impl Stream {
    fn new(seed: u64, group: u64) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(&group.to_le_bytes());
        Self(xxh3_64(&key))
    }

    #[inline(always)]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// Two indices below `n` from one number; the odds of each differ from 1/n by less than n / 2³².
    #[inline(always)]
    fn two_indices(&mut self, n: u64) -> (usize, usize) {
        let bits = self.next();
        ((((bits >> 32) * n) >> 32) as usize, (((bits & 0xffff_ffff) * n) >> 32) as usize)
    }

    /// `M` indices below `n` from one number, each of what the one before has left of it: the digits
    /// of a fraction to the base n. The odds of each sequence of them differ from n⁻ᴹ by a share of
    /// less than nᴹ / 2⁶⁴.
    #[inline(always)]
    fn indices<const M: usize>(&mut self, n: u64) -> [usize; M] {
        let mut bits = self.next();
        [(); M].map(|()| {
            let wide = u128::from(bits) * u128::from(n);
            bits = wide as u64;
            (wide >> 64) as usize
        })
    }

    /// The sum of as many values as there are, drawn with replacement, two for each look-up and `M`
    /// look-ups for each random number.
    #[inline(always)]
    fn paired<const M: usize>(&mut self, values: &[f64], pairs: &[f64]) -> f64 {
        let n = pairs.len() as u64;
        let (rounds, left) = (values.len() / 2 / M, values.len() / 2 % M);
        let mut sums = [0.0; M];
        for _ in 0..rounds {
            let places = self.indices::<M>(n);
            for at in 0..M {
                sums[at] += pairs[places[at]];
            }
        }
        for &place in &self.indices::<M>(n)[..left] {
            sums[0] += pairs[place];
        }
        if values.len() % 2 == 1 {
            sums[0] += values[self.two_indices(values.len() as u64).0];
        }
        sums.iter().sum()
    }

    /// The sum of as many values as there are, drawn with replacement.
    #[inline(always)]
    fn single(&mut self, values: &[f64]) -> f64 {
        let n = values.len() as u64;
        let mut sums = [0.0; 4];
        for _ in 0..values.len() / 4 {
            let [first, second] = [self.two_indices(n), self.two_indices(n)];
            sums[0] += values[first.0];
            sums[1] += values[first.1];
            sums[2] += values[second.0];
            sums[3] += values[second.1];
        }
        for _ in 0..values.len() % 4 {
            sums[0] += values[self.two_indices(n).0];
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}
