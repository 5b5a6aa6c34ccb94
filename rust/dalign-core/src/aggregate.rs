//! Several judgements of one completion reduced to one score, or to none when too few are valid.

mod block;
mod columns;
mod error;
mod even;
mod network;
mod soft;
mod statistic;

pub use block::Score;
pub use error::AggregateError;
use statistic::Statistic;

/// How the valid scores of a completion become one.
///
/// ```
/// use dalign_core::aggregate::{Method, reduce};
///
/// let of = |method| reduce(&[2.0, 4.0, 9.0], &[0, 3], method, 1).unwrap()[0].score.unwrap();
/// assert_eq!((of(Method::Min), of(Method::Mean), of(Method::Median)), (2.0, 5.0, 4.0));
/// assert_eq!((of(Method::Quantile(0.25)), of(Method::TrimmedMean(0.4))), (3.0, 4.0));
/// // Half of the weight of 0 and ln 3 is on each: 1 and 1 / 3 are 2 / 3 in the mean.
/// let soft = reduce(&[0.0, 3.0_f64.ln()], &[0, 2], Method::SoftMin(1.0), 1).unwrap()[0].score.unwrap();
/// assert!((soft - 1.5_f64.ln()).abs() < 1e-12);
/// // The mean is 5; squares of 3, 1 and 4 over n − 1 = 2.
/// assert_eq!(of(Method::Deviation), 13.0_f64.sqrt());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The least one: a completion is as good as its strictest judgement.
    Min,
    /// The arithmetic mean.
    Mean,
    /// The middle one, or the mean of the middle two.
    Median,
    /// The point below which this share of the scores lies, in 0..=1; linear between two scores
    /// (type 7 of Hyndman and Fan 1996, numpy's default).
    Quantile(f64),
    /// The mean without this share of the scores at each end, in 0..0.5: ⌊share · n⌋ of n scores are
    /// left out at the bottom and as many at the top.
    TrimmedMean(f64),
    /// What the mean lies above with this confidence, between 0 and 1, both excluded: one-sided and
    /// by Student's t, mean − t(level, n − 1) · sd / √n with n scores and sd over n − 1. A single
    /// score says nothing of the spread, so it gives no bound, and the completion no score.
    LowerBound(f64),
    /// A least one that all scores pull at: −β ln(mean of exp(−score / β)) with this β, finite and above 0.
    /// Between the least score and the mean: towards the first for a small β, the second for a large one.
    SoftMin(f64),
    /// How far they lie apart: the standard deviation with n − 1 in the denominator. A single score
    /// gives none.
    Deviation,
}

impl Method {
    /// The method of this name: `min`, `mean`, `median` or `deviation`, `quantile` or `trimmed_mean`
    /// with a share, `lower_bound` with a level, or `soft_min` with a softness.
    ///
    /// # Errors
    ///
    /// [`AggregateError::UnknownMethod`] for another name, or when a parameter is given to a method
    /// that takes none or left out for one that does; [`AggregateError::BadQuantile`],
    /// [`AggregateError::BadTrim`], [`AggregateError::BadLevel`] and [`AggregateError::BadSoftness`] outside the
    /// parameter's range.
    ///
    /// ```
    /// use dalign_core::aggregate::Method;
    ///
    /// assert_eq!(Method::named("quantile", Some(0.25))?, Method::Quantile(0.25));
    /// assert_eq!(Method::named("lower_bound", Some(0.95))?, Method::LowerBound(0.95));
    /// assert!(Method::named("quantile", None).is_err());
    /// # Ok::<(), dalign_core::aggregate::AggregateError>(())
    /// ```
    pub fn named(name: &str, parameter: Option<f64>) -> Result<Self, AggregateError> {
        match (name, parameter) {
            ("min", None) => Ok(Self::Min),
            ("mean", None) => Ok(Self::Mean),
            ("median", None) => Ok(Self::Median),
            ("deviation", None) => Ok(Self::Deviation),
            ("quantile", Some(share)) if (0.0..=1.0).contains(&share) => Ok(Self::Quantile(share)),
            ("quantile", Some(share)) => Err(AggregateError::BadQuantile { share }),
            ("trimmed_mean", Some(share)) if (0.0..0.5).contains(&share) => {
                Ok(Self::TrimmedMean(share))
            }
            ("trimmed_mean", Some(share)) => Err(AggregateError::BadTrim { share }),
            ("lower_bound", Some(level)) if level > 0.0 && level < 1.0 => {
                Ok(Self::LowerBound(level))
            }
            ("lower_bound", Some(level)) => Err(AggregateError::BadLevel { level }),
            ("soft_min", Some(softness)) if softness > 0.0 && softness.is_finite() => {
                Ok(Self::SoftMin(softness))
            }
            ("soft_min", Some(softness)) => Err(AggregateError::BadSoftness { softness }),
            _ => Err(AggregateError::UnknownMethod { name: name.to_owned() }),
        }
    }
}

