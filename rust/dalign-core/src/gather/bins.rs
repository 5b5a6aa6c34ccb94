//! Which rows and tokens each bin holds.

use super::Packing;
use crate::pack::Plan;

impl Packing {
    /// Which rows each bin holds.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 5], 8, OverLong::Error)?;
    /// assert_eq!(packing.plan().row_order, [1, 0]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.fitted.plan
    }

    /// The rows longer than the capacity, rising: dropped or masked as the rule says.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 9], 8, OverLong::Drop)?;
    /// assert_eq!(packing.over_long(), [1]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn over_long(&self) -> &[u32] {
        &self.fitted.over_long
    }

    /// The tokens of each row in the plan's order; a masked row has as many as a bin.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 9], 8, OverLong::Mask)?;
    /// assert_eq!(packing.sequence_lengths(), [8, 3]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn sequence_lengths(&self) -> &[u32] {
        &self.slots.sequence_lengths
    }

    /// Bin `b` has the tokens `bin_offsets[b]..bin_offsets[b + 1]` of every gathered column.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 5, 4], 8, OverLong::Error)?;
    /// assert_eq!(packing.bin_offsets(), [0, 8, 12]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn bin_offsets(&self) -> &[u64] {
        &self.slots.bin_offsets
    }

    /// How many tokens every gathered column has.
    ///
    /// ```
    /// use dalign_core::{gather::Packing, pack::OverLong};
    ///
    /// let packing = Packing::new(&[3, 9], 8, OverLong::Mask)?;
    /// assert_eq!(packing.tokens(), 11);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.slots.tokens()
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
}
