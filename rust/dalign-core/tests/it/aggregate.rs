use dalign_core::aggregate::{Aggregate, AggregateError, Method, reduce};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    groups: Vec<Vec<Option<f64>>>,
    method: String,
    quantile: Option<f64>,
    min_valid: u32,
    expected: Option<Vec<(Option<f64>, u32)>>,
    error: Option<Expected>,
}

fn columns(groups: &[Vec<Option<f64>>]) -> (Vec<f64>, Vec<u32>) {
    let scores = groups.iter().flatten().map(|score| score.unwrap_or(f64::NAN)).collect();
    let mut offsets = vec![0];
    for group in groups {
        offsets.push(offsets[offsets.len() - 1] + group.len() as u32);
    }
    (scores, offsets)
}

fn run(case: &Case) -> Result<Vec<Aggregate>, AggregateError> {
    let (scores, offsets) = columns(&case.groups);
    reduce(&scores, &offsets, Method::named(&case.method, case.quantile)?, case.min_valid)
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("aggregates") {
        match (run(&case), &case.error) {
            (Ok(found), None) => {
                let found = found.iter().map(|row| (row.score, row.n_valid)).collect();
                assert_eq!(Some(found), case.expected, "{}", case.name);
            }
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

#[test]
fn infinite_scores_are_failed_judgements() {
    let reduced = reduce(&[1.0, f64::INFINITY], &[0, 2], Method::Mean, 1).unwrap();
    assert_eq!(reduced, [Aggregate { score: Some(1.0), n_valid: 1 }]);
}

#[test]
fn offsets_that_do_not_delimit_the_scores_are_refused() {
    for offsets in [&[][..], &[0], &[0, 3], &[1, 2], &[0, 2, 1, 2]] {
        assert!(reduce(&[1.0, 2.0], offsets, Method::Min, 1).is_err(), "{offsets:?}");
    }
}

proptest! {
    #[test]
    fn failed_judgements_change_only_the_count(
        groups in prop::collection::vec(
            prop::collection::vec(prop::option::of(-9.0_f64..9.0), 0..6), 0..20),
        share in 0.0_f64..=1.0,
    ) {
        let valid_only: Vec<Vec<Option<f64>>> = groups
            .iter()
            .map(|group| group.iter().flatten().copied().map(Some).collect())
            .collect();
        for method in [Method::Min, Method::Mean, Method::Median, Method::Quantile(share)] {
            let run = |groups: &[_]| {
                let (scores, offsets) = columns(groups);
                reduce(&scores, &offsets, method, 2).unwrap()
            };
            prop_assert_eq!(run(&groups), run(&valid_only));
        }
    }

    #[test]
    fn a_quantile_lies_between_the_extremes_and_rises_with_its_share(
        scores in prop::collection::vec(-9.0_f64..9.0, 1..9),
        (low, high) in (0.0_f64..=1.0, 0.0_f64..=1.0),
    ) {
        let offsets = [0, scores.len() as u32];
        let at = |share| {
            reduce(&scores, &offsets, Method::Quantile(share), 1).unwrap()[0].score.unwrap()
        };
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(at(0.0) <= at(low) && at(low) <= at(high) + 1e-12 && at(high) <= at(1.0));
        prop_assert_eq!(at(0.0), reduce(&scores, &offsets, Method::Min, 1).unwrap()[0].score.unwrap());
    }
}
