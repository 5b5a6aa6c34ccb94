use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use dalign_core::CoreError;
use dalign_core::memory::Pool;
use dalign_core::tokenize::{TokenizeError, Tokenizer, unsettled_rows};
use proptest::prelude::*;
use serde_json::{Value, json};

const WORDS: [&str; 3] = ["hello", "Ġhello", "Ġworld"];

/// A byte-level tokenizer without merges: whole words, the 256 bytes but `absent` above them, and
/// `<think>`, last, as an added token that is not special.
fn byte_level(absent: &[u8]) -> Value {
    let mut vocabulary = serde_json::Map::new();
    for word in WORDS {
        vocabulary.insert(word.to_owned(), json!(vocabulary.len()));
    }
    for byte in (0..=255_u8).filter(|byte| !absent.contains(byte)) {
        vocabulary.insert(symbol(byte).to_string(), json!(vocabulary.len()));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "post_processor": null,
        "added_tokens": [{
            "id": vocabulary.len(), "content": "<think>", "special": false, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false
        }],
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
        },
        "decoder": {
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true
        },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocabulary, "merges": []
        }
    })
}

/// The character by which a byte-level vocabulary writes a byte.
fn symbol(byte: u8) -> char {
    let plain: Vec<u32> = (0x21..0x7f).chain(0xa1..0xad).chain(0xae..0x100).collect();
    let code = u32::from(byte);
    if plain.contains(&code) {
        return char::from(byte);
    }
    let rank = (0..code).filter(|other| !plain.contains(other)).count() as u32;
    char::from_u32(0x100 + rank).unwrap()
}

fn write(config: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, config).unwrap();
    (folder, path)
}

fn tokenizer(config: &Value) -> Tokenizer {
    Tokenizer::from_file(write(&config.to_string()).1.as_path()).unwrap_or_else(|e| panic!("{e}"))
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_batch(&[text]).unwrap().ids
}

/// The id of a byte in a complete vocabulary.
fn byte(byte: u8) -> u32 {
    WORDS.len() as u32 + u32::from(byte)
}

#[test]
fn whole_words_need_no_merges() {
    let tokenizer = tokenizer(&byte_level(&[]));
    assert_eq!(ids(&tokenizer, "hello hello world"), [0, 1, 2]);
    assert_eq!(ids(&tokenizer, "hi"), [byte(b'h'), byte(b'i')]);
    assert_eq!(ids(&tokenizer, "é"), [byte(0xc3), byte(0xa9)]);
    assert_eq!(ids(&tokenizer, ""), [0_u32; 0]);
}

#[test]
fn added_tokens_in_the_text_get_their_own_id() {
    assert_eq!(ids(&tokenizer(&byte_level(&[])), "hello<think>hello"), [0, 259, 0]);
}

#[test]
fn bytes_that_the_vocabulary_lacks_are_left_out_and_move_no_id() {
    let tokenizer = tokenizer(&byte_level(b"\xc3h"));
    // 0xa9 comes after the absent h, before the absent 0xc3.
    assert_eq!(ids(&tokenizer, "hé hello<think>"), [byte(0xa9) - 1, 1, 257]);
}

#[test]
fn bytes_cannot_be_absent_from_a_vocabulary_with_holes() {
    let mut config = byte_level(b"h");
    config["model"]["vocab"]["hello"] = json!(900);
    let error = Tokenizer::from_file(write(&config.to_string()).1.as_path()).err().unwrap();
    assert_eq!(error.kind(), "unsupported_tokenizer");
}

/// Merges of a, b and c into one another, in an order that hides none: ab, bc, abc, ca.
fn merging(absent: &[u8]) -> Value {
    let mut config = byte_level(absent);
    let first = config["model"]["vocab"].as_object().unwrap().len();
    for (id, token) in (first..).zip(["ab", "bc", "abc", "ca"]) {
        config["model"]["vocab"][token] = json!(id);
    }
    config["model"]["merges"] = json!([["a", "b"], ["b", "c"], ["a", "bc"], ["c", "a"]]);
    config["model"]["ignore_merges"] = json!(false);
    config["added_tokens"] = json!([]);
    config
}

