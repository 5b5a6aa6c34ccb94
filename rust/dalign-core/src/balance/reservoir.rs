//! The rows that each stratum may still keep, by priority.

use std::collections::HashMap;

use super::index::Index;
use super::order::Order;
use super::share::{Claim, level, shares};
use super::{Balance, Settings, Sharing, Stratum};

/// No clause.
const NONE: u32 = u32::MAX;
/// Held rows below which nothing is trimmed: less work, and little memory.
const SLACK: usize = 64;

/// A clause within a category, or a category alone.
#[derive(Debug, Clone)]
struct Cell {
    /// Rows above this priority have no chance any more.
    bar: u64,
    seen: u64,
    /// Priorities of the rows that have one, in no order.
    held: Vec<u64>,
    /// No more than this many of them can be kept.
    limit: usize,
    category: u32,
    clause: u32,
}

impl Cell {
    /// Lets go of rows that cannot be kept; returns how many.
    fn trim(&mut self) -> usize {
        let before = self.held.len();
        if before > self.limit {
            if self.limit > 0 {
                self.bar = *self.held.select_nth_unstable(self.limit - 1).1;
            } else {
                self.bar = 0;
            }
            self.held.truncate(self.limit);
        }
        before - self.held.len()
    }
}

/// The strata of one category.
struct Group {
    category: u32,
    /// What all of them claim together.
    claim: Claim,
    /// Their places among all strata.
    cells: Vec<usize>,
    /// What each of them claims.
    claims: Vec<Claim>,
}

impl Group {
    fn of(category: u32) -> Self {
        let claim = Claim { least: 0, most: 0, weight: 1.0 };
        Self { category, claim, cells: Vec::new(), claims: Vec::new() }
    }
}

/// All strata so far.
#[derive(Debug, Clone)]
pub(super) struct Strata {
    cells: Vec<Cell>,
    index: Index,
    held: usize,
    /// With a total: at how many held rows the limits are drawn anew.
    room: usize,
}

impl Strata {
    pub(super) fn new() -> Self {
        Self { cells: Vec::new(), index: Index::new(), held: 0, room: 0 }
    }

    /// The stratum under which a row is counted.
    #[inline]
    pub(super) fn of_row(&mut self, category: u32, clauses: &[u32], settings: &Settings) -> usize {
        let Some((&first, others)) = clauses.split_first() else {
            return self.cell(category, NONE, settings);
        };
        let mut best = self.cell(category, first, settings);
        if settings.sharing == Sharing::Rarest {
            for &clause in others {
                let cell = self.cell(category, clause, settings);
                if self.cells[cell].seen < self.cells[best].seen {
                    best = cell;
                }
            }
        }
        best
    }

    #[inline]
    fn cell(&mut self, category: u32, clause: u32, settings: &Settings) -> usize {
        let key = u64::from(category) << 32 | u64::from(clause);
        match self.index.get(key) {
            Some(cell) => cell,
            None => self.add(key, category, clause, settings),
        }
    }

    #[cold]
    fn add(&mut self, key: u64, category: u32, clause: u32, settings: &Settings) -> usize {
        self.index.insert(key, self.cells.len());
        let quotas = [settings.categories.of(category).maximum, quota(clause, settings).maximum];
        let most = quotas.into_iter().chain([settings.total]).flatten().min();
        let limit = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let held = Vec::new();
        self.cells.push(Cell { bar: u64::MAX, seen: 0, held, limit, category, clause });
        self.cells.len() - 1
    }

    /// Counts a row, and holds it if it may be kept.
    #[inline]
    pub(super) fn count(&mut self, cell: usize, priority: u64, settings: &Settings) {
        let cell = &mut self.cells[cell];
        cell.seen += 1;
        if priority > cell.bar {
            return;
        }
        cell.held.push(priority);
        self.held += 1;
        if cell.held.len() / 2 >= cell.limit.max(SLACK) {
            self.held -= cell.trim();
        }
        if settings.total.is_some() && self.held > self.room.max(SLACK) {
            self.lower_limits(settings);
        }
    }

    /// With a total, a stratum's share can only fall as more rows come: what is above it now is let
    /// go.
    fn lower_limits(&mut self, settings: &Settings) {
        for (group, most) in self.by_category(settings) {
            let level = level(&group.claims, most);
            for (cell, claim) in group.cells.into_iter().zip(group.claims) {
                let quota = quota(self.cells[cell].clause, settings);
                #[allow(clippy::cast_sign_loss, reason = "a level is not negative")]
                let limit = ((claim.weight * level) as usize).saturating_add(2);
                let least = usize::try_from(quota.minimum).unwrap_or(usize::MAX);
                let cell = &mut self.cells[cell];
                cell.limit = cell.limit.min(limit.max(least));
                self.held -= cell.trim();
            }
        }
        self.room = 2 * self.held;
    }

