//! A `tokenizer.json` into an engine: what the crate `tokenizers` refuses is mended where that moves
//! no id, and what it would split otherwise than the reference is refused.

use std::ops::Range;

use serde_json::Value;
use tokenizers::Error;
use tokenizers::models::bpe;

use super::encode::Engine;
use super::found::Found;
use super::grammar::Grammar;
use super::merges::{Merges, byte_symbol};
use super::packed::Width;

/// Text that every part of a pipeline has to look at: some are refused only when they are used.
const PROBE: &str = "Probe 1: a_b, c!\n";

/// The pattern of cl100k without its rule for digits, as tokenizer files spell it.
const CL100K: [&str; 2] = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
];

/// The same pattern, spelt so that no match is tried twice.
const CL100K_POSSESSIVE: [&str; 2] = [
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|",
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
];

/// The crate's tables have a place for every id up to the largest.
const MOST_IDS: u64 = 1 << 26;

/// Reads a canonical config; the engine, and what was mended.
pub(super) fn engine(config: &mut Value) -> Result<(Engine, Option<String>), Error> {
    check_parts(config)?;
    let mut mended = Vec::new();
    if let Some(splitter) = config.get_mut("pre_tokenizer") {
        mend_patterns(splitter, &mut mended)?;
    }
    let (pipeline, absent) = match tokenizers::from_json(&config.to_string()) {
        Ok(pipeline) => (pipeline, 0..0),
        Err(error) => match error.downcast_ref() {
            Some(bpe::Error::ByteAtomOutOfVocabulary(bytes)) => {
                let Some(absent) = add_bytes(config, bytes) else { return Err(error) };
                mended.push(format!(
                    "{} of the 256 bytes have no token and are left out, as in the reference",
                    bytes.len()
                ));
                (tokenizers::from_json(&config.to_string())?, absent)
            }
            _ => return Err(error),
        },
    };
    let model = config.get("model").filter(|it| it.get("byte_level") == Some(&Value::Bool(true)));
    let merges = model.and_then(|model| Merges::read(model, &absent));
    if merges.is_none() && !absent.is_empty() {
        return Err("bytes have no token, and the merges cannot be read".into());
    }
    let vocabulary = config.pointer("/model/vocab").and_then(Value::as_object);
    let width = Width::of(vocabulary.map_or(usize::MAX, serde_json::Map::len));
    let grammar = config.get("pre_tokenizer").and_then(Grammar::read);
    let engine = Engine { pipeline, absent, width, grammar, merges };
    engine.encode(PROBE, &mut engine.scratch(), &mut Found::default())?;
    Ok((engine, (!mended.is_empty()).then(|| mended.join("; "))))
}

/// Refuses what the crate reads, but encodes otherwise than the reference does.
fn check_parts(config: &Value) -> Result<(), Error> {
    let suffix = config.pointer("/model/end_of_word_suffix").and_then(Value::as_str);
    if suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err("words that are single characters lose their end_of_word_suffix".into());
    }
    let vocabulary = config.pointer("/model/vocab").and_then(Value::as_object);
    let ids = vocabulary.into_iter().flat_map(|tokens| tokens.values()).filter_map(Value::as_u64);
    if let Some(id) = ids.max().filter(|&id| id >= MOST_IDS) {
        return Err(format!("a token has the id {id}, and tables go up to {MOST_IDS}").into());
    }
    let added = config.get("added_tokens").and_then(Value::as_array);
    let is_single = |token: &&Value| token.get("single_word") == Some(&Value::Bool(true));
    if let Some(token) = added.and_then(|tokens| tokens.iter().find(is_single)) {
        let content = token.get("content").unwrap_or(&Value::Null);
        return Err(format!("the added token {content} is a single_word").into());
    }
    Ok(())
}

/// Gives patterns that match alike the spelling that the crate knows.
///
/// # Errors
///
/// A pattern that the crate takes, but splits otherwise: numbers by threes, whatever it says.
fn mend_patterns(splitter: &mut Value, mended: &mut Vec<String>) -> Result<(), Error> {
    if let Some(members) = splitter.get_mut("pretokenizers").and_then(Value::as_array_mut) {
        return members.iter_mut().try_for_each(|member| mend_patterns(member, mended));
    }
    let Some(pattern) = splitter.pointer_mut("/pattern/Regex") else { return Ok(()) };
    let Some(text) = pattern.as_str() else { return Ok(()) };
    if text.contains(r"\p{Han}") {
        return Err("the pattern's classes without \\p{Han} would hold some of it".into());
    }
    let between = |[before, after]: [&str; 2]| {
        text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).map(str::to_owned)
    };
    if let Some(digits @ (r"\p{N}+" | r"\p{N}{1,2}")) = between(CL100K).as_deref() {
        return Err(
            format!("the pattern's rule {digits} would be taken for \\p{{N}}{{1,3}}").into()
        );
    }
    if let Some(digits @ (r"\p{N}" | r"\p{N}{1,3}")) = between(CL100K_POSSESSIVE).as_deref() {
        mended.push("the splitting pattern was spelt otherwise, which matches alike".to_owned());
        *pattern = Value::from(CL100K.join(digits));
    }
    Ok(())
}

/// Gives each byte an id above the vocabulary; the ids given. None where the ids of the vocabulary
/// have holes, because added tokens then would not move up by as many places.
fn add_bytes(config: &mut Value, bytes: &[u8]) -> Option<Range<u32>> {
    let vocabulary = config.pointer_mut("/model/vocab")?.as_object_mut()?;
    let first = vocabulary.len();
    if vocabulary.values().filter_map(Value::as_u64).max()? + 1 != first as u64 {
        return None;
    }
    let first = first as u32;
    for (id, &byte) in (first..).zip(bytes) {
        vocabulary.insert(byte_symbol(byte).to_string(), Value::from(id));
    }
    Some(first..first + bytes.len() as u32)
}
