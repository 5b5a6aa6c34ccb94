//! Which rows to keep: those whose completion has the right form and length and was not seen
//! before. Rows come one after the other and may be more than memory holds.

mod error;
mod reason;

use xxhash_rust::xxh3::xxh3_128;

pub use error::{BatchError, ColumnFilterError, LengthError};
pub use reason::Reason;

use crate::completion::{Status, Tags, parse};
use crate::error::same_length;
use crate::jsonl::{Batch, Defect, JsonText, JsonlError};
use crate::seen::{Seen, SpillError};
use crate::text::count_chars;

/// What a completion must be.
///
/// ```
/// use dalign_core::completion::Tags;
/// use dalign_core::row_filter::{RowFilter, Rules};
///
/// let rules = Rules::new(Tags::none(), 0, 3)?;
/// let reasons = RowFilter::new(rules, None).check_column(&["four"], &[false])?;
/// assert_eq!(reasons[0].unwrap().to_string(), "4 characters, at most 3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rules {
    tags: Tags,
    min_chars: u64,
    max_chars: u64,
}

impl Rules {
    /// Reasoning and answer between these tags, and a length in characters (Unicode scalar values
    /// of the whole completion, tags and white space too) between both limits, these included.
    ///
    /// # Errors
    ///
    /// [`LengthError`] when no length lies between the limits.
    ///
    /// ```
    /// use dalign_core::completion::Tags;
    /// use dalign_core::row_filter::Rules;
    ///
    /// assert!(Rules::new(Tags::none(), 200, 6_000).is_ok());
    /// assert!(Rules::new(Tags::none(), 200, 100).is_err());
    /// ```
    pub fn new(tags: Tags, min_chars: u64, max_chars: u64) -> Result<Self, LengthError> {
        if min_chars > max_chars {
            return Err(LengthError { min_chars, max_chars });
        }
        Ok(Self { tags, min_chars, max_chars })
    }

    /// Refuses a text for its form or else for its length.
    fn whole(&self, text: &str, truncated: bool) -> Result<(), Reason> {
        self.form(text, truncated)?;
        self.length(text, 0)
    }

    fn form(&self, text: &str, truncated: bool) -> Result<(), Reason> {
        match parse(text, &self.tags, truncated).status {
            Status::Ok => Ok(()),
            status => Err(Reason::Form(status)),
        }
    }

    /// Refuses a text for its length; `surplus`: characters that do not count.
    fn length(&self, text: &str, surplus: usize) -> Result<(), Reason> {
        let (bytes, surplus) = (text.len() as u64, surplus as u64);
        // A character has one to four bytes: many texts need not be counted.
        let least = bytes.div_ceil(4).saturating_sub(surplus);
        if least >= self.min_chars && bytes - surplus <= self.max_chars {
            return Ok(());
        }
        let chars = count_chars(text) as u64 - surplus;
        if chars < self.min_chars {
            return Err(Reason::TooShort { chars, limit: self.min_chars });
        }
        if chars > self.max_chars {
            return Err(Reason::TooLong { chars, limit: self.max_chars });
        }
        Ok(())
    }
}

/// Rows whose texts are read before the first of them is looked up.
const AHEAD: usize = 32;

/// A filter that remembers the texts it has kept.
///
/// ```
/// use dalign_core::completion::Tags;
/// use dalign_core::jsonl::JsonText;
/// use dalign_core::row_filter::{Reason, RowFilter, Rules};
/// use dalign_core::seen::Seen;
///
/// let rules = Rules::new(Tags::pair("<think>", "</think>", false)?, 1, 100)?;
/// let mut filter = RowFilter::new(rules, Some(Seen::new(1 << 20, std::env::temp_dir())));
/// let row = JsonText::plain("<think>why</think> yes");
/// assert_eq!(filter.check(row, false, 1)?, None);
/// assert_eq!(filter.check(row, false, 2)?, Some(Reason::Duplicate { first: 1 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RowFilter {
    rules: Rules,
    seen: Option<Seen>,
    /// Rows of columns that were looked at.
    rows: u64,
    normalised: String,
}

