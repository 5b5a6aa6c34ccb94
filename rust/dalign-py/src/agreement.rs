//! See `dalign._core.krippendorff_alpha` and `split_half`.

use arrow_array::types::UInt64Type;
use dalign_core::agreement::{self, Scale};
use pyo3::prelude::*;

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
