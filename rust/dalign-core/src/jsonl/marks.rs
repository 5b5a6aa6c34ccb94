//! The bytes that mean something within a text between quotes: where it ends, and what must not be in it.

use crate::simd::{Masks, Work, bits_where, last_bits_where, widest};

/// Bytes that are looked at in one go: some lines are no longer, and their marks are few.
const STRETCH: usize = 16 * 64;

/// The quotes, backslashes and control characters of a stretch of a line, one bit a byte.
#[derive(Debug, Default)]
pub(super) struct Marks {
    bits: [u64; STRETCH / 64],
    start: usize,
    /// One past the last byte of the stretch; 0 before the first.
    end: usize,
}

impl Marks {
    /// The first marked place from `at` on; the line's end if there is none. Places are asked for in order.
    #[inline]
    pub(super) fn next(&mut self, line: &[u8], mut at: usize) -> usize {
        while at < line.len() {
            if at >= self.end {
                (self.start, self.end) = (at, line.len().min(at + STRETCH));
                widest(Mark { bits: &mut self.bits, bytes: &line[self.start..self.end] });
            }
            let (block, bit) = ((at - self.start) / 64, (at - self.start) % 64);
            let marks = self.bits[block] >> bit;
            if marks != 0 {
                return at + marks.trailing_zeros() as usize;
            }
            at += 64 - bit;
        }
        line.len()
    }
}

struct Mark<'m> {
    bits: &'m mut [u64; STRETCH / 64],
    bytes: &'m [u8],
}

impl Work for Mark<'_> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(self) {
        let is_marked = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        let (blocks, _) = self.bytes.as_chunks();
        for (bits, block) in self.bits.iter_mut().zip(blocks) {
            *bits = bits_where::<M>(block, is_marked);
        }
        if let Some(bits) = self.bits.get_mut(blocks.len()) {
            *bits = last_bits_where::<M>(self.bytes, 64 * blocks.len(), is_marked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, STRETCH};

    #[test]
    fn a_mark_is_found_wherever_it_stands() {
        // Within a block, at its ends, and at the ends of a stretch and beyond.
        for place in [0, 1, 62, 63, 64, 65, STRETCH - 1, STRETCH, STRETCH + 1, 2 * STRETCH] {
            for (mark, length) in [(b'"', place + 1), (b'\\', place + 2), (b'\n', place + 100)] {
                let mut line = vec![b'x'; length];
                line[place] = mark;
                for from in [0, place / 2, place] {
                    assert_eq!(Marks::default().next(&line, from), place);
                }
                assert_eq!(Marks::default().next(&line, place + 1), length);
            }
        }
    }

    #[test]
    fn marks_are_walked_in_order() {
        let line = br#"{"a": "b\n"}"#;
        let mut marks = Marks::default();
        let mut places = vec![marks.next(line, 0)];
        while places[places.len() - 1] < line.len() {
            places.push(marks.next(line, places[places.len() - 1] + 1));
        }
        assert_eq!(places, [1, 3, 6, 8, 10, 12]);
    }
}
