//! Looking for a policy's tokens in prompts; tokens a second.

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, Stream, naive};
use dalign_core::leak::{TokenTexts, first_leak};

const PROMPT_TOKENS: usize = 64;
const POLICY_TOKENS: usize = 4_096;
const RUN: usize = 16;

pub(crate) fn leak(criterion: &mut Criterion) {
    let run = NonZeroUsize::new(RUN).expect("a run of some tokens");
    let mut group = criterion.benchmark_group("leak");
    let mut stream = Stream::new(13);
    let policy: Vec<u32> = (0..POLICY_TOKENS).map(|_| stream.below(32_000) as u32).collect();
    let policy = TokenTexts { ids: &policy, offsets: &[0, POLICY_TOKENS as u64] };
    for rows in ROWS {
        let offsets: Vec<u64> = (0..=rows).map(|row| (row * PROMPT_TOKENS) as u64).collect();
        let other: Vec<u32> =
            (0..rows * PROMPT_TOKENS).map(|_| stream.below(32_000) as u32).collect();
        // The worst case: each prompt is of the policy, and its user has written all of it.
        let quoted: Vec<u32> = policy.ids.iter().copied().cycle().take(other.len()).collect();
        group.throughput(Throughput::Elements(other.len() as u64));
        for (name, ids) in [("core", &other), ("quoted", &quoted)] {
            let prompts = TokenTexts { ids, offsets: &offsets };
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| first_leak(black_box(&prompts), &prompts, &policy, run));
            });
        }
        // Each run against each: only where it ends in a moment.
        if rows == ROWS[0] {
            group.bench_function(BenchmarkId::new("naive", rows), |bencher| {
                bencher.iter(|| {
                    naive::first_leak(black_box(&other), &other, PROMPT_TOKENS, policy.ids, RUN)
                });
            });
        }
    }
}
