//! Why columns cannot be gathered.

use crate::error::{ColumnError, CoreError, Fault};

/// Why columns cannot be gathered.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::{gather::Packing, memory::Pool, pack::OverLong};
///
/// // A prompt without a completion.
/// let packing = Packing::new(&[2], 8, OverLong::Error)?;
/// let ids: [&[u32]; 1] = [&[7, 8]];
/// let error = packing.labels_where(&ids, &[&[false, false]], &Pool::default()).unwrap_err();
/// assert_eq!((error.kind(), error.row()), ("empty_loss_mask", Some(0)));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// No token of a row carries loss.
    #[error(
        "row {row} trains on no token (a row's first token never carries loss): drop the row or \
         mark a token as trained"
    )]
    EmptyLossMask {
        /// The first such row.
        row: usize,
    },
    /// A column of lists that does not fit the rows that were planned.
    #[error(
        "row {row} has {found} entries where {expected} tokens were planned: give lists of one \
         length for each row"
    )]
    RowLength {
        /// The first such row.
        row: usize,
        /// How many entries it has.
        found: usize,
        /// How many tokens its plan counts.
        expected: usize,
    },
    /// More tokens than the offsets of the result can name.
    #[error("{tokens} tokens; one call takes at most {limit}: split the shard")]
    TooManyTokens {
        /// How many there are.
        tokens: usize,
        /// How many the offsets can name.
        limit: usize,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for GatherError {
    fn fault(&self) -> Fault {
        match self {
            Self::EmptyLossMask { row } => Fault::of("empty_loss_mask").row(*row),
            Self::RowLength { row, found, expected } => {
                Fault::of("row_length").row(*row).value(*found as f64).limit(*expected as f64)
            }
            Self::TooManyTokens { tokens, limit } => {
                Fault::of("too_many_tokens").value(*tokens as f64).limit(*limit as f64)
            }
            Self::Column(error) => error.fault(),
        }
    }
}
