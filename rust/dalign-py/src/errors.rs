//! Errors of the core as Python exceptions that carry the same fields.

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyType;

create_exception!(dalign._core, CoreError, PyValueError);

/// Gives the exception class its fields, so that every instance has them.
pub(crate) fn declare_fields(class: &Bound<'_, PyType>) -> PyResult<()> {
    class.setattr(
        "__doc__",
        "Input that the core refuses: which row, which value, which limit, and what to do.",
    )?;
    class.setattr("kind", "")?;
    for field in ["row", "value", "limit"] {
        class.setattr(field, class.py().None())?;
    }
    Ok(())
}

/// The Python exception of an error of the core.
#[allow(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
pub(crate) fn to_python(error: impl dalign_core::CoreError) -> PyErr {
    exception(error.to_string(), error.kind(), error.row(), error.value(), error.limit())
}

/// A value that a column of this kind cannot hold.
pub(crate) fn bad_column(message: String, kind: &'static str, row: Option<usize>) -> PyErr {
    exception(message, kind, row, None, None)
}

fn exception(
    message: String,
    kind: &'static str,
    row: Option<usize>,
    value: Option<f64>,
    limit: Option<f64>,
) -> PyErr {
    let error = CoreError::new_err(message);
    let fields = Python::attach(|py| {
        let instance = error.value(py);
        instance.setattr("kind", kind)?;
        instance.setattr("row", row)?;
        instance.setattr("value", value)?;
        instance.setattr("limit", limit)
    });
    fields.err().unwrap_or(error)
}
