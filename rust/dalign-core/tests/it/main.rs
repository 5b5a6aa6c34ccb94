//! Tests of the core: the tables in `tests/cases`, which the Python tests read too, and properties
//! of random inputs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "expected values are exact")]
#![allow(clippy::cast_sign_loss, reason = "a share of a count is not negative")]
#![allow(clippy::type_complexity, reason = "the rows of a table are tuples")]

mod aggregate;
mod agreement;
mod balance;
mod bootstrap;
mod completion;
mod dedup;
mod errors;
mod files;
mod gather;
mod ids;
mod jsonl;
mod judgement;
mod leak;
mod markers;
mod near;
mod overlap;
mod pack;
mod pattern;
mod pool;
mod quality;
mod seen;
mod text;
mod tokenize;
mod verdict;
mod words;
mod zstd;

use std::fs;
use std::path::Path;

use dalign_core::CoreError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The rows of a table of cases.
fn cases<T: DeserializeOwned>(table: &str) -> Vec<T> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let path = folder.join(table).with_extension("json");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a table says of an error; a field that it leaves out may be anything.
#[derive(Deserialize)]
struct Expected {
    kind: String,
    row: Option<usize>,
    value: Option<f64>,
    limit: Option<f64>,
}

impl Expected {
    fn check(&self, name: &str, error: &impl CoreError) {
        assert_eq!(error.kind(), self.kind, "{name}: {error}");
        assert!(self.row.is_none() || error.row() == self.row, "{name}: {error}");
        assert!(self.value.is_none() || error.value() == self.value, "{name}: {error}");
        assert!(self.limit.is_none() || error.limit() == self.limit, "{name}: {error}");
        assert!(error.to_string().len() > 20, "{name}: the message says what to do");
    }
}
