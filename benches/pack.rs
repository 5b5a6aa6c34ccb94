//! Planning bins; rows a second, up to arrays that leave the cache. `spread` and `apart` (two lengths
//! that never share a bin) are the worst cases. Baseline: every open bin looked at.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, lengths, naive, spread_lengths};
use dalign_core::pack::plan;

const CAPACITY: u32 = 4096;

pub(crate) fn pack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pack");
    for rows in [100_000, 1_000_000, 10_000_000] {
        group.throughput(Throughput::Elements(rows as u64));
        let apart = [CAPACITY / 2 + 1, CAPACITY / 2 + 3].repeat(rows / 2);
        for (name, lengths) in [
            ("core", lengths(rows, CAPACITY)),
            ("core, spread", spread_lengths(rows, CAPACITY)),
            ("core, apart", apart),
            ("core, equal", vec![700; rows]),
            ("core, ones", vec![1; rows]),
            ("core, full", vec![CAPACITY; rows]),
        ] {
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
