//! A packing plan carried out: token ids, labels and positions in the flat buffers that training
//! reads.

mod error;
mod slots;

pub use error::LayoutError;
pub(crate) use slots::Slots;

use crate::error::{offsets_delimit, same_length};
use crate::pack::Plan;

/// The label of a token that carries no loss.
///
/// ```
/// use dalign_core::layout::{IGNORED, Segments, assemble};
/// use dalign_core::pack::plan;
///
/// let segments = Segments { ids: &[7, 8], offsets: &[0, 2], rows: &[0], trained: &[true] };
/// let packed = assemble(&segments, &plan(&[2], 8)?, 8)?;
/// assert_eq!(packed.labels, [IGNORED, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const IGNORED: i64 = -100;

/// Rows cut into segments of which each is trained on or not: a prompt, a completion.
///
/// ```
/// use dalign_core::layout::Segments;
///
/// // Row 0: prompt [7, 8], completion [9]; row 1: completion [5, 6].
/// let segments = Segments {
///     ids: &[7, 8, 9, 5, 6],
///     offsets: &[0, 2, 3, 5],
///     rows: &[0, 0, 1],
///     trained: &[false, true, true],
/// };
/// assert_eq!(segments.offsets.len(), segments.rows.len() + 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    /// The token ids of all segments, one after the other.
    pub ids: &'a [u32],
    /// Segment `s` holds `ids[offsets[s]..offsets[s + 1]]`; never falls, from 0 to the number of ids.
    pub offsets: &'a [u64],
    /// The row that each segment belongs to: sorted, and every row from 0 on has one.
    pub rows: &'a [u32],
    /// Whether each segment's tokens carry loss.
    pub trained: &'a [bool],
}

/// Bins laid out one after the other. The first three buffers have one entry a token.
///
/// ```
/// use dalign_core::layout::{Packed, Segments, assemble};
/// use dalign_core::pack::plan;
///
/// let segments = Segments { ids: &[], offsets: &[0], rows: &[], trained: &[] };
/// let packed = assemble(&segments, &plan(&[], 8)?, 8)?;
/// assert_eq!(packed, Packed { bin_offsets: vec![0], ..Packed::default() });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// The token ids, bin by bin, row by row in the plan's order.
    pub input_ids: Vec<i64>,
    /// The token's own id where it carries loss, else [`IGNORED`]; the shift by one is the
    /// trainer's. Always [`IGNORED`] at a row's first token, which the row before would predict.
    pub labels: Vec<i64>,
    /// Counts from 0 in every row.
    pub position_ids: Vec<i64>,
    /// Where each row starts in the buffers, in the plan's order; strictly increasing.
    pub sequence_starts: Vec<u32>,
    /// Bin `b` is `input_ids[bin_offsets[b]..bin_offsets[b + 1]]`; from 0 to the number of tokens.
    pub bin_offsets: Vec<u64>,
}

