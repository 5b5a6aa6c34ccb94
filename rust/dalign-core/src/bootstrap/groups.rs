//! Intervals of many groups at once, each from a random stream of its own.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::interval::interval;
use super::{BootstrapError, Estimate, Settings, check_settings, first_not_finite};
use crate::error::offsets_delimit;

/// Up to so many values, two are drawn at once from a table of the sums of all pairs.
const MOST_PAIRED: usize = 160;

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
    if values.len() <= MOST_PAIRED {
        pairs.clear();
        for a in values {
            pairs.extend(values.iter().map(|b| a + b));
        }
        means.extend((0..settings.n_resamples).map(|_| stream.paired(values, pairs) / count));
    } else {
        means.extend((0..settings.n_resamples).map(|_| stream.single(values) / count));
    }
    let jackknife = || values.iter().map(|value| (total - value) / (count - 1.0)).collect();
    let interval = interval(means, mean, settings.level, settings.method, jackknife);
    Estimate { mean, interval: Some(interval) }
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

    /// The sum of as many values as there are, drawn with replacement, two for each look-up.
    #[inline(always)]
    fn paired(&mut self, values: &[f64], pairs: &[f64]) -> f64 {
        let n = pairs.len() as u64;
        let mut sums = [0.0; 4];
        for _ in 0..values.len() / 8 {
            let [first, second] = [self.two_indices(n), self.two_indices(n)];
            sums[0] += pairs[first.0];
            sums[1] += pairs[first.1];
            sums[2] += pairs[second.0];
            sums[3] += pairs[second.1];
        }
        for _ in 0..values.len() % 8 / 2 {
            sums[0] += pairs[self.two_indices(n).0];
        }
        if values.len() % 2 == 1 {
            sums[1] += values[self.two_indices(values.len() as u64).0];
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
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
