//! Reading judge replies of about 370 characters in five forms, replies a second; and replies that
//! are built to be slow, bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, replies};
use dalign_core::verdict::{
    Asks, Scale, SubScores, parse, parse_column, parse_detailed, parse_detailed_column,
};

pub(crate) fn verdict(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verdict");
    let scale = Scale::new(0.0, 10.0).expect("0 is below 10");
    for rows in ROWS {
        let replies = replies(rows);
        let replies = borrowed(&replies);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| parse_column(black_box(&replies), &Asks::default(), scale));
        });
    }
    let names = SubScores::new(&["compliance", "helpfulness"]).expect("two plain names");
    let replies = replies(ROWS[1]);
    let replies = borrowed(&replies);
    group.throughput(Throughput::Elements(ROWS[1] as u64));
    group.bench_function(BenchmarkId::new("detailed", ROWS[1]), |bencher| {
        bencher
            .iter(|| parse_detailed_column(black_box(&replies), &Asks::default(), scale, &names));
    });
    for (name, reply) in worst_cases() {
        group.throughput(Throughput::Bytes(reply.len() as u64));
        group.bench_function(BenchmarkId::new("worst", name), |bencher| {
            bencher.iter(|| parse(black_box(&reply), scale));
        });
        group.bench_function(BenchmarkId::new("worst, detailed", name), |bencher| {
            bencher.iter(|| parse_detailed(black_box(&reply), scale, &names));
        });
    }
}

/// Replies of one megabyte in which every byte looks like the start of something.
fn worst_cases() -> [(&'static str, String); 12] {
    let of = |part: &str| part.repeat(1_000_000 / part.len());
    [
        ("words", of("score ")),
        ("brackets", of("score (")),
        ("braces", of("{")),
        ("keys", of("{\"")),
        ("single quotes", of("{'a ")),
        ("nested", of("{\"a\":")),
        ("objects", of("{\"score\":7}")),
        ("close tags", of("</think>")),
        ("angles", of("<")),
        ("stances", of("agree ")),
        ("clauses", of("S3: violated, ")),
        ("labels", of("Compliance: 4, ")),
    ]
}
