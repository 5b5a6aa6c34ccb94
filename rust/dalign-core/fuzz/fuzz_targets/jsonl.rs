//! Any line: taken or refused as `serde_json` does, and the same text of the same field.
#![no_main]

use dalign_core::jsonl::{Batch, Defect, Fields, Found, scan_bytes};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|line: &[u8]| {
    // A line end ends the row, and a blank line is none.
    if line.contains(&b'\n') || line.iter().all(u8::is_ascii_whitespace) {
        return;
    }
    let expected = serde_json::from_slice::<Value>(line);
    if expected.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
        // How large a number is has no part in whether a row is one.
        return;
    }
    let fields = Fields::new(&[], &["a"]);
    match (scan_bytes(line, &fields), expected) {
        (Ok(found), Ok(Value::Object(row))) => match (found[0], row.get("a")) {
            (Found::Text(_), Some(Value::String(expected))) => {
                let text = std::str::from_utf8(line).expect("serde_json has read it");
                let batch = Batch::parse(text.into(), 1, "here", &fields).expect("it scans");
                assert_eq!(batch.text(0, 0).expect("there is a text").decoded(), *expected);
            }
            (Found::Absent, None) => {}
            (Found::Absent | Found::Other(_), Some(value)) => assert!(!value.is_string()),
            (found, value) => panic!("{found:?}, {value:?}"),
        },
        (Err(Defect::BadField { .. }), Ok(Value::Object(row))) => {
            assert!(row.get("a").is_some_and(|value| !value.is_string()));
        }
        (Err(_), Ok(value)) => assert!(!value.is_object(), "{value}"),
        (Err(_), Err(_)) => {}
        (Ok(_), expected) => panic!("taken where serde_json says {expected:?}"),
    }
});
