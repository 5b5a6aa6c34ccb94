use dalign_core::CoreError;
use dalign_core::bootstrap::{Estimate, Method, Settings, exact_groups, groups, mean};
use proptest::prelude::*;

const SETTINGS: Settings =
    Settings { n_resamples: 4_000, level: 0.95, seed: 3, method: Method::Percentile };

fn ends(found: &Estimate) -> (f64, f64) {
    let interval = found.interval.unwrap();
    (interval.low, interval.high)
}

#[test]
fn resampled_ends_come_near_the_exact_ones() {
    // Sizes below, at and above a random number's draws, odd and even, around the table of pairs' ends.
    for size in [2_u64, 3, 7, 8, 9, 41, 99, 100, 101, 106, 159, 160, 161, 300] {
        let values: Vec<f64> = (0..size).map(|row| (row * row % 11) as f64).collect();
        let exact = ends(&exact_groups(&values, &[0, size], 0.95).unwrap()[0]);
        let drawn = ends(&groups(&values, &[0, size], SETTINGS).unwrap()[0]);
        // An end moves by some percent of a standard error from one set of resamples to the next.
        let step = 4.0 / (size as f64).sqrt() * 0.12 + 1.0 / size as f64;
        assert!((exact.0 - drawn.0).abs() <= step, "{size}: {exact:?} {drawn:?}");
        assert!((exact.1 - drawn.1).abs() <= step, "{size}: {exact:?} {drawn:?}");
    }
}

#[test]
fn ends_of_a_proportion_are_the_binomial_ones() {
    // 50 ones of 100: Binomial(100, 1/2) / 100, whose 2.5 % and 97.5 % quantiles are 0.40 and 0.60.
    let values: Vec<f64> = (0..100).map(|row| f64::from(row % 2)).collect();
    assert_eq!(ends(&exact_groups(&values, &[0, 100], 0.95).unwrap()[0]), (0.40, 0.60));
}

