use dalign_core::completion::{Parsed, Status, Tags, parse, parse_column};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    #[serde(default = "think")]
    tags: Option<(String, String)>,
    #[serde(default)]
    prefilled: bool,
    #[serde(default)]
    truncated: bool,
    status: String,
    reasoning: String,
    answer: String,
}

#[allow(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn think() -> Option<(String, String)> {
    Some(("<think>".to_owned(), "</think>".to_owned()))
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("completions") {
        let tags = match &case.tags {
            Some((open, close)) => Tags::pair(open, close, case.prefilled).unwrap(),
            None => Tags::none(),
        };
        let parsed = parse(&case.text, &tags, case.truncated);
        assert_eq!(parsed.status.as_str(), case.status, "{}", case.name);
        assert_eq!(parsed.reasoning, case.reasoning, "{}", case.name);
        assert_eq!(parsed.answer, case.answer, "{}", case.name);
    }
}

#[test]
fn the_table_shows_every_status() {
    let shown: Vec<String> = cases::<Case>("completions").into_iter().map(|c| c.status).collect();
    for status in Status::ALL {
        assert!(shown.iter().any(|name| name == status.as_str()), "{status:?}");
    }
}

#[test]
fn tags_that_cannot_be_told_apart_are_refused() {
    for (open, close) in [("", "</t>"), ("<t>", " "), ("|", "|"), ("<t>", "<t>/"), ("a<t>", "<t>")]
    {
        assert!(Tags::pair(open, close, false).is_err(), "{open:?} {close:?}");
    }
    assert!(Tags::optional(None, Some("</t>"), false).is_err());
}

#[test]
fn a_column_of_another_length_is_refused() {
    assert!(parse_column(&["a"], &Tags::none(), &[]).is_err());
    assert_eq!(parse_column(&[], &Tags::none(), &[]).unwrap(), []);
}

/// Text in which tags are frequent.
fn tagged_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<think>".to_owned()),
        Just("</think>".to_owned()),
        Just(" ".to_owned()),
        "[a-cé<>/]{0,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The rules read off the positions of the tags, without streaming.
fn naive<'t>(text: &'t str, prefilled: bool) -> Parsed<'t> {
    let opens: Vec<usize> = text.match_indices("<think>").map(|(at, _)| at).collect();
    let closes: Vec<usize> = text.match_indices("</think>").map(|(at, _)| at).collect();
    let of = |status, reasoning: &'t str, answer: &'t str| Parsed {
        status,
        reasoning: reasoning.trim(),
        answer: answer.trim(),
    };
    let unclear = |status| of(status, "", "");
    let start = match (opens.first(), closes.first()) {
        _ if prefilled => 0,
        (None, None) => return of(Status::NoTags, "", text),
        (None, Some(_)) => {
            let last = closes[closes.len() - 1];
            return of(Status::Unopened, &text[..last], &text[last + 8..]);
        }
        (Some(open), Some(close)) if close < open => return unclear(Status::WrongOrder),
        (Some(open), _) if !text[..*open].trim().is_empty() => return unclear(Status::WrongOrder),
        (Some(open), _) => open + 7,
    };
    let Some(&close) = closes.first() else { return of(Status::Unclosed, &text[start..], "") };
    if opens.iter().any(|&open| start <= open && open < close) {
        return unclear(Status::Nested);
    }
    if closes.len() > 1 || opens.iter().any(|&open| open > close) {
        return unclear(Status::Repeated);
    }
    let (reasoning, answer) = (&text[start..close], &text[close + 8..]);
    let status = match (reasoning.trim(), answer.trim()) {
        (_, "") => Status::EmptyAnswer,
        ("", _) => Status::EmptyReasoning,
        _ => Status::Ok,
    };
    of(status, reasoning, answer)
}

proptest! {
    #[test]
    fn the_streaming_parser_equals_the_naive_one(text in tagged_text(), prefilled: bool) {
        let tags = Tags::pair("<think>", "</think>", prefilled).unwrap();
        prop_assert_eq!(parse(&text, &tags, false), naive(&text, prefilled));
    }

    #[test]
    fn an_answer_holds_no_tag_and_no_marked_reasoning(text in tagged_text(), prefilled: bool) {
        let tags = Tags::pair("<think>", "</think>", prefilled).unwrap();
        let answer = parse(&text, &tags, false).answer;
        prop_assert!(!answer.contains("<think>") && !answer.contains("</think>"));
        if let (false, Some(close)) = (answer.is_empty(), text.rfind("</think>")) {
            prop_assert!(text[close..].contains(answer));
        }
    }

    #[test]
    fn truncation_changes_nothing_but_the_status(text in tagged_text(), prefilled: bool) {
        let tags = Tags::pair("<think>", "</think>", prefilled).unwrap();
        let (whole, cut) = (parse(&text, &tags, false), parse(&text, &tags, true));
        prop_assert_eq!(cut, Parsed { status: Status::Truncated, ..whole });
    }
}
