//! Quantiles and probabilities of the normal distribution and of Student's t.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI, TAU};

/// Above this many degrees of freedom the expansion around the normal distribution is exact to the
/// last digits, and the finite sum long.
const MOST_TERMS: u64 = 2_000;

/// The share of a standard normal distribution below `x`.
pub(crate) fn normal_probability(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The point below which this share of a standard normal distribution lies; infinite at 0 and 1.
pub(crate) fn normal_quantile(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return if share <= 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // The upper half mirrored on the lower, where a small share keeps its digits.
    if share > 0.5 {
        return -normal_quantile(1.0 - share);
    }
    let mut x = rough_normal_quantile(share);
    // Halley's steps double the digits and more.
    for _ in 0..3 {
        let density = (-0.5 * x * x).exp() / TAU.sqrt();
        let step = (normal_probability(x) - share) / density;
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// [`normal_quantile`] of a share above 0 and up to a half, right to 4.5e-4 (Abramowitz and Stegun 26.2.23).
pub(crate) fn rough_normal_quantile(share: f64) -> f64 {
    let root = (-2.0 * share.ln()).sqrt();
    let above = 2.515_517 + root * (0.802_853 + root * 0.010_328);
    let below = 1.0 + root * (1.432_788 + root * (0.189_269 + root * 0.001_308));
    above / below - root
}

/// The point below which this share of Student's t distribution lies, with at least one degree of
/// freedom. O(degrees), at most some thousand steps.
pub(crate) fn student_t_quantile(share: f64, degrees: u64) -> f64 {
    if share < 0.5 {
        return -student_t_quantile(1.0 - share, degrees);
    }
    let nu = degrees as f64;
    if degrees > MOST_TERMS {
        return expansion(normal_quantile(share), nu);
    }
    // With t = √ν · tan θ the share is a finite sum in θ; it rises with θ, so that halving finds it,
    // and Newton's steps inside the bracket find it sooner.
    let wanted = 2.0 * share - 1.0;
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    let mut theta = (expansion(normal_quantile(share), nu.max(3.0)) / nu.sqrt()).atan();
    for _ in 0..100 {
        let (inside, slope) = central_share(theta, degrees);
        if inside < wanted {
            low = theta;
        } else {
            high = theta;
        }
        let next = theta - (inside - wanted) / slope;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - theta).abs() <= 1e-16 * theta {
            break;
        }
        theta = next;
    }
    nu.sqrt() * theta.tan()
}

/// The share of Student's t between −√ν · tan θ and √ν · tan θ (Abramowitz and Stegun 26.7.3 and
/// 26.7.4), and its slope in θ.
fn central_share(theta: f64, degrees: u64) -> (f64, f64) {
    let (sin, cos) = theta.sin_cos();
    let is_odd = degrees % 2 == 1;
    let (mut term, mut sum) = (if is_odd { cos } else { 1.0 }, 0.0);
    let mut at = if is_odd { 2.0 } else { 1.0 };
    for _ in 0..degrees / 2 {
        sum += term;
        term *= at / (at + 1.0) * cos * cos;
        at += 2.0;
    }
    // The coefficient after the last one is, but for ν, that of the density.
    let slope = degrees as f64 * term / cos;
    if is_odd { (2.0 / PI * (theta + sin * sum), 2.0 / PI * slope) } else { (sin * sum, slope) }
}

/// Student's t around the normal quantile z, in powers of 1/ν (Abramowitz and Stegun 26.7.5).
fn expansion(z: f64, nu: f64) -> f64 {
    let square = z * z;
    let first = (square + 1.0) / 4.0;
    let second = ((5.0 * square + 16.0) * square + 3.0) / 96.0;
    let third = (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0;
    let fourth = ((((79.0 * square + 776.0) * square + 1482.0) * square - 1920.0) * square - 945.0)
        / 92_160.0;
    z * (1.0 + (first + (second + (third + fourth / nu) / nu) / nu) / nu)
}

#[cfg(test)]
mod tests {
    use super::{normal_probability, normal_quantile, student_t_quantile};

    fn assert_close(found: f64, wanted: f64, by: f64) {
        assert!((found - wanted).abs() <= by * wanted.abs(), "{found} is not {wanted}");
    }

    #[test]
    fn quantiles_of_the_normal_distribution_are_those_of_the_tables() {
        for (share, quantile) in [
            (0.975, 1.959_963_984_540_054),
            (0.95, 1.644_853_626_951_472_2),
            (1e-9, -5.997_807_015_007_686_5),
            (0.6, 0.253_347_103_135_799_8),
        ] {
            assert_close(normal_quantile(share), quantile, 1e-14);
        }
        assert!(normal_quantile(0.5).abs() < 1e-16);
        assert_eq!(normal_quantile(1.0).to_bits(), f64::INFINITY.to_bits());
        assert_eq!(normal_quantile(0.0).to_bits(), f64::NEG_INFINITY.to_bits());
    }

    #[test]
    fn a_share_comes_back_from_its_quantile() {
        for share in [1e-300, 1e-12, 0.001, 0.3, 0.5, 0.77, 0.999_9] {
            assert_close(normal_probability(normal_quantile(share)), share, 1e-12);
        }
    }

    #[test]
    fn quantiles_of_student_s_t_are_the_closed_forms() {
        for share in [0.55_f64, 0.75, 0.9, 0.975, 0.999] {
            let one = (std::f64::consts::PI * (share - 0.5)).tan();
            assert_close(student_t_quantile(share, 1), one, 1e-12);
            let twice = 2.0 * share - 1.0;
            let two = twice * (2.0 / (1.0 - twice * twice)).sqrt();
            assert_close(student_t_quantile(share, 2), two, 1e-12);
        }
    }

    #[test]
    fn quantiles_of_student_s_t_are_those_of_the_tables() {
        for (degrees, quantile) in
            [(3, 2.353_363), (4, 2.131_847), (7, 1.894_579), (30, 1.697_261), (120, 1.657_651)]
        {
            assert_close(student_t_quantile(0.95, degrees), quantile, 5e-7);
            assert_close(student_t_quantile(0.05, degrees), -quantile, 5e-7);
        }
    }

    #[test]
    fn the_finite_sum_and_the_expansion_agree_where_they_meet() {
        for share in [0.6, 0.95, 0.999] {
            let (sum, expanded) =
                (student_t_quantile(share, 2_000), student_t_quantile(share, 2_001));
            assert!(sum > expanded && (sum - expanded) / sum < 1e-6, "{sum} {expanded}");
        }
    }
}
