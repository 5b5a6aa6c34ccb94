use std::collections::BTreeMap;

use dalign_core::CoreError;
use dalign_core::balance::{
    Balance, BalanceError, Balancer, Labels, Lists, Quota, Quotas, Rows, Settings, Sharing,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{Expected, cases};

#[derive(Deserialize, Default)]
#[serde(default)]
struct CaseQuota {
    minimum: u64,
    maximum: Option<u64>,
    weight: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Case {
    name: String,
    categories: Option<Vec<String>>,
    clauses: Option<Vec<Vec<String>>>,
    total: Option<u64>,
    category_quotas: BTreeMap<String, CaseQuota>,
    clause_quotas: BTreeMap<String, CaseQuota>,
    rarest: bool,
    strata: Option<Vec<(Option<String>, Option<String>, u64, u64, bool)>>,
    error: Option<Expected>,
}

/// The quotas of a table: `*` is the default.
fn quotas(quotas: &BTreeMap<String, CaseQuota>, labels: &mut Labels) -> Quotas {
    let mut found = Quotas::default();
    for (name, quota) in quotas {
        let weight = quota.weight.unwrap_or(1.0);
        let quota = Quota { minimum: quota.minimum, maximum: quota.maximum, weight };
        if name == "*" {
            found.default = quota;
        } else {
            found.named.insert(labels.code(name), quota);
        }
    }
    found
}

fn lists(lists: &[Vec<String>], labels: &mut Labels) -> (Vec<u64>, Vec<u32>) {
    let (mut offsets, mut codes) = (vec![0], Vec::new());
    for list in lists {
        codes.extend(list.iter().map(|text| labels.code(text)));
        offsets.push(codes.len() as u64);
    }
    (offsets, codes)
}

type Found = Vec<(Option<String>, Option<String>, u64, u64, bool)>;

fn run(case: &Case) -> Result<Found, BalanceError> {
    let (mut of_category, mut of_clause) = (Labels::default(), Labels::default());
    let mut balancer = Balancer::new(Settings {
        total: case.total,
        categories: quotas(&case.category_quotas, &mut of_category),
        clauses: quotas(&case.clause_quotas, &mut of_clause),
        sharing: if case.rarest { Sharing::Rarest } else { Sharing::First },
        seed: 7,
    })?;
    let categories = case
        .categories
        .as_ref()
        .map(|texts| of_category.codes(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    let clauses = case.clauses.as_ref().map(|rows| lists(rows, &mut of_clause));
    balancer.offer(Rows {
        categories: categories.as_deref(),
        clauses: clauses.as_ref().map(|(offsets, codes)| Lists { offsets, codes }),
    })?;
    let balance = balancer.finish();
    assert_eq!(
        balance.strata.iter().map(|stratum| stratum.kept).sum::<u64>(),
        balance.kept.len() as u64
    );
    let strata = if case.clauses.is_some() { &balance.strata } else { &balance.categories };
    let text = |labels: &Labels, code: Option<u32>| {
        code.and_then(|code| labels.text(code)).map(str::to_owned)
    };
    Ok(strata
        .iter()
        .map(|stratum| {
            let category = if case.categories.is_some() { stratum.category } else { None };
            let short = stratum.kept < stratum.minimum;
            let clause = text(&of_clause, stratum.clause);
            (text(&of_category, category), clause, stratum.seen, stratum.kept, short)
        })
        .collect())
}

#[test]
fn every_case_of_the_table_holds() {
    for case in cases::<Case>("balances") {
        match (run(&case), &case.error) {
            (Ok(found), None) => assert_eq!(Some(found), case.strata, "{}", case.name),
            (Err(error), Some(expected)) => expected.check(&case.name, &error),
            (found, _) => panic!("{}: {found:?}", case.name),
        }
    }
}

fn balance(settings: &Settings, categories: &[u32], batch: usize) -> Balance {
    let mut balancer = Balancer::new(settings.clone()).unwrap();
    for categories in categories.chunks(batch) {
        balancer.offer(Rows { categories: Some(categories), clauses: None }).unwrap();
    }
    balancer.finish()
}

fn at_most(maximum: u64) -> Quotas {
    Quotas { default: Quota { maximum: Some(maximum), ..Quota::default() }, ..Quotas::default() }
}

#[test]
fn every_row_of_a_stratum_is_kept_equally_often() {
    let mut kept = [0_u32; 30];
    for seed in 0..3_000 {
        let settings = Settings { categories: at_most(6), seed, ..Settings::default() };
        for row in balance(&settings, &[0; 30], 7).kept {
            kept[row as usize] += 1;
        }
    }
    // Binomial: 3,000 draws at one in five are 600 ± 22; five of these are left to chance.
    assert!(kept.iter().all(|&times| (490..710).contains(&times)), "{kept:?}");
}

#[test]
fn pairs_of_rows_are_kept_together_as_often_as_chance_has_it() {
    let mut together = 0_u32;
    for seed in 0..3_000 {
        let settings = Settings { categories: at_most(6), seed, ..Settings::default() };
        let kept = balance(&settings, &[0; 30], 30).kept;
        together += kept.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count() as u32;
    }
    // 29 neighbours, each kept with chance 6 · 5 / (30 · 29): one a draw.
    assert!((2_800..3_200).contains(&together), "{together}");
}

#[test]
fn a_batch_with_other_columns_is_refused() {
    let mut balancer = Balancer::new(Settings::default()).unwrap();
    assert!(balancer.offer(Rows::default()).is_err());
    balancer.offer(Rows { categories: Some(&[1]), clauses: None }).unwrap();
    let clauses = Some(Lists { offsets: &[0, 1], codes: &[1] });
    assert!(balancer.offer(Rows { categories: None, clauses }).is_err());
    let lists = Lists { offsets: &[0, 2], codes: &[1] };
    let mut other = Balancer::new(Settings::default()).unwrap();
    assert!(other.offer(Rows { categories: None, clauses: Some(lists) }).is_err());
    let long = Rows { categories: Some(&[1, 2]), clauses };
    assert!(Balancer::new(Settings::default()).unwrap().offer(long).is_err());
}

/// How many rows of each category an even total gives, one row after the other to the category that
/// has the fewest.
fn dealt(seen: &BTreeMap<u32, u64>, total: u64) -> BTreeMap<u32, u64> {
    let mut dealt: BTreeMap<u32, u64> = seen.keys().map(|&code| (code, 0)).collect();
    for _ in 0..total.min(seen.values().sum()) {
        let open = dealt.iter().filter(|(code, given)| **given < seen[code]);
        let fewest = open.min_by_key(|(_, given)| **given).map(|(code, _)| *code).unwrap();
        *dealt.get_mut(&fewest).unwrap() += 1;
    }
    dealt
}

fn counts(codes: impl Iterator<Item = u32>) -> BTreeMap<u32, u64> {
    codes.fold(BTreeMap::new(), |mut counts, code| {
        *counts.entry(code).or_default() += 1;
        counts
    })
}

proptest! {
    #[test]
    fn batches_do_not_matter_and_more_room_keeps_what_less_kept(
        categories in prop::collection::vec(0_u32..5, 0..900),
        (batch, maximum, seed) in (1_usize..200, 0_u64..90, any::<u64>()),
    ) {
        let settings = |maximum| Settings { categories: at_most(maximum), seed, ..Settings::default() };
        let whole = balance(&settings(maximum), &categories, 1_000);
        prop_assert_eq!(&whole, &balance(&settings(maximum), &categories, batch));
        let more = balance(&settings(maximum + 1), &categories, batch).kept;
        prop_assert!(whole.kept.iter().all(|row| more.contains(row)));
        prop_assert!(whole.kept.is_sorted());
        for (code, seen) in counts(categories.iter().copied()) {
            let kept = whole.kept.iter().filter(|row| categories[**row as usize] == code).count();
            prop_assert_eq!(kept as u64, seen.min(maximum));
        }
    }

    /// The rows that a total keeps are those that maxima of the same shares keep: nothing was let go
    /// too early.
    #[test]
    fn an_even_total_keeps_the_rows_that_maxima_of_its_shares_keep(
        runs in prop::collection::vec((0_u32..9, 1_usize..120), 0..40),
        (total, seed) in (0_u64..400, any::<u64>()),
    ) {
        let categories: Vec<u32> =
            runs.iter().flat_map(|&(code, rows)| std::iter::repeat_n(code, rows)).collect();
        let settings = Settings { total: Some(total), seed, ..Settings::default() };
        let found = balance(&settings, &categories, 50);
        let shares = dealt(&counts(categories.iter().copied()), total);
        let kept = counts(found.kept.iter().map(|row| categories[*row as usize]));
        let spread = |counts: &BTreeMap<u32, u64>| {
            let mut counts: Vec<u64> = counts.values().copied().filter(|kept| *kept > 0).collect();
            counts.sort_unstable();
            counts
        };
        prop_assert_eq!(spread(&kept), spread(&shares));
        let named = kept.iter().map(|(&code, &kept)| {
            (code, Quota { maximum: Some(kept), ..Quota::default() })
        });
        let quotas = Quotas { named: named.collect(), ..at_most(0) };
        let by_maxima = Settings { categories: quotas, seed, ..Settings::default() };
        prop_assert_eq!(found.kept, balance(&by_maxima, &categories, 50).kept);
    }

    #[test]
    fn no_quota_is_exceeded_and_each_row_counts_once(
        rows in prop::collection::vec((0_u32..3, prop::collection::vec(0_u32..6, 0..4)), 0..600),
        (total, category, clause) in (0_u64..300, 0_u64..100, 0_u64..60),
        (minimum, weight, rarest) in (0_u64..60, 0.1_f64..9.0, any::<bool>()),
    ) {
        let categories: Vec<u32> = rows.iter().map(|(category, _)| *category).collect();
        let mut offsets = vec![0];
        for (_, clauses) in &rows {
            offsets.push(offsets[offsets.len() - 1] + clauses.len() as u64);
        }
        let codes: Vec<u32> = rows.iter().flat_map(|(_, clauses)| clauses.clone()).collect();
        let mut clauses = at_most(clause);
        let most = minimum + clause;
        clauses.named.insert(1, Quota { minimum, maximum: Some(most), weight });
        let settings = Settings {
            total: Some(total),
            categories: at_most(category),
            clauses,
            sharing: if rarest { Sharing::Rarest } else { Sharing::First },
            seed: 3,
        };
        let mut balancer = Balancer::new(settings).unwrap();
        let lists = Lists { offsets: &offsets, codes: &codes };
        balancer.offer(Rows { categories: Some(&categories), clauses: Some(lists) }).unwrap();
        let found = balancer.finish();
        let sum = |part: fn(&dalign_core::balance::Stratum) -> u64| found.strata.iter().map(part).sum::<u64>();
        prop_assert_eq!(sum(|stratum| stratum.seen), rows.len() as u64);
        prop_assert_eq!(sum(|stratum| stratum.kept), found.kept.len() as u64);
        prop_assert!(found.kept.len() as u64 <= total);
        prop_assert!(found.kept.windows(2).all(|pair| pair[0] < pair[1]));
        for stratum in &found.strata {
            let most = if stratum.clause == Some(1) { most } else { clause };
            prop_assert!(stratum.kept <= stratum.seen.min(most));
        }
        let of_category = |code| {
            let strata = found.strata.iter().filter(|stratum| stratum.category == Some(code));
            strata.map(|stratum| (stratum.seen.min(if stratum.clause == Some(1) { most } else { clause }), stratum.kept)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        let most: Vec<u64> = (0..3).map(|code| of_category(code).0.min(category)).collect();
        prop_assert_eq!(found.kept.len() as u64, total.min(most.iter().sum()));
        for stratum in &found.categories {
            let (_, kept) = of_category(stratum.category.unwrap());
            prop_assert!(kept <= category);
            prop_assert_eq!(kept, stratum.kept);
        }
    }
}

#[test]
fn every_batch_has_the_columns_of_the_first() {
    let lists = Lists { offsets: &[0, 1], codes: &[1] };
    let forms = [
        Rows { categories: Some(&[1]), clauses: None },
        Rows { categories: None, clauses: Some(lists) },
        Rows { categories: Some(&[1]), clauses: Some(lists) },
    ];
    for (first, other) in (0..3).flat_map(|first| (0..4).map(move |other| (first, other))) {
        let mut balancer = Balancer::new(Settings::default()).unwrap();
        balancer.offer(forms[first]).unwrap();
        // The fourth form has no column at all.
        let found = balancer.offer(forms.get(other).copied().unwrap_or_default());
        let kind = found.err().map(|error| error.kind());
        assert_eq!(kind, (first != other).then_some("other_columns"), "{first} then {other}");
    }
}
