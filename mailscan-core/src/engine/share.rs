//! How a number of places is shared between jobs and between hosts. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// So many places are few: a claim may bring as many tasks, and as many wait for them.
pub(super) const FEW: usize = 128;

/// What one job may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claimant {
    /// Its share relative to the others. From 1.
    pub(super) weight: u32,
    /// The most it can use.
    pub(super) cap: usize,
}

/// Shares `places` by weighted max-min fairness (progressive filling: Bertsekas and Gallager, "Data Networks", 6.5.2):
/// nobody gets more than its cap, and nobody's share per weight can grow but at the cost of one who has less. But where there
/// are enough places, whoever can use one gets one, however little it weighs.
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
    // One is kept for each of those that come later.
    let mut kept = claimants.iter().filter(|claimant| claimant.cap > 0).count() as u128;
    let enough = left >= kept;
    let mut weights: u128 = claimants.iter().map(|claimant| u128::from(claimant.weight.max(1))).sum();
    for index in order {
        let weight = u128::from(claimants[index].weight.max(1));
        kept -= u128::from(claimants[index].cap > 0);
        let fair = (left * weight).div_ceil(weights);
        let share = fair.min(claimants[index].cap as u128).min(if enough { left - kept } else { left });
        shares[index] = share as usize;
        left -= share;
        weights -= weight;
    }
    shares
}

/// How much of one host is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostShare {
    /// The most tasks that one claim brings.
    pub(super) at_once: usize,
    /// The most tasks that it holds.
    pub(super) held: usize,
}

impl HostShare {
    /// The share in a job with so many places that had tasks of `hosts` hosts lately: twice an equal one, so that a host
    /// that answers slowly does not come to fill the places of the others, and at most `most`.
    ///
    /// Where only one host is known it may have all; where there are several, a quarter is kept for those that come back
    /// with more. A claim brings no more than an eighth of one host, so that others are met.
    pub(super) fn new(places: usize, hosts: usize, most: usize) -> Self {
        let held = match hosts {
            0 | 1 => places.saturating_mul(2),
            _ => (places.saturating_mul(2) / hosts).min(places - places / 4),
        };
        let held = held.min(most).max(1);
        Self { at_once: (places / 8).clamp(1, held), held }
    }

    /// The same for the only job at work, of which one host was met and no other: a claim brings half of the places, or
    /// all where they are [`FEW`], since each waits for a commit, and a host that answers quickly empties an eighth before
    /// the next claim is through. What is more than [`Self::ENOUGH`] only makes a claim long.
    ///
    /// Where the host may have every place, what waits for one (`prefetch`) may be of it as well, and come in one claim.
    pub(super) fn undivided(self, places: usize, prefetch: usize, most: usize) -> Self {
        let held = if places <= most { self.held.max(places + prefetch) } else { self.held };
        let part = (places / 2).max(places.min(FEW)).max(prefetch).min(Self::ENOUGH);
        Self { at_once: self.at_once.max(part).min(held), held }
    }

    /// How many tasks a claim may bring without being long.
    const ENOUGH: usize = 1_000;

    /// What a host may have where no other has anything to do: half of the places at once. It gets more only as it gives
    /// places back, so that one that stalls leaves half to the others that may come.
    pub(super) fn alone(places: usize, most: usize) -> Self {
        let held = (places / 2).min(most).max(1);
        Self { at_once: (places / 8).clamp(1, held), held }
    }
}

impl HostShare {
    /// What the calls of a search may have: half of the places at once, however many hosts there are. What a host may have
    /// of those is small where there are many of them, and all of them wait for the pages that calls bring.
    pub(super) fn of_calls(fair: Self, alone: Self) -> Self {
        fair.max(Self { at_once: alone.held.min(Self::ENOUGH), held: alone.held })
    }

    /// The same with no claim that brings more than `most` tasks.
    pub(super) fn at_most(self, most: usize) -> Self {
        Self { at_once: self.at_once.min(most), ..self }
    }

    /// The larger of both.
    pub(super) fn max(self, other: Self) -> Self {
        Self { at_once: self.at_once.max(other.at_once), held: self.held.max(other.held) }
    }
}

/// The hosts of which a job had tasks lately.
#[derive(Debug, Default)]
pub(super) struct RecentHosts {
    /// When each was seen last.
    seen: HashMap<Arc<str>, Instant>,
}