    /// The categories, each with the most rows that it can get, and what each claims.
    fn by_category(&self, settings: &Settings) -> Vec<(Group, f64)> {
        let groups = self.groups(settings);
        let claims: Vec<Claim> = groups.iter().map(|group| group.claim).collect();
        let level = settings.total.map_or(f64::INFINITY, |total| level(&claims, total as f64));
        let bound = |group: &Group| {
            // Two rows more than the share itself: it is rounded, once here and once below.
            let share = (group.claim.weight * level).max(group.claim.least as f64) + 2.0;
            let maximum = settings.categories.of(group.category).maximum;
            share.min(maximum.map_or(f64::INFINITY, |maximum| maximum as f64 + 2.0))
        };
        let bounds: Vec<f64> = groups.iter().map(bound).collect();
        groups.into_iter().zip(bounds).collect()
    }

    /// The strata by category, in the order in which categories came.
    fn groups(&self, settings: &Settings) -> Vec<Group> {
        let mut group_of: HashMap<u32, usize> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for (index, cell) in self.cells.iter().enumerate() {
            let group = *group_of.entry(cell.category).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Group::of(cell.category));
            }
            let quota = quota(cell.clause, settings);
            let most = cell.seen.min(quota.maximum.unwrap_or(u64::MAX));
            let least = quota.minimum.min(most);
            groups[group].cells.push(index);
            groups[group].claims.push(Claim { least, most, weight: quota.weight });
        }
        for group in &mut groups {
            let quota = settings.categories.of(group.category);
            let sum = |part: fn(&Claim) -> u64| group.claims.iter().map(part).sum::<u64>();
            let most = sum(|claim| claim.most).min(quota.maximum.unwrap_or(u64::MAX));
            let least = sum(|claim| claim.least).max(quota.minimum).min(most);
            group.claim = Claim { least, most, weight: quota.weight };
        }
        groups
    }

    /// The rows of least priority of each stratum, as many as its share.
    pub(super) fn finish(
        mut self,
        settings: &Settings,
        order: Order,
        by_category: bool,
    ) -> Balance {
        let groups = self.groups(settings);
        let claims: Vec<Claim> = groups.iter().map(|group| group.claim).collect();
        let shares_of_groups = match settings.total {
            Some(total) => shares(&claims, total),
            None => claims.iter().map(|claim| claim.most).collect(),
        };
        let mut balance = Balance::default();
        for (group, kept) in groups.into_iter().zip(shares_of_groups) {
            let mut seen = 0;
            for (cell, share) in group.cells.into_iter().zip(shares(&group.claims, kept)) {
                let cell = &mut self.cells[cell];
                cell.limit = share as usize;
                cell.trim();
                seen += cell.seen;
            }
            let minimum = settings.categories.of(group.category).minimum;
            let category = Some(group.category);
            balance.categories.push(Stratum { category, clause: None, seen, kept, minimum });
        }
        for cell in &self.cells {
            balance.kept.extend(cell.held.iter().map(|&priority| order.row(priority)));
            balance.strata.push(cell.report(settings));
        }
        balance.kept.sort_unstable();
        self.add_unseen(settings, by_category, &mut balance);
        balance
    }

    /// Reports what a quota names and no row has.
    fn add_unseen(&self, settings: &Settings, by_category: bool, balance: &mut Balance) {
        let none = Stratum { category: None, clause: None, seen: 0, kept: 0, minimum: 0 };
        for (&code, quota) in &settings.clauses.named {
            if self.cells.iter().all(|cell| cell.clause != code) {
                let minimum = quota.minimum;
                balance.strata.push(Stratum { clause: Some(code), minimum, ..none });
            }
        }
        if !by_category {
            balance.categories.clear();
            return;
        }
        for (&code, quota) in &settings.categories.named {
            if self.cells.iter().all(|cell| cell.category != code) {
                let minimum = quota.minimum;
                balance.categories.push(Stratum { category: Some(code), minimum, ..none });
            }
        }
    }
}

impl Cell {
    fn report(&self, settings: &Settings) -> Stratum {
        Stratum {
            category: Some(self.category),
            clause: (self.clause != NONE).then_some(self.clause),
            seen: self.seen,
            kept: self.held.len() as u64,
            minimum: quota(self.clause, settings).minimum,
        }
    }
}

/// The quota of a clause; rows without one have the default without its minimum: nobody asked for
/// rows that cite nothing.
fn quota(clause: u32, settings: &Settings) -> super::Quota {
    if clause == NONE {
        super::Quota { minimum: 0, ..settings.clauses.default }
    } else {
        settings.clauses.of(clause)
    }
}
