use dalign_core::CoreError;
use dalign_core::aggregate::{Aggregate, AggregateError, Method, reduce, reduce_into};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    groups: Vec<Vec<Option<f64>>>,
    method: String,
    parameter: Option<f64>,
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
    reduce(&scores, &offsets, Method::named(&case.method, case.parameter)?, case.min_valid)
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
fn completions_in_even_blocks_are_reduced_as_each_alone() {
    let methods = [
        Method::Min,
        Method::Mean,
        Method::Median,
        Method::Quantile(0.3),
        Method::TrimmedMean(0.2),
        Method::LowerBound(0.9),
        Method::SoftMin(0.7),
        Method::Deviation,
    ];
    for k in [4_usize, 8, 16] {
        let mut scores: Vec<f64> =
            (0..200 * k).map(|at| ((at * 7_919) % 97) as f64 / 8.0).collect();
        // The second of three whole blocks of 64 has failed judgements.
        (scores[70 * k], scores[71 * k + 1]) = (f64::NAN, f64::INFINITY);
        let offsets: Vec<u32> = (0..=200).map(|row| row * k as u32).collect();
        for (method, min_valid) in methods.iter().flat_map(|&it| [(it, 1), (it, k as u32)]) {
            let found = reduce(&scores, &offsets, method, min_valid).unwrap();
            for (row, group) in scores.chunks(k).enumerate() {
                let alone = reduce(group, &[0, k as u32], method, min_valid).unwrap();
                assert_eq!(found[row], alone[0], "{method:?} of {k}, row {row}");
            }
        }
    }
}

/// Student's t at 0.95 for 1 to 3 degrees of freedom, from the printed tables.
const T_95: [f64; 3] = [6.313_752, 2.919_986, 2.353_363];

#[test]
fn a_lower_bound_is_the_mean_less_t_standard_errors() {
    // Means 5, 5, 5; squared deviations 2, 8, 20 over 1, 2, 3.
    let groups = [&[4.0, 6.0][..], &[3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0]];
    for ((group, t), squares) in groups.iter().zip(T_95).zip([2.0_f64, 8.0, 20.0]) {
        let n = group.len() as f64;
        let offsets = [0, group.len() as u32];
        let found = reduce(group, &offsets, Method::LowerBound(0.95), 1).unwrap()[0].score.unwrap();
        let wanted = 5.0 - t * (squares / (n - 1.0)).sqrt() / n.sqrt();
        assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    }
}

#[test]
fn what_no_method_can_do_is_refused() {
    for (name, parameter, kind, value) in [
        ("quantile", Some(1.5), "bad_quantile", Some(1.5)),
        ("trimmed_mean", Some(0.5), "bad_trim", Some(0.5)),
        ("lower_bound", Some(1.0), "bad_level", Some(1.0)),
        ("min", Some(0.5), "unknown_method", None),
        ("mode", None, "unknown_method", None),
    ] {
        let error = Method::named(name, parameter).unwrap_err();
        assert_eq!((error.kind(), error.value()), (kind, value), "{name}");
    }
    assert_eq!(Method::named("quantile", Some(f64::NAN)).unwrap_err().kind(), "bad_quantile");
    let error = reduce(&[1.0], &[0, 1], Method::Min, 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.value(), error.limit()),
        ("bad_min_valid", Some(0.0), Some(1.0))
    );
}

#[test]
fn columns_of_another_length_than_the_completions_are_refused() {
    let (mut one, mut two) = ([0.0], [0; 2]);
    let error = reduce_into(&[1.0, 2.0], &[0, 1, 2], Method::Min, 1, &mut one, &mut two);
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.value(), error.limit()),
        ("length_mismatch", Some(1.0), Some(2.0))
    );
    let (mut score, mut short) = ([0.0; 2], [0]);
    let error = reduce_into(&[1.0, 2.0], &[0, 1, 2], Method::Min, 1, &mut score, &mut short);
    assert_eq!(error.unwrap_err().kind(), "length_mismatch");
}

#[test]
fn offsets_that_do_not_delimit_the_scores_are_refused() {
    for offsets in [&[][..], &[0], &[0, 3], &[1, 2], &[0, 2, 1, 2]] {
        assert!(reduce(&[1.0, 2.0], offsets, Method::Min, 1).is_err(), "{offsets:?}");
    }
}

