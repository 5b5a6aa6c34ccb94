use dalign_core::pack::{OverLong, Plan, plan, plan_with};
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

#[derive(Deserialize)]
struct OverLongCase {
    name: String,
    lengths: Vec<u32>,
    capacity: u32,
    rule: String,
    bins: Option<Vec<Vec<u32>>>,
    over_long: Option<Vec<u32>>,
    error: Option<Expected>,
}

#[test]
fn every_case_of_over_long_rows_holds() {
    for case in cases::<OverLongCase>("over_long") {
        let fitted = OverLong::named(&case.rule)
            .and_then(|rule| plan_with(&case.lengths, case.capacity, rule));
        match (fitted, &case.error) {
            (Ok(fitted), None) => {
                assert_eq!(Some(bins(&fitted.plan)), case.bins, "{}", case.name);
                assert_eq!(Some(fitted.over_long), case.over_long, "{}", case.name);
            }
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

/// Best fit decreasing row by row, by looking at every open bin: the spaces left, sorted.
fn naive_spaces(lengths: &[u32], capacity: u32) -> Vec<u32> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut spaces: Vec<u32> = Vec::new();
    for length in sorted {
        match spaces.iter_mut().filter(|space| **space >= length).min() {
            Some(space) => *space -= length,
            None => spaces.push(capacity - length),
        }
    }
    spaces.sort_unstable();
    spaces
}

/// A capacity, around one word (64) and one word of words (4096) of the bitmap, and rows: of any
/// length, or of a few lengths that many rows share, so that whole groups of bins fill at once.
fn rows() -> impl Strategy<Value = (u32, Vec<u32>)> {
    prop::sample::select(vec![1_u32, 7, 63, 64, 65, 4095, 4096, 9000]).prop_flat_map(|capacity| {
        let any = prop::collection::vec(1..=capacity, 0..200);
        let few = prop::collection::vec(1..=capacity, 1..6)
            .prop_flat_map(|few| prop::collection::vec(prop::sample::select(few), 0..400));
        (Just(capacity), prop_oneof![any, few])
    })
}

proptest! {
    #[test]
    fn every_row_is_placed_once_and_bins_are_as_full_as_those_of_the_row_by_row_search(
        (capacity, lengths) in rows(),
    ) {
        let plan = plan(&lengths, capacity).unwrap();
        let mut rows = plan.row_order.clone();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..lengths.len() as u32).collect::<Vec<_>>());
        let mut spaces = Vec::new();
        for bin in bins(&plan) {
            prop_assert!(!bin.is_empty());
            let tokens = bin.iter().map(|&row| u64::from(lengths[row as usize])).sum::<u64>();
            prop_assert!(tokens <= u64::from(capacity));
            spaces.push(capacity - tokens as u32);
        }
        spaces.sort_unstable();
        prop_assert_eq!(spaces, naive_spaces(&lengths, capacity));
    }

    #[test]
    fn bins_hold_the_longest_rows_first_and_equal_rows_in_their_order((capacity, lengths) in rows()) {
        let plan = plan(&lengths, capacity).unwrap();
        for bin in bins(&plan) {
            let keys: Vec<_> = bin.iter().map(|&row| (u32::MAX - lengths[row as usize], row)).collect();
            prop_assert!(keys.is_sorted());
        }
        for length in &lengths {
            let equal = plan.row_order.iter().filter(|&&row| lengths[row as usize] == *length);
            prop_assert!(equal.is_sorted());
        }
    }
}
