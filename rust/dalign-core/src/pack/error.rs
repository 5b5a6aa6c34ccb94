//! Why rows cannot be packed.

use crate::error::{ColumnError, CoreError, Fault};

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
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for PackError {
    fn fault(&self) -> Fault {
        match self {
            Self::RowTooLong { row, length, capacity } => Fault::of("row_too_long")
                .row(*row)
                .value(f64::from(*length))
                .limit(f64::from(*capacity)),
            Self::EmptyRow { row } => Fault::of("empty_row").row(*row).value(0.0),
            Self::UnknownOverLong { .. } => Fault::of("unknown_over_long"),
            Self::Column(error) => error.fault(),
        }
    }
}
