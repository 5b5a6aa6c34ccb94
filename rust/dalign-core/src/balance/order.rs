//! Which of two rows goes first, by a keyed hash of their places in the input.

/// A random order of all rows: a permutation of 64 bits for each seed, so that a priority names its
/// row and two rows never share one (the output function of `SplitMix64`, Steele et al. 2014).
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    start: u64,
}

/// The odd number nearest to 2⁶⁴ / φ, and the factors of the mixing function; below, the numbers
/// that undo a multiplication by them.
pub(super) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;
const UNDO_GOLDEN: u64 = 0xf1de_83e1_9937_733d;
const UNDO_FIRST: u64 = 0x96de_1b17_3f11_9089;
const UNDO_SECOND: u64 = 0x3196_42b2_d24d_8ec3;

impl Order {
    pub(super) fn new(seed: u64) -> Self {
        Self { start: mix(seed.wrapping_add(GOLDEN)) }
    }

    pub(super) fn priority(self, row: u64) -> u64 {
        mix(self.start.wrapping_add(row.wrapping_mul(GOLDEN)))
    }

    /// The row that has this priority.
    pub(super) fn row(self, priority: u64) -> u64 {
        unmix(priority).wrapping_sub(self.start).wrapping_mul(UNDO_GOLDEN)
    }
}

/// A permutation of 64 bits that spreads every bit over all others.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(FIRST);
    bits = (bits ^ (bits >> 27)).wrapping_mul(SECOND);
    bits ^ (bits >> 31)
}

fn unmix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 31) ^ (bits >> 62)).wrapping_mul(UNDO_SECOND);
    bits = (bits ^ (bits >> 27) ^ (bits >> 54)).wrapping_mul(UNDO_FIRST);
    bits ^ (bits >> 30) ^ (bits >> 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Order;

    proptest! {
        #[test]
        fn a_priority_names_its_row(seed: u64, row: u64) {
            let order = Order::new(seed);
            prop_assert_eq!(order.row(order.priority(row)), row);
        }
    }
}
