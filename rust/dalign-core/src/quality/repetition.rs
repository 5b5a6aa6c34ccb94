//! How much of a text repeats itself, and how much of one text stands in another.

use std::num::NonZeroUsize;

use crate::text::ngram::ngrams;

/// How a text repeats itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Repetition {
    /// How many words lie in an n-gram that stood in the text before.
    pub(super) words: u32,
    /// How many words the longest cycle has that repeats at once, its first round with them.
    pub(super) cycle: u32,
}

/// Where each n-gram of a text stood last: open addressing, kept from text to text for its memory.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Hash and place, one more than it is; 0 where there is none.
    slots: Vec<(u64, u32)>,
}

impl Places {
    /// Empties the table for a text of so many n-grams.
    fn clear(&mut self, ngrams: usize) {
        self.slots.clear();
        self.slots.resize((2 * ngrams).next_power_of_two(), (0, 0));
    }

    /// The slot of an n-gram, or the free one where it belongs.
    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        // The low bits of a sum of products know little of the high ones.
        let mut at = (hash ^ hash >> 32) as usize & mask;
        while self.slots[at].1 != 0 && self.slots[at].0 != hash {
            at = (at + 1) & mask;
        }
        at
    }

    /// Sets where an n-gram stands and tells where it stood before.
    fn replace(&mut self, hash: u64, place: u32) -> Option<u32> {
        let at = self.slot(hash);
        let before = self.slots[at].1;
        self.slots[at] = (hash, place + 1);
        before.checked_sub(1)
    }

    /// What of a text of words repeats, n words at least. The table then holds its n-grams.
    ///
    /// A cycle is found where an n-gram comes again and the words go on to equal those as far before
    /// them. O(words): inside a cycle no other one is begun.
    pub(super) fn repetition(&mut self, words: &[u64], n: NonZeroUsize) -> Repetition {
        let n = n.get();
        let grams = ngrams(words, n);
        self.clear(grams.len());
        let mut found = Repetition::default();
        let (mut covered, mut cycle_end) = (0, 0);
        for (place, hash) in grams.enumerate() {
            let Some(before) = self.replace(hash, place as u32) else { continue };
            let end = place + n;
            found.words += (end - covered.max(place)) as u32;
            covered = end;
            if end > cycle_end {
                let period = place - before as usize;
                let rest = &words[end..];
                let goes_on =
                    rest.iter().zip(&words[end - period..]).take_while(|(a, b)| a == b).count();
                cycle_end = end + goes_on;
                // Two rounds: what comes again is at least as long as the way back to it.
                if cycle_end - place >= period {
                    found.cycle = found.cycle.max((cycle_end - before as usize) as u32);
                }
            }
        }
        found
    }

    /// How many n-grams of `words` stand in the text that the table holds, and how many there are.
    pub(super) fn shared(&self, words: &[u64], n: NonZeroUsize) -> (usize, usize) {
        let grams = ngrams(words, n.get());
        let all = grams.len();
        if self.slots.is_empty() {
            return (0, all);
        }
        (grams.filter(|&hash| self.slots[self.slot(hash)].1 != 0).count(), all)
    }
}
