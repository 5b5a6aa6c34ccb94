//! Words met before: their ids by one look-up, without merges.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use super::found::Found;
use super::packed::{LONG, Packed, Width, count_of, halves, joined};
use crate::simd::prefetch;

/// The longest word that is its own key, in bytes: word and length make 16.
const LONGEST_INLINE: usize = 15;

/// The longest word that is kept, in bytes.
const LONGEST: usize = 512;

/// Words looked up together, so that the CPU waits for their memory once.
pub(super) const BATCH: usize = 16;

/// The most ids that are written at once; a word that is its own key seldom has more.
pub(super) const MOST_FEW: usize = 16;

/// Sets of two words at first and at most: 16 KiB to 16 MiB a thread.
const FEWEST_SETS: u32 = 8;
const MOST_SETS: u32 = 18;

/// Ids and bytes of long entries before all words are forgotten: 8 MiB and 4 MiB.
const MOST_LONG_IDS: usize = 1 << 21;
const MOST_LONG_BYTES: usize = 1 << 22;

/// A word as the table knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    low: u64,
    high: u64,
}

impl Key {
    #[inline(always)]
    fn is(self, other: Self) -> bool {
        (self.low ^ other.low) | (self.high ^ other.high) == 0
    }

    fn is_hashed(self) -> bool {
        self.high & HASHED != 0
    }
}

/// Keys of words, with their hashes.
pub(super) type Keys = [(Key, u64); BATCH];

/// The key of a word too long to keep, which no entry has.
const TOO_LONG: Key = Key { low: 0, high: 0 };

/// What marks a key as a hash: no length is 128 or more.
const HASHED: u64 = 1 << 63;

/// A word with its ids; 32 bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    ids: Packed,
}

/// No word has this key, because no length is 127.
const FREE: Entry = Entry { key: Key { low: u64::MAX, high: u64::MAX >> 1 }, ids: [0; 8] };

/// Two words, which lie in one line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; 2]);

impl Entry {
    fn is_free(&self) -> bool {
        self.key.is(FREE.key)
    }
}

/// A table of words, two to a set. The word that was met first, likely a frequent one, keeps its
/// place; later ones take the other, then one in another set, where the quick look-up does not find
/// them, then the place of the second. The table grows while a quarter of its places are in use.
#[derive(Debug)]
pub(super) struct Words {
    sets: Vec<Set>,
    width: Width,
    bits: u32,
    kept: usize,
    long_ids: Vec<u32>,
    long_bytes: Vec<u8>,
}

impl Words {
    pub(super) fn new(width: Width) -> Self {
        Self {
            sets: vec![Set([FREE; 2]); 1 << FEWEST_SETS],
            width,
            bits: FEWEST_SETS,
            kept: 0,
            long_ids: Vec::new(),
            long_bytes: Vec::new(),
        }
    }

    /// The keys of at most [`BATCH`] words of a text, and hashes by which they are looked for; what
    /// stands there is on its way from memory.
    #[inline(always)]
    pub(super) fn keys(&self, text: &[u8], words: impl Iterator<Item = Range<usize>>) -> Keys {
        let mut keys = [(TOO_LONG, 0); BATCH];
        for (word, place) in words.zip(&mut keys) {
            let key = key_of(text, word);
            let hash = hash_of(key);
            prefetch(&self.sets[self.set(hash)]);
            *place = (key, hash);
        }
        keys
    }

