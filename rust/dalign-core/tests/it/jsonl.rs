//! JSON Lines: the table, and the same verdict and the same texts as `serde_json` on any line.

use std::io::{self, ErrorKind, Read};

use dalign_core::CoreError;
use dalign_core::jsonl::{Chunks, Defect, Fields, Found, JsonlError, Reader, scan_bytes};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    file: String,
    hex: Option<String>,
    fields: Option<Vec<String>>,
    #[serde(default)]
    optional: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    error: Option<Expected>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let pair =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        match &self.hex {
            Some(hex) => hex.as_bytes().chunks(2).map(pair).collect(),
            None => self.file.clone().into_bytes(),
        }
    }
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Line and texts of each row, or the error.
fn read(
    source: impl Read,
    fields: &Fields,
    chunk_bytes: usize,
) -> Result<Vec<Vec<Value>>, JsonlError> {
    let chunks = Chunks::new(source, "here", chunk_bytes, 1 << 20);
    let mut reader = Reader::new(chunks, fields.clone());
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        for (row, &line) in batch.lines().iter().enumerate() {
            let texts = (0..fields.names().len())
                .map(|field| batch.text(row, field).map_or(Value::Null, |it| it.decoded().into()));
            rows.push([line.into()].into_iter().chain(texts).collect());
        }
    }
    Ok(rows)
}

#[test]
fn files_are_read_as_the_table_says() {
    for case in cases::<Case>("jsonl") {
        let fields = case.fields.clone().unwrap_or_else(|| vec!["a".to_owned()]);
        let fields = Fields::new(&borrowed(&fields), &borrowed(&case.optional));
        for chunk_bytes in [1, 16, 1 << 20] {
            let rows = read(&case.bytes()[..], &fields, chunk_bytes);
            match (&case.error, rows) {
                (None, rows) => assert_eq!(rows.unwrap(), case.rows, "{}", case.name),
                (Some(expected), rows) => expected.check(&case.name, &rows.unwrap_err()),
            }
        }
    }
}

/// A source that gives one byte at a time, and is interrupted before each.
struct Slow<'b> {
    bytes: &'b [u8],
    interrupted: bool,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let count = buffer.len().min(1);
        self.bytes.read(&mut buffer[..count])
    }
}

#[test]
fn a_source_that_gives_a_byte_at_a_time_has_the_same_rows() {
    let bytes = b"\xef\xbb\xbf{\"a\": \"x\"}\n\n{\"a\": \"y\"}";
    let fields = Fields::new(&["a"], &[]);
    let rows = read(Slow { bytes, interrupted: false }, &fields, 64).unwrap();
    assert_eq!(rows, read(&bytes[..], &fields, 64).unwrap());
    assert_eq!(rows.len(), 2);
}

/// A source that breaks.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the cable came off"))
    }
}

#[test]
fn a_source_that_breaks_is_named_with_what_the_system_says() {
    let error = read(Broken, &Fields::new(&[], &[]), 64).unwrap_err();
    assert_eq!((error.kind(), error.row()), ("unreadable_file", None));
    assert!(error.to_string().starts_with("here: ") && error.to_string().contains("the cable"));
}

#[test]
fn a_row_may_be_as_long_as_the_limit_with_its_line_end_and_no_longer() {
    let row = |bytes: usize| format!("{{\"a\": \"{}\"}}\n", "x".repeat(bytes - 10));
    let read = |file: &str| {
        let mut chunks = Chunks::new(file.as_bytes(), "here", 16, 100);
        chunks.next_chunk(1)?;
        chunks.next_chunk(2).map(|rest| rest.map(str::len))
    };
    assert_eq!(read(&format!("{{}}\n{}", row(100))).unwrap(), Some(100));
    let error = read(&format!("{{}}\n{}", row(101))).unwrap_err();
    let place = "here".to_owned();
    let defect = Defect::RowTooLarge { limit: 100 };
    assert_eq!(error, JsonlError::Line { place, line: 2, defect });
    assert_eq!(error.limit(), Some(100.0));
}

