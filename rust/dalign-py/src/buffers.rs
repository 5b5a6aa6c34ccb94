//! Memory of large columns: in huge pages, and taken up again once a column is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use bytemuck::Pod;
use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// What Linux calls a huge page; smaller columns are the allocator's.
const HUGE: usize = 2 << 20;

/// Memory of columns that are no longer held, for those to come. What is lent comes back when the column
/// that lies in it is dropped, wherever that happens; with this pool goes what it holds by then.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    spare: Arc<Spare>,
}

type Spare = Mutex<Vec<MmapMut>>;

impl Buffers {
    /// A column of so many values, all of which `fill` writes: it may come with those of an earlier one.
    pub(crate) fn filled<T: ArrowNativeType + Pod, E>(
        &self,
        values: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), E>,
    ) -> Result<ScalarBuffer<T>, E> {
        let bytes = values * size_of::<T>();
        let memory = if bytes < HUGE { None } else { self.take(bytes) };
        let Some(memory) = memory else {
            let mut column = vec![T::default(); values];
            fill(&mut column)?;
            return Ok(column.into());
        };
        let mut lent = Lent { memory: Some(memory), bytes, home: Arc::downgrade(&self.spare) };
        fill(bytemuck::cast_slice_mut(lent.written()))?;
        Ok(ScalarBuffer::new(Buffer::from(Bytes::from_owner(lent)), 0, values))
    }

    /// The smallest spare memory that is large enough, else new memory; none where the system has none.
    fn take(&self, bytes: usize) -> Option<MmapMut> {
        let mut spare = locked(&self.spare);
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

/// Memory of a column, on loan from a pool.
struct Lent {
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
            locked(&spare).push(memory);
        }
    }
}

fn locked(spare: &Spare) -> MutexGuard<'_, Vec<MmapMut>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
