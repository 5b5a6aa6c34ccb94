//! See `dalign._core.row_id`, `dalign._core.row_ids` and `dalign._core.digest`.

use arrow_array::types::UInt64Type;
use dalign_core::ids;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3_arrow::PyArray;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::texts as column_of;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn row_id(parents: Vec<PyBackedStr>, variant: &str, index: u64) -> String {
    ids::row_id(&parents, variant, index)
}

/// A parent of every row, or a column with that of each.
#[derive(FromPyObject)]
pub(crate) enum Parent {
    Same(PyBackedStr),
    Each(Column),
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn row_ids(
    py: Python<'_>,
    parents: Vec<Parent>,
    variant: &str,
    indices: Column,
) -> PyResult<PyArray> {
    py.detach(|| {
        let texts = parents.iter().map(|parent| match parent {
            Parent::Same(text) => Ok((&**text, Vec::new())),
            Parent::Each(column) => Ok(("", column.texts()?)),
        });
        let texts = texts.collect::<PyResult<Vec<_>>>()?;
        let parents = parents.iter().zip(&texts).map(|(parent, (same, each))| match parent {
            Parent::Same(_) => ids::Parent::Same(same),
            Parent::Each(_) => ids::Parent::Each(each),
        });
        let indices = indices.integers::<UInt64Type>()?;
        let ids = ids::row_ids(&parents.collect::<Vec<_>>(), variant, &indices);
        Ok(PyArray::from_array_ref(column_of(ids.map_err(to_python)?.iter())))
    })
}

#[pyfunction]
pub(crate) fn digest(py: Python<'_>, data: &[u8]) -> String {
    py.detach(|| ids::digest(data))
}