#[test]
fn values_nest_as_deep_as_serde_json_lets_them() {
    for (depth, accepted) in [(126, true), (127, false), (100_000, false)] {
        let line = format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(scan_bytes(line.as_bytes(), &Fields::new(&[], &[])).is_ok(), accepted);
        assert_eq!(serde_json::from_str::<Value>(&line).is_ok(), accepted);
    }
}

/// What `serde_json` finds under `a`: nothing when the line is no object.
fn reference(line: &[u8]) -> Result<Option<Value>, ()> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(row)) => Ok(row.get("a").cloned()),
        _ => Err(()),
    }
}

fn found(line: &[u8]) -> Result<Option<Value>, ()> {
    // Optional and of any type: what is no text is told apart by the error.
    let fields = Fields::new(&[], &["a"]);
    match scan_bytes(line, &fields) {
        Ok(found) => Ok(match found[0] {
            Found::Absent => None,
            Found::Other(_) => Some(Value::Null),
            Found::Text(_) => {
                let text = std::str::from_utf8(line).unwrap();
                let batch =
                    dalign_core::jsonl::Batch::parse(text.into(), 1, "here", &fields).unwrap();
                Some(batch.text(0, 0).unwrap().decoded().into())
            }
        }),
        Err(Defect::BadField { .. }) => Ok(Some(Value::Bool(false))),
        Err(_) => Err(()),
    }
}

fn check(line: &[u8]) -> Result<(), TestCaseError> {
    if line.contains(&b'\n') || line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    // The one difference: how large a number is has no part in whether a row is one.
    let error = serde_json::from_slice::<Value>(line).err();
    prop_assume!(!error.is_some_and(|error| error.to_string().contains("out of range")));
    let no_text =
        |value: Value| if value.is_string() || value.is_null() { value } else { false.into() };
    prop_assert_eq!(found(line), reference(line).map(|value| value.map(no_text)));
    Ok(())
}

/// Pieces of JSON, whole and broken, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"a\"",
        "\"a\": ",
        "\"\\u0061\":",
        "{\"a\":\"",
        "\"}",
        "\\",
        "\\\\",
        "\\\"",
        "\\/",
        "\\n",
        "\\u",
        "\\u00e9",
        "\\ud83d",
        "\\ude42",
        "\\uD83D\\uDE42",
        "\\x",
        "é",
        "🙂",
        "x",
        " ",
        "\t",
        "\r",
        "\u{1f}",
        "\u{7f}",
        "0",
        "-",
        "1",
        ".5",
        "e",
        "E+2",
        "1e400",
        "true",
        "false",
        "null",
        "nul",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..14)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// A row as `serde_json` writes it, with some of its bytes replaced.
fn broken_row() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![".{0,9}", r#"["\\/\x00-\x20a<>]{0,9}"#];
    let value = prop_oneof![
        text.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(Value::from),
    ];
    let key = prop_oneof![Just("a".to_owned()), ".{0,3}"];
    let row = prop::collection::vec((key, value), 0..4).prop_map(|members| {
        let members =
            members.iter().map(|(key, value)| format!("{}: {value}", Value::from(&**key)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(", ")).into_bytes()
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (row, changes).prop_map(|(mut row, changes)| {
        for (place, byte) in changes {
            let place = place.index(row.len());
            row[place] = byte;
        }
        row
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_of_json_are_accepted_and_read_as_serde_json_does(line in pieces()) {
        check(&line)?;
    }

    #[test]
    fn rows_with_changed_bytes_are_accepted_and_read_as_serde_json_does(line in broken_row()) {
        check(&line)?;
    }

    #[test]
    fn any_bytes_are_accepted_or_refused(line: Vec<u8>) {
        check(&line)?;
    }
}
