//! Offsets of 64 bits, as numpy and Arrow's large lists have them, for functions that count in 32.

use std::borrow::Cow;
use std::ops::Deref;

use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use dalign_core::memory::Room;
use pyo3::prelude::*;

use crate::columns::Column;
use crate::memory::RESULTS;

/// Offsets of 32 bits.
pub(crate) enum Offsets<'c> {
    Read(Cow<'c, [u32]>),
    /// Into memory that is there already, which takes a fraction of the time.
    Narrowed(Room<u32>),
}

impl<'c> Offsets<'c> {
    /// The offsets of a column of whole numbers.
    ///
    /// # Errors
    ///
    /// Those of [`Column::integers`].
    pub(crate) fn of(column: &'c Column) -> PyResult<Self> {
        let narrowed = match (column.borrowed::<UInt64Type>(), column.borrowed::<Int64Type>()) {
            (Some(offsets), _) => narrowed(offsets, u64::from),
            (None, Some(offsets)) => narrowed(offsets, i64::cast_unsigned),
            (None, None) => None,
        };
        match narrowed {
            Some(offsets) => Ok(Self::Narrowed(offsets)),
            None => column.integers::<UInt32Type>().map(Self::Read),
        }
    }
}

/// The numbers in 32 bits, if all fit.
fn narrowed<T: Copy>(numbers: &[T], unsigned: impl Fn(T) -> u64) -> Option<Room<u32>> {
    let mut room = RESULTS.lend(numbers.len());
    let mut all = 0;
    for (place, &number) in room.values().iter_mut().zip(numbers) {
        let number = unsigned(number);
        *place = number as u32;
        all |= number;
    }
    u32::try_from(all).is_ok().then_some(room)
}

impl Deref for Offsets<'_> {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match self {
            Self::Read(offsets) => offsets,
            Self::Narrowed(offsets) => offsets,
        }
    }
}
