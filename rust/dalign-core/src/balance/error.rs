//! Why rows cannot be balanced.

use crate::error::{ColumnError, CoreError, Fault};

/// Why rows cannot be balanced.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::balance::{Balancer, Quota, Quotas, Settings};
///
/// let default = Quota { minimum: 2, maximum: Some(1), ..Quota::default() };
/// let categories = Quotas { default, ..Quotas::default() };
/// let error = Balancer::new(Settings { categories, ..Settings::default() }).unwrap_err();
/// assert_eq!((error.kind(), error.limit()), ("minimum_above_maximum", Some(1.0)));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BalanceError {
    /// A weight that is no share.
    #[error("weight {weight} must be above 0 and finite; leave a stratum out with maximum 0")]
    BadWeight {
        /// The weight.
        weight: f64,
    },
    /// A quota that nothing can meet.
    #[error("minimum {minimum} is above maximum {maximum}: raise the maximum")]
    MinimumAboveMaximum {
        /// The minimum.
        minimum: u64,
        /// The maximum of the same quota.
        maximum: u64,
    },
    /// A batch that has other columns than the first one.
    #[error("every batch must have the columns of the first: categories, clauses or both")]
    OtherColumns,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for BalanceError {
    fn fault(&self) -> Fault {
        match self {
            Self::BadWeight { weight } => Fault::of("bad_weight").value(*weight),
            Self::MinimumAboveMaximum { minimum, maximum } => {
                Fault::of("minimum_above_maximum").value(*minimum as f64).limit(*maximum as f64)
            }
            Self::OtherColumns => Fault::of("other_columns"),
            Self::Column(error) => error.fault(),
        }
    }
}
