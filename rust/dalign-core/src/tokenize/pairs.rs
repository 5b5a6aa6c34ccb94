//! Which pairs of symbols merge, by one look-up.

/// The rank of two symbols that do not merge: behind all others.
pub(super) const NO_MERGE: u32 = u32::MAX;

/// A table of pairs with open addressing, at most half full, eight bytes a place: both ids, then the
/// rank.
///
/// Merging a word looks up pair after pair, each of which depends on the one before, so that a word
/// costs as many times the wait for memory: the table has to be small.
#[derive(Debug)]
pub(super) struct Pairs {
    places: Vec<u64>,
    /// The bits of a place's number that are not used.
    shift: u32,
    id_bits: u32,
    rank_bits: u32,
    /// The id of both symbols together, by rank.
    merged: Vec<u32>,
}

impl Pairs {
    /// Merges in the order of their ranks: two ids, and that of both together. A pair that is named
    /// twice has its last rank. None where ids and ranks need more than 64 bits.
    pub(super) fn new(merges: &[((u32, u32), u32)]) -> Option<Self> {
        let bits_of = |most: u32| u32::BITS - most.leading_zeros();
        let most_id = merges.iter().map(|&((left, right), _)| left.max(right)).max().unwrap_or(0);
        let id_bits = bits_of(most_id);
        // All bits set is a free place's mark, and no rank.
        let rank_bits = bits_of(merges.len() as u32 + 1);
        if 2 * id_bits + rank_bits > u64::BITS {
            return None;
        }
        let bits = (2 * merges.len()).max(2).next_power_of_two().trailing_zeros();
        let mut pairs = Self {
            places: vec![u64::MAX; 1 << bits],
            shift: u64::BITS - bits,
            id_bits,
            rank_bits,
            merged: merges.iter().map(|&(_, id)| id).collect(),
        };
        for (rank, &((left, right), _)) in merges.iter().enumerate() {
            let key = pairs.key(left, right);
            let at = pairs.find(key);
            pairs.places[at] = key << rank_bits | rank as u64;
        }
        Some(pairs)
    }

    /// The rank of the merge of two symbols; [`NO_MERGE`] where there is none.
    #[inline(always)]
    pub(super) fn rank(&self, left: u32, right: u32) -> u32 {
        // An id that is part of no merge may have more bits than a key has for it.
        if (left | right) >> self.id_bits != 0 {
            return NO_MERGE;
        }
        match self.places[self.find(self.key(left, right))] {
            u64::MAX => NO_MERGE,
            place => (place & ((1 << self.rank_bits) - 1)) as u32,
        }
    }

    /// The id of both symbols of a merge together.
    #[inline(always)]
    pub(super) fn merged(&self, rank: u32) -> u32 {
        self.merged[rank as usize]
    }

    #[inline(always)]
    fn key(&self, left: u32, right: u32) -> u64 {
        u64::from(left) << self.id_bits | u64::from(right)
    }

    /// Where a pair stands, or would stand.
    #[inline(always)]
    fn find(&self, key: u64) -> usize {
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        loop {
            let place = self.places[at];
            if place >> self.rank_bits == key || place == u64::MAX {
                return at;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NO_MERGE, Pairs};

    #[test]
    fn pairs_have_their_last_rank() {
        let merges = [((3, 5), 9), ((5, 3), 10), ((9, 10), 11), ((3, 5), 9)];
        let pairs = Pairs::new(&merges).unwrap();
        let ranks = [(3, 5), (5, 3), (9, 10), (3, 3), (0, 0), (16, 5), (11, u32::MAX)]
            .map(|(left, right)| pairs.rank(left, right));
        assert_eq!(ranks, [3, 1, 2, NO_MERGE, NO_MERGE, NO_MERGE, NO_MERGE]);
        assert_eq!([1, 2, 3].map(|rank| pairs.merged(rank)), [10, 11, 9]);
    }

    #[test]
    fn without_merges_no_pair_merges() {
        assert_eq!(Pairs::new(&[]).unwrap().rank(0, 0), NO_MERGE);
    }
}
