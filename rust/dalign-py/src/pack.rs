//! See `dalign._core.pack_plan_with` and `assemble`.

use arrow_array::types::{UInt32Type, UInt64Type};
use dalign_core::layout::Segments;
use dalign_core::pack::{OverLong, Plan};
use dalign_core::{layout, pack};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::Column;
use crate::errors::to_python;

type Rows<'py> = Bound<'py, PyArray1<u32>>;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn pack_plan_with<'py>(
    py: Python<'py>,
    lengths: Column,
    capacity: u32,
    over_long: &str,
) -> PyResult<(Rows<'py>, Rows<'py>, Rows<'py>)> {
    let rule = OverLong::named(over_long).map_err(to_python)?;
    let fitted = py.detach(|| {
        pack::plan_with(&lengths.integers::<UInt32Type>()?, capacity, rule).map_err(to_python)
    })?;
    let plan = fitted.plan;
    Ok((
        plan.row_order.into_pyarray(py),
        plan.bin_offsets.into_pyarray(py),
        fitted.over_long.into_pyarray(py),
    ))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
#[allow(clippy::too_many_arguments, reason = "one for each column of the segments and the plan")]
pub(crate) fn assemble(
    py: Python<'_>,
    ids: Column,
    offsets: Column,
    segment_rows: Column,
    segment_trained: Column,
    row_order: Column,
    bin_offsets: Column,
    capacity: u32,
) -> PyResult<Bound<'_, PyDict>> {
    let packed = py.detach(|| {
        let segments = Segments {
            ids: &ids.integers::<UInt32Type>()?,
            offsets: &offsets.integers::<UInt64Type>()?,
            rows: &segment_rows.integers::<UInt32Type>()?,
            trained: &segment_trained.bools()?,
        };
        let plan = Plan {
            row_order: row_order.integers::<UInt32Type>()?.into_owned(),
            bin_offsets: bin_offsets.integers::<UInt32Type>()?.into_owned(),
        };
        layout::assemble(&segments, &plan, capacity).map_err(to_python)
    })?;
    let columns = PyDict::new(py);
    columns.set_item("input_ids", packed.input_ids.into_pyarray(py))?;
    columns.set_item("labels", packed.labels.into_pyarray(py))?;
    columns.set_item("position_ids", packed.position_ids.into_pyarray(py))?;
    columns.set_item("sequence_starts", packed.sequence_starts.into_pyarray(py))?;
    columns.set_item("bin_offsets", packed.bin_offsets.into_pyarray(py))?;
    Ok(columns)
}
