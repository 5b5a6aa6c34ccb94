//! Sorting without branches: which pairs to compare, whatever the values are.

use std::sync::LazyLock;

/// The longest column that a network is kept for.
pub(super) const LONGEST: usize = 32;

static NETWORKS: LazyLock<Vec<Vec<(u8, u8)>>> =
    LazyLock::new(|| (0..=LONGEST).map(merge_exchange).collect());

/// The pairs (i, j), i < j, which sort any `n` values when each pair in turn is put in order; `n` at
/// most [`LONGEST`].
pub(super) fn network(n: usize) -> &'static [(u8, u8)] {
    &NETWORKS[n]
}

/// Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M):
/// O(n log² n) pairs, 19 for n = 8.
fn merge_exchange(n: usize) -> Vec<(u8, u8)> {
    let mut pairs = Vec::new();
    let top = n.next_power_of_two() / 2;
    let mut half = top;
    while half > 0 {
        let (mut merged, mut from, mut apart) = (top, 0, half);
        loop {
            let starts = (0..n.saturating_sub(apart)).filter(|i| i & half == from);
            pairs.extend(starts.map(|i| (i as u8, (i + apart) as u8)));
            if merged == half {
                break;
            }
            apart = merged - half;
            merged /= 2;
            from = half;
        }
        half /= 2;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, network};

    #[test]
    fn every_column_of_zeros_and_ones_is_sorted_so_that_every_column_is() {
        for n in 0..=16 {
            for bits in 0..1_u32 << n {
                let mut sorted = bits;
                for &(low, high) in network(n) {
                    if sorted >> low & 1 > sorted >> high & 1 {
                        sorted ^= 1 << low | 1 << high;
                    }
                }
                let ones = bits.count_ones();
                assert_eq!(sorted, ((1 << ones) - 1) << (n as u32 - ones), "{n} {bits:b}");
            }
        }
    }

    #[test]
    fn longer_columns_of_a_single_run_of_ones_are_sorted_too() {
        for n in 17..=LONGEST {
            for (from, to) in (0..n).flat_map(|from| (from..n).map(move |to| (from, to))) {
                let mut column: Vec<bool> = (0..n).map(|at| (from..to).contains(&at)).collect();
                for &(low, high) in network(n) {
                    if column[low as usize] && !column[high as usize] {
                        column.swap(low as usize, high as usize);
                    }
                }
                assert!(column.is_sorted(), "{n}: {from}..{to}");
            }
        }
    }

    #[test]
    fn eight_values_take_nineteen_pairs() {
        assert_eq!(network(8).len(), 19);
    }
}
