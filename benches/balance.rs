//! Drawing rows by category and clause while they pass by; rows a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dalign_benches::{ROWS, Stream, naive, strata};
use dalign_core::balance::{Balancer, Lists, Quota, Quotas, Rows, Settings, Sharing};

const MAXIMUM: u64 = 1_000;

fn at_most(maximum: u64) -> Quotas {
    Quotas { default: Quota { maximum: Some(maximum), ..Quota::default() }, ..Quotas::default() }
}

pub(crate) fn balance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    for rows in ROWS.into_iter().chain([10_000_000]) {
        let (categories, offsets, codes) = strata(rows);
        let by_category = Rows { categories: Some(&categories), clauses: None };
        let lists = Lists { offsets: &offsets, codes: &codes };
        let by_both = Rows { categories: Some(&categories), clauses: Some(lists) };
        let total = Settings { total: Some(MAXIMUM), ..Settings::default() };
        let capped = Settings { categories: at_most(MAXIMUM), ..Settings::default() };
        let both =
            Settings { clauses: at_most(MAXIMUM), sharing: Sharing::Rarest, ..capped.clone() };
        group.throughput(Throughput::Elements(rows as u64));
        for (name, settings, rows_of) in [
            ("category", capped, by_category),
            ("total", total, by_category),
            ("rarest clause in category", both, by_both),
        ] {
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| {
                    let mut balancer = Balancer::new(settings.clone()).expect("good settings");
                    balancer.offer(black_box(rows_of)).expect("good columns");
                    balancer.finish()
                });
            });
        }
        group.bench_function(BenchmarkId::new("naive", rows), |bencher| {
            let draw = || naive::drawn(&categories, MAXIMUM as usize, &mut Stream::new(7));
            bencher.iter(draw);
        });
    }
}
