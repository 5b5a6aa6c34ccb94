//! See `dalign._core.aggregate`, `dalign._core.aggregate_summary` and `dalign._core.count_states`.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use dalign_core::aggregate as core;
use dalign_core::aggregate::{Method, SummaryColumns, least_valid, reduce_into, summary_into};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::buffers::{RESULTS, Room};
use crate::columns::Column;
use crate::errors::to_python;
use crate::offsets::Offsets;
use crate::tables::{table, table_of};

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
        let n_valid = n_valid.into_column();
        let judged = at_least(&n_valid, least_valid(method, min_valid));
        let score = Arc::new(Float64Array::new(score.into_column(), judged));
        table([("score", score), ("n_valid", Arc::new(UInt32Array::new(n_valid, None)))])
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
        let offsets = Offsets::of(&offsets)?;
        let mut found = Found::lent(offsets.len().saturating_sub(1), quantiles.len());
        let into = found.columns();
        let done = match scores.borrowed::<Float32Type>() {
            Some(scores) => summary_into(scores, &offsets, &quantiles, min_valid, into),
            None => summary_into(&scores.floats()?, &offsets, &quantiles, min_valid, into),
        };
        done.map_err(to_python)?;
        found.into_table(&quantiles, min_valid)
    })
}

/// Memory for a summary.
struct Found {
    min: Room<f64>,
    mean: Room<f64>,
    sd: Room<f64>,
    quantiles: Vec<Room<f64>>,
    n_valid: Room<u32>,
}

impl Found {
    fn lent(rows: usize, quantiles: usize) -> Self {
        Self {
            min: RESULTS.lend(rows),
            mean: RESULTS.lend(rows),
            sd: RESULTS.lend(rows),
            quantiles: (0..quantiles).map(|_| RESULTS.lend(rows)).collect(),
            n_valid: RESULTS.lend(rows),
        }
    }

    fn columns(&mut self) -> SummaryColumns<'_> {
        SummaryColumns {
            min: self.min.values(),
            mean: self.mean.values(),
            sd: self.sd.values(),
            quantiles: self.quantiles.iter_mut().map(Room::values).collect(),
            n_valid: self.n_valid.values(),
        }
    }

    fn into_table(self, quantiles: &[f64], min_valid: u32) -> PyResult<PyTable> {
        let n_valid = self.n_valid.into_column();
        let judged = at_least(&n_valid, min_valid);
        let least = min_valid.max(2);
        let spread = if least == min_valid { judged.clone() } else { at_least(&n_valid, least) };
        let column = |values: Room<f64>| -> ArrayRef {
            Arc::new(Float64Array::new(values.into_column(), judged.clone()))
        };
        let spread = Arc::new(Float64Array::new(self.sd.into_column(), spread));
        let names: Vec<String> =
            quantiles.iter().map(|share| format!("quantile_{share}")).collect();
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("min", column(self.min)), ("mean", column(self.mean)), ("sd", spread)];
        let at_shares = self.quantiles.into_iter().map(column);
        columns.extend(names.iter().map(String::as_str).zip(at_shares));
        columns.push(("n_valid", Arc::new(UInt32Array::new(n_valid, None))));
        table_of(columns)
    }
}

/// Which rows have a value: those with so many valid judgements; none where all have.
fn at_least(n_valid: &[u32], least: u32) -> Option<NullBuffer> {
    let fewest = n_valid.iter().copied().min().unwrap_or(least);
    let judged = || BooleanBuffer::collect_bool(n_valid.len(), |row| n_valid[row] >= least);
    (fewest < least).then(|| NullBuffer::new(judged()))
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
        let offsets = Offsets::of(&offsets)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns = core::count_states(&states.texts()?, &offsets, &names);
        let columns = columns.map_err(to_python)?.into_iter().map(counts);
        table_of(names.iter().copied().zip(columns).collect())
    })
}

fn counts(counts: Vec<u32>) -> ArrayRef {
    Arc::new(UInt32Array::new(counts.into(), None))
}
