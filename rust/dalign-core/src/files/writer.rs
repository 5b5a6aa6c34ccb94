//! Lines to a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{CoreError, Fault};

/// Bytes that are gathered before they are written: a few writes a megabyte, and what was gathered
/// is still near the processor.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that cannot be written.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::files::LineWriter;
///
/// let error = LineWriter::create("/nowhere/kept.jsonl".as_ref()).unwrap_err();
/// assert_eq!(error.kind(), "unwritable_file");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place}: cannot be written ({cause}); check its folder, the permissions and the space left"
)]
pub struct WriteError {
    place: String,
    cause: String,
}

impl CoreError for WriteError {
    fn fault(&self) -> Fault {
        Fault::of("unwritable_file")
    }
}

/// Writes lines to a file beside the one that is named, and gives it that name in the end.
///
/// Dropped before [`LineWriter::finish`], it leaves nothing and what stood there before as it was.
///
/// ```
/// use dalign_core::files::LineWriter;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("kept.jsonl");
/// let mut writer = LineWriter::create(&path)?;
/// writer.write("{\"a\": 1}\n")?;
/// writer.write_dropped(None, 7, "duplicate", "the same text as line 3", "{\"a\": 1}")?;
/// assert!(!path.exists());
/// writer.finish()?;
/// let dropped = r#"{"line": 7, "reason": "duplicate", "detail": "the same text as line 3", "row": {"a": 1}}"#;
/// assert_eq!(std::fs::read_to_string(path)?, format!("{{\"a\": 1}}\n{dropped}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LineWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
}

impl LineWriter {
    /// Opens the file beside `path`, its name with `.tmp` at the end.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the system refuses.
    ///
    /// ```
    /// assert!(dalign_core::files::LineWriter::create("/".as_ref()).is_err());
    /// ```
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let failed = |cause: io::Error| error(path, &cause);
        let mut name = path
            .file_name()
            .ok_or_else(|| failed(io::Error::from(io::ErrorKind::IsADirectory)))?
            .to_owned();
        name.push(".tmp");
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary).map_err(failed)?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { path: path.to_owned(), temporary, file: Some(file), buffer })
    }

    /// Writes whole lines as they are; a last one without its line end gets one.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the system refuses.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kept.jsonl");
    /// let mut writer = dalign_core::files::LineWriter::create(&path)?;
    /// writer.write("{}\r\n{}")?;
    /// writer.finish()?;
    /// assert_eq!(std::fs::read(path)?, b"{}\r\n{}\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&mut self, lines: &str) -> Result<(), WriteError> {
        self.put(lines.as_bytes())?;
        if lines.is_empty() || lines.ends_with('\n') { Ok(()) } else { self.put(b"\n") }
    }

    /// Writes a line that says which row was left out and why, the row itself in it as it was.
    ///
    /// `file`: the file that the line is of, where there are several.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the system refuses.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("dropped.jsonl");
    /// let mut writer = dalign_core::files::LineWriter::create(&path)?;
    /// writer.write_dropped(Some("a.jsonl"), 1, "off", "a \"quote\"", "{}")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_dropped(
        &mut self,
        file: Option<&str>,
        line: u64,
        reason: &str,
        detail: &str,
        row: &str,
    ) -> Result<(), WriteError> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let file = file.map_or_else(String::new, |file| format!("\"file\": {}, ", quoted(file)));
        let head = format!(
            "{{{file}\"line\": {line}, \"reason\": {}, \"detail\": {}, \"row\": ",
            quoted(reason),
            quoted(detail)
        );
        self.put(head.as_bytes())?;
        self.put(row.as_bytes())?;
        self.put(b"}\n")
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the system refuses.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kept.jsonl");
    /// dalign_core::files::LineWriter::create(&path)?.finish()?;
    /// assert_eq!(std::fs::read(path)?, b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.flush()?;
        // Closed before it is renamed, as some systems ask for.
        drop(self.file.take());
        fs::rename(&self.temporary, &self.path).map_err(|cause| {
            let _ = fs::remove_file(&self.temporary);
            error(&self.path, &cause)
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.write_through(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let buffer = std::mem::take(&mut self.buffer);
        self.write_through(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn write_through(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes));
        written.map_err(|cause| error(&self.path, &cause))
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing more can be done about a file that cannot be removed.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn error(path: &Path, cause: &io::Error) -> WriteError {
    WriteError { place: path.display().to_string(), cause: cause.to_string() }
}
