//! Where the stratum of a category and a clause stands.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::order::{GOLDEN, mix};

/// Keys that are found without the map.
const RECENT: usize = 1024;

/// Strata by key; the key of a category and clause is one number.
#[derive(Debug, Clone)]
pub(super) struct Index {
    places: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    /// The key that was last looked up at each [`slot`], and its place: most rows need no map.
    recent: Box<[(u64, u32); RECENT]>,
}

impl Index {
    pub(super) fn new() -> Self {
        // Each slot begins with a key that belongs to another one, and so is never asked of it.
        let mut recent = Box::new([(0, 0); RECENT]);
        recent[slot(0)].0 = 1;
        Self { places: HashMap::default(), recent }
    }

    /// The place of the key, if it has one.
    #[inline]
    pub(super) fn get(&mut self, key: u64) -> Option<usize> {
        let recent = &mut self.recent[slot(key)];
        if recent.0 != key {
            *recent = (key, *self.places.get(&key)?);
        }
        Some(recent.1 as usize)
    }

    /// Gives a new key its place.
    pub(super) fn insert(&mut self, key: u64, place: usize) {
        self.places.insert(key, place as u32);
    }
}

/// The top bits of a product, into which all bits of the key go.
#[inline]
fn slot(key: u64) -> usize {
    (key.wrapping_mul(GOLDEN) >> (64 - RECENT.trailing_zeros())) as usize
}

/// Spreads a key over all bits of a hash; enough for keys that nobody chose to collide.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("keys are u64, {} bytes were hashed", bytes.len())
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mix(key);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{Index, slot};

    #[test]
    fn a_new_index_has_no_key() {
        assert_ne!(slot(1), slot(0));
        for key in (0..5_000).chain([u64::MAX, u64::MAX - 1, 1 << 32]) {
            assert_eq!(Index::new().get(key), None);
        }
    }

    proptest! {
        #[test]
        fn every_key_is_found_where_it_was_put(keys in prop::collection::vec(0_u64..4_000, 0..3_000)) {
            let (mut index, mut naive) = (Index::new(), HashMap::new());
            for (place, key) in keys.into_iter().enumerate() {
                prop_assert_eq!(index.get(key), naive.get(&key).copied());
                naive.entry(key).or_insert_with(|| {
                    index.insert(key, place);
                    place
                });
            }
        }
    }
}
