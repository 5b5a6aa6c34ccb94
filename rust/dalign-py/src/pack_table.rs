//! See `dalign._core.TablePacker` and `dalign._core.position_ids`.

use arrow_array::ArrayRef;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type, UInt32Type};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use dalign_core::gather::{Label, Packing, Token, position_ids as positions};
use dalign_core::memory::{Plain, Pool};
use dalign_core::pack::OverLong;
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3_arrow::input::{AnyArray, AnyRecordBatch};
use pyo3_arrow::{PyArray, PyTable};

use crate::errors::to_python;
use crate::lists::{Lists, lists};
use crate::memory::column;
use crate::tables::table_of;

type TableAndRows<'py> = (PyTable, Bound<'py, PyArray1<u32>>);

#[pyclass(frozen, module = "dalign._core")]
pub(crate) struct TablePacker {
    capacity: u32,
    rule: OverLong,
    pool: Pool,
}

#[pymethods]
impl TablePacker {
    #[new]
    fn new(capacity: u32, over_long: &str) -> PyResult<Self> {
        let rule = OverLong::named(over_long).map_err(to_python)?;
        Ok(Self { capacity, rule, pool: Pool::default() })
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn pack<'py>(&self, py: Python<'py>, rows: AnyRecordBatch) -> PyResult<TableAndRows<'py>> {
        let rows = Rows::read(rows.into_table()?)?;
        let (packed, over_long) = py.detach(|| {
            let lengths = rows.input_ids.lengths();
            let packing = Packing::new(&lengths, self.capacity, self.rule).map_err(to_python)?;
            let packed = rows.pack(&packing, self.rule, &self.pool)?;
            Ok::<_, PyErr>((packed, packing.over_long().to_vec()))
        })?;
        Ok((packed, over_long.into_pyarray(py)))
    }
}

#[pyfunction]
pub(crate) fn position_ids(py: Python<'_>, seq_lengths: AnyArray) -> PyResult<PyArray> {
    let (chunks, field) = seq_lengths.into_chunked_array()?.into_inner();
    let lengths = Lists::read("seq_lengths", field.data_type(), &chunks)?;
    let column = py.detach(|| {
        let values = lengths.integers::<UInt32Type>()?;
        let positions = positions(&lengths.rows_of(&values));
        lengths.like::<Int32Type>(positions.values.into(), &positions.offsets)
    })?;
    Ok(PyArray::from_array_ref(column))
}

/// What is packed together: token ids, and what says which of them carry loss.
struct Rows {
    input_ids: Lists,
    labels: Option<Lists>,
    train_mask: Option<Lists>,
}

impl Rows {
    fn read(rows: PyTable) -> PyResult<Self> {
        let (batches, schema) = rows.into_inner();
        let [mut input_ids, mut labels, mut train_mask] = [None, None, None];
        for (index, field) in schema.fields().iter().enumerate() {
            let column = match field.name().as_str() {
                "input_ids" => &mut input_ids,
                "labels" => &mut labels,
                "train_mask" => &mut train_mask,
                other => return Err(unknown(other)),
            };
            let chunks: Vec<ArrayRef> =
                batches.iter().map(|batch| batch.column(index).clone()).collect();
            *column = Some(Lists::read(field.name(), field.data_type(), &chunks)?);
        }
        if labels.is_some() && train_mask.is_some() {
            return Err(PyTypeError::new_err("give `labels` or `train_mask`, not both"));
        }
        let input_ids = input_ids.ok_or_else(|| PyTypeError::new_err("no column `input_ids`"))?;
        Ok(Self { input_ids, labels, train_mask })
    }

    fn pack(&self, packing: &Packing, rule: OverLong, pool: &Pool) -> PyResult<PyTable> {
        match self.input_ids.item() {
            DataType::Int32 => self.pack_as::<Int32Type>(packing, rule, pool),
            DataType::Int64 => self.pack_as::<Int64Type>(packing, rule, pool),
            DataType::UInt32 => self.pack_as::<UInt32Type>(packing, rule, pool),
            other => Err(wrong_item("input_ids", "int32, int64 or uint32", other)),
        }
    }

