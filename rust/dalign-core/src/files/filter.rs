//! One pass over a JSONL file: kept rows to one file, dropped rows with their reasons to another.

use std::path::{Path, PathBuf};

use super::writer::{LineWriter, WriteError};
use crate::error::CoreError;
use crate::jsonl::{
    Chunks, Fields, Found, JsonText, JsonlError, Line, ROW_LIMIT_BYTES, lines, scan,
};
use crate::row_filter::{Reason, RowFilter, Rules};
use crate::seen::{Seen, SpillError};

/// Bytes that are read at once: they stay in the second-level cache while their rows are looked at.
const CHUNK_BYTES: usize = 256 << 10;

/// What to filter, by what, and where to.
///
/// ```
/// use dalign_core::completion::Tags;
/// use dalign_core::files::FilterJsonl;
/// use dalign_core::row_filter::Rules;
///
/// let what = FilterJsonl {
///     source: "completions.jsonl".as_ref(),
///     kept: "kept.jsonl".as_ref(),
///     dropped: Some("kept.dropped.jsonl".as_ref()),
///     field: "completion",
///     rules: Rules::new(Tags::pair("<think>", "</think>", false)?, 200, 6_000)?,
///     dedup_bytes: Some(128 << 20),
/// };
/// assert_eq!(what.field, "completion");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FilterJsonl<'p> {
    /// The file to read.
    pub source: &'p Path,
    /// The file for the rows that are kept, each as it was.
    pub kept: &'p Path,
    /// The file for the rows that are dropped, with their reasons.
    pub dropped: Option<&'p Path>,
    /// The field that holds the completion.
    pub field: &'p str,
    /// What a completion must be.
    pub rules: Rules,
    /// Bytes that the memory of seen texts may take; none keeps repeated texts.
    pub dedup_bytes: Option<usize>,
}

/// How many rows were read and what became of them.
///
/// ```
/// use dalign_core::files::Filtered;
///
/// let counts = Filtered { rows: 3, kept: 1, dropped: vec![("unclosed", 2)] };
/// assert_eq!(counts.rows, counts.kept + counts.dropped.iter().map(|(_, rows)| rows).sum::<u64>());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// Rows read.
    pub rows: u64,
    /// Rows kept.
    pub kept: u64,
    /// Rows dropped, by reason, in the order in which the reasons first came up.
    pub dropped: Vec<(&'static str, u64)>,
}

/// Why a file could not be filtered.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::completion::Tags;
/// use dalign_core::files::{FilterError, FilterJsonl, filter_jsonl};
/// use dalign_core::row_filter::Rules;
///
/// let what = FilterJsonl {
///     source: "/nowhere/rows.jsonl".as_ref(),
///     kept: "kept.jsonl".as_ref(),
///     dropped: None,
///     field: "completion",
///     rules: Rules::new(Tags::none(), 0, 9)?,
///     dedup_bytes: None,
/// };
/// let error = filter_jsonl(&what, |_| Ok::<(), FilterError>(())).unwrap_err();
/// assert_eq!(error.kind(), "unreadable_file");
/// # Ok::<(), dalign_core::row_filter::LengthError>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A source that cannot be read as JSON Lines.
    #[error(transparent)]
    Read(#[from] JsonlError),
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Hashes that cannot be kept in a temporary file.
    #[error(transparent)]
    Spill(#[from] SpillError),
}

impl CoreError for FilterError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Read(error) => error.kind(),
            Self::Write(error) => error.kind(),
            Self::Spill(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::Read(error) => error.row(),
            Self::Write(_) | Self::Spill(_) => None,
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::Read(error) => error.limit(),
            Self::Write(_) | Self::Spill(_) => None,
        }
    }
}

