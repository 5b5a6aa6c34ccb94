//! See `dalign._core.LineWriter` and `dalign._core.filter_jsonl`.

use std::path::PathBuf;

use dalign_core::files::{self, FilterError, FilterJsonl};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::Column;
use crate::errors::to_python;
use crate::jsonl::JsonlBatch;
use crate::row_filter::rules;

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

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn write_dropped(
        &mut self,
        py: Python<'_>,
        batch: &JsonlBatch,
        keep: Column,
        reasons: Column,
        details: Column,
    ) -> PyResult<()> {
        let writer = self.open()?;
        py.detach(|| {
            let (keep, reasons) = (keep.bools()?, reasons.optional_texts()?);
            let details = details.optional_texts()?;
            files::write_dropped(writer, &batch.0, &keep, &reasons, &details).map_err(to_python)
        })
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.open()?;
        let writer = self.0.take();
        py.detach(|| writer.map_or(Ok(()), files::LineWriter::finish).map_err(to_python))
    }
}

/// Either kind of end that a pass comes to before the file does.
struct Stopped(PyErr);

impl From<FilterError> for Stopped {
    fn from(error: FilterError) -> Self {
        Self(to_python(error))
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
#[allow(clippy::too_many_arguments, reason = "each is named in Python")]
pub(crate) fn filter_jsonl<'py>(
    py: Python<'py>,
    source: PathBuf,
    kept: PathBuf,
    dropped: Option<PathBuf>,
    field: &str,
    open_tag: Option<&str>,
    close_tag: Option<&str>,
    prefilled: bool,
    min_chars: u64,
    max_chars: Option<u64>,
    dedup: bool,
    memory_mib: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let what = FilterJsonl {
        source: &source,
        kept: &kept,
        dropped: dropped.as_deref(),
        field,
        rules: rules(open_tag, close_tag, prefilled, min_chars, max_chars)?,
        dedup_bytes: dedup.then_some(memory_mib << 20),
    };
    // Between two chunks a signal is heard, so that a long pass can be stopped.
    let tell = |bytes: u64| {
        Python::attach(|py| {
            py.check_signals()?;
            progress.as_ref().map_or(Ok(()), |progress| progress.call1(py, (bytes,)).map(drop))
        })
        .map_err(Stopped)
    };
    let filtered = py.detach(|| files::filter_jsonl(&what, tell)).map_err(|stopped| stopped.0)?;
    let counts = PyDict::new(py);
    counts.set_item("kept", filtered.kept)?;
    for (reason, count) in filtered.dropped {
        counts.set_item(reason, count)?;
    }
    Ok(counts)
}
