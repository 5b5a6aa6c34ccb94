//! What columns must be so that they can be gathered.

use super::{GatherError, Packing};

impl Packing {
    /// Checks that a column's rows have the lengths that were planned.
    pub(super) fn check_lengths<T>(&self, rows: &[&[T]]) -> Result<(), GatherError> {
        crate::error::same_length("rows", rows.len(), self.lengths.len())?;
        let differs = |(row, &length): (&&[T], &u32)| row.len() != length as usize;
        match rows.iter().zip(&self.lengths).position(differs) {
            None => Ok(()),
            Some(row) => {
                let (found, expected) = (rows[row].len(), self.lengths[row] as usize);
                Err(GatherError::RowLength { row, found, expected })
            }
        }
    }

    /// Checks that every row which is neither dropped nor masked carries loss.
    pub(super) fn check_loss(
        &self,
        carries_loss: impl Fn(usize) -> bool,
    ) -> Result<(), GatherError> {
        let mut over_long = self.over_long().iter().map(|&row| row as usize).peekable();
        for row in 0..self.lengths.len() {
            if over_long.next_if_eq(&row).is_none() && !carries_loss(row) {
                return Err(GatherError::EmptyLossMask { row });
            }
        }
        Ok(())
    }
}
