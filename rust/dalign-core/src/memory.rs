//! Memory of large columns: in huge pages, and taken up again once a column is gone. The system clears
//! a page before it gives it out, which takes as long as many a result.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytemuck::{AnyBitPattern, NoUninit};
use memmap2::{Advice, MmapMut};

/// What Linux calls a huge page; smaller columns are the allocator's.
const HUGE: usize = 2 << 20;

/// A plain number, of which every pattern of bits is one.
///
/// ```
/// use dalign_core::memory::{Plain, Pool};
///
/// fn cleared<T: Plain>(values: usize) -> Vec<T> {
///     Pool::default().lend::<T>(values).to_vec()
/// }
/// assert_eq!(cleared::<u32>(3), [0, 0, 0]);
/// ```
pub trait Plain: AnyBitPattern + NoUninit + Default {}

impl<T: AnyBitPattern + NoUninit + Default> Plain for T {}

/// Memory of columns that are no longer held, for those to come. What is lent comes back when it is
/// dropped, wherever that happens; with the pool goes what it holds by then.
///
/// ```
/// use dalign_core::memory::Pool;
///
/// let pool = Pool::default();
/// let mut room = pool.lend::<u32>(2);
/// room.values().copy_from_slice(&[7, 9]);
/// assert_eq!(*room, [7, 9]);
/// ```
#[derive(Debug)]
pub struct Pool {
    spare: Arc<Spare>,
}

#[derive(Debug)]
struct Spare {
    memory: Mutex<Vec<MmapMut>>,
    /// Bytes that are kept at most.
    limit: usize,
}

impl Default for Pool {
    /// A pool that keeps all that comes back.
    fn default() -> Self {
        Self::keeping(usize::MAX)
    }
}

impl Pool {
    /// A pool that keeps at most so many bytes; what comes back beyond them goes to the system.
    ///
    /// ```
    /// use dalign_core::memory::Pool;
    ///
    /// let pool = Pool::keeping(0);
    /// drop(pool.lend::<u8>(4 << 20));
    /// assert_eq!(pool.kept(), 0);
    /// ```
    #[must_use]
    pub fn keeping(limit: usize) -> Self {
        Self { spare: Arc::new(Spare { memory: Mutex::default(), limit }) }
    }

    /// Bytes that wait for the next column.
    ///
    /// ```
    /// use dalign_core::memory::Pool;
    ///
    /// let pool = Pool::default();
    /// let room = pool.lend::<u8>(4 << 20);
    /// assert_eq!(pool.kept(), 0);
    /// drop(room);
    /// assert_eq!(pool.kept(), 4 << 20);
    /// // Too small for pages of its own.
    /// drop(Pool::default().lend::<u8>(9));
    /// ```
    #[must_use]
    pub fn kept(&self) -> usize {
        self.spare.locked().iter().map(|memory| memory.len()).sum()
    }

    /// Memory for so many values, all of which are to be written: it may come with those of an earlier
    /// column.
    ///
    /// ```
    /// assert_eq!(dalign_core::memory::Pool::default().lend::<u64>(5).len(), 5);
    /// ```
    #[must_use]
    pub fn lend<T: Plain>(&self, values: usize) -> Room<T> {
        let bytes = values * size_of::<T>();
        let memory = if bytes < HUGE { None } else { self.take(bytes) };
        match memory {
            None => Room::Small(vec![T::default(); values]),
            memory => Room::Huge(Lent { memory, bytes, home: Arc::downgrade(&self.spare) }),
        }
    }