/// What a method makes of one completion's valid scores, written out.
fn plain(scores: &[f64], method: Method) -> f64 {
    let mut valid: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    let n = valid.len() as f64;
    let mean = |values: &[f64]| values.iter().fold(0.0, |sum, it| sum + it) / values.len() as f64;
    let whole = mean(&valid);
    let squares = valid.iter().fold(0.0, |sum, score| sum + (score - whole) * (score - whole));
    valid.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let at = share * (n - 1.0);
        let (low, high) = (valid[at.floor() as usize], valid[at.ceil() as usize]);
        low + (high - low) * (at - at.floor())
    };
    match method {
        Method::Min => valid[0],
        Method::Mean => whole,
        Method::Median => at(0.5),
        Method::Quantile(share) => at(share),
        Method::TrimmedMean(share) => {
            let cut = (share * n).floor() as usize;
            mean(&valid[cut..valid.len() - cut])
        }
        Method::LowerBound(_) => panic!("see the test of printed tables"),
        Method::SoftMin(softness) => {
            let weights: Vec<f64> = valid.iter().map(|score| (-score / softness).exp()).collect();
            -softness * mean(&weights).ln()
        }
        Method::Deviation => (squares / (n - 1.0)).sqrt(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Groups on both sides of the 32 judgements that are sorted side by side, and blocks of 32.
    #[test]
    fn each_method_is_its_written_out_formula_in_both_widths(
        groups in prop::collection::vec(
            prop::collection::vec(prop::option::weighted(0.9, -9.0_f32..9.0), 0..40), 0..50),
        share in 0.0_f64..=1.0,
        k in prop::option::of(0_usize..20),
        min_valid in 1_u32..4,
    ) {
        let groups: Vec<Vec<Option<f64>>> = groups
            .into_iter()
            .map(|group| {
                // Even groups too: cut or filled up to the same length.
                let length = k.unwrap_or(group.len());
                let filled = group.into_iter().chain(std::iter::repeat(None));
                filled.take(length).map(|score| score.map(f64::from)).collect()
            })
            .collect();
        let (scores, offsets) = columns(&groups);
        let singles: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
        for method in [
            Method::Min,
            Method::Mean,
            Method::Median,
            Method::Quantile(share),
            Method::TrimmedMean(share / 2.1),
            Method::Deviation,
        ] {
            let found = reduce(&scores, &offsets, method, min_valid).unwrap();
            prop_assert_eq!(&found, &reduce(&singles, &offsets, method, min_valid).unwrap());
            for (row, ends) in offsets.windows(2).enumerate() {
                let group = &scores[ends[0] as usize..ends[1] as usize];
                let n_valid = group.iter().filter(|score| score.is_finite()).count() as u32;
                prop_assert_eq!(found[row].n_valid, n_valid);
                let least = if method == Method::Deviation { min_valid.max(2) } else { min_valid };
                prop_assert_eq!(found[row].score.is_some(), n_valid >= least);
                if let Some(score) = found[row].score {
                    // Zero has two signs.
                    prop_assert!(score == plain(group, method), "{method:?} {score}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn each_method_is_between_the_extremes_and_a_bound_below_the_mean(
        scores in prop::collection::vec(-9.0_f64..9.0, 2..70),
        (share, level) in (0.0_f64..0.5, 0.5_f64..0.999),
    ) {
        let offsets = [0, scores.len() as u32];
        let at = |method| reduce(&scores, &offsets, method, 1).unwrap()[0].score.unwrap();
        let (least, mean) = (at(Method::Min), at(Method::Mean));
        let trimmed = at(Method::TrimmedMean(share));
        prop_assert!(least <= trimmed + 1e-12 && trimmed <= at(Method::Quantile(1.0)) + 1e-12);
        prop_assert!((at(Method::TrimmedMean(0.0)) - mean).abs() < 1e-12);
        prop_assert!(at(Method::LowerBound(level)) <= mean + 1e-12);
    }

    #[test]
    fn a_soft_minimum_is_its_formula_and_rises_with_each_score_and_its_softness(
        scores in prop::collection::vec(-9.0_f64..9.0, 1..70),
        softness in 0.1_f64..20.0,
        (which, more) in (any::<prop::sample::Index>(), 0.0_f64..3.0),
    ) {
        let of = |scores: &[f64], softness| {
            let offsets = [0, scores.len() as u32];
            reduce(scores, &offsets, Method::SoftMin(softness), 1).unwrap()[0].score.unwrap()
        };
        let found = of(&scores, softness);
        prop_assert!((found - plain(&scores, Method::SoftMin(softness))).abs() < 1e-9);
        let (least, mean) = (plain(&scores, Method::Min), plain(&scores, Method::Mean));
        prop_assert!(least - 1e-9 <= found && found <= mean + 1e-9);
        prop_assert!(of(&scores, softness * 1.5) >= found - 1e-9);
        let mut higher = scores.clone();
        higher[which.index(scores.len())] += more;
        prop_assert!(of(&higher, softness) >= found - 1e-9);
    }

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
        let methods = [
            Method::Min,
            Method::Mean,
            Method::Median,
            Method::Quantile(share),
            Method::TrimmedMean(share / 2.1),
            Method::LowerBound(0.9),
            Method::SoftMin(0.7),
            Method::Deviation,
        ];
        for method in methods {
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
