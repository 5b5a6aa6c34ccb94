//! See `dalign._core.aggregate`.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Float64Array, UInt32Array};
use dalign_core::aggregate::{Method, reduce};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::table;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn aggregate(
    py: Python<'_>,
    scores: Column,
    offsets: Column,
    method: &str,
    quantile: Option<f64>,
    min_valid: u32,
) -> PyResult<PyTable> {
    let method = Method::named(method, quantile).map_err(to_python)?;
    py.detach(|| {
        let offsets = offsets.integers::<UInt32Type>()?;
        let reduced = reduce(&scores.floats()?, &offsets, method, min_valid).map_err(to_python)?;
        let scores: Float64Array = reduced.iter().map(|row| row.score).collect();
        let n_valid: UInt32Array = reduced.iter().map(|row| Some(row.n_valid)).collect();
        table([("score", Arc::new(scores)), ("n_valid", Arc::new(n_valid))])
    })
}
