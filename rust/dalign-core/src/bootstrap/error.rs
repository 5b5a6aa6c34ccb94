//! Why no interval can be given.

use crate::error::{ColumnError, CoreError};

/// Why no interval can be given.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::bootstrap::{Method, Settings, mean};
///
/// let settings = Settings { n_resamples: 1_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let error = mean(&[0.5, f64::NAN], &[1, 2], None, settings).unwrap_err();
/// assert_eq!((error.kind(), error.row()), ("not_finite", Some(1)));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BootstrapError {
    /// A value without meaning as a number.
    #[error("value {row} is {value}: leave rows without a value out before averaging")]
    NotFinite {
        /// The first such row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// No value, so no mean.
    #[error("no value to average: report that nothing was measured")]
    NoValues,
    /// A level outside 0 to 1.
    #[error("level {level} must lie between 0 and 1, both excluded")]
    BadLevel {
        /// The level.
        level: f64,
    },
    /// A group without values, so without a mean.
    #[error("group {group} has no value: leave it out")]
    EmptyGroup {
        /// The first such group.
        group: usize,
    },
    /// A score that has no level.
    #[error("value {row} is {value}: exact intervals are for whole scores, so draw resamples here")]
    NotWhole {
        /// The first such row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A distribution too large to compute.
    #[error(
        "group {group} has too many values or levels for an exact interval: draw resamples here"
    )]
    TooManyLevels {
        /// The first such group.
        group: usize,
    },
    /// No resample.
    #[error("n_resamples must be at least 1")]
    NoResamples,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for BootstrapError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "not_finite",
            Self::NoValues => "no_values",
            Self::EmptyGroup { .. } => "empty_group",
            Self::NotWhole { .. } => "not_whole",
            Self::TooManyLevels { .. } => "too_many_levels",
            Self::BadLevel { .. } => "bad_level",
            Self::NoResamples => "bad_n_resamples",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::NotFinite { row, .. } | Self::NotWhole { row, .. } => Some(*row),
            Self::EmptyGroup { group } | Self::TooManyLevels { group } => Some(*group),
            Self::Column(error) => error.row(),
            _ => None,
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::NotFinite { value, .. } | Self::NotWhole { value, .. } => Some(*value),
            Self::BadLevel { level } => Some(*level),
            Self::NoValues | Self::NoResamples => Some(0.0),
            Self::EmptyGroup { .. } | Self::TooManyLevels { .. } => None,
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::NoValues | Self::NoResamples => Some(1.0),
            Self::Column(error) => error.limit(),
            _ => None,
        }
    }
}
