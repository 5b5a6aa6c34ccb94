//! Several judgements of one completion reduced to one score, or to none when too few are valid.

use rayon::prelude::*;

use crate::error::{ColumnError, CoreError, offsets_delimit};

/// How the valid scores of a completion become one.
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
}

impl Method {
    /// The method of this name: `min`, `mean`, `median` or `quantile`, the last with its share.
    ///
    /// # Errors
    ///
    /// [`AggregateError::UnknownMethod`] for another name, or when a share is given to a method that
    /// takes none or left out for `quantile`; [`AggregateError::BadQuantile`] outside 0..=1.
    ///
    /// ```
    /// use dalign_core::aggregate::Method;
    ///
    /// assert_eq!(Method::named("quantile", Some(0.25))?, Method::Quantile(0.25));
    /// assert!(Method::named("quantile", None).is_err());
    /// # Ok::<(), dalign_core::aggregate::AggregateError>(())
    /// ```
    pub fn named(name: &str, quantile: Option<f64>) -> Result<Self, AggregateError> {
        match (name, quantile) {
            ("min", None) => Ok(Self::Min),
            ("mean", None) => Ok(Self::Mean),
            ("median", None) => Ok(Self::Median),
            ("quantile", Some(share)) if (0.0..=1.0).contains(&share) => Ok(Self::Quantile(share)),
            ("quantile", Some(share)) => Err(AggregateError::BadQuantile { share }),
            _ => Err(AggregateError::UnknownMethod { name: name.to_owned() }),
        }
    }

    /// The score of at least one finite value; reorders them.
    fn reduce(self, valid: &mut [f64]) -> f64 {
        match self {
            Self::Min => valid.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Mean => valid.iter().sum::<f64>() / valid.len() as f64,
            Self::Median => quantile(valid, 0.5),
            Self::Quantile(share) => quantile(valid, share),
        }
    }
}

/// Why scores cannot be reduced.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AggregateError {
    /// A share outside 0..=1.
    #[error("quantile {share} must lie between 0 and 1")]
    BadQuantile {
        /// The share.
        share: f64,
    },
    /// No method of this name, or a name that does not go with the share.
    #[error(
        "method {name:?}: choose min, mean or median without a quantile, or `quantile` with one"
    )]
    UnknownMethod {
        /// The name.
        name: String,
    },
    /// A completion would be scored by no judgement at all.
    #[error("min_valid must be at least 1: no valid judgement is no score")]
    NoMinimum,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for AggregateError {
    fn kind(&self) -> &'static str {
        match self {
            Self::BadQuantile { .. } => "bad_quantile",
            Self::UnknownMethod { .. } => "unknown_method",
            Self::NoMinimum => "bad_min_valid",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::Column(error) => error.row(),
            _ => None,
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::BadQuantile { share } => Some(*share),
            Self::NoMinimum => Some(0.0),
            Self::UnknownMethod { .. } => None,
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::NoMinimum => Some(1.0),
            Self::Column(error) => error.limit(),
            _ => None,
        }
    }
}

/// One completion's judgements, reduced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aggregate {
    /// The score; none when fewer than `min_valid` judgements were valid: the completion is
    /// unjudged.
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
/// [`AggregateError::NoMinimum`] when `min_valid` is 0; [`ColumnError::BadOffsets`].
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
pub fn reduce(
    scores: &[f64],
    offsets: &[u32],
    method: Method,
    min_valid: u32,
) -> Result<Vec<Aggregate>, AggregateError> {
    if min_valid == 0 {
        return Err(AggregateError::NoMinimum);
    }
    offsets_delimit("offsets", offsets.iter().copied(), scores.len())?;
    let groups = offsets.par_windows(2).with_min_len(4096);
    Ok(groups
        .map_init(Vec::new, |valid, ends| {
            valid.clear();
            let group = &scores[ends[0] as usize..ends[1] as usize];
            valid.extend(group.iter().copied().filter(|score| score.is_finite()));
            let n_valid = valid.len() as u32;
            let score = (n_valid >= min_valid).then(|| method.reduce(valid));
            Aggregate { score, n_valid }
        })
        .collect())
}

/// The quantile of at least one finite value, linear between two; sorts them.
///
/// ```
/// assert_eq!(dalign_core::aggregate::quantile(&mut [4.0, 1.0, 2.0], 0.75), 3.0);
/// ```
#[must_use]
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = share * (values.len() - 1) as f64;
    #[allow(clippy::cast_sign_loss, reason = "a share and a count are not negative")]
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
