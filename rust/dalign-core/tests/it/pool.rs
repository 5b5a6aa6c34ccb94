//! Packed columns in memory that is taken up again: 2 MiB and more come from a pool.

use dalign_core::gather::Packing;
use dalign_core::memory::{Pool, Room};
use dalign_core::pack::OverLong;

/// Tokens of a column of 4 MiB.
const TOKENS: usize = 1 << 20;

#[test]
fn a_column_takes_the_memory_of_what_is_gone_and_leaves_what_is_held_alone() {
    let pool = Pool::default();
    let packing = Packing::new(&[TOKENS as u32], TOKENS as u32, OverLong::Error).unwrap();
    let rows = [0_i32, 1, 2, 3].map(|value| vec![value; TOKENS]);
    let held = packing.gather(&[&rows[0][..]], &pool).unwrap();
    drop([1, 2].map(|row| packing.gather(&[&rows[row][..]], &pool).unwrap()));
    assert_eq!(pool.kept(), 8 * TOKENS);
    for (value, row) in (0..).zip(&rows).skip(1) {
        let column = packing.gather(&[&row[..]], &pool).unwrap();
        assert_eq!(pool.kept(), 4 * TOKENS, "one of two is taken up again");
        assert!(column.len() == TOKENS && column.iter().all(|&token| token == value));
    }
    assert_eq!(pool.kept(), 8 * TOKENS);
    // Nor is what is held taken away with the pool.
    drop(pool);
    assert!(held.iter().all(|&token| token == 0));
}

#[test]
fn a_smaller_column_in_the_memory_of_a_larger_one_has_its_own_tokens_only() {
    let pool = Pool::default();
    // The second is a token more than the least that comes from a pool; ids and labels take turns in its memory.
    for size in [TOKENS, TOKENS / 2 + 1, TOKENS] {
        let ids: Vec<i32> = (7..).take(size).collect();
        let packing = Packing::new(&[size as u32], TOKENS as u32, OverLong::Mask).unwrap();
        let column = packing.gather(&[&ids[..]], &pool).unwrap();
        assert!(*column == *ids);
        drop(column);
        let labels = packing.labels(&[&ids[..]], &pool).unwrap();
        assert!(matches!(labels, Room::Huge(_)));
        assert!(labels.len() == size && labels[0] == -100 && labels[1..] == ids[1..]);
        drop(labels);
        assert_eq!(pool.kept(), 4 * TOKENS, "one memory for all");
    }
}

#[test]
fn a_masked_row_in_the_memory_of_another_carries_no_label_of_it() {
    let pool = Pool::default();
    let ids = vec![5_i64; TOKENS];
    let fits = Packing::new(&[TOKENS as u32], TOKENS as u32, OverLong::Mask).unwrap();
    drop(fits.labels(&[&ids[..]], &pool).unwrap());
    // One token more than a bin holds: all that the other row has left behind is written over.
    let longer = vec![5_i64; TOKENS + 1];
    let over = Packing::new(&[TOKENS as u32 + 1], TOKENS as u32, OverLong::Mask).unwrap();
    let labels = over.labels(&[&longer[..]], &pool).unwrap();
    assert!(labels.len() == TOKENS && labels.iter().all(|&label| label == -100));
    assert_eq!(pool.kept(), 0, "taken up again");
}
