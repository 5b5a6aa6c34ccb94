//! The bootstrap distribution of a mean without resampling, for small whole scores.

use rayon::prelude::*;

use super::groups::check_groups;
use super::{BootstrapError, Estimate, Interval, check_level};

/// More levels than this between the least and the greatest score are too many.
const MOST_LEVELS: f64 = 256.0;
/// More values times levels than this in one group are too many: the time grows with its square.
const MOST_SUMS: usize = 50_000;

/// The mean of each group's scores and its percentile interval, from the exact distribution of the resampled mean.
///
/// Scores are whole numbers, as a judge gives. The sum of n draws from n scores is distributed as the n-fold
/// convolution of their frequencies; an end is the least mean whose cumulated probability reaches its share. What
/// [`groups`](super::groups) approaches with more resamples, without its random error. O(values² · levels²) a group.
///
/// # Errors
///
/// [`BootstrapError::NotWhole`] for a score that is no whole number, [`BootstrapError::TooManyLevels`] where a group is
/// too large for this, and those of [`groups`](super::groups).
///
/// ```
/// use dalign_core::bootstrap::{Interval, exact_groups};
///
/// // Two scores, 0 and 1: the resampled mean is 0, 1/2 or 1 with 1/4, 1/2 and 1/4.
/// let found = exact_groups(&[0.0, 1.0], &[0, 2], 0.4)?;
/// assert_eq!(found[0].interval, Some(Interval { low: 0.5, high: 0.5 }));
/// let found = exact_groups(&[0.0, 1.0], &[0, 2], 0.95)?;
/// assert_eq!(found[0].interval, Some(Interval { low: 0.0, high: 1.0 }));
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
pub fn exact_groups(
    values: &[f64],
    offsets: &[u64],
    level: f64,
) -> Result<Vec<Estimate>, BootstrapError> {
    check_groups(values, offsets)?;
    check_level(level)?;
    if let Some(row) = values.iter().position(|value| value.fract() != 0.0) {
        return Err(BootstrapError::NotWhole { row, value: values[row] });
    }
    let groups = offsets.par_windows(2).enumerate();
    groups
        .map(|(group, ends)| {
            estimate(&values[ends[0] as usize..ends[1] as usize], level)
                .ok_or(BootstrapError::TooManyLevels { group })
        })
        .collect()
}

/// None where there are too many levels or sums.
fn estimate(values: &[f64], level: f64) -> Option<Estimate> {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    if count < 2 {
        return Some(Estimate { mean, interval: None });
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest - least >= MOST_LEVELS {
        return None;
    }
    #[allow(clippy::cast_sign_loss, reason = "no value is below the least")]
    let level_of = |value: f64| (value - least) as usize;
    if level_of(greatest) * count > MOST_SUMS {
        return None;
    }
    let mut frequencies = vec![0.0; level_of(greatest) + 1];
    for &value in values {
        frequencies[level_of(value)] += 1.0 / count as f64;
    }
    let sums = power(&frequencies, count);
    let tail = (1.0 - level) / 2.0;
    let end = |share| least + first_reaching(&sums, share) as f64 / count as f64;
    Some(Estimate { mean, interval: Some(Interval { low: end(tail), high: end(1.0 - tail) }) })
}

/// The distribution of the sum of `count` draws, by squaring: all terms are positive, so nothing cancels.
fn power(frequencies: &[f64], count: usize) -> Vec<f64> {
    let mut sums = vec![1.0];
    for bit in (0..usize::BITS - count.leading_zeros()).rev() {
        sums = convolve(&sums, &sums);
        if count >> bit & 1 == 1 {
            sums = convolve(&sums, frequencies);
        }
    }
    sums
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut product = vec![0.0; a.len() + b.len() - 1];
    for (shift, weight) in short.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        for (sum, value) in product[shift..].iter_mut().zip(long) {
            *sum += weight * value;
        }
    }
    product
}

/// The first sum whose cumulated probability reaches the share.
fn first_reaching(probabilities: &[f64], share: f64) -> usize {
    // A share that is reached but for rounding is reached.
    let wanted = share - 1e-12;
    let mut cumulated = 0.0;
    probabilities
        .iter()
        .position(|probability| {
            cumulated += probability;
            cumulated >= wanted
        })
        .unwrap_or(probabilities.len() - 1)
}
