use dalign_core::CoreError;
use dalign_core::gather::{Packing, Token, position_ids};
use dalign_core::memory::Pool;
use dalign_core::pack::OverLong;
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize)]
struct Case {
    name: String,
    capacity: u32,
    rule: String,
    input_ids: Vec<Vec<u32>>,
    labels: Option<Vec<Vec<i64>>>,
    train_mask: Option<Vec<Vec<bool>>>,
    expected: Option<Table>,
    position_ids: Option<Vec<Vec<i32>>>,
    over_long: Option<Vec<u32>>,
    error: Option<Expected>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Table {
    input_ids: Vec<Vec<u32>>,
    labels: Option<Vec<Vec<i64>>>,
    seq_lengths: Vec<Vec<u32>>,
    sequence_starts: Vec<Vec<u32>>,
    rows: Vec<Vec<u32>>,
}

fn slices<T>(rows: &[Vec<T>]) -> Vec<&[T]> {
    rows.iter().map(Vec::as_slice).collect()
}

fn lists<T: Clone>(values: &[T], offsets: &[impl Copy + Into<u64>]) -> Vec<Vec<T>> {
    let list = |ends: [u64; 2]| values[ends[0] as usize..ends[1] as usize].to_vec();
    offsets.windows(2).map(|ends| list([ends[0].into(), ends[1].into()])).collect()
}

fn pack(case: &Case) -> Result<(Table, Vec<u32>), Box<dyn CoreError>> {
    let boxed = |error| -> Box<dyn CoreError> { Box::new(error) };
    let lengths: Vec<u32> = case.input_ids.iter().map(|row| row.len() as u32).collect();
    let packing = Packing::new(&lengths, case.capacity, OverLong::named(&case.rule).unwrap())
        .map_err(|error| -> Box<dyn CoreError> { Box::new(error) })?;
    let (ids, pool) = (slices(&case.input_ids), Pool::default());
    let labels = match (&case.labels, &case.train_mask) {
        (Some(labels), _) => Some(packing.labels(&slices(labels), &pool).map_err(boxed)?),
        (_, Some(mask)) => Some(packing.labels_where(&ids, &slices(mask), &pool).map_err(boxed)?),
        _ => None,
    };
    let sequences = &packing.plan().bin_offsets;
    let table = Table {
        input_ids: lists(&packing.gather(&ids, &pool).map_err(boxed)?, packing.bin_offsets()),
        labels: labels.map(|labels| lists(&labels, packing.bin_offsets())),
        seq_lengths: lists(packing.sequence_lengths(), sequences),
        sequence_starts: lists(&packing.sequence_starts(), sequences),
        rows: lists(&packing.plan().row_order, sequences),
    };
    Ok((table, packing.over_long().to_vec()))
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("packed_tables") {
        match (pack(&case), &case.error) {
            (Ok((table, over_long)), None) => {
                let positions = position_ids(&slices(&table.seq_lengths));
                let positions = lists(&positions.values, &positions.offsets);
                assert_eq!(Some(positions), case.position_ids, "{}", case.name);
                assert_eq!(Some(table), case.expected, "{}", case.name);
                assert_eq!(Some(over_long), case.over_long, "{}", case.name);
            }
            (Err(error), Some(expected)) => {
                assert_eq!(error.kind(), expected.kind, "{}: {error}", case.name);
                assert_eq!(error.row(), expected.row, "{}: {error}", case.name);
                assert!(expected.value.is_none() || error.value() == expected.value);
                assert!(expected.limit.is_none() || error.limit() == expected.limit);
            }
            (found, _) => panic!("{}: {:?}", case.name, found.map_err(|error| error.to_string())),
        }
    }
}

#[test]
fn a_row_that_trains_on_nothing_is_refused_unless_it_is_masked() {
    let pool = Pool::default();
    let ids: [&[i32]; 2] = [&[7, 8], &[1, 2, 3, 4, 5]];
    // A first token never carries loss, so that one alone is none.
    let first_alone: [&[bool]; 2] = [&[true, false], &[true, false, false, false, false]];
    let packing = Packing::new(&[2, 5], 4, OverLong::Mask).unwrap();
    let error = packing.labels_where(&ids, &first_alone, &pool).unwrap_err();
    assert_eq!((error.kind(), error.row()), ("empty_loss_mask", Some(0)));
    let trained: [&[bool]; 2] = [&[false, true], &[false; 5]];
    let labels = packing.labels_where(&ids, &trained, &pool).unwrap();
    assert_eq!(*labels, [-100, -100, -100, -100, -100, 8]);
}

#[test]
fn a_column_whose_rows_have_other_lengths_is_refused() {
    let packing = Packing::new(&[1, 2], 8, OverLong::Error).unwrap();
    let error = packing.gather::<i32>(&[&[1], &[1]], &Pool::default()).unwrap_err();
    let told = (error.kind(), error.row(), error.value(), error.limit());
    assert_eq!(told, ("row_length", Some(1), Some(1.0), Some(2.0)));
}

#[test]
fn a_column_with_fewer_rows_is_refused() {
    let packing = Packing::new(&[1, 1], 8, OverLong::Error).unwrap();
    assert_eq!(
        packing.gather::<i32>(&[&[1]], &Pool::default()).unwrap_err().kind(),
        "length_mismatch"
    );
}

#[test]
fn an_id_above_the_signed_range_keeps_its_value_as_a_label() {
    assert_eq!(u32::MAX.label(), 4_294_967_295_i64);
}

/// Rows of a prompt and a completion, each of 1 to 8 tokens; some exceed the capacity of 12.
fn rows() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<u32>)>> {
    let tokens = || prop::collection::vec(0_u32..99, 1..9);
    prop::collection::vec((tokens(), tokens()), 0..40)
}

