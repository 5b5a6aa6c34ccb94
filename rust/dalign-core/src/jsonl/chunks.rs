//! A file in parts of whole lines, with bounded memory.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use memchr::memrchr;

use super::error::{Defect, JsonlError};
use super::scan::not_utf8;

/// The most bytes that a row may have: a context of a million tokens is a third of it, and what is
/// measured of a row takes some thirty times its size.
///
/// ```
/// use dalign_core::jsonl::{Chunks, ROW_LIMIT_BYTES};
///
/// let mut chunks = Chunks::new(&b"{}"[..], "here", 1 << 20, ROW_LIMIT_BYTES);
/// assert_eq!(chunks.next_chunk(1)?, Some("{}"));
/// # Ok::<(), dalign_core::jsonl::JsonlError>(())
/// ```
pub const ROW_LIMIT_BYTES: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a source of bytes in chunks of whole lines of UTF-8.
///
/// One buffer of `chunk_bytes` holds them; it grows only for a row that is longer.
///
/// ```
/// use dalign_core::jsonl::Chunks;
///
/// let mut chunks = Chunks::new(&b"{}\n{\"a\": 1}"[..], "here", 4, 1_000);
/// assert_eq!(chunks.next_chunk(1)?, Some("{}\n"));
/// assert_eq!(chunks.next_chunk(2)?, Some("{\"a\": 1}"));
/// assert_eq!(chunks.next_chunk(3)?, None);
/// # Ok::<(), dalign_core::jsonl::JsonlError>(())
/// ```
#[derive(Debug)]
pub struct Chunks<R> {
    source: R,
    place: String,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out.
    given: usize,
    /// Bytes of the buffer that were read.
    filled: usize,
    /// The most bytes that the buffer may grow to.
    limit: usize,
    read: u64,
    /// Whether a chunk was given out.
    begun: bool,
    ended: bool,
    /// What is wrong with the line after the last chunk.
    defect: Option<Defect>,
}

impl Chunks<File> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`JsonlError::Unreadable`].
    ///
    /// ```
    /// use dalign_core::CoreError;
    /// use dalign_core::jsonl::Chunks;
    ///
    /// let error = Chunks::open("/nowhere/rows.jsonl".as_ref(), 1 << 18, 1 << 20).unwrap_err();
    /// assert_eq!(error.kind(), "unreadable_file");
    /// ```
    pub fn open(path: &Path, chunk_bytes: usize, row_limit: usize) -> Result<Self, JsonlError> {
        let place = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Self::new(file, &place, chunk_bytes, row_limit)),
            Err(cause) => Err(JsonlError::Unreadable { place, cause: cause.to_string() }),
        }
    }
}

impl<R: Read> Chunks<R> {
    /// `place` names the source in messages; a row of more than both `chunk_bytes` and `row_limit`
    /// bytes is an error.
    ///
    /// ```
    /// use dalign_core::jsonl::Chunks;
    ///
    /// let mut chunks = Chunks::new(&b"{\"a\": 1}"[..], "here", 2, 4);
    /// assert!(chunks.next_chunk(1).is_err());
    /// ```
    #[must_use]
    pub fn new(source: R, place: &str, chunk_bytes: usize, row_limit: usize) -> Self {
        let chunk_bytes = chunk_bytes.max(1);
        Self {
            source,
            place: place.to_owned(),
            buffer: vec![0; chunk_bytes],
            given: 0,
            filled: 0,
            limit: row_limit.max(chunk_bytes),
            read: 0,
            begun: false,
            ended: false,
            defect: None,
        }
    }

    /// The name of the source in messages.
    ///
    /// ```
    /// # use dalign_core::jsonl::Chunks;
    /// assert_eq!(Chunks::new(&b""[..], "here", 4, 4).place(), "here");
    /// ```
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Bytes read so far.
    ///
    /// ```
    /// # use dalign_core::jsonl::Chunks;
    /// assert_eq!(Chunks::new(&b"{}"[..], "here", 4, 4).bytes_read(), 0);
    /// ```
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next whole lines, none at the end of the source; `next_line` is the number of the first
    /// of them, for messages.
    ///
    /// # Errors
    ///
    /// [`JsonlError::Unreadable`], and [`JsonlError::Line`] with [`Defect::NotUtf8`] or
    /// [`Defect::RowTooLarge`]; the lines before such a one are given first.
    ///
    /// ```
    /// # use dalign_core::jsonl::Chunks;
    /// let mut chunks = Chunks::new(&b"{}\n\xff"[..], "here", 99, 99);
    /// assert_eq!(chunks.next_chunk(1)?, Some("{}\n"));
    /// assert!(chunks.next_chunk(2).is_err());
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    pub fn next_chunk(&mut self, next_line: u64) -> Result<Option<&str>, JsonlError> {
        let whole = match self.defect.take() {
            Some(defect) => Err(defect),
            None => self.refill()?,
        };
        let place = &self.place;
        let at_line = |defect| JsonlError::Line { place: place.clone(), line: next_line, defect };
        let whole = whole.map_err(at_line)?;
        // Only the first chunk's buffer starts where the source does.
        let begun = std::mem::replace(&mut self.begun, true);
        self.given = whole;
        let bytes = &self.buffer[..whole];
        let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if !begun => rest,
            _ => bytes,
        };
        match simdutf8::basic::from_utf8(bytes) {
            Ok("") => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                let (text, defect) = valid_lines(bytes);
                if text.is_empty() {
                    return Err(at_line(defect));
                }
                self.defect = Some(defect);
                Ok(Some(text))
            }
        }
    }

    /// Reads until the buffer holds a whole line; returns where the last whole one ends.
    fn refill(&mut self) -> Result<Result<usize, Defect>, JsonlError> {
        self.buffer.copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.given = 0;
        let mut searched = self.filled;
        while !self.ended {
            if self.filled == self.buffer.len() {
                if self.filled >= self.limit {
                    return Ok(Err(Defect::RowTooLarge { limit: self.limit }));
                }
                self.buffer.resize((2 * self.filled).min(self.limit), 0);
            }
            self.read_more()?;
            if let Some(last) = memrchr(b'\n', &self.buffer[searched..self.filled]) {
                return Ok(Ok(searched + last + 1));
            }
            searched = self.filled;
        }
        Ok(Ok(self.filled))
    }

    fn read_more(&mut self) -> Result<(), JsonlError> {
        let count = loop {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    let (place, cause) = (self.place.clone(), cause.to_string());
                    return Err(JsonlError::Unreadable { place, cause });
                }
                Ok(count) => break count,
            }
        };
        self.ended = count == 0;
        self.filled += count;
        self.read += count as u64;
        Ok(())
    }
}

/// The lines before the first byte that is not UTF-8, and the defect of that byte's line.
#[cold]
fn valid_lines(bytes: &[u8]) -> (&str, Defect) {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let start = memrchr(b'\n', &bytes[..valid]).map_or(0, |newline| newline + 1);
    let text = std::str::from_utf8(&bytes[..start]).unwrap_or_default();
    (text, not_utf8(&bytes[start..], valid - start))
}
