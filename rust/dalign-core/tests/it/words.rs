use dalign_core::text::ngram::ngrams;
use dalign_core::text::words::{Folded, HashedWords, Verbatim, folded, verbatim};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    verbatim: Vec<String>,
    folded: Vec<String>,
}

#[test]
fn every_case_of_the_table_holds() {
    for Case { name, text, verbatim: plain, folded: spelt } in cases::<Case>("words") {
        let found: Vec<&str> = verbatim(&text).map(|word| &text[word.start..word.end]).collect();
        assert_eq!(found, plain, "{name}");
        let found: Vec<String> = folded(&text)
            .map(|word| HashedWords::<Folded>::spell(&text[word.start..word.end]))
            .collect();
        assert_eq!(found, spelt, "{name}");
    }
}

/// Texts that mix what ends a word, what is one, and what is passed over; stops are searched for in blocks
/// of 64 bytes, so that some have none of them, some one and some two.
const TEXTS: &str = "[abAB7 \\t\u{1c}\u{a0}.,'_-éßΣς再。ไ\u{301}\u{200b}\u{ad}Ａ\u{3000}İ\0]{0,90}";

proptest! {
    #[test]
    fn verbatim_words_are_those_between_white_space(text in "[ab \\n\u{1c}\u{a0}é.\u{2003}]{0,200}") {
        let found: Vec<&str> = verbatim(&text).map(|word| &text[word.start..word.end]).collect();
        let white = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let naive: Vec<&str> = text.split(white).filter(|word| !word.is_empty()).collect();
        prop_assert_eq!(found, naive);
    }

    #[test]
    fn words_are_the_same_exactly_when_their_hashes_are(text in TEXTS) {
        for (a, b) in pairs(&verbatim(&text).collect::<Vec<_>>()) {
            let spell = |w: (usize, usize)| HashedWords::<Verbatim>::spell(&text[w.0..w.1]);
            prop_assert_eq!(spell((a.start, a.end)) == spell((b.start, b.end)), a.hash == b.hash);
        }
        for (a, b) in pairs(&folded(&text).collect::<Vec<_>>()) {
            let spell = |w: (usize, usize)| HashedWords::<Folded>::spell(&text[w.0..w.1]);
            prop_assert_eq!(spell((a.start, a.end)) == spell((b.start, b.end)), a.hash == b.hash);
        }
    }

    #[test]
    fn words_stand_in_order_and_no_letter_is_left_out(text in TEXTS) {
        let mut end = 0;
        for word in folded(&text) {
            prop_assert!(end <= word.start && word.start < word.end);
            prop_assert!(!text[end..word.start].contains(char::is_alphanumeric));
            end = word.end;
        }
        prop_assert!(!text[end..].contains(char::is_alphanumeric));
    }

    #[test]
    fn the_place_in_the_text_changes_no_hash(
        before in "[ab ]{0,9}|[é]{0,9}", word in "[a-z]{1,40}|[a-zé]{1,20}", after in "[b ]{0,9}",
    ) {
        let text = format!("{before} {word} {after}");
        let start = before.len() + 1;
        let alone = verbatim(&word).next().unwrap().hash;
        let found = verbatim(&text).find(|found| found.start == start).unwrap();
        prop_assert_eq!((found.hash, found.end), (alone, start + word.len()));
    }

    #[test]
    fn a_character_that_is_passed_over_changes_no_hash(word in "[a-zA-Z0-9]{1,40}", at in 1_usize..40) {
        // The plain word is read in blocks of sixteen bytes, the other character by character.
        let (first, rest) = word.split_at(at.min(word.len()));
        let hash = |text: &str| folded(text).map(|word| word.hash).collect::<Vec<_>>();
        prop_assert_eq!(hash(&format!("{first}\u{200b}{rest}")), hash(&word));
    }

    #[test]
    fn n_grams_are_the_same_exactly_when_their_words_are(
        text in "[ab ]{0,40}", n in 1_usize..5,
    ) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let hashes: Vec<u64> = verbatim(&text).map(|word| word.hash).collect();
        let grams: Vec<u64> = ngrams(&hashes, n).collect();
        prop_assert_eq!(grams.len(), (words.len() + 1).saturating_sub(n));
        for a in 0..grams.len() {
            for b in 0..a {
                prop_assert_eq!(grams[a] == grams[b], words[a..a + n] == words[b..b + n]);
            }
        }
    }
}

fn pairs<T: Copy>(values: &[T]) -> impl Iterator<Item = (T, T)> {
    values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b)))
}
