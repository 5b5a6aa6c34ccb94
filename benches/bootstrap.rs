//! Intervals of a mean from 1,000 resamples; clusters drawn a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::Stream;
use dalign_core::bootstrap::{Method, Settings, groups, mean};

const N_RESAMPLES: u32 = 1_000;

pub(crate) fn bootstrap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bootstrap");
    let settings =
        Settings { n_resamples: N_RESAMPLES, level: 0.95, seed: 6, method: Method::Percentile };
    for clusters in [10, 100, 1_000] {
        let mut stream = Stream::new(6);
        // Four answers to each prompt.
        let values: Vec<f64> = (0..4 * clusters).map(|_| stream.unit()).collect();
        let labels: Vec<u64> = (0..4 * clusters).map(|row| row / 4).collect();
        group.throughput(Throughput::Elements(u64::from(N_RESAMPLES) * clusters));
        group.bench_function(BenchmarkId::new("core", clusters), |bencher| {
            bencher.iter(|| mean(black_box(&values), &labels, None, settings));
        });
    }
    for count in [10_u32, 100, 1_000] {
        let mut stream = Stream::new(7);
        let values: Vec<f64> = (0..count * 100).map(|_| stream.unit()).collect();
        let offsets: Vec<u64> = (0..=u64::from(count)).map(|group| group * 100).collect();
        group.throughput(Throughput::Elements(u64::from(N_RESAMPLES) * u64::from(count) * 100));
        group.bench_function(BenchmarkId::new("groups of 100", count), |bencher| {
            bencher.iter(|| groups(black_box(&values), &offsets, settings));
        });
    }
}
