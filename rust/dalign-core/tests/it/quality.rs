use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use dalign_core::CoreError;
use dalign_core::quality::{
    Checks, Completion, Ending, Limit, Part, Quality, Reason, ScriptSet, ending, first_reasons,
};
use dalign_core::text::words::folded;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    prompt: String,
    reasoning: String,
    answer: String,
    ngram: usize,
    scripts: Vec<String>,
    phrases: Vec<String>,
    expected: BTreeMap<String, Value>,
}

impl Case {
    fn checks(&self) -> Checks {
        let scripts: Vec<&str> = self.scripts.iter().map(String::as_str).collect();
        let phrases: Vec<&str> = self.phrases.iter().map(String::as_str).collect();
        Checks::new(self.ngram, &scripts, &phrases).unwrap()
    }

    fn completion(&self) -> Completion<'_> {
        Completion { prompt: &self.prompt, reasoning: &self.reasoning, answer: &self.answer }
    }
}

/// Checks without further phrases, made once: building the search costs more than most texts.
fn plain(ngram: usize) -> &'static Checks {
    static CHECKS: LazyLock<Vec<Checks>> =
        LazyLock::new(|| (1..6).map(|n| Checks::new(n, &[], &[]).unwrap()).collect());
    &CHECKS[ngram - 1]
}

/// A measure by the name of its column.
fn measure(quality: &Quality, checks: &Checks, name: &str) -> Value {
    match name {
        "answer_ending" => return quality.ending.as_str().into(),
        "answer_cut_off" => return u8::from(quality.is_cut_off()).into(),
        "answer_echo" => return quality.echo.into(),
        _ => {}
    }
    let (part, name) = name.split_once('_').unwrap();
    let part: &Part = if part == "answer" { &quality.answer } else { &quality.reasoning };
    let dangling = part.first_dangling;
    match name {
        "chars" => part.chars.into(),
        "words" => part.words.into(),
        "repeated" => part.repeated.into(),
        "cycle" => part.cycle.into(),
        "foreign" => part.foreign.into(),
        "foreign_run" => part.foreign_run.into(),
        "foreign_start" => part.foreign_span.0.into(),
        "foreign_end" => part.foreign_span.1.into(),
        "dangling" => part.dangling.into(),
        "dangling_phrase" => {
            checks.references().phrases()[dangling.unwrap().phrase as usize].as_str().into()
        }
        "dangling_start" => dangling.unwrap().start.into(),
        "dangling_end" => dangling.unwrap().end.into(),
        other => panic!("no measure {other}"),
    }
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("qualities") {
        let checks = case.checks();
        let quality = checks.measure(case.completion());
        for (name, expected) in &case.expected {
            let found = measure(&quality, &checks, name);
            let same = match (found.as_f64(), expected.as_f64()) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                _ => found == *expected,
            };
            assert!(same, "{}: {name} is {found}, not {expected}: {quality:?}", case.name);
        }
    }
}

#[test]
fn the_table_shows_every_ending() {
    let shown: Vec<Value> = cases::<Case>("qualities")
        .into_iter()
        .filter_map(|mut case| case.expected.remove("answer_ending"))
        .collect();
    for ending in Ending::ALL {
        assert!(shown.iter().any(|name| name == ending.as_str()), "{ending:?}");
    }
}

#[test]
fn the_measure_that_comes_first_gives_the_reason_whatever_the_order_of_the_limits() {
    let long = Limit::new("answer_chars", Some(2.0), Some(5.0)).unwrap();
    let echo = Limit::new("answer_echo", None, Some(0.5)).unwrap();
    let chars = [1.0, 2.0, 5.0, 6.0, f64::NAN, f64::NAN];
    let echoes = [0.9, 0.5, 0.6, 0.6, 0.6, f64::NAN];
    let expected = [
        Some(Reason::TooShort),
        None,
        Some(Reason::AnswerRepeatsReasoning),
        Some(Reason::TooLong),
        Some(Reason::AnswerRepeatsReasoning),
        None,
    ];
    assert_eq!(first_reasons(&[long, echo], &[&chars, &echoes]).unwrap(), expected);
    assert_eq!(first_reasons(&[echo, long], &[&echoes, &chars]).unwrap(), expected);
    assert_eq!(first_reasons(&[], &[]).unwrap(), []);
}

