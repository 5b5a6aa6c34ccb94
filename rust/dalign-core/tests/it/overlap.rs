use dalign_core::CoreError;
use dalign_core::overlap::NgramIndex;
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    references: Vec<String>,
    n: usize,
    text: String,
    own: Option<String>,
    ngrams: u32,
    shared: u32,
    longest: Option<String>,
    reference: Option<u32>,
    words: Option<u32>,
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("overlaps") {
        let references: Vec<&str> = case.references.iter().map(String::as_str).collect();
        let index = NgramIndex::new(&references, case.n).unwrap();
        let found = index.overlap(&case.text, case.own.as_deref());
        assert_eq!((found.ngrams, found.shared), (case.ngrams, case.shared), "{}", case.name);
        let longest = found.longest.map(|run| case.text[run.start..run.end].to_owned());
        assert_eq!(longest, case.longest, "{}", case.name);
        assert_eq!(found.longest.map(|run| run.reference), case.reference, "{}", case.name);
        assert_eq!(found.longest.map(|run| run.words), case.words, "{}", case.name);
    }
}

#[test]
fn runs_of_no_words_are_refused_and_columns_must_be_of_one_length() {
    assert_eq!(NgramIndex::new(&["a"], 0).unwrap_err().kind(), "bad_ngram");
    let index = NgramIndex::new(&["a"], 1).unwrap();
    let error = index.overlap_column(&["a", "b"], Some(&["a"])).unwrap_err();
    assert_eq!(error.kind(), "length_mismatch");
}

/// Whether the words stand in a row in one of the references, by looking everywhere.
fn stands(words: &[&str], references: &[Vec<&str>]) -> bool {
    references.iter().any(|reference| reference.windows(words.len()).any(|run| run == words))
}

proptest! {
    #[test]
    fn a_search_everywhere_finds_the_same_runs(
        references in prop::collection::vec("[ab]( [ab]){0,12}", 0..4),
        text in "[ab]?( [ab]){0,20}",
        own in prop::option::of("[ab]?( [ab]){0,6}"),
        n in 1_usize..5,
    ) {
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        let found = NgramIndex::new(&references, n).unwrap().overlap(&text, own.as_deref());
        let words = |text| str::split_whitespace(text).collect::<Vec<_>>();
        let (row, of_references) = (words(&text), references.iter().map(|text| words(text)).collect::<Vec<_>>());
        let of_own = own.as_deref().map(words);
        if row.len() >= n {
            let is_shared: Vec<bool> = row
                .windows(n)
                .map(|gram| {
                    stands(gram, &of_references)
                        && !of_own.as_ref().is_some_and(|own| stands(gram, std::slice::from_ref(own)))
                })
                .collect();
            prop_assert_eq!(found.ngrams as usize, is_shared.len());
            prop_assert_eq!(found.shared as usize, is_shared.iter().filter(|shared| **shared).count());
            let runs = is_shared.split(|shared| !shared).map(<[bool]>::len).max().unwrap_or(0);
            let longest = if runs == 0 { 0 } else { runs + n - 1 };
            prop_assert_eq!(found.longest.map_or(0, |run| run.words as usize), longest);
            if let Some(run) = found.longest {
                prop_assert_eq!(words(&text[run.start..run.end]).len(), longest);
                prop_assert!(stands(&words(&text[run.start..run.end])[..n], &of_references[run.reference as usize..=run.reference as usize]));
            }
        } else {
            let equal = of_references.iter().any(|reference| !row.is_empty() && *reference == row);
            prop_assert_eq!(found.longest.is_some(), equal);
        }
    }
}

proptest! {
    #[test]
    fn a_text_shares_every_run_with_itself_and_none_that_the_user_wrote(text in "\\PC{0,60}", other in "\\PC{0,60}", n in 1_usize..5) {
        let index = NgramIndex::new(&[&text], n).unwrap();
        let found = index.overlap(&text, None);
        prop_assert_eq!(found.shared, found.ngrams);
        if let Some(run) = found.longest {
            prop_assert!(text.get(run.start..run.end).is_some_and(|run| !run.is_empty()));
        }
        prop_assert_eq!(NgramIndex::new(&[&other], n).unwrap().overlap(&text, Some(&text)).shared, 0);
    }

    #[test]
    fn a_column_is_its_rows(
        texts in prop::collection::vec("[ab]?( [ab]){0,9}", 0..6),
        reference in "[ab]( [ab]){0,9}",
        has_own: bool,
    ) {
        let index = NgramIndex::new(&[&reference], 2).unwrap();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let own: Vec<&str> = texts.iter().rev().copied().collect();
        let own = has_own.then_some(&own[..]);
        let rows: Vec<_> = texts.iter().enumerate().map(|(row, text)| index.overlap(text, own.map(|own| own[row]))).collect();
        prop_assert_eq!(index.overlap_column(&texts, own).unwrap(), rows);
    }
}
