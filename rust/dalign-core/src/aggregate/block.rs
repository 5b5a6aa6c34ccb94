//! The judgements of some completions side by side: one completion a lane, so that each step of a
//! reduction is the same for all lanes and the compiler turns it into wide instructions.

use super::network::{LONGEST, network};
use super::soft::{soft_min, soft_weight};

/// Completions of a block.
pub(super) const LANES: usize = 32;

/// A float that a judgement's score may be.
///
/// ```
/// use dalign_core::aggregate::{Method, Score, reduce};
///
/// fn least<S: Score>(scores: &[S]) -> Option<f64> {
///     reduce(scores, &[0, scores.len() as u32], Method::Min, 1).ok()?[0].score
/// }
/// assert_eq!((least(&[2.0_f32, 1.0]), least(&[f64::NAN])), (Some(1.0), None));
/// ```
pub trait Score: Copy + PartialOrd + Send + Sync + Into<f64> + sealed::Sealed {
    /// What stands where there is no judgement.
    #[doc(hidden)]
    const NONE: Self;
    /// Sorts after every score.
    #[doc(hidden)]
    const LAST: Self;

    /// Whether it is a number.
    #[doc(hidden)]
    fn is_valid(self) -> bool;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! score {
    ($float:ty) => {
        impl Score for $float {
            const NONE: Self = <$float>::NAN;
            const LAST: Self = <$float>::INFINITY;

            #[inline(always)]
            fn is_valid(self) -> bool {
                self.abs() < <$float>::INFINITY
            }
        }
    };
}

score!(f32);
score!(f64);

/// One number for each completion of a block.
pub(super) type Lane = [f64; LANES];

/// The judgements of up to [`LANES`] completions, at most [`LONGEST`] each.
pub(super) struct Block<S> {
    /// `given[j][lane]` is judgement `j` as it came, `NONE` beyond the last one.
    given: [[S; LANES]; LONGEST],
    /// The valid scores of each lane in rising order, `LAST` beyond them; set by `sort`.
    sorted: [[S; LANES]; LONGEST],
    /// Rows of `given` in use.
    depth: usize,
    /// Valid scores of each lane.
    pub(super) count: [u32; LANES],
    /// Their sum, in the order in which they came.
    sum: Lane,
}

impl<S: Score> Block<S> {
    pub(super) fn new() -> Self {
        let empty = [[S::NONE; LANES]; LONGEST];
        Self { given: empty, sorted: empty, depth: 0, count: [0; LANES], sum: [0.0; LANES] }
    }

    /// Takes the completions between these offsets, at most [`LANES`] of at most [`LONGEST`]
    /// judgements each.
    #[inline(always)]
    pub(super) fn load(&mut self, scores: &[S], offsets: &[u32]) {
        let lengths = offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize);
        self.depth = lengths.clone().max().unwrap_or(0);
        let is_even = lengths.clone().all(|length| length == self.depth);
        let from = offsets[0] as usize;
        let used = &scores[from..offsets[offsets.len() - 1] as usize];
        if is_even && offsets.len() == LANES + 1 {
            match self.depth {
                4 => self.transpose::<4>(used),
                8 => self.transpose::<8>(used),
                16 => self.transpose::<16>(used),
                depth => {
                    self.scatter(used, (0..LANES).map(|lane| lane * depth..(lane + 1) * depth));
                }
            }
        } else {
            self.given[..self.depth].fill([S::NONE; LANES]);
            let ends = |ends: &[u32]| ends[0] as usize - from..ends[1] as usize - from;
            self.scatter(used, offsets.windows(2).map(ends));
        }
        self.add_up();
    }

    /// Even groups of a common size, which is known when this is compiled.
    #[inline(always)]
    fn transpose<const K: usize>(&mut self, scores: &[S]) {
        let (groups, _) = scores.as_chunks::<K>();
        for (lane, group) in groups.iter().enumerate().take(LANES) {
            for at in 0..K {
                self.given[at][lane] = group[at];
            }
        }
    }

    #[inline(always)]
    fn scatter(&mut self, scores: &[S], groups: impl Iterator<Item = std::ops::Range<usize>>) {
        for (lane, group) in groups.enumerate() {
            for (row, &score) in self.given.iter_mut().zip(&scores[group]) {
                row[lane] = score;
            }
        }
    }

    #[inline(always)]
    fn add_up(&mut self) {
        (self.count, self.sum) = ([0; LANES], [0.0; LANES]);
        for row in &self.given[..self.depth] {
            for lane in 0..LANES {
                let is_valid = row[lane].is_valid();
                self.count[lane] += u32::from(is_valid);
                self.sum[lane] += if is_valid { row[lane].into() } else { 0.0 };
            }
        }
    }

