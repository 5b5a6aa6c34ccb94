//! Which rows share a bin of a fixed number of tokens; [`crate::layout`] then lays the bins out.

use crate::error::{ColumnError, CoreError, indexable};

/// Which rows share a bin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every row once, bin by bin; within a bin in the order in which rows were placed.
    pub row_order: Vec<u32>,
    /// Bin `b` holds `row_order[bin_offsets[b]..bin_offsets[b + 1]]`; strictly increasing, from 0
    /// to the number of rows.
    pub bin_offsets: Vec<u32>,
}

/// Why rows cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A row alone exceeds a bin.
    #[error(
        "row {row} has {length} tokens, the bins hold {capacity}: drop the row or raise the \
         capacity (rows are never cut)"
    )]
    RowTooLong {
        /// The first such row.
        row: usize,
        /// Its length in tokens.
        length: u32,
        /// What a bin holds.
        capacity: u32,
    },
    /// A row has no token.
    #[error("row {row} has no token: drop it")]
    EmptyRow {
        /// The first such row.
        row: usize,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for PackError {
    fn kind(&self) -> &'static str {
        match self {
            Self::RowTooLong { .. } => "row_too_long",
            Self::EmptyRow { .. } => "empty_row",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::RowTooLong { row, .. } | Self::EmptyRow { row } => Some(*row),
            Self::Column(error) => error.row(),
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::RowTooLong { length, .. } => Some(f64::from(*length)),
            Self::EmptyRow { .. } => Some(0.0),
            Self::Column(error) => error.value(),
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::RowTooLong { capacity, .. } => Some(f64::from(*capacity)),
            Self::EmptyRow { .. } => None,
            Self::Column(error) => error.limit(),
        }
    }
}

/// Assigns each row to a bin, longest rows first, each to the fullest open bin that still takes it
/// (best fit decreasing), so that no bin holds more than `capacity` tokens.
///
/// `lengths[i]` is row `i`'s length in tokens; rows of equal length are placed in their order.
/// O(rows + capacity): the rows are sorted by counting, and the open bins are found through a
/// bitmap of the spaces that they have left.
///
/// # Errors
///
/// [`PackError::RowTooLong`] when a row alone exceeds `capacity`: rows are never cut, because a cut
/// row would train on half an answer. [`PackError::EmptyRow`] when a row has no token, and
/// [`ColumnError::TooManyRows`] above 2³² − 1 rows.
///
/// ```
/// let plan = dalign_core::pack::plan(&[3, 5, 4, 4], 8)?;
/// assert_eq!(plan.bin_offsets, [0, 2, 4]);
/// assert_eq!(plan.row_order, [1, 0, 2, 3]); // 5 + 3 and 4 + 4 fill both bins
/// # Ok::<(), dalign_core::pack::PackError>(())
/// ```
pub fn plan(lengths: &[u32], capacity: u32) -> Result<Plan, PackError> {
    indexable("lengths", lengths.len())?;
    let mut total = 0_u64;
    for (row, &length) in lengths.iter().enumerate() {
        match length {
            0 => return Err(PackError::EmptyRow { row }),
            _ if length > capacity => {
                return Err(PackError::RowTooLong { row, length, capacity });
            }
            _ => total += u64::from(length),
        }
    }
    // More room than all rows need changes nothing but the memory for the bitmap.
    let capacity = u64::from(capacity).min(total) as usize;
    let mut open = OpenBins::new(capacity);
    let mut bin_of = vec![0_u32; lengths.len()];
    let order = longest_first(lengths, capacity);
    for &row in &order {
        bin_of[row as usize] = open.place(lengths[row as usize] as usize);
    }
    Ok(group_by_bin(&order, &bin_of, open.below.len()))
}

