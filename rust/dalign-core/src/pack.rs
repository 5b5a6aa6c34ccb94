//! Which rows share a bin of a fixed number of tokens; [`crate::gather`] then fills the bins.

mod best_fit;
mod error;
mod over_long;
mod spaces;

pub use error::PackError;
pub use over_long::{Fitted, OverLong, plan_with};

use crate::error::indexable;

/// Which rows share a bin.
///
/// ```
/// use dalign_core::pack::{Plan, plan};
///
/// let expected = Plan { row_order: vec![1, 0], bin_offsets: vec![0, 2] };
/// assert_eq!(plan(&[3, 5], 8)?, expected);
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every row once, bin by bin; within a bin in the order in which rows were placed.
    pub row_order: Vec<u32>,
    /// Bin `b` holds `row_order[bin_offsets[b]..bin_offsets[b + 1]]`; strictly increasing, from 0
    /// to the number of rows.
    pub bin_offsets: Vec<u32>,
}

/// Assigns each row to a bin, longest rows first, each to the fullest open bin that still takes it
/// (best fit decreasing), so that no bin holds more than `capacity` tokens.
///
/// `lengths[i]` is row `i`'s length in tokens; rows of equal length are placed in their order.
/// Bins come in the order in which they were opened, and rows of equal length fill them in that
/// order.
///
/// O(rows + capacity): the rows are sorted by counting, and bins that hold the same lengths are
/// filled at once, found through a bitmap of the spaces that they have left. Twelve bytes a row at
/// its peak, and eight a token of the capacity. Best fit decreasing as in "Fewer Truncations Improve
/// Language Modeling" (Ding et al. 2024, section 3.2).
///
/// # Errors
///
/// [`PackError::RowTooLong`] when a row alone exceeds `capacity`: rows are never cut, because a cut
/// row would train on half an answer. [`PackError::EmptyRow`] when a row has no token, and
/// [`ColumnError::TooManyRows`](crate::ColumnError::TooManyRows) above 2³² − 1 rows.
///
/// ```
/// let plan = dalign_core::pack::plan(&[3, 5, 4, 4], 8)?;
/// assert_eq!(plan.bin_offsets, [0, 2, 4]);
/// assert_eq!(plan.row_order, [1, 0, 2, 3]); // 5 + 3 and 4 + 4 fill both bins
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
pub fn plan(lengths: &[u32], capacity: u32) -> Result<Plan, PackError> {
    indexable("lengths", lengths.len())?;
    let total = check_lengths(lengths, capacity)?;
    // More room than all rows need changes nothing but the memory for the spaces.
    let capacity = u64::from(capacity).min(total) as usize;
    Ok(best_fit::plan(lengths, capacity))
}

/// The sum of lengths each of which fits a bin.
fn check_lengths(lengths: &[u32], capacity: u32) -> Result<u64, PackError> {
    let mut total = 0_u64;
    for (row, &length) in lengths.iter().enumerate() {
        match length {
            0 => return Err(PackError::EmptyRow { row }),
            _ if length > capacity => {
                return Err(PackError::RowTooLong { row, length, capacity });
            }
            _ => total += u64::from(length),
        }
    }
    Ok(total)
}