/// Lays the rows out as the plan says; O(tokens), in parallel over bins.
///
/// `capacity` is what the plan's bins hold. A row longer than that may be left out of the plan; where
/// the plan holds it, it is masked: cut to the capacity, and none of its tokens carries loss (see
/// [`crate::pack::OverLong`]).
///
/// # Errors
///
/// [`LayoutError::EmptyLossMask`] when a row that fits has no token to train on: it would count in
/// the batch and teach nothing. The other variants when columns or plan do not fit together.
///
/// ```
/// use dalign_core::layout::{Segments, assemble};
/// use dalign_core::pack::plan;
///
/// // Two rows: prompt [7, 8] with completion [9], and prompt [5] with completion [6].
/// let segments = Segments {
///     ids: &[7, 8, 9, 5, 6],
///     offsets: &[0, 2, 3, 4, 5],
///     rows: &[0, 0, 1, 1],
///     trained: &[false, true, false, true],
/// };
/// let packed = assemble(&segments, &plan(&[3, 2], 8)?, 8)?;
/// assert_eq!(packed.input_ids, [7, 8, 9, 5, 6]);
/// assert_eq!(packed.labels, [-100, -100, 9, -100, 6]);
/// assert_eq!(packed.position_ids, [0, 1, 2, 0, 1]);
/// assert_eq!((packed.sequence_starts, packed.bin_offsets), (vec![0, 3], vec![0, 5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn assemble(
    segments: &Segments<'_>,
    plan: &Plan,
    capacity: u32,
) -> Result<Packed, LayoutError> {
    let first_segments = first_segment_of_each_row(segments)?;
    let rows: Vec<Row<'_>> = first_segments
        .windows(2)
        .map(|ends| Row { segments, first: ends[0], end: ends[1] })
        .collect();
    let lengths: Vec<u32> = rows.iter().map(Row::length).collect();
    let teaches_nothing =
        |(row, &length): (&Row<'_>, &u32)| length <= capacity && !row.carries_loss();
    if let Some(row) = rows.iter().zip(&lengths).position(teaches_nothing) {
        return Err(LayoutError::EmptyLossMask { row });
    }
    let slots = Slots::new(plan, &lengths, capacity)?;
    let (tokens, limit) = (slots.tokens(), u32::MAX as usize);
    if tokens > limit {
        return Err(LayoutError::TooManyTokens { tokens, limit });
    }
    Ok(Packed {
        input_ids: slots.fill(plan, |row, slot| rows[row].write_ids(slot)),
        labels: slots.fill(plan, |row, slot| rows[row].write_labels(slot)),
        position_ids: slots.fill(plan, |_, slot: &mut [i64]| {
            slot.iter_mut().zip(0..).for_each(|(position, at)| *position = at);
        }),
        sequence_starts: starts(&slots.sequence_lengths),
        bin_offsets: slots.bin_offsets,
    })
}

/// Where sequences of these lengths start, one after the other.
fn starts(lengths: &[u32]) -> Vec<u32> {
    let sums = lengths.iter().scan(0, |tokens, length| {
        let start = *tokens;
        *tokens += length;
        Some(start)
    });
    sums.collect()
}

/// One row: segments `first..end`, of which there is at least one.
#[derive(Clone, Copy)]
struct Row<'a> {
    segments: &'a Segments<'a>,
    first: usize,
    end: usize,
}

impl Row<'_> {
    fn token_range(&self, first: usize, end: usize) -> std::ops::Range<usize> {
        self.segments.offsets[first] as usize..self.segments.offsets[end] as usize
    }

    /// How many tokens it has; more than 32 bits count are more than any capacity.
    fn length(&self) -> u32 {
        u32::try_from(self.ids().len()).unwrap_or(u32::MAX)
    }

    fn ids(&self) -> &[u32] {
        &self.segments.ids[self.token_range(self.first, self.end)]
    }

    /// The ranges of tokens that are trained on, counted from the row's start; the first token is
    /// left out.
    fn trained(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let start = self.segments.offsets[self.first] as usize;
        (self.first..self.end).filter(|&segment| self.segments.trained[segment]).map(
            move |segment| {
                let range = self.token_range(segment, segment + 1);
                (range.start - start).max(1)..range.end - start
            },
        )
    }

    fn carries_loss(&self) -> bool {
        self.trained().any(|range| !range.is_empty())
    }

    /// Writes the ids, as many as the slot takes.
    fn write_ids(&self, slot: &mut [i64]) {
        for (input, &id) in slot.iter_mut().zip(self.ids()) {
            *input = i64::from(id);
        }
    }

    /// Writes the labels; none carries loss where the slot is too short for the row.
    fn write_labels(&self, slot: &mut [i64]) {
        let ids = self.ids();
        let mut done = 0;
        if ids.len() == slot.len() {
            for range in self.trained().filter(|range| !range.is_empty()) {
                slot[done..range.start].fill(IGNORED);
                for (label, &id) in slot[range.clone()].iter_mut().zip(&ids[range.clone()]) {
                    *label = i64::from(id);
                }
                done = range.end;
            }
        }
        slot[done..].fill(IGNORED);
    }
}

/// Where each row's segments start, and the number of segments at the end.
fn first_segment_of_each_row(segments: &Segments<'_>) -> Result<Vec<usize>, LayoutError> {
    let count = segments.rows.len();
    same_length("segment_trained", segments.trained.len(), count)?;
    same_length("offsets", segments.offsets.len(), count + 1)?;
    offsets_delimit("offsets", segments.offsets.iter().copied(), segments.ids.len())?;
    let mut firsts = Vec::new();
    for (segment, &row) in segments.rows.iter().enumerate() {
        // Rows come in order, so a segment either stays in the last row or opens the next one.
        let next = firsts.len();
        if row as usize == next {
            firsts.push(segment);
        } else if row as usize + 1 != next {
            let expected = next as u32;
            return Err(LayoutError::UnsortedSegments { segment, row, expected });
        }
    }
    firsts.push(count);
    Ok(firsts)
}
