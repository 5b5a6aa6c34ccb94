//! As many rows of each category and clause as a quota says, drawn at random in one pass.
//!
//! A row is counted under one *stratum*: its category, its clause, or its clause within its
//! category. It gets a priority, a keyed hash of its place in the input, and a stratum keeps the
//! rows of least priority: bottom-k sampling (Cohen and Kaplan 2007), which is uniform without
//! replacement, needs no count beforehand and no order, and never depends on how rows come in
//! batches.

mod error;
mod index;
mod labels;
mod order;
mod reservoir;
mod settings;
mod share;

pub use error::BalanceError;
pub use labels::Labels;
use order::Order;
use reservoir::Strata;
pub use settings::{Quota, Quotas, Settings, Sharing};

use crate::error::{offsets_delimit, same_length};

/// Some rows in input order, by what they are balanced by.
///
/// ```
/// use dalign_core::balance::{Balancer, Rows, Settings};
///
/// let mut balancer = Balancer::new(Settings::default())?;
/// balancer.offer(Rows { categories: Some(&[0, 1]), clauses: None })?;
/// assert_eq!(balancer.finish().strata.len(), 2);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows<'c> {
    /// A category code for each row, or none to balance by clause alone.
    pub categories: Option<&'c [u32]>,
    /// The clauses of each row, or none to balance by category alone.
    pub clauses: Option<Lists<'c>>,
}

/// A list of codes for each row: row `i` has `codes[offsets[i]..offsets[i + 1]]`.
///
/// ```
/// use dalign_core::balance::{Balancer, Lists, Rows, Settings};
///
/// // The first row names clauses 3 and 4, the second none.
/// let clauses = Lists { offsets: &[0, 2, 2], codes: &[3, 4] };
/// let mut balancer = Balancer::new(Settings::default())?;
/// balancer.offer(Rows { categories: None, clauses: Some(clauses) })?;
/// assert_eq!(balancer.finish().strata[1].clause, None);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Lists<'c> {
    /// From 0 to the number of codes, never falling; one more than rows.
    pub offsets: &'c [u64],
    /// Each row's clauses, in the order in which it names them; may be none. Codes are below 2³² − 1.
    pub codes: &'c [u32],
}

/// A stratum and what became of its rows.
///
/// ```
/// use dalign_core::balance::{Balancer, Rows, Settings, Stratum};
///
/// let mut balancer = Balancer::new(Settings { total: Some(1), ..Settings::default() })?;
/// balancer.offer(Rows { categories: Some(&[4, 4]), clauses: None })?;
/// let expected = Stratum { category: Some(4), clause: None, seen: 2, kept: 1, minimum: 0 };
/// assert_eq!(balancer.finish().strata, [expected]);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// The category; none for a clause that a quota names and no row has.
    pub category: Option<u32>,
    /// The clause; none for rows that name none, and when balancing by category alone.
    pub clause: Option<u32>,
    /// Rows counted under it.
    pub seen: u64,
    /// Rows of these that are kept.
    pub kept: u64,
    /// The minimum that its quota sets: `kept` below it is short.
    pub minimum: u64,
}

/// The rows that were drawn.
///
/// ```
/// use dalign_core::balance::{Balancer, Rows, Settings};
///
/// let mut balancer = Balancer::new(Settings::default())?;
/// balancer.offer(Rows { categories: Some(&[0]), clauses: None })?;
/// balancer.offer(Rows { categories: Some(&[0]), clauses: None })?;
/// // Without a bound every row is kept.
/// assert_eq!(balancer.finish().kept, [0, 1]);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance {
    /// Numbers of the kept rows, counted from 0 over all batches; rising.
    pub kept: Vec<u64>,
    /// Every stratum that a row was counted under, in the order in which they came, then those that
    /// a quota names and no row has.
    pub strata: Vec<Stratum>,
    /// Every category with its own quota, in the same order; empty when balancing by clause alone.
    pub categories: Vec<Stratum>,
}

