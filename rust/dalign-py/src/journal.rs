//! See `dalign._core.journal_lines`.

use dalign_core::journal::Replies;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;

use crate::errors::to_python;

/// Id, key, text, finish and tokens.
type Row = (PyBackedStr, PyBackedStr, PyBackedStr, PyBackedStr, u64);

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn journal_lines(py: Python<'_>, replies: Vec<Row>) -> PyResult<Bound<'_, PyBytes>> {
    let lines = py.detach(|| {
        let column = |of: fn(&Row) -> &str| replies.iter().map(of).collect::<Vec<_>>();
        let [ids, keys, texts, finishes] = [
            column(|row| &row.0),
            column(|row| &row.1),
            column(|row| &row.2),
            column(|row| &row.3),
        ];
        let tokens: Vec<u64> = replies.iter().map(|row| row.4).collect();
        let replies =
            Replies { ids: &ids, keys: &keys, texts: &texts, finishes: &finishes, tokens: &tokens };
        replies.lines().map_err(to_python)
    })?;
    Ok(PyBytes::new(py, &lines))
}
