//! Exact duplicates: texts that are the same up to white space.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{ColumnError, indexable};
use crate::text::normalise_into;

/// For each row, the first row with the same text after [`normalise_into`]; a row that is its own
/// representative is the one to keep.
///
/// Texts are compared by 128 bits of XXH3: among 10⁹ different texts that were not built to
/// collide, the chance of one false match is below 10⁻²⁰. O(bytes) time, about 64 bytes a row.
///
/// ```
/// let texts = ["a b", "c", " a\n b ", "c"];
/// assert_eq!(dalign_core::dedup::exact(&texts)?, [0, 1, 0, 1]);
/// # Ok::<(), dalign_core::ColumnError>(())
/// ```
///
/// # Errors
///
/// [`ColumnError::TooManyRows`] above 2³² − 1 rows.
pub fn exact(texts: &[&str]) -> Result<Vec<u32>, ColumnError> {
    indexable("texts", texts.len())?;
    let hashes: Vec<u128> = texts
        .par_iter()
        .with_min_len(256)
        .map_init(String::new, |buffer, text| {
            buffer.clear();
            normalise_into(text, buffer);
            xxh3_128(buffer.as_bytes())
        })
        .collect();
    Ok(first_rows(&hashes))
}

/// For each row, the first row with its hash.
pub(super) fn first_rows(hashes: &[u128]) -> Vec<u32> {
    let mut first: HashMap<u128, u32, BuildHasherDefault<Taken>> =
        HashMap::with_capacity_and_hasher(hashes.len(), BuildHasherDefault::default());
    let rows = (0_u32..).zip(hashes);
    rows.map(|(row, &hash)| match first.entry(hash) {
        Entry::Occupied(entry) => *entry.get(),
        Entry::Vacant(entry) => *entry.insert(row),
    })
    .collect()
}

/// Takes the low half of a key that is a hash already.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("keys are u128, {} bytes were hashed", bytes.len())
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