#[test]
fn neighbours_of_a_byte_that_the_vocabulary_lacks_merge() {
    let tokenizer = tokenizer(&merging(b"z"));
    // 3 words and 255 bytes come before ab, bc, abc, ca.
    assert_eq!(ids(&tokenizer, "azb"), [258]);
    assert_eq!(ids(&tokenizer, "zbzzcz"), [259]);
    // ab has the lowest rank and goes first, so that bc and abc do not come about.
    assert_eq!(ids(&tokenizer, "zabc"), [258, byte(b'c')]);
    assert_eq!(ids(&tokenizer, "cza zc"), [261, byte(b' '), byte(b'c')]);
    assert_eq!(ids(&tokenizer, "zz"), [0_u32; 0]);
}

#[test]
fn a_byte_that_the_vocabulary_lacks_may_have_an_unknown_token() {
    let mut config = merging(b"z");
    config["model"]["unk_token"] = json!("hello");
    assert_eq!(ids(&tokenizer(&config), "azzb"), [byte(b'a'), 0, 0, byte(b'b')]);
    config["model"]["fuse_unk"] = json!(true);
    assert_eq!(ids(&tokenizer(&config), "azzbz"), [byte(b'a'), 0, byte(b'b'), 0]);
}

#[test]
fn what_was_mended_is_noted() {
    assert_eq!(tokenizer(&byte_level(&[])).note(), None);
    let tokenizer = tokenizer(&byte_level(b"h"));
    assert!(tokenizer.note().unwrap().contains("1 of the 256 bytes"));
}

#[test]
fn what_would_be_encoded_otherwise_is_refused() {
    let digits = |rule: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": format!(
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|{rule}\
                 | ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
            )}},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
        ]})
    };
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut config = byte_level(&[]);
        change(&mut config);
        Tokenizer::from_file(write(&config.to_string()).1.as_path()).err().map(|it| it.kind())
    };
    let unsupported = Some("unsupported_tokenizer");
    assert_eq!(refusal(&|config| config["pre_tokenizer"] = digits(r"\p{N}{1,3}")), None);
    assert_eq!(refusal(&|config| config["pre_tokenizer"] = digits(r"\p{N}{1,2}")), unsupported);
    assert_eq!(refusal(&|config| config["pre_tokenizer"] = digits(r"\p{N}+")), unsupported);
    assert_eq!(
        refusal(&|config| config["model"]["end_of_word_suffix"] = json!("</w>")),
        unsupported
    );
    assert_eq!(refusal(&|config| config["model"]["dropout"] = json!(0.1)), unsupported);
    assert_eq!(
        refusal(&|config| config["added_tokens"][0]["single_word"] = json!(true)),
        unsupported
    );
    assert_eq!(
        refusal(&|config| config["pre_tokenizer"]["add_prefix_space"] = json!(true)),
        unsupported
    );
}

#[test]
fn an_id_that_tables_cannot_hold_is_unsupported() {
    let mut config = byte_level(&[]);
    let content = config["added_tokens"][0]["content"].as_str().unwrap().to_owned();
    config["model"]["vocab"][content.as_str()] = json!(2_147_483_648_u32);
    let (_place, path) = write(&config.to_string());
    let error = Tokenizer::from_file(path.as_path()).err().unwrap();
    assert_eq!(error.kind(), "unsupported_tokenizer");
    assert!(error.to_string().contains("2147483648"), "{error}");
}

#[test]
fn rows_with_characters_of_a_newer_unicode_are_named() {
    // U+0897 opens a run and U+10959 ends one; the others stand beside or between runs.
    let texts = ["", "é日", "\u{0897}", "\u{0896}", "a\u{10959}b", "\u{1095a}", "\u{10ffff}"];
    assert_eq!(unsettled_rows(&texts), [2, 4]);
}

