//! Files filtered as `dalign data filter` does it, read, looked at and written batch by batch: beside a
//! plain loop over the rows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use dalign_core::CoreError;
use dalign_core::completion::{Status, Tags, parse};
use dalign_core::files::{LineWriter, RowsError, write_dropped, write_kept};
use dalign_core::jsonl::{Batch, Fields, JsonText, Reader};
use dalign_core::row_filter::{Reason, RowFilter, Rules};
use dalign_core::seen::Seen;
use proptest::prelude::*;
use serde_json::{Value, json};

fn tags() -> Tags {
    Tags::pair("<think>", "</think>", false).unwrap()
}

fn filter(rules: Rules, bytes: usize) -> RowFilter {
    RowFilter::new(rules, Some(Seen::new(bytes, std::env::temp_dir())))
}

/// Filters the field `a` of a file into two others; the reasons, row by row.
fn filtered(
    folder: &Path,
    mut rows: RowFilter,
    batch_bytes: usize,
) -> Result<Vec<Option<Reason>>, Box<dyn CoreError>> {
    let boxed = |error| -> Box<dyn CoreError> { Box::new(error) };
    let rows_error = |error: RowsError| -> Box<dyn CoreError> { Box::new(error) };
    let create = |name| LineWriter::create(&folder.join(name)).map_err(boxed);
    let (mut kept, mut dropped) = (create("kept.jsonl")?, create("dropped.jsonl")?);
    let fields = Fields::new(&["a"], &[]);
    let mut reader = Reader::open(&folder.join("rows.jsonl"), fields, batch_bytes).unwrap();
    let mut all = Vec::new();
    loop {
        let batch =
            reader.next_batch().map_err(|error| -> Box<dyn CoreError> { Box::new(error) })?;
        let Some(batch) = batch else { break };
        let reasons = rows.check_batch(&batch, 0).unwrap();
        let keep: Vec<bool> = reasons.iter().map(Option::is_none).collect();
        let names: Vec<_> = reasons.iter().map(|reason| reason.map(Reason::as_str)).collect();
        let details: Vec<_> =
            reasons.iter().map(|it| it.map(|reason| reason.to_string())).collect();
        let details: Vec<_> = details.iter().map(Option::as_deref).collect();
        write_kept(&mut kept, &batch, &keep).map_err(rows_error)?;
        write_dropped(&mut dropped, &batch, &keep, &names, &details, false).map_err(rows_error)?;
        all.extend(reasons);
    }
    dropped.finish().map_err(boxed)?;
    kept.finish().map_err(boxed)?;
    Ok(all)
}

