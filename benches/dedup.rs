//! Finding exact duplicates; bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, bytes, completions};
use dalign_core::dedup::exact;

pub(crate) fn dedup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dedup");
    for rows in ROWS {
        let texts = completions(rows);
        group.throughput(Throughput::Bytes(bytes(&texts)));
        let texts = borrowed(&texts);
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| exact(black_box(&texts)));
        });
    }
}
