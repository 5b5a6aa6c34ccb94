use dalign_core::CoreError;
use dalign_core::bootstrap::{
    BootstrapError, Estimate, Interval, Method, Settings, difference, mean,
};
use proptest::prelude::*;

const SETTINGS: Settings =
    Settings { n_resamples: 4_000, level: 0.95, seed: 11, method: Method::Percentile };

/// The interval of an estimate that has one.
fn interval(found: Result<Estimate, BootstrapError>) -> Interval {
    found.unwrap().interval.unwrap()
}

fn close(a: f64, b: f64, by: f64) -> bool {
    (a - b).abs() <= by
}

#[test]
fn the_interval_of_a_proportion_is_the_binomial_one() {
    // 50 ones of 100: resampled means are Binomial(100, 1/2) / 100, whose 2.5 % and 97.5 %
    // quantiles are 0.40 and 0.60.
    let values: Vec<f64> = (0..100).map(|row| f64::from(row % 2)).collect();
    let clusters: Vec<u64> = (0..100).collect();
    assert!(close(mean(&values, &clusters, None, SETTINGS).unwrap().mean, 0.5, 1e-12));
    let found = interval(mean(&values, &clusters, None, SETTINGS));
    assert!(close(found.low, 0.40, 0.011) && close(found.high, 0.60, 0.011), "{found:?}");
}

#[test]
fn copies_of_a_value_in_one_cluster_add_no_certainty() {
    let values: Vec<f64> = (0..20).map(|row| f64::from(row % 2)).collect();
    let clusters: Vec<u64> = (0..20).collect();
    let one_each = interval(mean(&values, &clusters, None, SETTINGS));
    let (many, many_clusters) = (values.repeat(5), clusters.repeat(5));
    assert_eq!(interval(mean(&many, &many_clusters, None, SETTINGS)), one_each);
    let rows: Vec<u64> = (0..100).collect();
    let as_if_independent = interval(mean(&many, &rows, None, SETTINGS));
    assert!(as_if_independent.high - as_if_independent.low < one_each.high - one_each.low);
}

#[test]
fn clusters_weigh_by_their_values() {
    // The clusters' means are 0 and 1, but the mean of the values is 3/4.
    let found = mean(&[0.0, 1.0, 1.0, 1.0], &[5, 9, 9, 9], None, SETTINGS).unwrap();
    let interval = Some(Interval { low: 0.0, high: 1.0 });
    assert_eq!(found, Estimate { mean: 0.75, interval });
}

#[test]
fn an_outer_cluster_widens_the_interval() {
    // Two seeds far apart: prompts hardly vary, seeds do.
    let values: Vec<f64> =
        (0..40).map(|row| f64::from(row / 20) + f64::from(row % 2) * 0.01).collect();
    let prompts: Vec<u64> = (0..40).map(|row| row % 20).collect();
    let seeds: Vec<u64> = (0..40).map(|row| row / 20).collect();
    let outer = interval(mean(&values, &prompts, Some(&seeds), SETTINGS));
    let inner = interval(mean(&values, &prompts, None, SETTINGS));
    assert!(outer.low < 0.05 && outer.high > 0.95, "{outer:?}");
    assert!(inner.high - inner.low < 0.05, "{inner:?}");
}

#[test]
fn a_single_cluster_has_a_mean_and_no_interval() {
    let alone = Estimate { mean: 1.5, interval: None };
    assert_eq!(mean(&[1.0, 2.0], &[7, 7], None, SETTINGS).unwrap(), alone);
    assert_eq!(mean(&[1.0, 2.0], &[0, 1], Some(&[0, 0]), SETTINGS).unwrap(), alone);
}

#[test]
fn labels_have_no_meaning_beyond_equality() {
    let values = [0.0, 3.0, 1.0, 5.0];
    let found = mean(&values, &[0, 1, 1, 2], None, SETTINGS).unwrap();
    assert_eq!(mean(&values, &[77, u64::MAX, u64::MAX, 3], None, SETTINGS).unwrap(), found);
}

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let values: Vec<f64> = (0..50).map(f64::from).collect();
    let clusters: Vec<u64> = (0..50).map(|row| row / 3).collect();
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| mean(&values, &clusters, None, Settings { seed, ..SETTINGS }).unwrap())
    };
    assert_eq!(run(1, 11), run(3, 11));
    assert_ne!(run(1, 11), run(1, 12));
}

#[test]
fn a_paired_difference_leaves_out_what_both_share() {
    let a: Vec<f64> = (0..30).map(|row| f64::from(row) + f64::from(row % 2)).collect();
    let b: Vec<f64> = (0..30).map(f64::from).collect();
    let clusters: Vec<u64> = (0..30).collect();
    let paired = interval(difference(&a, &b, &clusters, None, SETTINGS));
    assert!(paired.low > 0.3 && paired.high < 0.7, "{paired:?}");
}

