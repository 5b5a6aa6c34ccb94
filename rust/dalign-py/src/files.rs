//! See `dalign._core.LineWriter` and `dalign._core.ZstdReader`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use dalign_core::files;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::columns::Column;
use crate::errors::to_python;
use crate::jsonl::JsonlBatch;

#[pyclass(module = "dalign._core")]
pub(crate) struct LineWriter(Option<files::LineWriter>);

impl LineWriter {
    fn open(&mut self) -> PyResult<&mut files::LineWriter> {
        self.0.as_mut().ok_or_else(|| PyValueError::new_err("the file is finished"))
    }
}

#[pymethods]
impl LineWriter {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let writer = py.detach(|| files::LineWriter::create(&path).map_err(to_python))?;
        Ok(Self(Some(writer)))
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn write(&mut self, py: Python<'_>, batch: &JsonlBatch, keep: Column) -> PyResult<()> {
        let writer = self.open()?;
        py.detach(|| files::write_kept(writer, &batch.0, &keep.bools()?).map_err(to_python))
    }

    #[pyo3(signature = (batch, keep, reasons, details, named = false))]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn write_dropped(
        &mut self,
        py: Python<'_>,
        batch: &JsonlBatch,
        keep: Column,
        reasons: Column,
        details: Column,
        named: bool,
    ) -> PyResult<()> {
        let writer = self.open()?;
        py.detach(|| {
            let (keep, reasons) = (keep.bools()?, reasons.optional_texts()?);
            let details = details.optional_texts()?;
            files::write_dropped(writer, &batch.0, &keep, &reasons, &details, named)
                .map_err(to_python)
        })
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.open()?;
        let writer = self.0.take();
        py.detach(|| writer.map_or(Ok(()), files::LineWriter::finish).map_err(to_python))
    }
}

#[pyclass(module = "dalign._core")]
pub(crate) struct ZstdReader(files::Zstd<BufReader<File>>);

#[pymethods]
impl ZstdReader {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = py.detach(|| File::open(&path))?;
        Ok(Self(files::Zstd::new(BufReader::with_capacity(1 << 17, file))))
    }

    fn read<'py>(&mut self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes = vec![0; most];
        let count = py.detach(|| self.0.read(&mut bytes))?;
        Ok(PyBytes::new(py, &bytes[..count]))
    }
}