    /// Fills `sorted`.
    #[inline(always)]
    pub(super) fn sort(&mut self) {
        for (sorted, given) in self.sorted.iter_mut().zip(&self.given[..self.depth]) {
            for lane in 0..LANES {
                sorted[lane] = if given[lane].is_valid() { given[lane] } else { S::LAST };
            }
        }
        for &(low, high) in network(self.depth) {
            let (head, tail) = self.sorted.split_at_mut(high as usize);
            let (low, high) = (&mut head[low as usize], &mut tail[0]);
            for lane in 0..LANES {
                // Written so that a pair of equal scores is kept whole, whatever the signs of zeros.
                let (a, b) = (low[lane], high[lane]);
                low[lane] = if a < b { a } else { b };
                high[lane] = if a < b { b } else { a };
            }
        }
    }

    #[inline(always)]
    pub(super) fn min(&self) -> Lane {
        let mut least = [S::LAST; LANES];
        for row in &self.given[..self.depth] {
            for lane in 0..LANES {
                // False for NaN; an infinite score is failed, and minus infinity is below all.
                let is_less = row[lane] < least[lane] && row[lane].is_valid();
                least[lane] = if is_less { row[lane] } else { least[lane] };
            }
        }
        least.map(Into::into)
    }

    #[inline(always)]
    pub(super) fn mean(&self) -> Lane {
        let mut mean = self.sum;
        for lane in 0..LANES {
            mean[lane] /= f64::from(self.count[lane]);
        }
        mean
    }

    /// The soft minimum; no number without a score.
    #[inline(always)]
    pub(super) fn soft_min(&self, softness: f64) -> Lane {
        let (least, mut weights) = (self.min(), [0.0; LANES]);
        for row in &self.given[..self.depth] {
            for lane in 0..LANES {
                let weight = soft_weight(least[lane], row[lane].into(), softness);
                weights[lane] += if row[lane].is_valid() { weight } else { 0.0 };
            }
        }
        for lane in 0..LANES {
            weights[lane] =
                soft_min(least[lane], weights[lane], f64::from(self.count[lane]), softness);
        }
        weights
    }

    /// The standard deviation with n − 1; no number for a single score.
    #[inline(always)]
    pub(super) fn deviation(&self) -> Lane {
        let (mean, mut squares) = (self.mean(), [0.0; LANES]);
        for row in &self.given[..self.depth] {
            for lane in 0..LANES {
                let from_mean = row[lane].into() - mean[lane];
                squares[lane] += if row[lane].is_valid() { from_mean * from_mean } else { 0.0 };
            }
        }
        for lane in 0..LANES {
            squares[lane] = (squares[lane] / (f64::from(self.count[lane]) - 1.0)).sqrt();
        }
        squares
    }

    /// The quantile that `position` gives, of what `sort` has sorted.
    #[inline(always)]
    pub(super) fn quantile(&self, position: impl Fn(usize) -> (usize, usize, f64)) -> Lane {
        let mut found = [f64::NAN; LANES];
        let count = self.count[0];
        if count > 0 && self.count.iter().all(|&other| other == count) {
            let (low, high, between) = position(count as usize);
            let (low, high) = (&self.sorted[low], &self.sorted[high]);
            for lane in 0..LANES {
                let (low, high): (f64, f64) = (low[lane].into(), high[lane].into());
                found[lane] = low + (high - low) * between;
            }
            return found;
        }
        for lane in (0..LANES).filter(|&lane| self.count[lane] > 0) {
            let (low, high, between) = position(self.count[lane] as usize);
            let (low, high): (f64, f64) =
                (self.sorted[low][lane].into(), self.sorted[high][lane].into());
            found[lane] = low + (high - low) * between;
        }
        found
    }

    /// The mean of what `sort` has sorted, without as many at each end as `cut` says.
    #[inline(always)]
    pub(super) fn trimmed_mean(&self, cut: impl Fn(usize) -> usize) -> Lane {
        let mut found = [f64::NAN; LANES];
        for lane in (0..LANES).filter(|&lane| self.count[lane] > 0) {
            let count = self.count[lane] as usize;
            let cut = cut(count);
            let kept = &self.sorted[cut..count - cut];
            let sum = kept.iter().fold(0.0, |sum, row| sum + row[lane].into());
            found[lane] = sum / kept.len() as f64;
        }
        found
    }
}
