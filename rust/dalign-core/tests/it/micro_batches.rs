use dalign_core::CoreError;
use dalign_core::pack::{Cost, PackError, micro_batches};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    lengths: Vec<u32>,
    ranks: u32,
    capacity: u32,
    linear: f64,
    quadratic: f64,
    batches: Option<Vec<Vec<u32>>>,
    error: Option<Expected>,
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("micro_batches") {
        let plan = Cost::new(case.linear, case.quadratic)
            .and_then(|cost| micro_batches(&case.lengths, case.ranks, case.capacity, cost));
        match (plan, &case.error) {
            (Ok(plan), None) => {
                let ends = plan.bin_offsets.windows(2);
                let batches: Vec<Vec<u32>> = ends
                    .map(|ends| plan.row_order[ends[0] as usize..ends[1] as usize].to_vec())
                    .collect();
                assert_eq!(Some(batches), case.batches, "{}", case.name);
            }
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

proptest! {
    #[test]
    fn each_row_stands_once_and_no_micro_batch_is_above_the_capacity(
        lengths in prop::collection::vec(1_u32..=100, 0..200),
        ranks in 1_u32..9,
        capacity in 100_u32..400,
        quadratic in 0.0_f64..1.0,
    ) {
        let plan = micro_batches(&lengths, ranks, capacity, Cost::new(1.0, quadratic).unwrap()).unwrap();
        let mut rows = plan.row_order.clone();
        rows.sort_unstable();
        prop_assert!(rows.into_iter().eq(0..lengths.len() as u32));
        let batches = plan.bin_offsets.len() - 1;
        prop_assert_eq!(batches % ranks as usize, 0, "each rank has as many steps");
        let mut empty = 0;
        for ends in plan.bin_offsets.windows(2) {
            let rows = &plan.row_order[ends[0] as usize..ends[1] as usize];
            let tokens: u32 = rows.iter().map(|&row| lengths[row as usize]).sum();
            prop_assert!(tokens <= capacity, "{} tokens", tokens);
            empty += usize::from(rows.is_empty());
        }
        prop_assert_eq!(empty, batches.saturating_sub(lengths.len()), "empty only where there are too few rows");
    }

    #[test]
    fn costs_differ_by_no_more_than_one_row_where_all_rows_fit(
        lengths in prop::collection::vec(1_u32..=100, 64..300),
        ranks in 2_u32..9,
    ) {
        // Capacity enough for any batch: one step, and longest processing time first bounds the spread.
        let cost = Cost::new(1.0, 0.01).unwrap();
        let capacity = lengths.iter().sum();
        let plan = micro_batches(&lengths, ranks, capacity, cost).unwrap();
        let costs: Vec<f64> = plan
            .bin_offsets
            .windows(2)
            .map(|ends| {
                let rows = &plan.row_order[ends[0] as usize..ends[1] as usize];
                rows.iter().map(|&row| cost.of(lengths[row as usize])).sum()
            })
            .collect();
        let dearest = cost.of(*lengths.iter().max().unwrap());
        let spread = costs.iter().copied().fold(0.0, f64::max) - costs.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert_eq!(costs.len(), ranks as usize);
        prop_assert!(spread <= dearest + 1e-9, "{} above {}", spread, dearest);
    }
}

#[test]
fn a_cost_needs_coefficients_that_are_numbers() {
    for (linear, quadratic) in [(-1.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (0.0, 0.0)] {
        let error = Cost::new(linear, quadratic).unwrap_err();
        assert!(matches!(error, PackError::BadCost { .. }), "{error}");
        assert_eq!(error.kind(), "bad_cost");
    }
}
