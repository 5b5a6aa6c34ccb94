//! Finding evaluation prompts in training rows; bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, bytes, documents, naive};
use dalign_core::overlap::NgramIndex;

/// Words in a row that count as found.
const N: usize = 13;

pub(crate) fn overlap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("overlap");
    for rows in ROWS {
        let texts = documents(rows);
        let texts = borrowed(&texts);
        let size = texts.iter().map(|text| text.len() as u64).sum();
        group.throughput(Throughput::Bytes(size));
        // One in a hundred rows is an evaluation prompt too; the worst case is that all are.
        for (name, references) in [("core", (rows / 100).max(1)), ("every row is found", rows)] {
            let index = NgramIndex::new(&texts[..references], N).expect("n is above 0");
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| index.overlap_column(black_box(&texts), None));
            });
        }
        if rows < ROWS[2] {
            let known = naive::runs_of_words(&texts[..(rows / 100).max(1)], N);
            group.bench_function(BenchmarkId::new("naive", rows), |bencher| {
                bencher.iter(|| naive::shared_runs(black_box(&texts), &known, N));
            });
        }
    }
    for rows in ROWS {
        let texts = documents(rows);
        group.throughput(Throughput::Bytes(bytes(&texts)));
        let texts = borrowed(&texts);
        group.bench_function(BenchmarkId::new("index", rows), |bencher| {
            bencher.iter(|| NgramIndex::new(black_box(&texts), N));
        });
    }
}