#[test]
fn values_and_settings_without_meaning_are_refused() {
    let ok = |values: &[f64], clusters: &[u64], settings| mean(values, clusters, None, settings);
    let kind = |found: Result<Estimate, BootstrapError>| found.unwrap_err().kind();
    assert_eq!(kind(ok(&[], &[], SETTINGS)), "no_values");
    assert_eq!(kind(ok(&[1.0, f64::NAN], &[0, 1], SETTINGS)), "not_finite");
    assert_eq!(kind(ok(&[1.0, 2.0], &[0], SETTINGS)), "length_mismatch");
    let none = Settings { n_resamples: 0, ..SETTINGS };
    assert_eq!(kind(ok(&[1.0, 2.0], &[0, 1], none)), "bad_n_resamples");
    for level in [0.0, 1.0, -0.5, f64::NAN] {
        let settings = Settings { level, ..SETTINGS };
        assert_eq!(kind(ok(&[1.0, 2.0], &[0, 1], settings)), "bad_level");
    }
    assert_eq!(kind(difference(&[1.0], &[], &[0], None, SETTINGS)), "length_mismatch");
}

proptest! {
    #[test]
    fn the_interval_lies_between_the_extreme_values(
        values in prop::collection::vec(-9.0_f64..9.0, 2..30),
        seed: u64,
    ) {
        let clusters: Vec<u64> = (0..values.len() as u64).collect();
        let settings = Settings { n_resamples: 50, level: 0.9, seed, method: Method::Percentile };
        let found = interval(mean(&values, &clusters, None, settings));
        let least = values.iter().copied().fold(f64::INFINITY, f64::min) - 1e-9;
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
        prop_assert!(least <= found.low && found.low <= found.high && found.high <= most);
    }
}

/// Values, each with the label of one of four clusters.
fn clustered() -> impl Strategy<Value = Vec<(f64, u64)>> {
    prop::collection::vec((-9.0_f64..9.0, 0_u64..4), 1..40)
}

fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Percentile, Method::Bca])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_interval_lies_within_the_means_of_the_clusters(rows in clustered(), method in methods()) {
        let settings = Settings { n_resamples: 200, level: 0.9, seed: 5, method };
        let (values, clusters): (Vec<f64>, Vec<u64>) = rows.iter().copied().unzip();
        let found = mean(&values, &clusters, None, settings).unwrap();
        prop_assert!(close(found.mean, values.iter().sum::<f64>() / values.len() as f64, 1e-9));
        let means: Vec<f64> = (0..4)
            .map(|label| rows.iter().filter(|row| row.1 == label).map(|row| row.0).collect::<Vec<_>>())
            .filter(|values| !values.is_empty())
            .map(|values| values.iter().sum::<f64>() / values.len() as f64)
            .collect();
        prop_assert_eq!(found.interval.is_none(), means.len() == 1);
        if let Some(Interval { low, high }) = found.interval {
            let least = means.iter().copied().fold(f64::INFINITY, f64::min) - 1e-9;
            let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
            prop_assert!(least <= low && low <= high && high <= most, "{low} {high} {means:?}");
        }
    }

    #[test]
    fn a_difference_is_the_mean_of_the_differences(
        rows in clustered(),
        others in prop::collection::vec(-9.0_f64..9.0, 40),
        method in methods(),
    ) {
        let settings = Settings { n_resamples: 100, level: 0.9, seed: 3, method };
        let (a, clusters): (Vec<f64>, Vec<u64>) = rows.iter().copied().unzip();
        let b = &others[..a.len()];
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let paired = difference(&a, b, &clusters, None, settings).unwrap();
        prop_assert_eq!(paired, mean(&differences, &clusters, None, settings).unwrap());
    }

    #[test]
    fn a_constant_difference_has_an_interval_without_width(
        values in prop::collection::vec(-9_i32..9, 2..30),
        shift in -5_i32..5,
        method in methods(),
    ) {
        let settings = Settings { n_resamples: 100, level: 0.95, seed: 1, method };
        let b: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let a: Vec<f64> = b.iter().map(|value| value + f64::from(shift)).collect();
        let clusters: Vec<u64> = (0..a.len() as u64).collect();
        let found = difference(&a, &b, &clusters, None, settings).unwrap();
        let shift = f64::from(shift);
        prop_assert_eq!(found, Estimate { mean: shift, interval: Some(Interval { low: shift, high: shift }) });
    }

    // Powers of two and whole numbers, so that no rounding comes in between.
    #[test]
    fn ends_move_and_stretch_as_the_values_do(
        rows in prop::collection::vec((-64_i32..64, 0_u64..6), 2..30),
        seed: u64,
    ) {
        let settings = Settings { n_resamples: 60, level: 0.9, seed, method: Method::Percentile };
        let clusters: Vec<u64> = rows.iter().map(|row| row.1).collect();
        let of = |scale: f64| {
            let values: Vec<f64> = rows.iter().map(|row| f64::from(row.0) * scale).collect();
            mean(&values, &clusters, None, settings).unwrap()
        };
        let (one, four) = (of(1.0), of(4.0));
        prop_assert_eq!(four.mean, one.mean * 4.0);
        let stretched = one.interval.map(|it| Interval { low: it.low * 4.0, high: it.high * 4.0 });
        prop_assert_eq!(four.interval, stretched);
    }
}

