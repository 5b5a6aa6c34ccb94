//! A model's reply taken apart into reasoning and answer, with one status for each way in which
//! the form can be broken.

mod tags;

use rayon::prelude::*;

use crate::error::{ColumnError, same_length};
use crate::text::is_blank;
use tags::TagPair;
pub use tags::{Opened, Tags, TagsError};

/// What form a reply has: the first defect met, reading from the start. Two exceptions:
/// [`Status::Truncated`] goes before all, and reasoning that no tag closes is
/// [`Status::Unclosed`] even with a second open tag in it.
///
/// ```
/// use dalign_core::completion::{Status, Tags, parse};
///
/// let tags = Tags::pair("<think>", "</think>", false)?;
/// let status = |text| parse(text, &tags, false).status;
/// assert_eq!(status("<think>a</think>b"), Status::Ok);
/// assert_eq!(status("<think>a</think>"), Status::EmptyAnswer);
/// assert_eq!(status("a</think>b"), Status::Unopened);
/// # Ok::<(), dalign_core::completion::TagsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Reasoning, then an answer.
    Ok,
    /// Generation hit the token limit, wherever that was.
    Truncated,
    /// No tag at all; the whole reply is the answer.
    NoTags,
    /// The reasoning is never closed.
    Unclosed,
    /// A close tag and no open tag.
    Unopened,
    /// A close tag, or other text, before the open tag.
    WrongOrder,
    /// A second open tag before the close tag.
    Nested,
    /// A tag after the reasoning was closed.
    Repeated,
    /// Nothing that shows after the close tag.
    EmptyAnswer,
    /// An answer, and nothing between the tags.
    EmptyReasoning,
    /// A control token in the reasoning or the answer, such as the end of a turn that leaked.
    ControlToken,
}

impl Status {
    /// Every status.
    ///
    /// ```
    /// use dalign_core::completion::Status;
    ///
    /// assert_eq!(Status::ALL.iter().filter(|&&status| status != Status::Ok).count(), 10);
    /// ```
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Truncated,
        Self::NoTags,
        Self::Unclosed,
        Self::Unopened,
        Self::WrongOrder,
        Self::Nested,
        Self::Repeated,
        Self::EmptyAnswer,
        Self::EmptyReasoning,
        Self::ControlToken,
    ];

    /// The status as it is written in a column.
    ///
    /// ```
    /// assert_eq!(dalign_core::completion::Status::EmptyAnswer.as_str(), "empty_answer");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Truncated => "truncated",
            Self::NoTags => "no_tags",
            Self::Unclosed => "unclosed",
            Self::Unopened => "unopened",
            Self::WrongOrder => "wrong_order",
            Self::Nested => "nested",
            Self::Repeated => "repeated",
            Self::EmptyAnswer => "empty_answer",
            Self::EmptyReasoning => "empty_reasoning",
            Self::ControlToken => "control_token",
        }
    }
}

/// A reply taken apart. Both texts are trimmed.
///
/// ```
/// use dalign_core::completion::{Parsed, Status, Tags, parse};
///
/// let tags = Tags::pair("[R]", "[/R]", false)?;
/// let expected = Parsed { status: Status::Ok, reasoning: "a", answer: "b" };
/// assert_eq!(parse("[R] a [/R]\nb", &tags, false), expected);
/// # Ok::<(), dalign_core::completion::TagsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<'t> {
    /// What form the reply has.
    pub status: Status,
    /// The text between the tags; empty where the tags leave open what it is.
    pub reasoning: &'t str,
    /// The text for the user. Never holds text that a tag marks as reasoning: empty where the tags
    /// leave open what it is.
    pub answer: &'t str,
}

impl<'t> Parsed<'t> {
    fn new(status: Status, reasoning: &'t str, answer: &'t str) -> Self {
        Self { status, reasoning: reasoning.trim(), answer: answer.trim() }
    }
}

