//! What the search for near-duplicates refuses.

use crate::error::{ColumnError, CoreError, Fault};

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
    fn fault(&self) -> Fault {
        match self {
            Self::BadNgram { ngram } => Fault::of("bad_ngram").value(*ngram as f64),
            Self::BadBands { permutations, bands } => {
                Fault::of("bad_bands").value(*bands as f64).limit(*permutations as f64)
            }
            Self::BadThreshold { threshold } => Fault::of("bad_threshold").value(*threshold),
            Self::NotWanted { found, expected } => {
                Fault::of("not_wanted").value(*found as f64).limit(*expected as f64)
            }
            Self::Unverified { left } => Fault::of("unverified").value(*left as f64),
            Self::Column(error) => error.fault(),
        }
    }
}
