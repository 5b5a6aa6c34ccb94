//! From scores to columns of statistics: blocks of completions in parallel.

use rayon::prelude::*;

use super::block::{Block, LANES, Lane, Score};
use super::network::LONGEST;
use super::{AggregateError, Method, quantile_position, sort, trimmed};
use crate::distribution::student_t_quantile;
use crate::error::offsets_delimit;
use crate::simd::widest;

/// Completions of one task; a multiple of [`LANES`].
const TASK: usize = 128 * LANES;

/// What a column holds of each completion.
pub(super) enum Statistic {
    /// A method's score.
    Score(Method),
    /// The standard deviation with n − 1.
    Deviation,
    /// The mean less this many standard errors for each number of valid scores up to [`LONGEST`];
    /// beyond, as many as the level asks for.
    LowerBound(Box<[f64; LONGEST + 1]>, f64),
}

impl Statistic {
    /// What is known before the first score is seen.
    pub(super) fn of(method: Method) -> Self {
        let Method::LowerBound(level) = method else { return Self::Score(method) };
        let errors = |count: usize| standard_errors(level, count);
        Self::LowerBound(Box::new(std::array::from_fn(errors)), level)
    }

    fn needs_order(&self) -> bool {
        let Self::Score(method) = self else { return false };
        matches!(method, Method::Median | Method::Quantile(_) | Method::TrimmedMean(_))
    }

    /// Of each completion of a block, which is sorted if need be.
    #[inline(always)]
    fn of_block<S: Score>(&self, block: &Block<S>) -> Lane {
        match self {
            Self::Score(Method::Min) => block.min(),
            Self::Score(Method::Mean) => block.mean(),
            Self::Score(Method::Median) => block.quantile(|count| quantile_position(count, 0.5)),
            Self::Score(Method::Quantile(share)) => {
                block.quantile(|count| quantile_position(count, *share))
            }
            Self::Score(Method::TrimmedMean(share)) => {
                block.trimmed_mean(|count| trimmed(count, *share))
            }
            Self::LowerBound(errors, _) => {
                let (mean, deviation) = (block.mean(), block.deviation());
                std::array::from_fn(|lane| {
                    let count = block.count[lane];
                    lower_bound(mean[lane], deviation[lane], count, errors[count as usize])
                })
            }
            Self::Score(Method::LowerBound(_)) => [f64::NAN; LANES],
            Self::Deviation => block.deviation(),
        }
    }

    /// Of one completion with at least one valid score.
    fn of_long(&self, long: &Long) -> f64 {
        let sorted = &long.sorted;
        let at = |share| {
            let (low, high, between) = quantile_position(sorted.len(), share);
            sorted[low] + (sorted[high] - sorted[low]) * between
        };
        match self {
            Self::Score(Method::Min) => sorted[0],
            Self::Score(Method::Mean) => long.mean,
            Self::Score(Method::Median) => at(0.5),
            Self::Score(Method::Quantile(share)) => at(*share),
            Self::Score(Method::TrimmedMean(share)) => {
                let cut = trimmed(sorted.len(), *share);
                mean(&sorted[cut..sorted.len() - cut])
            }
            Self::LowerBound(_, level) | Self::Score(Method::LowerBound(level)) => {
                let errors = standard_errors(*level, sorted.len());
                lower_bound(long.mean, long.deviation, sorted.len() as u32, errors)
            }
            Self::Deviation => long.deviation,
        }
    }
}

/// How many standard errors the bound lies below the mean of `count` scores; no number below two.
fn standard_errors(level: f64, count: usize) -> f64 {
    if count < 2 { f64::NAN } else { student_t_quantile(level, count as u64 - 1) }
}

#[inline(always)]
fn lower_bound(mean: f64, deviation: f64, count: u32, errors: f64) -> f64 {
    mean - errors * (deviation / f64::from(count).sqrt())
}

#[inline(always)]
fn mean(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value) / values.len() as f64
}

/// The valid scores of a completion with too many judgements for a block.
#[derive(Default)]
struct Long {
    sorted: Vec<f64>,
    mean: f64,
    deviation: f64,
}

