//! Why texts cannot be compared.

use crate::error::{ColumnError, CoreError, Fault};

/// Why texts cannot be compared.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::overlap::NgramIndex;
///
/// assert_eq!(NgramIndex::new(&["a text"], 0).unwrap_err().kind(), "bad_ngram");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlapError {
    /// Runs of no words.
    #[error("n must be at least 1: a run of no words stands everywhere")]
    NoWords,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for OverlapError {
    fn fault(&self) -> Fault {
        match self {
            Self::NoWords => Fault::of("bad_ngram").value(0.0).limit(1.0),
            Self::Column(error) => error.fault(),
        }
    }
}
