//! A Bloom filter in blocks of half a cache line.

/// Odd numbers that turn one half of a hash into eight places of a block.
const SALTS: [u32; 8] = [
    0x9e37_79b1,
    0x85eb_ca77,
    0xc2b2_ae3d,
    0x27d4_eb2f,
    0x1656_67b1,
    0xd3a2_646d,
    0xfd70_46c5,
    0xb55a_4f09,
];

/// Tells that a key was not added, or that it may have been.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    blocks: Vec<[u32; 8]>,
}

impl Sieve {
    /// Nothing added; at least one block.
    pub(super) fn new(bytes: usize) -> Self {
        Self { blocks: vec![[0; 8]; (bytes / 32).max(1)] }
    }

    pub(super) fn add(&mut self, key: [u64; 2]) {
        let block = self.block(key);
        for (word, bit) in self.blocks[block].iter_mut().zip(bits(key)) {
            *word |= bit;
        }
    }

    pub(super) fn may_hold(&self, key: [u64; 2]) -> bool {
        let block = &self.blocks[self.block(key)];
        block.iter().zip(bits(key)).all(|(word, bit)| word & bit != 0)
    }

    fn block(&self, key: [u64; 2]) -> usize {
        ((u128::from(key[0]) * self.blocks.len() as u128) >> 64) as usize
    }
}

/// One bit of each word of a block.
fn bits(key: [u64; 2]) -> [u32; 8] {
    SALTS.map(|salt| 1 << ((key[1] as u32).wrapping_mul(salt) >> 27))
}
