//! A judge's reply read: a score on the scale that was asked for, or the state that says why there
//! is none. A failed judgement never becomes a number.

mod clause;
mod detail;
mod judgement;
mod label;
mod names;
mod number;
mod object;
mod reading;
mod score;
mod stance;
mod visible;
mod walk;

use std::borrow::Cow;

use rayon::prelude::*;

use crate::error::{CoreError, Fault};
use crate::text::fold_to_ascii;
pub use clause::{Clause, ClauseVerdict};
pub use judgement::{Judgement, SubScore, parse_detailed, parse_detailed_column};
pub use names::{SubScores, SubScoresError};
use object::Object;
use reading::Reading;
use visible::Survey;

/// The scale that the judge was asked to use.
///
/// ```
/// use dalign_core::verdict::{Scale, State, parse};
///
/// let state = |low, high| Ok(parse("Score: 7", Scale::new(low, high)?).state);
/// assert_eq!((state(0.0, 10.0)?, state(0.0, 5.0)?), (State::Ok, State::OutOfRange));
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Scores from `low` to `high`, both included.
    ///
    /// # Errors
    ///
    /// [`ScaleError`] unless both are finite and `low < high`.
    ///
    /// ```
    /// assert!(dalign_core::verdict::Scale::new(0.0, 10.0).is_ok());
    /// assert!(dalign_core::verdict::Scale::new(1.0, f64::NAN).is_err());
    /// ```
    pub fn new(low: f64, high: f64) -> Result<Self, ScaleError> {
        if low.is_finite() && high.is_finite() && low < high {
            Ok(Self { low, high })
        } else {
            Err(ScaleError { low, high })
        }
    }
}

/// A scale on which nothing can be scored.
///
/// ```
/// use dalign_core::CoreError;
///
/// let error = dalign_core::verdict::Scale::new(5.0, 1.0).unwrap_err();
/// assert_eq!((error.value(), error.limit()), (Some(5.0), Some(1.0)));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("scale from {low} to {high}: both ends must be finite and the first below the second")]
pub struct ScaleError {
    low: f64,
    high: f64,
}

impl CoreError for ScaleError {
    fn fault(&self) -> Fault {
        Fault::of("bad_scale").value(self.low).limit(self.high)
    }
}

/// What became of a judgement.
///
/// ```
/// use dalign_core::verdict::{Scale, State, parse};
///
/// let scale = Scale::new(0.0, 10.0)?;
/// assert_eq!(parse("Score: 3, no, score: 4", scale).state, State::Contradictory);
/// assert_eq!(parse("<think>Score: 3", scale).state, State::Unclosed);
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// A score was read.
    Ok,
    /// No score stands in the reply.
    Missing,
    /// The judge's own reasoning is never closed, so nothing after it is a verdict.
    Unclosed,
    /// The last score is not on the scale.
    OutOfRange,
    /// No score, and an apology in its place.
    Refused,
    /// Two different scores with nothing to choose between them.
    Contradictory,
}

impl State {
    /// Every state, each at the place that `state as usize` gives.
    ///
    /// ```
    /// use dalign_core::verdict::State;
    ///
    /// assert_eq!(State::ALL[State::Refused as usize].as_str(), "refused");
    /// ```
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Missing,
        Self::Unclosed,
        Self::OutOfRange,
        Self::Refused,
        Self::Contradictory,
    ];

    /// The state as it is written in a column.
    ///
    /// ```
    /// assert_eq!(dalign_core::verdict::State::OutOfRange.as_str(), "out_of_range");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Unclosed => "unclosed",
            Self::OutOfRange => "out_of_range",
            Self::Refused => "refused",
            Self::Contradictory => "contradictory",
        }
    }
}

/// What the judge makes of a hint that it was given.
///
/// ```
/// use dalign_core::verdict::{Scale, Stance, parse};
///
/// let verdict = parse("I disagree.\nScore: 7", Scale::new(0.0, 10.0)?);
/// assert_eq!(verdict.stance, Some(Stance::Disagree));
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stance {
    /// The judge shares it.
    Agree,
    /// The judge rejects it.
    Disagree,
}

impl Stance {
    /// Both, each at the place that `stance as usize` gives.
    ///
    /// ```
    /// use dalign_core::verdict::Stance;
    ///
    /// assert_eq!(Stance::ALL[Stance::Disagree as usize], Stance::Disagree);
    /// ```
    pub const ALL: [Self; 2] = [Self::Agree, Self::Disagree];

    /// The stance as it is written in a column.
    ///
    /// ```
    /// assert_eq!(dalign_core::verdict::Stance::Agree.as_str(), "agree");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Disagree => "disagree",
        }
    }
}

