//! Blocks of completions with the same number of judgements, all of them valid: nothing is masked, and
//! the number of steps is known when this is compiled.

use super::block::Score;
use super::network::network;
use super::soft::{soft_min, soft_weight};

/// Completions of a block.
pub(super) const WIDE: usize = 64;

/// One number for each completion of a block.
pub(super) type WideLane = [f64; WIDE];

/// `K` valid scores of each of [`WIDE`] completions.
pub(super) struct Even<S, const K: usize> {
    /// `given[j][lane]` is judgement `j` as it came.
    given: [[S; WIDE]; K],
    /// The scores of each lane in rising order; set by `sort`.
    sorted: [[S; WIDE]; K],
    mean: WideLane,
}

impl<S: Score, const K: usize> Even<S, K> {
    pub(super) fn new() -> Self {
        let empty = [[S::NONE; WIDE]; K];
        Self { given: empty, sorted: empty, mean: [0.0; WIDE] }
    }

    /// Takes the completions; false where one may have a score that is not valid.
    #[inline(always)]
    pub(super) fn load(&mut self, groups: &[[S; K]; WIDE]) -> bool {
        for lane in 0..WIDE {
            for at in 0..K {
                self.given[at][lane] = groups[lane][at];
            }
        }
        let mut sum = [0.0; WIDE];
        for row in &self.given {
            for lane in 0..WIDE {
                sum[lane] += row[lane].into();
            }
        }
        for lane in 0..WIDE {
            self.mean[lane] = sum[lane] / K as f64;
        }
        // Not finite where a score is not; of large scores also where none is, which is no harm.
        sum.iter().map(|sum| u32::from(sum.is_finite())).sum::<u32>() == WIDE as u32
    }

    /// Fills `sorted`.
    #[inline(always)]
    pub(super) fn sort(&mut self) {
        self.sorted = self.given;
        for &(low, high) in network(K) {
            let (head, tail) = self.sorted.split_at_mut(high as usize);
            let (low, high) = (&mut head[low as usize], &mut tail[0]);
            for lane in 0..WIDE {
                // Written so that a pair of equal scores is kept whole, whatever the signs of zeros.
                let (a, b) = (low[lane], high[lane]);
                low[lane] = if a < b { a } else { b };
                high[lane] = if a < b { b } else { a };
            }
        }
    }

    #[inline(always)]
    pub(super) fn min(&self, found: &mut WideLane) {
        let mut least = self.given[0];
        for row in &self.given[1..] {
            for lane in 0..WIDE {
                least[lane] = if row[lane] < least[lane] { row[lane] } else { least[lane] };
            }
        }
        for lane in 0..WIDE {
            found[lane] = least[lane].into();
        }
    }

    #[inline(always)]
    pub(super) fn mean(&self, found: &mut WideLane) {
        *found = self.mean;
    }

    /// The soft minimum.
    #[inline(always)]
    pub(super) fn soft_min(&self, softness: f64, found: &mut WideLane) {
        self.min(found);
        let (least, mut weights) = (*found, [0.0; WIDE]);
        for row in &self.given {
            for lane in 0..WIDE {
                weights[lane] += soft_weight(least[lane], row[lane].into(), softness);
            }
        }
        for lane in 0..WIDE {
            found[lane] = soft_min(least[lane], weights[lane], K as f64, softness);
        }
    }

    /// The standard deviation with n − 1.
    #[inline(always)]
    pub(super) fn deviation(&self, found: &mut WideLane) {
        let mut squares = [0.0; WIDE];
        for row in &self.given {
            for lane in 0..WIDE {
                let from_mean = row[lane].into() - self.mean[lane];
                squares[lane] += from_mean * from_mean;
            }
        }
        for lane in 0..WIDE {
            found[lane] = (squares[lane] / (K as f64 - 1.0)).sqrt();
        }
    }

    /// The quantile between these two of what `sort` has sorted.
    #[inline(always)]
    pub(super) fn quantile(&self, (low, high, between): (usize, usize, f64), found: &mut WideLane) {
        let (low, high) = (&self.sorted[low], &self.sorted[high]);
        for lane in 0..WIDE {
            let (low, high): (f64, f64) = (low[lane].into(), high[lane].into());
            found[lane] = low + (high - low) * between;
        }
    }

    /// The mean of what `sort` has sorted, without as many at each end.
    #[inline(always)]
    pub(super) fn trimmed_mean(&self, cut: usize, found: &mut WideLane) {
        *found = [0.0; WIDE];
        for row in &self.sorted[cut..K - cut] {
            for lane in 0..WIDE {
                found[lane] += row[lane].into();
            }
        }
        for lane in 0..WIDE {
            found[lane] /= (K - 2 * cut) as f64;
        }
    }

    /// The mean less so many standard errors.
    #[inline(always)]
    pub(super) fn lower_bound(&self, errors: f64, found: &mut WideLane) {
        self.deviation(found);
        for lane in 0..WIDE {
            found[lane] = self.mean[lane] - errors * (found[lane] / (K as f64).sqrt());
        }
    }
}
