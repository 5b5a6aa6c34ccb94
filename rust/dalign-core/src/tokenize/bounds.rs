//! Where the words of a text start and end.

/// The starts of words that stand side by side, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// The first `count` are starts; what is behind them is left from before.
    starts: Vec<u32>,
    count: usize,
}

impl Bounds {
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Notes a start for each bit of `starts`, the lowest at `base`.
    #[inline(always)]
    pub(super) fn push(&mut self, mut starts: u64, base: u32) {
        let more = starts.count_ones() as usize;
        if self.starts.len() < self.count + 64 {
            self.grow();
        }
        let space = &mut self.starts[self.count..self.count + 64];
        // By eights, of which the last are overwritten: the number of rounds is easier to foresee
        // than the number of words.
        for eight in space.chunks_exact_mut(8).take(more.div_ceil(8)) {
            for place in eight {
                *place = base + starts.trailing_zeros();
                starts &= starts.wrapping_sub(1);
            }
        }
        self.count += more;
    }

    #[cold]
    fn grow(&mut self) {
        let space = (2 * self.starts.len()).max(4096);
        self.starts.resize(space, 0);
    }

    /// Notes one start, or the end of the last word.
    pub(super) fn push_one(&mut self, start: usize) {
        self.push(1, start as u32);
    }

    /// The starts and the last end: each two that follow one another hold a word.
    pub(super) fn all(&self) -> &[u32] {
        &self.starts[..self.count]
    }
}