impl RecentHosts {
    /// What counts as lately.
    const LATELY: Duration = Duration::from_secs(10);
    /// More are not told apart: the share of each is the least there is.
    const MOST: usize = 10_000;

    /// Takes note of a host.
    pub(super) fn note(&mut self, host: &str, now: Instant) {
        if let Some(seen) = self.seen.get_mut(host) {
            *seen = now;
        } else if self.seen.len() < Self::MOST {
            self.seen.insert(host.into(), now);
        }
    }

    /// How many there were.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.seen.retain(|_, seen| now - *seen < Self::LATELY);
        self.seen.len()
    }
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

    #[test]
    fn whoever_can_use_a_place_gets_one_where_there_are_enough() {
        assert_eq!(shares(8, &[(10, 1_000), (1, 1_000)]), [7, 1]);
        assert_eq!(shares(3, &[(3, 9), (3, 9), (1, 9)]), [1, 1, 1]);
        assert_eq!(shares(3, &[(1, 0), (9, 9), (1, 9)]), [0, 2, 1]);
        assert_eq!(shares(2, &[(3, 9), (3, 9), (1, 9)]), [1, 1, 0], "there are none for all");
    }

    #[test]
    fn a_host_gets_twice_its_share_and_never_all() {
        let share = |places, hosts| {
            let HostShare { at_once, held } = HostShare::new(places, hosts, 64);
            (at_once, held)
        };
        assert_eq!((share(50, 51), share(2_048, 50), share(400, 40)), ((1, 1), (64, 64), (20, 20)));
        assert_eq!((share(40, 1), share(40, 2)), ((5, 64), (5, 30)));
        assert_eq!((share(1, 0), share(0, 9)), ((1, 2), (1, 1)));
    }

    #[test]
    fn an_undivided_claim_brings_half_of_the_places_as_far_as_one_host_may_have_them() {
        let undivided = |places, most| HostShare::new(places, 1, most).undivided(places, 10, most);
        assert_eq!(undivided(1_000, 5_000), HostShare { at_once: 500, held: 2_000 });
        assert_eq!(undivided(1_000, 64), HostShare { at_once: 64, held: 64 });
        assert_eq!((undivided(4_000, 50_000).at_once, undivided(20_000, 50_000).at_once), (1_000, 2_500));
        assert_eq!((undivided(100, 128).at_once, undivided(10, 64).at_once), (100, 10), "all where they are few");
        assert_eq!(undivided(200, 5_000).at_once, FEW);
        assert_eq!((undivided(1, 64).at_once, undivided(0, 64).at_once), (10, 10));
    }

    #[test]
    fn what_waits_for_a_place_may_be_of_the_only_host_where_it_may_have_every_place() {
        let held = |places, most| HostShare::new(places, 1, most).undivided(places, 300, most);
        assert_eq!(held(100, 100), HostShare { at_once: 300, held: 400 });
        assert_eq!(
            held(101, 100),
            HostShare { at_once: 100, held: 100 },
            "the rest of the places would wait at the host"
        );
    }

    #[test]
    fn calls_have_half_of_the_places_at_least() {
        let calls =
            |places, hosts| HostShare::of_calls(HostShare::new(places, hosts, 5_000), HostShare::alone(places, 5_000));
        assert_eq!(calls(1_000, 97), HostShare { at_once: 500, held: 500 });
        assert_eq!(calls(1_000, 1), HostShare { at_once: 500, held: 2_000 });
        assert_eq!(calls(4_000, 97), HostShare { at_once: 1_000, held: 2_000 });
    }

    #[test]
    fn hosts_are_remembered_for_a_while() {
        let (mut hosts, now) = (RecentHosts::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for (host, at) in [("a", 0), ("b", 4), ("a", 8)] {
            hosts.note(host, after(at));
        }
        assert_eq!([9, 13, 15, 18].map(|at| hosts.count(after(at))), [2, 2, 1, 0]);
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
            let needing = claimants.iter().filter(|claimant| claimant.1 > 0).count();
            for (share, (_, cap)) in shares.iter().zip(&claimants) {
                prop_assert!(share <= cap);
                prop_assert!(*share > 0 || *cap == 0 || places < needing);
            }
        }
    }
}