impl Long {
    fn load<S: Score>(&mut self, scores: &[S]) {
        self.sorted.clear();
        self.sorted.extend(scores.iter().filter(|score| score.is_valid()).map(|&x| x.into()));
        self.mean = mean(&self.sorted);
        let squares = self.sorted.iter().map(|value| (value - self.mean).powi(2));
        let squares = squares.fold(0.0, |sum, square| sum + square);
        self.deviation = (squares / (self.sorted.len() as f64 - 1.0)).sqrt();
        sort(&mut self.sorted);
    }
}

/// One number for each completion and statistic, NaN where fewer than `min_valid` scores are valid or
/// the statistic is not defined; and how many are valid.
pub(super) fn columns<S: Score>(
    scores: &[S],
    offsets: &[u32],
    statistics: &[Statistic],
    min_valid: u32,
) -> Result<(Vec<Vec<f64>>, Vec<u32>), AggregateError> {
    if min_valid == 0 {
        return Err(AggregateError::NoMinimum);
    }
    check_offsets(offsets, scores.len())?;
    let rows = offsets.len() - 1;
    let mut n_valid = vec![0; rows];
    let mut columns: Vec<Vec<f64>> = statistics.iter().map(|_| vec![0.0; rows]).collect();
    let mut parts: Vec<Vec<&mut [f64]>> = n_valid.chunks(TASK).map(|_| Vec::new()).collect();
    for column in &mut columns {
        for (part, values) in parts.iter_mut().zip(column.chunks_mut(TASK)) {
            part.push(values);
        }
    }
    parts.par_iter_mut().zip(n_valid.par_chunks_mut(TASK)).enumerate().for_each(
        |(task, (values, n_valid))| {
            let offsets = &offsets[task * TASK..=task * TASK + n_valid.len()];
            widest(|| fill(scores, offsets, statistics, min_valid, values, n_valid));
        },
    );
    Ok((columns, n_valid))
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

#[inline(always)]
fn fill<S: Score>(
    scores: &[S],
    offsets: &[u32],
    statistics: &[Statistic],
    min_valid: u32,
    values: &mut [&mut [f64]],
    n_valid: &mut [u32],
) {
    let needs_order = statistics.iter().any(Statistic::needs_order);
    let (mut block, mut long) = (Block::new(), Long::default());
    for (at, n_valid) in n_valid.chunks_mut(LANES).enumerate() {
        let from = at * LANES;
        let ends = &offsets[from..=from + n_valid.len()];
        if ends.windows(2).any(|ends| (ends[1] - ends[0]) as usize > LONGEST) {
            fill_long(scores, ends, statistics, &mut long, values, from, n_valid);
        } else {
            block.load(scores, ends);
            if needs_order {
                block.sort();
            }
            n_valid.copy_from_slice(&block.count[..n_valid.len()]);
            for (column, statistic) in values.iter_mut().zip(statistics) {
                let lanes = statistic.of_block(&block);
                column[from..from + n_valid.len()].copy_from_slice(&lanes[..n_valid.len()]);
            }
        }
        if n_valid.iter().any(|&count| count < min_valid) {
            for (lane, _) in n_valid.iter().enumerate().filter(|(_, count)| **count < min_valid) {
                for column in values.iter_mut() {
                    column[from + lane] = f64::NAN;
                }
            }
        }
    }
}

fn fill_long<S: Score>(
    scores: &[S],
    offsets: &[u32],
    statistics: &[Statistic],
    long: &mut Long,
    values: &mut [&mut [f64]],
    from: usize,
    n_valid: &mut [u32],
) {
    for (lane, ends) in offsets.windows(2).enumerate() {
        long.load(&scores[ends[0] as usize..ends[1] as usize]);
        n_valid[lane] = long.sorted.len() as u32;
        for (column, statistic) in values.iter_mut().zip(statistics) {
            let is_empty = long.sorted.is_empty();
            column[from + lane] = if is_empty { f64::NAN } else { statistic.of_long(long) };
        }
    }
}
