//! See `dalign._core.Tokenizer` and `dalign._core.unsettled_rows`.

use std::path::PathBuf;

use dalign_core::tokenize;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PySlice;

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
        let texts = py.detach(|| texts.texts())?;
        let bytes = texts.iter().map(|text| text.len()).sum();
        if let Some(room) = if bytes < LARGE { None } else { room_for(py, bytes) } {
            return self.encode_into(&room, &texts);
        }
        let encoded = py.detach(|| self.0.encode_batch(&texts)).map_err(to_python)?;
        Ok((encoded.ids.into_pyarray(py), encoded.offsets.into_pyarray(py)))
    }
}

impl Tokenizer {
    /// Writes the ids to the head of an array, which is returned.
    fn encode_into<'py>(
        &self,
        room: &Bound<'py, PyArray1<u32>>,
        texts: &[&str],
    ) -> PyResult<IdsAndOffsets<'py>> {
        let py = room.py();
        let mut borrowed = room.readwrite();
        let place = borrowed.as_slice_mut()?;
        let (mut written, mut beyond) = (0, Vec::new());
        let write = |ids: &[u32]| match place.get_mut(written..written + ids.len()) {
            Some(place) if beyond.is_empty() => {
                place.copy_from_slice(ids);
                written += ids.len();
            }
            // Text that a normalizer made longer.
            _ => beyond.extend_from_slice(ids),
        };
        let offsets = py.detach(|| self.0.encode_batch_to(texts, write)).map_err(to_python)?;
        drop(borrowed);
        let mut ids = room.get_item(PySlice::new(py, 0, written.cast_signed(), 1))?;
        if !beyond.is_empty() {
            let parts = (ids, beyond.into_pyarray(py));
            ids = py.import("numpy")?.call_method1("concatenate", (parts,))?;
        }
        Ok((ids.cast_into()?, offsets.into_pyarray(py)))
    }
}

/// Texts of so many bytes have their ids written straight into an array of numpy's, which lies in
/// huge pages: a page fault for 2 MiB in place of 512. Four times as many bytes are always mapped
/// by themselves, so that what is not written takes no memory.
const LARGE: usize = 8 << 20;

/// An array for so many ids; none where the system does not grant it.
fn room_for(py: Python<'_>, ids: usize) -> Option<Bound<'_, PyArray1<u32>>> {
    let array = py.import("numpy").ok()?.call_method1("zeros", (ids, "uint32")).ok()?;
    array.cast_into().ok()
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn unsettled_rows(py: Python<'_>, texts: Column) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let rows = py.detach(|| texts.texts().map(|texts| tokenize::unsettled_rows(&texts)))?;
    Ok(rows.into_pyarray(py))
}
