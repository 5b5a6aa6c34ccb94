//! Memory of the core's pools as Arrow columns, which give it back when they are gone.

use std::sync::LazyLock;

use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use bytes::Bytes;
use dalign_core::memory::{Plain, Pool, Room};

/// Memory for the results of functions, which have nobody to keep it: up to 64 MiB of it.
pub(crate) static RESULTS: LazyLock<Pool> = LazyLock::new(|| Pool::keeping(64 << 20));

/// The values of a column, without a copy.
pub(crate) fn column<T: ArrowNativeType + Plain>(room: Room<T>) -> ScalarBuffer<T> {
    match room {
        Room::Small(values) => values.into(),
        Room::Huge(lent) => {
            let values = lent.as_ref().len() / size_of::<T>();
            ScalarBuffer::new(Buffer::from(Bytes::from_owner(lent)), 0, values)
        }
    }
}
