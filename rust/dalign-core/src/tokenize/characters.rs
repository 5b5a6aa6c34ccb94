//! The kinds of 64 ASCII characters at once, one bit a character.

use crate::simd::Masks;

/// Which of 64 characters are of each kind, the first in the lowest bit. A byte above 0x7f is of no
/// kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kinds {
    pub(super) letter: u64,
    pub(super) capital: u64,
    pub(super) digit: u64,
    /// White space, line breaks among it.
    pub(super) white: u64,
    pub(super) space: u64,
    /// `\r` and `\n`.
    pub(super) line_break: u64,
    /// What is none of these: punctuation and controls.
    pub(super) other: u64,
    pub(super) apostrophe: u64,
    pub(super) slash: u64,
}

/// A letter, or a slash.
const FIRST: u8 = 0x80;
/// A capital letter, a line break, a digit or an apostrophe.
const SECOND: u8 = 0x40;
const WHITE: u8 = 0x20;
/// A space, or one of `other`.
const FOURTH: u8 = 0x10;

impl Kinds {
    #[inline(always)]
    pub(super) fn of<M: Masks>(block: &[u8; 64]) -> Self {
        let mut codes = [0; 64];
        for (code, &byte) in codes.iter_mut().zip(block) {
            *code = code_of(byte);
        }
        let [first, second, white, fourth] = planes::<M>(codes);
        let (letter, other) = (first & !fourth, fourth & !white);
        Self {
            letter,
            capital: letter & second,
            digit: second & !(letter | white | fourth),
            white,
            space: white & fourth,
            line_break: white & second,
            other,
            apostrophe: other & second,
            slash: other & first,
        }
    }
}

/// Without a branch, so that a loop over bytes becomes wide instructions.
#[inline(always)]
fn code_of(byte: u8) -> u8 {
    let pick = |condition: bool, code: u8| if condition { code } else { 0 };
    let within = |first: u8, count: u8, code: u8| pick(byte.wrapping_sub(first) < count, code);
    let is = |one: u8, code: u8| pick(byte == one, code);
    let code = within(b'A', 26, FIRST | SECOND)
        | within(b'a', 26, FIRST)
        | within(b'0', 10, SECOND)
        | within(b'\t', 5, WHITE)
        | is(b' ', WHITE | FOURTH)
        | is(b'\n', SECOND)
        | is(b'\r', SECOND);
    let other = FOURTH | is(b'/', FIRST) | is(b'\'', SECOND);
    code | pick(byte < 0x80, pick(code == 0, other))
}

/// The four high bits of 64 bytes, each gathered into one number, the highest bit first.
#[inline(always)]
fn planes<M: Masks>(mut codes: [u8; 64]) -> [u64; 4] {
    std::array::from_fn(|_| {
        let plane = M::high_bits(&codes);
        for code in &mut codes {
            // A shift to the left by one.
            *code = code.wrapping_add(*code);
        }
        plane
    })
}

#[cfg(test)]
mod tests {
    use super::Kinds;
    use crate::simd::Any;

    #[test]
    fn each_byte_is_of_its_kind() {
        for first in [0_u8, 64, 128, 192] {
            let block = std::array::from_fn(|at| first + at as u8);
            let kinds = Kinds::of::<Any>(&block);
            for (at, byte) in block.into_iter().enumerate() {
                let character = char::from(byte);
                let is_other =
                    byte.is_ascii() && !character.is_alphanumeric() && !character.is_whitespace();
                for (mask, expected) in [
                    (kinds.letter, byte.is_ascii_alphabetic()),
                    (kinds.capital, byte.is_ascii_uppercase()),
                    (kinds.digit, byte.is_ascii_digit()),
                    (kinds.white, byte.is_ascii() && character.is_whitespace()),
                    (kinds.space, byte == b' '),
                    (kinds.line_break, matches!(byte, b'\r' | b'\n')),
                    (kinds.other, is_other),
                    (kinds.apostrophe, byte == b'\''),
                    (kinds.slash, byte == b'/'),
                ] {
                    assert_eq!(mask >> at & 1 == 1, expected, "{byte:#x}");
                }
            }
        }
    }
}
