//! See `dalign._core.bootstrap_mean`, `bootstrap_difference` and `bootstrap_groups`.

use arrow_array::ArrayRef;
use arrow_array::types::{Float64Type, UInt64Type};
use dalign_core::bootstrap::{self, Estimate, Method, Settings};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::{bad_column, to_python};
use crate::tables::{numbers, table};

pub(crate) type MeanAndEnds = (f64, Option<f64>, Option<f64>);

pub(crate) fn method_named(name: &str) -> PyResult<Method> {
    Method::named(name).ok_or_else(|| {
        let message = format!("method {name:?}: choose percentile or bca");
        bad_column(message, "unknown_method", None)
    })
}

pub(crate) fn mean_and_ends(estimate: Estimate) -> MeanAndEnds {
    let ends = estimate.interval;
    (estimate.mean, ends.map(|ends| ends.low), ends.map(|ends| ends.high))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
#[allow(clippy::too_many_arguments, reason = "the settings are four of them")]
pub(crate) fn bootstrap_mean(
    py: Python<'_>,
    values: Column,
    clusters: Column,
    outer: Option<Column>,
    method: &str,
    n_resamples: u32,
    level: f64,
    seed: u64,
) -> PyResult<MeanAndEnds> {
    let settings = Settings { n_resamples, level, seed, method: method_named(method)? };
    py.detach(|| {
        let outer = outer.as_ref().map(Column::labels).transpose()?;
        let estimate =
            bootstrap::mean(&values.floats()?, &clusters.labels()?, outer.as_deref(), settings)
                .map_err(to_python)?;
        Ok(mean_and_ends(estimate))
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
#[allow(clippy::too_many_arguments, reason = "the settings are three of them")]
pub(crate) fn bootstrap_difference(
    py: Python<'_>,
    a: Column,
    b: Column,
    clusters: Column,
    outer: Option<Column>,
    method: &str,
    n_resamples: u32,
    level: f64,
    seed: u64,
) -> PyResult<MeanAndEnds> {
    let settings = Settings { n_resamples, level, seed, method: method_named(method)? };
    py.detach(|| {
        let outer = outer.as_ref().map(Column::labels).transpose()?;
        let estimate = bootstrap::difference(
            &a.floats()?,
            &b.floats()?,
            &clusters.labels()?,
            outer.as_deref(),
            settings,
        )
        .map_err(to_python)?;
        Ok(mean_and_ends(estimate))
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn bootstrap_groups(
    py: Python<'_>,
    values: Column,
    offsets: Column,
    method: &str,
    n_resamples: u32,
    level: f64,
    seed: u64,
) -> PyResult<PyTable> {
    // Exact intervals draw nothing, so they are none of the core's methods of choosing among draws.
    let drawn = if method == "exact" { None } else { Some(method_named(method)?) };
    py.detach(|| {
        let (values, offsets) = (values.floats()?, offsets.integers::<UInt64Type>()?);
        let found = match drawn {
            None => bootstrap::exact_groups(&values, &offsets, level),
            Some(method) => {
                let settings = Settings { n_resamples, level, seed, method };
                bootstrap::groups(&values, &offsets, settings)
            }
        };
        let found = found.map_err(to_python)?;
        let end = |end: fn(bootstrap::Interval) -> f64| -> ArrayRef {
            numbers::<Float64Type>(found.iter().map(|estimate| estimate.interval.map(end)))
        };
        let means = numbers::<Float64Type>(found.iter().map(|estimate| Some(estimate.mean)));
        table([
            ("mean", means),
            ("low", end(|interval| interval.low)),
            ("high", end(|interval| interval.high)),
        ])
    })
}
