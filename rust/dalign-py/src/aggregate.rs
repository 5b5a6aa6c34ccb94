//! See `dalign._core.aggregate`, `dalign._core.aggregate_summary` and `dalign._core.count_states`.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, UInt32Array};
use dalign_core::aggregate as core;
use dalign_core::aggregate::{Method, Summary, least_valid, reduce_columns};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{floats, table, table_of};

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
        let offsets = offsets.integers::<UInt32Type>()?;
        let reduced = match scores.borrowed::<Float32Type>() {
            Some(scores) => reduce_columns(scores, &offsets, method, min_valid),
            None => reduce_columns(&scores.floats()?, &offsets, method, min_valid),
        };
        let (reduced, least) = (reduced.map_err(to_python)?, least_valid(method, min_valid));
        let scores = floats(reduced.score, |row| reduced.n_valid[row] >= least);
        table([("score", scores), ("n_valid", counts(reduced.n_valid))])
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn aggregate_summary(
    py: Python<'_>,
    scores: Column,
    offsets: Column,
    quantiles: Vec<f64>,
    min_valid: u32,
) -> PyResult<PyTable> {
    py.detach(|| {
        let offsets = offsets.integers::<UInt32Type>()?;
        let summary = match scores.borrowed::<Float32Type>() {
            Some(scores) => core::summary(scores, &offsets, &quantiles, min_valid),
            None => core::summary(&scores.floats()?, &offsets, &quantiles, min_valid),
        };
        let Summary { min, mean, sd, quantiles: values, n_valid } = summary.map_err(to_python)?;
        let names: Vec<String> =
            quantiles.iter().map(|share| format!("quantile_{share}")).collect();
        let column = |values: Vec<f64>| floats(values, |row| n_valid[row] >= min_valid);
        let spread = floats(sd, |row| n_valid[row] >= min_valid.max(2));
        let mut columns = vec![("min", column(min)), ("mean", column(mean)), ("sd", spread)];
        columns.extend(names.iter().map(String::as_str).zip(values.into_iter().map(column)));
        columns.push(("n_valid", counts(n_valid)));
        table_of(columns)
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn count_states(
    py: Python<'_>,
    states: Column,
    offsets: Column,
    names: Vec<String>,
) -> PyResult<PyTable> {
    py.detach(|| {
        let offsets = offsets.integers::<UInt32Type>()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns = core::count_states(&states.texts()?, &offsets, &names);
        let columns = columns.map_err(to_python)?.into_iter().map(counts);
        table_of(names.iter().copied().zip(columns).collect())
    })
}

fn counts(counts: Vec<u32>) -> ArrayRef {
    Arc::new(UInt32Array::new(counts.into(), None))
}
