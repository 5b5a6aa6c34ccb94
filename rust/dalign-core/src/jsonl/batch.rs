//! Rows of a file with the place of each, some megabytes at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::chunks::{Chunks, ROW_LIMIT_BYTES};
use super::error::{Defect, JsonlError};
use super::escape::JsonText;
use super::fields::{Fields, Found, Span};
use super::lines::lines;
use super::scan::scan;

/// Rows of a file in the bytes that they came in.
///
/// ```
/// use dalign_core::jsonl::{Batch, Fields};
///
/// let fields = Fields::new(&["a"], &["b"]);
/// let batch = Batch::parse("\n{\"a\": \"x\"}\r\n".into(), 4, "here", &fields)?;
/// assert_eq!((batch.rows(), batch.lines(), batch.line(0)), (1, &[5][..], "{\"a\": \"x\"}"));
/// assert_eq!((batch.text(0, 0).unwrap().raw(), batch.text(0, 1)), ("x", None));
/// # Ok::<(), dalign_core::jsonl::JsonlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    text: Arc<str>,
    /// Where each row starts and ends in the text, its line end left out.
    spans: Vec<(usize, usize)>,
    lines: Vec<u64>,
    /// What was found, row by row; as many entries a row as there are fields.
    found: Vec<Found>,
    fields: Fields,
    place: String,
}

impl Batch {
    /// The rows of some whole lines, the first of which has the number `first_line`; O(bytes).
    ///
    /// # Errors
    ///
    /// [`JsonlError::Line`] for the first line that is no row.
    ///
    /// ```
    /// use dalign_core::jsonl::{Batch, Fields};
    ///
    /// let error = Batch::parse("{}\n[]".into(), 1, "here", &Fields::new(&[], &[])).unwrap_err();
    /// assert!(error.to_string().starts_with("here:2: not a JSON object"));
    /// ```
    pub fn parse(
        text: Arc<str>,
        first_line: u64,
        place: &str,
        fields: &Fields,
    ) -> Result<Self, JsonlError> {
        let (mut spans, mut numbers, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let (mut next_line, mut row) = (first_line, Vec::new());
        for line in lines(&text, &mut next_line) {
            let scanned = if line.text.len() > ROW_LIMIT_BYTES {
                Err(Defect::RowTooLarge { limit: ROW_LIMIT_BYTES })
            } else {
                scan(line.text, fields, &mut row)
            };
            scanned.map_err(|defect| JsonlError::Line {
                place: place.to_owned(),
                line: line.number,
                defect,
            })?;
            spans.push((line.start, line.start + line.body().len()));
            numbers.push(line.number);
            found.extend_from_slice(&row);
        }
        let (fields, place) = (fields.clone(), place.to_owned());
        Ok(Self { text, spans, lines: numbers, found, fields, place })
    }

    /// How many rows it has.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(Batch::parse("".into(), 1, "here", &Fields::new(&[], &[]))?.rows(), 0);
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn rows(&self) -> usize {
        self.spans.len()
    }

    /// The number of each row's line, counted from 1.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(Batch::parse("{}\n".into(), 3, "here", &Fields::new(&[], &[]))?.lines(), [3]);
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// The lines that the rows came in.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(&**Batch::parse("{}\n".into(), 1, "here", &Fields::new(&[], &[]))?.source(), "{}\n");
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn source(&self) -> &Arc<str> {
        &self.text
    }

    /// The fields that were asked for.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// let batch = Batch::parse("".into(), 1, "here", &Fields::new(&["a"], &[]))?;
    /// assert_eq!(batch.fields().names(), ["a"]);
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The name of the source in messages.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(Batch::parse("".into(), 1, "here", &Fields::new(&[], &[]))?.place(), "here");
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Where a row starts and ends in [`Batch::source`], its line end left out.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(Batch::parse("{}\r\n".into(), 1, "here", &Fields::new(&[], &[]))?.span(0), (0, 2));
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn span(&self, row: usize) -> (usize, usize) {
        self.spans[row]
    }

    /// A row as it is written, without its line end.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// assert_eq!(Batch::parse("{ }\n".into(), 1, "here", &Fields::new(&[], &[]))?.line(0), "{ }");
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn line(&self, row: usize) -> &str {
        let (start, end) = self.spans[row];
        &self.text[start..end]
    }

    /// Where a field's text stands in [`Batch::source`]; none where the row lacks an optional field.
    ///
    /// # Panics
    ///
    /// When there is no such row or field.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields, Span};
    /// let batch = Batch::parse(r#"{"a": "x"}"#.into(), 1, "here", &Fields::new(&["a"], &[]))?;
    /// assert_eq!(batch.text_span(0, 0), Some(Span { start: 7, end: 8, escaped: false }));
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn text_span(&self, row: usize, field: usize) -> Option<Span> {
        let names = self.fields.names().len();
        let start = self.spans[row].0;
        match self.found[row * names..(row + 1) * names][field] {
            Found::Text(span) => {
                Some(Span { start: span.start + start, end: span.end + start, ..span })
            }
            Found::Absent | Found::Other(_) => None,
        }
    }

    /// A field's text; none where the row lacks an optional field.
    ///
    /// # Panics
    ///
    /// When there is no such row or field.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Batch, Fields};
    /// let batch = Batch::parse(r#"{"a": "\/"}"#.into(), 1, "here", &Fields::new(&["a"], &[]))?;
    /// assert_eq!(batch.text(0, 0).unwrap().decoded(), "/");
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn text(&self, row: usize, field: usize) -> Option<JsonText<'_>> {
        let span = self.text_span(row, field)?;
        Some(JsonText::checked(&self.text[span.start..span.end], span.escaped))
    }
}

