//! Columns gathered by a plan; tokens a second. Floor: the tokens copied once.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, lengths, naive};
use dalign_core::gather::{Packing, position_ids};
use dalign_core::memory::Pool;
use dalign_core::pack::OverLong;

const CAPACITY: u32 = 4096;

pub(crate) fn gather(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gather");
    for rows in ROWS {
        // Rows of one token are the worst case: most of the time goes into finding them.
        for (name, lengths) in [("", lengths(rows, CAPACITY)), (", ones", vec![1; 100 * rows])] {
            let packing = Packing::new(&lengths, CAPACITY, OverLong::Error)
                .expect("no row exceeds the capacity");
            let ids: Vec<i32> = (0..).take(packing.tokens()).collect();
            let mut rest = &ids[..];
            let split = |&length: &u32| rest.split_off(..length as usize).unwrap_or_default();
            let columns: Vec<&[i32]> = lengths.iter().map(split).collect();
            let (mut column, pool) = (vec![0; ids.len()], Pool::default());
            group.throughput(Throughput::Elements(ids.len() as u64));
            group.bench_function(BenchmarkId::new(format!("core{name}"), rows), |bencher| {
                bencher.iter(|| packing.gather(black_box(&columns), &pool));
            });
            group.bench_function(BenchmarkId::new(format!("naive{name}"), rows), |bencher| {
                bencher.iter(|| naive::gathered(black_box(&columns), &packing.plan().row_order));
            });
            group.bench_function(BenchmarkId::new(format!("floor{name}"), rows), |bencher| {
                bencher.iter(|| column.copy_from_slice(black_box(&ids)));
            });
            let sequences: Vec<&[u32]> = lengths.chunks(4).collect();
            group.bench_function(BenchmarkId::new(format!("positions{name}"), rows), |bencher| {
                bencher.iter(|| position_ids(black_box(&sequences)));
            });
        }
    }
}
