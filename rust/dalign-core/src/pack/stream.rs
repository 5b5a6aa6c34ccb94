//! Packing rows that come batch by batch, with a bounded number of them waiting.

use super::{PackError, check_lengths, plan};

/// Bins that are closed: no row will be added to them.
///
/// ```
/// use dalign_core::pack::{ClosedBins, StreamPacker};
///
/// let mut packer = StreamPacker::new(8, 1)?;
/// let closed = packer.push(&[5])?;
/// assert_eq!(closed, ClosedBins { rows: vec![0], bin_offsets: vec![0, 1] });
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedBins {
    /// The rows of each bin in turn, counted from the first row that was pushed.
    pub rows: Vec<u64>,
    /// Bin `b` holds `rows[bin_offsets[b]..bin_offsets[b + 1]]`; strictly increasing.
    pub bin_offsets: Vec<u64>,
}

/// Packs rows as they come: best fit decreasing among the rows that wait, of which there are at most
/// `buffer_rows`.
///
/// When as many wait, they are planned, and the bins are closed but for the emptiest, whose rows wait
/// on: at most half of the buffer. 12 bytes a waiting row, and what a plan of them takes.
///
/// ```
/// use dalign_core::pack::StreamPacker;
///
/// let mut packer = StreamPacker::new(8, 1_000)?;
/// let mut bins = packer.push(&[3, 5, 4])?;
/// assert!(bins.rows.is_empty(), "all of them wait for a better match");
/// bins = packer.finish();
/// assert_eq!((bins.rows, bins.bin_offsets), (vec![1, 0, 2], vec![0, 2, 3]));
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamPacker {
    capacity: u32,
    buffer_rows: usize,
    /// The rows that wait and their lengths.
    rows: Vec<u64>,
    lengths: Vec<u32>,
    pushed: u64,
}

/// A bin waits on for a better match while it has more than one part in so many left.
const SLACK_PARTS: u32 = 1_024;

impl StreamPacker {
    /// A packer that holds no rows yet.
    ///
    /// # Errors
    ///
    /// [`PackError::NoBuffer`] for a buffer of no rows.
    ///
    /// ```
    /// use dalign_core::pack::StreamPacker;
    ///
    /// assert!(StreamPacker::new(4_096, 65_536).is_ok());
    /// assert!(StreamPacker::new(4_096, 0).is_err());
    /// ```
    pub fn new(capacity: u32, buffer_rows: usize) -> Result<Self, PackError> {
        if buffer_rows == 0 {
            return Err(PackError::NoBuffer);
        }
        Ok(Self { capacity, buffer_rows, rows: Vec::new(), lengths: Vec::new(), pushed: 0 })
    }

    /// Takes the next rows by their lengths in tokens; the bins that this closes. O(rows + capacity) for
    /// each half buffer of rows.
    ///
    /// # Errors
    ///
    /// [`PackError::RowTooLong`] or [`PackError::EmptyRow`], with the row counted from the first one that was
    /// pushed; none of these lengths is then taken.
    ///
    /// ```
    /// # use dalign_core::pack::StreamPacker;
    /// let mut packer = StreamPacker::new(8, 2)?;
    /// assert_eq!(packer.push(&[8, 8])?.bin_offsets, [0, 1, 2]);
    /// assert!(packer.push(&[9]).is_err());
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    pub fn push(&mut self, lengths: &[u32]) -> Result<ClosedBins, PackError> {
        check_lengths(lengths, self.capacity).map_err(|error| error.later(self.pushed as usize))?;
        let mut closed = ClosedBins { rows: Vec::new(), bin_offsets: vec![0] };
        let mut left = lengths;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(self.buffer_rows - self.rows.len()));
            self.rows.extend(self.pushed..self.pushed + now.len() as u64);
            self.lengths.extend_from_slice(now);
            self.pushed += now.len() as u64;
            left = later;
            if self.rows.len() == self.buffer_rows {
                self.close(self.buffer_rows / 2, &mut closed);
            }
        }
        Ok(closed)
    }

    /// The bins of all rows that still wait.
    ///
    /// ```
    /// # use dalign_core::pack::StreamPacker;
    /// let mut packer = StreamPacker::new(8, 10)?;
    /// packer.push(&[2])?;
    /// assert_eq!(packer.finish().rows, [0]);
    /// # Ok::<(), dalign_core::pack::PackError>(())
    /// ```
    #[must_use]
    pub fn finish(mut self) -> ClosedBins {
        let mut closed = ClosedBins { rows: Vec::new(), bin_offsets: vec![0] };
        self.close(0, &mut closed);
        closed
    }

    /// Plans the waiting rows and closes the bins, but for the emptiest with at most `most` rows together.
    fn close(&mut self, most: usize, closed: &mut ClosedBins) {
        let plan = plan(&self.lengths, self.capacity).expect("lengths are checked when they come");
        let ends: Vec<(usize, usize)> =
            plan.bin_offsets.windows(2).map(|ends| (ends[0] as usize, ends[1] as usize)).collect();
        let used = |&(start, end): &(usize, usize)| -> u32 {
            plan.row_order[start..end].iter().map(|&row| self.lengths[row as usize]).sum()
        };
        let mut by_space: Vec<(u32, usize)> = (0..ends.len())
            .map(|bin| (self.capacity - used(&ends[bin]), bin))
            .filter(|&(space, _)| space > self.capacity / SLACK_PARTS)
            .collect();
        by_space.sort_unstable_by(|a, b| b.cmp(a));
        let mut waits = vec![false; ends.len()];
        let mut waiting = 0;
        for (_, bin) in by_space {
            waiting += ends[bin].1 - ends[bin].0;
            if waiting > most {
                break;
            }
            waits[bin] = true;
        }
        let mut kept = Vec::new();
        for (&(start, end), waits) in ends.iter().zip(waits) {
            let rows = &plan.row_order[start..end];
            if waits {
                kept.extend_from_slice(rows);
            } else {
                closed.rows.extend(rows.iter().map(|&row| self.rows[row as usize]));
                closed.bin_offsets.push(closed.rows.len() as u64);
            }
        }
        kept.sort_unstable();
        self.rows = kept.iter().map(|&row| self.rows[row as usize]).collect();
        self.lengths = kept.iter().map(|&row| self.lengths[row as usize]).collect();
    }
}
