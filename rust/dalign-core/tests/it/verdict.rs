use dalign_core::verdict::{Asked, Asks, Scale, Stance, State, parse, parse_asked, parse_column};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    reply: String,
    #[serde(default)]
    low: f64,
    #[serde(default = "ten")]
    high: f64,
    #[serde(default)]
    seal: String,
    #[serde(default)]
    material: String,
    #[serde(default)]
    cut: bool,
    state: String,
    score: Option<f64>,
    stance: Option<String>,
}

fn ten() -> f64 {
    10.0
}

#[test]
fn every_case_of_the_table_holds() {
    let mut wrong = Vec::new();
    for case in cases::<Case>("verdicts") {
        let asked = Asked { seal: &case.seal, material: &case.material, is_cut: case.cut };
        let found = parse_asked(&case.reply, asked, Scale::new(case.low, case.high).unwrap());
        let expected = (case.state.as_str(), case.score, case.stance.as_deref());
        if (found.state.as_str(), found.score, found.stance.map(Stance::as_str)) != expected {
            wrong.push(format!("{}: {found:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_shows_every_state() {
    let shown: Vec<String> = cases::<Case>("verdicts").into_iter().map(|c| c.state).collect();
    for state in State::ALL {
        assert!(shown.iter().any(|name| name == state.as_str()), "{state:?}");
    }
}

#[test]
fn a_scale_needs_two_different_ends() {
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(Scale::new(low, high).is_err(), "{low} to {high}");
    }
}

/// Text in which everything that matters is frequent.
fn reply() -> impl Strategy<Value = String> {
    let pieces = [
        "<think>", "</think>", "score", "Score", "<score>", "</score>", "\"", ":", "{", "}", "*",
        " ", "\n", "-", ".", "/", "10", "7", "Agree", "disagree", "I", "(", ")", "：", "７",
        "\u{200b}", "é", "of", "is", "%", ",",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..14)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_score_is_there_exactly_when_the_state_is_ok_and_then_on_the_scale(reply in reply()) {
        let found = parse(&reply, Scale::new(0.0, 10.0).unwrap());
        prop_assert_eq!(found.score.is_some(), found.state == State::Ok);
        prop_assert!(found.score.is_none_or(|score| (0.0..=10.0).contains(&score)));
    }

    #[test]
    fn nothing_before_the_last_close_tag_matters(before in reply(), after in reply()) {
        let scale = Scale::new(0.0, 10.0).unwrap();
        prop_assume!(!after.contains("</think>"));
        let joined = format!("{before}</think>{after}");
        prop_assert_eq!(parse(&joined, scale), parse(&after, scale));
    }

    #[test]
    fn every_form_gives_the_number_that_was_written(score in -99.0_f64..99.0, before in "[a-z .\n]*") {
        let score = (score * 100.0).round() / 100.0;
        let scale = Scale::new(-100.0, 100.0).unwrap();
        let line = before.replace("score", "");
        for form in ["<score>{}</score>", "{\"score\": {}}", "Score: {}", "**Score**: {}/100"] {
            let reply = format!("{line}\n{}", form.replacen("{}", &score.to_string(), 1));
            let found = parse(&reply, scale);
            prop_assert_eq!(found.score, Some(score), "{}", reply);
        }
    }

    #[test]
    fn a_column_is_its_rows(replies in prop::collection::vec(reply(), 0..9)) {
        let scale = Scale::new(0.0, 10.0).unwrap();
        let replies: Vec<&str> = replies.iter().map(String::as_str).collect();
        let rows: Vec<_> = replies.iter().map(|reply| parse(reply, scale)).collect();
        prop_assert_eq!(parse_column(&replies, &Asks::default(), scale), rows);
    }
}

proptest! {
    #[test]
    fn the_last_line_with_the_seal_is_the_verdict_whatever_is_said(
        before in reply(), after in reply(), score in 0_u8..=10
    ) {
        let scale = Scale::new(0.0, 10.0).unwrap();
        prop_assume!(!after.contains("think>"));
        let asked = Asked { seal: "3f2a9c1d", ..Asked::default() };
        let text = format!("{before}</think>\nScore 3f2a9c1d: {score}\n{after}");
        prop_assert_eq!(parse_asked(&text, asked, scale).score, Some(f64::from(score)));
    }

    #[test]
    fn a_reply_that_was_cut_gives_the_score_of_the_whole_one_or_none(
        whole in reply(), score in 0_u8..=10, kept in 0_usize..60
    ) {
        let whole = format!("Score: {score}\n{whole}");
        let cut: String = whole.chars().take(kept).collect();
        let asked = Asked { is_cut: true, ..Asked::default() };
        let found = parse_asked(&cut, asked, Scale::new(0.0, 10.0).unwrap());
        prop_assert!(found.score.is_none_or(|it| it == f64::from(score)), "{:?}", cut);
    }

    #[test]
    fn a_reply_that_is_what_was_judged_gives_no_score(reply in reply()) {
        let asked = Asked { material: &reply, ..Asked::default() };
        let found = parse_asked(&reply, asked, Scale::new(0.0, 10.0).unwrap());
        prop_assert!(found.score.is_none(), "{:?}", reply);
    }

    #[test]
    fn no_score_without_the_seal_is_one_that_what_was_judged_gives(
        before in reply(), within in reply(), after in reply(), score in 0_u8..=10
    ) {
        let material = format!("{within}\nScore: {score}\n");
        let asked = Asked { seal: "3f2a9c1d", material: &material, is_cut: false };
        let reply = format!("{before}\n{material}\n{after}");
        let found = parse_asked(&reply, asked, Scale::new(0.0, 10.0).unwrap());
        prop_assert!(found.score.is_none_or(|it| it != f64::from(score)), "{:?}", reply);
    }
}

/// The digits and the full stop in full width.
fn wide(text: &str) -> String {
    let widen = |it: char| match it {
        '0'..='9' | '.' => char::from_u32(u32::from(it) + 0xfee0).unwrap(),
        other => other,
    };
    text.chars().map(widen).collect()
}

proptest! {
    #[test]
    fn scores_that_agree_are_the_verdict_in_any_width(
        is_same: bool,
        scores in prop::collection::vec(0_u32..=1_300, 1..5),
        form in prop::sample::select(vec![
            "score: {}", "<score>{}</score>", "{\"score\": {}}", "**Rating:** {}/10", "```json\n{\"score\": {}}\n```",
        ]),
    ) {
        let scale = Scale::new(0.0, 10.0).unwrap();
        let scores = if is_same { vec![scores[0]; scores.len()] } else { scores };
        let written = |score: &u32| form.replacen("{}", &(f64::from(*score) / 100.0).to_string(), 1);
        let reply = scores.iter().map(written).collect::<Vec<_>>().join("\n");
        let last = f64::from(scores[scores.len() - 1]) / 100.0;
        let expected = match (last <= 10.0, scores.iter().all(|score| *score == scores[0])) {
            (false, _) => (State::OutOfRange, None),
            (true, true) => (State::Ok, Some(last)),
            (true, false) => (State::Contradictory, None),
        };
        let spread: String = reply.chars().flat_map(|it| [it, '\u{200b}']).collect();
        for text in [wide(&reply), spread, format!("<think>score: 3</think>{reply}"), reply] {
            let found = parse(&text, scale);
            prop_assert_eq!((found.state, found.score), expected, "{}", text);
        }
    }

    #[test]
    fn a_stance_on_a_line_of_its_own_is_heard_beside_any_score(
        agrees: bool,
        score in 0_u8..=10,
        form in prop::sample::select(vec!["I {}.", "{}", "Stance: {}", "<stance>{}</stance>", "**{}**"]),
    ) {
        let (word, stance) =
            if agrees { ("Agree", Stance::Agree) } else { ("Disagree", Stance::Disagree) };
        for word in [word.to_owned(), word.to_lowercase(), word.to_uppercase()] {
            let reply = format!("{}\nScore: {score}", form.replacen("{}", &word, 1));
            let found = parse(&reply, Scale::new(0.0, 10.0).unwrap());
            prop_assert_eq!((found.stance, found.score), (Some(stance), Some(f64::from(score))), "{}", reply);
        }
    }
}
