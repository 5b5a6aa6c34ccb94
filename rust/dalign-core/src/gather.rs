//! Lists of tokens, one a row, gathered into bins: planned and copied once, column by column.

mod bins;
mod checks;
mod error;
mod label;
mod positions;
mod slots;

pub use error::GatherError;
pub use label::{Label, Token};
pub use positions::{Positions, position_ids};

use slots::Slots;

use crate::memory::{Plain, Pool, Room};
use crate::pack::{Fitted, OverLong, PackError, plan_with};

/// Rows planned into bins, ready to gather any number of columns that have one entry a token.
///
/// ```
/// use dalign_core::gather::Packing;
/// use dalign_core::memory::Pool;
/// use dalign_core::pack::OverLong;
///
/// let rows: [&[i32]; 3] = [&[1, 2, 3], &[4, 5, 6, 7, 8, 9, 10, 11, 12], &[13, 14, 15, 16, 17]];
/// let packing = Packing::new(&[3, 9, 5], 8, OverLong::Drop)?;
/// assert_eq!(*packing.gather(&rows, &Pool::default())?, [13, 14, 15, 16, 17, 1, 2, 3]);
/// assert_eq!(packing.sequence_lengths(), [5, 3]);
/// assert_eq!(packing.bin_offsets(), [0, 8]);
/// assert_eq!(packing.over_long(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    fitted: Fitted,
    slots: Slots,
    /// What was planned, before any cut; `gather` holds every column to it.
    lengths: Vec<u32>,
}

impl Packing {
    /// Plans rows of these lengths; see [`plan_with`]. O(rows + capacity).
    ///
    /// # Errors
    ///
    /// Those of [`plan_with`].
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// assert!(Packing::new(&[3, 9], 8, OverLong::Error).is_err());
    /// ```
    pub fn new(lengths: &[u32], capacity: u32, over_long: OverLong) -> Result<Self, PackError> {
        let fitted = plan_with(lengths, capacity, over_long)?;
        let slots = Slots::new(&fitted.plan, lengths, capacity);
        Ok(Self { fitted, slots, lengths: lengths.to_vec() })
    }

    /// One column in the plan's order: each row copied once. O(tokens), in parallel over bins.
    ///
    /// # Errors
    ///
    /// [`GatherError::RowLength`] when the rows are not those that were planned.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, memory::Pool, pack::OverLong};
    ///
    /// let (packing, pool) = (Packing::new(&[1, 2], 8, OverLong::Error)?, Pool::default());
    /// assert_eq!(*packing.gather::<u32>(&[&[7], &[8, 9]], &pool)?, [8, 9, 7]);
    /// assert!(packing.gather::<u32>(&[&[7], &[8]], &pool).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gather<T: Plain + Send + Sync>(
        &self,
        rows: &[&[T]],
        pool: &Pool,
    ) -> Result<Room<T>, GatherError> {
        self.check_lengths(rows)?;
        self.filled(pool, |row, slot| slot.copy_from_slice(&rows[row][..slot.len()]))
    }

    /// A column of labels in the plan's order. A row's first token never carries loss, since the row
    /// before it would predict it; none of a masked row's does. O(tokens).
    ///
    /// # Errors
    ///
    /// [`GatherError::RowLength`], and [`GatherError::EmptyLossMask`] for a row that trains on no
    /// token without being masked.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, memory::Pool, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 2, 9], 4, OverLong::Mask)?;
    /// let labels: [&[i64]; 3] = [&[-100, 8, 9], &[5, 6], &[1; 9]];
    /// let packed = packing.labels(&labels, &Pool::default())?;
    /// assert_eq!(*packed, [-100, -100, -100, -100, -100, 8, 9, -100, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn labels<L: Label>(&self, labels: &[&[L]], pool: &Pool) -> Result<Room<L>, GatherError> {
        self.check_lengths(labels)?;
        self.check_loss(|row| labels[row][1..].iter().rev().any(|&label| label != L::IGNORED))?;
        self.filled(pool, |row, slot| {
            if labels[row].len() > slot.len() {
                slot.fill(L::IGNORED);
            } else {
                slot.copy_from_slice(labels[row]);
                slot[0] = L::IGNORED;
            }
        })
    }

    /// The labels of tokens of which each is trained on or not; otherwise as [`Self::labels`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::labels`].
    ///
    /// ```
    /// use dalign_core::{gather::Packing, memory::Pool, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 2], 8, OverLong::Error)?;
    /// let ids: [&[u32]; 2] = [&[7, 8, 9], &[5, 6]];
    /// let trained: [&[bool]; 2] = [&[false, false, true], &[true, true]];
    /// let labels = packing.labels_where(&ids, &trained, &Pool::default())?;
    /// assert_eq!(*labels, [-100, -100, 9, -100, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn labels_where<T: Token>(
        &self,
        ids: &[&[T]],
        trained: &[&[bool]],
        pool: &Pool,
    ) -> Result<Room<T::Label>, GatherError> {
        self.check_lengths(ids)?;
        self.check_lengths(trained)?;
        self.check_loss(|row| trained[row][1..].iter().rev().any(|&trained| trained))?;
        self.filled(pool, |row, slot| {
            let is_masked = ids[row].len() > slot.len();
            for ((label, &id), &trained) in slot.iter_mut().zip(ids[row]).zip(trained[row]) {
                *label = if trained && !is_masked { id.label() } else { Label::IGNORED };
            }
            slot[0] = Label::IGNORED;
        })
    }

    /// A column that `write` fills row by row.
    fn filled<T: Plain + Send>(
        &self,
        pool: &Pool,
        write: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<Room<T>, GatherError> {
        pool.filled(self.tokens(), |column| {
            self.slots.fill_into(self.plan(), column, write);
            Ok(())
        })
    }
}
