//! A number of rows spread over claims by water-filling: each claim gets its weight's share, but no
//! less than its least and no more than its most, and what one cannot take the others share.

/// What a stratum, or all strata of a category, may get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// Given before anything is shared; at most `most`.
    pub(super) least: u64,
    /// Never exceeded.
    pub(super) most: u64,
    /// Above 0.
    pub(super) weight: f64,
}

impl Claim {
    /// The claim's share, not rounded, at a level: rows for each unit of weight.
    fn at(self, level: f64) -> f64 {
        (self.weight * level).clamp(self.least as f64, self.most as f64)
    }
}

/// The level at which the claims add up to `total`; infinite when all of them together do not reach
/// it, 0 when their least exceeds it. O(claims · log).
pub(super) fn level(claims: &[Claim], total: f64) -> f64 {
    // As the level rises, the sum grows by a claim's weight between its least and its most.
    let mut turns: Vec<(f64, f64)> = claims
        .iter()
        .flat_map(|claim| {
            let turn = |rows: u64, weight| (rows as f64 / claim.weight, weight);
            [turn(claim.least, claim.weight), turn(claim.most, -claim.weight)]
        })
        .collect();
    turns.sort_unstable_by(|a, b| a.partial_cmp(b).expect("rows and weights are finite"));
    let mut sum: f64 = claims.iter().map(|claim| claim.least as f64).sum();
    let (mut at, mut slope) = (0.0, 0.0);
    if sum > total {
        return 0.0;
    }
    for (turn, weight) in turns {
        let next = sum + slope * (turn - at);
        if next > total {
            return at + (total - sum) / slope;
        }
        (sum, at, slope) = (next, turn, slope + weight);
    }
    f64::INFINITY
}

/// The share of each claim in whole rows; they add up to `total`, or to all claims' most if that is
/// less. Where the level falls between two whole numbers, larger fractions are rounded up first,
/// then earlier claims.
pub(super) fn shares(claims: &[Claim], total: u64) -> Vec<u64> {
    let sum = |part: fn(&Claim) -> u64| claims.iter().map(part).sum::<u64>();
    if sum(|claim| claim.most) <= total {
        return claims.iter().map(|claim| claim.most).collect();
    }
    if sum(|claim| claim.least) > total {
        // Not even the least can be given: that is what is shared.
        let lower = |claim: &Claim| Claim { least: 0, most: claim.least, ..*claim };
        return shares(&claims.iter().map(lower).collect::<Vec<_>>(), total);
    }
    let level = level(claims, total as f64);
    let exact: Vec<f64> = claims.iter().map(|claim| claim.at(level)).collect();
    let mut shares: Vec<u64> = claims
        .iter()
        .zip(&exact)
        .map(|(claim, share)| rounded_down(*share).max(claim.least))
        .collect();
    let mut order: Vec<usize> = (0..claims.len()).collect();
    let fraction = |claim: usize| exact[claim] - shares[claim] as f64;
    order.sort_by(|&a, &b| fraction(b).total_cmp(&fraction(a)));
    let mut left = total.saturating_sub(shares.iter().sum());
    while left > 0 {
        for &claim in &order {
            if left > 0 && shares[claim] < claims[claim].most {
                shares[claim] += 1;
                left -= 1;
            }
        }
    }
    shares
}

/// A little less than the number, so that an error of the last bit never gives a row too many.
fn rounded_down(rows: f64) -> u64 {
    #[allow(clippy::cast_sign_loss, reason = "it is cut at 0")]
    let rows = (rows - 1e-6).max(0.0) as u64;
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Claim, shares};

    fn claim(most: u64) -> Claim {
        Claim { least: 0, most, weight: 1.0 }
    }

    #[test]
    fn what_a_small_claim_leaves_the_others_share() {
        assert_eq!(shares(&[claim(2), claim(100), claim(100)], 20), [2, 9, 9]);
        assert_eq!(shares(&[claim(2), claim(100), claim(100)], 21), [2, 10, 9]);
        assert_eq!(shares(&[claim(2), claim(3)], 20), [2, 3]);
        assert_eq!(shares(&[], 20), [0; 0]);
    }

    #[test]
    fn weights_and_least_shares_are_kept() {
        let weighted = |weight, least| Claim { least, most: 100, weight };
        assert_eq!(shares(&[weighted(1.0, 0), weighted(3.0, 0)], 20), [5, 15]);
        assert_eq!(shares(&[weighted(1.0, 8), weighted(3.0, 0)], 20), [8, 12]);
        // Both leasts exceed the total: they are shared as the weights say.
        assert_eq!(shares(&[weighted(1.0, 30), weighted(3.0, 30)], 20), [5, 15]);
    }

    proptest! {
        #[test]
        fn nobody_who_could_take_more_has_less_than_another_by_two_rows(
            most in prop::collection::vec(0_u64..50, 0..20), total in 0_u64..500,
        ) {
            let claims: Vec<Claim> = most.iter().map(|&most| claim(most)).collect();
            let shares = shares(&claims, total);
            prop_assert_eq!(shares.iter().sum::<u64>(), total.min(most.iter().sum()));
            let largest = shares.iter().max().copied().unwrap_or(0);
            for (share, most) in shares.into_iter().zip(most) {
                prop_assert!(share <= most && (share == most || share + 1 >= largest));
            }
        }

        #[test]
        fn shares_stay_between_least_and_most_and_add_up(
            claims in prop::collection::vec((0_u64..30, 0_u64..30, 0.01_f64..9.0), 1..20),
            total in 0_u64..500,
        ) {
            let claims: Vec<Claim> = claims
                .into_iter()
                .map(|(least, more, weight)| Claim { least, most: least + more, weight })
                .collect();
            let shares = shares(&claims, total);
            let sum = |part: fn(&Claim) -> u64| claims.iter().map(part).sum::<u64>();
            prop_assert_eq!(shares.iter().sum::<u64>(), total.min(sum(|claim| claim.most)));
            for (share, claim) in shares.into_iter().zip(&claims) {
                prop_assert!(share <= claim.most);
                prop_assert!(share >= claim.least || total < sum(|claim| claim.least));
            }
        }
    }
}
