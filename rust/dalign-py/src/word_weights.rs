//! See `dalign._core.word_weights`.

use arrow_array::types::{UInt32Type, UInt64Type};
use dalign_core::leak::TokenTexts;
use dalign_core::word_weights as core;
use pyo3::prelude::*;

use crate::columns::Column;
use crate::errors::to_python;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn word_weights(
    py: Python<'_>,
    texts: (Column, Column),
    told_as: Column,
    order: Column,
    rate: f64,
) -> PyResult<Vec<f64>> {
    py.detach(|| {
        let (ids, offsets) = (texts.0.integers::<UInt32Type>()?, texts.1.integers::<UInt64Type>()?);
        let texts = TokenTexts { ids: &ids, offsets: &offsets };
        let order = order.integers::<UInt32Type>()?;
        core::word_weights(&texts, &told_as.bools()?, &order, rate).map_err(to_python)
    })
}
