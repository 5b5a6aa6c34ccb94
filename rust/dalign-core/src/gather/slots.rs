//! Where the rows of a plan lie in its columns, and how a column is filled.

use rayon::prelude::*;

use crate::pack::Plan;

/// A slot for each row of a plan, bin by bin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Slots {
    /// The tokens of each row in the plan's order, none more than the capacity.
    pub(super) sequence_lengths: Vec<u32>,
    /// Bin `b` has the tokens `bin_offsets[b]..bin_offsets[b + 1]`; from 0 to the number of tokens.
    pub(super) bin_offsets: Vec<u64>,
}

impl Slots {
    /// The slots of a plan of rows of these lengths, those longer than `capacity` cut to it. O(rows).
    pub(super) fn new(plan: &Plan, lengths: &[u32], capacity: u32) -> Self {
        let mut slots = Self {
            sequence_lengths: Vec::with_capacity(plan.row_order.len()),
            bin_offsets: Vec::with_capacity(plan.bin_offsets.len()),
        };
        slots.bin_offsets.push(0);
        let mut tokens = 0_u64;
        for bin in plan.bin_offsets.windows(2) {
            for &row in &plan.row_order[bin[0] as usize..bin[1] as usize] {
                let length = lengths[row as usize].min(capacity);
                slots.sequence_lengths.push(length);
                tokens += u64::from(length);
            }
            slots.bin_offsets.push(tokens);
        }
        slots
    }

    /// How many tokens there are.
    pub(super) fn tokens(&self) -> usize {
        self.bin_offsets.last().map_or(0, |&tokens| tokens as usize)
    }

    /// Lets `write` fill each row's slot of a buffer of as many values as there are tokens, in parallel
    /// over bins.
    pub(super) fn fill_into<T: Send>(
        &self,
        plan: &Plan,
        buffer: &mut [T],
        write: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let mut rest = buffer;
        let mut bins = Vec::with_capacity(plan.bin_offsets.len());
        for (tokens, rows) in self.bin_offsets.windows(2).zip(plan.bin_offsets.windows(2)) {
            let tokens = (tokens[1] - tokens[0]) as usize;
            let bin = rest.split_off_mut(..tokens).unwrap_or_default();
            bins.push((rows[0] as usize..rows[1] as usize, bin));
        }
        bins.into_par_iter().with_min_len(8).for_each(|(rows, mut bin)| {
            let lengths = &self.sequence_lengths[rows.clone()];
            for (&row, &length) in plan.row_order[rows].iter().zip(lengths) {
                let slot = bin.split_off_mut(..length as usize).unwrap_or_default();
                write(row as usize, slot);
            }
        });
    }
}
