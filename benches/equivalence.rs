//! The baselines of the benches give what the core gives: only then are their speeds compared.

use dalign_benches::{
    Stream, borrowed, completions, lengths, naive, scores, spread_lengths, strata,
};
use dalign_core::aggregate::{Method, reduce};
use dalign_core::balance::{Balancer, Quota, Quotas, Rows, Settings};
use dalign_core::completion::{Status, Tags, parse_column};
use dalign_core::pack::plan;

#[test]
fn the_naive_parser_finds_the_same_parts() {
    let texts = completions(2_000);
    let texts = borrowed(&texts);
    let tags = Tags::pair("<think>", "</think>", false).unwrap();
    let parsed = parse_column(&texts, &tags, &vec![false; texts.len()]).unwrap();
    let mut broken = 0;
    for (text, parsed) in texts.iter().zip(parsed) {
        let found = (parsed.status == Status::Ok).then_some((parsed.reasoning, parsed.answer));
        assert_eq!(naive::parse(text), found, "{text}");
        broken += usize::from(found.is_none());
    }
    assert!(broken > 100, "the input has broken rows too: {broken}");
}

#[test]
fn the_naive_packer_leaves_the_same_spaces() {
    let apart = [2049, 2051].repeat(500);
    for lengths in
        [lengths(3_000, 4096), spread_lengths(3_000, 4096), lengths(101, 700), apart, vec![7; 500]]
    {
        let capacity = lengths.iter().copied().max().unwrap();
        let plan = plan(&lengths, capacity).unwrap();
        let mut left: Vec<u32> = plan
            .bin_offsets
            .windows(2)
            .map(|ends| {
                let rows = &plan.row_order[ends[0] as usize..ends[1] as usize];
                capacity - rows.iter().map(|&row| lengths[row as usize]).sum::<u32>()
            })
            .collect();
        let mut naive = naive::spaces_left(&lengths, capacity);
        left.sort_unstable();
        naive.sort_unstable();
        assert_eq!(left, naive);
    }
}

#[test]
fn the_naive_reduction_gives_the_same_scores() {
    let (scores, offsets) = scores(5_000, 8);
    for min_valid in [1, 8] {
        let reduced = reduce(&scores, &offsets, Method::Min, min_valid).unwrap();
        let reduced: Vec<_> = reduced.iter().map(|row| row.score).collect();
        assert_eq!(naive::least(&scores, &offsets, min_valid as usize), reduced);
    }
}

#[test]
fn the_naive_draw_keeps_as_many_rows_of_each_category() {
    let (categories, ..) = strata(5_000);
    for maximum in [0, 1, 100, 5_000] {
        let quota = Quota { maximum: Some(maximum as u64), ..Quota::default() };
        let quotas = Quotas { default: quota, ..Quotas::default() };
        let mut balancer =
            Balancer::new(Settings { categories: quotas, ..Settings::default() }).unwrap();
        balancer.offer(Rows { categories: Some(&categories), clauses: None }).unwrap();
        let drawn = naive::drawn(&categories, maximum, &mut Stream::new(7));
        let counts = |rows: &[u64]| {
            let mut counts = [0; 9];
            for &row in rows {
                counts[categories[row as usize] as usize] += 1;
            }
            counts
        };
        assert_eq!(counts(&balancer.finish().kept), counts(&drawn));
    }
}