/// Filters a file; `progress` is told the bytes read after each chunk, and its error ends the pass.
///
/// O(bytes) time. Memory: one chunk of 256 KiB or the longest row, and what the rules say of seen
/// texts. Files appear whole, once the pass has ended.
///
/// # Errors
///
/// [`FilterError`], and what `progress` returns.
///
/// ```
/// use dalign_core::completion::Tags;
/// use dalign_core::files::{FilterError, FilterJsonl, filter_jsonl};
/// use dalign_core::row_filter::Rules;
///
/// let folder = tempfile::tempdir()?;
/// let (source, kept) = (folder.path().join("rows.jsonl"), folder.path().join("kept.jsonl"));
/// std::fs::write(&source, "{\"a\": \"yes\"}\n{\"a\": \"y\\u0065s\"}\n{\"a\": \"\"}\n")?;
/// let counts = filter_jsonl(
///     &FilterJsonl {
///         source: &source,
///         kept: &kept,
///         dropped: None,
///         field: "a",
///         rules: Rules::new(Tags::none(), 0, 100)?,
///         dedup_bytes: Some(1 << 20),
///     },
///     |_| Ok::<(), FilterError>(()),
/// )?;
/// assert_eq!((counts.rows, counts.kept), (3, 1));
/// assert_eq!(counts.dropped, [("duplicate", 1), ("empty_answer", 1)]);
/// assert_eq!(std::fs::read_to_string(kept)?, "{\"a\": \"yes\"}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn filter_jsonl<E: From<FilterError>>(
    what: &FilterJsonl<'_>,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<Filtered, E> {
    let fields = Fields::new(&[what.field], &[]);
    let mut chunks = open(what.source)?;
    let folder = what.kept.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let seen = what.dedup_bytes.map(|bytes| Seen::new(bytes, folder));
    let mut pass = Pass {
        filter: RowFilter::new(what.rules.clone(), seen),
        kept: create(what.kept)?,
        dropped: what.dropped.map(create).transpose()?,
        found: Vec::new(),
        counts: Filtered::default(),
    };
    let mut next_line = 1;
    while let Some(chunk) = chunks.next_chunk(next_line).map_err(FilterError::from)? {
        pass.chunk(chunk, &mut next_line, &fields, what.source)?;
        progress(chunks.bytes_read())?;
    }
    pass.finish().map_err(|error| E::from(error.into()))
}

fn open(path: &Path) -> Result<Chunks<std::fs::File>, FilterError> {
    Ok(Chunks::open(path, CHUNK_BYTES, ROW_LIMIT_BYTES)?)
}

fn create(path: &Path) -> Result<LineWriter, FilterError> {
    Ok(LineWriter::create(path)?)
}

/// A line, and the hash of its text or why it is dropped.
type Judged<'c> = (Line<'c>, Result<Option<u128>, Reason>);

struct Pass {
    filter: RowFilter,
    kept: LineWriter,
    dropped: Option<LineWriter>,
    found: Vec<Found>,
    counts: Filtered,
}

impl Pass {
    /// Filters the lines of one chunk. All are judged before the first is looked up among those seen, so
    /// that what memory holds of them is there by then.
    fn chunk(
        &mut self,
        chunk: &str,
        next_line: &mut u64,
        fields: &Fields,
        source: &Path,
    ) -> Result<(), FilterError> {
        let mut judged = Vec::new();
        for line in lines(chunk, next_line) {
            let scanned = scan(line.text, fields, &mut self.found);
            scanned.map_err(|defect| JsonlError::Line {
                place: source.display().to_string(),
                line: line.number,
                defect,
            })?;
            let Some(Found::Text(span)) = self.found.first() else { continue };
            let text = JsonText::checked(&line.text[span.start..span.end], span.escaped);
            judged.push((line, self.filter.judge(text, false)));
        }
        self.write(chunk, judged)
    }

    /// Writes the rows of a chunk, those that are kept with their neighbours together.
    fn write(&mut self, chunk: &str, judged: Vec<Judged<'_>>) -> Result<(), FilterError> {
        let (mut run, mut runs) = (0..0, Vec::new());
        for (line, judgement) in judged {
            let reason = match judgement {
                Ok(Some(hash)) => self.filter.meet(hash, line.number)?,
                Ok(None) => None,
                Err(reason) => Some(reason),
            };
            self.counts.rows += 1;
            if let Some(reason) = reason {
                self.drop(reason, line.number, line.body())?;
                continue;
            }
            self.counts.kept += 1;
            if run.end != line.start {
                runs.push(&chunk[run.clone()]);
                run.start = line.start;
            }
            run.end = line.start + line.text.len();
        }
        runs.push(&chunk[run]);
        self.kept.write_runs(&runs).map_err(FilterError::from)
    }

    fn drop(&mut self, reason: Reason, line: u64, row: &str) -> Result<(), FilterError> {
        let name = reason.as_str();
        match self.counts.dropped.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.counts.dropped.push((name, 1)),
        }
        match &mut self.dropped {
            Some(dropped) => Ok(dropped.write_dropped(line, name, &reason.to_string(), row)?),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Filtered, WriteError> {
        self.kept.finish()?;
        self.dropped.map_or(Ok(()), LineWriter::finish)?;
        Ok(self.counts)
    }
}
