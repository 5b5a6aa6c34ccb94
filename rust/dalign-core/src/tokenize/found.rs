//! The ids of a text while they are found.

/// Ids in a buffer that is written beyond its end.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The first `count` are ids; what is behind them is left from before.
    ids: Vec<u32>,
    count: usize,
}

impl Found {
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Sees to it that so many ids can be pushed.
    #[inline(always)]
    pub(super) fn make_room(&mut self, more: usize) {
        if self.ids.len() < self.count + more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let room = (self.count + more).max(2 * self.ids.len()).max(4096);
        self.ids.resize(room, 0);
    }

    /// Adds the first `count` of `ids`, for all of which there is room.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&mut self, ids: &[u32; N], count: usize) {
        self.ids[self.count..self.count + N].copy_from_slice(ids);
        self.count += count;
    }

    pub(super) fn extend(&mut self, ids: &[u32]) {
        self.make_room(ids.len());
        self.ids[self.count..self.count + ids.len()].copy_from_slice(ids);
        self.count += ids.len();
    }

    pub(super) fn all(&self) -> &[u32] {
        &self.ids[..self.count]
    }
}
