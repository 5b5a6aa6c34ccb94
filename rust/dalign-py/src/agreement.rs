//! See `dalign._core.krippendorff_alpha`, `split_half` and `goodness`.

use arrow_array::types::UInt64Type;
use dalign_core::agreement::{self, Scale};
use dalign_core::bootstrap::Settings;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::bootstrap::{MeanAndEnds, mean_and_ends, method_named};
use crate::columns::Column;
use crate::errors::to_python;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn krippendorff_alpha(
    py: Python<'_>,
    scores: Column,
    offsets: Column,
    scale: &str,
) -> PyResult<Option<f64>> {
    let scale = Scale::named(scale).map_err(to_python)?;
    py.detach(|| {
        let offsets = offsets.integers::<UInt64Type>()?;
        agreement::krippendorff_alpha(&scores.floats()?, &offsets, scale).map_err(to_python)
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn split_half(
    py: Python<'_>,
    scores: Column,
    offsets: Column,
    splits: u32,
    seed: u64,
) -> PyResult<Option<f64>> {
    py.detach(|| {
        let offsets = offsets.integers::<UInt64Type>()?;
        agreement::split_half(&scores.floats()?, &offsets, splits, seed).map_err(to_python)
    })
}

type GoodnessOfPrompts<'py> = (MeanAndEnds, Bound<'py, PyArray1<f64>>, u64);

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
#[allow(clippy::too_many_arguments, reason = "the settings are three of them")]
pub(crate) fn goodness<'py>(
    py: Python<'py>,
    harms: Column,
    offsets: Column,
    share: f64,
    cut: Option<f64>,
    method: &str,
    n_resamples: u32,
    level: f64,
    seed: u64,
) -> PyResult<GoodnessOfPrompts<'py>> {
    let settings = Settings { n_resamples, level, seed, method: method_named(method)? };
    let found = py.detach(|| {
        let offsets = offsets.integers::<UInt64Type>()?;
        dalign_core::goodness::goodness(&harms.floats()?, &offsets, share, cut, settings)
            .map_err(to_python)
    })?;
    let prompts: Vec<f64> = found.prompts.iter().map(|prompt| prompt.unwrap_or(f64::NAN)).collect();
    Ok((mean_and_ends(found.estimate), prompts.into_pyarray(py), found.unjudged))
}
