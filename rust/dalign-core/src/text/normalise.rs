//! A text trimmed, with each run of white space as one space: what is compared when texts count as the
//! same.

use std::marker::PhantomData;

use crate::simd::{Masks, Work, bits_where, last_bits_where, widest};

/// How a text is written: as it is, or with escapes.
pub(crate) trait Notation {
    /// Whether a byte begins an escape.
    fn is_escape(byte: u8) -> bool;

    /// The character that `rest` starts with, and its length there in bytes; none at the end.
    fn first(rest: &str) -> Option<(char, usize)>;
}

/// Every character stands for itself.
struct Plain;

impl Notation for Plain {
    #[inline(always)]
    fn is_escape(_: u8) -> bool {
        false
    }

    fn first(rest: &str) -> Option<(char, usize)> {
        rest.chars().next().map(|character| (character, character.len_utf8()))
    }
}

/// The text trimmed, with each run of white space as one space, appended to `out`.
///
/// White space is Unicode's `White_Space`, so a no-break space counts and a zero-width space does
/// not.
///
/// ```
/// let mut out = String::new();
/// dalign_core::text::normalise_into("  a\n\n b ", &mut out);
/// assert_eq!(out, "a b");
/// ```
pub fn normalise_into(text: &str, out: &mut String) {
    normalise::<Plain>(text, out);
}

/// [`normalise_into`] of what a text says that is written in a notation. Returns how many characters
/// longer it is written than it is: what its escapes have beyond one each.
pub(crate) fn normalise<N: Notation>(text: &str, out: &mut String) -> usize {
    let mut walk = Walk::<N> { text, out, from: 0, surplus: 0, notation: PhantomData };
    walk.from = walk.pass_white_space(0);
    widest(&mut walk);
    walk.out.push_str(&text[walk.from..]);
    walk.surplus
}

/// One bit for each of the 64 bytes from `base` on that may begin what does not stay as it is: an escape,
/// or white space other than one space between two words.
#[inline(always)]
fn changes_at<N: Notation, M: Masks>(text: &[u8], base: usize) -> u64 {
    let rest = &text[base..];
    let is_space = |byte: u8| byte == b' ';
    let (space, other) = if let Some(block) = rest.first_chunk() {
        (bits_where::<M>(block, is_space), bits_where::<M>(block, may_change::<N>))
    } else {
        // Behind the end stands white space, so that a space there goes.
        let space = last_bits_where::<M>(text, base, is_space) | u64::MAX << rest.len();
        (space, last_bits_where::<M>(text, base, may_change::<N>))
    };
    let next = rest.get(64).is_none_or(|&byte| byte == b' ' || may_change::<N>(byte));
    let changes = other | space & ((space | other) >> 1 | u64::from(next) << 63);
    if rest.len() < 64 { changes & !(u64::MAX << rest.len()) } else { changes }
}

/// Whether a byte may begin an escape or white space other than a space.
#[inline(always)]
fn may_change<N: Notation>(byte: u8) -> bool {
    // The first bytes of U+0085 and U+00A0, U+1680, U+2000 and others, U+3000.
    let is_wide = byte == 0xc2 || byte.wrapping_sub(0xe1) < 3;
    byte.wrapping_sub(b'\t') < 5 || is_wide || N::is_escape(byte)
}

struct Walk<'t, 'o, N> {
    text: &'t str,
    out: &'o mut String,
    /// What stands before it is in `out`.
    from: usize,
    surplus: usize,
    notation: PhantomData<N>,
}

impl<N: Notation> Work for &mut Walk<'_, '_, N> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(self) {
        for base in (0..self.text.len()).step_by(64) {
            let mut changes = changes_at::<N, M>(self.text.as_bytes(), base);
            while changes != 0 {
                self.change(base + changes.trailing_zeros() as usize);
                changes &= changes - 1;
            }
        }
    }
}

impl<N: Notation> Walk<'_, '_, N> {
    /// Takes over what stands before `place`, and what begins there as it is to be.
    #[inline(never)]
    fn change(&mut self, place: usize) {
        if place < self.from {
            // Within what the last change took.
            return;
        }
        let Some((character, length)) = N::first(&self.text[place..]) else { return };
        self.out.push_str(&self.text[self.from..place]);
        self.from = self.pass(place, length);
        if !character.is_whitespace() {
            self.out.push(character);
            return;
        }
        self.from = self.pass_white_space(self.from);
        if self.from < self.text.len() {
            self.out.push(' ');
        }
    }

    /// Where the white space at `place` ends.
    fn pass_white_space(&mut self, place: usize) -> usize {
        let mut at = place;
        while let Some((character, length)) = N::first(&self.text[at..])
            && character.is_whitespace()
        {
            at = self.pass(at, length);
        }
        at
    }

    /// The place behind a character of this length.
    fn pass(&mut self, at: usize, length: usize) -> usize {
        if N::is_escape(self.text.as_bytes()[at]) {
            self.surplus += length - 1;
        }
        at + length
    }
}
