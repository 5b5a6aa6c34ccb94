//! Why scores cannot be reduced.

use crate::error::{ColumnError, CoreError};

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
    /// No method of this name, or a name that does not go with the parameter.
    #[error(
        "method {name:?}: choose min, mean or median without a parameter, or quantile, \
         trimmed_mean or lower_bound with one"
    )]
    UnknownMethod {
        /// The name.
        name: String,
    },
    /// A completion would be scored by no judgement at all.
    #[error("min_valid must be at least 1: no valid judgement is no score")]
    NoMinimum,
    /// A state that no column counts.
    #[error("row {row} has the state {state:?}: name it beside {names}, or it would vanish")]
    UnknownState {
        /// The first such row.
        row: usize,
        /// Its state.
        state: String,
        /// The states that are counted.
        names: String,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for AggregateError {
    fn kind(&self) -> &'static str {
        match self {
            Self::BadQuantile { .. } => "bad_quantile",
            Self::BadTrim { .. } => "bad_trim",
            Self::BadLevel { .. } => "bad_level",
            Self::UnknownMethod { .. } => "unknown_method",
            Self::UnknownState { .. } => "unknown_state",
            Self::NoMinimum => "bad_min_valid",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::UnknownState { row, .. } => Some(*row),
            Self::Column(error) => error.row(),
            _ => None,
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::BadQuantile { share } | Self::BadTrim { share } => Some(*share),
            Self::BadLevel { level } => Some(*level),
            Self::NoMinimum => Some(0.0),
            Self::UnknownMethod { .. } | Self::UnknownState { .. } => None,
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::NoMinimum => Some(1.0),
            Self::BadTrim { .. } => Some(0.5),
            Self::Column(error) => error.limit(),
            _ => None,
        }
    }
}
