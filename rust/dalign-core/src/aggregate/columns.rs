//! From scores to columns of statistics: blocks of completions in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::AggregateError;
use super::block::{Block, LANES, Score};
use super::even::{Even, WIDE};
use super::network::LONGEST;
use super::statistic::{Long, Statistic};
use crate::error::{offsets_delimit, same_length};
use crate::simd::{Masks, Work, widest, widest_blocks};

/// Completions of one task; a multiple of [`WIDE`], which is one of [`LANES`].
const TASK: usize = 64 * WIDE;

/// Writes one number for each completion, NaN where fewer than `min_valid` scores are valid or the
/// statistic is not defined; and how many are valid. Both of one length, that of the offsets less one.
pub(super) fn fill<S: Score>(
    scores: &[S],
    offsets: &[u32],
    statistic: &Statistic,
    min_valid: u32,
    values: &mut [f64],
    n_valid: &mut [u32],
) -> Result<(), AggregateError> {
    if min_valid == 0 {
        return Err(AggregateError::NoMinimum);
    }
    check_offsets(offsets, scores.len())?;
    let rows = offsets.len() - 1;
    same_length("n_valid", n_valid.len(), rows)?;
    same_length("score", values.len(), rows)?;
    let parts = values.par_chunks_mut(TASK).zip(n_valid.par_chunks_mut(TASK));
    parts.enumerate().for_each(|(task, (values, n_valid))| {
        let offsets = &offsets[task * TASK..=task * TASK + n_valid.len()];
        widest_blocks(Task { scores, offsets, statistic, min_valid, values, n_valid });
    });
    Ok(())
}

/// As `offsets_delimit`, which is slower and asked only for the error.
fn check_offsets(offsets: &[u32], end: usize) -> Result<(), AggregateError> {
    let rises =
        || widest(|| offsets.windows(2).map(|two| u32::from(two[0] > two[1])).sum::<u32>() == 0);
    let delimits = offsets.first() == Some(&0)
        && offsets.last().is_some_and(|&last| last as usize == end)
        && rises();
    if !delimits {
        offsets_delimit("offsets", offsets.iter().copied(), end)?;
    }
    Ok(())
}

/// Some completions, and where their numbers go.
struct Task<'a, S> {
    scores: &'a [S],
    offsets: &'a [u32],
    statistic: &'a Statistic,
    min_valid: u32,
    values: &'a mut [f64],
    n_valid: &'a mut [u32],
}

impl<S: Score> Work for Task<'_, S> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(mut self) {
        let (mut even_4, mut even_8, mut even_16) = (Even::new(), Even::new(), Even::new());
        let (mut block, mut long) = (Block::new(), Long::default());
        for from in (0..self.n_valid.len()).step_by(WIDE) {
            let to = self.n_valid.len().min(from + WIDE);
            let is_done = match common_length(&self.offsets[from..=to]) {
                Some(4) => self.fill_even::<4>(&mut even_4, from),
                Some(8) => self.fill_even::<8>(&mut even_8, from),
                Some(16) => self.fill_even::<16>(&mut even_16, from),
                _ => false,
            };
            if !is_done {
                for from in (from..to).step_by(LANES) {
                    self.fill_block(&mut block, &mut long, from..to.min(from + LANES));
                }
            }
            self.unjudge(from..to);
        }
    }
}

impl<S: Score> Task<'_, S> {
    /// A whole block of completions from this one on that have `K` judgements each; false, and nothing
    /// written, where one may not be valid.
    #[inline(always)]
    fn fill_even<const K: usize>(&mut self, even: &mut Even<S, K>, from: usize) -> bool {
        let scores = &self.scores[self.offsets[from] as usize..];
        let Some(groups) = scores.as_chunks::<K>().0.first_chunk::<WIDE>() else { return false };
        if !even.load(groups) {
            return false;
        }
        if self.statistic.needs_order() {
            even.sort();
        }
        if let Some(found) = self.values[from..].first_chunk_mut() {
            self.statistic.of_even(even, found);
        }
        self.n_valid[from..from + WIDE].fill(K as u32);
        true
    }

    /// These completions, at most [`LANES`].
    #[inline(always)]
    fn fill_block(&mut self, block: &mut Block<S>, long: &mut Long, rows: Range<usize>) {
        let ends = &self.offsets[rows.start..=rows.end];
        let n_valid = &mut self.n_valid[rows.clone()];
        if ends.windows(2).any(|ends| (ends[1] - ends[0]) as usize > LONGEST) {
            fill_long(self.scores, ends, self.statistic, long, &mut self.values[rows], n_valid);
            return;
        }
        block.load(self.scores, ends);
        if self.statistic.needs_order() {
            block.sort();
        }
        n_valid.copy_from_slice(&block.count[..rows.len()]);
        let lanes = self.statistic.of_block(block);
        self.values[rows.clone()].copy_from_slice(&lanes[..rows.len()]);
    }

    /// No number where too few scores are valid.
    #[inline(always)]
    fn unjudge(&mut self, rows: Range<usize>) {
        let min_valid = self.min_valid;
        if self.n_valid[rows.clone()].iter().all(|&count| count >= min_valid) {
            return;
        }
        for row in rows.filter(|&row| self.n_valid[row] < min_valid) {
            self.values[row] = f64::NAN;
        }
    }
}

/// The number of judgements that all completions of a whole block have; none where they differ.
#[inline(always)]
fn common_length(offsets: &[u32]) -> Option<u32> {
    let offsets: &[u32; WIDE + 1] = offsets.try_into().ok()?;
    let length = offsets[1] - offsets[0];
    let others = (0..WIDE).map(|at| u32::from(offsets[at + 1] - offsets[at] != length));
    (others.sum::<u32>() == 0).then_some(length)
}

fn fill_long<S: Score>(
    scores: &[S],
    offsets: &[u32],
    statistic: &Statistic,
    long: &mut Long,
    values: &mut [f64],
    n_valid: &mut [u32],
) {
    for (lane, ends) in offsets.windows(2).enumerate() {
        long.load(&scores[ends[0] as usize..ends[1] as usize]);
        n_valid[lane] = long.sorted.len() as u32;
        values[lane] = if long.sorted.is_empty() { f64::NAN } else { statistic.of_long(long) };
    }
}
