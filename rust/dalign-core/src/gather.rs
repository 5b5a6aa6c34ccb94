//! Lists of tokens, one a row, gathered into bins: planned and copied once, column by column.

use crate::layout::{LayoutError, Slots};
use crate::pack::{Fitted, OverLong, PackError, Plan, plan_with};

/// A label: a token id, or a mark for a token that carries no loss.
pub trait Label: Copy + Default + PartialEq + Send + Sync {
    /// The label of a token that carries no loss: −100, which torch's cross entropy ignores.
    const IGNORED: Self;
}

impl Label for i32 {
    const IGNORED: Self = -100;
}

impl Label for i64 {
    const IGNORED: Self = crate::layout::IGNORED;
}

/// A token id, and how it reads as a label.
pub trait Token: Copy + Default + Send + Sync {
    /// The signed type of this id's label.
    type Label: Label;

    /// The id as the label of a token that carries loss.
    fn label(self) -> Self::Label;
}

impl Token for i32 {
    type Label = i32;

    fn label(self) -> i32 {
        self
    }
}

impl Token for i64 {
    type Label = i64;

    fn label(self) -> i64 {
        self
    }
}

impl Token for u32 {
    type Label = i64;

    fn label(self) -> i64 {
        i64::from(self)
    }
}

/// Rows planned into bins, ready to gather any number of columns that have one entry a token.
///
/// ```
/// use dalign_core::gather::Packing;
/// use dalign_core::pack::OverLong;
///
/// let rows: [&[i32]; 3] = [&[1, 2, 3], &[4, 5, 6, 7, 8, 9, 10, 11, 12], &[13, 14, 15, 16, 17]];
/// let packing = Packing::new(&[3, 9, 5], 8, OverLong::Drop)?;
/// assert_eq!(packing.gather(&rows)?, [13, 14, 15, 16, 17, 1, 2, 3]);
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
    ///
    /// # Panics
    ///
    /// Never: a plan that was just made fits its rows.
    pub fn new(lengths: &[u32], capacity: u32, over_long: OverLong) -> Result<Self, PackError> {
        let fitted = plan_with(lengths, capacity, over_long)?;
        let slots = Slots::new(&fitted.plan, lengths, capacity)
            .expect("a plan holds each of its rows once");
        Ok(Self { fitted, slots, lengths: lengths.to_vec() })
    }

    /// Which rows each bin holds.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.fitted.plan
    }

    /// The rows longer than the capacity, rising: dropped or masked as the rule says.
    #[must_use]
    pub fn over_long(&self) -> &[u32] {
        &self.fitted.over_long
    }

    /// The tokens of each row in the plan's order; a masked row has as many as a bin.
    #[must_use]
    pub fn sequence_lengths(&self) -> &[u32] {
        &self.slots.sequence_lengths
    }

    /// Bin `b` has the tokens `bin_offsets[b]..bin_offsets[b + 1]` of every gathered column.
    #[must_use]
    pub fn bin_offsets(&self) -> &[u64] {
        &self.slots.bin_offsets
    }

    /// Where each row starts in its bin, in the plan's order. O(rows).
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 5, 4], 8, OverLong::Error)?;
    /// assert_eq!(packing.sequence_starts(), [0, 5, 0]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn sequence_starts(&self) -> Vec<u32> {
        let mut starts = Vec::with_capacity(self.slots.sequence_lengths.len());
        for bin in self.plan().bin_offsets.windows(2) {
            let mut start = 0;
            for length in &self.slots.sequence_lengths[bin[0] as usize..bin[1] as usize] {
                starts.push(start);
                start += length;
            }
        }
        starts
    }

    /// One column in the plan's order: each row copied once. O(tokens), in parallel over bins.
    ///
    /// # Errors
    ///
    /// [`LayoutError::RowLength`] when the rows are not those that were planned.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[1, 2], 8, OverLong::Error)?;
    /// assert_eq!(packing.gather::<u32>(&[&[7], &[8, 9]])?, [8, 9, 7]);
    /// assert!(packing.gather::<u32>(&[&[7], &[8]]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gather<T: Copy + Default + Send + Sync>(
        &self,
        rows: &[&[T]],
    ) -> Result<Vec<T>, LayoutError> {
        self.check_lengths(rows)?;
        Ok(self.slots.fill(self.plan(), |row, slot: &mut [T]| {
            slot.copy_from_slice(&rows[row][..slot.len()]);
        }))
    }

    /// A column of labels in the plan's order. A row's first token never carries loss, since the row
    /// before it would predict it; none of a masked row's does. O(tokens).
    ///
    /// # Errors
    ///
    /// [`LayoutError::RowLength`], and [`LayoutError::EmptyLossMask`] for a row that trains on no
    /// token without being masked.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 2, 9], 4, OverLong::Mask)?;
    /// let labels: [&[i64]; 3] = [&[-100, 8, 9], &[5, 6], &[1; 9]];
    /// assert_eq!(packing.labels(&labels)?, [-100, -100, -100, -100, -100, 8, 9, -100, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn labels<L: Label>(&self, labels: &[&[L]]) -> Result<Vec<L>, LayoutError> {
        self.check_lengths(labels)?;
        self.check_loss(|row| labels[row][1..].iter().rev().any(|&label| label != L::IGNORED))?;
        Ok(self.slots.fill(self.plan(), |row, slot: &mut [L]| {
            if labels[row].len() > slot.len() {
                slot.fill(L::IGNORED);
            } else {
                slot.copy_from_slice(labels[row]);
                slot[0] = L::IGNORED;
            }
        }))
    }

    /// The labels of tokens of which each is trained on or not; otherwise as [`Self::labels`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::labels`].
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 2], 8, OverLong::Error)?;
    /// let ids: [&[u32]; 2] = [&[7, 8, 9], &[5, 6]];
    /// let trained: [&[bool]; 2] = [&[false, false, true], &[true, true]];
    /// assert_eq!(packing.labels_where(&ids, &trained)?, [-100, -100, 9, -100, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn labels_where<T: Token>(
        &self,
        ids: &[&[T]],
        trained: &[&[bool]],
    ) -> Result<Vec<T::Label>, LayoutError> {
        self.check_lengths(ids)?;
        self.check_lengths(trained)?;
        self.check_loss(|row| trained[row][1..].iter().rev().any(|&trained| trained))?;
        Ok(self.slots.fill(self.plan(), |row, slot: &mut [T::Label]| {
            let is_masked = ids[row].len() > slot.len();
            for ((label, &id), &trained) in slot.iter_mut().zip(ids[row]).zip(trained[row]) {
                *label = if trained && !is_masked { id.label() } else { Label::IGNORED };
            }
            slot[0] = Label::IGNORED;
        }))
    }

    /// Checks that a column's rows have the lengths that were planned.
    fn check_lengths<T>(&self, rows: &[&[T]]) -> Result<(), LayoutError> {
        crate::error::same_length("rows", rows.len(), self.lengths.len())?;
        let differs = |(row, &length): (&&[T], &u32)| row.len() != length as usize;
        match rows.iter().zip(&self.lengths).position(differs) {
            None => Ok(()),
            Some(row) => {
                let (found, expected) = (rows[row].len(), self.lengths[row] as usize);
                Err(LayoutError::RowLength { row, found, expected })
            }
        }
    }

    /// Checks that every row which is neither dropped nor masked carries loss.
    fn check_loss(&self, carries_loss: impl Fn(usize) -> bool) -> Result<(), LayoutError> {
        let mut over_long = self.over_long().iter().map(|&row| row as usize).peekable();
        for row in 0..self.lengths.len() {
            if over_long.next_if_eq(&row).is_none() && !carries_loss(row) {
                return Err(LayoutError::EmptyLossMask { row });
            }
        }
        Ok(())
    }
}

/// Positions of the tokens of some bins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Positions {
    /// Counts from 0 in each sequence.
    pub values: Vec<i32>,
    /// Bin `b` has `values[offsets[b]..offsets[b + 1]]`.
    pub offsets: Vec<u64>,
}

/// The positions of the tokens of bins that hold sequences of these lengths. O(tokens).
///
/// Apart from the gathered columns, because they follow from the lengths and are as large as the ids.
///
/// ```
/// let positions = dalign_core::gather::position_ids(&[&[3, 2], &[1]]);
/// assert_eq!(positions.values, [0, 1, 2, 0, 1, 0]);
/// assert_eq!(positions.offsets, [0, 5, 6]);
/// ```
#[must_use]
pub fn position_ids(sequence_lengths: &[&[u32]]) -> Positions {
    let tokens = sequence_lengths.iter().copied().flatten().map(|&length| length as usize).sum();
    let mut positions = Positions { values: Vec::with_capacity(tokens), offsets: vec![0] };
    for bin in sequence_lengths {
        for &length in *bin {
            positions.values.extend((0..length).map(u32::cast_signed));
        }
        positions.offsets.push(positions.values.len() as u64);
    }
    positions
}
