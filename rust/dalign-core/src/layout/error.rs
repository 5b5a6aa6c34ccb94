//! Why rows cannot be laid out.

use crate::error::{ColumnError, CoreError, Fault};

/// Why rows cannot be laid out.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::layout::{Segments, assemble};
/// use dalign_core::pack::plan;
///
/// // A prompt without a completion.
/// let segments = Segments { ids: &[7, 8], offsets: &[0, 2], rows: &[0], trained: &[false] };
/// let error = assemble(&segments, &plan(&[2], 8)?, 8).unwrap_err();
/// assert_eq!((error.kind(), error.row()), ("empty_loss_mask", Some(0)));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No token of a row carries loss.
    #[error(
        "row {row} trains on no token (a row's first token never carries loss): drop the row or \
         mark a segment as trained"
    )]
    EmptyLossMask {
        /// The first such row.
        row: usize,
    },
    /// Segments that do not follow their rows' order.
    #[error(
        "segment {segment} belongs to row {row} where {expected} is due: segments must be sorted \
         by row and every row from 0 on must have one"
    )]
    UnsortedSegments {
        /// The first segment out of order.
        segment: usize,
        /// The row it names.
        row: u32,
        /// The last row that it may name.
        expected: u32,
    },
    /// A plan that does not hold each row once; only a row longer than the capacity may be left out.
    #[error(
        "the plan does not hold row {row} once ({rows} rows in all): plan these rows again, with \
         the same capacity"
    )]
    BadPlan {
        /// The first row at fault.
        row: usize,
        /// How many rows the segments have.
        rows: usize,
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

impl CoreError for LayoutError {
    fn fault(&self) -> Fault {
        match self {
            Self::EmptyLossMask { row } => Fault::of("empty_loss_mask").row(*row),
            Self::UnsortedSegments { segment, row, expected } => Fault::of("unsorted_segments")
                .row(*segment)
                .value(f64::from(*row))
                .limit(f64::from(*expected)),
            Self::BadPlan { row, rows } => Fault::of("bad_plan").row(*row).limit(*rows as f64),
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
