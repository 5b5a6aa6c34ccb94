//! See `dalign._core.Tokenizer` and `dalign._core.unsettled_rows`.

use std::path::PathBuf;

use dalign_core::memory::{Pool, Room};
use dalign_core::tokenize;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::buffer::PyArrowBuffer;

use crate::columns::Column;
use crate::errors::to_python;
use crate::memory::column;

type IdsAndOffsets<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct Tokenizer {
    core: tokenize::Tokenizer,
    pool: Pool,
}

#[pymethods]
impl Tokenizer {
    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let core = py.detach(|| tokenize::Tokenizer::from_file(path)).map_err(to_python)?;
        Ok(Self { core, pool: Pool::default() })
    }

    #[getter]
    fn note(&self) -> Option<&str> {
        self.core.note()
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn encode<'py>(&self, py: Python<'py>, texts: Column) -> PyResult<IdsAndOffsets<'py>> {
        let (ids, offsets) = py
            .detach(|| self.core.encode_batch_in(&texts.texts()?, &self.pool).map_err(to_python))?;
        let ids = match ids {
            Room::Small(ids) => ids.into_pyarray(py),
            // Read-only, in memory that comes back when the array is gone.
            huge @ Room::Huge(_) => {
                let ids = PyArrowBuffer::new(column(huge).into_inner());
                let ids = py.import("numpy")?.call_method1("frombuffer", (ids, "uint32"))?;
                ids.cast_into()?
            }
        };
        Ok((ids, offsets.into_pyarray(py)))
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn unsettled_rows(py: Python<'_>, texts: Column) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let rows = py.detach(|| texts.texts().map(|texts| tokenize::unsettled_rows(&texts)))?;
    Ok(rows.into_pyarray(py))
}
