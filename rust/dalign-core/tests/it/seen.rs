use std::collections::HashMap;

use dalign_core::CoreError;
use dalign_core::seen::Seen;
use proptest::prelude::*;

proptest! {
    // From a bound of nothing, where all but the newest hashes lie in files, to one that is never reached.
    #[test]
    fn any_bound_of_memory_gives_the_first_line_of_each_hash(
        // Few values in the lower half, where a search starts, and in the upper: slots and marks collide.
        hashes in prop::collection::vec((0_u64..40, 0_u64..3), 0..400),
        bytes in prop::sample::select(vec![0_usize, 1_000, 10_000, 1 << 20]),
    ) {
        let mut seen = Seen::new(bytes, std::env::temp_dir());
        let mut first: HashMap<u128, u64> = HashMap::new();
        for (line, &(lower, upper)) in (1..).zip(&hashes) {
            let hash = u128::from(upper) << 64 | u128::from(lower);
            prop_assert_eq!(seen.insert(hash, line).unwrap(), first.get(&hash).copied());
            first.entry(hash).or_insert(line);
        }
        if bytes == 1 << 20 {
            prop_assert_eq!(seen.files(), 0);
        }
    }
}

#[test]
fn hashes_beyond_the_bound_are_found_in_files() {
    // 14 records fill a table of 16 slots, and no more than that may be held.
    let mut seen = Seen::new(0, std::env::temp_dir());
    let hash = |line: u64| u128::from(line.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 40;
    for line in 1..=70 {
        assert_eq!(seen.insert(hash(line), line).unwrap(), None);
    }
    assert_eq!(seen.files(), 5);
    for line in (1..=70).rev() {
        assert_eq!(seen.insert(hash(line), 1_000).unwrap(), Some(line));
    }
}

#[test]
fn a_folder_that_takes_no_file_is_named() {
    let mut seen = Seen::new(0, "/no/such/folder".into());
    let error = (1..100).find_map(|line| seen.insert(u128::from(line), line).err()).unwrap();
    assert_eq!((error.kind(), error.row(), error.value()), ("unwritable_file", None, None));
    assert!(error.to_string().starts_with("/no/such/folder: "), "{error}");
}
