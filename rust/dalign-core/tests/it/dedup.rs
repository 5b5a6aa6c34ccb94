use dalign_core::dedup::exact;
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    texts: Vec<String>,
    first: Vec<u32>,
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("duplicates") {
        let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
        assert_eq!(exact(&texts).unwrap(), case.first, "{}", case.name);
    }
}

proptest! {
    #[test]
    fn each_row_points_at_the_first_row_with_its_words(
        texts in prop::collection::vec("[ab \n]{0,4}", 0..40),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let words = |row: usize| texts[row].split_whitespace().collect::<Vec<_>>();
        for (row, first) in exact(&texts).unwrap().into_iter().enumerate() {
            let naive = (0..=row).find(|&other| words(other) == words(row));
            prop_assert_eq!(Some(first as usize), naive);
        }
    }
}
