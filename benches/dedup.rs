//! Finding exact duplicates; bytes a second.
#![allow(missing_docs, reason = "criterion's macros write items without docs")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dalign_benches::{ROWS, borrowed, bytes, completions, settings};
use dalign_core::dedup::exact;

fn dedup(criterion: &mut Criterion) {
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

criterion_group! { name = benches; config = settings(); targets = dedup }
criterion_main!(benches);
