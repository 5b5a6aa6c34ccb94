//! See `dalign._core.aggregate`.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{Float64Array, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use dalign_core::aggregate::{Method, least_valid, reduce_into};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::memory::{RESULTS, column};
use crate::offsets::Offsets;
use crate::tables::table;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn aggregate(
    py: Python<'_>,
    scores: Column,
    offsets: Column,
    method: &str,
    parameter: Option<f64>,
    min_valid: u32,
) -> PyResult<PyTable> {
    let method = Method::named(method, parameter).map_err(to_python)?;
    py.detach(|| {
        let offsets = Offsets::of(&offsets)?;
        let rows = offsets.len().saturating_sub(1);
        let (mut score, mut n_valid) = (RESULTS.lend(rows), RESULTS.lend(rows));
        let (into, counts) = (score.values(), n_valid.values());
        let reduced = match scores.borrowed::<Float32Type>() {
            Some(scores) => reduce_into(scores, &offsets, method, min_valid, into, counts),
            None => reduce_into(&scores.floats()?, &offsets, method, min_valid, into, counts),
        };
        reduced.map_err(to_python)?;
        let n_valid = column(n_valid);
        let judged = at_least(&n_valid, least_valid(method, min_valid));
        let score = Arc::new(Float64Array::new(column(score), judged));
        table([("score", score), ("n_valid", Arc::new(UInt32Array::new(n_valid, None)))])
    })
}

/// Which rows have a value: those with so many valid judgements; none where all have.
fn at_least(n_valid: &[u32], least: u32) -> Option<NullBuffer> {
    let fewest = n_valid.iter().copied().min().unwrap_or(least);
    let judged = || BooleanBuffer::collect_bool(n_valid.len(), |row| n_valid[row] >= least);
    (fewest < least).then(|| NullBuffer::new(judged()))
}
