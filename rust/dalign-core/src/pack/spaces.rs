//! A set of whole numbers below a bound that finds its least member from a number on in a few
//! word operations: the spaces that open bins have left.

/// Numbers from 0 to a bound, as bits.
pub(super) struct Spaces {
    /// Bit `s` is set when `s` is a member.
    members: Vec<u64>,
    /// Bit `w` is set when word `w` of `members` is not zero.
    words: Vec<u64>,
}

impl Spaces {
    /// No member; takes numbers up to `bound`. O(bound / 64).
    pub(super) fn up_to(bound: usize) -> Self {
        let words = bound / 64 + 1;
        Self { members: vec![0; words], words: vec![0; words / 64 + 1] }
    }

    pub(super) fn insert(&mut self, space: usize) {
        let word = space / 64;
        self.members[word] |= 1 << (space % 64);
        self.words[word / 64] |= 1 << (word % 64);
    }

    pub(super) fn remove(&mut self, space: usize) {
        let word = space / 64;
        self.members[word] &= !(1 << (space % 64));
        if self.members[word] == 0 {
            self.words[word / 64] &= !(1 << (word % 64));
        }
    }

    /// The least member that is at least `least`, which is no more than the bound.
    pub(super) fn at_least(&self, least: usize) -> Option<usize> {
        let word = least / 64;
        let here = self.members[word] & (!0 << (least % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let word = self.next_word(word + 1)?;
        Some(word * 64 + self.members[word].trailing_zeros() as usize)
    }

    /// The first word of `members` from `start` on that is not zero.
    fn next_word(&self, start: usize) -> Option<usize> {
        let first = start / 64;
        let here = self.words.get(first)? & (!0 << (start % 64));
        if here != 0 {
            return Some(first * 64 + here.trailing_zeros() as usize);
        }
        let (gap, word) =
            self.words[first + 1..].iter().enumerate().find(|(_, word)| **word != 0)?;
        Some((first + 1 + gap) * 64 + word.trailing_zeros() as usize)
    }
}
