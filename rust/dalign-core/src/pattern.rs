//! Patterns that a user writes, matched in time linear in the text.

use regex::{Regex, RegexBuilder};

use crate::error::{CoreError, Fault};

/// The most bytes that a pattern may have, and what it may take compiled.
const LIMIT_BYTES: usize = 20_000;
const COMPILED_BYTES: usize = 4 << 20;

/// A regular expression without look-around and back-references: no text takes it longer than its
/// length times that of the pattern.
///
/// ```
/// use dalign_core::pattern::Pattern;
///
/// let pattern = Pattern::new(r"(?P<key>[A-Z]\d)(?: of (?P<page>\d+))?")?;
/// assert!(pattern.is_in("as S3 says") && !pattern.is_all_of("as S3 says"));
/// assert!(pattern.is_all_of("S3 of 7"));
/// let found: Vec<_> = pattern.groups("S3 of 7, S4").collect();
/// assert_eq!(found[0], [("", Some("S3 of 7")), ("key", Some("S3")), ("page", Some("7"))]);
/// assert_eq!(found[1], [("", Some("S4")), ("key", Some("S4")), ("page", None)]);
/// # Ok::<(), dalign_core::pattern::PatternError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pattern {
    anywhere: Regex,
    whole: Regex,
}

impl Pattern {
    /// # Errors
    ///
    /// [`PatternError`].
    ///
    /// ```
    /// use dalign_core::pattern::Pattern;
    ///
    /// assert!(Pattern::new("(?!no)").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > LIMIT_BYTES {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        let anywhere = compiled(text)?;
        // On a line of its own, the bracket is no part of a comment that a verbose pattern ends in.
        let whole = compiled(&format!(r"\A(?:{text})\z"))
            .or_else(|_| compiled(&format!("\\A(?:{text}\n)\\z")))?;
        Ok(Self { anywhere, whole })
    }

    /// The names of its groups, in order.
    ///
    /// ```
    /// # use dalign_core::pattern::Pattern;
    /// assert_eq!(Pattern::new("(?P<b>x)(y)(?P<a>z)")?.names().collect::<Vec<_>>(), ["b", "a"]);
    /// # Ok::<(), dalign_core::pattern::PatternError>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.anywhere.capture_names().flatten()
    }

    /// Whether it stands somewhere in a text.
    ///
    /// ```
    /// # use dalign_core::pattern::Pattern;
    /// assert!(Pattern::new("^b")?.is_in("b a") && !Pattern::new("^b")?.is_in("a b"));
    /// # Ok::<(), dalign_core::pattern::PatternError>(())
    /// ```
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.anywhere.is_match(text)
    }

    /// Whether a text as a whole is what it describes.
    ///
    /// ```
    /// # use dalign_core::pattern::Pattern;
    /// assert!(Pattern::new("a|ab")?.is_all_of("ab"));
    /// # Ok::<(), dalign_core::pattern::PatternError>(())
    /// ```
    #[must_use]
    pub fn is_all_of(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// The named groups of each place where it stands, from left to right, behind all of it: the group without a name.
    ///
    /// ```
    /// # use dalign_core::pattern::Pattern;
    /// let pattern = Pattern::new("(?P<a>.)!")?;
    /// assert_eq!(pattern.groups("x! y!").last(), Some(vec![("", Some("y!")), ("a", Some("y"))]));
    /// # Ok::<(), dalign_core::pattern::PatternError>(())
    /// ```
    pub fn groups<'p, 't>(
        &'p self,
        text: &'t str,
    ) -> impl Iterator<Item = Vec<(&'p str, Option<&'t str>)>> {
        self.anywhere.captures_iter(text).map(|found| {
            let value = |name| (name, found.name(name).map(|group| group.as_str()));
            let all = ("", found.get(0).map(|group| group.as_str()));
            std::iter::once(all).chain(self.names().map(value)).collect()
        })
    }
}

fn compiled(text: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(text).size_limit(COMPILED_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        other => {
            // The last line of several says why; those before it draw the place.
            let told = other.to_string();
            let why = told.lines().last().unwrap_or_default().trim();
            PatternError::Unknown { why: why.trim_start_matches("error: ").to_owned() }
        }
    })
}

/// Why a text is no pattern.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::pattern::Pattern;
///
/// assert_eq!(Pattern::new(r"(a)\1").unwrap_err().kind(), "bad_pattern");
/// assert_eq!(Pattern::new(&"a".repeat(20_001)).unwrap_err().limit(), Some(20_000.0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not of the language of patterns.
    #[error("{why}")]
    Unknown {
        /// The parser's words.
        why: String,
    },
    /// More bytes than a pattern may have.
    #[error("it has {bytes} bytes, more than {LIMIT_BYTES}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// Repetitions that multiply.
    #[error("its repetitions need more than {} MiB", COMPILED_BYTES >> 20)]
    TooLarge,
}

impl CoreError for PatternError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooLong { bytes } => {
                Fault::of("over_long").value(*bytes as f64).limit(LIMIT_BYTES as f64)
            }
            Self::TooLarge | Self::Unknown { .. } => Fault::of("bad_pattern"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_verbose_pattern_may_end_in_a_comment() {
        let pattern = Pattern::new("(?x)a  # an a").unwrap();
        assert!(pattern.is_all_of("a") && !pattern.is_all_of("ab") && !pattern.is_all_of("a\n"));
    }
}
