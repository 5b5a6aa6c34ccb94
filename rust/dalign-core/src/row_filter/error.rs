//! What cannot be filtered.

use crate::error::{ColumnError, CoreError, Fault};
use crate::jsonl::JsonlError;
use crate::seen::SpillError;

/// Limits of the length between which there is nothing.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::completion::Tags;
/// use dalign_core::row_filter::Rules;
///
/// let error = Rules::new(Tags::none(), 9, 3).unwrap_err();
/// assert_eq!((error.value(), error.limit()), (Some(9.0), Some(3.0)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at least {min_chars} and at most {max_chars} characters leave no length; swap them")]
pub struct LengthError {
    pub(super) min_chars: u64,
    pub(super) max_chars: u64,
}

impl CoreError for LengthError {
    fn fault(&self) -> Fault {
        Fault::of("bad_length_limits").value(self.min_chars as f64).limit(self.max_chars as f64)
    }
}

/// A batch that cannot be filtered.
///
/// ```
/// use dalign_core::completion::Tags;
/// use dalign_core::jsonl::{Batch, Fields};
/// use dalign_core::row_filter::{RowFilter, Rules};
/// use dalign_core::CoreError;
///
/// // The field may be missing for the reader, not for the filter.
/// let batch = Batch::parse("{}".into(), 4, "here", &Fields::new(&[], &["a"]))?;
/// let mut filter = RowFilter::new(Rules::new(Tags::none(), 0, 9)?, None);
/// let error = filter.check_batch(&batch, 0).unwrap_err();
/// assert_eq!((error.kind(), error.row()), ("missing_field", Some(4)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A row without the field.
    #[error(transparent)]
    Row(#[from] JsonlError),
    /// Hashes that cannot be kept in a temporary file.
    #[error(transparent)]
    Spill(#[from] SpillError),
}

impl CoreError for BatchError {
    fn fault(&self) -> Fault {
        match self {
            Self::Row(error) => error.fault(),
            Self::Spill(error) => error.fault(),
        }
    }
}

/// Columns that cannot be filtered.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::completion::Tags;
/// use dalign_core::row_filter::{RowFilter, Rules};
///
/// let mut filter = RowFilter::new(Rules::new(Tags::none(), 0, 9)?, None);
/// let error = filter.check_column(&["a", "b"], &[false]).unwrap_err();
/// assert_eq!(error.kind(), "length_mismatch");
/// # Ok::<(), dalign_core::row_filter::LengthError>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ColumnFilterError {
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Hashes that cannot be kept in a temporary file.
    #[error(transparent)]
    Spill(#[from] SpillError),
}

impl CoreError for ColumnFilterError {
    fn fault(&self) -> Fault {
        match self {
            Self::Column(error) => error.fault(),
            Self::Spill(error) => error.fault(),
        }
    }
}
