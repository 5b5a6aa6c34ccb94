//! See `dalign._core.Tokenizer` and `dalign._core.unsettled_rows`.

use std::path::PathBuf;

use dalign_core::tokenize;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::columns::Column;
use crate::errors::to_python;

type IdsAndOffsets<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct Tokenizer(tokenize::Tokenizer);

#[pymethods]
impl Tokenizer {
    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| tokenize::Tokenizer::from_file(path)).map(Self).map_err(to_python)
    }

    #[getter]
    fn note(&self) -> Option<&str> {
        self.0.note()
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn encode<'py>(&self, py: Python<'py>, texts: Column) -> PyResult<IdsAndOffsets<'py>> {
        let encoded = py.detach(|| self.0.encode_batch(&texts.texts()?).map_err(to_python))?;
        Ok((encoded.ids.into_pyarray(py), encoded.offsets.into_pyarray(py)))
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn unsettled_rows(py: Python<'_>, texts: Column) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let rows = py.detach(|| texts.texts().map(|texts| tokenize::unsettled_rows(&texts)))?;
    Ok(rows.into_pyarray(py))
}
