//! Rows of a batch to files: those that are kept, and those that are not with the reasons.

use super::writer::{LineWriter, WriteError};
use crate::error::{ColumnError, CoreError, Fault, same_length};
use crate::jsonl::Batch;

/// Rows that cannot be written.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::files::RowsError;
///
/// assert_eq!(RowsError::NoReason { row: 3 }.row(), Some(3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Columns that do not belong to the batch.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A row that is left out for no reason.
    #[error("row {row} is not kept and has no reason: give one for each row that is left out")]
    NoReason {
        /// The row of the batch, counted from 0.
        row: usize,
    },
}

impl CoreError for RowsError {
    fn fault(&self) -> Fault {
        match self {
            Self::Column(error) => error.fault(),
            Self::Write(error) => error.fault(),
            Self::NoReason { row } => Fault::of("null").row(*row),
        }
    }
}

/// Writes the rows that are kept as they are; neighbours go together.
///
/// # Errors
///
/// [`RowsError`] unless `keep` has an entry a row and the file takes them.
///
/// ```
/// use dalign_core::files::{LineWriter, write_kept};
/// use dalign_core::jsonl::{Batch, Fields};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("kept.jsonl");
/// let batch = Batch::parse("{}\n\n{ }\r\n{  }".into(), 1, "here", &Fields::new(&[], &[]))?;
/// let mut writer = LineWriter::create(&path)?;
/// write_kept(&mut writer, &batch, &[false, true, true])?;
/// writer.finish()?;
/// assert_eq!(std::fs::read(path)?, b"{ }\r\n{  }\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_kept(writer: &mut LineWriter, batch: &Batch, keep: &[bool]) -> Result<(), RowsError> {
    same_length("keep", keep.len(), batch.rows())?;
    let source = &**batch.source();
    let mut run = 0..0;
    for (row, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
        let (start, end) = batch.span(row);
        if run.end != start {
            writer.write(&source[run.clone()])?;
            run.start = start;
        }
        let ending = ["\r\n", "\n", "\r"].iter().find(|ending| source[end..].starts_with(**ending));
        run.end = end + ending.map_or(0, |ending| ending.len());
    }
    Ok(writer.write(&source[run])?)
}

/// Writes the rows that are not kept, each in a line that says where it stood and why it is not.
///
/// `named`: whether it says the file too, which is the batch's place.
///
/// # Errors
///
/// [`RowsError`] unless each column has an entry a row, each row that is not kept has a reason, and
/// the file takes them.
///
/// ```
/// use dalign_core::files::{LineWriter, write_dropped};
/// use dalign_core::jsonl::{Batch, Fields};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("dropped.jsonl");
/// let batch = Batch::parse("{}\n{ }\n".into(), 1, "here", &Fields::new(&[], &[]))?;
/// let mut writer = LineWriter::create(&path)?;
/// write_dropped(&mut writer, &batch, &[true, false], &[None, Some("odd")], &[None, None], false)?;
/// writer.finish()?;
/// let line = "{\"line\": 2, \"reason\": \"odd\", \"detail\": \"\", \"row\": { }}\n";
/// assert_eq!(std::fs::read_to_string(path)?, line);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_dropped(
    writer: &mut LineWriter,
    batch: &Batch,
    keep: &[bool],
    reasons: &[Option<&str>],
    details: &[Option<&str>],
    named: bool,
) -> Result<(), RowsError> {
    same_length("keep", keep.len(), batch.rows())?;
    same_length("reasons", reasons.len(), batch.rows())?;
    same_length("details", details.len(), batch.rows())?;
    for (row, _) in keep.iter().enumerate().filter(|(_, keep)| !**keep) {
        let reason = reasons[row].ok_or(RowsError::NoReason { row })?;
        let detail = details[row].unwrap_or_default();
        let file = named.then(|| batch.place());
        writer.write_dropped(file, batch.lines()[row], reason, detail, batch.line(row))?;
    }
    Ok(())
}
