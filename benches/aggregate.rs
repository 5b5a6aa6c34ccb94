//! Reducing 8 judgements a completion; judgements a second. Baseline: a vector a completion.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, naive, scores};
use dalign_core::aggregate::{Method, reduce};

const K: usize = 8;

pub(crate) fn aggregate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aggregate");
    for rows in ROWS {
        let (scores, offsets) = scores(rows, K);
        group.throughput(Throughput::Elements(scores.len() as u64));
        for (name, method) in [("min", Method::Min), ("quantile", Method::Quantile(0.25))] {
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| reduce(black_box(&scores), &offsets, method, 4));
            });
        }
        group.bench_function(BenchmarkId::new("naive min", rows), |bencher| {
            bencher.iter(|| naive::least(black_box(&scores), &offsets, 4));
        });
    }
}
