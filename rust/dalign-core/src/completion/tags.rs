//! How a model marks its reasoning.

use aho_corasick::AhoCorasick;
use memchr::memchr2;

use crate::error::{CoreError, Fault};
use crate::markers::{self, MarkersError};

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
    /// Absent when the whole reply is the answer.
    pub(super) pair: Option<TagPair>,
    pub(super) opened: Opened,
    /// Control tokens that no part of a reply may hold; without, those that are known by their shape.
    control: Option<AhoCorasick>,
    /// Whether a tag or a control token holds white space: without, a reply's status is that of its
    /// normalised text.
    pub(crate) hold_white_space: bool,
}

/// Whether the chat template has written the open tag, so that a reply starts inside the reasoning.
///
/// ```
/// use dalign_core::completion::{Opened, Status, Tags, parse};
///
/// let tags = Tags::pair("<think>", "</think>", false)?.opened(Opened::Perhaps);
/// for reply in ["S3 says no.</think> I can't.", "<think>S3 says no.</think> I can't."] {
///     assert_eq!(parse(reply, &tags, false).reasoning, "S3 says no.");
/// }
/// # Ok::<(), dalign_core::completion::TagsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Replies have the tag.
    Never,
    /// Replies lack it.
    Always,
    /// Each reply tells by itself: one that begins with the tag has it.
    Perhaps,
}

/// Two tags, neither of which is blank or holds the other: at most one of them starts at a place.
#[derive(Debug, Clone)]
pub(super) struct TagPair {
    open: String,
    close: String,
}

/// A tag where it stands in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub(super) is_open: bool,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl TagPair {
    /// The tags of a text in order, none within another.
    pub(super) fn find(&self, text: &str) -> impl Iterator<Item = Tag> {
        let [open, close] = [self.open.as_bytes(), self.close.as_bytes()];
        let (text, mut at) = (text.as_bytes(), 0);
        std::iter::from_fn(move || {
            while let Some(step) = memchr2(open[0], close[0], &text[at..]) {
                let start = at + step;
                let is_open = text[start..].starts_with(open);
                if is_open || text[start..].starts_with(close) {
                    at = start + if is_open { open.len() } else { close.len() };
                    return Some(Tag { is_open, start, end: at });
                }
                at = start + 1;
            }
            None
        })
    }
}

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
        Self { pair: None, opened: Opened::Never, control: None, hold_white_space: false }
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
        let is_blank = open.trim().is_empty() || close.trim().is_empty();
        if is_blank || open.contains(close) || close.contains(open) {
            return Err(TagsError { open: open.to_owned(), close: close.to_owned() });
        }
        let pair = TagPair { open: open.to_owned(), close: close.to_owned() };
        let hold_white_space = [open, close].iter().any(|tag| tag.contains(char::is_whitespace));
        let opened = if prefilled { Opened::Always } else { Opened::Never };
        Ok(Self { pair: Some(pair), opened, control: None, hold_white_space })
    }

    /// The same, opened so; it means nothing without tags.
    ///
    /// ```
    /// use dalign_core::completion::{Opened, Status, Tags, parse};
    ///
    /// let tags = Tags::pair("[R]", "[/R]", false)?.opened(Opened::Perhaps);
    /// assert_eq!(parse("a[/R]b", &tags, false).status, Status::Ok);
    /// # Ok::<(), dalign_core::completion::TagsError>(())
    /// ```
    #[must_use]
    pub fn opened(mut self, opened: Opened) -> Self {
        self.opened = opened;
        self
    }

    /// The same with a model's own control tokens, in place of all that have the shape of one
    /// ([`markers::turn_token`]); none of them: no text is a control token.
    ///
    /// # Errors
    ///
    /// [`MarkersError`] for more than an automaton holds.
    ///
    /// ```
    /// use dalign_core::completion::{Status, Tags, parse};
    ///
    /// let tags = Tags::none().control(&["@end"])?;
    /// assert_eq!(parse("Yes.@end", &tags, false).status, Status::ControlToken);
    /// assert_eq!(parse("Yes.<|im_end|>", &tags, false).status, Status::Ok);
    /// # Ok::<(), dalign_core::markers::MarkersError>(())
    /// ```
    pub fn control<S: AsRef<str>>(mut self, tokens: &[S]) -> Result<Self, MarkersError> {
        let found: Vec<&str> =
            tokens.iter().map(AsRef::as_ref).filter(|token| !token.trim().is_empty()).collect();
        self.hold_white_space |= found.iter().any(|token| token.contains(char::is_whitespace));
        self.control = Some(markers::finder(&found)?);
        Ok(self)
    }

    /// Whether a part of a reply holds a control token.
    pub(super) fn controls(&self, part: &str) -> bool {
        match &self.control {
            Some(tokens) => tokens.is_match(part),
            None => markers::turn_token(part).is_some(),
        }
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
    fn fault(&self) -> Fault {
        Fault::of("bad_tags")
    }
}
