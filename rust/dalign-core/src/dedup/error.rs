//! What the search for near-duplicates refuses.

use crate::error::{ColumnError, CoreError};

/// Settings or columns that [`near`](super::near) cannot work with.
///
/// ```
/// use dalign_core::{CoreError, dedup::Settings};
///
/// assert_eq!(Settings::new(5, 128, 7, 0.7).unwrap_err().kind(), "bad_bands");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NearError {
    /// An n-gram of no words.
    #[error("a shingle has at least one word, not {ngram}; five are usual")]
    BadNgram {
        /// What was asked for.
        ngram: usize,
    },
    /// Bands that do not share the permutations evenly.
    #[error(
        "{permutations} permutations cannot be shared evenly among {bands} bands; take a number \
         of bands that divides them, such as 16 of 128"
    )]
    BadBands {
        /// Values of a signature.
        permutations: usize,
        /// What does not divide them.
        bands: usize,
    },
    /// A threshold that no pair or every pair would meet.
    #[error("the threshold is a Jaccard similarity above 0 and at most 1, not {threshold}")]
    BadThreshold {
        /// What was asked for.
        threshold: f64,
    },
    /// Texts that are not those of the rows asked for.
    #[error(
        "verification was given {found} texts where {expected} rows were wanted; give the texts of \
         the rows that `wanted` named last, in that order"
    )]
    NotWanted {
        /// Texts given.
        found: usize,
        /// Rows that were wanted.
        expected: usize,
    },
    /// Pairs that nobody has compared yet.
    #[error(
        "{left} candidate pairs are not verified yet; ask `wanted` for their rows until there are none"
    )]
    Unverified {
        /// How many.
        left: usize,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for NearError {
    fn kind(&self) -> &'static str {
        match self {
            Self::BadNgram { .. } => "bad_ngram",
            Self::BadBands { .. } => "bad_bands",
            Self::BadThreshold { .. } => "bad_threshold",
            Self::NotWanted { .. } => "not_wanted",
            Self::Unverified { .. } => "unverified",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::Column(error) => error.row(),
            _ => None,
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::BadNgram { ngram } => Some(*ngram as f64),
            Self::BadBands { bands, .. } => Some(*bands as f64),
            Self::BadThreshold { threshold } => Some(*threshold),
            Self::NotWanted { found, .. } => Some(*found as f64),
            Self::Unverified { left } => Some(*left as f64),
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::BadBands { permutations, .. } => Some(*permutations as f64),
            Self::NotWanted { expected, .. } => Some(*expected as f64),
            Self::Column(error) => error.limit(),
            _ => None,
        }
    }
}
