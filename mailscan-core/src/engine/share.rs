//! How a number of places is shared between jobs. Pure.

/// What one job may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claimant {
    /// Its share relative to the others. From 1.
    pub(super) weight: u32,
    /// The most it can use.
    pub(super) cap: usize,
}

/// Shares `places` by weighted max-min fairness (progressive filling: Bertsekas and Gallager, "Data Networks", 6.5.2):
/// nobody gets more than its cap, and nobody's share per weight can grow but at the cost of one who has less.
pub(super) fn fair_shares(places: usize, claimants: &[Claimant]) -> Vec<usize> {
    let mut shares = vec![0; claimants.len()];
    // Whoever needs least for its weight is satisfied first; what it leaves goes to the rest.
    let mut order: Vec<usize> = (0..claimants.len()).collect();
    order.sort_by(|&a, &b| {
        let need = |i: usize| claimants[i].cap as u128;
        let weight = |i: usize| u128::from(claimants[i].weight.max(1));
        (need(a) * weight(b)).cmp(&(need(b) * weight(a)))
    });
    let mut left = places as u128;
    let mut weights: u128 = claimants.iter().map(|claimant| u128::from(claimant.weight.max(1))).sum();
    for index in order {
        let weight = u128::from(claimants[index].weight.max(1));
        // Rounding up gives every claimant a place as long as there are any.
        let fair = (left * weight).div_ceil(weights);
        let share = fair.min(claimants[index].cap as u128).min(left);
        shares[index] = share as usize;
        left -= share;
        weights -= weight;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(places: usize, claimants: &[(u32, usize)]) -> Vec<usize> {
        let claimants: Vec<_> = claimants.iter().map(|&(weight, cap)| Claimant { weight, cap }).collect();
        fair_shares(places, &claimants)
    }

    #[test]
    fn the_small_get_all_they_need_and_the_rest_is_shared() {
        assert_eq!(shares(100, &[(1, 10), (1, 1_000), (1, 1_000)]), [10, 45, 45]);
        assert_eq!(shares(100, &[(1, 1_000), (3, 1_000)]), [25, 75]);
        assert_eq!(shares(100, &[(1, 5)]), [5]);
        assert_eq!(shares(0, &[(1, 5)]), [0]);
        assert_eq!(shares(5, &[]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn never_over_cap_or_places_and_nothing_idle(
            places in 0usize..5_000,
            claimants in prop::collection::vec((1u32..10, 0usize..2_000), 0..12),
        ) {
            let shares = shares(places, &claimants);
            let wanted: usize = claimants.iter().map(|claimant| claimant.1).sum();
            prop_assert_eq!(shares.iter().sum::<usize>(), wanted.min(places));
            for (share, (_, cap)) in shares.iter().zip(&claimants) {
                prop_assert!(share <= cap);
            }
        }
    }
}
