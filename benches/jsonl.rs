//! Reading rows of JSON Lines, and filtering a file of them; bytes a second.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, escaped_rows, rollout_rows};
use dalign_core::completion::Tags;
use dalign_core::files::{FilterError, FilterJsonl, filter_jsonl};
use dalign_core::jsonl::{Batch, Fields};
use dalign_core::row_filter::Rules;

pub(crate) fn jsonl(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jsonl");
    let fields = Fields::new(&["completion"], &["id"]);
    for rows in ROWS {
        // `escapes` is the worst case: each character is written as one.
        for (name, text) in [("core", rollout_rows(rows)), ("escapes", escaped_rows(rows))] {
            let text: Arc<str> = text.into();
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| Batch::parse(Arc::clone(black_box(&text)), 1, "bench", &fields));
            });
            group.bench_function(BenchmarkId::new(format!("{name}, floor"), rows), |bencher| {
                bencher.iter(|| black_box(&text).bytes().filter(|&byte| byte == b'\n').count());
            });
        }
    }
}

pub(crate) fn files(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut group = criterion.benchmark_group("files");
    for rows in ROWS {
        for (name, text) in [("filter", rollout_rows(rows)), ("escapes", escaped_rows(rows))] {
            let source = folder.path().join("rows.jsonl");
            std::fs::write(&source, &text).expect("the rows can be written");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| filtered(&source, 64 << 20));
            });
        }
        // No memory for hashes: all but the newest are looked up in files.
        group.bench_function(BenchmarkId::new("filter, spilling", rows), |bencher| {
            bencher.iter(|| filtered(&folder.path().join("rows.jsonl"), 64 << 10));
        });
    }
}

fn filtered(source: &Path, dedup_bytes: usize) -> u64 {
    let tags = Tags::pair("<think>", "</think>", false).expect("two tags that differ");
    let what = FilterJsonl {
        source,
        kept: &source.with_extension("kept"),
        dropped: None,
        field: "completion",
        rules: Rules::new(tags, 1, 100_000).expect("limits in order"),
        dedup_bytes: Some(dedup_bytes),
    };
    let filtered = filter_jsonl(&what, |_| Ok::<(), FilterError>(()));
    filtered.expect("the rows are well formed JSON").kept
}
