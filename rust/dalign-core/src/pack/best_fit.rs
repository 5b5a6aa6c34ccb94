//! Best fit decreasing on the histogram of lengths: bins that hold the same lengths are one group,
//! and rows of one length fall into a whole group at once, so that the number of choices depends on
//! the distinct lengths and spaces, not on the rows.
//!
//! Placed one by one, a row of length `l` goes to the least space `s ≥ l`; what it leaves, `s − l`,
//! is the least space for the next row of that length as long as it takes one. So each bin of space
//! `s` takes `⌊s / l⌋` such rows before the next bin takes any: the groups' bins end as full as
//! those of the row-by-row algorithm.

use super::Plan;
use super::spaces::Spaces;

/// No group: the end of a chain, or the parent of a group of new bins.
const NONE: u32 = u32::MAX;

/// Bins that hold the same lengths: what their parent's hold, then `copies` rows of `length`.
struct Group {
    /// The group from which the bins were taken, or [`NONE`].
    parent: u32,
    length: u32,
    /// At least 1.
    copies: u32,
    /// The first of the bins, which are consecutive and numbered in the order of their opening.
    first_bin: u32,
    /// How many bins are still of this kind; 0 once each has taken more rows.
    bins: u32,
    /// The next group with the same space left, or [`NONE`].
    below: u32,
}

/// The plan for rows of which each has 1 to `capacity` tokens; fewer than 2³² rows.
pub(super) fn plan(lengths: &[u32], capacity: usize) -> Plan {
    let counts = counts(lengths, capacity);
    let mut filling = Filling::new(capacity);
    for (length, &count) in counts.iter().enumerate().rev() {
        filling.place(length as u32, count);
    }
    filling.list(&rows_by_length(lengths, &counts), &counts)
}

/// How many rows have each length from 0 to `capacity`.
fn counts(lengths: &[u32], capacity: usize) -> Vec<u32> {
    let mut counts = vec![0; capacity + 1];
    for &length in lengths {
        counts[length as usize] += 1;
    }
    counts
}

/// Where each length's rows start among the rows sorted by length.
fn starts(counts: &[u32]) -> Vec<u32> {
    let sums = counts.iter().scan(0, |rows, count| {
        let start = *rows;
        *rows += count;
        Some(start)
    });
    sums.collect()
}

/// The rows sorted by rising length, equal lengths in row order: a counting sort.
fn rows_by_length(lengths: &[u32], counts: &[u32]) -> Vec<u32> {
    let mut next = starts(counts);
    let mut rows = vec![0; lengths.len()];
    for (row, &length) in (0_u32..).zip(lengths) {
        let place = &mut next[length as usize];
        rows[*place as usize] = row;
        *place += 1;
    }
    rows
}

/// The bins opened so far.
struct Filling {
    capacity: u32,
    groups: Vec<Group>,
    /// How many bins there are.
    bins: u32,
    /// The spaces of which a group is open.
    open: Spaces,
    /// The group that was last left with each space, or [`NONE`].
    head: Vec<u32>,
}

impl Filling {
    fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity as u32,
            groups: Vec::new(),
            bins: 0,
            open: Spaces::up_to(capacity),
            head: vec![NONE; capacity + 1],
        }
    }

    /// Places `count` rows of one length: into the least space that takes them, then the next, and
    /// at last into new bins.
    fn place(&mut self, length: u32, mut count: u32) {
        while count > 0 {
            count -= match self.open.at_least(length as usize) {
                Some(space) => self.place_in_open(space, length, count),
                None => self.place_in_new(length, count),
            };
        }
    }

    /// Places rows in the bins of one group with this space; how many rows it took.
    fn place_in_open(&mut self, space: usize, length: u32, count: u32) -> u32 {
        let parent = self.head[space];
        let group = &mut self.groups[parent as usize];
        let (copies, bins) = shares(space as u32 / length, group.bins, count);
        let first_bin = group.first_bin;
        group.first_bin += bins;
        group.bins -= bins;
        if group.bins == 0 {
            self.head[space] = group.below;
            if group.below == NONE {
                self.open.remove(space);
            }
        }
        let left = space - (copies * length) as usize;
        self.push(Group { parent, length, copies, first_bin, bins, below: NONE }, left);
        copies * bins
    }

    /// Places rows in new bins, all of which they fill alike; how many rows it took.
    fn place_in_new(&mut self, length: u32, count: u32) -> u32 {
        let (copies, bins) = shares(self.capacity / length, u32::MAX, count);
        let (first_bin, left) = (self.bins, self.capacity - copies * length);
        self.bins += bins;
        let group = Group { parent: NONE, length, copies, first_bin, bins, below: NONE };
        self.push(group, left as usize);
        copies * bins
    }

    /// Opens a group for what its bins have left.
    fn push(&mut self, mut group: Group, space: usize) {
        if space > 0 {
            group.below = self.head[space];
            self.head[space] = self.groups.len() as u32;
            self.open.insert(space);
        }
        self.groups.push(group);
    }

    /// The rows of each bin, bin by bin: rows of one length are dealt out in their order.
    fn list(&self, rows: &[u32], counts: &[u32]) -> Plan {
        let mut last_group = vec![NONE; self.bins as usize];
        for (index, group) in (0_u32..).zip(&self.groups).filter(|(_, group)| group.bins > 0) {
            last_group[group.first_bin as usize] = index;
        }
        let mut next = starts(counts);
        let mut plan = Plan {
            row_order: Vec::with_capacity(rows.len()),
            bin_offsets: Vec::with_capacity(self.bins as usize + 1),
        };
        plan.bin_offsets.push(0);
        let mut held = Vec::new();
        while let Some(&last) = last_group.get(plan.bin_offsets.len() - 1) {
            self.held(last, &mut held);
            for _ in 0..self.groups[last as usize].bins {
                for &(length, copies) in &held {
                    let start = &mut next[length as usize];
                    let end = *start + copies;
                    plan.row_order.extend_from_slice(&rows[*start as usize..end as usize]);
                    *start = end;
                }
                plan.bin_offsets.push(plan.row_order.len() as u32);
            }
        }
        plan
    }

    /// What a bin of this group holds, longest first: lengths, and how many rows of each.
    fn held(&self, mut group: u32, held: &mut Vec<(u32, u32)>) {
        held.clear();
        while group != NONE {
            let Group { parent, length, copies, .. } = self.groups[group as usize];
            held.push((length, copies));
            group = parent;
        }
        held.reverse();
    }
}

/// How many rows each bin takes and how many bins take them, of `bins` bins with room for `room`
/// rows each: as many full bins as there are, else one with the last rows.
fn shares(room: u32, bins: u32, count: u32) -> (u32, u32) {
    match count / room {
        0 => (count, 1),
        full => (room, full.min(bins)),
    }
}
