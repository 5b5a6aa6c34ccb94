//! Encoding completions with a vocabulary of words and bytes; bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, borrowed, bytes, completions, write_tokenizer};
use dalign_core::tokenize::Tokenizer;

pub(crate) fn tokenize(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("tokenizer.json");
    write_tokenizer(&path).expect("the tokenizer can be written");
    let tokenizer = Tokenizer::from_file(&path).expect("the tokenizer is supported");
    let mut group = criterion.benchmark_group("tokenize");
    for rows in ROWS {
        let texts = completions(rows);
        group.throughput(Throughput::Bytes(bytes(&texts)));
        let texts = borrowed(&texts);
        group.bench_function(BenchmarkId::new("core", rows), |bencher| {
            bencher.iter(|| tokenizer.encode_batch(black_box(&texts)));
        });
    }
}
