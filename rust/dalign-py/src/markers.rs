//! See `dalign._core.Markers`.

use std::borrow::Cow;

use dalign_core::markers;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::to_python;

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct Markers(markers::Markers);

#[pymethods]
impl Markers {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn new(tokens: Vec<String>) -> PyResult<Self> {
        markers::Markers::new(&tokens).map(Self).map_err(to_python)
    }

    fn broken<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        Ok(match self.0.broken(text.to_str()?) {
            Cow::Borrowed(_) => text.clone(),
            Cow::Owned(broken) => PyString::new(text.py(), &broken),
        })
    }

    fn first<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.first(text)
    }
}
