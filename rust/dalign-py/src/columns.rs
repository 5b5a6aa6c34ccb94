//! Columns as Python hands them over: any Arrow producer (polars, pyarrow, datasets) in any number
//! of chunks, or a numpy array.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type};
use arrow_array::{Array, ArrayAccessor, ArrayRef, BooleanArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_arrow::PyArray;
use pyo3_arrow::error::PyArrowError;
use pyo3_arrow::input::AnyArray;

use crate::errors::bad_column;

/// A column as it comes: chunks of one Arrow type.
pub(crate) struct Column {
    chunks: Vec<ArrayRef>,
    kind: DataType,
}

impl<'py> FromPyObject<'_, 'py> for Column {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // Whether it is numpy's can be asked of numpy alone, which takes longer to import than most
        // commands take: what speaks Arrow is none of it.
        let py = object.py();
        let speaks_arrow = object.hasattr(intern!(py, "__arrow_c_stream__"))?
            || object.hasattr(intern!(py, "__arrow_c_array__"))?;
        if !speaks_arrow && let Ok(array) = object.cast::<PyUntypedArray>() {
            return Self::from_numpy(&array);
        }
        let column = object.extract::<AnyArray>().map_err(|cause| {
            PyTypeError::new_err(format!(
                "expected a column (polars, pyarrow or numpy), not {}: {cause}",
                object.get_type()
            ))
        })?;
        let (chunks, field) = column.into_chunked_array().map_err(unreadable)?.into_inner();
        Self { chunks, kind: field.data_type().clone() }.decoded()
    }
}

impl Column {
    /// Copies only what Arrow cannot read in place: booleans, strides and foreign byte order (which
    /// the buffer protocol would hand over unswapped).
    fn from_numpy(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        if array.ndim() != 1 {
            let message = format!("expected one dimension, not {:?}", array.shape());
            return Err(PyTypeError::new_err(message));
        }
        let chunk: ArrayRef = if let Ok(bools) = array.cast::<PyArray1<bool>>() {
            let bools = bools.try_readonly()?;
            Arc::new(bools.as_array().iter().copied().map(Some).collect::<BooleanArray>())
        } else {
            let native = array.dtype().call_method1("newbyteorder", ("=",))?;
            let numpy = array.py().import("numpy")?;
            let array = numpy.call_method1("ascontiguousarray", (array, native))?;
            array.extract::<PyArray>()?.into_inner().0
        };
        Ok(Self { kind: chunk.data_type().clone(), chunks: vec![chunk] })
    }

    /// The column with the values that a dictionary stands for: categories in polars, dictionary
    /// arrays in pyarrow.
    fn decoded(self) -> PyResult<Self> {
        let DataType::Dictionary(_, kind) = &self.kind else { return Ok(self) };
        let chunks =
            self.chunks.iter().map(|chunk| cast_to(chunk, kind)).collect::<PyResult<_>>()?;
        Ok(Self { chunks, kind: (**kind).clone() })
    }

