//! How far judgements can be trusted: whether judgements of one completion agree, and whether half of them
//! would order the completions as the other half does.

use std::collections::BTreeMap;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{ColumnError, CoreError, Fault, offsets_delimit};

/// How near a correlation comes to -1 by rounding.
const OPPOSITE: f64 = 1e-9;

/// What lies between two scores.
///
/// ```
/// use dalign_core::agreement::{Scale, krippendorff_alpha};
///
/// // 1 and 2 are close as numbers, and as different as any two names.
/// let scores = [1.0, 2.0, 8.0, 9.0];
/// let alpha = |scale| krippendorff_alpha(&scores, &[0, 2, 4], scale).unwrap().unwrap();
/// assert!(alpha(Scale::Interval) > 0.9 && alpha(Scale::Nominal) < 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Scores are names: two are equal or not.
    Nominal,
    /// Scores have an order; how many lie between two of them counts.
    Ordinal,
    /// Scores are numbers; the square of their difference counts.
    Interval,
}

/// Why agreement cannot be told.
///
/// ```
/// use dalign_core::CoreError;
///
/// let error = dalign_core::agreement::Scale::named("ratio").unwrap_err();
/// assert_eq!(error.kind(), "unknown_scale");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AgreementError {
    /// No scale of this name.
    #[error("scale {name:?}: choose nominal, ordinal or interval")]
    UnknownScale {
        /// The name.
        name: String,
    },
    /// No split.
    #[error("splits must be at least 1")]
    NoSplits,
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for AgreementError {
    fn fault(&self) -> Fault {
        match self {
            Self::UnknownScale { .. } => Fault::of("unknown_scale"),
            Self::NoSplits => Fault::of("bad_splits").value(0.0).limit(1.0),
            Self::Column(error) => error.fault(),
        }
    }
}

impl Scale {
    /// The scale of this name.
    ///
    /// # Errors
    ///
    /// [`AgreementError::UnknownScale`] for a name other than `nominal`, `ordinal` and `interval`.
    ///
    /// ```
    /// use dalign_core::agreement::Scale;
    ///
    /// assert_eq!(Scale::named("ordinal")?, Scale::Ordinal);
    /// # Ok::<(), dalign_core::agreement::AgreementError>(())
    /// ```
    pub fn named(name: &str) -> Result<Self, AgreementError> {
        match name {
            "nominal" => Ok(Self::Nominal),
            "ordinal" => Ok(Self::Ordinal),
            "interval" => Ok(Self::Interval),
            _ => Err(AgreementError::UnknownScale { name: name.to_owned() }),
        }
    }
}

/// Krippendorff's alpha of the judgements of each completion: 1 for perfect agreement, 0 for that of chance.
///
/// Completion `i` has `scores[offsets[i]..offsets[i + 1]]`; a score that is not finite is a failed judgement and is
/// left out, and so is a completion with fewer than two others. None where nothing can be compared or every score is
/// the same, because then chance agrees perfectly too. Alpha is 1 − D observed / D expected over the matrix of coincidences
/// (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C). O(scores · log levels + levels²), and
/// O(levels) in place of the square on the interval scale.
///
/// # Errors
///
/// `bad_offsets`.
///
/// ```
/// use dalign_core::agreement::{Scale, krippendorff_alpha};
///
/// let agreed = krippendorff_alpha(&[1.0, 1.0, 4.0, 4.0], &[0, 2, 4], Scale::Nominal)?;
/// assert_eq!(agreed, Some(1.0));
/// assert_eq!(krippendorff_alpha(&[1.0, 1.0], &[0, 2], Scale::Nominal)?, None);
/// # Ok::<(), dalign_core::agreement::AgreementError>(())
/// ```
pub fn krippendorff_alpha(
    scores: &[f64],
    offsets: &[u64],
    scale: Scale,
) -> Result<Option<f64>, AgreementError> {
    offsets_delimit("offsets", offsets.iter().copied(), scores.len())?;
    let units: Vec<Vec<f64>> = offsets
        .windows(2)
        .map(|ends| finite(&scores[ends[0] as usize..ends[1] as usize]))
        .filter(|unit| unit.len() > 1)
        .collect();
    let mut levels: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for &score in units.iter().flatten() {
        // Zero has two forms that are one level.
        let score = score + 0.0;
        levels.entry(ordered(score)).or_insert((score, 0.0)).1 += 1.0;
    }
    let pairable: f64 = levels.values().map(|(_, count)| count).sum();
    let places = places(&levels, scale);
    let place = |score: f64| places[&ordered(score + 0.0)];
    let observed: f64 = units.iter().map(|unit| disagreement(unit, place, scale)).sum();
    let all: Vec<(f64, f64)> =
        levels.iter().map(|(key, (_, count))| (places[key], *count)).collect();
    let expected = spread(&all, scale) / (pairable - 1.0);
    Ok((expected > 0.0).then(|| 1.0 - observed / expected))
}

/// A number for each level such that the distance of two levels is that of their numbers.
fn places(levels: &BTreeMap<u64, (f64, f64)>, scale: Scale) -> BTreeMap<u64, f64> {
    let mut before = 0.0;
    levels
        .iter()
        .map(|(&key, &(score, count))| {
            // Between two ordered levels lie all scores from one to the other, half of each end's.
            let middle = before + count / 2.0;
            before += count;
            (key, if scale == Scale::Ordinal { middle } else { score })
        })
        .collect()
}

