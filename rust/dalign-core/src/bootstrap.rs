//! Bootstrap intervals of a mean, for values that come in clusters: the answers to one prompt are
//! alike, so prompts are resampled, not answers.

mod error;
mod interval;

use std::collections::HashMap;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

pub use error::BootstrapError;
pub use interval::Method;

use crate::error::same_length;
use interval::interval;

/// How many resamples, how wide an interval, and from which random stream.
///
/// ```
/// use dalign_core::bootstrap::{Method, Settings, mean};
///
/// let settings = Settings { n_resamples: 1_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let again = || mean(&[0.0, 1.0, 3.0], &[1, 2, 3], None, settings);
/// assert_eq!(again()?, again()?);
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How often the clusters are drawn anew; at least 1.
    pub n_resamples: u32,
    /// The share of resampled means that the interval covers, between 0 and 1, both excluded.
    pub level: f64,
    /// Names the random stream: the same seed gives the same interval, on any number of threads.
    pub seed: u64,
    /// How the ends are chosen.
    pub method: Method,
}

/// A mean and how far it can be trusted.
///
/// ```
/// use dalign_core::bootstrap::{Estimate, Method, Settings, mean};
///
/// let settings = Settings { n_resamples: 1_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let estimate = mean(&[1.0, 3.0], &[5, 5], None, settings)?;
/// assert_eq!(estimate, Estimate { mean: 2.0, interval: None });
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean of the values themselves.
    pub mean: f64,
    /// None for a single cluster: nothing varies between clusters, and an interval without width
    /// would claim certainty.
    pub interval: Option<Interval>,
}

/// The range that holds the stated share of the resampled means.
///
/// ```
/// use dalign_core::bootstrap::{Interval, Method, Settings, mean};
///
/// let settings = Settings { n_resamples: 1_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let interval = mean(&[2.0, 2.0], &[1, 2], None, settings)?.interval;
/// assert_eq!(interval, Some(Interval { low: 2.0, high: 2.0 }));
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The mean of the values and its interval.
///
/// `clusters[i]` names the cluster of value `i`; any labels do. Each resample draws as many clusters
/// as there are, with replacement, and averages their values. With `outer` (say, training seeds,
/// around prompts) each resample first draws outer clusters, and clusters inside each one drawn; a
/// cluster label then counts as another one in each outer cluster. O(values + resamples · clusters).
///
/// # Errors
///
/// [`BootstrapError::NoValues`] without values, [`BootstrapError::NotFinite`] where one is no number,
/// and the other variants for settings without meaning.
///
/// ```
/// use dalign_core::bootstrap::{Interval, Method, Settings, mean};
///
/// let settings = Settings { n_resamples: 2_000, level: 0.95, seed: 7, method: Method::Percentile };
/// let estimate = mean(&[0.0, 0.0, 1.0, 1.0], &[1, 1, 2, 2], None, settings)?;
/// assert_eq!(estimate.mean, 0.5);
/// // Two clusters: one resample in four has no 1, one in four has nothing else.
/// assert_eq!(estimate.interval, Some(Interval { low: 0.0, high: 1.0 }));
/// // One cluster tells nothing about the next.
/// assert_eq!(mean(&[0.0, 1.0], &[1, 1], None, settings)?.interval, None);
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
pub fn mean(
    values: &[f64],
    clusters: &[u64],
    outer: Option<&[u64]>,
    settings: Settings,
) -> Result<Estimate, BootstrapError> {
    check(values, clusters, outer, settings)?;
    let groups = group(values, clusters, outer);
    let units = if outer.is_none() { groups[0].len() } else { groups.len() };
    let mean = groups.iter().flatten().copied().sum::<Sum>().mean();
    if units < 2 {
        return Ok(Estimate { mean, interval: None });
    }
    let mut means: Vec<f64> = (0..settings.n_resamples)
        .into_par_iter()
        .with_min_len(16)
        .map(|resample| {
            let mut draws = Draws::new(settings.seed, resample);
            if outer.is_none() {
                return draws.sum(&groups[0]).mean();
            }
            (0..groups.len())
                .map(|_| {
                    let group = draws.index(groups.len());
                    draws.sum(&groups[group])
                })
                .sum::<Sum>()
                .mean()
        })
        .collect();
    let jackknife = || without_each(&groups, outer.is_some());
    let interval = interval(&mut means, mean, settings.level, settings.method, jackknife);
    Ok(Estimate { mean, interval: Some(interval) })
}