#[test]
fn the_ends_of_few_seeds_and_prompts_are_their_extremes() {
    // Two seeds of two prompts: one resample in 64 draws one value four times, and the tails
    // leave out less than that.
    let settings =
        Settings { n_resamples: 5_000, level: 0.98, seed: 7, method: Method::Percentile };
    let (a, b) = ([1.0, 2.0, 4.0, 8.0], [0.0; 4]);
    let found = difference(&a, &b, &[0, 1, 0, 1], Some(&[0, 0, 1, 1]), settings).unwrap();
    assert_eq!(found, Estimate { mean: 3.75, interval: Some(Interval { low: 1.0, high: 8.0 }) });
}

/// The means of all resamples of so many clusters, each given by its sum and its number of values.
fn all_means(clusters: &[(f64, f64)]) -> Vec<f64> {
    let n = clusters.len();
    let mean_of = |resample: usize| {
        let drawn = (0..n).map(|place| clusters[resample / n.pow(place as u32) % n]);
        let (total, count) = drawn.fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        total / count
    };
    (0..n.pow(n as u32)).map(mean_of).collect()
}

fn normal_share(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// The point of a normal distribution below which a share lies, by halving.
fn normal_point(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0);
    for _ in 0..60 {
        let middle = low.midpoint(high);
        if normal_share(middle) < share { low = middle } else { high = middle }
    }
    low
}

/// Below which shares of the resampled means the ends lie (Efron 1987, equation 2.3).
fn shares(means: &[f64], clusters: &[(f64, f64)], level: f64, method: Method) -> [f64; 2] {
    let tails = [(1.0 - level) / 2.0, 1.0 - (1.0 - level) / 2.0];
    if method == Method::Percentile {
        return tails;
    }
    let (total, count) = clusters.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let share = |is: fn(f64) -> bool| {
        means.iter().filter(|&&it| is(it - total / count)).count() as f64 / means.len() as f64
    };
    let bias =
        normal_point(share(|apart| apart < -1e-12) + 0.5 * share(|apart| apart.abs() <= 1e-12));
    let without: Vec<f64> = clusters.iter().map(|it| (total - it.0) / (count - it.1)).collect();
    let centre = without.iter().sum::<f64>() / without.len() as f64;
    let power = |exponent| without.iter().map(|it| (centre - it).powi(exponent)).sum::<f64>();
    let acceleration = power(3) / (6.0 * power(2).powf(1.5));
    tails.map(|tail| {
        let from = bias + normal_point(tail);
        normal_share(bias + from / (1.0 - acceleration * from))
    })
}

#[test]
fn ends_lie_where_all_resamples_together_have_them() {
    let skewed = [0.0, 0.1, 0.3, 0.9, 2.7];
    for clusters in [[0, 1, 2, 3, 4], [0, 1, 1, 2, 3], [0, 0, 0, 1, 2]] {
        let mut sums = [(0.0, 0.0); 5];
        for (&value, &cluster) in skewed.iter().zip(&clusters) {
            let sum: &mut (f64, f64) = &mut sums[cluster as usize];
            *sum = (sum.0 + value, sum.1 + 1.0);
        }
        let sums: Vec<(f64, f64)> = sums.into_iter().filter(|sum| sum.1 > 0.0).collect();
        let means = all_means(&sums);
        for (level, method) in
            [0.5, 0.8, 0.9].into_iter().flat_map(|it| [(it, Method::Percentile), (it, Method::Bca)])
        {
            let settings = Settings { n_resamples: 20_000, level, seed: 3, method };
            let found = interval(mean(&skewed, &clusters, None, settings));
            let ends = [found.low, found.high].into_iter();
            for (end, share) in ends.zip(shares(&means, &sums, level, method)) {
                let below = |by: f64| {
                    means.iter().filter(|&&it| it < end + by).count() as f64 / means.len() as f64
                };
                // Five standard errors of the share of 20,000 resamples, and what the bias adds.
                let (fewer, more) = (below(-1e-9), below(1e-9));
                assert!(
                    fewer < share + 0.02 && share - 0.02 < more,
                    "{clusters:?} {level} {method:?}: {end} lies at {fewer} to {more}, not {share}"
                );
            }
        }
    }
}
