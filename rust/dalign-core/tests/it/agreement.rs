use dalign_core::CoreError;
use dalign_core::agreement::{Scale, krippendorff_alpha, split_half};
use proptest::prelude::*;

const NONE: f64 = f64::NAN;

/// Four observers of twelve units, the example of Krippendorff 2011, section C, one unit a line.
const PUBLISHED: [[f64; 4]; 12] = [
    [1.0, 1.0, NONE, 1.0],
    [2.0, 2.0, 3.0, 2.0],
    [3.0, 3.0, 3.0, 3.0],
    [3.0, 3.0, 3.0, 3.0],
    [2.0, 2.0, 2.0, 2.0],
    [1.0, 2.0, 3.0, 4.0],
    [4.0, 4.0, 4.0, 4.0],
    [1.0, 1.0, 2.0, 1.0],
    [2.0, 2.0, 2.0, 2.0],
    [NONE, 5.0, 5.0, 5.0],
    [NONE, NONE, 1.0, 1.0],
    [NONE, NONE, 3.0, NONE],
];

#[test]
fn alpha_of_the_published_example_is_the_published_one() {
    let scores = PUBLISHED.concat();
    let offsets: Vec<u64> = (0..=12).map(|unit| unit * 4).collect();
    for (scale, alpha) in
        [(Scale::Nominal, 0.743), (Scale::Ordinal, 0.815), (Scale::Interval, 0.849)]
    {
        let found = krippendorff_alpha(&scores, &offsets, scale).unwrap().unwrap();
        assert!((found - alpha).abs() < 0.0006, "{scale:?}: {found}");
    }
}

/// Alpha by its definition: the mean distance within units over that of all pairs.
fn naive_alpha(units: &[Vec<f64>]) -> Option<f64> {
    let units: Vec<&Vec<f64>> = units.iter().filter(|unit| unit.len() > 1).collect();
    let all: Vec<f64> = units.iter().copied().flatten().copied().collect();
    let distance = |scores: &[f64]| {
        let pairs = scores.iter().flat_map(|a| scores.iter().map(move |b| (a - b) * (a - b)));
        pairs.sum::<f64>() / (scores.len() as f64 - 1.0)
    };
    let observed: f64 = units.iter().map(|unit| distance(unit)).sum();
    let expected = distance(&all);
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

proptest! {
    #[test]
    fn alpha_is_that_of_its_definition(
        units in prop::collection::vec(prop::collection::vec(0_i8..5, 0..6), 1..12),
    ) {
        let units: Vec<Vec<f64>> =
            units.iter().map(|unit| unit.iter().map(|&score| f64::from(score)).collect()).collect();
        let mut offsets = vec![0_u64];
        offsets.extend(units.iter().scan(0, |end, unit| { *end += unit.len() as u64; Some(*end) }));
        let found = krippendorff_alpha(&units.concat(), &offsets, Scale::Interval).unwrap();
        match (found, naive_alpha(&units)) {
            (Some(found), Some(naive)) => prop_assert!((found - naive).abs() < 1e-9, "{} {}", found, naive),
            (found, naive) => prop_assert_eq!(found, naive),
        }
    }

    #[test]
    fn on_a_nominal_scale_names_do_not_matter(
        scores in prop::collection::vec(0_u8..4, 12),
    ) {
        let offsets = [0, 3, 6, 9, 12];
        let alpha = |rename: fn(u8) -> f64| {
            let scores: Vec<f64> = scores.iter().map(|&score| rename(score)).collect();
            krippendorff_alpha(&scores, &offsets, Scale::Nominal).unwrap()
        };
        prop_assert_eq!(alpha(f64::from), alpha(|score| f64::from(7 - score) * 100.0));
    }
}

#[test]
fn halves_that_know_nothing_of_each_other_are_not_reliable() {
    // Scores that nothing connects: the mixing of SplitMix64.
    let mixed = |row: u64| {
        let bits = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 57) as f64
    };
    let scores: Vec<f64> = (0..400).map(mixed).collect();
    let offsets: Vec<u64> = (0..=50).map(|unit| unit * 8).collect();
    let unreliable = split_half(&scores, &offsets, 200, 1).unwrap().unwrap();
    assert!(unreliable.abs() < 0.5, "{unreliable}");
    let reliable: Vec<f64> =
        (0..400).map(|row| f64::from(row / 8) + f64::from(row % 3) * 0.1).collect();
    assert!(split_half(&reliable, &offsets, 200, 1).unwrap().unwrap() > 0.99);
}

#[test]
fn the_same_seed_gives_the_same_reliability_on_any_number_of_threads() {
    let scores: Vec<f64> = (0..90).map(|row| f64::from(row * 37 % 11)).collect();
    let offsets: Vec<u64> = (0..=18).map(|unit| unit * 5).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| split_half(&scores, &offsets, 50, 9).unwrap())
    };
    assert_eq!(with(1), with(3));
    assert_ne!(
        split_half(&scores, &offsets, 50, 9).unwrap(),
        split_half(&scores, &offsets, 50, 10).unwrap()
    );
}