#[test]
fn equal_groups_draw_from_streams_of_their_own() {
    let values: Vec<f64> = (0..40).map(|row| f64::from(row % 20) * 1.37).collect();
    let found = groups(&values, &[0, 20, 40], SETTINGS).unwrap();
    assert_eq!(found[0].mean, found[1].mean);
    assert_ne!(found[0].interval, found[1].interval);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let values: Vec<f64> = (0..900).map(|row| f64::from(row * 7 % 31)).collect();
    let offsets: Vec<u64> = (0..=30).map(|group| group * 30).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| groups(&values, &offsets, SETTINGS).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn the_corrected_interval_of_skewed_values_lies_further_up() {
    let values: Vec<f64> = (0..60).map(|row| f64::from(row % 12).powi(4)).collect();
    let settings = Settings { n_resamples: 20_000, ..SETTINGS };
    let plain = ends(&groups(&values, &[0, 60], settings).unwrap()[0]);
    let corrected = Settings { method: Method::Bca, ..settings };
    let corrected = ends(&groups(&values, &[0, 60], corrected).unwrap()[0]);
    assert!(corrected.0 > plain.0 && corrected.1 > plain.1, "{plain:?} {corrected:?}");
}

#[test]
fn values_that_are_all_equal_have_an_interval_without_width() {
    for method in [Method::Percentile, Method::Bca] {
        let settings = Settings { method, ..SETTINGS };
        let found = groups(&[2.0, 2.0, 2.0], &[0, 3], settings).unwrap();
        assert_eq!(ends(&found[0]), (2.0, 2.0));
        let clustered = mean(&[2.0, 2.0, 2.0], &[1, 2, 3], None, settings).unwrap();
        assert_eq!(ends(&clustered), (2.0, 2.0));
    }
}

#[test]
fn one_value_has_no_interval() {
    let found = groups(&[2.0, 3.0, 4.0], &[0, 1, 3], SETTINGS).unwrap();
    assert_eq!((found[0].mean, found[0].interval), (2.0, None));
    assert_eq!(exact_groups(&[2.0], &[0, 1], 0.9).unwrap()[0].interval, None);
}

#[test]
fn what_has_no_interval_is_named() {
    let kind = |error: dalign_core::bootstrap::BootstrapError| (error.kind(), error.row());
    assert_eq!(kind(groups(&[1.0], &[0, 0, 1], SETTINGS).unwrap_err()), ("empty_group", Some(0)));
    assert_eq!(
        kind(groups(&[1.0, f64::NAN], &[0, 2], SETTINGS).unwrap_err()),
        ("not_finite", Some(1))
    );
    assert_eq!(kind(groups(&[1.0], &[0, 2], SETTINGS).unwrap_err()).0, "bad_offsets");
    assert_eq!(kind(exact_groups(&[1.0, 0.5], &[0, 2], 0.9).unwrap_err()), ("not_whole", Some(1)));
    assert_eq!(
        kind(exact_groups(&[0.0, 900.0], &[0, 2], 0.9).unwrap_err()),
        ("too_many_levels", Some(0))
    );
    assert_eq!(kind(exact_groups(&[0.0], &[0, 1], 1.0).unwrap_err()).0, "bad_level");
}

/// Every resample of some values in turn.
fn all_means(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut means: Vec<f64> = (0..n.pow(n as u32))
        .map(|resample| {
            let drawn = (0..n).map(|place| values[resample / n.pow(place as u32) % n]);
            drawn.sum::<f64>() / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    means
}

proptest! {
    #[test]
    fn exact_ends_are_those_of_every_resample(
        scores in prop::collection::vec(0_u8..6, 2..6),
        level in 0.05_f64..0.99,
    ) {
        let values: Vec<f64> = scores.into_iter().map(f64::from).collect();
        let found = ends(&exact_groups(&values, &[0, values.len() as u64], level).unwrap()[0]);
        let means = all_means(&values);
        let tail = (1.0 - level) / 2.0;
        let end = |share: f64| {
            let at = (share * means.len() as f64 - 1e-7).ceil().max(1.0);
            means[at as usize - 1]
        };
        prop_assert!((found.0 - end(tail)).abs() < 1e-9, "{} {}", found.0, end(tail));
        prop_assert!((found.1 - end(1.0 - tail)).abs() < 1e-9, "{} {}", found.1, end(1.0 - tail));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_group_has_its_interval_whatever_stands_after_it(
        sizes in prop::collection::vec(1_usize..9, 0..5),
        scores in prop::collection::vec(0_u8..6, 50),
        method in prop::sample::select(vec![Method::Percentile, Method::Bca]),
    ) {
        let settings = Settings { n_resamples: 100, level: 0.9, seed: 11, method };
        let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
        let mut offsets = vec![0_u64];
        for size in sizes {
            offsets.push(offsets[offsets.len() - 1] + size as u64);
        }
        let count = offsets[offsets.len() - 1] as usize;
        let alone = groups(&scores[..count], &offsets, settings).unwrap();
        let exact = exact_groups(&scores[..count], &offsets, 0.9).unwrap();
        offsets.push(offsets[offsets.len() - 1] + 2);
        let more = groups(&scores[..count + 2], &offsets, settings).unwrap();
        prop_assert_eq!(&more[..alone.len()], &alone[..]);
        for ((drawn, exact), delimits) in alone.iter().zip(&exact).zip(offsets.windows(2)) {
            let group = &scores[delimits[0] as usize..delimits[1] as usize];
            prop_assert_eq!((drawn.interval.is_none(), exact.interval.is_none()), (group.len() == 1, group.len() == 1));
            prop_assert!((drawn.mean - exact.mean).abs() < 1e-12);
            let least = group.iter().copied().fold(f64::INFINITY, f64::min) - 1e-9;
            let most = group.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
            for (low, high) in [drawn, exact].iter().filter(|it| it.interval.is_some()).map(|it| ends(it)) {
                prop_assert!(least <= low && low <= high && high <= most);
            }
        }
    }
}
