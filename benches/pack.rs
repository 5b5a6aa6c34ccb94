//! Planning bins; rows a second. `spread` is the worst case. Baseline: every open bin looked at.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, lengths, naive, spread_lengths};
use dalign_core::pack::plan;

const CAPACITY: u32 = 4096;

pub(crate) fn pack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pack");
    for rows in ROWS {
        group.throughput(Throughput::Elements(rows as u64));
        for (name, lengths) in
            [("core", lengths(rows, CAPACITY)), ("core, spread", spread_lengths(rows, CAPACITY))]
        {
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| plan(black_box(&lengths), CAPACITY));
            });
        }
    }
    // Quadratic: only where one run ends in milliseconds.
    let few = lengths(ROWS[0], CAPACITY);
    group.throughput(Throughput::Elements(few.len() as u64));
    group.bench_function(BenchmarkId::new("naive", few.len()), |bencher| {
        bencher.iter(|| naive::spaces_left(black_box(&few), CAPACITY));
    });
}