/// Draws rows while they pass by.
///
/// It holds eight bytes for each row that may still be kept: at most twice what the maxima and the
/// total allow. O(1) a row, and O(log) of the number of strata now and then.
///
/// ```
/// use dalign_core::balance::{Balancer, Quota, Quotas, Rows, Settings};
///
/// let at_most_two = Quota { maximum: Some(2), ..Quota::default() };
/// let categories = Quotas { default: at_most_two, ..Quotas::default() };
/// let mut balancer = Balancer::new(Settings { categories, seed: 7, ..Settings::default() })?;
/// balancer.offer(Rows { categories: Some(&[0, 0, 0, 1]), clauses: None })?;
/// balancer.offer(Rows { categories: Some(&[0, 0]), clauses: None })?;
/// let balance = balancer.finish();
/// assert_eq!(balance.kept.len(), 3);
/// assert!(balance.kept.contains(&3), "the only row of its category is kept");
/// assert_eq!((balance.strata[0].seen, balance.strata[0].kept), (5, 2));
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Balancer {
    settings: Settings,
    order: Order,
    strata: Strata,
    next_row: u64,
    /// Whether batches have categories, and whether they have clauses.
    columns: Option<(bool, bool)>,
}

impl Balancer {
    /// A balancer that has seen no row.
    ///
    /// # Errors
    ///
    /// [`BalanceError::BadWeight`], [`BalanceError::MinimumAboveMaximum`].
    ///
    /// ```
    /// use dalign_core::balance::{Balancer, Settings};
    ///
    /// assert!(Balancer::new(Settings::default()).unwrap().finish().kept.is_empty());
    /// ```
    pub fn new(settings: Settings) -> Result<Self, BalanceError> {
        settings.categories.check()?;
        settings.clauses.check()?;
        let order = Order::new(settings.seed);
        Ok(Self { settings, order, strata: Strata::new(), next_row: 0, columns: None })
    }

    /// Takes the next rows in; [`Balancer`] has an example.
    ///
    /// # Errors
    ///
    /// [`BalanceError::OtherColumns`], [`ColumnError::LengthMismatch`](crate::ColumnError::LengthMismatch),
    /// [`ColumnError::BadOffsets`](crate::ColumnError::BadOffsets); the rows of the call then do not count.
    ///
    /// ```
    /// use dalign_core::balance::{Balancer, Lists, Rows, Settings};
    ///
    /// let mut balancer = Balancer::new(Settings::default())?;
    /// balancer.offer(Rows { categories: Some(&[0, 1]), clauses: None })?;
    /// let clauses = Lists { offsets: &[0, 1], codes: &[3] };
    /// assert!(balancer.offer(Rows { categories: None, clauses: Some(clauses) }).is_err());
    /// # Ok::<(), dalign_core::balance::BalanceError>(())
    /// ```
    pub fn offer(&mut self, rows: Rows<'_>) -> Result<(), BalanceError> {
        let columns = (rows.categories.is_some(), rows.clauses.is_some());
        if columns == (false, false) || *self.columns.get_or_insert(columns) != columns {
            return Err(BalanceError::OtherColumns);
        }
        if let Some(lists) = rows.clauses {
            offsets_delimit("offsets", lists.offsets.iter().copied(), lists.codes.len())?;
            if let Some(categories) = rows.categories {
                same_length("categories", categories.len(), lists.offsets.len() - 1)?;
            }
        }
        match (rows.categories, rows.clauses) {
            (Some(categories), None) => self.take(categories.iter().map(|&code| (code, &[][..]))),
            (None, Some(lists)) => self.take(lists.iter().map(|clauses| (0, clauses))),
            (Some(categories), Some(lists)) => {
                self.take(categories.iter().copied().zip(lists.iter()));
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn take<'c>(&mut self, rows: impl Iterator<Item = (u32, &'c [u32])>) {
        for (category, clauses) in rows {
            let stratum = self.strata.of_row(category, clauses, &self.settings);
            let priority = self.order.priority(self.next_row);
            self.next_row += 1;
            self.strata.count(stratum, priority, &self.settings);
        }
    }

    /// Decides which rows are kept; [`Balancer`] has an example.
    ///
    /// ```
    /// use dalign_core::balance::{Balancer, Settings};
    ///
    /// assert!(Balancer::new(Settings::default())?.finish().strata.is_empty());
    /// # Ok::<(), dalign_core::balance::BalanceError>(())
    /// ```
    #[must_use]
    pub fn finish(self) -> Balance {
        let by_category = self.columns.is_none_or(|(categories, _)| categories);
        self.strata.finish(&self.settings, self.order, by_category)
    }
}

impl<'c> Lists<'c> {
    /// Each row's codes; the offsets delimit them.
    fn iter(self) -> impl Iterator<Item = &'c [u32]> {
        self.offsets.windows(2).map(move |ends| &self.codes[ends[0] as usize..ends[1] as usize])
    }
}
