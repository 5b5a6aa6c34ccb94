//! See `dalign._core.parse_completions` and `dalign._core.exact_duplicates`.

use dalign_core::completion::{Opened, Tags, parse_column};
use dalign_core::dedup;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{table, texts as text_column};

#[pyfunction]
#[pyo3(signature = (texts, open_tag, close_tag, prefilled, truncated, control=None))]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn parse_completions(
    py: Python<'_>,
    texts: Column,
    open_tag: Option<&str>,
    close_tag: Option<&str>,
    prefilled: Option<bool>,
    truncated: Column,
    control: Option<Vec<String>>,
) -> PyResult<PyTable> {
    let tags = tags(open_tag, close_tag, prefilled, control.as_deref())?;
    py.detach(|| {
        let parsed =
            parse_column(&texts.texts()?, &tags, &truncated.bools()?).map_err(to_python)?;
        table([
            ("status", text_column(parsed.iter().map(|row| row.status.as_str()))),
            ("reasoning", text_column(parsed.iter().map(|row| row.reasoning))),
            ("answer", text_column(parsed.iter().map(|row| row.answer))),
        ])
    })
}

/// How a model marks its reasoning, as Python says it.
pub(crate) fn tags(
    open_tag: Option<&str>,
    close_tag: Option<&str>,
    prefilled: Option<bool>,
    control: Option<&[String]>,
) -> PyResult<Tags> {
    let opened = match prefilled {
        None => Opened::Perhaps,
        Some(true) => Opened::Always,
        Some(false) => Opened::Never,
    };
    let tags = Tags::optional(open_tag, close_tag, false).map_err(to_python)?.opened(opened);
    match control {
        None => Ok(tags),
        Some(tokens) => tags.control(tokens).map_err(to_python),
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn exact_duplicates(
    py: Python<'_>,
    texts: Column,
) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let representatives = py.detach(|| dedup::exact(&texts.texts()?).map_err(to_python))?;
    Ok(representatives.into_pyarray(py))
}
