//! From resampled means to the ends of an interval.

use super::Interval;
use crate::distribution::{normal_probability, normal_quantile};

/// How the ends are chosen among the resampled means.
///
/// ```
/// use dalign_core::bootstrap::{Method, Settings, mean};
///
/// // Skewed to the right: the corrected interval lies higher.
/// let values = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 9.0];
/// let low = |method| {
///     let settings = Settings { n_resamples: 2_000, level: 0.9, seed: 7, method };
///     mean(&values, &[0, 1, 2, 3, 4, 5, 6, 7], None, settings).unwrap().interval.unwrap().low
/// };
/// assert!(low(Method::Bca) > low(Method::Percentile));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The quantiles at both tails (Efron and Tibshirani 1993, chapter 13).
    #[default]
    Percentile,
    /// Bias-corrected and accelerated: quantiles moved by the bias of the resampled means and the skewness of the
    /// values (Efron 1987). Where all resampled means lie on one side of the mean, or no value differs from
    /// another, there is nothing to correct by, and the percentile interval is given.
    Bca,
}

impl Method {
    /// The method of this name: `percentile` or `bca`; none for another.
    ///
    /// ```
    /// use dalign_core::bootstrap::Method;
    ///
    /// assert_eq!(Method::named("bca"), Some(Method::Bca));
    /// assert_eq!(Method::named("exactly"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "percentile" => Some(Self::Percentile),
            "bca" => Some(Self::Bca),
            _ => None,
        }
    }
}

/// The interval that covers `level` of the resampled means; reorders them. `jackknife` gives the means with one
/// unit left out each, and is asked only where they are needed.
pub(super) fn interval(
    means: &mut [f64],
    mean: f64,
    level: f64,
    method: Method,
    jackknife: impl FnOnce() -> Vec<f64>,
) -> Interval {
    let tail = (1.0 - level) / 2.0;
    let shares = match method {
        Method::Percentile => None,
        Method::Bca => corrected(means, mean, tail, jackknife),
    };
    let (low, high) = shares.unwrap_or((tail, 1.0 - tail));
    let (low_at, high_at) = (position(means.len(), low), position(means.len(), high));
    let low = quantile(means, low_at);
    // The smaller values stand in front now, so the higher end is looked for behind them alone.
    let (start, between) = (low_at.0, high_at.1);
    let high = quantile(&mut means[start..], (high_at.0 - start, between));
    Interval { low, high }
}

/// The shares at which the corrected ends lie (Efron 1987, equation 2.3).
fn corrected(
    means: &[f64],
    mean: f64,
    tail: f64,
    jackknife: impl FnOnce() -> Vec<f64>,
) -> Option<(f64, f64)> {
    let below = means.iter().filter(|&&resampled| resampled < mean).count();
    let above = means.iter().filter(|&&resampled| resampled > mean).count();
    // A resampled mean that equals the mean counts half on either side.
    let bias = normal_quantile(0.5 + (below as f64 - above as f64) / (2.0 * means.len() as f64));
    let left_out = jackknife();
    let centre = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let power =
        |exponent| left_out.iter().map(|value| (centre - value).powi(exponent)).sum::<f64>();
    let acceleration = power(3) / (6.0 * power(2).powf(1.5));
    let moved = |share: f64| {
        let from = bias + normal_quantile(share);
        normal_probability(bias + from / (1.0 - acceleration * from))
    };
    let (low, high) = (moved(tail), moved(1.0 - tail));
    (bias.is_finite() && acceleration.is_finite() && low < high).then_some((low, high))
}

/// Below which of `count` sorted values, at least one, the quantile lies, and how far from it.
#[allow(clippy::cast_sign_loss, reason = "a share and a count are not negative")]
fn position(count: usize, share: f64) -> (usize, f64) {
    let at = share * (count - 1) as f64;
    (at.floor() as usize, at.fract())
}

/// The quantile at a position, linear between two values; all below it stand in front of it afterwards.
/// O(values).
fn quantile(values: &mut [f64], (below, between): (usize, f64)) -> f64 {
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    if between == 0.0 {
        return low;
    }
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    low + (high - low) * between
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_those_of_the_sorted_means() {
        for count in [2, 3, 40, 1_000] {
            let means: Vec<f64> = (0..count).map(|at| f64::from(at * 7_919 % 101)).collect();
            let mut sorted = means.clone();
            sorted.sort_by(f64::total_cmp);
            for level in [0.01, 0.5, 0.9, 0.999] {
                let at = |share: f64| {
                    let (below, between) = position(sorted.len(), share);
                    let above = sorted[(below + 1).min(sorted.len() - 1)];
                    sorted[below] + (above - sorted[below]) * between
                };
                let tail = (1.0 - level) / 2.0;
                let found = interval(&mut means.clone(), 0.0, level, Method::Percentile, Vec::new);
                assert_eq!(found, Interval { low: at(tail), high: at(1.0 - tail) });
            }
        }
    }
}