impl RowFilter {
    /// Nothing kept yet; without `seen`, repeated texts are kept too.
    ///
    /// ```
    /// # use dalign_core::{completion::Tags, row_filter::{RowFilter, Rules}};
    /// let filter = RowFilter::new(Rules::new(Tags::none(), 0, 9)?, None);
    /// # Ok::<(), dalign_core::row_filter::LengthError>(())
    /// ```
    #[must_use]
    pub fn new(rules: Rules, seen: Option<Seen>) -> Self {
        Self { rules, seen, rows: 0, normalised: String::new() }
    }

    /// Why the row is not kept, none when it is: the form is looked at first, then the length, then
    /// whether an earlier kept row has the same text. O(bytes).
    ///
    /// `truncated`: generation stopped at the token limit. `line`: the row's place, at least 1,
    /// named by its later copies. Texts are the same as [`crate::dedup::exact`] has it.
    ///
    /// # Errors
    ///
    /// [`SpillError`] when the memory bound is reached and no file can be written.
    ///
    /// ```
    /// # use dalign_core::{completion::Tags, jsonl::JsonText, row_filter::{RowFilter, Rules}};
    /// let mut filter = RowFilter::new(Rules::new(Tags::none(), 3, 9)?, None);
    /// let reason = filter.check(JsonText::plain("no"), false, 1)?.unwrap();
    /// assert_eq!(reason.to_string(), "2 characters, at least 3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(
        &mut self,
        text: JsonText<'_>,
        truncated: bool,
        line: u64,
    ) -> Result<Option<Reason>, SpillError> {
        let judged = self.judge(text, truncated);
        self.meet(judged, line)
    }

    /// [`RowFilter::check`] of each of some rows. Texts of [`AHEAD`] rows are read before the first of them
    /// is looked up, so that the memory it stands in is there by then.
    fn check_each<'t, E: From<SpillError>>(
        &mut self,
        rows: impl ExactSizeIterator<Item = Result<(JsonText<'t>, bool, u64), E>>,
    ) -> Result<Vec<Option<Reason>>, E> {
        let mut reasons = Vec::with_capacity(rows.len());
        let mut ahead = Vec::with_capacity(AHEAD);
        let (mut rows, mut is_left) = (rows, true);
        while is_left {
            for row in rows.by_ref().take(AHEAD) {
                let (text, truncated, line) = row?;
                ahead.push((self.judge(text, truncated), line));
            }
            is_left = ahead.len() == AHEAD;
            for (judged, line) in ahead.drain(..) {
                reasons.push(self.meet(judged, line)?);
            }
        }
        Ok(reasons)
    }

    /// The hash of a text of the right form and length, for [`meet`](Self::meet); none where repeated texts
    /// are kept.
    fn judge(&mut self, text: JsonText<'_>, truncated: bool) -> Result<Option<u128>, Reason> {
        let Some(seen) = &self.seen else {
            return self.rules.whole(&text.decoded(), truncated).map(|()| None);
        };
        self.normalised.clear();
        let surplus = text.normalise_into(&mut self.normalised);
        if self.rules.tags.hold_white_space {
            self.rules.whole(&text.decoded(), truncated)?;
        } else {
            // No status depends on the amount of white space.
            self.rules.form(&self.normalised, truncated)?;
            self.rules.length(text.raw(), surplus)?;
        }
        let hash = xxh3_128(self.normalised.as_bytes());
        seen.expect(hash);
        Ok(Some(hash))
    }

    /// Why a row that was judged so is not kept: what was found, or an earlier row with a text of this hash.
    fn meet(
        &mut self,
        judged: Result<Option<u128>, Reason>,
        line: u64,
    ) -> Result<Option<Reason>, SpillError> {
        match (judged, &mut self.seen) {
            (Err(reason), _) => Ok(Some(reason)),
            (Ok(Some(hash)), Some(seen)) => {
                Ok(seen.insert(hash, line)?.map(|first| Reason::Duplicate { first }))
            }
            (Ok(_), _) => Ok(None),
        }
    }

    /// [`RowFilter::check`] of each row of a batch.
    ///
    /// # Errors
    ///
    /// [`BatchError`]: a row without the field, or no place for a temporary file.
    ///
    /// ```
    /// # use dalign_core::{completion::Tags, row_filter::{RowFilter, Rules}};
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// let batch = Batch::parse(r#"{"a": "no"}"#.into(), 1, "here", &Fields::new(&["a"], &[]))?;
    /// let mut filter = RowFilter::new(Rules::new(Tags::none(), 3, 9)?, None);
    /// assert_eq!(filter.check_batch(&batch, 0)?[0].unwrap().as_str(), "too_short");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_batch(
        &mut self,
        batch: &Batch,
        field: usize,
    ) -> Result<Vec<Option<Reason>>, BatchError> {
        let row = |(row, &line): (usize, &u64)| {
            let text = batch.text(row, field).ok_or_else(|| JsonlError::Line {
                place: batch.place().to_owned(),
                line,
                defect: Defect::MissingField { field: batch.fields().names()[field].clone() },
            })?;
            Ok((text, false, line))
        };
        self.check_each(batch.lines().iter().enumerate().map(row))
    }

    /// [`RowFilter::check`] of each row of a column; a row's place is its number among all rows of
    /// all columns given so far, counted from 1.
    ///
    /// # Errors
    ///
    /// [`ColumnFilterError`]: columns of two lengths, or no place for a temporary file.
    ///
    /// ```
    /// # use dalign_core::{completion::Tags, row_filter::{RowFilter, Rules}};
    /// let mut filter = RowFilter::new(Rules::new(Tags::none(), 0, 9)?, None);
    /// let reasons = filter.check_column(&["yes", "ye"], &[false, true])?;
    /// assert_eq!((reasons[0], reasons[1].unwrap().as_str()), (None, "truncated"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_column(
        &mut self,
        texts: &[&str],
        truncated: &[bool],
    ) -> Result<Vec<Option<Reason>>, ColumnFilterError> {
        same_length("truncated", truncated.len(), texts.len())?;
        let lines: Vec<u64> = (self.rows + 1..).take(texts.len()).collect();
        self.rows += texts.len() as u64;
        self.check_lines(texts, truncated, &lines)
    }

    /// [`RowFilter::check`] of each row of a column whose lines are known.
    ///
    /// `lines`: each row's place, at least 1.
    ///
    /// # Errors
    ///
    /// [`ColumnFilterError`]: columns of two lengths, or no place for a temporary file.
    ///
    /// ```
    /// # use dalign_core::{completion::Tags, row_filter::{RowFilter, Rules}, seen::Seen};
    /// let seen = Seen::new(1 << 20, std::env::temp_dir());
    /// let mut filter = RowFilter::new(Rules::new(Tags::none(), 0, 9)?, Some(seen));
    /// let reasons = filter.check_lines(&["yes", " yes"], &[false, false], &[7, 9])?;
    /// assert_eq!(reasons[1].unwrap().to_string(), "the same text as line 7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_lines<'t>(
        &mut self,
        texts: &[&'t str],
        truncated: &[bool],
        lines: &[u64],
    ) -> Result<Vec<Option<Reason>>, ColumnFilterError> {
        same_length("truncated", truncated.len(), texts.len())?;
        same_length("lines", lines.len(), texts.len())?;
        let row = |(row, text): (usize, &&'t str)| {
            Ok((JsonText::plain(text), truncated[row], lines[row]))
        };
        self.check_each(texts.iter().enumerate().map(row))
    }
}

#[cfg(test)]
mod tests;
