//! Positions of packed tokens.

/// Positions of the tokens of some bins.
///
/// ```
/// use dalign_core::gather::{Positions, position_ids};
///
/// let expected = Positions { values: vec![0, 1], offsets: vec![0, 2] };
/// assert_eq!(position_ids(&[&[2]]), expected);
/// ```
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
