//! See `dalign._core.RowFilter`.

use std::env;

use arrow_array::types::UInt64Type;
use dalign_core::row_filter::{self, Reason, Rules};
use dalign_core::seen::Seen;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::PyArray;

use crate::columns::Column;
use crate::completion::tags;
use crate::errors::to_python;
use crate::jsonl::JsonlBatch;
use crate::text_views::optional_texts;

type KeepReasonsDetails<'py> = (Bound<'py, PyArray1<bool>>, PyArray, PyArray);

#[pyclass(module = "dalign._core")]
pub(crate) struct RowFilter(row_filter::RowFilter);

#[pymethods]
impl RowFilter {
    #[new]
    #[pyo3(signature = (
        open_tag, close_tag, prefilled, min_chars, max_chars, dedup, memory_mib, control=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "what Python says by names")]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(
        open_tag: Option<&str>,
        close_tag: Option<&str>,
        prefilled: Option<bool>,
        min_chars: u64,
        max_chars: Option<u64>,
        dedup: bool,
        memory_mib: usize,
        control: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let tags = tags(open_tag, close_tag, prefilled, control.as_deref())?;
        let rules =
            Rules::new(tags, min_chars, max_chars.unwrap_or(u64::MAX)).map_err(to_python)?;
        let seen = dedup.then(|| Seen::new(memory_mib << 20, env::temp_dir()));
        Ok(Self(row_filter::RowFilter::new(rules, seen)))
    }

    fn check_batch<'py>(
        &mut self,
        py: Python<'py>,
        batch: &JsonlBatch,
        field: &str,
    ) -> PyResult<KeepReasonsDetails<'py>> {
        let field = batch.field(field)?;
        let check = || self.0.check_batch(&batch.0, field).map(columns).map_err(to_python);
        py.detach(check).map(|columns| to_numpy(py, columns))
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn check<'py>(
        &mut self,
        py: Python<'py>,
        texts: Column,
        truncated: Column,
        lines: Option<Column>,
    ) -> PyResult<KeepReasonsDetails<'py>> {
        let check = || {
            let (texts, truncated) = (texts.texts()?, truncated.bools()?);
            let reasons = match &lines {
                None => self.0.check_column(&texts, &truncated),
                Some(lines) => {
                    self.0.check_lines(&texts, &truncated, &lines.integers::<UInt64Type>()?)
                }
            };
            reasons.map(columns).map_err(to_python)
        };
        py.detach(check).map(|columns| to_numpy(py, columns))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map takes")]
fn columns(reasons: Vec<Option<Reason>>) -> (Vec<bool>, PyArray, PyArray) {
    let keep = reasons.iter().map(Option::is_none).collect();
    let names = optional_texts(reasons.iter().map(|reason| reason.map(Reason::as_str)));
    let details = optional_texts(reasons.iter().map(|reason| reason.map(|it| it.to_string())));
    (keep, PyArray::from_array_ref(names), PyArray::from_array_ref(details))
}

fn to_numpy(
    py: Python<'_>,
    (keep, reasons, details): (Vec<bool>, PyArray, PyArray),
) -> KeepReasonsDetails<'_> {
    (keep.into_pyarray(py), reasons, details)
}