    /// A column of so many values, all of which `fill` writes.
    pub(crate) fn filled<T: Plain, E>(
        &self,
        values: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), E>,
    ) -> Result<Room<T>, E> {
        let mut room = self.lend(values);
        fill(room.values())?;
        Ok(room)
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

/// Memory for the values of a column; reads as a slice of them.
///
/// ```
/// use dalign_core::memory::{Pool, Room};
///
/// let pool = Pool::default();
/// assert!(matches!(pool.lend::<u8>(9), Room::Small(_)));
/// assert!(matches!(pool.lend::<u8>(4 << 20), Room::Huge(_)));
/// ```
#[derive(Debug)]
pub enum Room<T> {
    /// Memory of the allocator.
    Small(Vec<T>),
    /// Memory of a pool.
    Huge(Lent),
}

impl<T: Plain> Room<T> {
    /// The values, to be written.
    ///
    /// ```
    /// let mut room = dalign_core::memory::Pool::default().lend::<u8>(1);
    /// room.values()[0] = 7;
    /// assert_eq!(*room, [7]);
    /// ```
    pub fn values(&mut self) -> &mut [T] {
        match self {
            Self::Small(values) => values,
            Self::Huge(lent) => bytemuck::cast_slice_mut(lent.written()),
        }
    }

    /// Only the first values, of which there are at least so many.
    ///
    /// ```
    /// let mut room = dalign_core::memory::Pool::default().lend::<u8>(5);
    /// room.truncate(2);
    /// assert_eq!(room.len(), 2);
    /// ```
    pub fn truncate(&mut self, values: usize) {
        match self {
            Self::Small(all) => all.truncate(values),
            Self::Huge(lent) => lent.bytes = lent.bytes.min(values * size_of::<T>()),
        }
    }
}

impl<T: Plain> Deref for Room<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Small(values) => values,
            Self::Huge(lent) => bytemuck::cast_slice(lent.as_ref()),
        }
    }
}

/// Memory of a column, on loan from a pool; reads as the bytes of its values.
///
/// ```
/// use dalign_core::memory::{Pool, Room};
///
/// let Room::Huge(lent) = Pool::default().lend::<u32>(1 << 20) else { panic!("4 MiB are huge") };
/// assert_eq!(lent.as_ref().len(), 4 << 20);
/// ```
#[derive(Debug)]
pub struct Lent {
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

#[cfg(test)]
mod tests {
    use super::{HUGE, Pool, Room};

    #[test]
    fn what_is_gone_is_taken_up_again_and_what_is_held_is_left_alone() {
        let pool = Pool::default();
        let mut held = pool.lend::<u32>(HUGE);
        held.values().fill(7);
        let first = pool.lend::<u32>(HUGE);
        let place = first.as_ptr();
        drop(first);
        let mut second = pool.lend::<u32>(HUGE);
        assert_eq!(second.as_ptr(), place);
        second.values().fill(9);
        assert!(held.iter().all(|&value| value == 7));
    }

    #[test]
    fn the_smallest_memory_that_is_large_enough_is_taken() {
        let pool = Pool::default();
        let rooms = [3, 1, 2].map(|pages| pool.lend::<u8>(pages * HUGE));
        let two = rooms[2].as_ptr();
        drop(rooms);
        assert_eq!(pool.kept(), 6 * HUGE);
        // One byte more than a page needs two.
        let taken = pool.lend::<u8>(HUGE + 1);
        assert_eq!((taken.as_ptr(), taken.len()), (two, HUGE + 1));
        assert_eq!(pool.kept(), 4 * HUGE);
        // None is large enough: what is there is given up before there is more.
        drop(pool.lend::<u8>(4 * HUGE));
        assert_eq!(pool.kept(), 4 * HUGE);
    }

    #[test]
    fn a_pool_keeps_no_more_than_it_may() {
        let pool = Pool::keeping(HUGE);
        let (one, other) = (pool.lend::<u8>(HUGE), pool.lend::<u8>(HUGE));
        drop((one, other));
        assert_eq!(pool.kept(), HUGE);
    }

    #[test]
    fn a_column_outlives_its_pool() {
        let pool = Pool::default();
        let mut room = pool.lend::<u64>(HUGE);
        drop(pool);
        room.values().fill(3);
        room.truncate(5);
        assert_eq!(*room, [3; 5]);
    }

    #[test]
    fn sizes_around_a_huge_page_have_as_many_values_as_were_asked_for() {
        let pool = Pool::default();
        for values in [0, 1, 7, HUGE - 1, HUGE, HUGE + 1] {
            let room = pool.lend::<u8>(values);
            assert_eq!(room.len(), values);
            assert_eq!(matches!(room, Room::Huge(_)), values >= HUGE, "{values}");
        }
    }
}
