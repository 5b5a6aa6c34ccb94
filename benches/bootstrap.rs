//! Intervals of a mean from 1,000 resamples; clusters drawn a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::Stream;
use dalign_core::bootstrap::{Method, Settings, mean};

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
}
