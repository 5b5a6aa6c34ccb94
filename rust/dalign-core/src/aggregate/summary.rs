//! The usual statistics of each completion's judgements, all in one pass.

use super::block::Score;
use super::statistic::Statistic;
use super::{AggregateError, Method, columns};
use crate::error::same_length;

/// Columns with one entry a completion.
///
/// Each number is NaN where fewer than `min_valid` judgements are valid; `sd` also where only one is.
///
/// ```
/// let found = dalign_core::aggregate::summary(&[1.0, 5.0], &[0, 2], &[0.5], 1)?;
/// assert_eq!((found.min, found.quantiles, found.n_valid), (vec![1.0], vec![vec![3.0]], vec![2]));
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The least valid score.
    pub min: Vec<f64>,
    /// The mean of the valid scores.
    pub mean: Vec<f64>,
    /// Their standard deviation, with n − 1 in the denominator.
    pub sd: Vec<f64>,
    /// One column a share asked for, in that order.
    pub quantiles: Vec<Vec<f64>>,
    /// How many judgements were valid.
    pub n_valid: Vec<u32>,
}

/// Minimum, mean, standard deviation and any quantiles of each completion's valid scores.
///
/// Completion `i` has `scores[offsets[i]..offsets[i + 1]]`; a score that is not finite is a failed
/// judgement. Quantiles are linear between two scores (type 7 of Hyndman and Fan 1996). Sums are
/// taken in `f64` and in the order of the scores. Completions of up to 32 judgements are sorted side
/// by side by a network of compare-exchanges (Batcher 1968): O(k log² k) for k judgements, without a
/// branch; longer ones by themselves in O(k log k).
///
/// # Errors
///
/// [`AggregateError::NoMinimum`] when `min_valid` is 0; [`AggregateError::BadQuantile`] for a share
/// outside 0..=1; [`ColumnError::BadOffsets`](crate::ColumnError::BadOffsets).
///
/// ```
/// use dalign_core::aggregate::summary;
///
/// let scores = [2.0_f32, 6.0, f32::NAN, 10.0, 7.0];
/// let found = summary(&scores, &[0, 4, 5], &[0.5, 1.0], 1)?;
/// assert_eq!((found.min[0], found.mean[0], found.sd[0]), (2.0, 6.0, 4.0));
/// assert_eq!((found.quantiles[0][0], found.quantiles[1][0]), (6.0, 10.0));
/// assert_eq!(found.n_valid, [3, 1]);
/// // One score has no spread.
/// assert!(found.sd[1].is_nan());
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
pub fn summary<S: Score>(
    scores: &[S],
    offsets: &[u32],
    quantiles: &[f64],
    min_valid: u32,
) -> Result<Summary, AggregateError> {
    let rows = offsets.len().saturating_sub(1);
    let column = || vec![0.0; rows];
    let mut found = Summary {
        min: column(),
        mean: column(),
        sd: column(),
        quantiles: quantiles.iter().map(|_| column()).collect(),
        n_valid: vec![0; rows],
    };
    let into = SummaryColumns {
        min: &mut found.min,
        mean: &mut found.mean,
        sd: &mut found.sd,
        quantiles: found.quantiles.iter_mut().map(Vec::as_mut_slice).collect(),
        n_valid: &mut found.n_valid,
    };
    summary_into(scores, offsets, quantiles, min_valid, into)?;
    Ok(found)
}

/// Columns for a [`Summary`], each with one entry a completion.
///
/// ```
/// use dalign_core::aggregate::{SummaryColumns, summary_into};
///
/// let ([mut min, mut mean, mut sd], mut n_valid) = ([[0.0]; 3], [0]);
/// let into = SummaryColumns {
///     min: &mut min,
///     mean: &mut mean,
///     sd: &mut sd,
///     quantiles: Vec::new(),
///     n_valid: &mut n_valid,
/// };
/// summary_into(&[2.0, 6.0, 10.0], &[0, 3], &[], 1, into)?;
/// assert_eq!((min, mean, sd, n_valid), ([2.0], [6.0], [4.0], [3]));
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
#[derive(Debug)]
pub struct SummaryColumns<'a> {
    /// For the least valid score.
    pub min: &'a mut [f64],
    /// For the mean of the valid scores.
    pub mean: &'a mut [f64],
    /// For their standard deviation.
    pub sd: &'a mut [f64],
    /// One column a share asked for, in that order.
    pub quantiles: Vec<&'a mut [f64]>,
    /// For how many judgements were valid.
    pub n_valid: &'a mut [u32],
}

/// As [`summary`], into columns that are there: every value is written.
///
/// # Errors
///
/// As [`summary`], and [`ColumnError::LengthMismatch`](crate::ColumnError::LengthMismatch) unless each
/// column has one value for each completion and there is one column a quantile.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::aggregate::{SummaryColumns, summary_into};
///
/// let [min, mean, sd] = [(); 3].map(|()| &mut [] as &mut [f64]);
/// let into = SummaryColumns { min, mean, sd, quantiles: Vec::new(), n_valid: &mut [] };
/// let error = summary_into(&[2.0, 6.0], &[0, 2], &[], 1, into).unwrap_err();
/// assert_eq!(error.kind(), "length_mismatch");
/// ```
pub fn summary_into<S: Score>(
    scores: &[S],
    offsets: &[u32],
    quantiles: &[f64],
    min_valid: u32,
    into: SummaryColumns<'_>,
) -> Result<(), AggregateError> {
    same_length("quantiles", into.quantiles.len(), quantiles.len())?;
    let mut statistics =
        vec![Statistic::of(Method::Min), Statistic::of(Method::Mean), Statistic::Deviation];
    for &share in quantiles {
        let method = Method::named("quantile", Some(share))?;
        statistics.push(Statistic::of(method));
    }
    let mut values = vec![into.min, into.mean, into.sd];
    values.extend(into.quantiles);
    columns::fill(scores, offsets, &statistics, min_valid, values, into.n_valid)
}
