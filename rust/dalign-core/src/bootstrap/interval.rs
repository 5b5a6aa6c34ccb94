//! From resampled means to the ends of an interval.

use super::Interval;
use crate::distribution::{normal_probability, normal_quantile, rough_normal_quantile};
use crate::simd::widest;

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
    let spread = Spread::of(means);
    Interval {
        low: low_end(means, low_at, spread.centre - spread.tail(low)),
        high: high_end(means, high_at, spread.centre + spread.tail(1.0 - high)),
    }
}

/// Where the resampled means lie, roughly: what is far out is looked for among few of them.
#[derive(Clone, Copy)]
struct Spread {
    count: f64,
    centre: f64,
    deviation: f64,
}

impl Spread {
    fn of(means: &[f64]) -> Self {
        let count = means.len() as f64;
        let centre = sum(means, |mean| mean) / count;
        let squares = sum(means, |mean| (mean - centre) * (mean - centre));
        Self { count, centre, deviation: (squares / count).sqrt() }
    }

    /// How far from the centre a tail begins that has rather more than this share of the means: twice
    /// as many and eight more, were they normal.
    fn tail(self, share: f64) -> f64 {
        let generous = (2.0 * share + 8.0 / self.count).min(0.5);
        -self.deviation * rough_normal_quantile(generous)
    }
}

/// The sum of what each value comes to, in eight sums side by side whatever the CPU.
fn sum(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    widest(|| {
        let (blocks, rest) = values.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for block in blocks {
            for (sum, &value) in sums.iter_mut().zip(block) {
                *sum += of(value);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&value| of(value)).sum::<f64>()
    })
}

/// The quantile at a position, looked for among the values up to a bound if it lies there.
fn low_end(values: &mut [f64], at: (usize, f64), bound: f64) -> f64 {
    let mut tail = gather(values, |value| value <= bound);
    if at.0 + 1 < tail.len() { quantile(&mut tail, at) } else { quantile(values, at) }
}

/// The quantile at a position, looked for among the values from a bound on if it lies there.
fn high_end(values: &mut [f64], (below, between): (usize, f64), bound: f64) -> f64 {
    let mut tail = gather(values, |value| value >= bound);
    match (below + tail.len()).checked_sub(values.len()) {
        Some(below) => quantile(&mut tail, (below, between)),
        None => quantile(values, (below, between)),
    }
}

/// The values that are wanted, in their order.
fn gather(values: &[f64], wanted: impl Fn(f64) -> bool) -> Vec<f64> {
    // Each is written, and the next one over it if it was not wanted: no branch to guess.
    let (mut gathered, mut count) = (vec![0.0; values.len()], 0);
    for &value in values {
        gathered[count] = value;
        count += usize::from(wanted(value));
    }
    gathered.truncate(count);
    gathered
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
        let spread = |at: u32| f64::from(at * 7_919 % 101);
        // Far from normal: one value again and again, two, and a long tail on either side.
        let shapes: [fn(f64) -> f64; 6] = [
            |x| x,
            |_| 0.7,
            |x| (x < 50.0).into(),
            |x| (x * 0.2).exp(),
            |x| -(x * 0.2).exp(),
            |x| {
                if x == 0.0 { -1e9 } else { x }
            },
        ];
        for (count, shape) in [2, 3, 40, 1_000].into_iter().flat_map(|n| shapes.map(|s| (n, s))) {
            let means: Vec<f64> = (0..count).map(|at| shape(spread(at))).collect();
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