/// Takes one reply apart; O(bytes).
///
/// `truncated`: generation stopped at the token limit. The parts are then what was there so far.
///
/// | tags in the reply | reasoning | answer |
/// |---|---|---|
/// | none | empty | all |
/// | open, never closed | all after it | empty |
/// | close only | all before it | all after it |
/// | one block at the start | between | after |
/// | any other | empty | empty |
///
/// A reply that would be [`Status::Ok`] and holds a control token has neither part: what stands behind
/// such a token is nobody's answer.
///
/// ```
/// use dalign_core::completion::{Status, Tags, parse};
///
/// let tags = Tags::pair("<think>", "</think>", true)?;
/// let parsed = parse("S3 says no", &tags, false);
/// assert_eq!((parsed.status, parsed.answer), (Status::Unclosed, ""));
/// # Ok::<(), dalign_core::completion::TagsError>(())
/// ```
#[must_use]
pub fn parse<'t>(text: &'t str, tags: &Tags, truncated: bool) -> Parsed<'t> {
    let mut parsed = match &tags.pair {
        Some(pair) => split(text, pair, tags.opened),
        None if is_blank(text) => Parsed::new(Status::EmptyAnswer, "", ""),
        None => Parsed::new(Status::Ok, "", text),
    };
    if parsed.status == Status::Ok
        && [parsed.reasoning, parsed.answer].iter().any(|part| tags.controls(part))
    {
        parsed = Parsed::new(Status::ControlToken, "", "");
    }
    if truncated {
        parsed.status = Status::Truncated;
    }
    parsed
}

/// Takes each reply of a column apart, in parallel.
///
/// # Errors
///
/// [`ColumnError::LengthMismatch`] unless there is one `truncated` for each text.
///
/// ```
/// use dalign_core::completion::{Tags, parse_column};
///
/// let parsed = parse_column(&["Paris.", "Lyo"], &Tags::none(), &[false, true])?;
/// assert_eq!(parsed[1].status.as_str(), "truncated");
/// # Ok::<(), dalign_core::ColumnError>(())
/// ```
pub fn parse_column<'t>(
    texts: &[&'t str],
    tags: &Tags,
    truncated: &[bool],
) -> Result<Vec<Parsed<'t>>, ColumnError> {
    same_length("truncated", truncated.len(), texts.len())?;
    let rows = texts.par_iter().zip(truncated).with_min_len(256);
    Ok(rows.map(|(text, &truncated)| parse(text, tags, truncated)).collect())
}

/// Splits at the tags; the status leaves truncation out.
fn split<'t>(text: &'t str, pair: &TagPair, opened: Opened) -> Parsed<'t> {
    let unclear = |status| Parsed::new(status, "", "");
    let mut tags = pair.find(text);
    let start = match tags.next() {
        _ if opened == Opened::Always => {
            tags = pair.find(text);
            0
        }
        None => return Parsed::new(Status::NoTags, "", text),
        Some(tag) if !tag.is_open && opened == Opened::Perhaps => {
            tags = pair.find(text);
            0
        }
        Some(tag) if !tag.is_open => {
            return match tags.try_fold(tag, |_, next| (!next.is_open).then_some(next)) {
                Some(last) => Parsed::new(Status::Unopened, &text[..last.start], &text[last.end..]),
                None => unclear(Status::WrongOrder),
            };
        }
        Some(tag) if !text[..tag.start].trim().is_empty() => return unclear(Status::WrongOrder),
        Some(tag) => tag.end,
    };
    match tags.next() {
        None => Parsed::new(Status::Unclosed, &text[start..], ""),
        Some(tag) if tag.is_open => {
            if tags.all(|tag| tag.is_open) {
                Parsed::new(Status::Unclosed, &text[start..], "")
            } else {
                unclear(Status::Nested)
            }
        }
        Some(_) if tags.next().is_some() => unclear(Status::Repeated),
        Some(tag) => {
            let mut parsed = Parsed::new(Status::Ok, &text[start..tag.start], &text[tag.end..]);
            if is_blank(parsed.answer) {
                parsed.status = Status::EmptyAnswer;
            } else if is_blank(parsed.reasoning) {
                parsed.status = Status::EmptyReasoning;
            }
            parsed
        }
    }
}
