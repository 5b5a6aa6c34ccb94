//! What keeps a text from having token ids.

use crate::error::{CoreError, Fault};

/// Why a text has no token ids.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::tokenize::Tokenizer;
///
/// let error = Tokenizer::from_file("/nowhere/tokenizer.json").err().expect("no such file");
/// assert_eq!(error.kind(), "unreadable_tokenizer");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// The file cannot be read, or is no tokenizer.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The cause, from the system or the JSON reader.
        reason: String,
    },
    /// A tokenizer of a kind that is not implemented here.
    #[error("{path}: the fast path cannot take this tokenizer ({reason}): use the model's own")]
    Unsupported {
        /// The file.
        path: String,
        /// The cause, from the crate `tokenizers`.
        reason: String,
    },
    /// A text that this tokenizer cannot express.
    #[error("row {row} cannot be tokenized: {reason}")]
    Unencodable {
        /// The first such row.
        row: usize,
        /// The cause, from the crate `tokenizers`.
        reason: String,
    },
}

impl CoreError for TokenizeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreadable { .. } => Fault::of("unreadable_tokenizer"),
            Self::Unsupported { .. } => Fault::of("unsupported_tokenizer"),
            Self::Unencodable { row, .. } => Fault::of("unencodable_text").row(*row),
        }
    }
}
