use dalign_core::text::{count_chars, fold_to_ascii, is_invisible, normalise_into};
use proptest::prelude::*;

/// Every white space, what has the same first byte, and words around blocks of 32 bytes.
#[rustfmt::skip]
const PIECES: [&str; 28] = [
    " ", "  ", "\t", "\n", "\u{b}", "\u{c}", "\r\n", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2009}", "\u{2028}",
    "\u{202f}", "\u{205f}", "\u{3000}", "\u{200b}", "’", "é", "á", "あ", "中", "🙂", "\u{1f}", "a", "word", "some_longer_word",
    "a word of the policy that has no other spaces",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn words_joined_by_a_space_are_the_normalised_text(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)) {
        let (text, mut out) = (pieces.concat(), "x".to_owned());
        normalise_into(&text, &mut out);
        prop_assert_eq!(&out[1..], text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

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
}

proptest! {
    #[test]
    fn characters_are_counted_as_one_by_one(text in "[a-zé🙂\u{300}]{0,600}", more in 0_usize..9_000) {
        // Long enough for lanes that would overflow.
        let text = text + &"é".repeat(more);
        prop_assert_eq!(count_chars(&text), text.chars().count());
    }
}
