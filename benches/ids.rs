//! Ids of rows with one parent; rows a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::ROWS;
use dalign_core::ids::{Parent, row_id, row_ids};

pub(crate) fn ids(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ids");
    for rows in ROWS {
        let parents: Vec<String> =
            (0..rows as u64).map(|row| row_id(&["prompt"], "base", row)).collect();
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        let indices: Vec<u64> = (0..rows as u64).collect();
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| row_ids(&[Parent::Each(black_box(&parents))], "base", &indices));
        });
    }
}
