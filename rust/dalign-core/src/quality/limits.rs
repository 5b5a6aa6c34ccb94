//! Which measures break which limits: apart from measuring, so that limits can be tried on columns
//! that were measured once.

use rayon::prelude::*;

use super::QualityError;
use crate::error::same_length;

/// What is wrong with a completion.
///
/// ```
/// use dalign_core::quality::{Limit, Reason, first_reasons};
///
/// let limits = [Limit::new("answer_cycle", None, Some(9.0))?];
/// assert_eq!(first_reasons(&limits, &[&[12.0]])?, [Some(Reason::Repetitive)]);
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Less than the least length.
    TooShort,
    /// More than the greatest length.
    TooLong,
    /// It repeats itself.
    Repetitive,
    /// Letters of a script that is not expected.
    WrongScript,
    /// It breaks off.
    CutOff,
    /// The answer says again what the reasoning said.
    AnswerRepeatsReasoning,
    /// It refers to a policy that the reader cannot see.
    DanglingReference,
}

impl Reason {
    /// Every reason, each at the place that `reason as usize` gives.
    ///
    /// ```
    /// use dalign_core::quality::Reason;
    ///
    /// assert_eq!(Reason::ALL[Reason::CutOff as usize].as_str(), "cut_off");
    /// ```
    pub const ALL: [Self; 7] = [
        Self::TooShort,
        Self::TooLong,
        Self::Repetitive,
        Self::WrongScript,
        Self::CutOff,
        Self::AnswerRepeatsReasoning,
        Self::DanglingReference,
    ];

    /// The reason as it is written in a column.
    ///
    /// ```
    /// assert_eq!(dalign_core::quality::Reason::CutOff.as_str(), "cut_off");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Repetitive => "repetitive",
            Self::WrongScript => "wrong_script",
            Self::CutOff => "cut_off",
            Self::AnswerRepeatsReasoning => "answer_repeats_reasoning",
            Self::DanglingReference => "dangling_reference",
        }
    }
}

/// A measure: its name, and what breaking its lower and its upper limit means.
type Measure = (&'static str, Option<Reason>, Reason);

/// Every measure, in the order in which limits are looked at.
const MEASURES: [Measure; 18] = {
    use Reason as R;
    [
        ("reasoning_chars", Some(R::TooShort), R::TooLong),
        ("reasoning_words", Some(R::TooShort), R::TooLong),
        ("answer_chars", Some(R::TooShort), R::TooLong),
        ("answer_words", Some(R::TooShort), R::TooLong),
        // Token counts come with the caller's tokenizer and are measured there.
        ("reasoning_tokens", Some(R::TooShort), R::TooLong),
        ("answer_tokens", Some(R::TooShort), R::TooLong),
        ("reasoning_repeated", None, R::Repetitive),
        ("reasoning_cycle", None, R::Repetitive),
        ("answer_repeated", None, R::Repetitive),
        ("answer_cycle", None, R::Repetitive),
        ("reasoning_foreign", None, R::WrongScript),
        ("reasoning_foreign_run", None, R::WrongScript),
        ("answer_foreign", None, R::WrongScript),
        ("answer_foreign_run", None, R::WrongScript),
        ("answer_cut_off", None, R::CutOff),
        ("answer_echo", None, R::AnswerRepeatsReasoning),
        ("reasoning_dangling", None, R::DanglingReference),
        ("answer_dangling", None, R::DanglingReference),
    ]
};

/// A measure's limits, both included.
///
/// ```
/// use dalign_core::quality::Limit;
///
/// assert!(Limit::new("answer_echo", None, Some(0.5)).is_ok());
/// assert!(Limit::new("answer_echo", Some(0.1), None).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Its place among the measures.
    measure: usize,
    low: f64,
    high: f64,
}

impl Limit {
    /// Limits of the measure of this name; a missing one limits nothing. Lengths (`_chars`, `_words`,
    /// `_tokens`) can have both, the others an upper one.
    ///
    /// # Errors
    ///
    /// [`QualityError::UnknownMeasure`]; [`QualityError::BadLimit`] for a limit that is no number, a
    /// lower one where there is none, or one above the upper one.
    ///
    /// ```
    /// use dalign_core::quality::Limit;
    ///
    /// assert!(Limit::new("answer_words", Some(20.0), Some(800.0)).is_ok());
    /// assert!(Limit::new("answer_words", Some(800.0), Some(20.0)).is_err());
    /// ```
    pub fn new(measure: &str, low: Option<f64>, high: Option<f64>) -> Result<Self, QualityError> {
        let place = MEASURES.iter().position(|(name, ..)| *name == measure);
        let Some(place) = place else {
            let known = MEASURES.map(|(name, ..)| name).join(", ");
            return Err(QualityError::UnknownMeasure { name: measure.to_owned(), known });
        };
        let (name, below, _) = MEASURES[place];
        let limit = Self {
            measure: place,
            low: low.unwrap_or(f64::NEG_INFINITY),
            high: high.unwrap_or(f64::INFINITY),
        };
        let is_ordered = limit.low <= limit.high && (low.is_none() || below.is_some());
        if is_ordered { Ok(limit) } else { Err(QualityError::BadLimit { name, low, high }) }
    }

    /// The name of its measure.
    ///
    /// ```
    /// let limit = dalign_core::quality::Limit::new("answer_chars", Some(1.0), None)?;
    /// assert_eq!(limit.measure(), "answer_chars");
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn measure(&self) -> &'static str {
        MEASURES[self.measure].0
    }

    /// What a value of the measure breaks; a missing value (NaN) breaks nothing.
    fn broken_by(&self, value: f64) -> Option<Reason> {
        let (_, below, above) = MEASURES[self.measure];
        if value < self.low { below } else { (value > self.high).then_some(above) }
    }
}

/// The first limit that each row breaks; `values[i]` is the column of `limits[i]`'s measure.
///
/// # Errors
///
/// [`QualityError::Column`] unless there is a column for each limit, all of one length.
///
/// ```
/// use dalign_core::quality::{Limit, Reason, first_reasons};
///
/// let limits = [Limit::new("answer_echo", None, Some(0.5))?];
/// assert_eq!(first_reasons(&limits, &[&[0.5, 0.6]])?, [None, Some(Reason::AnswerRepeatsReasoning)]);
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
pub fn first_reasons(
    limits: &[Limit],
    values: &[&[f64]],
) -> Result<Vec<Option<Reason>>, QualityError> {
    same_length("limits", limits.len(), values.len())?;
    let rows = values.first().map_or(0, |values| values.len());
    for (limit, values) in limits.iter().zip(values) {
        same_length(limit.measure(), values.len(), rows)?;
    }
    let row = |row: usize| first(limits, |limit| values[limit][row]);
    Ok((0..rows).into_par_iter().with_min_len(4096).map(row).collect())
}

/// The reason of the broken limit whose measure comes first.
fn first(limits: &[Limit], value: impl Fn(usize) -> f64) -> Option<Reason> {
    let broken = (0..limits.len()).filter_map(|at| {
        let reason = limits[at].broken_by(value(at))?;
        Some((limits[at].measure, reason))
    });
    broken.min_by_key(|(measure, _)| *measure).map(|(_, reason)| reason)
}
