//! Columns of lists as Python hands them over: `List` or `LargeList`, in any number of chunks.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, GenericListArray, LargeListArray, ListArray, OffsetSizeTrait};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{DataType, Field};
use dalign_core::gather::GatherError;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::errors::{bad_column, to_python};

/// One chunk: row `i` is `values[offsets[i]..offsets[i + 1]]`.
struct Chunk {
    values: ArrayRef,
    offsets: Vec<usize>,
}

impl Chunk {
    /// Only the values that the chunk's own rows hold; a null row or value is an error. `before` is
    /// the number of rows of earlier chunks.
    fn new<O: OffsetSizeTrait>(list: &GenericListArray<O>, before: usize) -> PyResult<Self> {
        let refuse = |row: usize, what: &str| {
            let row = before + row;
            let message = format!("row {row} {what}: leave rows without a value out");
            Err(bad_column(message, "null", Some(row)))
        };
        if let Some(row) = (0..list.len()).find(|&row| list.is_null(row)) {
            return refuse(row, "is null");
        }
        let offsets: Vec<usize> = list.value_offsets().iter().map(|o| o.as_usize()).collect();
        let (start, end) = (offsets[0], offsets[list.len()]);
        let values = list.values().slice(start, end - start);
        if values.null_count() > 0
            && let Some(row) = (0..list.len()).find(|&row| list.value(row).null_count() > 0)
        {
            return refuse(row, "holds a null");
        }
        Ok(Self { values, offsets: offsets.iter().map(|offset| offset - start).collect() })
    }

    fn rows<'a, T>(&self, values: &'a [T]) -> impl Iterator<Item = &'a [T]> {
        self.offsets.windows(2).map(|ends| &values[ends[0]..ends[1]])
    }
}

/// A column of lists: chunks of one Arrow type.
pub(crate) struct Lists {
    chunks: Vec<Chunk>,
    is_large: bool,
    item: DataType,
}

impl Lists {
    /// The column with this name: chunks of type `kind`.
    pub(crate) fn read(name: &str, kind: &DataType, chunks: &[ArrayRef]) -> PyResult<Self> {
        let (item, is_large) = match kind {
            DataType::List(item) => (item.data_type().clone(), false),
            DataType::LargeList(item) => (item.data_type().clone(), true),
            other => {
                let message = format!("expected lists in column `{name}`, not {other}");
                return Err(PyTypeError::new_err(message));
            }
        };
        let mut read = Vec::with_capacity(chunks.len());
        let mut before = 0;
        for chunk in chunks {
            read.push(if is_large {
                Chunk::new(chunk.as_list::<i64>(), before)?
            } else {
                Chunk::new(chunk.as_list::<i32>(), before)?
            });
            before += chunk.len();
        }
        Ok(Self { chunks: read, is_large, item })
    }

    /// The type of the lists' values.
    pub(crate) fn item(&self) -> &DataType {
        &self.item
    }

    /// The length of each row; more than 32 bits count are more than any capacity.
    pub(crate) fn lengths(&self) -> Vec<u32> {
        let rows = self.chunks.iter().flat_map(|chunk| chunk.offsets.windows(2));
        rows.map(|ends| u32::try_from(ends[1] - ends[0]).unwrap_or(u32::MAX)).collect()
    }

    /// The values of each row, which are of type `T`.
    pub(crate) fn rows<T: ArrowPrimitiveType>(&self) -> Vec<&[T::Native]> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| chunk.rows(chunk.values.as_primitive::<T>().values())).collect()
    }

    /// Every value of each chunk as a truth value: booleans, or numbers that are not 0.
    pub(crate) fn flags(&self) -> PyResult<Vec<Vec<bool>>> {
        let flags = |chunk: &Chunk| {
            let flags = cast(&chunk.values, &DataType::Boolean)
                .map_err(|error| PyTypeError::new_err(error.to_string()))?;
            Ok(flags.as_boolean().values().iter().collect())
        };
        self.chunks.iter().map(flags).collect()
    }

    /// Every value of each chunk as a whole number of type `T`.
    pub(crate) fn integers<T: ArrowPrimitiveType>(&self) -> PyResult<Vec<Vec<T::Native>>> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let integers = |chunk: &Chunk| {
            let integers = cast_with_options(&chunk.values, &T::DATA_TYPE, &options)
                .map_err(|error| bad_column(error.to_string(), "bad_number", None))?;
            Ok(integers.as_primitive::<T>().values().to_vec())
        };
        self.chunks.iter().map(integers).collect()
    }

    /// The rows of values that lie as this column's own do.
    pub(crate) fn rows_of<'a, T>(&self, values: &'a [Vec<T>]) -> Vec<&'a [T]> {
        self.chunks.iter().zip(values).flat_map(|(chunk, values)| chunk.rows(values)).collect()
    }

    /// A column of the same kind of lists over new values.
    pub(crate) fn like<T: ArrowPrimitiveType>(
        &self,
        values: ScalarBuffer<T::Native>,
        offsets: &[u64],
    ) -> PyResult<ArrayRef> {
        lists::<T>(values, offsets, self.is_large)
    }
}

/// A column of lists: list `i` is `values[offsets[i]..offsets[i + 1]]`.
pub(crate) fn lists<T: ArrowPrimitiveType>(
    values: ScalarBuffer<T::Native>,
    offsets: &[u64],
    is_large: bool,
) -> PyResult<ArrayRef> {
    let tokens = values.len();
    let values: ArrayRef = Arc::new(arrow_array::PrimitiveArray::<T>::new(values, None));
    let field = Arc::new(Field::new_list_field(T::DATA_TYPE, false));
    if is_large {
        let offsets: ScalarBuffer<i64> = offsets.iter().map(|o| o.cast_signed()).collect();
        return Ok(Arc::new(LargeListArray::new(field, OffsetBuffer::new(offsets), values, None)));
    }
    if i32::try_from(tokens).is_err() {
        return Err(to_python(GatherError::TooManyTokens { tokens, limit: i32::MAX as usize }));
    }
    let offsets: ScalarBuffer<i32> = offsets.iter().map(|&offset| offset as i32).collect();
    Ok(Arc::new(ListArray::new(field, OffsetBuffer::new(offsets), values, None)))
}
