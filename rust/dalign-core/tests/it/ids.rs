use dalign_core::CoreError;
use dalign_core::ids::{Parent, digest, row_id, row_ids};
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
    for (parents, indices) in [(&["p"][..], &[][..]), (&[], &[0]), (&["p", "q"], &[0, 1, 2])] {
        let all = [Parent::Same("7"), Parent::Each(parents)];
        let error = row_ids(&all, "base", indices).unwrap_err();
        assert_eq!(error.kind(), "length_mismatch");
        assert_eq!(error.value(), Some(parents.len() as f64));
        assert_eq!(error.limit(), Some(indices.len() as f64));
    }
}

proptest! {
    // Sizes on both sides of the 1,024 rows that a thread takes at a time.
    #[test]
    fn a_column_of_ids_is_its_rows(
        rows in prop::collection::vec(("[a-c]{0,3}", 0_u64..9), 0..2_100),
        (seed, variant) in ("[0-9]{0,3}", "[a-c]{0,3}"),
    ) {
        let texts: Vec<&str> = rows.iter().map(|(text, _)| text.as_str()).collect();
        let indices: Vec<u64> = rows.iter().map(|&(_, index)| index).collect();
        let one = row_ids(&[Parent::Each(&texts)], &variant, &indices).unwrap();
        let two = row_ids(&[Parent::Same(&seed), Parent::Each(&texts)], &variant, &indices).unwrap();
        for (row, (text, index)) in rows.iter().enumerate() {
            prop_assert_eq!(&one[row], &row_id(&[text], &variant, *index));
            prop_assert_eq!(&two[row], &row_id(&[&seed, text], &variant, *index));
        }
    }

    #[test]
    fn different_origins_have_different_ids(
        a in (prop::collection::vec("[ab]{0,2}", 0..3), "[ab]{0,2}", 0_u64..2),
        b in (prop::collection::vec("[ab]{0,2}", 0..3), "[ab]{0,2}", 0_u64..2),
    ) {
        let same = row_id(&a.0, &a.1, a.2) == row_id(&b.0, &b.1, b.2);
        prop_assert_eq!(same, a == b);
    }
}
