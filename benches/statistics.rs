//! Agreement of judges; scores a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, Stream, naive, wide_scores};
use dalign_core::agreement::{Scale, krippendorff_alpha, split_half};

/// Judgements of a completion.
const SAMPLES: usize = 8;
const SPLITS: u32 = 10;

pub(crate) fn agreement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("agreement");
    for completions in ROWS {
        let (whole, offsets) = wide_scores(completions, SAMPLES);
        let mut stream = Stream::new(11);
        // The worst case of the ordinal scale: as many values as scores.
        let distinct: Vec<f64> = whole.iter().map(|_| stream.unit()).collect();
        group.throughput(Throughput::Elements(whole.len() as u64));
        for (name, scores) in [("core", &whole), ("distinct", &distinct)] {
            for (scale, kind) in [
                ("nominal", Scale::Nominal),
                ("ordinal", Scale::Ordinal),
                ("interval", Scale::Interval),
            ] {
                let id = BenchmarkId::new(format!("{name}, {scale}"), completions);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| krippendorff_alpha(black_box(scores), &offsets, kind));
                });
            }
        }
        group.bench_function(BenchmarkId::new("naive, interval", completions), |bencher| {
            bencher.iter(|| naive::interval_alpha(black_box(&whole), &offsets));
        });
        group.throughput(Throughput::Elements(u64::from(SPLITS) * whole.len() as u64));
        group.bench_function(BenchmarkId::new("split half", completions), |bencher| {
            bencher.iter(|| split_half(black_box(&whole), &offsets, SPLITS, 7));
        });
    }
}
