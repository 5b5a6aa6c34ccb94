//! Columns of texts with nulls, and columns that point into the bytes of a batch.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::Buffer;
use bytes::Bytes;
use dalign_core::jsonl::Batch;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A column of texts, null where there is none.
pub(crate) fn optional_texts(values: impl Iterator<Item = Option<impl AsRef<str>>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

/// A field of a batch; what needs no decoding is not copied.
pub(crate) fn batch_field(batch: &Batch, field: usize) -> PyResult<ArrayRef> {
    let mut column = Views::over(batch);
    for row in 0..batch.rows() {
        match batch.text_span(row, field).zip(batch.text(row, field)) {
            None => column.builder.append_null(),
            Some((span, _)) if !span.escaped => column.borrow(batch, (span.start, span.end))?,
            Some((_, text)) => column.builder.append_value(text.decoded()),
        }
    }
    Ok(Arc::new(column.builder.finish()))
}

/// The lines of a batch as they are written, without a copy.
pub(crate) fn batch_lines(batch: &Batch) -> PyResult<ArrayRef> {
    let mut column = Views::over(batch);
    for row in 0..batch.rows() {
        column.borrow(batch, batch.span(row))?;
    }
    Ok(Arc::new(column.builder.finish()))
}

/// The bytes of a batch, kept alive by the columns that point into them.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A column that points into the bytes of a batch.
struct Views {
    builder: StringViewBuilder,
    block: u32,
}

impl Views {
    fn over(batch: &Batch) -> Self {
        let mut builder = StringViewBuilder::with_capacity(batch.rows());
        let bytes = Bytes::from_owner(Shared(Arc::clone(batch.source())));
        // A view counts in 32 bits; a larger batch is copied from.
        let shared = if u32::try_from(bytes.len()).is_ok() { bytes } else { Bytes::new() };
        let block = builder.append_block(Buffer::from(shared));
        Self { builder, block }
    }

    fn borrow(&mut self, batch: &Batch, (start, end): (usize, usize)) -> PyResult<()> {
        if u32::try_from(batch.source().len()).is_err() {
            self.builder.append_value(&batch.source()[start..end]);
            return Ok(());
        }
        let (start, length) = (start as u32, (end - start) as u32);
        let added = self.builder.try_append_view(self.block, start, length);
        added.map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}