/// One completion's judgements, reduced.
///
/// ```
/// use dalign_core::aggregate::{Aggregate, Method, reduce};
///
/// let found = reduce(&[8.0, f64::NAN], &[0, 2], Method::Mean, 2)?;
/// assert_eq!(found, [Aggregate { score: None, n_valid: 1 }]);
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aggregate {
    /// The score; none when fewer than `min_valid` judgements were valid, or too few for the method:
    /// the completion is unjudged.
    pub score: Option<f64>,
    /// How many judgements were valid.
    pub n_valid: u32,
}

/// Reduces the scores of each completion.
///
/// Completion `i` has `scores[offsets[i]..offsets[i + 1]]`. A score that is not finite is a failed
/// judgement: it counts as absent, never as a number. O(scores), times log k for quantiles of k.
///
/// # Errors
///
/// [`AggregateError::NoMinimum`] when `min_valid` is 0; [`ColumnError::BadOffsets`](crate::ColumnError::BadOffsets).
///
/// ```
/// use dalign_core::aggregate::{Method, reduce};
///
/// let scores = [8.0, 6.0, 9.0, f64::NAN];
/// let reduced = reduce(&scores, &[0, 2, 4], Method::Min, 2)?;
/// assert_eq!(reduced[0].score, Some(6.0));
/// assert_eq!((reduced[1].score, reduced[1].n_valid), (None, 1));
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
pub fn reduce<S: Score>(
    scores: &[S],
    offsets: &[u32],
    method: Method,
    min_valid: u32,
) -> Result<Vec<Aggregate>, AggregateError> {
    let rows = offsets.len().saturating_sub(1);
    let (mut score, mut n_valid) = (vec![0.0; rows], vec![0; rows]);
    reduce_into(scores, offsets, method, min_valid, &mut score, &mut n_valid)?;
    let least = least_valid(method, min_valid);
    let row = |(score, n_valid)| Aggregate { score: (n_valid >= least).then_some(score), n_valid };
    Ok(score.into_iter().zip(n_valid).map(row).collect())
}

/// As [`reduce`], into columns that are there, of which every value is written: NaN where the completion is
/// unjudged.
///
/// Sums are taken in `f64` and in the order of the scores. Completions of up to 32 judgements are
/// reduced side by side, and sorted by a network of compare-exchanges (Batcher 1968) where the method
/// needs an order: O(k log² k) for k judgements, without a branch; longer ones by themselves in
/// O(k log k).
///
/// # Errors
///
/// As [`reduce`], and [`ColumnError::LengthMismatch`](crate::ColumnError::LengthMismatch) unless the
/// columns have one value for each completion.
///
/// ```
/// use dalign_core::aggregate::{Method, reduce_into};
///
/// let (mut score, mut n_valid) = ([0.0; 2], [0; 2]);
/// // Student's t at 0.75 with one degree of freedom is 1; sd / √n is 1 too.
/// let method = Method::LowerBound(0.75);
/// reduce_into(&[6.0_f32, 8.0, 9.0], &[0, 2, 3], method, 1, &mut score, &mut n_valid)?;
/// assert!((score[0] - 6.0).abs() < 1e-12);
/// assert!(score[1].is_nan());
/// assert_eq!(n_valid, [2, 1]);
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
pub fn reduce_into<S: Score>(
    scores: &[S],
    offsets: &[u32],
    method: Method,
    min_valid: u32,
    score: &mut [f64],
    n_valid: &mut [u32],
) -> Result<(), AggregateError> {
    columns::fill(scores, offsets, &Statistic::of(method), min_valid, score, n_valid)
}

/// How many valid judgements a score of this method needs: a bound and a deviation need two.
///
/// ```
/// use dalign_core::aggregate::{Method, least_valid};
///
/// assert_eq!(least_valid(Method::Min, 1), 1);
/// assert_eq!(least_valid(Method::LowerBound(0.9), 1), 2);
/// ```
#[must_use]
pub fn least_valid(method: Method, min_valid: u32) -> u32 {
    let needs_two = matches!(method, Method::LowerBound(_) | Method::Deviation);
    if needs_two { min_valid.max(2) } else { min_valid }
}

/// The quantile of at least one finite value, linear between two; sorts them.
///
/// ```
/// assert_eq!(dalign_core::aggregate::quantile(&mut [4.0, 1.0, 2.0], 0.75), 3.0);
/// ```
#[must_use]
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    sort(values);
    let (low, high, between) = quantile_position(values.len(), share);
    values[low] + (values[high] - values[low]) * between
}

fn sort(values: &mut [f64]) {
    values.sort_unstable_by(f64::total_cmp);
}

/// Between which two of `count` sorted values the quantile lies, and how far from the first.
#[inline(always)]
#[allow(clippy::cast_sign_loss, reason = "a share and a count are not negative")]
fn quantile_position(count: usize, share: f64) -> (usize, usize, f64) {
    let at = share * (count - 1) as f64;
    (at.floor() as usize, at.ceil() as usize, at.fract())
}

/// How many of `count` values a trimmed mean leaves out at each end.
#[inline(always)]
#[allow(clippy::cast_sign_loss, reason = "a share and a count are not negative")]
fn trimmed(count: usize, share: f64) -> usize {
    (share * count as f64).floor() as usize
}
