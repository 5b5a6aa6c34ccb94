//! The Jaccard similarity of two texts' shingles: |A ∩ B| / |A ∪ B|, of the sets themselves.

use super::signature::shingles_into;

/// Room to compare texts in.
#[derive(Debug, Default)]
pub(super) struct Comparer {
    words: Vec<u64>,
    shingles: Vec<u64>,
    one: HashSet64,
    other: HashSet64,
}

impl Comparer {
    /// Sets the text that the next ones are compared with.
    pub(super) fn set(&mut self, text: &str, ngram: usize) {
        shingles_into(text, ngram, &mut self.words, &mut self.shingles);
        self.one.restart(self.shingles.len());
        for &shingle in &self.shingles {
            self.one.insert(shingle);
        }
    }

    /// The similarity of the text that was set and this one. O(words of both).
    pub(super) fn jaccard(&mut self, text: &str, ngram: usize) -> f64 {
        shingles_into(text, ngram, &mut self.words, &mut self.shingles);
        self.other.restart(self.shingles.len());
        let mut shared = 0_usize;
        for &shingle in &self.shingles {
            shared += usize::from(self.other.insert(shingle) && self.one.contains(shingle));
        }
        shared as f64 / (self.one.len + self.other.len - shared) as f64
    }
}

/// A set of hashes that is emptied without being touched: an entry counts only in the round that wrote it.
#[derive(Debug, Default)]
struct HashSet64 {
    slots: Vec<(u64, u32)>,
    round: u32,
    len: usize,
}

impl HashSet64 {
    /// Empties the set and makes room for so many entries.
    fn restart(&mut self, entries: usize) {
        let slots = (2 * entries).next_power_of_two();
        self.round = self.round.wrapping_add(1);
        if slots > self.slots.len() || self.round == 0 {
            self.slots.clear();
            self.slots.resize(slots.max(self.slots.len()), (0, 0));
            self.round = 1;
        }
        self.len = 0;
    }

    /// The slot of a hash, or the free one where it belongs; half of the slots are free.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = hash as usize & last;
        while self.slots[slot].1 == self.round && self.slots[slot].0 != hash {
            slot = (slot + 1) & last;
        }
        slot
    }

    /// Whether the hash is new.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let slot = self.slot(hash);
        let is_new = self.slots[slot].1 != self.round;
        self.slots[slot] = (hash, self.round);
        self.len += usize::from(is_new);
        is_new
    }

    #[inline]
    fn contains(&self, hash: u64) -> bool {
        self.slots[self.slot(hash)].1 == self.round
    }
}
