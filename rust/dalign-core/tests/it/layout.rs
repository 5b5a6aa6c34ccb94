use dalign_core::layout::{IGNORED, LayoutError, Packed, Segments, assemble};
use dalign_core::pack::{Plan, plan};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    segments: Vec<(u32, bool, Vec<u32>)>,
    bins: Vec<Vec<u32>>,
    /// No row is too long where the table gives none.
    capacity: Option<u32>,
    #[serde(flatten)]
    packed: Option<Buffers>,
    error: Option<Expected>,
}

#[derive(Deserialize)]
struct Buffers {
    input_ids: Vec<i64>,
    labels: Vec<i64>,
    position_ids: Vec<i64>,
    sequence_starts: Vec<u32>,
    bin_offsets: Vec<u64>,
}

fn lay_out(
    segments: &[(u32, bool, Vec<u32>)],
    plan: &Plan,
    capacity: u32,
) -> Result<Packed, LayoutError> {
    let ids: Vec<u32> = segments.iter().flat_map(|(_, _, ids)| ids.clone()).collect();
    let mut offsets = vec![0];
    for (_, _, ids) in segments {
        offsets.push(offsets[offsets.len() - 1] + ids.len() as u64);
    }
    let rows: Vec<u32> = segments.iter().map(|segment| segment.0).collect();
    let trained: Vec<bool> = segments.iter().map(|segment| segment.1).collect();
    assemble(
        &Segments { ids: &ids, offsets: &offsets, rows: &rows, trained: &trained },
        plan,
        capacity,
    )
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("layouts") {
        let mut bin_offsets = vec![0];
        for bin in &case.bins {
            bin_offsets.push(bin_offsets[bin_offsets.len() - 1] + bin.len() as u32);
        }
        let plan = Plan { row_order: case.bins.concat(), bin_offsets };
        match (
            lay_out(&case.segments, &plan, case.capacity.unwrap_or(u32::MAX)),
            case.packed,
            &case.error,
        ) {
            (Ok(found), Some(expected), None) => {
                assert_eq!(found.input_ids, expected.input_ids, "{}", case.name);
                assert_eq!(found.labels, expected.labels, "{}", case.name);
                assert_eq!(found.position_ids, expected.position_ids, "{}", case.name);
                assert_eq!(found.sequence_starts, expected.sequence_starts, "{}", case.name);
                assert_eq!(found.bin_offsets, expected.bin_offsets, "{}", case.name);
            }
            (Err(error), _, Some(expected)) => expected.check(&case.name, &error),
            (found, ..) => panic!("{}: {found:?}", case.name),
        }
    }
}

#[test]
fn columns_that_do_not_fit_together_are_refused() {
    let plan = Plan { row_order: vec![0], bin_offsets: vec![0, 1] };
    let good = Segments { ids: &[1, 2], offsets: &[0, 2], rows: &[0], trained: &[true] };
    assert!(assemble(&good, &plan, 8).is_ok());
    for bad in [
        Segments { trained: &[], ..good },
        Segments { offsets: &[0], ..good },
        Segments { offsets: &[], ..good },
        Segments { offsets: &[0, 3], ..good },
        Segments { offsets: &[0, 1], ..good },
        Segments { offsets: &[1, 2], ..good },
    ] {
        assert!(assemble(&bad, &plan, 8).is_err(), "{bad:?}");
    }
    for bin_offsets in [vec![], vec![0], vec![0, 2], vec![1, 1]] {
        assert!(assemble(&good, &Plan { row_order: vec![0], bin_offsets }, 8).is_err());
    }
}

/// Rows of a prompt and a completion, each of a few tokens.
fn rows() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<u32>)>> {
    let tokens = |least| prop::collection::vec(0_u32..99, least..9);
    prop::collection::vec((tokens(1), tokens(1)), 0..30)
}

proptest! {
    #[test]
    fn every_row_comes_back_whole_with_its_loss_mask(rows in rows()) {
        let lengths: Vec<u32> = rows.iter().map(|row| (row.0.len() + row.1.len()) as u32).collect();
        let plan = plan(&lengths, 16).unwrap();
        let segments: Vec<_> = (0..)
            .zip(&rows)
            .flat_map(|(row, (prompt, completion))| {
                [(row, false, prompt.clone()), (row, true, completion.clone())]
            })
            .collect();
        let packed = lay_out(&segments, &plan, 16).unwrap();
        prop_assert_eq!(packed.input_ids.len(), packed.bin_offsets[plan.bin_offsets.len() - 1] as usize);
        for (&start, &row) in packed.sequence_starts.iter().zip(&plan.row_order) {
            let (prompt, completion) = &rows[row as usize];
            let range = start as usize..start as usize + prompt.len() + completion.len();
            let ids: Vec<i64> = [&prompt[..], completion].concat().into_iter().map(i64::from).collect();
            prop_assert_eq!(&packed.input_ids[range.clone()], &ids[..]);
            let mut labels = ids.clone();
            labels[..prompt.len()].fill(IGNORED);
            prop_assert_eq!(&packed.labels[range.clone()], &labels[..]);
            let positions: Vec<i64> = (0..).take(ids.len()).collect();
            prop_assert_eq!(&packed.position_ids[range], &positions[..]);
        }
        for (ends, planned) in packed.bin_offsets.windows(2).zip(plan.bin_offsets.windows(2)) {
            let bin = &plan.row_order[planned[0] as usize..planned[1] as usize];
            let tokens: u32 = bin.iter().map(|&row| lengths[row as usize]).sum();
            prop_assert_eq!(ends[1] - ends[0], u64::from(tokens));
        }
    }
}
