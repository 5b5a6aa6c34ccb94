//! Why rows cannot be packed.

use crate::error::{ColumnError, CoreError};

/// Why rows cannot be packed.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::pack::{PackError, plan};
///
/// let error = plan(&[3, 9], 8).unwrap_err();
/// assert_eq!(error, PackError::RowTooLong { row: 1, length: 9, capacity: 8 });
/// assert_eq!(error.kind(), "row_too_long");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PackError {
    /// A row alone exceeds a bin.
    #[error(
        "row {row} has {length} tokens, the bins hold {capacity}: raise the capacity, or drop or \
         mask rows this long (rows are never cut to train on a part)"
    )]
    RowTooLong {
        /// The first such row.
        row: usize,
        /// Its length in tokens.
        length: u32,
        /// What a bin holds.
        capacity: u32,
    },
    /// A row has no token.
    #[error("row {row} has no token: drop it")]
    EmptyRow {
        /// The first such row.
        row: usize,
    },
    /// No rule for over-long rows has this name.
    #[error("there is no rule `{name}` for over-long rows: use error, drop or mask")]
    UnknownOverLong {
        /// The name that was given.
        name: String,
    },
    /// A step without anybody to compute it.
    #[error("ranks must be at least 1")]
    NoRanks,
    /// Coefficients that give no cost.
    #[error(
        "a cost of {linear} a token and {quadratic} a pair of tokens: both must be finite and not \
         negative, and one above 0"
    )]
    BadCost {
        /// The cost of a token for itself.
        linear: f64,
        /// The cost of a pair of tokens.
        quadratic: f64,
    },
    /// A stream that may hold no row.
    #[error("the buffer must hold at least 1 row")]
    NoBuffer,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for PackError {
    fn kind(&self) -> &'static str {
        match self {
            Self::RowTooLong { .. } => "row_too_long",
            Self::EmptyRow { .. } => "empty_row",
            Self::UnknownOverLong { .. } => "unknown_over_long",
            Self::NoRanks => "no_ranks",
            Self::BadCost { .. } => "bad_cost",
            Self::NoBuffer => "no_buffer",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::RowTooLong { row, .. } | Self::EmptyRow { row } => Some(*row),
            Self::Column(error) => error.row(),
            _ => None,
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::RowTooLong { length, .. } => Some(f64::from(*length)),
            Self::EmptyRow { .. } | Self::NoRanks | Self::NoBuffer => Some(0.0),
            Self::UnknownOverLong { .. } | Self::BadCost { .. } => None,
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::RowTooLong { capacity, .. } => Some(f64::from(*capacity)),
            Self::NoRanks | Self::NoBuffer => Some(1.0),
            Self::Column(error) => error.limit(),
            _ => None,
        }
    }
}

impl PackError {
    /// The same error where so many rows came before.
    pub(super) fn later(self, rows: usize) -> Self {
        match self {
            Self::RowTooLong { row, length, capacity } => {
                Self::RowTooLong { row: rows + row, length, capacity }
            }
            Self::EmptyRow { row } => Self::EmptyRow { row: rows + row },
            other => other,
        }
    }
}
