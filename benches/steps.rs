//! Rows of a training step dealt to ranks, rows of a stream packed as they come, columns gathered by a
//! plan; rows or tokens a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, lengths, naive};
use dalign_core::gather::{Packing, position_ids};
use dalign_core::pack::{Cost, OverLong, StreamPacker, micro_batches};

const CAPACITY: u32 = 4096;
const RANKS: u32 = 8;

pub(crate) fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("micro-batches");
    let cost = Cost::transformer(7e9, 32, 4096).expect("a model with parameters");
    for rows in [512, 4_096, 32_768] {
        group.throughput(Throughput::Elements(rows as u64));
        // Two lengths that never share a micro-batch: the most of them to look at.
        let apart = [CAPACITY / 2 + 1, CAPACITY / 2 + 3].repeat(rows / 2);
        for (name, lengths) in [("core", lengths(rows, CAPACITY)), ("core, apart", apart)] {
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| micro_batches(black_box(&lengths), RANKS, CAPACITY, cost));
            });
        }
    }
}

pub(crate) fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    for rows in [10_000, 100_000, 1_000_000] {
        let lengths = lengths(rows, CAPACITY);
        group.throughput(Throughput::Elements(rows as u64));
        // A buffer of a few rows is planned most often.
        for buffer_rows in [64, 4_096, 65_536] {
            let id = BenchmarkId::new(format!("core, buffer {buffer_rows}"), rows);
            group.bench_function(id, |bencher| {
                bencher.iter(|| streamed(black_box(&lengths), buffer_rows));
            });
        }
    }
}

fn streamed(lengths: &[u32], buffer_rows: usize) -> usize {
    let mut packer = StreamPacker::new(CAPACITY, buffer_rows).expect("a buffer of some rows");
    let mut bins = 0;
    for batch in lengths.chunks(1_000) {
        bins += packer.push(batch).expect("no row exceeds the capacity").bin_offsets.len() - 1;
    }
    bins + packer.finish().bin_offsets.len() - 1
}

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
            let mut column = vec![0; ids.len()];
            group.throughput(Throughput::Elements(ids.len() as u64));
            group.bench_function(BenchmarkId::new(format!("core{name}"), rows), |bencher| {
                bencher.iter(|| packing.gather_into(black_box(&columns), &mut column));
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