#[test]
fn what_cannot_be_measured_or_limited_is_refused() {
    let kind = |error: dalign_core::quality::QualityError| error.kind();
    assert_eq!(kind(Checks::new(0, &[], &[]).unwrap_err()), "bad_ngram");
    assert_eq!(kind(Checks::new(1, &["Martian"], &[]).unwrap_err()), "unknown_script");
    let blank = Checks::new(1, &[], &["fine", " "]).unwrap_err();
    assert_eq!((blank.row(), kind(blank)), (Some(1), "blank_phrase"));
    assert_eq!(kind(Limit::new("answer_length", None, None).unwrap_err()), "unknown_measure");
    for (low, high) in [(Some(2.0), Some(1.0)), (Some(f64::NAN), None), (None, Some(f64::NAN))] {
        assert_eq!(kind(Limit::new("answer_chars", low, high).unwrap_err()), "bad_limit");
    }
    assert_eq!(kind(Limit::new("answer_cycle", Some(1.0), None).unwrap_err()), "bad_limit");
    let limit = Limit::new("answer_cycle", None, Some(1.0)).unwrap();
    assert_eq!(kind(first_reasons(&[limit], &[]).unwrap_err()), "length_mismatch");
    assert_eq!(
        kind(first_reasons(&[limit, limit], &[&[1.0], &[]]).unwrap_err()),
        "length_mismatch"
    );
}

/// How many words lie in an n-gram that stood before, by comparing all of them.
fn repeated_words(words: &[u64], n: usize) -> usize {
    let mut covered = vec![false; words.len()];
    let mut seen: HashMap<&[u64], usize> = HashMap::new();
    for (place, gram) in words.windows(n).enumerate() {
        if seen.insert(gram, place).is_some() {
            covered[place..place + n].fill(true);
        }
    }
    covered.iter().filter(|&&covered| covered).count()
}

/// Whether some cycle of at least two rounds, and n words again, has so many words.
fn has_cycle(words: &[u64], n: usize, length: usize) -> bool {
    (1..=length / 2).any(|period| {
        length - period >= n
            && words.windows(length).any(|run| run.iter().zip(&run[period..]).all(|(a, b)| a == b))
    })
}