    #[inline(always)]
    fn set(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// The set of a word, and the other one where it may be.
    fn both_sets(&self, hash: u64) -> [usize; 2] {
        [self.set(hash), self.set(hash << 32)]
    }

    /// Appends the ids of a word that is in its first set, its own key and of at most [`MOST_FEW`] ids,
    /// for which there is room; whether it is.
    #[inline(always)]
    pub(super) fn push_few(&self, key: Key, hash: u64, found: &mut Found) -> bool {
        let Set(set) = &self.sets[self.set(hash)];
        let entry = &set[usize::from(!set[0].key.is(key))];
        if !entry.key.is(key) {
            return false;
        }
        if count_of(&entry.ids) != LONG {
            self.push(&entry.ids, found);
            return true;
        }
        let [first, _, length, count] = long_of(&entry.ids);
        // The last few words that were kept have less behind them.
        let few = self.long_ids.get(first..).and_then(<[u32]>::first_chunk::<MOST_FEW>);
        let few = few.filter(|_| length == 0 && count <= MOST_FEW);
        few.inspect(|ids| found.push(ids, count)).is_some()
    }

    /// Appends the ids of a word, if it is kept; whether it is.
    pub(super) fn get(&self, key: Key, word: &[u8], ids: &mut Found) -> bool {
        let [first, second] = self.both_sets(hash_of(key)).map(|set| &self.sets[set].0);
        let mut entries = first.iter().chain(second);
        let Some(entry) = entries.find(|entry| entry.key.is(key)) else { return false };
        if count_of(&entry.ids) != LONG {
            self.push(&entry.ids, ids);
            return true;
        }
        let [first, start, length, count] = long_of(&entry.ids);
        // Another word may have the same hash.
        if length != 0 && self.long_bytes[start..start + length] != *word {
            return false;
        }
        ids.extend(&self.long_ids[first..first + count]);
        true
    }

    /// Appends ids from an entry.
    #[inline(always)]
    pub(super) fn push(&self, ids: &Packed, found: &mut Found) {
        match self.width {
            Width::Bits16 => found.push(&ids.map(u32::from), count_of(ids)),
            Width::Bits32 => found.push(&joined(ids), count_of(ids)),
        }
    }

    /// Keeps a word, unless it is too long. The sets of keys may change.
    pub(super) fn keep(&mut self, key: Key, word: &[u8], ids: &[u32]) {
        if key.is(TOO_LONG) || ids.len() >= 1 << 24 {
            return;
        }
        let packed = if key.is_hashed() { None } else { self.width.pack(ids) };
        let bytes = if key.is_hashed() { word } else { &[] };
        let ids = packed.unwrap_or_else(|| self.keep_long(bytes, ids));
        self.put(Entry { key, ids });
    }

    fn keep_long(&mut self, word: &[u8], ids: &[u32]) -> Packed {
        if self.long_ids.len() + ids.len() > MOST_LONG_IDS
            || self.long_bytes.len() + word.len() > MOST_LONG_BYTES
        {
            self.forget();
        }
        let [first, start, length, count] =
            [self.long_ids.len(), self.long_bytes.len(), word.len(), ids.len()].map(|it| it as u32);
        self.long_ids.extend_from_slice(ids);
        self.long_bytes.extend_from_slice(word);
        halves(&[first, start, length, (LONG as u32) << 24 | count])
    }

    fn put(&mut self, entry: Entry) {
        let [set, other] = self.both_sets(hash_of(entry.key));
        for (set, at) in [(set, 0), (set, 1), (other, 0), (other, 1)] {
            let place = &mut self.sets[set].0[at];
            if place.is_free() {
                *place = entry;
                self.kept += 1;
                return;
            }
        }
        self.sets[set].0[1] = entry;
    }

    fn forget(&mut self) {
        self.sets.fill(Set([FREE; 2]));
        self.kept = 0;
        self.long_ids.clear();
        self.long_bytes.clear();
    }

    /// Doubles the table where it is due; the sets of keys change.
    #[inline(always)]
    pub(super) fn make_room(&mut self) {
        if self.bits != MOST_SETS && self.kept >= self.sets.len() / 2 {
            self.double();
        }
    }

    #[cold]
    fn double(&mut self) {
        self.bits += 1;
        self.kept = 0;
        let old = std::mem::replace(&mut self.sets, vec![Set([FREE; 2]); 1 << self.bits]);
        for entry in old.into_iter().flat_map(|Set(entries)| entries) {
            if !entry.is_free() {
                self.put(entry);
            }
        }
    }
}

/// What stands in the entry of a word whose ids do not: see [`Packed`].
#[inline(always)]
fn long_of(ids: &Packed) -> [usize; 4] {
    let [first, start, length, count] = joined(ids).map(|it| it as usize);
    [first, start, length, count & 0xff_ffff]
}

/// The key of a word: its bytes, zeros, its length; a hash of a long word. [`TOO_LONG`] for a very
/// long or an empty one.
#[inline(always)]
fn key_of(text: &[u8], word: Range<usize>) -> Key {
    let length = word.len();
    if length > LONGEST_INLINE {
        return hashed_key(&text[word]);
    }
    let bytes = match text.get(word.start..word.start + 16).and_then(|it| it.try_into().ok()) {
        Some(bytes) => u128::from_le_bytes(bytes),
        // Near the text's end.
        None => text[word].iter().rev().fold(0, |key, &byte| key << 8 | u128::from(byte)),
    };
    let (low, high) = MASKS[length];
    Key { low: bytes as u64 & low, high: (bytes >> 64) as u64 & high | (length as u64) << 56 }
}

/// One wide multiplication.
#[inline(always)]
fn hash_of(key: Key) -> u64 {
    let low = key.low ^ 0x9e37_79b9_7f4a_7c15;
    let high = key.high ^ 0xd1b5_4a32_d192_ed03;
    let product = u128::from(low) * u128::from(high);
    (product >> 64) as u64 ^ product as u64
}

#[inline(never)]
fn hashed_key(word: &[u8]) -> Key {
    if word.len() > LONGEST {
        return TOO_LONG;
    }
    let hash = xxh3_128(word);
    Key { low: hash as u64, high: (hash >> 64) as u64 | HASHED }
}

/// The low bytes of a key that a word of each length has.
const MASKS: [(u64, u64); LONGEST_INLINE + 1] = {
    let mut masks = [(0, 0); LONGEST_INLINE + 1];
    let mut length = 1;
    while length <= LONGEST_INLINE {
        let mask = (1_u128 << (8 * length)) - 1;
        masks[length] = (mask as u64, (mask >> 64) as u64);
        length += 1;
    }
    masks
};
