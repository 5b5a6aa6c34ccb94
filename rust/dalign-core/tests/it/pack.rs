use dalign_core::pack::{Plan, plan};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    lengths: Vec<u32>,
    capacity: u32,
    bins: Option<Vec<Vec<u32>>>,
    error: Option<Expected>,
}

fn bins(plan: &Plan) -> Vec<Vec<u32>> {
    let ends = plan.bin_offsets.windows(2);
    ends.map(|ends| plan.row_order[ends[0] as usize..ends[1] as usize].to_vec()).collect()
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("plans") {
        match (plan(&case.lengths, case.capacity), &case.error) {
            (Ok(plan), None) => assert_eq!(Some(bins(&plan)), case.bins, "{}", case.name),
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

/// Best fit decreasing by looking at every open bin: the space left, then the bin last put there.
fn naive_bin_count(lengths: &[u32], capacity: u32) -> usize {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut spaces: Vec<u32> = Vec::new();
    for length in sorted {
        match spaces.iter_mut().filter(|space| **space >= length).min() {
            Some(space) => *space -= length,
            None => spaces.push(capacity - length),
        }
    }
    spaces.len()
}

proptest! {
    // Capacities around one word (64) and one word of words (4096) of the bitmap.
    #[test]
    fn every_row_is_placed_once_and_no_bin_overflows(
        (capacity, lengths) in prop::sample::select(vec![1_u32, 7, 63, 64, 65, 4095, 4096, 9000])
            .prop_flat_map(|capacity| (Just(capacity), prop::collection::vec(1..=capacity, 0..200))),
    ) {
        let plan = plan(&lengths, capacity).unwrap();
        let mut rows = plan.row_order.clone();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..lengths.len() as u32).collect::<Vec<_>>());
        for bin in bins(&plan) {
            prop_assert!(!bin.is_empty());
            prop_assert!(bin.iter().map(|&row| lengths[row as usize]).sum::<u32>() <= capacity);
        }
        prop_assert_eq!(plan.bin_offsets.len() - 1, naive_bin_count(&lengths, capacity));
    }
}
