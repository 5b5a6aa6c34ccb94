//! Why a row is not kept.

use std::fmt;

use crate::completion::Status;

/// Why a row is not kept.
///
/// ```
/// use dalign_core::row_filter::Reason;
///
/// let reason = Reason::Duplicate { first: 3 };
/// assert_eq!((reason.as_str(), &*reason.to_string()), ("duplicate", "the same text as line 3"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The completion has not the right form.
    Form(Status),
    /// Fewer characters than the least.
    TooShort {
        /// Its characters.
        chars: u64,
        /// The least.
        limit: u64,
    },
    /// More characters than the most.
    TooLong {
        /// Its characters.
        chars: u64,
        /// The most.
        limit: u64,
    },
    /// The text of an earlier row, up to white space.
    Duplicate {
        /// The first line with this text.
        first: u64,
    },
}

impl Reason {
    /// The reason as it is written in a column: the status, `too_short`, `too_long`, `duplicate`.
    ///
    /// ```
    /// use dalign_core::completion::Status;
    /// use dalign_core::row_filter::Reason;
    ///
    /// assert_eq!(Reason::Form(Status::Unclosed).as_str(), "unclosed");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form(status) => status.as_str(),
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Duplicate { .. } => "duplicate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(status) => out.write_str(form(*status)),
            Self::TooShort { chars, limit } => write!(out, "{chars} characters, at least {limit}"),
            Self::TooLong { chars, limit } => write!(out, "{chars} characters, at most {limit}"),
            Self::Duplicate { first } => write!(out, "the same text as line {first}"),
        }
    }
}

fn form(status: Status) -> &'static str {
    match status {
        Status::Ok => "reasoning, then an answer",
        Status::Truncated => "stopped at the token limit",
        Status::NoTags => "no tag around reasoning",
        Status::Unclosed => "reasoning that no tag closes",
        Status::Unopened => "a close tag and no open tag",
        Status::WrongOrder => "a close tag, or other text, before the open tag",
        Status::Nested => "a second open tag before the close tag",
        Status::Repeated => "a tag after the reasoning was closed",
        Status::EmptyAnswer => "no answer",
        Status::EmptyReasoning => "nothing between the tags",
        Status::ControlToken => "a control token in its text, such as the end of a turn",
    }
}
