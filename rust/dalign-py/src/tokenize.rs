//! See `dalign._core.Tokenizer` and `dalign._core.unsettled_rows`.

use std::path::PathBuf;

use arrow_buffer::ScalarBuffer;
use dalign_core::tokenize;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::buffer::PyArrowBuffer;

use crate::buffers::Buffers;
use crate::columns::Column;
use crate::errors::to_python;

type IdsAndOffsets<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct Tokenizer {
    core: tokenize::Tokenizer,
    buffers: Buffers,
}

#[pymethods]
impl Tokenizer {
    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let core = py.detach(|| tokenize::Tokenizer::from_file(path)).map_err(to_python)?;
        Ok(Self { core, buffers: Buffers::default() })
    }

    #[getter]
    fn note(&self) -> Option<&str> {
        self.core.note()
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn encode<'py>(&self, py: Python<'py>, texts: Column) -> PyResult<IdsAndOffsets<'py>> {
        let texts = py.detach(|| texts.texts())?;
        let bytes = texts.iter().map(|text| text.len()).sum();
        if bytes >= LARGE {
            return self.encode_large(py, &texts, bytes);
        }
        let encoded = py.detach(|| self.core.encode_batch(&texts)).map_err(to_python)?;
        Ok((encoded.ids.into_pyarray(py), encoded.offsets.into_pyarray(py)))
    }
}

/// Texts of so many bytes have their ids written into memory of an earlier result, or into huge pages.
/// Room for an id a byte is mapped; what is not written takes no memory.
const LARGE: usize = 8 << 20;

impl Tokenizer {
    /// The ids lie in memory that comes back when the array is gone, and are read-only.
    fn encode_large<'py>(
        &self,
        py: Python<'py>,
        texts: &[&str],
        bytes: usize,
    ) -> PyResult<IdsAndOffsets<'py>> {
        let mut room = self.buffers.lend::<u32>(bytes);
        let (mut written, mut beyond) = (0, Vec::new());
        let place = room.values();
        let write = |ids: &[u32]| match place.get_mut(written..written + ids.len()) {
            Some(place) if beyond.is_empty() => {
                place.copy_from_slice(ids);
                written += ids.len();
            }
            // Text that a normalizer made longer.
            _ => beyond.extend_from_slice(ids),
        };
        let offsets = py.detach(|| self.core.encode_batch_to(texts, write)).map_err(to_python)?;
        let ids = room.into_column().slice(0, written);
        let ids =
            if beyond.is_empty() { ids } else { ScalarBuffer::from([&ids[..], &beyond].concat()) };
        if ids.is_empty() {
            // No buffer, for numpy.
            return Ok((Vec::new().into_pyarray(py), offsets.into_pyarray(py)));
        }
        let ids = PyArrowBuffer::new(ids.into_inner());
        let ids = py.import("numpy")?.call_method1("frombuffer", (ids, "uint32"))?;
        Ok((ids.cast_into()?, offsets.into_pyarray(py)))
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn unsettled_rows(py: Python<'_>, texts: Column) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let rows = py.detach(|| texts.texts().map(|texts| tokenize::unsettled_rows(&texts)))?;
    Ok(rows.into_pyarray(py))
}
