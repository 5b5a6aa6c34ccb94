//! Every grammar against the crate's own splitting, which the Python tests hold against the
//! reference.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::Error;
use tokenizers::pipeline::{PipelineTokenizer, PreTokenizer, PreTokenizerScratch};

use super::split;
use crate::tokenize::bounds::Bounds;
use crate::tokenize::grammar::{CL100K, GPT2, Grammar, O200K, QWEN2, TEKKEN};

const PATTERNS: [(Grammar, &str); 5] = [
    (Grammar::Gpt2, GPT2),
    (Grammar::Cl100k, CL100K),
    (Grammar::Qwen2, QWEN2),
    (Grammar::O200k, O200K),
    (Grammar::Tekken, TEKKEN),
];

fn by_pattern(pattern: &str) -> Value {
    json!({"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": pattern}})
}

fn digits_cut() -> Value {
    let digits = json!({"type": "Digits", "individual_digits": true});
    json!({"type": "Sequence", "pretokenizers": [digits, by_pattern(GPT2)]})
}

/// The crate's tokenizer, of which only the splitting counts.
fn pipeline(splitter: &Value) -> PipelineTokenizer {
    let mut config = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": splitter,
        "post_processor": null, "decoder": null, "truncation": null, "padding": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    });
    tokenizers::canonicalize_value(&mut config).unwrap();
    tokenizers::from_json(&config.to_string()).unwrap()
}

fn starts_by_crate(pipeline: &PipelineTokenizer, text: &str) -> Vec<usize> {
    let mut spans = Vec::new();
    let splitter = pipeline.get_pre_tokenizer();
    splitter.pre_tokenize(text, &mut PreTokenizerScratch::default(), &mut spans).unwrap();
    spans.iter().map(|span| span.start as usize).collect()
}

fn starts_here(grammar: Grammar, pipeline: &PipelineTokenizer, text: &str) -> Vec<usize> {
    let mut bounds = Bounds::default();
    split(grammar, text.as_bytes(), &mut bounds, |from, until, bounds| {
        let starts = starts_by_crate(pipeline, &text[from..until]);
        for start in starts {
            bounds.push_one(from + start);
        }
        Ok::<(), Error>(())
    })
    .unwrap();
    bounds.all().iter().map(|&start| start as usize).collect()
}

fn check(texts: &[String]) {
    for (grammar, splitter) in PATTERNS
        .map(|(grammar, pattern)| (grammar, by_pattern(pattern)))
        .into_iter()
        .chain([(Grammar::Gpt2DigitsCut, digits_cut())])
    {
        assert_eq!(Grammar::read(&splitter), Some(grammar));
        let pipeline = pipeline(&splitter);
        for text in texts {
            let (here, there) =
                (starts_here(grammar, &pipeline, text), starts_by_crate(&pipeline, text));
            assert_eq!(here, there, "{grammar:?} {text:?}");
        }
    }
}

#[test]
fn another_splitter_has_no_grammar() {
    let mut inverted = by_pattern(GPT2);
    inverted["invert"] = json!(true);
    let twice = json!({"type": "Sequence", "pretokenizers": [by_pattern(GPT2), by_pattern(GPT2)]});
    for splitter in [inverted, twice, by_pattern(r"\s+"), Value::Null, json!({"type": "Digits"})] {
        assert_eq!(Grammar::read(&splitter), None, "{splitter}");
    }
}

#[test]
fn matches_kept_by_removing_what_lies_between_are_the_same() {
    let mut splitter = by_pattern(O200K);
    splitter["invert"] = json!(true);
    splitter["behavior"] = json!("Removed");
    assert_eq!(Grammar::read(&splitter), Some(Grammar::O200k));
}

#[test]
fn every_run_is_followed_by_every_other() {
    let runs = [
        "a", "A", "aB", "Ab", "1", "123", "1234", " ", "  ", "\t", "\n", "\r\n", "\n\n", " \n",
        "\n ", "!", "!!", "/", "/!", "!/", "'", "''", "'s", "'S", "'ll", "'Re", "'v", "\u{1}",
        "\u{b}",
    ];
    let mut texts = Vec::new();
    for first in runs {
        for second in runs {
            for third in runs {
                texts.push([first, second, third, "x"].concat());
                texts.push(["don", first, second, third].concat());
            }
        }
    }
    check(&texts);
}

#[test]
fn runs_that_cross_blocks_are_one() {
    let runs = ["a", "A", "1", " ", "\t", "\n", "!", "/", " \n", "!\n/", "'s", "aB", "é", "a é "];
    // Around one and two blocks of 64, and what a run of two or three characters makes of them.
    let mut texts = Vec::new();
    for before in (0..4).chain(58..68).chain([126, 127, 128]) {
        for count in [1, 2, 3, 64, 100] {
            for run in runs {
                for (padding, end) in [("x", "y"), (" ", "'re"), ("\n", "\n"), ("!", "/\n")] {
                    texts.push([&padding.repeat(before), &run.repeat(count), end].concat());
                }
            }
        }
    }
    check(&texts);
}

#[test]
fn calm_ascii_between_other_characters_is_split_here() {
    // Below, at and above the number of ASCII characters that ends a stretch.
    for calm in [10, 255, 256, 257, 700] {
        let words = "It's 3 o'clock\n".repeat(calm / 15 + 1);
        let text = format!("{words}né à{words} 日本 {words}é");
        check(&[text]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn words_start_where_the_crate_has_them(
        texts in prop::collection::vec("[ \\t\\n\\r'/!.12abABdelmrstvLSé日ʰ\\u{301}]{0,200}", 1..8),
    ) {
        check(&texts);
    }

    #[test]
    fn words_of_prose_start_where_the_crate_has_them(
        text in prop::collection::vec("[a-z]{1,8}( |  |, |\\. |\\n|\\n\\n|'s |'|-|/| é |\\n    |[0-9]{1,5}|[A-Z])", 0..80),
    ) {
        check(&[text.concat()]);
    }
}