proptest! {
    #[test]
    fn a_mask_and_labels_that_say_the_same_give_the_same(
        rows in rows(),
        rule in prop::sample::select(vec![OverLong::Drop, OverLong::Mask]),
    ) {
        let ids: Vec<Vec<u32>> = rows.iter().map(|row| [&row.0[..], &row.1].concat()).collect();
        let mask: Vec<Vec<bool>> = rows
            .iter()
            .map(|row| [vec![false; row.0.len()], vec![true; row.1.len()]].concat())
            .collect();
        let lengths: Vec<u32> = ids.iter().map(|row| row.len() as u32).collect();
        let (packing, pool) = (Packing::new(&lengths, 12, rule).unwrap(), Pool::default());
        let from_mask = packing.labels_where(&slices(&ids), &slices(&mask), &pool).unwrap();
        let given: Vec<Vec<i64>> = ids.iter().zip(&mask)
            .map(|(ids, mask)| ids.iter().zip(mask)
                .map(|(&id, &trained)| if trained { i64::from(id) } else { -100 }).collect())
            .collect();
        prop_assert_eq!(&*packing.labels(&slices(&given), &pool).unwrap(), &*from_mask);
        // Positions count from 0 where a row starts.
        let positions = position_ids(&[packing.sequence_lengths()]).values;
        let starts = packing.sequence_lengths().iter().scan(0, |at, &length| {
            let start = *at;
            *at += length as usize;
            Some(start)
        });
        for (start, &length) in starts.zip(packing.sequence_lengths()) {
            prop_assert!(positions[start..start + length as usize].iter().copied().eq((0..).take(length as usize)));
        }
    }

    #[test]
    fn every_token_comes_back_where_the_plan_says(
        rows in prop::collection::vec(prop::collection::vec(0_i64..99, 2..10), 0..40),
        capacity in 2_u32..13,
        rule in prop::sample::select(vec![OverLong::Drop, OverLong::Mask]),
    ) {
        let lengths: Vec<u32> = rows.iter().map(|row| row.len() as u32).collect();
        let (packing, pool) = (Packing::new(&lengths, capacity, rule).unwrap(), Pool::default());
        let ids = packing.gather(&slices(&rows), &pool).unwrap();
        let labels = packing.labels(&slices(&rows), &pool).unwrap();
        let (mut at, mut seen) = (0, Vec::new());
        for (&row, &length) in packing.plan().row_order.iter().zip(packing.sequence_lengths()) {
            let (row, length) = (row as usize, length as usize);
            prop_assert_eq!(&ids[at..at + length], &rows[row][..length]);
            let expected = if rows[row].len() > length {
                vec![-100; length]
            } else {
                [&[-100], &rows[row][1..]].concat()
            };
            prop_assert_eq!(&labels[at..at + length], &expected[..]);
            at += length;
            seen.push(row as u32);
        }
        prop_assert_eq!(at, packing.tokens());
        // Bins hold no more than they may, and starts count within each.
        let starts = packing.sequence_starts();
        for (bin, tokens) in packing.plan().bin_offsets.windows(2).zip(packing.bin_offsets().windows(2)) {
            let lengths = &packing.sequence_lengths()[bin[0] as usize..bin[1] as usize];
            prop_assert_eq!(u64::from(lengths.iter().sum::<u32>()), tokens[1] - tokens[0]);
            prop_assert!(tokens[1] - tokens[0] <= u64::from(capacity));
            let mut start = 0;
            for (&found, &length) in starts[bin[0] as usize..bin[1] as usize].iter().zip(lengths) {
                prop_assert_eq!(found, start);
                start += length;
            }
        }
        if rule == OverLong::Drop {
            seen.extend(packing.over_long());
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..rows.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn over_long_rows_are_named_and_no_other_row_is_missing(
        lengths in prop::collection::vec(1_u32..30, 0..100),
        rule in prop::sample::select(vec![OverLong::Drop, OverLong::Mask]),
    ) {
        let packing = Packing::new(&lengths, 16, rule).unwrap();
        let over: Vec<u32> = (0..lengths.len() as u32).filter(|&row| lengths[row as usize] > 16).collect();
        prop_assert_eq!(packing.over_long(), &over[..]);
        let mut planned = packing.plan().row_order.clone();
        if rule == OverLong::Drop {
            planned.extend(over);
        }
        planned.sort_unstable();
        prop_assert_eq!(planned, (0..lengths.len() as u32).collect::<Vec<_>>());
        for bin in packing.bin_offsets().windows(2) {
            prop_assert!(bin[1] - bin[0] <= 16);
        }
    }
}
