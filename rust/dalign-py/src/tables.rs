//! Results as Arrow tables, which polars, pyarrow and datasets read without a copy.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, UInt8Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch, StringViewArray, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

/// A table of one chunk; the columns are of one length.
pub(crate) fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> PyResult<PyTable> {
    table_of(columns.into())
}

/// As [`table`], for columns whose number the caller sets.
pub(crate) fn table_of(columns: Vec<(&str, ArrayRef)>) -> PyResult<PyTable> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, values)| {
            (Field::new(name, values.data_type().clone(), values.is_nullable()), values)
        })
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    PyTable::try_new(vec![batch], schema)
}

/// A column of texts.
pub(crate) fn texts(values: impl Iterator<Item = impl AsRef<str>>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(values))
}

/// A column of numbers. Values and nulls are gathered apart, as wide loops; Arrow's own way looks at each row
/// for both.
pub(crate) fn numbers<T: ArrowPrimitiveType>(
    values: impl ExactSizeIterator<Item = Option<T::Native>> + Clone,
) -> ArrayRef {
    let mut present = values.clone().map(|value| value.is_some());
    let present = BooleanBuffer::collect_bool(values.len(), |_| present.next() == Some(true));
    let nulls = NullBuffer::new(present);
    let values: Vec<T::Native> = values.map(Option::unwrap_or_default).collect();
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

/// A column of a few texts that come again and again: each is made once, then only pointed at. A row
/// without a place among `names`, of which there are at most 256, is null.
pub(crate) fn places_of(
    names: &[&str],
    places: impl ExactSizeIterator<Item = Option<usize>> + Clone,
) -> PyResult<ArrayRef> {
    let places = numbers::<UInt8Type>(places.map(|place| place.map(|place| place as u8)));
    if places.null_count() == places.len() {
        // Memory that is never written costs nothing.
        return Ok(new_null_array(&DataType::Utf8View, places.len()));
    }
    let names = StringViewArray::from_iter_values(names);
    take(&names, &places, None).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
