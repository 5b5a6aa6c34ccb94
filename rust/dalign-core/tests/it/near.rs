use std::collections::BTreeSet;

use dalign_core::dedup::{NearIndex, Pair, Settings, near, representatives};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    texts: Vec<String>,
    ngram: usize,
    permutations: usize,
    bands: usize,
    threshold: f64,
    scores: Option<Vec<Option<f64>>>,
    #[serde(default)]
    pairs: Vec<(u32, u32, f64)>,
    #[serde(default)]
    kept: Vec<u32>,
    error: Option<Expected>,
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("near_duplicates") {
        let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
        let scores: Option<Vec<f64>> = case
            .scores
            .map(|scores| scores.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect());
        let found = Settings::new(case.ngram, case.permutations, case.bands, case.threshold)
            .and_then(|settings| near(&texts, settings))
            .and_then(|pairs| {
                let kept = representatives(texts.len(), &pairs, scores.as_deref())?;
                Ok((pairs, kept))
            });
        match (found, &case.error) {
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (Ok((pairs, kept)), None) => {
                let pairs: Vec<_> = pairs.iter().map(|p| (p.a, p.b, p.jaccard)).collect();
                assert_eq!((pairs, kept), (case.pairs, case.kept), "{}", case.name);
            }
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

#[test]
fn ten_thousand_copies_cost_a_pair_each() {
    let (text, spaced) = ("a b c d e f g h", "a b  c d e f g h");
    let mut texts = vec![text; 10_000];
    texts.push(spaced);
    let pairs = near(&texts, settings(3, 0.7)).unwrap();
    assert_eq!(pairs.len(), 10_000);
    assert!(pairs.iter().all(|pair| pair.a == 0 && pair.jaccard == 1.0));
}

#[test]
fn many_rows_that_differ_in_white_space_alone_are_one_group() {
    // No two are equal byte for byte, and all share every band.
    let texts: Vec<String> = (0..200).map(|i| format!("a b c d e{}f", " ".repeat(i + 1))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let pairs = near(&texts, settings(3, 0.7)).unwrap();
    assert!(pairs.len() < 8 * texts.len(), "eight pairs a row: {}", pairs.len());
    assert_eq!(representatives(texts.len(), &pairs, None).unwrap(), vec![0; texts.len()]);
}

#[test]
fn similar_pairs_are_found_as_often_as_the_formula_says() {
    // So many shingles of one word each, of which `changed` differ: J = (s − c) / (s + c). With fewer
    // shingles than permutations most of a signature is filled from other places of it.
    let shape = Settings::new(1, 128, 16, 0.5).unwrap();
    let chance = |jaccard: f64| 1.0 - (1.0 - jaccard.powi(128 / 16)).powi(16);
    for (shingles, changed) in [(300, 20), (300, 40), (40, 4), (9, 1), (14, 2)] {
        let mut texts = Vec::new();
        for pair in 0..200 {
            let word = |i: usize| format!("p{pair}w{i}");
            let words: Vec<String> = (0..shingles).map(word).collect();
            let other: Vec<String> = (changed..shingles + changed).map(word).collect();
            texts.extend([words.join(" "), other.join(" ")]);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = near(&texts, shape).unwrap().len() as f64 / 200.0;
        let jaccard = (shingles - changed) as f64 / (shingles + changed) as f64;
        let expected = chance(jaccard);
        // Three standard errors of 200 draws, and at most that above 1.
        let tolerance = 3.0 * (expected * (1.0 - expected) / 200.0).sqrt() + 0.01;
        assert!((found - expected).abs() < tolerance, "J {jaccard}: {found}, not {expected}");
    }
}

/// Few words, so that texts are often similar.
fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("([abc] ){0,12}", 0..30)
}

fn settings(ngram: usize, threshold: f64) -> Settings {
    // One value a band: a pair that shares a shingle is missed with a chance below 10⁻⁶.
    Settings::new(ngram, 128, 128, threshold).unwrap()
}

fn naive(a: &str, b: &str, n: usize) -> f64 {
    let shingles = |text: &str| -> BTreeSet<Vec<String>> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let n = n.min(words.len()).max(1);
        if words.is_empty() {
            return BTreeSet::from([vec![]]);
        }
        words.windows(n).map(<[String]>::to_vec).collect()
    };
    let (a, b) = (shingles(a), shingles(b));
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

proptest! {
    #[test]
    fn a_pair_is_reported_with_the_similarity_of_its_sets(
        texts in texts(), n in 1_usize..4, threshold in 0.3..1.0_f64,
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let pairs = near(&texts, settings(n, threshold)).unwrap();
        for pair in &pairs {
            let jaccard = naive(texts[pair.a as usize], texts[pair.b as usize], n);
            prop_assert_eq!(pair.jaccard, jaccard);
            prop_assert!(pair.a < pair.b && jaccard >= threshold);
        }
        // A pair that is not reported is dissimilar, or a copy of one that is.
        for b in 0..texts.len() {
            for a in 0..b {
                let is_first = |row: usize| texts.iter().position(|text| *text == texts[row]) == Some(row);
                if naive(texts[a], texts[b], n) >= threshold && is_first(a) && is_first(b) {
                    prop_assert!(pairs.iter().any(|p| (p.a as usize, p.b as usize) == (a, b)));
                }
            }
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_group(texts in texts(), n in 1_usize..4, turn in 0_usize..30) {
        let groups = |texts: &[&str], place: &dyn Fn(u32) -> usize| {
            let pairs = near(texts, settings(n, 0.6)).unwrap();
            let kept = representatives(texts.len(), &pairs, None).unwrap();
            let members = |row: u32| -> BTreeSet<usize> {
                (0..).zip(&kept).filter(|&(_, &k)| k == row).map(|(r, _)| place(r)).collect()
            };
            kept.iter().map(|&row| members(row)).collect::<BTreeSet<_>>()
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut turned = texts.clone();
        let (rows, turn) = (texts.len(), turn % texts.len().max(1));
        turned.rotate_left(turn);
        prop_assert_eq!(
            groups(&texts, &|row| row as usize),
            groups(&turned, &|row| (row as usize + turn) % rows)
        );
    }

    #[test]
    fn batches_and_a_second_reading_change_nothing(
        texts in texts(), batch in 1_usize..9, most in 0_usize..9,
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut index = NearIndex::new(settings(2, 0.6));
        for batch in texts.chunks(batch) {
            index.add(batch).unwrap();
        }
        let mut candidates = index.candidates();
        while let Some(rows) = candidates.wanted(most) {
            prop_assert!(rows.len() <= most.max(2) && rows.is_sorted());
            let wanted: Vec<&str> = rows.iter().map(|&row| texts[row as usize]).collect();
            candidates.verify(&wanted).unwrap();
        }
        prop_assert_eq!(candidates.into_pairs().unwrap(), near(&texts, settings(2, 0.6)).unwrap());
    }

    #[test]
    fn the_best_of_each_group_stands_for_it(
        links in prop::collection::vec((0_u32..12, 0_u32..12), 0..12),
        scores in prop::collection::vec(prop::option::of(0..4_i32), 12),
    ) {
        let scores: Vec<f64> = scores.into_iter().map(|s| s.map_or(f64::NAN, f64::from)).collect();
        let pairs: Vec<Pair> = links.iter().map(|&(a, b)| Pair { a, b, jaccard: 1.0 }).collect();
        let kept = representatives(12, &pairs, Some(&scores)).unwrap();
        let plain = representatives(12, &pairs, None).unwrap();
        // Twelve rounds of joining neighbours reach every row of a group.
        let mut naive: Vec<u32> = (0..12).collect();
        for (a, b) in std::iter::repeat_n(&links, 12).flatten() {
            let least = naive[*a as usize].min(naive[*b as usize]);
            (naive[*a as usize], naive[*b as usize]) = (least, least);
        }
        prop_assert_eq!(&plain, &naive);
        for row in 0..12 {
            let group = (0..12).filter(|&other| naive[other] == naive[row]);
            let rank = |r: usize| if scores[r].is_nan() { -1.0 } else { scores[r] };
            let best = group.reduce(|best, r| if rank(r) > rank(best) { r } else { best });
            prop_assert_eq!(Some(kept[row] as usize), best);
        }
    }
}
