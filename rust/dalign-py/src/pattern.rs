//! See `dalign._core.Pattern`.

use std::collections::HashMap;

use dalign_core::pattern;
use pyo3::prelude::*;

use crate::errors::to_python;

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct Pattern {
    pattern: pattern::Pattern,
    #[pyo3(get)]
    text: String,
}

#[pymethods]
impl Pattern {
    #[new]
    fn new(text: String) -> PyResult<Self> {
        let pattern = pattern::Pattern::new(&text).map_err(to_python)?;
        Ok(Self { pattern, text })
    }

    #[getter]
    fn names(&self) -> Vec<&str> {
        self.pattern.names().collect()
    }

    fn is_in(&self, py: Python<'_>, text: &str) -> bool {
        py.detach(|| self.pattern.is_in(text))
    }

    fn is_all_of(&self, py: Python<'_>, text: &str) -> bool {
        py.detach(|| self.pattern.is_all_of(text))
    }

    fn groups<'t>(&self, py: Python<'_>, text: &'t str) -> Vec<HashMap<&str, Option<&'t str>>> {
        py.detach(|| self.pattern.groups(text).map(|found| found.into_iter().collect()).collect())
    }
}
