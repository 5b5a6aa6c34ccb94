//! See `dalign._core.row_id`, `dalign._core.row_ids` and `dalign._core.digest`.

use arrow_array::types::UInt64Type;
use dalign_core::ids;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3_arrow::PyArray;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::texts;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn row_id(parents: Vec<PyBackedStr>, variant: &str, index: u64) -> String {
    ids::row_id(&parents, variant, index)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn row_ids(
    py: Python<'_>,
    parents: Column,
    variant: &str,
    indices: Column,
) -> PyResult<PyArray> {
    py.detach(|| {
        let indices = indices.integers::<UInt64Type>()?;
        let ids = ids::row_ids(&parents.texts()?, variant, &indices).map_err(to_python)?;
        Ok(PyArray::from_array_ref(texts(ids.iter())))
    })
}

#[pyfunction]
pub(crate) fn digest(py: Python<'_>, data: &[u8]) -> String {
    py.detach(|| ids::digest(data))
}
