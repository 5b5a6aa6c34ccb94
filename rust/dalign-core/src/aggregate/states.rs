//! How many judgements of each completion ended in each state.

use rayon::prelude::*;

use super::AggregateError;
use crate::error::offsets_delimit;

/// For each of the names, how many judgements of each completion have that state: one column a name,
/// one entry a completion.
///
/// Completion `i` has `states[offsets[i]..offsets[i + 1]]`. O(states · names), less where neighbours
/// are alike.
///
/// # Errors
///
/// [`AggregateError::UnknownState`] for a state that is not among the names: a state that nobody
/// counts would vanish; [`ColumnError::BadOffsets`](crate::ColumnError::BadOffsets).
///
/// ```
/// use dalign_core::aggregate::count_states;
///
/// let counts = count_states(&["ok", "refused", "ok"], &[0, 2, 3], &["ok", "refused"])?;
/// assert_eq!(counts, [[1, 1], [1, 0]]);
/// # Ok::<(), dalign_core::aggregate::AggregateError>(())
/// ```
pub fn count_states(
    states: &[&str],
    offsets: &[u32],
    names: &[&str],
) -> Result<Vec<Vec<u32>>, AggregateError> {
    offsets_delimit("offsets", offsets.iter().copied(), states.len())?;
    let unknown =
        states.par_iter().with_min_len(4096).position_first(|state| !names.contains(state));
    if let Some(row) = unknown {
        let (state, names) = (states[row].to_owned(), names.join(", "));
        return Err(AggregateError::UnknownState { row, state, names });
    }
    let count = |name: &&str| {
        let groups = offsets.par_windows(2).with_min_len(4096);
        groups
            .map(|ends| {
                let group = &states[ends[0] as usize..ends[1] as usize];
                group.iter().filter(|state| *state == name).count() as u32
            })
            .collect()
    };
    Ok(names.iter().map(count).collect())
}
