use super::{Reason, RowFilter, Rules, Seen};
use crate::completion::{Status, Tags};
use crate::jsonl::JsonText;

/// The reason of a row whose completion stands like this between its quotes.
fn reason(tags: &Tags, limits: (u64, u64), raw: &str) -> Option<Reason> {
    let rules = Rules::new(tags.clone(), limits.0, limits.1).unwrap();
    let mut filter = RowFilter::new(rules, Some(Seen::new(1 << 10, std::env::temp_dir())));
    filter.check(JsonText::checked(raw, raw.contains('\\')), false, 1).unwrap()
}

#[test]
fn escapes_count_as_the_characters_that_they_stand_for() {
    // Ten characters: nine letters or breaks, and one above U+FFFF.
    let raw = r#"a\n\n\tb\u0020\"\ud83d\ude42\\\/"#;
    let at = |least, most| reason(&Tags::none(), (least, most), raw);
    assert_eq!(at(10, 10), None);
    assert_eq!(at(11, 99), Some(Reason::TooShort { chars: 10, limit: 11 }));
    assert_eq!(at(0, 9), Some(Reason::TooLong { chars: 10, limit: 9 }));
}

#[test]
fn tags_are_found_behind_escapes_and_with_white_space_in_them() {
    let plain = Tags::pair("<think>", "</think>", false).unwrap();
    let spaced = Tags::pair("[ think ]", "[ /  think ]", false).unwrap();
    for (tags, raw, expected) in [
        (&plain, r"\n<think>a<\/think>\u003cb", None),
        (&plain, r"\u003cthink>\n \t</think>b", Some(Status::EmptyReasoning)),
        (&plain, r"<think>a</think>\u00a0\n", Some(Status::EmptyAnswer)),
        (&spaced, "[ think ]a[ /  think ] b", None),
        (&spaced, "[ think ]a[ / think ] b", Some(Status::Unclosed)),
    ] {
        assert_eq!(reason(tags, (0, 99), raw), expected.map(Reason::Form), "{raw}");
    }
}
