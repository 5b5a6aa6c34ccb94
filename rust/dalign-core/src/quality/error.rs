//! What cannot be measured, or no limit.

use crate::error::{ColumnError, CoreError, Fault};

/// What cannot be measured, or no limit.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::quality::Checks;
///
/// assert_eq!(Checks::new(5, &["Klingon"], &[]).unwrap_err().kind(), "unknown_script");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QualityError {
    /// N-grams of no words.
    #[error("ngram is 0: an n-gram has at least one word")]
    BadNgram,
    /// A script that Unicode does not know.
    #[error("unknown script {name:?}; use Unicode's name, such as Latin or Cyrillic")]
    UnknownScript {
        /// What was asked for.
        name: String,
    },
    /// A phrase without a word.
    #[error("phrase {row} is blank: it would stand everywhere; leave it out")]
    BlankPhrase {
        /// Its place among the phrases.
        row: usize,
    },
    /// More phrases than one search holds.
    #[error("{phrases} phrases are too many to search for at once; give fewer")]
    TooManyPhrases {
        /// How many there are.
        phrases: usize,
    },
    /// A measure that there is not.
    #[error("unknown measure {name:?}; known are {known}")]
    UnknownMeasure {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A limit that no value keeps, or of the wrong side.
    #[error(
        "limits {name}={}:{}: both must be numbers, the first at most the second, \
         and only lengths have a lower one",
        written(*low),
        written(*high)
    )]
    BadLimit {
        /// The measure.
        name: &'static str,
        /// Its lower limit.
        low: Option<f64>,
        /// Its upper limit.
        high: Option<f64>,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

/// A bound as it is given: nothing where there is none.
fn written(bound: Option<f64>) -> String {
    bound.map(|bound| bound.to_string()).unwrap_or_default()
}

impl CoreError for QualityError {
    fn fault(&self) -> Fault {
        match self {
            Self::BadNgram => Fault::of("bad_ngram"),
            Self::UnknownScript { .. } => Fault::of("unknown_script"),
            Self::BlankPhrase { row } => Fault::of("blank_phrase").row(*row),
            Self::TooManyPhrases { .. } => Fault::of("too_many_phrases"),
            Self::UnknownMeasure { .. } => Fault::of("unknown_measure"),
            Self::BadLimit { low, high, .. } => {
                Fault { value: *low, limit: *high, ..Fault::of("bad_limit") }
            }
            Self::Column(error) => error.fault(),
        }
    }
}