#[test]
fn what_cannot_be_compared_has_no_agreement() {
    assert_eq!(krippendorff_alpha(&[], &[0], Scale::Ordinal).unwrap(), None);
    assert_eq!(krippendorff_alpha(&[1.0, 2.0], &[0, 1, 2], Scale::Interval).unwrap(), None);
    assert_eq!(split_half(&[1.0, 2.0], &[0, 2], 10, 1).unwrap(), None, "one completion");
    assert_eq!(split_half(&[1.0; 6], &[0, 2, 4, 6], 10, 1).unwrap(), None, "nothing varies");
    assert_eq!(split_half(&[1.0], &[0, 1], 0, 1).unwrap_err().kind(), "bad_splits");
    assert_eq!(
        krippendorff_alpha(&[1.0], &[0, 2], Scale::Nominal).unwrap_err().kind(),
        "bad_offsets"
    );
    assert_eq!(Scale::named("ratio").unwrap_err().kind(), "unknown_scale");
}

#[test]
fn failed_judgements_take_no_part() {
    let scores = [3.0, 3.0, NONE, 7.0, NONE, 7.0];
    for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval] {
        assert_eq!(krippendorff_alpha(&scores, &[0, 3, 6], scale).unwrap(), Some(1.0));
    }
    let reliability = split_half(&scores, &[0, 3, 6], 20, 1).unwrap().unwrap();
    assert!((reliability - 1.0).abs() < 1e-12, "{reliability}");
}

/// Units of two to five scores each.
fn units() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0_u8..6, 2..6), 0..9)
}

fn flat(units: &[Vec<u8>], score: impl Fn(u8) -> f64) -> (Vec<f64>, Vec<u64>) {
    let mut offsets = vec![0];
    for unit in units {
        offsets.push(offsets[offsets.len() - 1] + unit.len() as u64);
    }
    (units.iter().flatten().copied().map(score).collect(), offsets)
}

proptest! {
    #[test]
    fn on_an_ordinal_scale_only_the_order_matters_and_on_an_interval_scale_no_unit_does(units in units()) {
        let alpha = |scale, score: fn(u8) -> f64| {
            let (scores, offsets) = flat(&units, score);
            krippendorff_alpha(&scores, &offsets, scale).unwrap()
        };
        let same = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a == b,
        };
        prop_assert!(same(alpha(Scale::Ordinal, f64::from), alpha(Scale::Ordinal, |score| f64::from(score).exp())));
        prop_assert!(same(alpha(Scale::Interval, f64::from), alpha(Scale::Interval, |score| 32.0 - 4.0 * f64::from(score))));
    }

    #[test]
    fn reliability_is_at_most_one_and_one_where_judgements_are_equal(units in units(), seed: u64) {
        let (scores, offsets) = flat(&units, f64::from);
        let found = split_half(&scores, &offsets, 5, seed).unwrap();
        prop_assert!(found.is_none_or(|found| found <= 1.0 + 1e-9));
        let alike: Vec<Vec<u8>> = units.iter().map(|unit| vec![unit[0]; unit.len()]).collect();
        let (scores, offsets) = flat(&alike, f64::from);
        let varies = alike.iter().any(|unit| unit[0] != alike[0][0]);
        let found = split_half(&scores, &offsets, 5, seed).unwrap();
        prop_assert_eq!(found.is_some(), varies);
        prop_assert!(found.is_none_or(|found| (found - 1.0).abs() < 1e-9));
    }
}

#[test]
fn reliability_knows_no_unit() {
    let scores = [1.0, 2.0, 3.0, 2.0, 5.0, 6.0, 5.0, 7.0, 9.0, 8.0, 9.0, 7.0];
    let of = |size: f64| split_half(&scores.map(|it| it * size), &[0, 4, 8, 12], 20, 1).unwrap();
    let plain = of(1.0).unwrap();
    assert!(plain > 0.5 && plain < 1.0, "{plain}");
    // A power of two moves no digit, although squares of such scores vanish or overflow.
    for power in [-1000, -600, -1, 1, 600, 1019] {
        assert_eq!(of(2.0_f64.powi(power)), Some(plain), "2^{power}");
    }
    for size in [1e-200, 0.1, 1e200, 1e300] {
        let found = of(size).unwrap();
        assert!((found - plain).abs() < 1e-12, "{size}: {found} is not {plain}");
    }
    // These few steps of the smallest number are no measure.
    assert_eq!(of(1e-320), None);
}

#[test]
fn halves_that_vary_by_next_to_nothing_are_told_from_halves_that_do_not_vary() {
    let of = |one: f64, other: f64| split_half(&[0.0, 0.0, one, other], &[0, 2, 4], 5, 1).unwrap();
    // Two completions, the second above the first in both halves: a line through two points.
    assert!((of(1.5e-54, 3.2e-133).unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(of(0.0, 5e-324), None, "one half is nothing but zeros");
}

#[test]
fn halves_that_say_the_opposite_have_no_reliability_however_they_are_rounded() {
    for step in 1..40 {
        let (a, b) = (f64::from(step) * 0.37 + 0.1, -f64::from(step).sqrt());
        assert_eq!(split_half(&[0.0, 0.0, a, b], &[0, 2, 4], 1, 1).unwrap(), None, "{a} and {b}");
    }
}
