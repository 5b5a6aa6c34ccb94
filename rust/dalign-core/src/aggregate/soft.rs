//! A minimum that all scores pull at.

/// What a score weighs in a soft minimum, the least one 1: no power is too large for a number.
#[inline(always)]
pub(super) fn soft_weight(least: f64, score: f64, softness: f64) -> f64 {
    ((least - score) / softness).exp()
}

/// The soft minimum of `count` scores by the sum of their weights.
#[inline(always)]
pub(super) fn soft_min(least: f64, weights: f64, count: f64, softness: f64) -> f64 {
    least - softness * (weights / count).ln()
}
