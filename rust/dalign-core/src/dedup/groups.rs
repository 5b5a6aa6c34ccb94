//! Groups of rows that pairs join, and the row of each group that stays.

use super::{NearError, Pair};
use crate::error::same_length;

/// For each row the row that stands for its group: the best scored one, the first among equals. A row that
/// is its own representative is the one to keep.
///
/// A group is what pairs connect, also in several steps (single linkage): two rows of one group need
/// not be similar to each other. A score of NaN, an unjudged row, is below every other; without
/// scores the first row of a group stands for it. O((rows + pairs) · α(rows)), where α is below 5.
///
/// ```
/// use dalign_core::dedup::{Pair, representatives};
///
/// let pairs = [Pair { a: 0, b: 2, jaccard: 0.9 }, Pair { a: 2, b: 3, jaccard: 0.8 }];
/// assert_eq!(representatives(4, &pairs, None)?, [0, 1, 0, 0]);
/// assert_eq!(representatives(4, &pairs, Some(&[1.0, 9.0, f64::NAN, 2.0]))?, [3, 1, 3, 3]);
/// # Ok::<(), dalign_core::dedup::NearError>(())
/// ```
///
/// # Errors
///
/// `length_mismatch` unless there is one score for each row.
///
/// # Panics
///
/// If a pair names a row that is not there.
pub fn representatives(
    rows: usize,
    pairs: &[Pair],
    scores: Option<&[f64]>,
) -> Result<Vec<u32>, NearError> {
    if let Some(scores) = scores {
        same_length("scores", scores.len(), rows)?;
    }
    let roots = roots(rows, pairs.iter().map(|pair| (pair.a, pair.b)));
    let Some(scores) = scores else { return Ok(roots) };
    let score = |row: u32| Some(scores[row as usize]).filter(|score| !score.is_nan());
    let mut best: Vec<u32> = (0..rows as u32).collect();
    for (row, &root) in (0..).zip(&roots) {
        let kept = &mut best[root as usize];
        if score(row) > score(*kept) {
            *kept = row;
        }
    }
    Ok(roots.into_iter().map(|root| best[root as usize]).collect())
}

/// The first row of each row's group.
pub(super) fn roots(rows: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..rows as u32).collect();
    for (a, b) in pairs {
        let (a, b) = (root(&mut parents, a), root(&mut parents, b));
        // The lower row is the root, so a group is rooted at its first row.
        parents[a.max(b) as usize] = a.min(b);
    }
    (0..rows as u32).map(|row| root(&mut parents, row)).collect()
}

/// The first row of a row's group; halves the way there.
fn root(parents: &mut [u32], mut row: u32) -> u32 {
    while parents[row as usize] != row {
        let grandparent = parents[parents[row as usize] as usize];
        parents[row as usize] = grandparent;
        row = grandparent;
    }
    row
}
