use dalign_core::CoreError;
use dalign_core::pack::{ClosedBins, StreamPacker, plan};
use proptest::prelude::*;

/// All bins of a stream that comes in pushes of this many rows.
fn packed(lengths: &[u32], capacity: u32, buffer_rows: usize, push: usize) -> Vec<Vec<u64>> {
    let mut packer = StreamPacker::new(capacity, buffer_rows).unwrap();
    let mut bins = Vec::new();
    let mut take = |closed: ClosedBins| {
        let ends = closed.bin_offsets.windows(2);
        bins.extend(ends.map(|ends| closed.rows[ends[0] as usize..ends[1] as usize].to_vec()));
    };
    for lengths in lengths.chunks(push) {
        take(packer.push(lengths).unwrap());
    }
    take(packer.finish());
    bins
}

proptest! {
    #[test]
    fn each_row_stands_once_and_no_bin_is_above_the_capacity(
        lengths in prop::collection::vec(1_u32..=64, 0..300),
        buffer_rows in 1_usize..80,
        push in 1_usize..50,
    ) {
        let bins = packed(&lengths, 64, buffer_rows, push);
        for bin in &bins {
            prop_assert!(!bin.is_empty());
            prop_assert!(bin.iter().map(|&row| lengths[row as usize]).sum::<u32>() <= 64);
        }
        let mut rows: Vec<u64> = bins.concat();
        rows.sort_unstable();
        prop_assert!(rows.into_iter().eq(0..lengths.len() as u64));
    }

    #[test]
    fn how_the_rows_come_changes_nothing(
        lengths in prop::collection::vec(1_u32..=64, 0..300),
        buffer_rows in 1_usize..80,
        push in 1_usize..50,
    ) {
        let (few, all) = (packed(&lengths, 64, buffer_rows, push), packed(&lengths, 64, buffer_rows, 1_000));
        prop_assert_eq!(few, all);
    }
}

#[test]
fn a_buffer_that_holds_all_rows_gives_the_plan_of_all() {
    let lengths = [5, 3, 4, 4, 8, 1, 2];
    let whole = plan(&lengths, 8).unwrap();
    let streamed = packed(&lengths, 8, 100, 3);
    assert_eq!(streamed.len(), whole.bin_offsets.len() - 1);
    assert_eq!(
        streamed.concat(),
        whole.row_order.iter().map(|&row| u64::from(row)).collect::<Vec<_>>()
    );
}

#[test]
fn a_small_buffer_fills_bins_nearly_as_well_as_the_whole_set() {
    // A long-tailed mix without randomness: lengths 16 to 4,096 in a scrambled order.
    let lengths: Vec<u32> = (0..60_000_u64)
        .map(|row| {
            let share = (row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 16_777_216.0;
            ((16.0 * 256_f64.powf(share * share)) as u32).clamp(16, 4_096)
        })
        .collect();
    let tokens: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
    let bins = packed(&lengths, 4_096, 8_192, 1_000).len();
    let filled = tokens as f64 / (bins as f64 * 4_096.0);
    assert!(filled >= 0.999, "{filled}");
}

#[test]
fn an_error_names_the_row_of_the_stream_and_takes_nothing() {
    let mut packer = StreamPacker::new(8, 4).unwrap();
    packer.push(&[1, 2, 3, 4, 5]).unwrap();
    let error = packer.push(&[8, 9]).unwrap_err();
    assert_eq!((error.kind(), error.row(), error.value()), ("row_too_long", Some(6), Some(9.0)));
    let error = packer.push(&[0]).unwrap_err();
    assert_eq!((error.kind(), error.row()), ("empty_row", Some(5)));
    assert_eq!(StreamPacker::new(8, 0).unwrap_err().kind(), "no_buffer");
}