/// The mean without each unit that is resampled: a cluster, or an outer one.
fn without_each(groups: &[Vec<Sum>], outer: bool) -> Vec<f64> {
    let units: Vec<Sum> = if outer {
        groups.iter().map(|clusters| clusters.iter().copied().sum()).collect()
    } else {
        groups[0].clone()
    };
    let all: Sum = units.iter().copied().sum();
    let without = |unit: &Sum| (all.total - unit.total) / (all.count - unit.count);
    units.iter().map(without).collect()
}

/// The mean of the paired differences a − b and its interval; as [`mean`].
///
/// # Errors
///
/// As [`mean`], and `length_mismatch` unless every value has its partner.
///
/// ```
/// use dalign_core::bootstrap::{Interval, Method, Settings, difference};
///
/// let settings = Settings { n_resamples: 500, level: 0.9, seed: 7, method: Method::Bca };
/// // Every pair differs by 1, so the interval has no width although the values vary.
/// let estimate = difference(&[3.0, 9.0], &[2.0, 8.0], &[0, 1], None, settings)?;
/// assert_eq!(estimate.interval, Some(Interval { low: 1.0, high: 1.0 }));
/// # Ok::<(), dalign_core::bootstrap::BootstrapError>(())
/// ```
pub fn difference(
    a: &[f64],
    b: &[f64],
    clusters: &[u64],
    outer: Option<&[u64]>,
    settings: Settings,
) -> Result<Estimate, BootstrapError> {
    same_length("b", b.len(), a.len())?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    mean(&differences, clusters, outer, settings)
}

fn check(
    values: &[f64],
    clusters: &[u64],
    outer: Option<&[u64]>,
    settings: Settings,
) -> Result<(), BootstrapError> {
    same_length("clusters", clusters.len(), values.len())?;
    if let Some(outer) = outer {
        same_length("outer", outer.len(), values.len())?;
    }
    if values.is_empty() {
        return Err(BootstrapError::NoValues);
    }
    check_settings(settings)?;
    first_not_finite(values)
}

fn check_settings(settings: Settings) -> Result<(), BootstrapError> {
    if settings.n_resamples == 0 {
        return Err(BootstrapError::NoResamples);
    }
    check_level(settings.level)
}

fn check_level(level: f64) -> Result<(), BootstrapError> {
    // Written so that NaN is refused as well.
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(BootstrapError::BadLevel { level }) }
}

fn first_not_finite(values: &[f64]) -> Result<(), BootstrapError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(BootstrapError::NotFinite { row, value: values[row] }),
        None => Ok(()),
    }
}

/// A sum of values and how many they are.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: f64,
}

impl Sum {
    fn mean(self) -> f64 {
        self.total / self.count
    }
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { total: self.total + other.total, count: self.count + other.count }
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), |a, b| a + b)
    }
}

/// The sum of each cluster, by outer cluster; one outer cluster holds all when none are given.
/// Clusters stand in the order of their first value, so that the result does not hang on labels.
fn group(values: &[f64], clusters: &[u64], outer: Option<&[u64]>) -> Vec<Vec<Sum>> {
    let mut groups: Vec<Vec<Sum>> = Vec::new();
    let mut outer_index = HashMap::new();
    let mut cluster_index = HashMap::new();
    for (row, (&value, &cluster)) in values.iter().zip(clusters).enumerate() {
        let next = groups.len();
        let group = *outer_index.entry(outer.map(|outer| outer[row])).or_insert(next);
        if group == next {
            groups.push(Vec::new());
        }
        let sums = &mut groups[group];
        let next = sums.len();
        let at = *cluster_index.entry((group, cluster)).or_insert(next);
        if at == next {
            sums.push(Sum::default());
        }
        sums[at] = sums[at] + Sum { total: value, count: 1.0 };
    }
    groups
}

/// The random stream of one resample: `SplitMix64` (Steele, Lea and Flood 2014), started from a hash
/// of seed and resample, so that no thread takes numbers from another.
struct Draws(u64);

impl Draws {
    fn new(seed: u64, resample: u32) -> Self {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(&resample.to_le_bytes());
        Self(xxh3_64(&key))
    }

    /// An index below `n`; the odds differ from 1/n by less than n / 2⁶⁴.
    fn index(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * n as u128) >> 64) as usize
    }

    /// The sum of as many clusters as there are, drawn with replacement.
    fn sum(&mut self, clusters: &[Sum]) -> Sum {
        (0..clusters.len()).map(|_| clusters[self.index(clusters.len())]).sum()
    }
}
