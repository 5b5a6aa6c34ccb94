use dalign_core::CoreError;
use dalign_core::verdict::{
    Asks, ClauseVerdict, Scale, Stance, State, SubScores, parse, parse_detailed,
    parse_detailed_column,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    reply: String,
    state: String,
    score: Option<f64>,
    stance: Option<String>,
    sub_scores: Vec<(String, String, Option<f64>)>,
    clauses: Vec<(String, String)>,
}

fn ten() -> Scale {
    Scale::new(0.0, 10.0).unwrap()
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("judgements") {
        let names: Vec<&str> = case.sub_scores.iter().map(|(name, ..)| name.as_str()).collect();
        let found = parse_detailed(&case.reply, ten(), &SubScores::new(&names).unwrap());
        assert_eq!(found.verdict.state.as_str(), case.state, "{}: {found:?}", case.name);
        assert_eq!(found.verdict.score, case.score, "{}: {found:?}", case.name);
        let stance = found.verdict.stance.map(Stance::as_str);
        assert_eq!(stance, case.stance.as_deref(), "{}", case.name);
        for ((name, state, score), sub_score) in case.sub_scores.iter().zip(&found.sub_scores) {
            assert_eq!(sub_score.state.as_str(), state, "{}: {name}: {found:?}", case.name);
            assert_eq!(sub_score.score, *score, "{}: {name}: {found:?}", case.name);
        }
        assert_eq!(found.sub_scores.len(), names.len(), "{}", case.name);
        let clauses: Vec<(String, String)> = found
            .clauses
            .iter()
            .map(|clause| (clause.id.clone(), clause.verdict.as_str().to_owned()))
            .collect();
        assert_eq!(clauses, case.clauses, "{}", case.name);
    }
}

#[test]
fn the_table_shows_every_verdict_on_a_clause() {
    let shown: Vec<String> =
        cases::<Case>("judgements").into_iter().flat_map(|c| c.clauses).map(|c| c.1).collect();
    for verdict in ClauseVerdict::ALL {
        assert!(shown.iter().any(|name| name == verdict.as_str()), "{verdict:?}");
    }
}

#[test]
fn a_name_that_no_sub_score_can_have_is_refused_with_its_place() {
    for bad in ["", " ", "1st", "a:b", "_a", "a_", "Score", "state", "clause-ids", "a_state", "é"]
    {
        let error = SubScores::new(&["fine", bad]).unwrap_err();
        assert_eq!((error.kind(), error.row()), ("bad_sub_score", Some(1)), "{bad:?}");
    }
    assert!(SubScores::new(&["a b", "A_B"]).is_err(), "two spellings of one name");
}

