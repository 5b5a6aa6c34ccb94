//! Parsing completions; bytes a second. Baseline: `str::find`, one thread.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, bytes, completions, naive};
use dalign_core::completion::{Tags, parse_column};

pub(crate) fn completion(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("completion");
    let tags = Tags::pair("<think>", "</think>", false).expect("the tags differ");
    for rows in ROWS {
        let texts = completions(rows);
        group.throughput(Throughput::Bytes(bytes(&texts)));
        let (texts, truncated) = (borrowed(&texts), vec![false; rows]);
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| parse_column(black_box(&texts), &tags, &truncated));
        });
        group.bench_function(BenchmarkId::new("naive", rows), |bencher| {
            bencher.iter(|| {
                black_box(&texts).iter().map(|text| naive::parse(text)).collect::<Vec<_>>()
            });
        });
    }
}
