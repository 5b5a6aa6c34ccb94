//! A packing plan carried out: token ids, labels and positions in the flat buffers that training
//! reads.

use rayon::prelude::*;

use crate::error::{ColumnError, CoreError, offsets_delimit, same_length};
use crate::pack::Plan;

/// The label of a token that carries no loss.
pub const IGNORED: i64 = -100;

/// Rows cut into segments of which each is trained on or not: a prompt, a completion.
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

/// Why segments cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No token of a row carries loss.
    #[error(
        "row {row} trains on no token (a row's first token never carries loss): drop the row or \
         mark a segment as trained"
    )]
    EmptyLossMask {
        /// The first such row.
        row: usize,
    },
    /// Segments that do not follow their rows' order.
    #[error(
        "segment {segment} belongs to row {row} where {expected} is due: segments must be sorted \
         by row and every row from 0 on must have one"
    )]
    UnsortedSegments {
        /// The first segment out of order.
        segment: usize,
        /// The row it names.
        row: u32,
        /// The last row that it may name.
        expected: u32,
    },
    /// A plan that does not hold each row once.
    #[error("the plan does not hold row {row} once ({rows} rows in all): plan these rows again")]
    BadPlan {
        /// The first row at fault.
        row: usize,
        /// How many rows the segments have.
        rows: usize,
    },
    /// More tokens than a sequence start of 32 bits can name.
    #[error("{tokens} tokens; one call takes at most {}: split the shard", u32::MAX)]
    TooManyTokens {
        /// How many there are.
        tokens: usize,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for LayoutError {
    fn kind(&self) -> &'static str {
        match self {
            Self::EmptyLossMask { .. } => "empty_loss_mask",
            Self::UnsortedSegments { .. } => "unsorted_segments",
            Self::BadPlan { .. } => "bad_plan",
            Self::TooManyTokens { .. } => "too_many_tokens",
            Self::Column(error) => error.kind(),
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::EmptyLossMask { row } | Self::BadPlan { row, .. } => Some(*row),
            Self::UnsortedSegments { segment, .. } => Some(*segment),
            Self::TooManyTokens { .. } => None,
            Self::Column(error) => error.row(),
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::UnsortedSegments { row, .. } => Some(f64::from(*row)),
            Self::TooManyTokens { tokens } => Some(*tokens as f64),
            Self::Column(error) => error.value(),
            _ => None,
        }
    }

    fn limit(&self) -> Option<f64> {
        match self {
            Self::EmptyLossMask { .. } => None,
            Self::UnsortedSegments { expected, .. } => Some(f64::from(*expected)),
            Self::BadPlan { rows, .. } => Some(*rows as f64),
            Self::TooManyTokens { .. } => Some(f64::from(u32::MAX)),
            Self::Column(error) => error.limit(),
        }
    }
}

/// Lays the rows out as the plan says; O(tokens), in parallel over bins.
///
/// # Errors
///
/// [`LayoutError::EmptyLossMask`] when a row has no token to train on: it would count in the batch
/// and teach nothing. The other variants when columns or plan do not fit together.
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
/// let packed = assemble(&segments, &plan(&[3, 2], 8)?)?;
/// assert_eq!(packed.input_ids, [7, 8, 9, 5, 6]);
/// assert_eq!(packed.labels, [-100, -100, 9, -100, 6]);
/// assert_eq!(packed.position_ids, [0, 1, 2, 0, 1]);
/// assert_eq!((packed.sequence_starts, packed.bin_offsets), (vec![0, 3], vec![0, 5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn assemble(segments: &Segments<'_>, plan: &Plan) -> Result<Packed, LayoutError> {
    let first_segments = first_segment_of_each_row(segments)?;
    if u32::try_from(segments.ids.len()).is_err() {
        return Err(LayoutError::TooManyTokens { tokens: segments.ids.len() });
    }
    let rows: Vec<Row<'_>> = first_segments
        .windows(2)
        .map(|ends| Row { segments, first: ends[0], end: ends[1] })
        .collect();
    if let Some(row) = rows.iter().position(|row| !row.carries_loss()) {
        return Err(LayoutError::EmptyLossMask { row });
    }
    check_plan(plan, rows.len())?;

    let mut packed = Packed {
        input_ids: vec![0; segments.ids.len()],
        labels: vec![IGNORED; segments.ids.len()],
        position_ids: vec![0; segments.ids.len()],
        sequence_starts: Vec::with_capacity(rows.len()),
        bin_offsets: Vec::with_capacity(plan.bin_offsets.len()),
    };
    let mut filled = 0;
    packed.bin_offsets.push(0);
    for bin in plan.bin_offsets.windows(2) {
        for &row in &plan.row_order[bin[0] as usize..bin[1] as usize] {
            packed.sequence_starts.push(filled as u32);
            filled += rows[row as usize].len();
        }
        packed.bin_offsets.push(filled as u64);
    }
    fill(&mut packed, &rows, plan);
    Ok(packed)
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

    fn len(&self) -> usize {
        self.token_range(self.first, self.end).len()
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

    /// Writes the row at the head of three buffers.
    fn write(&self, input_ids: &mut [i64], labels: &mut [i64], position_ids: &mut [i64]) {
        let ids = &self.segments.ids[self.token_range(self.first, self.end)];
        for ((input, &id), (position, at)) in
            input_ids.iter_mut().zip(ids).zip(position_ids.iter_mut().zip(0..))
        {
            *input = i64::from(id);
            *position = at;
        }
        for range in self.trained().filter(|range| !range.is_empty()) {
            labels[range.clone()].copy_from_slice(&input_ids[range]);
        }
    }
}

/// Fills the three buffers of tokens, whose bins and sequence starts are laid down.
fn fill(packed: &mut Packed, rows: &[Row<'_>], plan: &Plan) {
    let (mut inputs, mut labels, mut positions) =
        (&mut packed.input_ids[..], &mut packed.labels[..], &mut packed.position_ids[..]);
    let mut bins = Vec::with_capacity(plan.bin_offsets.len());
    for (tokens, planned) in packed.bin_offsets.windows(2).zip(plan.bin_offsets.windows(2)) {
        let length = (tokens[1] - tokens[0]) as usize;
        let order = &plan.row_order[planned[0] as usize..planned[1] as usize];
        bins.push((
            order,
            inputs.split_off_mut(..length).unwrap_or_default(),
            labels.split_off_mut(..length).unwrap_or_default(),
            positions.split_off_mut(..length).unwrap_or_default(),
        ));
    }
    bins.into_par_iter().for_each(|(order, inputs, labels, positions)| {
        let mut at = 0;
        for &row in order {
            let row = &rows[row as usize];
            let end = at + row.len();
            row.write(&mut inputs[at..end], &mut labels[at..end], &mut positions[at..end]);
            at = end;
        }
    });
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

/// Checks that the plan holds each row exactly once.
fn check_plan(plan: &Plan, rows: usize) -> Result<(), LayoutError> {
    offsets_delimit("bin_offsets", plan.bin_offsets.iter().copied(), plan.row_order.len())?;
    let mut planned = vec![false; rows];
    for &row in &plan.row_order {
        match planned.get_mut(row as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(LayoutError::BadPlan { row: row as usize, rows }),
        }
    }
    match planned.iter().position(|seen| !seen) {
        None => Ok(()),
        Some(row) => Err(LayoutError::BadPlan { row, rows }),
    }
}
