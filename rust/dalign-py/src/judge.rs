//! See `dalign._core.parse_verdicts` and `dalign._core.aggregate`.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Float64Array, StringViewArray, UInt32Array};
use dalign_core::aggregate::{Method, reduce};
use dalign_core::verdict::{Scale, Stance, parse_column};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{table, texts};

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn parse_verdicts(
    py: Python<'_>,
    replies: Column,
    low: f64,
    high: f64,
) -> PyResult<PyTable> {
    let scale = Scale::new(low, high).map_err(to_python)?;
    py.detach(|| {
        let verdicts = parse_column(&replies.texts()?, scale);
        let scores: Float64Array = verdicts.iter().map(|row| row.score).collect();
        let stances: StringViewArray =
            verdicts.iter().map(|row| row.stance.map(Stance::as_str)).collect();
        table([
            ("state", texts(verdicts.iter().map(|row| row.state.as_str()))),
            ("score", Arc::new(scores)),
            ("stance", Arc::new(stances)),
        ])
    })
}

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
