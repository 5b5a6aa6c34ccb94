//! See `dalign._core.NgramIndex`.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array, UInt64Array};
use dalign_core::overlap::{self, Overlap, Run};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::table;

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct NgramIndex(overlap::NgramIndex);

#[pymethods]
impl NgramIndex {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(py: Python<'_>, references: Column, n: usize) -> PyResult<Self> {
        py.detach(|| overlap::NgramIndex::new(&references.texts()?, n).map_err(to_python)).map(Self)
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn overlap(&self, py: Python<'_>, texts: Column, own: Option<Column>) -> PyResult<PyTable> {
        py.detach(|| {
            let own = own.as_ref().map(Column::texts).transpose()?;
            let rows = self.0.overlap_column(&texts.texts()?, own.as_deref()).map_err(to_python)?;
            table([
                ("ngrams", counts(&rows, |row| Some(row.ngrams))),
                ("shared", counts(&rows, |row| Some(row.shared))),
                ("reference", counts(&rows, |row| row.longest.map(|run| run.reference))),
                ("words", counts(&rows, |row| row.longest.map(|run| run.words))),
                ("start", ends(&rows, |run| run.start)),
                ("end", ends(&rows, |run| run.end)),
            ])
        })
    }
}

fn counts(rows: &[Overlap], value: impl Fn(&Overlap) -> Option<u32>) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<UInt32Array>())
}

fn ends(rows: &[Overlap], value: impl Fn(Run) -> usize) -> ArrayRef {
    let ends = rows.iter().map(|row| row.longest.map(|run| value(run) as u64));
    Arc::new(ends.collect::<UInt64Array>())
}
