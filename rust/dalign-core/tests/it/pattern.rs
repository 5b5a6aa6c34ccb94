//! A user's patterns: what they find, and that none takes long or much memory.

use dalign_core::CoreError;
use dalign_core::pattern::Pattern;
use proptest::prelude::*;

#[test]
fn no_text_takes_a_pattern_long() {
    // Matched by going back and trying again, these would not end.
    let text = format!("{}!", "a".repeat(100_000));
    for (pattern, is_in) in
        [("(a+)+b", false), ("(a|aa)+$", false), ("(.*)*x", false), ("(?:a?){60}a{60}", true)]
    {
        let found = Pattern::new(pattern).unwrap();
        assert!(!found.is_all_of(&text), "{pattern}");
        assert_eq!(found.is_in(&text), is_in, "{pattern}");
    }
}

#[test]
fn what_could_be_slow_or_is_no_pattern_is_refused_with_the_reason() {
    let nested = ["(".repeat(2_000), ")".repeat(2_000)].concat();
    for (pattern, why) in [
        ("(?!no)yes", "look-around"),
        ("(?<=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("(a", "unclosed group"),
        ("(?P<a>x)(?P<a>y)", "duplicate"),
        ("(?:a{1000}){1000}", "need more than 4 MiB"),
        (&nested, "nest"),
    ] {
        let error = Pattern::new(pattern).unwrap_err();
        assert_eq!((error.kind(), error.row(), error.limit()), ("bad_pattern", None, None));
        let told = error.to_string();
        assert!(told.contains(why) && !told.contains('\n'), "{pattern:.20}: {told}");
    }
}

#[test]
fn a_pattern_may_have_twenty_thousand_bytes_and_no_more() {
    let longest = "é".repeat(10_000);
    assert!(Pattern::new(&longest).unwrap().is_all_of(&longest));
    let error = Pattern::new(&format!("{longest}a")).unwrap_err();
    let told = (error.kind(), error.row(), error.value(), error.limit());
    assert_eq!(told, ("over_long", None, Some(20_001.0), Some(20_000.0)));
    assert_eq!(error.to_string(), "it has 20001 bytes, more than 20000");
}

#[test]
fn a_whole_text_is_more_than_a_place_in_it() {
    for (pattern, text, is_in, is_all) in [
        // The first choice that matches is not the one that fills the text.
        ("a|ab", "ab", true, true),
        ("a|ab", "xab", true, false),
        ("b|a", "ab", true, false),
        ("forty[- ]two", "forty two", true, true),
        ("forty[- ]two", "forty two\n", true, false),
        // Digits and cases are those of all scripts.
        (r"\d+ été", "３ été", true, true),
        ("(?i)ÉTÉ", "été", true, true),
        ("(?m)^b$", "a\nb", true, false),
        ("^b$", "a\nb", false, false),
        ("", "", true, true),
        ("", "a", true, false),
    ] {
        let found = Pattern::new(pattern).unwrap();
        let told = (found.is_in(text), found.is_all_of(text));
        assert_eq!(told, (is_in, is_all), "{pattern:?} in {text:?}");
    }
}

#[test]
fn groups_have_the_names_and_the_order_of_the_pattern() {
    let pattern = Pattern::new(r"(?P<clause>S\d+)(x)?(?P<page> of (?P<number>\d+))?").unwrap();
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["clause", "page", "number"]);
    let found: Vec<_> = pattern.groups("S3 of 12, S4x").collect();
    let of = |all, clause, page, number| {
        vec![("", Some(all)), ("clause", Some(clause)), ("page", page), ("number", number)]
    };
    assert_eq!(
        found,
        [of("S3 of 12", "S3", Some(" of 12"), Some("12")), of("S4x", "S4", None, None)]
    );
    let plain = Pattern::new("(a)").unwrap();
    assert_eq!(plain.names().count(), 0);
    assert_eq!(plain.groups("ba").collect::<Vec<_>>(), [[("", Some("a"))]]);
}

/// Where `ab`, or else `b`, stands, from left to right.
fn naive(text: &str) -> Vec<&str> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let word = ["ab", "b"].into_iter().find(|word| text[at..].starts_with(word));
        found.extend(word);
        at += word.map_or(1, str::len);
    }
    found
}

proptest! {
    #[test]
    fn each_place_is_found_once_from_left_to_right(text in "[abc]{0,40}") {
        let pattern = Pattern::new("(?P<word>ab|b)").unwrap();
        let found: Vec<_> = pattern.groups(&text).map(|groups| (groups[0].1, groups[1].1)).collect();
        let expected: Vec<_> = naive(&text).into_iter().map(|word| (Some(word), Some(word))).collect();
        prop_assert_eq!(pattern.is_in(&text), !expected.is_empty());
        prop_assert_eq!(found, expected);
    }
}
