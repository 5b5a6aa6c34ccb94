//! Eight bytes of a text at a time: which of them end a word, and what the others hash to.
#![allow(clippy::inline_always, reason = "a few instructions each, in the loop over every byte")]

/// The high bit of every byte of a window.
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;
/// Bits without a pattern, from the digits of π.
pub(super) const SEED: u64 = 0x243f_6a88_85a3_08d3;
const ABSORB: u64 = 0x1319_8a2e_0370_7345;
const FINISH: u64 = 0xa409_3822_299f_31d1;

/// The eight bytes from `at` on; beyond the end stand spaces, which end a word in either notion.
#[inline(always)]
pub(super) fn window_at(bytes: &[u8], at: usize) -> u64 {
    if let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*window);
    }
    let mut window = [b' '; 8];
    for (to, from) in window.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(window)
}

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

/// Takes eight more bytes into a hash: both halves of the product depend on every bit.
#[inline(always)]
pub(super) fn absorb(hash: u64, window: u64) -> u64 {
    multiply_fold(hash ^ window, ABSORB)
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
    window: u64,
    bytes: usize,
}

impl Default for WordHasher {
    fn default() -> Self {
        Self { hash: SEED, window: 0, bytes: 0 }
    }
}

impl WordHasher {
    pub(super) fn push(&mut self, character: char) {
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            self.window |= u64::from(byte) << (8 * (self.bytes % 8));
            self.bytes += 1;
            if self.bytes.is_multiple_of(8) {
                self.hash = absorb(self.hash, self.window);
                self.window = 0;
            }
        }
    }

    pub(super) fn finish(self) -> u64 {
        let partial = !self.bytes.is_multiple_of(8);
        let hash = if partial { absorb(self.hash, self.window) } else { self.hash };
        finish(hash, self.bytes)
    }
}