/// The rows sorted by falling length, equal lengths in row order: a counting sort.
fn longest_first(lengths: &[u32], capacity: usize) -> Vec<u32> {
    let mut next = vec![0_u32; capacity + 2];
    for &length in lengths {
        next[length as usize] += 1;
    }
    // From counts to the place of the first row of each length; the longest come first.
    let mut before = 0;
    for count in next.iter_mut().rev() {
        (*count, before) = (before, before + *count);
    }
    let mut order = vec![0; lengths.len()];
    for (row, &length) in (0_u32..).zip(lengths) {
        let place = &mut next[length as usize];
        order[*place as usize] = row;
        *place += 1;
    }
    order
}

/// Lists the rows of each bin, in the order of `order`.
fn group_by_bin(order: &[u32], bin_of: &[u32], bins: usize) -> Plan {
    let mut bin_offsets = vec![0_u32; bins + 1];
    for &bin in bin_of {
        bin_offsets[bin as usize + 1] += 1;
    }
    for bin in 0..bins {
        bin_offsets[bin + 1] += bin_offsets[bin];
    }
    let mut next = bin_offsets.clone();
    let mut row_order = vec![0; bin_of.len()];
    for &row in order {
        let place = &mut next[bin_of[row as usize] as usize];
        row_order[*place as usize] = row;
        *place += 1;
    }
    Plan { row_order, bin_offsets }
}

/// No bin: the end of a chain.
const NONE: u32 = u32::MAX;

/// The bins that still take a row, by the space they have left.
struct OpenBins {
    /// What a bin holds.
    capacity: usize,
    /// Bit `s` is set when a bin with exactly `s` tokens of space is open.
    spaces: Vec<u64>,
    /// Bit `w` is set when word `w` of `spaces` is not zero.
    words: Vec<u64>,
    /// The bin that was last left with `s` tokens of space, or [`NONE`].
    head: Vec<u32>,
    /// For each bin ever opened, the next one with the same space, or [`NONE`].
    below: Vec<u32>,
}

impl OpenBins {
    fn new(capacity: usize) -> Self {
        let words = capacity / 64 + 1;
        Self {
            capacity,
            spaces: vec![0; words],
            words: vec![0; words / 64 + 1],
            head: vec![NONE; capacity + 1],
            below: Vec::new(),
        }
    }

    /// Puts a row into the open bin with the least space that takes it, or into a new one.
    fn place(&mut self, length: usize) -> u32 {
        let (bin, space) = if let Some(space) = self.least_space(length) {
            (self.take(space), space)
        } else {
            self.below.push(NONE);
            (self.below.len() as u32 - 1, self.capacity)
        };
        if space > length {
            self.put(bin, space - length);
        }
        bin
    }

    /// The smallest space of an open bin that is at least `length`.
    fn least_space(&self, length: usize) -> Option<usize> {
        let word = length / 64;
        let here = self.spaces[word] & (!0 << (length % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let word = self.next_word(word + 1)?;
        Some(word * 64 + self.spaces[word].trailing_zeros() as usize)
    }

    /// The first word of `spaces` from `start` on that is not zero.
    fn next_word(&self, start: usize) -> Option<usize> {
        let first = start / 64;
        let here = self.words.get(first)? & (!0 << (start % 64));
        if here != 0 {
            return Some(first * 64 + here.trailing_zeros() as usize);
        }
        let (gap, word) =
            self.words[first + 1..].iter().enumerate().find(|(_, word)| **word != 0)?;
        Some((first + 1 + gap) * 64 + word.trailing_zeros() as usize)
    }

    /// Takes the last bin with this space off its chain; there is one.
    fn take(&mut self, space: usize) -> u32 {
        let bin = self.head[space];
        self.head[space] = self.below[bin as usize];
        if self.head[space] == NONE {
            let word = space / 64;
            self.spaces[word] &= !(1 << (space % 64));
            if self.spaces[word] == 0 {
                self.words[word / 64] &= !(1 << (word % 64));
            }
        }
        bin
    }

    fn put(&mut self, bin: u32, space: usize) {
        self.below[bin as usize] = self.head[space];
        self.head[space] = bin;
        let word = space / 64;
        self.spaces[word] |= 1 << (space % 64);
        self.words[word / 64] |= 1 << (word % 64);
    }
}
