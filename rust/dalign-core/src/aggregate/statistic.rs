//! What can be said of a completion's scores: of a block of completions at once, and of a long one.

use super::block::{Block, LANES, Lane, Score};
use super::even::{Even, WideLane};
use super::network::LONGEST;
use super::soft::{soft_min, soft_weight};
use super::{Method, quantile_position, sort, trimmed};
use crate::distribution::student_t_quantile;

/// What a column holds of each completion.
pub(super) enum Statistic {
    /// A method's score.
    Score(Method),
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

    pub(super) fn needs_order(&self) -> bool {
        let Self::Score(method) = self else { return false };
        matches!(method, Method::Median | Method::Quantile(_) | Method::TrimmedMean(_))
    }

    /// Of each completion of a block, which is sorted if need be.
    #[inline(always)]
    pub(super) fn of_block<S: Score>(&self, block: &Block<S>) -> Lane {
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
            Self::Score(Method::SoftMin(softness)) => block.soft_min(*softness),
            Self::Score(Method::Deviation) => block.deviation(),
        }
    }

    /// As `of_block`, of a block whose scores are all valid.
    #[inline(always)]
    pub(super) fn of_even<S: Score, const K: usize>(
        &self,
        even: &Even<S, K>,
        found: &mut WideLane,
    ) {
        match self {
            Self::Score(Method::Min) => even.min(found),
            Self::Score(Method::Mean) => even.mean(found),
            Self::Score(Method::Median) => even.quantile(quantile_position(K, 0.5), found),
            Self::Score(Method::Quantile(share)) => {
                even.quantile(quantile_position(K, *share), found);
            }
            Self::Score(Method::TrimmedMean(share)) => even.trimmed_mean(trimmed(K, *share), found),
            Self::LowerBound(errors, _) => even.lower_bound(errors[K], found),
            Self::Score(Method::LowerBound(_)) => found.fill(f64::NAN),
            Self::Score(Method::SoftMin(softness)) => even.soft_min(*softness, found),
            Self::Score(Method::Deviation) => even.deviation(found),
        }
    }

    /// Of one completion with at least one valid score.
    pub(super) fn of_long(&self, long: &Long) -> f64 {
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
            Self::Score(Method::SoftMin(softness)) => {
                let weights = sorted.iter().map(|score| soft_weight(sorted[0], *score, *softness));
                soft_min(sorted[0], weights.sum(), sorted.len() as f64, *softness)
            }
            Self::Score(Method::Deviation) => long.deviation,
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
pub(super) struct Long {
    pub(super) sorted: Vec<f64>,
    mean: f64,
    deviation: f64,
}

impl Long {
    pub(super) fn load<S: Score>(&mut self, scores: &[S]) {
        self.sorted.clear();
        self.sorted.extend(scores.iter().filter(|score| score.is_valid()).map(|&x| x.into()));
        self.mean = mean(&self.sorted);
        let squares = self.sorted.iter().map(|value| (value - self.mean).powi(2));
        let squares = squares.fold(0.0, |sum, square| sum + square);
        self.deviation = (squares / (self.sorted.len() as f64 - 1.0)).sqrt();
        sort(&mut self.sorted);
    }
}
