//! Laying out bins; tokens a second. Floor: the ids copied and widened once.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::lengths;
use dalign_core::layout::{Segments, assemble};
use dalign_core::pack::plan;

const CAPACITY: u32 = 4096;

pub(crate) fn layout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layout");
    for rows in [100, 1_000, 10_000] {
        let lengths = lengths(rows, CAPACITY);
        let plan = plan(&lengths, CAPACITY).expect("no row exceeds the capacity");
        // Each row is a prompt of a quarter of its tokens and a completion of the others.
        let mut offsets = vec![0_u64];
        for &length in &lengths {
            let start = offsets[offsets.len() - 1];
            offsets.extend([start + u64::from(length / 4), start + u64::from(length)]);
        }
        let ids: Vec<u32> = (0..offsets[2 * rows] as u32).collect();
        let segment_rows: Vec<u32> = (0..rows as u32).flat_map(|row| [row, row]).collect();
        let trained = [false, true].repeat(rows);
        let segments =
            Segments { ids: &ids, offsets: &offsets, rows: &segment_rows, trained: &trained };
        group.throughput(Throughput::Elements(ids.len() as u64));
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| assemble(black_box(&segments), &plan, CAPACITY));
        });
        group.bench_function(BenchmarkId::new("floor", rows), |bencher| {
            bencher.iter(|| black_box(&ids).iter().map(|&id| i64::from(id)).collect::<Vec<_>>());
        });
    }
}
