//! Why no interval can be given.

use crate::error::{ColumnError, CoreError, Fault};

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
    /// No resample.
    #[error("n_resamples must be at least 1")]
    NoResamples,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for BootstrapError {
    fn fault(&self) -> Fault {
        match self {
            Self::NotFinite { row, value } => Fault::of("not_finite").row(*row).value(*value),
            Self::NoValues => Fault::of("no_values").value(0.0).limit(1.0),
            Self::BadLevel { level } => Fault::of("bad_level").value(*level),
            Self::NoResamples => Fault::of("bad_n_resamples").value(0.0).limit(1.0),
            Self::Column(error) => error.fault(),
        }
    }
}