/// Few words, so that they repeat, and all that a check looks for.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "a ",
        "b ",
        "c ",
        "A ",
        "安",
        "全",
        "д ",
        ". ",
        "\n",
        "\n\n",
        "- ",
        "```\n",
        "(",
        ")",
        "!",
        "the policy above ",
        "é",
        "\u{200b}",
        "1. ",
        "システム",
        "\u{301}",
        "🙂",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_measured_and_shares_lie_between_0_and_1(a in any::<String>(), b in text(), n in 1_usize..5) {
        let checks = plain(n);
        for (reasoning, answer) in [(&a, &b), (&b, &a), (&b, &b)] {
            let found = checks.measure(Completion { prompt: "", reasoning, answer });
            for part in [found.reasoning, found.answer] {
                prop_assert!((0.0..=1.0).contains(&part.repeated), "{:?}", part);
                prop_assert!((0.0..=1.0).contains(&part.foreign), "{:?}", part);
                prop_assert!(part.cycle <= part.words);
            }
            prop_assert!((0.0..=1.0).contains(&found.echo));
            let (start, end) = found.answer.foreign_span;
            prop_assert_eq!(answer[start..end].is_empty(), found.answer.foreign_run == 0);
        }
    }

    #[test]
    fn repetition_is_what_comparing_all_n_grams_finds(text in text(), n in 1_usize..5) {
        let checks = plain(n);
        let found = checks.measure(Completion { prompt: "", reasoning: "", answer: &text }).answer;
        let words: Vec<u64> = folded(&text).map(|word| word.hash).collect();
        let repeated = repeated_words(&words, n);
        prop_assert_eq!((found.repeated * words.len() as f64).round() as usize, repeated);
        if found.cycle > 0 {
            prop_assert!(has_cycle(&words, n, found.cycle as usize), "{:?}", found);
        }
    }

    #[test]
    fn a_round_that_is_said_again_is_a_cycle(words in prop::collection::vec("[a-z]{1,6}", 1..20), rounds in 2_usize..5, n in 1_usize..5) {
        prop_assume!(words.len() * (rounds - 1) >= n);
        // Different words, so that the round is not one of smaller rounds.
        let numbered = words.iter().enumerate().map(|(at, word)| format!("{word}{at}"));
        let round = numbered.collect::<Vec<_>>().join(" ") + " ";
        let text = round.repeat(rounds);
        let checks = plain(n);
        let found = checks.measure(Completion { prompt: "", reasoning: "", answer: &text }).answer;
        prop_assert_eq!(found.cycle as usize, words.len() * rounds);
    }

    #[test]
    fn what_the_prompt_is_written_in_is_never_foreign(text in text()) {
        let checks = plain(3);
        let found = checks.measure(Completion { prompt: &text, reasoning: &text, answer: &text });
        prop_assert_eq!((found.reasoning.foreign_run, found.answer.foreign_run), (0, 0));
        let set = ScriptSet::of(&text);
        prop_assert_eq!(set.union(&ScriptSet::of(&text[..0])), set);
    }

    #[test]
    fn an_answer_inside_the_reasoning_is_all_echo(before in text(), answer in text(), after in text()) {
        let checks = plain(1);
        let reasoning = format!("{before}. {answer}. {after}");
        let found = checks.measure(Completion { prompt: "", reasoning: &reasoning, answer: &answer });
        prop_assert_eq!(found.echo, if found.answer.words > 0 { 1.0 } else { 0.0 });
    }

    #[test]
    fn a_sentence_at_the_end_of_a_paragraph_of_its_own_ends_the_text(text in text()) {
        let whole = format!("{text}\n\nThat is all.");
        prop_assert!(matches!(ending(&whole), Ending::Whole | Ending::OpenFence));
    }

    #[test]
    fn columns_are_their_rows_and_limits_say_the_same_of_both(rows in prop::collection::vec((text(), text()), 0..6)) {
        let checks = plain(2);
        let (reasonings, answers): (Vec<&str>, Vec<&str>) =
            rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).unzip();
        let prompts = vec![""; rows.len()];
        let found = checks.measure_column(&prompts, &reasonings, &answers).unwrap();
        let limits = [Limit::new("answer_words", Some(2.0), Some(9.0)).unwrap(), Limit::new("answer_echo", None, Some(0.5)).unwrap()];
        let words: Vec<f64> = found.iter().map(|it| f64::from(it.answer.words)).collect();
        let echoes: Vec<f64> = found.iter().map(|it| it.echo).collect();
        let reasons = first_reasons(&limits, &[&words, &echoes]).unwrap();
        for (row, (reasoning, answer)) in rows.iter().enumerate() {
            let alone = checks.measure(Completion { prompt: "", reasoning, answer });
            prop_assert_eq!(found[row], alone);
            let reason = match (alone.answer.words, alone.echo) {
                (..2, _) => Some(Reason::TooShort),
                (10.., _) => Some(Reason::TooLong),
                (_, echo) => (echo > 0.5).then_some(Reason::AnswerRepeatsReasoning),
            };
            prop_assert_eq!(reasons[row], reason);
        }
    }
}

proptest! {
    #[test]
    fn a_limit_is_broken_beyond_it_and_a_missing_value_breaks_nothing(
        values in prop::collection::vec(prop::option::of(0.0_f64..100.0), 1..9),
        (least, most) in (0.0_f64..50.0, 50.0_f64..100.0),
    ) {
        let column: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        let between = Limit::new("answer_chars", Some(least), Some(most)).unwrap();
        let reason = |value: f64| match value {
            value if value < least => Some(Reason::TooShort),
            value if value > most => Some(Reason::TooLong),
            _ => None,
        };
        let expected: Vec<_> = values.iter().map(|value| value.and_then(reason)).collect();
        prop_assert_eq!(first_reasons(&[between], &[&column]).unwrap(), expected);
        // On both ends themselves nothing is broken.
        prop_assert_eq!(first_reasons(&[between], &[&[least, most]]).unwrap(), [None, None]);
    }
}
