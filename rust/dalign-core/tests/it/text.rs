use dalign_core::text::{count_chars, fold_to_ascii, is_invisible, normalise_into};
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

proptest! {
    #[test]
    fn characters_are_counted_as_one_by_one(text in "[a-zé🙂\u{300}]{0,600}", more in 0_usize..9_000) {
        // Long enough for lanes that would overflow.
        let text = text + &"é".repeat(more);
        prop_assert_eq!(count_chars(&text), text.chars().count());
    }
}