/// Why each text is not kept, in the plainest way.
fn plain(texts: &[String], least: u64, most: u64) -> Vec<Option<Reason>> {
    let mut first: HashMap<String, u64> = HashMap::new();
    let mut reason = |(line, text): (u64, &String)| {
        let status = parse(text, &tags(), false).status;
        let chars = text.chars().count() as u64;
        if status != Status::Ok {
            return Some(Reason::Form(status));
        }
        if chars < least {
            return Some(Reason::TooShort { chars, limit: least });
        }
        if chars > most {
            return Some(Reason::TooLong { chars, limit: most });
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let earlier = *first.entry(words).or_insert(line);
        (earlier < line).then_some(Reason::Duplicate { first: earlier })
    };
    (1..).zip(texts).map(&mut reason).collect()
}

/// A row as one of several writers puts it: some escape what is not ASCII, some end lines as Windows does.
fn line(text: &str, escaped: bool, windows: bool) -> String {
    let quoted = Value::from(text).to_string();
    let quoted = if escaped {
        quoted.chars().fold(String::new(), |mut written, it| {
            if it.is_ascii() {
                written.push(it);
            } else {
                for unit in it.encode_utf16(&mut [0; 2]) {
                    let _ = write!(written, "\\u{unit:04x}");
                }
            }
            written
        })
    } else {
        quoted
    };
    format!("{{\"a\": {quoted}}}{}", if windows { "\r\n" } else { "\n" })
}

fn completion() -> impl Strategy<Value = String> {
    let pieces =
        ["<think>", "</think>", "w", " ", "\n", "\t", "é", "🙂", "\u{a0}", "\"", "\\", "/", "x y"];
    prop_oneof![
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..9)
            .prop_map(|pieces| pieces.concat()),
        "<think>w ?</think>x {1,2}y",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_filtered_file_is_that_of_a_plain_loop(
        rows in prop::collection::vec((completion(), any::<bool>(), any::<bool>()), 0..80),
        batch_bytes in prop::sample::select(vec![1_usize, 64, 1 << 20]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = rows.iter().map(|row| row.0.clone()).collect();
        let lines: Vec<String> = rows.iter().map(|(text, escaped, windows)| line(text, *escaped, *windows)).collect();
        fs::write(folder.path().join("rows.jsonl"), lines.concat()).unwrap();
        let expected = plain(&texts, 17, 24);

        let rules = Rules::new(tags(), 17, 24).unwrap();
        // The least memory for hashes: all but a few are looked up in files.
        for bytes in [0, 1 << 20] {
            let found = filtered(folder.path(), filter(rules.clone(), bytes), batch_bytes);
            prop_assert_eq!(&found.unwrap(), &expected);
        }
        let kept: String = lines.iter().zip(&expected).filter(|row| row.1.is_none()).map(|row| row.0.as_str()).collect();
        prop_assert_eq!(fs::read_to_string(folder.path().join("kept.jsonl")).unwrap(), kept);
        let dropped = fs::read_to_string(folder.path().join("dropped.jsonl")).unwrap();
        let mut dropped = dropped.lines();
        for ((number, reason), text) in (1_u64..).zip(&expected).zip(&texts) {
            let Some(reason) = reason else { continue };
            let row: Value = serde_json::from_str(dropped.next().unwrap()).unwrap();
            prop_assert_eq!(row, json!({
                "line": number, "reason": reason.as_str(), "detail": reason.to_string(), "row": {"a": text}
            }));
        }
        prop_assert_eq!(dropped.next(), None);
    }

    // Sizes on both sides of the 32 rows that are read ahead.
    #[test]
    fn rows_columns_and_batches_are_judged_alike(
        texts in prop::collection::vec(completion(), 0..70),
        truncated in prop::collection::vec(any::<bool>(), 70),
        cut in 0_usize..70,
    ) {
        let (rules, truncated) = (Rules::new(tags(), 3, 24).unwrap(), &truncated[..texts.len()]);
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut one = filter(rules.clone(), 1 << 12);
        let by_row: Vec<_> = (1..).zip(borrowed.iter().zip(truncated))
            .map(|(line, (text, &truncated))| one.check(JsonText::plain(text), truncated, line).unwrap())
            .collect();
        let lines: Vec<u64> = (1..).take(texts.len()).collect();
        let by_line = filter(rules.clone(), 1 << 12).check_lines(&borrowed, truncated, &lines);
        prop_assert_eq!(&by_line.unwrap(), &by_row);
        // A column in two parts: rows are counted on.
        let (cut, mut parts) = (cut.min(texts.len()), filter(rules.clone(), 1 << 12));
        let mut by_part = parts.check_column(&borrowed[..cut], &truncated[..cut]).unwrap();
        by_part.extend(parts.check_column(&borrowed[cut..], &truncated[cut..]).unwrap());
        prop_assert_eq!(&by_part, &by_row);
        // Without a memory for texts only duplicates differ.
        let all = RowFilter::new(rules, None).check_lines(&borrowed, truncated, &lines).unwrap();
        let no_duplicates = |reasons: &[Option<Reason>]| -> Vec<Option<Reason>> {
            reasons.iter().map(|it| it.filter(|reason| reason.as_str() != "duplicate")).collect()
        };
        prop_assert_eq!(all, no_duplicates(&by_row));
    }
}

#[test]
fn a_file_that_is_not_finished_leaves_the_old_one_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), "{\"a\": \"x\"}\n{\"a\": 1}\n").unwrap();
    fs::write(folder.path().join("kept.jsonl"), "as it was").unwrap();
    let rows = filter(Rules::new(Tags::none(), 0, 9).unwrap(), 1 << 10);
    let error = filtered(folder.path(), rows, 1).unwrap_err();
    assert_eq!((error.kind(), error.row()), ("bad_field", Some(2)));
    assert_eq!(fs::read_to_string(folder.path().join("kept.jsonl")).unwrap(), "as it was");
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kept.jsonl", "rows.jsonl"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), "{\"a\": \"x\"}\n").unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("kept.jsonl.tmp")).unwrap();
    let rows = filter(Rules::new(Tags::none(), 0, 9).unwrap(), 1 << 10);
    let error = filtered(folder.path(), rows, 99).unwrap_err();
    assert_eq!(error.kind(), "unwritable_file");
    assert!(error.to_string().contains("kept.jsonl"), "{error}");
    assert!(!folder.path().join("kept.jsonl").exists());
    assert!(!folder.path().join("kept.jsonl.tmp").exists());
}

#[test]
fn columns_that_do_not_belong_to_a_batch_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fields = Fields::new(&["a"], &[]);
    let batch = Batch::parse("{\"a\": \"x\"}\n".into(), 1, "here", &fields).unwrap();
    let mut writer = LineWriter::create(&folder.path().join("kept.jsonl")).unwrap();
    let error = write_kept(&mut writer, &batch, &[true, true]).unwrap_err();
    assert_eq!(
        (error.kind(), error.value(), error.limit()),
        ("length_mismatch", Some(2.0), Some(1.0))
    );
    for (keep, reasons, details, kind) in [
        (&[][..], &[None][..], &[None][..], "length_mismatch"),
        (&[false], &[], &[None], "length_mismatch"),
        (&[false], &[Some("odd")], &[], "length_mismatch"),
        (&[false], &[None], &[None], "null"),
    ] {
        let error = write_dropped(&mut writer, &batch, keep, reasons, details, false).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert_eq!(
        filter(Rules::new(Tags::none(), 0, 9).unwrap(), 0)
            .check_lines(&["a"], &[false], &[])
            .unwrap_err()
            .kind(),
        "length_mismatch"
    );
}

#[test]
fn lines_around_the_size_of_the_buffer_are_written_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.jsonl");
    // What is gathered before it is written has 256 KiB.
    let buffer = 256 << 10;
    let mut expected = String::new();
    let mut writer = LineWriter::create(&path).unwrap();
    for bytes in [1, buffer - 2, 1, buffer - 1, buffer, buffer + 1, 7] {
        let line = format!("{}\n", "x".repeat(bytes - 1));
        writer.write(&line).unwrap();
        expected.push_str(&line);
    }
    writer.write("no end").unwrap();
    writer.write("").unwrap();
    writer.finish().unwrap();
    assert!(fs::read_to_string(path).unwrap() == expected + "no end\n");
}
