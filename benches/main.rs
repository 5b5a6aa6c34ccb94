//! Every bench in one binary, so that the core is linked once. `cargo bench -- pack` runs one of
//! them; `cargo bench -- --test` runs each once, without measuring.
#![allow(missing_docs, reason = "criterion's macros write items without docs")]

mod aggregate;
mod balance;
mod bootstrap;
mod completion;
mod dedup;
mod gather;
mod ids;
mod jsonl;
mod leak;
mod near;
mod overlap;
mod pack;
mod quality;
mod statistics;
mod tokenize;
mod verdict;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short measurements: all benches together end in a few minutes.
fn settings() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = benches;
    config = settings();
    targets =
        jsonl::jsonl,
        jsonl::files,
        completion::completion,
        dedup::dedup,
        near::near_duplicates,
        overlap::overlap,
        tokenize::tokenize,
        pack::pack,
        gather::gather,
        leak::leak,
        quality::quality,
        verdict::verdict,
        aggregate::aggregate,
        balance::balance,
        bootstrap::bootstrap,
        statistics::agreement,
        ids::ids,
}
criterion_main!(benches);
