//! Some bytes of a text at a time, and what they hash to.
#![allow(clippy::inline_always, reason = "a few instructions each, in the loop over every byte")]

/// The high bit of every byte of a window.
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;
/// Bits without a pattern, from the digits of π.
pub(super) const SEED: u64 = 0x243f_6a88_85a3_08d3;
const ABSORB: u64 = 0x1319_8a2e_0370_7345;
const FINISH: u64 = 0xa409_3822_299f_31d1;

/// The two windows of sixteen bytes of which the first `count` are a word, at most sixteen; 0 behind it.
#[inline(always)]
pub(super) fn windows_of(bytes: &[u8; 16], count: usize) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes) & WORDS[count];
    [both as u64, (both >> 64) as u64]
}

/// For each count of bytes, ones in so many.
static WORDS: [u128; 17] = {
    let mut words = [u128::MAX; 17];
    let mut count = 0;
    while count < 16 {
        words[count] = (1 << (8 * count)) - 1;
        count += 1;
    }
    words
};

/// The high bit of each byte in `first..=last`, both ASCII; bytes above 0x7f are in no range.
#[inline(always)]
pub(super) fn within(window: u64, first: u8, last: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let ascii = window & !HIGH;
    // Without their high bits, no byte carries into the next.
    let at_least = ascii + EACH * u64::from(0x80 - first);
    let above = ascii + EACH * u64::from(0x7f - last);
    at_least & !above & !window & HIGH
}

/// Takes sixteen more bytes into a hash: both halves of the product depend on every bit.
#[inline(always)]
pub(super) fn absorb(hash: u64, low: u64, high: u64) -> u64 {
    multiply_fold(hash ^ low, ABSORB ^ high)
}

#[inline(always)]
pub(super) fn finish(hash: u64, bytes: usize) -> u64 {
    multiply_fold(hash ^ bytes as u64, FINISH)
}

#[inline(always)]
fn multiply_fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a word that comes character by character.
pub(super) struct WordHasher {
    hash: u64,
    /// Bytes not absorbed yet, the first in the lowest.
    block: u128,
    bytes: usize,
}

impl Default for WordHasher {
    fn default() -> Self {
        Self { hash: SEED, block: 0, bytes: 0 }
    }
}

impl WordHasher {
    pub(super) fn push(&mut self, character: char) {
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            self.block |= u128::from(byte) << (8 * (self.bytes % 16));
            self.bytes += 1;
            if self.bytes.is_multiple_of(16) {
                self.absorb();
            }
        }
    }

    pub(super) fn finish(mut self) -> u64 {
        if !self.bytes.is_multiple_of(16) {
            self.absorb();
        }
        finish(self.hash, self.bytes)
    }

    fn absorb(&mut self) {
        self.hash = absorb(self.hash, self.block as u64, (self.block >> 64) as u64);
        self.block = 0;
    }
}