    fn pack_as<T: TokenColumn>(
        &self,
        packing: &Packing,
        rule: OverLong,
        pool: &Pool,
    ) -> PyResult<PyTable> {
        let (ids, offsets) = (self.input_ids.rows::<T>(), packing.bin_offsets());
        let gathered = packing.gather(&ids, pool).map_err(to_python)?;
        let gathered = self.input_ids.like::<T>(column(gathered), offsets)?;
        let mut columns = vec![("input_ids", gathered)];
        if let Some(labels) = &self.labels {
            columns.push(("labels", gather_labels(labels, packing, pool)?));
        } else if let Some(mask) = &self.train_mask {
            let flags = mask.flags()?;
            let trained = mask.rows_of(&flags);
            let labels = packing.labels_where(&ids, &trained, pool).map_err(to_python)?;
            columns.push(("labels", self.input_ids.like::<T::Labels>(column(labels), offsets)?));
        } else if rule == OverLong::Mask {
            let message = "over_long = mask needs a column `labels` or `train_mask`: without one, \
                           nothing tells that a masked row is not trained on";
            return Err(PyTypeError::new_err(message));
        }
        columns.extend(sequences(packing)?);
        table_of(columns)
    }
}

/// A type of token ids, and that of their labels.
trait TokenColumn: ArrowPrimitiveType<Native: Token<Label: ArrowNativeType> + Plain> {
    type Labels: ArrowPrimitiveType<Native = <Self::Native as Token>::Label>;
}

impl TokenColumn for Int32Type {
    type Labels = Int32Type;
}

impl TokenColumn for Int64Type {
    type Labels = Int64Type;
}

impl TokenColumn for UInt32Type {
    type Labels = Int64Type;
}

fn gather_labels(labels: &Lists, packing: &Packing, pool: &Pool) -> PyResult<ArrayRef> {
    match labels.item() {
        DataType::Int32 => gather_labels_as::<Int32Type>(labels, packing, pool),
        DataType::Int64 => gather_labels_as::<Int64Type>(labels, packing, pool),
        other => Err(wrong_item("labels", "int32 or int64", other)),
    }
}

fn gather_labels_as<T: ArrowPrimitiveType<Native: Label>>(
    labels: &Lists,
    packing: &Packing,
    pool: &Pool,
) -> PyResult<ArrayRef> {
    let rows = labels.rows::<T>();
    let gathered = packing.labels(&rows, pool).map_err(to_python)?;
    labels.like::<T>(column(gathered), packing.bin_offsets())
}

/// The columns with one entry a sequence.
fn sequences(packing: &Packing) -> PyResult<[(&'static str, ArrayRef); 3]> {
    let plan = packing.plan();
    let offsets: Vec<u64> = plan.bin_offsets.iter().copied().map(u64::from).collect();
    let wide = |values: &[u32]| values.iter().copied().map(i64::from).collect::<Vec<_>>().into();
    let (lengths, starts) = (packing.sequence_lengths(), packing.sequence_starts());
    Ok([
        ("seq_lengths", lists::<Int64Type>(wide(lengths), &offsets, false)?),
        ("sequence_starts", lists::<Int64Type>(wide(&starts), &offsets, false)?),
        ("rows", lists::<UInt32Type>(plan.row_order.clone().into(), &offsets, false)?),
    ])
}

fn unknown(column: &str) -> PyErr {
    let message = format!(
        "column `{column}` cannot be packed: give `input_ids` and one of `labels` and \
         `train_mask`, and join other columns by `rows`"
    );
    PyTypeError::new_err(message)
}

fn wrong_item(column: &str, expected: &str, found: &DataType) -> PyErr {
    PyTypeError::new_err(format!("expected lists of {expected} in column `{column}`, not {found}"))
}
