//! See `dalign._core.micro_batches` and `dalign._core.StreamPacker`.

use arrow_array::types::UInt32Type;
use dalign_core::pack::{self, ClosedBins, Cost};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::columns::Column;
use crate::errors::to_python;

type Rows<'py> = Bound<'py, PyArray1<u32>>;
type Bins<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn micro_batches(
    py: Python<'_>,
    lengths: Column,
    ranks: u32,
    capacity: u32,
    linear: f64,
    quadratic: f64,
) -> PyResult<(Rows<'_>, Rows<'_>)> {
    let cost = Cost::new(linear, quadratic).map_err(to_python)?;
    let plan = py.detach(|| {
        let lengths = lengths.integers::<UInt32Type>()?;
        pack::micro_batches(&lengths, ranks, capacity, cost).map_err(to_python)
    })?;
    Ok((plan.row_order.into_pyarray(py), plan.bin_offsets.into_pyarray(py)))
}

#[pyclass(module = "dalign._core")]
pub(crate) struct StreamPacker {
    /// None once the stream has ended.
    open: Option<pack::StreamPacker>,
}

fn bins(py: Python<'_>, closed: ClosedBins) -> Bins<'_> {
    (closed.rows.into_pyarray(py), closed.bin_offsets.into_pyarray(py))
}

fn finished() -> PyErr {
    PyValueError::new_err("this packer has finished: make another one for another stream")
}

#[pymethods]
impl StreamPacker {
    #[new]
    fn new(capacity: u32, buffer_rows: usize) -> PyResult<Self> {
        let open = Some(pack::StreamPacker::new(capacity, buffer_rows).map_err(to_python)?);
        Ok(Self { open })
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn push<'py>(&mut self, py: Python<'py>, lengths: Column) -> PyResult<Bins<'py>> {
        let open = self.open.as_mut().ok_or_else(finished)?;
        let closed =
            py.detach(|| open.push(&lengths.integers::<UInt32Type>()?).map_err(to_python))?;
        Ok(bins(py, closed))
    }

    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bins<'py>> {
        let open = self.open.take().ok_or_else(finished)?;
        let closed = py.detach(|| open.finish());
        Ok(bins(py, closed))
    }
}
