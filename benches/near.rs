//! Finding near-duplicates; bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, bytes, documents, naive, respaced};
use dalign_core::dedup::{Settings, near};

pub(crate) fn near_duplicates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("near");
    let settings = Settings::new(5, 256, 32, 0.7).expect("32 divides 256");
    for rows in ROWS {
        // `respaced` is the worst case: every row shares every band with every other.
        for (name, texts) in [("core", documents(rows)), ("one bucket", respaced(rows))] {
            group.throughput(Throughput::Bytes(bytes(&texts)));
            let texts = borrowed(&texts);
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| near(black_box(&texts), settings));
            });
        }
    }
    // Each row against each: a hundred times the rows would take hours.
    let texts = documents(ROWS[0]);
    group.throughput(Throughput::Bytes(bytes(&texts)));
    let texts = borrowed(&texts);
    group.bench_function(BenchmarkId::new("naive", ROWS[0]), |bencher| {
        bencher.iter(|| naive::similar_pairs(black_box(&texts), 5, 0.7));
    });
}
