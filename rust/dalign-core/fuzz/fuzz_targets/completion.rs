//! Any text, any tags: parts of the text come back, and no tag in the answer.
#![no_main]

use std::sync::LazyLock;

use dalign_core::completion::{Status, Tags, parse};
use libfuzzer_sys::fuzz_target;

static THINK: LazyLock<[Tags; 2]> = LazyLock::new(|| {
    [false, true].map(|prefilled| Tags::pair("<think>", "</think>", prefilled).expect("differ"))
});

fuzz_target!(|input: (&str, Option<(&str, &str)>, bool, bool)| {
    let (text, own_tags, prefilled, truncated) = input;
    if let Some((open, close)) = own_tags
        && let Ok(tags) = Tags::pair(open, close, prefilled)
    {
        let parsed = parse(text, &tags, truncated);
        assert!(text.contains(parsed.reasoning) && text.contains(parsed.answer));
    }
    for tags in [&THINK[usize::from(prefilled)], &Tags::none()] {
        let parsed = parse(text, tags, truncated);
        assert!(text.contains(parsed.reasoning) && text.contains(parsed.answer));
        if parsed.status == Status::Ok {
            assert!(!parsed.answer.trim().is_empty());
        }
    }
    let answer = parse(text, &THINK[usize::from(prefilled)], truncated).answer;
    assert!(!answer.contains("<think>") && !answer.contains("</think>"));
});
