//! Rows of a training step dealt to ranks: as many micro-batches on each, none above the capacity, all
//! of about the same work.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{PackError, Plan, check_lengths};
use crate::error::indexable;

/// What a row of T tokens costs: linear · T + quadratic · T², in FLOPs or any other unit.
///
/// ```
/// use dalign_core::pack::Cost;
///
/// // Two rows of 4 tokens cost less than one of 8.
/// let cost = Cost::transformer(1e6, 2, 128)?;
/// assert!(2.0 * cost.of(4) < cost.of(8));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// The cost of a token for itself: weights.
    linear: f64,
    /// The cost of a pair of tokens: attention.
    quadratic: f64,
}

impl Cost {
    /// A cost with these coefficients.
    ///
    /// # Errors
    ///
    /// [`PackError::BadCost`] unless both are finite, none is negative and one is above 0.
    ///
    /// ```
    /// use dalign_core::pack::Cost;
    ///
    /// assert_eq!(Cost::new(2.0, 0.5)?.of(4), 16.0);
    /// assert!(Cost::new(0.0, 0.0).is_err());
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    pub fn new(linear: f64, quadratic: f64) -> Result<Self, PackError> {
        let is_cost = |value: f64| value.is_finite() && value >= 0.0;
        if is_cost(linear) && is_cost(quadratic) && linear + quadratic > 0.0 {
            Ok(Self { linear, quadratic })
        } else {
            Err(PackError::BadCost { linear, quadratic })
        }
    }

    /// The FLOPs of a step, forward and backward, of a dense causal transformer with so many
    /// parameters: 6 · parameters a token, and 6 · layers · width a pair of tokens, half of the full
    /// attention's 12 (Chowdhery et al. 2022, appendix B).
    ///
    /// # Errors
    ///
    /// [`PackError::BadCost`] without parameters.
    ///
    /// ```
    /// use dalign_core::pack::Cost;
    ///
    /// let cost = Cost::transformer(7e9, 32, 4096)?;
    /// assert_eq!(cost.of(1), 42e9 + 6.0 * 32.0 * 4096.0);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    pub fn transformer(parameters: f64, layers: u32, width: u32) -> Result<Self, PackError> {
        Self::new(6.0 * parameters, 6.0 * f64::from(layers) * f64::from(width))
    }

    /// The cost of a row of so many tokens.
    ///
    /// ```
    /// # use dalign_core::pack::Cost;
    /// assert_eq!(Cost::new(0.0, 1.0)?.of(3), 9.0);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn of(&self, length: u32) -> f64 {
        let length = f64::from(length);
        (self.linear + self.quadratic * length) * length
    }
}

/// Deals rows to micro-batches of at most `capacity` tokens, the same number of them for each rank.
///
/// Returns a plan whose bins are the micro-batches, step by step: bin s · ranks + r is the one that rank r takes
/// in step s. Those of one step cost about the same, and so do all of one rank. The number of steps is the
/// least at which the rows fit, so no micro-batch is empty unless there are fewer rows than that takes.
///
/// The rows are taken by falling cost, each to the micro-batch of the least cost that still has room (longest
/// processing time first; Graham 1969). Costs are then sorted and dealt step by step, the dearest of a step
/// to the rank that has the least so far. O(rows · log rows), and O(rows · bins) at worst.
///
/// # Errors
///
/// [`PackError::NoRanks`] for 0 ranks, and those of [`plan`](super::plan).
///
/// ```
/// use dalign_core::pack::{Cost, micro_batches};
///
/// let cost = Cost::new(1.0, 0.0)?;
/// let plan = micro_batches(&[8, 5, 4, 3, 2, 2], 2, 8, cost)?;
/// // Two steps of two ranks, and no micro-batch above 8 tokens.
/// assert_eq!(plan.bin_offsets.len() - 1, 4);
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
pub fn micro_batches(
    lengths: &[u32],
    ranks: u32,
    capacity: u32,
    cost: Cost,
) -> Result<Plan, PackError> {
    if ranks == 0 {
        return Err(PackError::NoRanks);
    }
    indexable("lengths", lengths.len())?;
    let total = check_lengths(lengths, capacity)?;
    if lengths.is_empty() {
        return Ok(Plan { row_order: Vec::new(), bin_offsets: vec![0] });
    }
    let ranks = ranks as usize;
    let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
    // A cost rises with the length, so lengths sort as costs do.
    order.sort_by_key(|&row| Reverse(lengths[row as usize]));
    let mut steps = total.div_ceil(u64::from(capacity)).div_ceil(ranks as u64).max(1) as usize;
    let batches = loop {
        if let Some(batches) = deal(&order, lengths, steps * ranks, capacity, cost) {
            break batches;
        }
        steps += 1;
    };
    Ok(by_step(batches, ranks))
}

/// Rows that are computed together.
struct Batch {
    rows: Vec<u32>,
    tokens: u64,
    cost: f64,
}

/// A batch's place among those to be filled next: the cheapest first, and the first of equals.
#[derive(PartialEq)]
struct Next(f64, usize);

impl Eq for Next {}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The rows in so many batches; none where one finds no room.
fn deal(
    order: &[u32],
    lengths: &[u32],
    count: usize,
    capacity: u32,
    cost: Cost,
) -> Option<Vec<Batch>> {
    let empty = || Batch { rows: Vec::new(), tokens: 0, cost: 0.0 };
    let mut batches: Vec<Batch> = std::iter::repeat_with(empty).take(count).collect();
    let mut next: BinaryHeap<Next> = (0..count).map(|batch| Next(0.0, batch)).collect();
    let mut without_room = Vec::new();
    for &row in order {
        let length = lengths[row as usize];
        let fits = |batch: &Batch| batch.tokens + u64::from(length) <= u64::from(capacity);
        while !fits(&batches[next.peek()?.1]) {
            without_room.extend(next.pop());
        }
        let Next(_, place) = next.pop()?;
        let batch = &mut batches[place];
        batch.rows.push(row);
        batch.tokens += u64::from(length);
        batch.cost += cost.of(length);
        next.push(Next(batch.cost, place));
        // Shorter rows may fit where this one did not.
        next.extend(without_room.drain(..));
    }
    Some(batches)
}

/// The batches as bins, those of about the same cost in one step.
fn by_step(mut batches: Vec<Batch>, ranks: usize) -> Plan {
    batches.sort_by(|a, b| b.cost.total_cmp(&a.cost));
    let mut spent = vec![0.0_f64; ranks];
    let mut plan = Plan { row_order: Vec::new(), bin_offsets: vec![0] };
    for step in batches.chunks(ranks) {
        let mut by_spending: Vec<usize> = (0..ranks).collect();
        by_spending.sort_by(|&a, &b| spent[a].total_cmp(&spent[b]));
        let mut of_rank: Vec<usize> = vec![0; ranks];
        for (batch, rank) in by_spending.into_iter().enumerate() {
            of_rank[rank] = batch;
            spent[rank] += step[batch].cost;
        }
        for batch in of_rank {
            plan.row_order.extend(&step[batch].rows);
            plan.bin_offsets.push(plan.row_order.len() as u32);
        }
    }
    plan
}
