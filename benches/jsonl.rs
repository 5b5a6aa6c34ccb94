//! Reading rows of JSON Lines, and filtering a file of them; bytes a second.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, escaped_rows, rollout_rows};
use dalign_core::completion::Tags;
use dalign_core::files::{LineWriter, write_dropped, write_kept};
use dalign_core::jsonl::{Batch, Fields, Reader};
use dalign_core::row_filter::{Reason, RowFilter, Rules};
use dalign_core::seen::Seen;

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

/// What `dalign data filter` does: rows read, looked at and written batch by batch.
fn filtered(source: &Path, dedup_bytes: usize) -> usize {
    let tags = Tags::pair("<think>", "</think>", false).expect("two tags that differ");
    let rules = Rules::new(tags, 1, 100_000).expect("limits in order");
    let seen = Seen::new(dedup_bytes, std::env::temp_dir());
    let mut filter = RowFilter::new(rules, Some(seen));
    let create = |ending: &str| {
        LineWriter::create(&source.with_extension(ending)).expect("the folder can be written to")
    };
    let (mut kept, mut dropped) = (create("kept"), create("dropped"));
    let mut rows = 0;
    let fields = Fields::new(&["completion"], &[]);
    let mut reader = Reader::open(source, fields, 8 << 20).expect("the file is there");
    while let Some(batch) = reader.next_batch().expect("the rows are well formed JSON") {
        let reasons = filter.check_batch(&batch, 0).expect("hashes have room");
        let keep: Vec<bool> = reasons.iter().map(Option::is_none).collect();
        let names: Vec<_> = reasons.iter().map(|reason| reason.map(Reason::as_str)).collect();
        let none = vec![None; names.len()];
        write_kept(&mut kept, &batch, &keep).expect("the disk has room");
        write_dropped(&mut dropped, &batch, &keep, &names, &none, false)
            .expect("the disk has room");
        rows += keep.iter().filter(|&&keep| keep).count();
    }
    dropped.finish().and_then(|()| kept.finish()).expect("the disk has room");
    rows
}
