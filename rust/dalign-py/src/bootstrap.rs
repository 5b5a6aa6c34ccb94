//! See `dalign._core.bootstrap_mean` and `bootstrap_difference`.

use dalign_core::bootstrap::{self, Estimate, Method, Settings};
use pyo3::prelude::*;

use crate::columns::Column;
use crate::errors::{bad_column, to_python};

type MeanAndEnds = (f64, Option<f64>, Option<f64>);

fn method_named(name: &str) -> PyResult<Method> {
    Method::named(name).ok_or_else(|| {
        let message = format!("method {name:?}: choose percentile or bca");
        bad_column(message, "unknown_method", None)
    })
}

fn mean_and_ends(estimate: Estimate) -> MeanAndEnds {
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
