//! Rows longer than a bin: an error, dropped whole, or masked, and always named. Never a silent cut.

use super::{PackError, Plan, plan};

/// What a row longer than the capacity does.
///
/// ```
/// use dalign_core::pack::{OverLong, plan_with};
///
/// let kept = |rule| plan_with(&[3, 9], 8, rule).map(|fitted| fitted.plan.row_order.len());
/// assert!(kept(OverLong::Error).is_err());
/// assert_eq!((kept(OverLong::Drop), kept(OverLong::Mask)), (Ok(1), Ok(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLong {
    /// Nothing is packed: [`PackError::RowTooLong`].
    Error,
    /// The row is left out whole.
    Drop,
    /// The row stays, cut to the capacity, and none of its tokens carries loss: it keeps its place
    /// (in a group, in a count) and trains on nothing, so that no half answer is learnt.
    Mask,
}

impl OverLong {
    /// The rule with this name: `error`, `drop` or `mask`. O(1).
    ///
    /// # Errors
    ///
    /// [`PackError::UnknownOverLong`] for any other name.
    ///
    /// ```
    /// use dalign_core::pack::OverLong;
    ///
    /// assert_eq!(OverLong::named("drop")?, OverLong::Drop);
    /// assert!(OverLong::named("cut").is_err());
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    pub fn named(name: &str) -> Result<Self, PackError> {
        match name {
            "error" => Ok(Self::Error),
            "drop" => Ok(Self::Drop),
            "mask" => Ok(Self::Mask),
            _ => Err(PackError::UnknownOverLong { name: name.to_owned() }),
        }
    }
}

/// A plan, and the rows that did not fit a bin.
///
/// ```
/// use dalign_core::pack::{OverLong, plan_with};
///
/// let fitted = plan_with(&[9, 3], 8, OverLong::Mask)?;
/// // The masked row fills a bin by itself.
/// assert_eq!((fitted.plan.bin_offsets, fitted.over_long), (vec![0, 1, 2], vec![0]));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fitted {
    /// Every row that is not dropped, once; a masked row counts `capacity` tokens.
    pub plan: Plan,
    /// The rows longer than the capacity, rising: dropped or masked as the rule says.
    pub over_long: Vec<u32>,
}

/// Plans the rows as [`plan`] does, with a rule for those longer than `capacity`.
///
/// O(rows + capacity).
///
/// # Errors
///
/// Those of [`plan`]; [`PackError::RowTooLong`] only under [`OverLong::Error`], or where bins that
/// hold no token leave nothing of a row to mask.
///
/// ```
/// use dalign_core::pack::{OverLong, plan_with};
///
/// let dropped = plan_with(&[3, 9, 5], 8, OverLong::Drop)?;
/// assert_eq!((dropped.plan.row_order, dropped.over_long), (vec![2, 0], vec![1]));
/// let masked = plan_with(&[3, 9, 5], 8, OverLong::Mask)?;
/// assert_eq!((masked.plan.row_order, masked.over_long), (vec![1, 2, 0], vec![1]));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
pub fn plan_with(lengths: &[u32], capacity: u32, over_long: OverLong) -> Result<Fitted, PackError> {
    let is_whole = !lengths.iter().any(|&length| length > capacity);
    if over_long == OverLong::Error || is_whole || capacity == 0 {
        return Ok(Fitted { plan: plan(lengths, capacity)?, over_long: Vec::new() });
    }
    if let Some(row) = lengths.iter().position(|&length| length == 0) {
        return Err(PackError::EmptyRow { row });
    }
    let (over, kept): (Vec<u32>, Vec<u32>) =
        (0..lengths.len() as u32).partition(|&row| lengths[row as usize] > capacity);
    let plan = if over_long == OverLong::Mask {
        let cut: Vec<u32> = lengths.iter().map(|&length| length.min(capacity)).collect();
        plan(&cut, capacity)?
    } else {
        let fitting: Vec<u32> = kept.iter().map(|&row| lengths[row as usize]).collect();
        let mut plan = plan(&fitting, capacity)?;
        plan.row_order.iter_mut().for_each(|row| *row = kept[*row as usize]);
        plan
    };
    Ok(Fitted { plan, over_long: over })
}
