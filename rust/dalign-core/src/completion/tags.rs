//! How a model marks its reasoning.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::error::CoreError;

/// How a model marks its reasoning.
///
/// ```
/// use dalign_core::completion::{Status, Tags, parse};
///
/// let tags = Tags::pair("<think>", "</think>", false)?;
/// let parsed = parse("<think>S3 says no.</think>\nI can't help.", &tags, false);
/// assert_eq!(parsed.status, Status::Ok);
/// assert_eq!((parsed.reasoning, parsed.answer), ("S3 says no.", "I can't help."));
/// # Ok::<(), dalign_core::completion::TagsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tags {
    /// Finds both tags in one pass; absent when the whole reply is the answer.
    pub(super) finder: Option<AhoCorasick>,
    /// The chat template has written the open tag, so a reply starts inside the reasoning.
    pub(super) prefilled: bool,
    /// Whether a tag holds white space: without, a reply's status is that of its normalised text.
    pub(crate) hold_white_space: bool,
}

/// Position of the open tag among the finder's patterns.
pub(super) const OPEN: usize = 0;

impl Tags {
    /// A plain instruct model: the whole reply is the answer.
    ///
    /// ```
    /// use dalign_core::completion::{Tags, parse};
    ///
    /// assert_eq!(parse(" Paris. ", &Tags::none(), false).answer, "Paris.");
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self { finder: None, prefilled: false, hold_white_space: false }
    }

    /// Both tags or neither, as a config gives them; `prefilled` means nothing without tags.
    ///
    /// # Errors
    ///
    /// [`TagsError`] when only one tag is given, and as [`Tags::pair`].
    ///
    /// ```
    /// use dalign_core::completion::Tags;
    ///
    /// assert!(Tags::optional(None, None, false).is_ok());
    /// assert!(Tags::optional(Some("<think>"), None, false).is_err());
    /// ```
    pub fn optional(
        open: Option<&str>,
        close: Option<&str>,
        prefilled: bool,
    ) -> Result<Self, TagsError> {
        match (open, close) {
            (None, None) => Ok(Self::none()),
            // A tag that is not there is refused like a blank one.
            _ => Self::pair(open.unwrap_or_default(), close.unwrap_or_default(), prefilled),
        }
    }

    /// Reasoning stands between `open` and `close`; `prefilled` when the chat template ends with
    /// `open`, so that replies come without it.
    ///
    /// # Errors
    ///
    /// [`TagsError`] when a tag is blank or holds the other one, because no text could then be told
    /// apart.
    ///
    /// ```
    /// use dalign_core::completion::Tags;
    ///
    /// assert!(Tags::pair("<think>", "</think>", true).is_ok());
    /// assert!(Tags::pair("|", "|", false).is_err());
    /// ```
    pub fn pair(open: &str, close: &str, prefilled: bool) -> Result<Self, TagsError> {
        let ambiguous = || TagsError { open: open.to_owned(), close: close.to_owned() };
        if open.trim().is_empty() || close.trim().is_empty() {
            return Err(ambiguous());
        }
        if open.contains(close) || close.contains(open) {
            return Err(ambiguous());
        }
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build([open, close])
            .map_err(|_| ambiguous())?;
        let hold_white_space = [open, close].iter().any(|tag| tag.contains(char::is_whitespace));
        Ok(Self { finder: Some(finder), prefilled, hold_white_space })
    }
}

/// A pair of tags between which no reasoning can be found.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::completion::Tags;
///
/// assert_eq!(Tags::pair("<a>", "<a>b", false).unwrap_err().kind(), "bad_tags");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tags {open:?} and {close:?}: each must be non-blank and neither may hold the other")]
pub struct TagsError {
    open: String,
    close: String,
}

impl CoreError for TagsError {
    fn kind(&self) -> &'static str {
        "bad_tags"
    }
}
