//! See `dalign._core.JsonlReader` and `dalign._core.JsonlBatch`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use dalign_core::jsonl::{self, Batch, Chunks, Fields, ROW_LIMIT_BYTES};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3_arrow::PyArray;

use crate::errors::{bad_column, to_python};
use crate::text_views::{batch_field, batch_lines};

/// The bytes of a Python object with `read`.
struct Object(Py<PyAny>);

impl Read for Object {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let read = self.0.bind(py).call_method1("read", (out.len(),))?;
            let bytes: &[u8] = read.extract().map_err(PyErr::from)?;
            out.get_mut(..bytes.len())
                .ok_or_else(|| io::Error::other("more bytes than were asked for"))?
                .copy_from_slice(bytes);
            Ok(bytes.len())
        })
    }
}

enum Rows {
    OfFile(jsonl::Reader<File>),
    OfObject(jsonl::Reader<Object>),
}

#[pyclass(module = "dalign._core")]
pub(crate) struct JsonlReader(Rows);

fn borrowed(names: &[PyBackedStr]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

#[pymethods]
impl JsonlReader {
    #[new]
    #[pyo3(signature = (path, fields, batch_bytes, optional = Vec::new(), source = None))]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        fields: Vec<PyBackedStr>,
        batch_bytes: usize,
        optional: Vec<PyBackedStr>,
        source: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let fields = Fields::new(&borrowed(&fields), &borrowed(&optional));
        if let Some(object) = source {
            let place = path.display().to_string();
            let chunks = Chunks::new(Object(object), &place, batch_bytes, ROW_LIMIT_BYTES);
            return Ok(Self(Rows::OfObject(jsonl::Reader::new(chunks, fields))));
        }
        let open = || jsonl::Reader::open(&path, fields, batch_bytes).map_err(to_python);
        py.detach(open).map(Rows::OfFile).map(Self)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<JsonlBatch>> {
        let next = || match &mut self.0 {
            Rows::OfFile(rows) => rows.next_batch(),
            Rows::OfObject(rows) => rows.next_batch(),
        };
        let batch = py.detach(next).map_err(to_python)?;
        Ok(batch.map(JsonlBatch))
    }
}

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct JsonlBatch(pub(crate) Batch);

impl JsonlBatch {
    /// Where a field stands among those that were asked for.
    pub(crate) fn field(&self, name: &str) -> PyResult<usize> {
        let names = self.0.fields().names();
        self.0.fields().position(name).ok_or_else(|| {
            let message =
                format!("the reader was not asked for the field {name:?}, only {names:?}");
            bad_column(message, "unknown_field", None)
        })
    }
}

#[pymethods]
impl JsonlBatch {
    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.0.source().len()
    }

    #[getter]
    fn lines<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.0.lines().to_vec().into_pyarray(py)
    }

    fn column(&self, py: Python<'_>, field: &str) -> PyResult<PyArray> {
        let field = self.field(field)?;
        py.detach(|| batch_field(&self.0, field).map(PyArray::from_array_ref))
    }

    fn raw(&self, py: Python<'_>) -> PyResult<PyArray> {
        py.detach(|| batch_lines(&self.0).map(PyArray::from_array_ref))
    }
}
