//! A judge's reply read: a score on the scale that was asked for, or the state that says why there
//! is none. A failed judgement never becomes a number.

mod score;
mod stance;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;
use rayon::prelude::*;

use crate::error::CoreError;
use crate::text::fold_to_ascii;

/// The scale that the judge was asked to use.
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
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("scale from {low} to {high}: both ends must be finite and the first below the second")]
pub struct ScaleError {
    low: f64,
    high: f64,
}

impl CoreError for ScaleError {
    fn kind(&self) -> &'static str {
        "bad_scale"
    }

    fn value(&self) -> Option<f64> {
        Some(self.low)
    }

    fn limit(&self) -> Option<f64> {
        Some(self.high)
    }
}

/// What became of a judgement.
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
    /// Every state.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stance {
    /// The judge shares it.
    Agree,
    /// The judge rejects it.
    Disagree,
}

impl Stance {
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
/// these forms: `<score>7</score>`, `{"score": 7}` (also inside prose), `Score: 7/10`,
/// `**Score**: 7`, `score is 7`, `score 7`. Full-width digits and zero-width characters change
/// nothing. Numbers that name a scale (`1-10`, `1 to 10`) are no scores; a score out of another
/// number than the scale's upper end is [`State::OutOfRange`]. Two different scores in the same form
/// on the last score's line, or in its JSON object, are [`State::Contradictory`].
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
    let Some(visible) = after_reasoning(reply) else {
        return Verdict { state: State::Unclosed, score: None, stance: None };
    };
    let text = fold_to_ascii(visible);
    let stance = stance::find(&text);
    let Some(last) = score::verdict(&text) else {
        let state = if REFUSALS.is_match(&*text) { State::Refused } else { State::Missing };
        return Verdict { state, score: None, stance };
    };
    let on_scale = (scale.low..=scale.high).contains(&last.value)
        && last.out_of.is_none_or(|end| (end - scale.high).abs() < 1e-9);
    let state = match (last.contradicted, on_scale) {
        (true, _) => State::Contradictory,
        (false, false) => State::OutOfRange,
        (false, true) => State::Ok,
    };
    Verdict { state, score: (state == State::Ok).then_some(last.value), stance }
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
    replies.par_iter().with_min_len(256).map(|reply| parse(reply, scale)).collect()
}

/// The reply without the judge's reasoning; none when that is not closed.
fn after_reasoning(reply: &str) -> Option<&str> {
    // Forwards: on replies of some hundred bytes a search from the end takes ten times as long.
    let rest = match CLOSE.find_iter(reply.as_bytes()).last() {
        Some(at) => &reply[at + "</think>".len()..],
        None => reply,
    };
    OPEN.find(rest.as_bytes()).is_none().then_some(rest)
}

static OPEN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("<think>"));
static CLOSE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("</think>"));

/// What a judge says in place of a score.
static REFUSALS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build([
            "i can't",
            "i cannot",
            "i can not",
            "i'm sorry",
            "i am sorry",
            "i won't",
            "i will not",
            "i'm unable",
            "i am unable",
            "i'm not able",
            "i am not able",
            "i must decline",
            "i apologize",
            "i apologise",
            "sorry, but",
        ])
        .expect("fifteen short patterns fit any automaton")
});