    /// The texts; a row without one is an error.
    pub(crate) fn texts(&self) -> PyResult<Vec<&str>> {
        if self.chunks.iter().any(|chunk| chunk.logical_null_count() > 0) {
            return no_nulls(self.optional_texts()?);
        }
        // Straight into the result: a column of millions is as many page faults shorter.
        let mut texts = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            match chunk.data_type() {
                DataType::Utf8View => texts.extend(each(chunk.as_string_view())),
                DataType::LargeUtf8 => texts.extend(each(chunk.as_string::<i64>())),
                DataType::Utf8 => texts.extend(each(chunk.as_string::<i32>())),
                // Without rows: any other would be null.
                DataType::Null => {}
                other => return Err(wrong_kind("text", other)),
            }
        }
        Ok(texts)
    }

    /// The texts, none where a row has none.
    pub(crate) fn optional_texts(&self) -> PyResult<Vec<Option<&str>>> {
        let mut texts = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            match chunk.data_type() {
                DataType::Utf8View => texts.extend(chunk.as_string_view()),
                DataType::LargeUtf8 => texts.extend(chunk.as_string::<i64>()),
                DataType::Utf8 => texts.extend(chunk.as_string::<i32>()),
                DataType::Null => texts.extend((0..chunk.len()).map(|_| None::<&str>)),
                other => return Err(wrong_kind("text", other)),
            }
        }
        Ok(texts)
    }

    /// The truth values; a row without one is an error.
    pub(crate) fn bools(&self) -> PyResult<Vec<bool>> {
        let mut bools = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            match chunk.data_type() {
                DataType::Boolean => bools.extend(chunk.as_boolean()),
                DataType::Null => bools.extend((0..chunk.len()).map(|_| None)),
                other => return Err(wrong_kind("booleans", other)),
            }
        }
        no_nulls(bools)
    }

    /// The values as they lie in memory, where they are one chunk of `T` without a null.
    pub(crate) fn borrowed<T: ArrowPrimitiveType>(&self) -> Option<&[T::Native]> {
        match &self.chunks[..] {
            [chunk] if *chunk.data_type() == T::DATA_TYPE && chunk.null_count() == 0 => {
                Some(chunk.as_primitive::<T>().values())
            }
            _ => None,
        }
    }

    /// Whole numbers of any width, all of which fit `T`; a row without one is an error. Borrowed
    /// when the column already is one chunk of `T`.
    pub(crate) fn integers<T: ArrowPrimitiveType>(&self) -> PyResult<Cow<'_, [T::Native]>> {
        if let Some(integers) = self.borrowed::<T>() {
            return Ok(Cow::Borrowed(integers));
        }
        if !(self.kind.is_integer() || self.kind.is_null()) {
            return Err(wrong_kind("whole numbers", &self.kind));
        }
        let mut integers = Vec::new();
        for chunk in &self.chunks {
            let chunk = cast::<T>(chunk)?;
            if chunk.null_count() > 0 {
                let row = (0..chunk.len()).position(|row| chunk.is_null(row)).unwrap_or(0);
                return Err(null_at(integers.len() + row));
            }
            let (_, values, _) = chunk.as_primitive::<T>().clone().into_parts();
            drop(chunk);
            if integers.is_empty() {
                // Without a copy where the column is one chunk.
                integers = values.into();
            } else {
                integers.extend_from_slice(&values);
            }
        }
        Ok(Cow::Owned(integers))
    }

    /// Numbers, NaN for a row without one.
    pub(crate) fn floats(&self) -> PyResult<Cow<'_, [f64]>> {
        if let Some(floats) = self.borrowed::<Float64Type>() {
            return Ok(Cow::Borrowed(floats));
        }
        if !(self.kind.is_numeric() || self.kind.is_null()) {
            return Err(wrong_kind("numbers", &self.kind));
        }
        let mut floats = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            let chunk = cast::<Float64Type>(chunk)?;
            let from = floats.len();
            floats.extend_from_slice(chunk.as_primitive::<Float64Type>().values());
            if let Some(nulls) = chunk.nulls() {
                (!nulls.inner()).set_indices().for_each(|row| floats[from + row] = f64::NAN);
            }
        }
        Ok(Cow::Owned(floats))
    }

    /// Labels of which only equality counts: texts or whole numbers.
    pub(crate) fn labels(&self) -> PyResult<Vec<u64>> {
        if self.kind.is_integer() {
            let integers = self.integers::<Int64Type>()?;
            return Ok(integers.iter().map(|label| label.cast_unsigned()).collect());
        }
        Ok(self.texts()?.into_iter().map(dalign_core::ids::label).collect())
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(Array::len).sum()
    }
}

/// A column that Arrow cannot import, as a polars Series without a type.
fn unreadable(cause: PyArrowError) -> PyErr {
    let cause = PyErr::from(cause);
    PyTypeError::new_err(format!("{cause}; give the column a type"))
}

/// The chunk as another primitive type; a value that does not fit is an error.
fn cast<T: ArrowPrimitiveType>(chunk: &ArrayRef) -> PyResult<ArrayRef> {
    cast_to(chunk, &T::DATA_TYPE)
}

fn cast_to(chunk: &ArrayRef, kind: &DataType) -> PyResult<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(chunk, kind, &options)
        .map_err(|error| bad_column(error.to_string(), "bad_number", None))
}

/// The values of an array without nulls, which need not be looked for at each.
fn each<A: ArrayAccessor>(array: A) -> impl Iterator<Item = A::Item> {
    (0..array.len()).map(move |row| array.value(row))
}

fn no_nulls<T>(values: Vec<Option<T>>) -> PyResult<Vec<T>> {
    match values.iter().position(Option::is_none) {
        None => Ok(values.into_iter().flatten().collect()),
        Some(row) => Err(null_at(row)),
    }
}

fn null_at(row: usize) -> PyErr {
    let message = format!("row {row} is null: leave rows without a value out");
    bad_column(message, "null", Some(row))
}

fn wrong_kind(expected: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("expected a column of {expected}, not of {found}"))
}
