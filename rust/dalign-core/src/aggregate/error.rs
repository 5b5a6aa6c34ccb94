//! Why scores cannot be reduced.

use crate::error::{ColumnError, CoreError, Fault};

/// Why scores cannot be reduced.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::aggregate::Method;
///
/// let error = Method::named("quantile", Some(1.5)).unwrap_err();
/// assert_eq!((error.kind(), error.value()), ("bad_quantile", Some(1.5)));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AggregateError {
    /// A share outside 0..=1.
    #[error("quantile {share} must lie between 0 and 1")]
    BadQuantile {
        /// The share.
        share: f64,
    },
    /// A share at each end that leaves nothing between.
    #[error("trimmed share {share} must be at least 0 and below 0.5: it is cut at both ends")]
    BadTrim {
        /// The share.
        share: f64,
    },
    /// A confidence that no bound has.
    #[error("level {level} must lie between 0 and 1, both excluded")]
    BadLevel {
        /// The level.
        level: f64,
    },
    /// A softness that weighs nothing.
    #[error("softness {softness} must be a finite number above 0, in points of the scale")]
    BadSoftness {
        /// The softness.
        softness: f64,
    },
    /// No method of this name, or a name that does not go with the parameter.
    #[error(
        "method {name:?}: choose min, mean, median or deviation without a parameter, or quantile, \
         trimmed_mean, lower_bound or soft_min with one"
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
    fn fault(&self) -> Fault {
        match self {
            Self::BadQuantile { share } => Fault::of("bad_quantile").value(*share),
            Self::BadTrim { share } => Fault::of("bad_trim").value(*share).limit(0.5),
            Self::BadLevel { level } => Fault::of("bad_level").value(*level),
            Self::BadSoftness { softness } => Fault::of("bad_softness").value(*softness).limit(0.0),
            Self::UnknownMethod { .. } => Fault::of("unknown_method"),
            Self::NoMinimum => Fault::of("bad_min_valid").value(0.0).limit(1.0),
            Self::Column(error) => error.fault(),
        }
    }
}