/// Reads a file batch by batch.
///
/// ```
/// use dalign_core::jsonl::{Fields, Reader};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("rows.jsonl");
/// std::fs::write(&path, "{\"a\": \"x\"}\n{\"a\": \"y\"}\n")?;
/// let mut reader = Reader::open(&path, Fields::new(&["a"], &[]), 12)?;
/// assert_eq!(reader.next_batch()?.unwrap().rows(), 1);
/// assert_eq!(reader.next_batch()?.unwrap().lines(), [2]);
/// assert!(reader.next_batch()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    chunks: Chunks<R>,
    fields: Fields,
    next_line: u64,
}

impl Reader<File> {
    /// Opens a file; a batch has about `batch_bytes`, and one row at least.
    ///
    /// # Errors
    ///
    /// [`JsonlError::Unreadable`].
    ///
    /// ```
    /// use dalign_core::jsonl::{Fields, Reader};
    ///
    /// assert!(Reader::open("/nowhere".as_ref(), Fields::new(&[], &[]), 1 << 20).is_err());
    /// ```
    pub fn open(path: &Path, fields: Fields, batch_bytes: usize) -> Result<Self, JsonlError> {
        Ok(Self::new(Chunks::open(path, batch_bytes, ROW_LIMIT_BYTES)?, fields))
    }
}

impl<R: Read> Reader<R> {
    /// Takes the chunks from their start.
    ///
    /// ```
    /// use dalign_core::jsonl::{Chunks, Fields, Reader};
    ///
    /// let mut reader = Reader::new(Chunks::new(&b""[..], "here", 9, 9), Fields::new(&[], &[]));
    /// assert!(reader.next_batch()?.is_none());
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn new(chunks: Chunks<R>, fields: Fields) -> Self {
        Self { chunks, fields, next_line: 1 }
    }

    /// Bytes read so far.
    ///
    /// ```
    /// # use dalign_core::jsonl::{Chunks, Fields, Reader};
    /// let chunks = Chunks::new(&b"{}"[..], "here", 9, 9);
    /// assert_eq!(Reader::new(chunks, Fields::new(&[], &[])).bytes_read(), 0);
    /// ```
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.chunks.bytes_read()
    }

    /// The next rows, at least one; none at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`Chunks::next_chunk`] and [`Batch::parse`].
    ///
    /// ```
    /// # use dalign_core::jsonl::{Chunks, Fields, Reader};
    /// let chunks = Chunks::new(&b"\n\n{}"[..], "here", 1, 9);
    /// let batch = Reader::new(chunks, Fields::new(&[], &[])).next_batch()?.unwrap();
    /// assert_eq!(batch.lines(), [3]);
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    pub fn next_batch(&mut self) -> Result<Option<Batch>, JsonlError> {
        loop {
            let first_line = self.next_line;
            let Some(text) = self.chunks.next_chunk(first_line)? else { return Ok(None) };
            let text = Arc::<str>::from(text);
            self.next_line += newlines(&text);
            let batch = Batch::parse(text, first_line, self.chunks.place(), &self.fields)?;
            if batch.rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }
}

fn newlines(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}
