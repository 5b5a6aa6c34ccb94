//! How many rows of each stratum are to be drawn.

use std::collections::BTreeMap;

use super::BalanceError;

/// How many rows a stratum may or must have.
///
/// ```
/// use dalign_core::balance::Quota;
///
/// let at_most_400 = Quota { maximum: Some(400), ..Quota::default() };
/// assert_eq!((at_most_400.minimum, at_most_400.weight), (0, 1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Fewer kept rows than this are reported as short; a total is spread so that each stratum gets
    /// its minimum first.
    pub minimum: u64,
    /// More rows than this are never kept; none when there is no such bound.
    pub maximum: Option<u64>,
    /// The stratum's share of the total beside the others'; above 0 and finite.
    pub weight: f64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { minimum: 0, maximum: None, weight: 1.0 }
    }
}

/// The quotas of all categories, or of all clauses.
///
/// ```
/// use dalign_core::balance::{Balancer, Quota, Quotas, Rows, Settings};
///
/// // Nothing of category 1, all of the others.
/// let nothing = Quota { maximum: Some(0), ..Quota::default() };
/// let categories = Quotas { named: [(1, nothing)].into(), ..Quotas::default() };
/// let mut balancer = Balancer::new(Settings { categories, ..Settings::default() })?;
/// balancer.offer(Rows { categories: Some(&[0, 1, 2]), clauses: None })?;
/// assert_eq!(balancer.finish().kept, [0, 2]);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quotas {
    /// What holds for a code that is not in `named`.
    pub default: Quota,
    /// The quotas of single codes, which are reported even if no row has them.
    pub named: BTreeMap<u32, Quota>,
}

impl Quotas {
    pub(super) fn of(&self, code: u32) -> Quota {
        self.named.get(&code).copied().unwrap_or(self.default)
    }

    pub(super) fn check(&self) -> Result<(), BalanceError> {
        for quota in self.named.values().chain([&self.default]) {
            if !(quota.weight > 0.0 && quota.weight.is_finite()) {
                return Err(BalanceError::BadWeight { weight: quota.weight });
            }
            if let Some(maximum) = quota.maximum.filter(|maximum| *maximum < quota.minimum) {
                return Err(BalanceError::MinimumAboveMaximum { minimum: quota.minimum, maximum });
            }
        }
        Ok(())
    }
}

/// Under which of its clauses a row is counted.
///
/// ```
/// use dalign_core::balance::{Balancer, Lists, Rows, Settings, Sharing};
///
/// let mut balancer = Balancer::new(Settings { sharing: Sharing::Rarest, ..Settings::default() })?;
/// let clauses = Lists { offsets: &[0, 1, 3], codes: &[5, 5, 6] };
/// balancer.offer(Rows { categories: None, clauses: Some(clauses) })?;
/// // The second row names 5 and 6, and 6 has no row yet.
/// assert_eq!(balancer.finish().strata[1].clause, Some(6));
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// The one named first.
    #[default]
    First,
    /// The one with the fewest rows so far, the first of them on a tie: rare clauses get the rows
    /// that name them.
    Rarest,
}

/// What to draw.
///
/// ```
/// use dalign_core::balance::{Balancer, Rows, Settings};
///
/// let mut balancer = Balancer::new(Settings { total: Some(2), seed: 7, ..Settings::default() })?;
/// balancer.offer(Rows { categories: Some(&[0, 0, 0, 1]), clauses: None })?;
/// let kept: Vec<u64> = balancer.finish().strata.iter().map(|stratum| stratum.kept).collect();
/// assert_eq!(kept, [1, 1]);
/// # Ok::<(), dalign_core::balance::BalanceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// The number of rows to keep in all, spread over the categories and, in each, over its clauses:
    /// every stratum gets its weight's share, and what one cannot give the others share. None to
    /// keep all that the maxima allow.
    pub total: Option<u64>,
    /// Quotas by category code; all rows are of category 0 when no categories are offered.
    pub categories: Quotas,
    /// Quotas by clause code, which hold within each category.
    pub clauses: Quotas,
    /// Under which of several clauses a row is counted.
    pub sharing: Sharing,
    /// Another seed draws other rows.
    pub seed: u64,
}
