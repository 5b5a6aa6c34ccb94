//! Memory of large columns: in huge pages, and taken up again once a column is gone.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use bytemuck::Pod;
use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// What Linux calls a huge page; smaller columns are the allocator's.
const HUGE: usize = 2 << 20;

/// What a pool without an owner keeps at most.
const KEPT: usize = 64 << 20;

/// Memory for the results of functions, which have nobody to keep it: up to [`KEPT`] of it. The system
/// clears a page before it gives it out, which takes as long as many a result.
pub(crate) static RESULTS: LazyLock<Buffers> = LazyLock::new(|| Buffers::keeping(KEPT));

/// Memory of columns that are no longer held, for those to come. What is lent comes back when the column
/// that lies in it is dropped, wherever that happens; with this pool goes what it holds by then.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Arc<Spare>,
}

#[derive(Debug)]
struct Spare {
    memory: Mutex<Vec<MmapMut>>,
    /// Bytes that are kept at most.
    limit: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::keeping(usize::MAX)
    }
}

impl Buffers {
    fn keeping(limit: usize) -> Self {
        Self { spare: Arc::new(Spare { memory: Mutex::default(), limit }) }
    }

    /// A column of so many values, all of which `fill` writes: it may come with those of an earlier one.
    pub(crate) fn filled<T: ArrowNativeType + Pod, E>(
        &self,
        values: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), E>,
    ) -> Result<ScalarBuffer<T>, E> {
        let mut column = self.lend(values);
        fill(column.values())?;
        Ok(column.into_column())
    }

    /// Memory for so many values, all of which are to be written: it may come with those of an earlier
    /// column.
    pub(crate) fn lend<T: ArrowNativeType + Pod>(&self, values: usize) -> Room<T> {
        let bytes = values * size_of::<T>();
        let memory = if bytes < HUGE { None } else { self.take(bytes) };
        match memory {
            None => Room::Small(vec![T::default(); values]),
            memory => Room::Huge(Lent { memory, bytes, home: Arc::downgrade(&self.spare) }),
        }
    }

    /// The smallest spare memory that is large enough, else new memory; none where the system has none.
    fn take(&self, bytes: usize) -> Option<MmapMut> {
        let mut spare = self.spare.locked();
        let fitting = (0..spare.len()).filter(|&at| spare[at].len() >= bytes);
        if let Some(at) = fitting.min_by_key(|&at| spare[at].len()) {
            return Some(spare.swap_remove(at));
        }
        // Before the new one is there: what is too small now would only be held beside it.
        spare.clear();
        let memory = MmapMut::map_anon(bytes.next_multiple_of(HUGE)).ok()?;
        // A page fault for 2 MiB in place of 512. Where there are no such pages all goes on without.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(Advice::HugePage);
        Some(memory)
    }
}

/// Memory for the values of a column.
pub(crate) enum Room<T> {
    Small(Vec<T>),
    Huge(Lent),
}

impl<T: ArrowNativeType + Pod> Room<T> {
    pub(crate) fn values(&mut self) -> &mut [T] {
        match self {
            Self::Small(values) => values,
            Self::Huge(lent) => bytemuck::cast_slice_mut(lent.written()),
        }
    }

    pub(crate) fn as_values(&self) -> &[T] {
        match self {
            Self::Small(values) => values,
            Self::Huge(lent) => bytemuck::cast_slice(lent.as_ref()),
        }
    }

    pub(crate) fn into_column(self) -> ScalarBuffer<T> {
        match self {
            Self::Small(values) => values.into(),
            Self::Huge(lent) => {
                let values = lent.bytes / size_of::<T>();
                ScalarBuffer::new(Buffer::from(Bytes::from_owner(lent)), 0, values)
            }
        }
    }
}

/// Memory of a column, on loan from a pool.
pub(crate) struct Lent {
    /// There until it is dropped.
    memory: Option<MmapMut>,
    bytes: usize,
    home: Weak<Spare>,
}

impl Lent {
    fn written(&mut self) -> &mut [u8] {
        self.memory.as_mut().map_or(&mut [], |memory| &mut memory[..self.bytes])
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], |memory| &memory[..self.bytes])
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some((memory, spare)) = self.memory.take().zip(self.home.upgrade()) {
            let mut kept = spare.locked();
            let bytes = kept.iter().map(|memory| memory.len()).sum::<usize>() + memory.len();
            if bytes <= spare.limit {
                kept.push(memory);
            }
        }
    }
}

impl Spare {
    fn locked(&self) -> MutexGuard<'_, Vec<MmapMut>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