/// The disagreement among the scores of one completion, each pair by 1 / (m − 1).
fn disagreement(unit: &[f64], place: impl Fn(f64) -> f64, scale: Scale) -> f64 {
    let mut counts: Vec<(f64, f64)> = Vec::with_capacity(unit.len());
    for &score in unit {
        let at = place(score);
        match counts.iter_mut().find(|(level, _)| level.to_bits() == at.to_bits()) {
            Some((_, count)) => *count += 1.0,
            None => counts.push((at, 1.0)),
        }
    }
    spread(&counts, scale) / (unit.len() as f64 - 1.0)
}

/// The sum of squared distances over all ordered pairs of scores, by level and count.
fn spread(levels: &[(f64, f64)], scale: Scale) -> f64 {
    let count: f64 = levels.iter().map(|(_, count)| count).sum();
    if scale == Scale::Nominal {
        return count * count - levels.iter().map(|(_, count)| count * count).sum::<f64>();
    }
    // Around the mean, so that large scores lose no digits: Σ Σ (a − b)² = 2 · n · Σ (a − mean)².
    let mean = levels.iter().map(|(place, count)| place * count).sum::<f64>() / count;
    2.0 * count * levels.iter().map(|(place, count)| (place - mean).powi(2) * count).sum::<f64>()
}

/// How well half of the judgements orders completions as the other half does, stepped up to all of them.
///
/// In each of `splits` rounds the valid judgements of each completion are divided at random into two halves (of an odd number
/// one is left out); the halves' means are correlated over the completions (Pearson), and the mean correlation r becomes
/// 2r / (1 + r) (Spearman 1910; Brown 1910). Completions with fewer than two valid judgements take no part; none where fewer
/// than two take part or one half does not vary. The same seed gives the same value on any number of threads.
/// O(splits · scores).
///
/// # Errors
///
/// [`AgreementError::NoSplits`], `bad_offsets`.
///
/// ```
/// use dalign_core::agreement::split_half;
///
/// let judged_alike = [1.0, 1.0, 5.0, 5.0, 9.0, 9.0];
/// let reliability = split_half(&judged_alike, &[0, 2, 4, 6], 100, 7)?.expect("the halves vary");
/// assert!((reliability - 1.0).abs() < 1e-12);
/// # Ok::<(), dalign_core::agreement::AgreementError>(())
/// ```
pub fn split_half(
    scores: &[f64],
    offsets: &[u64],
    splits: u32,
    seed: u64,
) -> Result<Option<f64>, AgreementError> {
    if splits == 0 {
        return Err(AgreementError::NoSplits);
    }
    offsets_delimit("offsets", offsets.iter().copied(), scores.len())?;
    let units: Vec<Vec<f64>> = offsets
        .windows(2)
        .map(|ends| finite(&scores[ends[0] as usize..ends[1] as usize]))
        .filter(|unit| unit.len() > 1)
        .collect();
    let correlations: Vec<Option<f64>> =
        (0..splits).into_par_iter().map(|split| correlation(&units, seed, split)).collect();
    let known: Vec<f64> = correlations.into_iter().flatten().collect();
    if known.is_empty() {
        return Ok(None);
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    // Of halves that say the opposite, up to rounding, there is none: it grows beyond all bounds.
    Ok((1.0 + mean > OPPOSITE).then(|| 2.0 * mean / (1.0 + mean)))
}

/// The correlation of the halves' means in one split.
fn correlation(units: &[Vec<f64>], seed: u64, split: u32) -> Option<f64> {
    let mut shuffled = Vec::new();
    let halves: Vec<(f64, f64)> = (0_u64..)
        .zip(units)
        .map(|(unit, scores)| {
            shuffled.clear();
            shuffled.extend_from_slice(scores);
            shuffle(&mut shuffled, seed, split, unit);
            let half = scores.len() / 2;
            let mean = |scores: &[f64]| scores.iter().sum::<f64>() / half as f64;
            (mean(&shuffled[..half]), mean(&shuffled[half..2 * half]))
        })
        .collect();
    pearson(&halves)
}

/// Pearson's correlation; none where one side does not vary.
fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let apart = || pairs.iter().map(|(x, y)| (x - a / n, y - b / n));
    let (widest_x, widest_y) =
        apart().fold((0.0, 0.0), |(a, b): (f64, f64), (x, y)| (a.max(x.abs()), b.max(y.abs())));
    let (scale_x, scale_y) = (power_of_two(widest_x)?, power_of_two(widest_y)?);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in apart().map(|(x, y)| (x / scale_x, y / scale_y)) {
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    Some(xy / (xx * yy).sqrt())
}

/// The largest power of two that a value reaches: no digit is lost by dividing by it, and the
/// squares of what is left neither vanish nor overflow. None where the value is 0, less than any
/// normal number or not finite.
fn power_of_two(value: f64) -> Option<f64> {
    value.is_normal().then(|| f64::from_bits(value.to_bits() & f64::INFINITY.to_bits()))
}

/// Fisher and Yates, from a stream of its own for each split and completion.
fn shuffle(scores: &mut [f64], seed: u64, split: u32, unit: u64) {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&split.to_le_bytes());
    key[12..20].copy_from_slice(&unit.to_le_bytes());
    for place in (1..scores.len()).rev() {
        key[20..].copy_from_slice(&(place as u32).to_le_bytes());
        let drawn = (u128::from(xxh3_64(&key)) * (place as u128 + 1)) >> 64;
        scores.swap(place, drawn as usize);
    }
}

fn finite(scores: &[f64]) -> Vec<f64> {
    scores.iter().copied().filter(|score| score.is_finite()).collect()
}

/// A key that sorts as the finite number does.
fn ordered(score: f64) -> u64 {
    let bits = score.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}
