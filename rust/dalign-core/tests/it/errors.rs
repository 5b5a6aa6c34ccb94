//! What errors tell a program: cause, row, value and limit, also through an error that wraps another.

use dalign_core::CoreError;
use dalign_core::agreement::{self, krippendorff_alpha, split_half};
use dalign_core::bootstrap::{self, mean};
use dalign_core::completion::Tags;
use dalign_core::dedup::{self, NearIndex, near};
use dalign_core::error::{indexable, offsets_delimit, same_length};
use dalign_core::pack::{self, OverLong, plan_with};
use dalign_core::row_filter::Rules;

type Told = (&'static str, Option<usize>, Option<f64>, Option<f64>);

fn told<T>(result: Result<T, impl CoreError + 'static>) -> Told {
    let Err(error) = result else { panic!("an error is expected") };
    let message = error.to_string();
    assert!(message.len() > 20 && !message.ends_with('.'), "{message}");
    (error.kind(), error.row(), error.value(), error.limit())
}

#[test]
fn columns_that_do_not_belong_together_say_where() {
    assert_eq!(told(same_length("b", 2, 3)), ("length_mismatch", None, Some(2.0), Some(3.0)));
    let rows = u32::MAX as usize + 1;
    let most = f64::from(u32::MAX);
    assert_eq!(told(indexable("b", rows)), ("too_many_rows", None, Some(most + 1.0), Some(most)));
    assert!(indexable("b", u32::MAX as usize).is_ok());
    // The first entry that breaks the rule; without an entry it is the first.
    for (offsets, row, found) in [
        (&[] as &[u64], 0, 0.0),
        (&[0], 0, 0.0),
        (&[1, 5], 0, 1.0),
        (&[0, 6], 1, 6.0),
        (&[0, 3, 2, 5], 2, 2.0),
        (&[0, 3, 4], 2, 4.0),
    ] {
        let found = ("bad_offsets", Some(row), Some(found), Some(5.0));
        assert_eq!(told(offsets_delimit("o", offsets.iter().copied(), 5)), found, "{offsets:?}");
    }
    assert!(offsets_delimit("o", [0_u32, 0, 5, 5], 5).is_ok());
}

#[test]
fn rows_that_cannot_be_packed_say_which_and_why() {
    let long = ("row_too_long", Some(1), Some(9.0), Some(8.0));
    assert_eq!(told(pack::plan(&[3, 9, 10], 8)), long);
    assert_eq!(told(plan_with(&[3, 9], 8, OverLong::Error)), long);
    assert_eq!(told(pack::plan(&[3, 0], 8)), ("empty_row", Some(1), Some(0.0), None));
    assert_eq!(
        told(plan_with(&[9, 0], 8, OverLong::Drop)),
        ("empty_row", Some(1), Some(0.0), None)
    );
    // Bins that hold nothing leave nothing to mask.
    let none = ("row_too_long", Some(0), Some(1.0), Some(0.0));
    assert_eq!(told(plan_with(&[1], 0, OverLong::Mask)), none);
    assert_eq!(told(OverLong::named("cut")), ("unknown_over_long", None, None, None));
}

#[test]
fn values_without_an_interval_say_which_and_why() {
    let settings = bootstrap::Settings {
        n_resamples: 10,
        level: 0.95,
        seed: 1,
        method: bootstrap::Method::Percentile,
    };
    let of = |values: &[f64], settings| told(mean(values, &[0, 1], None, settings));
    let (kind, row, value, _) = of(&[1.0, f64::INFINITY], settings);
    assert_eq!((kind, row, value), ("not_finite", Some(1), Some(f64::INFINITY)));
    let none = bootstrap::Settings { n_resamples: 0, ..settings };
    assert_eq!(of(&[1.0, 2.0], none), ("bad_n_resamples", None, Some(0.0), Some(1.0)));
    let all = bootstrap::Settings { level: 1.0, ..settings };
    assert_eq!(of(&[1.0, 2.0], all), ("bad_level", None, Some(1.0), None));
    // Through the error of another module.
    let alone = ("length_mismatch", None, Some(2.0), Some(1.0));
    assert_eq!(of(&[1.0], settings), alone);
}

#[test]
fn settings_that_mean_nothing_say_what_was_given() {
    let near_settings =
        |ngram, bands, threshold| told(dedup::Settings::new(ngram, 128, bands, threshold));
    assert_eq!(near_settings(0, 16, 0.5), ("bad_ngram", None, Some(0.0), None));
    assert_eq!(near_settings(5, 7, 0.5), ("bad_bands", None, Some(7.0), Some(128.0)));
    assert_eq!(near_settings(5, 16, 1.5), ("bad_threshold", None, Some(1.5), None));
    let scale = agreement::Scale::Nominal;
    assert_eq!(told(split_half(&[], &[0], 0, 1)), ("bad_splits", None, Some(0.0), Some(1.0)));
    let torn = ("bad_offsets", Some(0), Some(0.0), Some(1.0));
    assert_eq!(told(krippendorff_alpha(&[1.0], &[0], scale)), torn);
    assert_eq!(
        told(Rules::new(Tags::none(), 9, 3)),
        ("bad_length_limits", None, Some(9.0), Some(3.0))
    );
    for (open, close) in [("", "b"), ("a", " "), ("<t>", "x<t>x"), ("a", "a")] {
        assert_eq!(told(Tags::pair(open, close, false)), ("bad_tags", None, None, None));
    }
}

#[test]
fn candidates_that_nobody_compared_are_counted() {
    let settings = dedup::Settings::new(1, 128, 16, 0.5).unwrap();
    let texts = ["a b c", "a b  c", "a b c d"];
    assert_eq!(near(&texts, settings).unwrap().len(), 3);
    let mut index = NearIndex::new(settings);
    index.add(&texts).unwrap();
    let mut candidates = index.candidates();
    let rows = candidates.wanted(9).unwrap();
    let (kind, _, value, limit) = told(candidates.verify(&["a"]));
    assert_eq!((kind, value, limit), ("not_wanted", Some(1.0), Some(rows.len() as f64)));
    let (kind, row, left, _) = told(candidates.into_pairs());
    assert_eq!((kind, row), ("unverified", None));
    assert!(left.is_some_and(|left| left >= 1.0));
}