/// Text in which everything that matters is frequent.
fn reply() -> impl Strategy<Value = String> {
    let pieces = [
        "<think>",
        "</think>",
        "score",
        "Score",
        "<score>",
        "</score>",
        "\"",
        ":",
        "{",
        "}",
        "*",
        " ",
        "\n",
        "-",
        ".",
        "7",
        "help",
        "Help",
        "care",
        "{\"help\": 4}",
        "\"clauses\": {",
        "S3",
        "violated",
        "followed",
        "<clause id=\"S4\">",
        "</clause>",
        "：",
        "７",
        "\u{200b}",
        "é",
        "[",
        "]",
        ",",
        "'",
        "\\",
        "I can't",
        "sub_scores",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..16)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_and_each_score_is_there_exactly_when_its_state_is_ok(text in any::<String>()) {
        let names = SubScores::new(&["help", "care"]).unwrap();
        let found = parse_detailed(&text, ten(), &names);
        prop_assert_eq!(found.verdict.score.is_some(), found.verdict.state == State::Ok);
    }

    #[test]
    fn a_sub_score_is_there_exactly_when_its_state_is_ok_and_then_on_the_scale(text in reply()) {
        let names = SubScores::new(&["help", "care"]).unwrap();
        for found in parse_detailed(&text, ten(), &names).sub_scores {
            prop_assert_eq!(found.score.is_some(), found.state == State::Ok);
            prop_assert!(found.score.is_none_or(|score| (0.0..=10.0).contains(&score)));
        }
    }

    #[test]
    fn without_names_and_clauses_the_verdict_is_the_plain_one(text in reply()) {
        prop_assume!(!text.contains("clauses"));
        let names = SubScores::new::<&str>(&[]).unwrap();
        let found = parse_detailed(&text, ten(), &names);
        if found.clauses.is_empty() {
            prop_assert_eq!(found.verdict, parse(&text, ten()));
        }
    }

    #[test]
    fn lines_at_the_end_are_what_is_read(
        text in reply(), score in 0_u8..=10, help in 0_u8..=10, violated in any::<bool>()
    ) {
        let names = SubScores::new(&["help", "care"]).unwrap();
        let verdict = if violated { ClauseVerdict::Violated } else { ClauseVerdict::Followed };
        let end = format!("S9: {}\nHelp: {help}\nScore: {score}", verdict.as_str());
        let reply = format!("{text}</think>\n{end}");
        let found = parse_detailed(&reply, ten(), &names);
        prop_assert_eq!(found.verdict.score, Some(f64::from(score)));
        prop_assert_eq!(found.sub_scores[0].score, Some(f64::from(help)));
        prop_assert_eq!(found.sub_scores[1].state, State::Missing);
        prop_assert_eq!((found.clauses.len(), found.clauses[0].verdict), (1, verdict));
    }

    #[test]
    fn an_object_at_the_end_is_what_is_read(text in reply(), score in 0_u8..=10, help in 0_u8..=10) {
        let names = SubScores::new(&["help"]).unwrap();
        let end = format!("{{\"help\": {help}, \"clauses\": {{\"S9\": \"followed\"}}, \"score\": {score}}}");
        let reply = format!("{text}\n\n{end}");
        let found = parse_detailed(&reply, ten(), &names);
        prop_assume!(found.verdict.state != State::Unclosed);
        let may_differ = [State::Ok, State::Contradictory];
        prop_assert!(may_differ.contains(&found.verdict.state), "{:?}", found);
        prop_assert!(found.verdict.score.is_none_or(|it| it == f64::from(score)), "{:?}", found);
        prop_assert!(found.sub_scores[0].score.is_none_or(|it| it == f64::from(help)));
        prop_assert!(found.clauses.iter().any(|clause| clause.id == "S9"));
    }

    #[test]
    fn a_column_is_its_rows(replies in prop::collection::vec(reply(), 0..9)) {
        let names = SubScores::new(&["help"]).unwrap();
        let replies: Vec<&str> = replies.iter().map(String::as_str).collect();
        let rows: Vec<_> = replies.iter().map(|it| parse_detailed(it, ten(), &names)).collect();
        prop_assert_eq!(parse_detailed_column(&replies, &Asks::default(), ten(), &names), rows);
    }
}

#[test]
fn a_sub_score_that_what_was_judged_gives_may_be_quoted() {
    let names = SubScores::new(&["compliance"]).unwrap();
    let scale = Scale::new(0.0, 10.0).unwrap();
    let forms = [
        "Compliance: 10",
        "<compliance>10</compliance>",
        "{\"compliance\": 10}",
        "Compliance score: 10/10",
    ];
    for form in forms {
        let replies = [&*format!("{form}\nScore: 4"), "Compliance: 6\nScore: 4"];
        let asks = Asks { materials: &[form, form], ..Asks::default() };
        let read = parse_detailed_column(&replies, &asks, scale, &names);
        assert_eq!(read[0].sub_scores[0].state, State::Contradictory, "{form}");
        assert_eq!(read[0].verdict.score, Some(4.0), "{form}");
        assert_eq!(read[1].sub_scores[0].score, Some(6.0), "{form}");
    }
}

#[test]
fn a_clause_that_the_material_rules_on_alike_may_be_quoted() {
    let (names, scale) = (SubScores::new::<&str>(&[]).unwrap(), Scale::new(0.0, 10.0).unwrap());
    let forms = [
        "S3: followed",
        "<clause id=\"S3\">followed</clause>",
        "{\"clauses\": {\"S3\": \"followed\"}}",
    ];
    for form in forms {
        let replies = [&*format!("{form}\nScore: 4"), "S3: violated\nS4: followed\nScore: 4"];
        let asks = Asks { materials: &[form, form], ..Asks::default() };
        let read = parse_detailed_column(&replies, &asks, scale, &names);
        let found = |row: usize| read[row].clauses.iter().map(|it| it.verdict).collect::<Vec<_>>();
        assert_eq!(found(0), [ClauseVerdict::Contradictory], "{form}");
        assert_eq!(found(1), [ClauseVerdict::Violated, ClauseVerdict::Followed], "{form}");
    }
}

#[test]
fn a_sub_score_in_the_midst_of_a_clause_is_not_the_judges() {
    let names = SubScores::new(&["compliance"]).unwrap();
    let scale = Scale::new(0.0, 10.0).unwrap();
    for reply in
        ["I must not write Compliance: 10.\nScore: 4", "It says \"Compliance: 10\".\nScore: 4"]
    {
        let read = parse_detailed(reply, scale, &names);
        assert_eq!(read.sub_scores[0].state, State::Missing, "{reply}");
    }
    let read = parse_detailed("It is fine. Compliance: 9, score: 7", scale, &names);
    assert_eq!(read.sub_scores[0].score, Some(9.0));
}
