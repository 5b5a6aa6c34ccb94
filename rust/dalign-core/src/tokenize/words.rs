//! Words met before: their ids by one look-up, without merges.

use std::ops::Range;

/// The longest word that is kept, in bytes: word and length make one key of 16 bytes.
const LONGEST: usize = 15;

/// The most ids that a kept word may have.
pub(super) const MOST_IDS: usize = 3;

/// Words looked up together, so that the CPU waits for their memory once.
pub(super) const BATCH: usize = 16;

/// Sets of two words at first and at most: 16 KiB to 8 MiB a thread.
const FEWEST_SETS: u32 = 8;
const MOST_SETS: u32 = 17;

/// A word with its ids; 32 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    key: u128,
    ids: [u32; MOST_IDS],
    count: u32,
}

/// No word has this key, because no length is 255.
const FREE: Entry = Entry { key: u128::MAX, ids: [0; MOST_IDS], count: 0 };

/// The key of a word too long to keep, which no entry has.
pub(super) const TOO_LONG: u128 = 0;

impl Entry {
    /// The ids, with what fills them up, and their number.
    #[inline(always)]
    pub(super) fn ids(&self) -> (&[u32; MOST_IDS], usize) {
        (&self.ids, self.count as usize)
    }
}

/// A table of words, two to a set. A new word takes the place of the older one of its set; the table
/// grows while most sets are in use.
#[derive(Debug)]
pub(super) struct Words {
    sets: Vec<[Entry; 2]>,
    bits: u32,
    kept: usize,
}

impl Words {
    pub(super) fn new() -> Self {
        Self { sets: vec![[FREE; 2]; 1 << FEWEST_SETS], bits: FEWEST_SETS, kept: 0 }
    }

    /// The key of a word: its bytes, zeros, its length. [`TOO_LONG`] for a long or an empty word.
    #[inline(always)]
    pub(super) fn key(text: &[u8], word: Range<usize>) -> u128 {
        let length = word.len();
        if length > LONGEST {
            return TOO_LONG;
        }
        let bytes = match text.get(word.start..word.start + 16).and_then(|it| it.try_into().ok()) {
            Some(bytes) => u128::from_le_bytes(bytes),
            // Near the text's end.
            None => text[word].iter().rev().fold(0, |key, &byte| key << 8 | u128::from(byte)),
        };
        bytes & MASKS[length] | (length as u128) << 120
    }

    /// The set that a key belongs to, by one wide multiplication.
    #[inline(always)]
    pub(super) fn set(&self, key: u128) -> usize {
        let low = (key as u64) ^ 0x9e37_79b9_7f4a_7c15;
        let high = ((key >> 64) as u64) ^ 0xd1b5_4a32_d192_ed03;
        let product = u128::from(low) * u128::from(high);
        (((product >> 64) as u64 ^ product as u64) >> (64 - self.bits)) as usize
    }

    /// Which of a set's two places holds the key; 2 where neither does.
    #[inline(always)]
    pub(super) fn place(&self, set: usize, key: u128) -> usize {
        let [first, second] = &self.sets[set];
        usize::from(first.key != key) * (1 + usize::from(second.key != key))
    }

    /// The word at a place, if it still is there.
    #[inline(always)]
    pub(super) fn get(&self, set: usize, place: usize, key: u128) -> Option<&Entry> {
        self.sets[set].get(place).filter(|entry| entry.key == key)
    }

    /// Keeps a word, unless it or its ids are too long.
    pub(super) fn keep(&mut self, key: u128, ids: &[u32]) {
        if key == TOO_LONG || ids.len() > MOST_IDS {
            return;
        }
        let mut entry = Entry { key, count: ids.len() as u32, ..FREE };
        entry.ids[..ids.len()].copy_from_slice(ids);
        self.put(entry);
    }

    fn put(&mut self, entry: Entry) {
        let set = self.set(entry.key);
        let [first, second] = &mut self.sets[set];
        self.kept += usize::from(second.key == FREE.key);
        *second = *first;
        *first = entry;
    }

    /// Doubles the table where half of its places are taken; the sets of keys change.
    pub(super) fn make_room(&mut self) {
        if self.bits == MOST_SETS || self.kept < self.sets.len() {
            return;
        }
        self.bits += 1;
        self.kept = 0;
        let old = std::mem::replace(&mut self.sets, vec![[FREE; 2]; 1 << self.bits]);
        for entry in old.into_iter().flat_map(|[first, second]| [second, first]) {
            if entry.key != FREE.key {
                self.put(entry);
            }
        }
    }
}

/// The low bytes of a key that a word of each length has.
const MASKS: [u128; LONGEST + 1] = {
    let mut masks = [0; LONGEST + 1];
    let mut length = 1;
    while length <= LONGEST {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};
