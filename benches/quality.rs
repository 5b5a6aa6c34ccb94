//! All checks of completions of some 1.2 kB; bytes a second. The worst cases: one word again and
//! again, n-grams that all differ, letters of many scripts, a reference in every line.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, Stream, borrowed, bytes, naive, prose};
use dalign_core::quality::{Checks, Completion};

/// Words of the repeated runs that are looked for.
const NGRAM: usize = 5;

pub(crate) fn quality(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quality");
    let checks = Checks::new(NGRAM, &["Latin"], &[]).expect("Latin is a script");
    for rows in ROWS {
        let mut stream = Stream::new(6);
        let reasonings: Vec<String> = (0..rows).map(|_| prose(&mut stream, 150)).collect();
        let answers: Vec<String> = (0..rows).map(|_| prose(&mut stream, 50)).collect();
        group.throughput(Throughput::Bytes(bytes(&reasonings) + bytes(&answers)));
        let (reasonings, answers) = (borrowed(&reasonings), borrowed(&answers));
        let prompts = vec![""; rows];
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| checks.measure_column(&prompts, black_box(&reasonings), &answers));
        });
        if rows == ROWS[0] {
            group.bench_function(BenchmarkId::new("naive repetition", rows), |bencher| {
                let repeated = |text: &&str| naive::repeated_words(black_box(text), NGRAM);
                bencher.iter(|| reasonings.iter().chain(&answers).map(repeated).sum::<usize>());
            });
        }
    }
    for (name, text) in worst_cases() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("worst", name), |bencher| {
            let completion = Completion { prompt: "", reasoning: "", answer: &text };
            bencher.iter(|| checks.measure(black_box(completion)));
        });
    }
}

/// Texts of one megabyte.
fn worst_cases() -> [(&'static str, String); 5] {
    let numbered = (0..150_000).map(|at| at.to_string()).collect::<Vec<_>>().join(" ");
    [
        ("one word", "no ".repeat(350_000)),
        ("no repetition", numbered),
        ("scripts", "安я a ".repeat(120_000)),
        ("references", "the policy above\n".repeat(60_000)),
        ("brackets", "(".repeat(1_000_000)),
    ]
}