/// A judge's reply, read.
///
/// ```
/// use dalign_core::verdict::{Scale, State, Verdict, parse};
///
/// let expected = Verdict { state: State::Missing, score: None, stance: None };
/// assert_eq!(parse("Hm.", Scale::new(0.0, 10.0)?), expected);
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// What became of the judgement.
    pub state: State,
    /// The score; there exactly when the state is [`State::Ok`], and then on the scale.
    pub score: Option<f64>,
    /// Where a line says so, whether the judge shares the hint.
    pub stance: Option<Stance>,
}

/// Reads one reply; O(bytes).
///
/// Only the text after the last `</think>` counts. The last score in it is the verdict, in any of
/// these forms: `<score>7</score>`, `{"score": 7}` (also inside prose, a code fence or another
/// object), `Score: 7/10`, `**Rating**: 7`, `score is 7`, `score 7`. The word is `score` or `rating`,
/// in capitals or not, alone or as `overall_score` or `final_score`. Full-width digits and zero-width
/// characters change nothing. Numbers that name a scale (`1-10`, `1 to 10`) are no scores; a score
/// out of another number than the scale's upper end is [`State::OutOfRange`]. Two different scores in
/// the same form on the last score's line are [`State::Contradictory`].
///
/// A JSON object counts once, with the score that lies least deep in it, whatever its strings say;
/// two different ones at that depth are [`State::Contradictory`]. Strings in single quotes, a comma
/// before the closing bracket and an end of text between two tokens are tolerated. In an object that
/// is broken otherwise, the last `"score": 7` counts.
///
/// ```
/// use dalign_core::verdict::{Scale, State, parse};
///
/// let scale = Scale::new(0.0, 10.0)?;
/// let verdict = parse("<think>Maybe score 3?</think>It follows S3. **Score**: 8/10", scale);
/// assert_eq!((verdict.state, verdict.score), (State::Ok, Some(8.0)));
/// assert_eq!(parse("Score: 11", scale).state, State::OutOfRange);
/// assert_eq!(parse("I'm sorry, I can't rate this.", scale).state, State::Refused);
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[must_use]
pub fn parse(reply: &str, scale: Scale) -> Verdict {
    parse_with(&mut Vec::new(), reply, scale)
}

/// [`parse`], with memory of an earlier reply for the objects.
fn parse_with(objects: &mut Vec<Object>, reply: &str, scale: Scale) -> Verdict {
    let survey = Survey::of(reply);
    let visible = if survey.has_tag() { visible::after_reasoning(reply) } else { Some(reply) };
    let Some(visible) = visible else {
        return Verdict { state: State::Unclosed, score: None, stance: None };
    };
    let text = if survey.has_foreign() { fold_to_ascii(visible) } else { Cow::Borrowed(visible) };
    // Full-width letters and braces are folded too, so the survey says nothing of a folded text.
    let is_folded = matches!(text, Cow::Owned(_));
    let is_there = |what: bool| what || is_folded;
    let stance = if is_there(survey.has_stance()) { stance::find(&text) } else { None };
    objects.clear();
    if is_there(survey.has_brace()) {
        object::find(&text, objects);
    }
    let reading = score::verdict(&text, objects, |_| false);
    let (state, score) = judge(reading, scale, &text);
    Verdict { state, score, stance }
}

/// What a reading, or its absence, comes to on the scale.
fn judge(reading: Option<Reading>, scale: Scale, text: &str) -> (State, Option<f64>) {
    let Some(last) = reading else {
        let is_refusal = visible::is_refusal(text);
        return (if is_refusal { State::Refused } else { State::Missing }, None);
    };
    let on_scale = (scale.low..=scale.high).contains(&last.value)
        && last.out_of.is_none_or(|end| (end - scale.high).abs() < 1e-9);
    match (last.contradicted, on_scale) {
        (true, _) => (State::Contradictory, None),
        (false, false) => (State::OutOfRange, None),
        (false, true) => (State::Ok, Some(last.value)),
    }
}

/// Reads each reply of a column, in parallel.
///
/// ```
/// use dalign_core::verdict::{Scale, parse_column};
///
/// let verdicts = parse_column(&["Score: 7", "hm"], Scale::new(0.0, 10.0)?);
/// assert_eq!(verdicts[0].score, Some(7.0));
/// assert_eq!(verdicts[1].state.as_str(), "missing");
/// # Ok::<(), dalign_core::verdict::ScaleError>(())
/// ```
#[must_use]
pub fn parse_column(replies: &[&str], scale: Scale) -> Vec<Verdict> {
    let rows = replies.par_iter().with_min_len(256);
    rows.map_init(Vec::new, |objects, reply| parse_with(objects, reply, scale)).collect()
}