#[test]
fn a_file_that_is_no_tokenizer_is_unreadable() {
    for text in ["", "{", "[]", "{}"] {
        let error = Tokenizer::from_file(write(text).1.as_path()).err().unwrap();
        assert!(matches!(error, TokenizeError::Unreadable { .. }), "{text:?}: {error}");
    }
    let error = Tokenizer::from_file("/nowhere/tokenizer.json").err().unwrap();
    assert_eq!(error.kind(), "unreadable_tokenizer");
    assert!(error.to_string().contains("/nowhere/tokenizer.json"));
}

#[test]
fn an_unknown_splitting_pattern_is_unsupported() {
    let mut config = byte_level(&[]);
    config["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "(?<=x)y+"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
    ]});
    let error = Tokenizer::from_file(write(&config.to_string()).1.as_path()).err().unwrap();
    assert_eq!(error.kind(), "unsupported_tokenizer");
}

static COMPLETE: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(&byte_level(&[])));
static MERGING: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(&merging(b"z")));

proptest! {
    #[test]
    fn a_byte_that_the_vocabulary_lacks_is_as_if_it_were_not_there(text in "[abcz]{0,40}") {
        // One word, with and without: merged by different code.
        prop_assert_eq!(ids(&MERGING, &text), ids(&MERGING, &text.replace('z', "")));
    }

    // 64 texts make a task: below, at and above one.
    #[test]
    fn a_column_is_its_rows(
        texts in prop::collection::vec("(hello| world|<think>|\\PC){0,6}", 0..200),
    ) {
        let tokenizer = &*COMPLETE;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = tokenizer.encode_batch(&texts).unwrap();
        prop_assert_eq!(encoded.offsets.len(), texts.len() + 1);
        for (text, ends) in texts.iter().zip(encoded.offsets.windows(2)) {
            prop_assert_eq!(&encoded.ids[ends[0] as usize..ends[1] as usize], ids(tokenizer, text));
        }
    }
}

#[test]
fn the_ids_of_a_large_column_are_those_of_its_rows() {
    // 8 MiB of text go into memory of a pool; the word of seven bytes is one id, white space another.
    let row = "hello ".repeat(1_000);
    let texts = vec![row.as_str(); (8 << 20) / row.len() + 2];
    let pool = Pool::default();
    let one = COMPLETE.encode_batch(&texts[..1]).unwrap();
    for _ in 0..2 {
        let (found, offsets) = COMPLETE.encode_batch_in(&texts, &pool).unwrap();
        assert_eq!(offsets.len(), texts.len() + 1);
        assert!(offsets.windows(2).all(|ends| ends[1] - ends[0] == one.ids.len() as u64));
        assert!(found.chunks(one.ids.len()).all(|ids| ids == one.ids));
        assert_eq!(found.len(), one.ids.len() * texts.len());
        drop(found);
        assert!(pool.kept() >= 4 * (8 << 20), "an id a byte was mapped, and comes back");
    }
}

#[test]
fn few_characters_are_unsettled_and_no_common_script_has_one() {
    let common = ["é", "я", "ن", "ह", "ไ", "日", "か", "한", "🙂", "€", "—", "½", "Ω", "א", "ə"];
    assert_eq!(unsettled_rows(&common), [0_u32; 0]);
    // The first and last of a run, and their neighbours.
    let edges = ["\u{1093f}", "\u{10940}", "\u{10959}", "\u{1095a}"];
    assert_eq!(unsettled_rows(&edges), [1, 2]);
    let every: Vec<String> = ('\0'..=char::MAX).map(String::from).collect();
    let every: Vec<&str> = every.iter().map(String::as_str).collect();
    let unsettled = unsettled_rows(&every);
    assert!(unsettled.len() < 6_000 && unsettled.is_sorted());
}

/// Merges of which some make others possible, on either side: in the order of their ranks.
const CHAINED: [(&str, &str); 7] =
    [("b", "c"), ("a", "bc"), ("a", "a"), ("aa", "aa"), ("c", "abc"), ("a", "b"), ("aa", "abc")];

