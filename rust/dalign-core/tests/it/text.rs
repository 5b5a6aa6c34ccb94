use dalign_core::text::{fold_to_ascii, is_invisible, normalise_into};
use proptest::prelude::*;

proptest! {
    #[test]
    fn folding_twice_changes_nothing_more(text in "\\PC*") {
        let once = fold_to_ascii(&text).into_owned();
        prop_assert_eq!(fold_to_ascii(&once), once.as_str());
        prop_assert!(!once.chars().any(is_invisible));
    }

    #[test]
    fn normalising_twice_changes_nothing_more(text in "\\PC*") {
        let (mut once, mut twice) = (String::new(), String::new());
        normalise_into(&text, &mut once);
        normalise_into(&once, &mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn normalising_appends(text in "\\PC*") {
        let mut out = "x".to_owned();
        normalise_into(&text, &mut out);
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assert_eq!(out, format!("x{}", words.join(" ")));
    }
}
