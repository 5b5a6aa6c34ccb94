use dalign_core::ids::{digest, row_id, row_ids};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    parents: Vec<String>,
    variant: String,
    index: u64,
    id: String,
}

// The ids in the table were computed with another implementation of BLAKE3.
#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("ids") {
        assert_eq!(row_id(&case.parents, &case.variant, case.index), case.id, "{}", case.name);
    }
}

#[test]
fn the_digest_is_blake3() {
    // The first test vector of the BLAKE3 paper: no input.
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(digest(b""), empty);
}

#[test]
fn a_column_of_another_length_is_refused() {
    assert!(row_ids(&["p"], "base", &[]).is_err());
}

proptest! {
    #[test]
    fn different_origins_have_different_ids(
        a in (prop::collection::vec("[ab]{0,2}", 0..3), "[ab]{0,2}", 0_u64..2),
        b in (prop::collection::vec("[ab]{0,2}", 0..3), "[ab]{0,2}", 0_u64..2),
    ) {
        let same = row_id(&a.0, &a.1, a.2) == row_id(&b.0, &b.1, b.2);
        prop_assert_eq!(same, a == b);
    }
}