/// A complete vocabulary whose merged tokens come after its 3 words and 256 bytes.
fn chained() -> Value {
    let mut config = byte_level(&[]);
    for (id, (first, second)) in (259..).zip(CHAINED) {
        config["model"]["vocab"][[first, second].concat()] = json!(id);
    }
    config["model"]["merges"] = json!(CHAINED);
    config["model"]["ignore_merges"] = json!(false);
    config["added_tokens"] = json!([]);
    config
}

/// The ids of a word by the rules themselves: of all merges that apply the first is made, at its first place,
/// until none applies.
fn naive_ids(word: &str) -> Vec<u32> {
    let mut symbols: Vec<String> = word.chars().map(String::from).collect();
    let rank = |pair: &[String]| CHAINED.iter().position(|it| it.0 == pair[0] && it.1 == pair[1]);
    while let Some((_, at)) =
        symbols.windows(2).enumerate().filter_map(|(at, pair)| Some((rank(pair)?, at))).min()
    {
        let second = symbols.remove(at + 1);
        symbols[at].push_str(&second);
    }
    let merged = |symbol: &str| CHAINED.iter().position(|it| [it.0, it.1].concat() == symbol);
    let id = |symbol: &String| match merged(symbol) {
        Some(merge) => 259 + merge as u32,
        None => byte(symbol.as_bytes()[0]),
    };
    symbols.iter().map(id).collect()
}

/// The ids of words that stand apart by one space each, which belongs to the word behind it.
fn naive_text(text: &str) -> Vec<u32> {
    text.split(' ')
        .enumerate()
        .flat_map(|(place, word)| {
            let space = (place > 0).then(|| byte(b' '));
            space.into_iter().chain(naive_ids(word))
        })
        .collect()
}

static CHAINING: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(&chained()));

proptest! {
    // On both sides of the 32 bytes up to which a word is searched for its best pair.
    #[test]
    fn ids_are_those_of_the_merges_made_one_by_one(text in "[abc]{1,70}( [abc]{1,20}){0,9}") {
        prop_assert_eq!(ids(&CHAINING, &text), naive_text(&text));
    }

    #[test]
    fn a_character_of_a_newer_unicode_unsettles_its_row_wherever_it_stands(
        texts in prop::collection::vec("[a-zé\u{890}-\u{8a0}\u{10938}-\u{10960}]{0,3}", 0..9),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let is_newer = |c: char| matches!(c, '\u{897}'..='\u{89f}' | '\u{10940}'..='\u{10959}');
        let newer = (0_u32..).zip(&texts).filter(|(_, text)| text.contains(is_newer));
        prop_assert_eq!(unsettled_rows(&texts), newer.map(|(row, _)| row).collect::<Vec<_>>());
    }
}

#[test]
fn words_met_again_have_the_ids_they_had() {
    let tokenizer = tokenizer(&chained());
    // Around 16 words and 64 texts, which are encoded at once, and around the longest word kept.
    for words in [1, 15, 16, 17, 63, 64, 65, 400] {
        let word = |at: usize| ["abc", "caa", "aab"][at % 3].repeat(1 + at * at % 12);
        let text = (0..words).map(word).collect::<Vec<_>>().join(" ");
        let expected = naive_text(&text);
        for _ in 0..2 {
            let found = tokenizer.encode_batch(&[&*text; 3]).unwrap();
            assert!(found.ids == expected.repeat(3), "{words} words");
        }
    }
    let nothing = tokenizer.encode_batch(&[]).unwrap();
    assert_eq!((nothing.ids.len(), &*nothing.offsets), (0, &[0][..]));
}

#[test]
fn a_word_of_a_megabyte_is_encoded_in_a_moment() {
    // Merged by looking for the best pair again and again, it would take hours.
    for (word, expected) in [("abz", &[258_u32][..]), ("cza", &[261]), ("bzbb", &[byte(b'b'); 3])] {
        let found = ids(&MERGING, &word.repeat((1 << 20) / word.len()));
        assert!(found.chunks(expected.len()).all(|ids| ids == expected), "{word}");
        assert_eq!(found.len(), (1 << 20) / word.len() * expected.len());
    }
}
