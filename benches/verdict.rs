//! Reading judge replies of about 370 characters in five forms; replies a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, replies};
use dalign_core::verdict::{Scale, parse_column};

pub(crate) fn verdict(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verdict");
    let scale = Scale::new(0.0, 10.0).expect("0 is below 10");
    for rows in ROWS {
        let replies = replies(rows);
        let replies = borrowed(&replies);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| parse_column(black_box(&replies), scale));
        });
    }
}
