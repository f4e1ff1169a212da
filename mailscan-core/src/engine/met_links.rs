//! Links that are tasks already: spares the queue most of what every page of a site says again.
//!
//! The committer notes the links that the queue has; workers ask before they hand on what a page links to. A link that is
//! forgotten is only pushed once more, and the queue answers that it has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The links remembered of a job: 512 KiB of hashes.
const PLACES: usize = 1 << 15;

/// What a link is remembered by: 128 bits under a seed that nobody outside knows, so that two links of one hash neither
/// happen (1 in 10^23 for 10^10 links) nor can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkHash(u128);

/// The links of one job that were met last. Each hash has one place, which the next one for that place takes over.
#[derive(Debug)]
pub(super) struct MetLinks {
    seed: u64,
    /// Empty until something is noted, since most jobs follow no links.
    places: Mutex<Vec<u128>>,
}

impl MetLinks {
    pub(super) fn new() -> Self {
        Self { seed: rand::random(), places: Mutex::default() }
    }

    pub(super) fn hash(&self, link: &str) -> LinkHash {
        LinkHash(xxh3_128_with_seed(link.as_bytes(), self.seed))
    }

    /// Notes links that the queue has.
    pub(super) fn note<'a>(&self, links: impl Iterator<Item = &'a str>) {
        let mut places = self.places();
        for link in links {
            if places.is_empty() {
                *places = vec![0; PLACES];
            }
            let hash = self.hash(link);
            if let Some(place) = places.get_mut(place_of(hash)) {
                *place = hash.0;
            }
        }
    }

    /// Keeps the links that are not known to be tasks.
    pub(super) fn retain_new<T>(&self, links: &mut Vec<(LinkHash, T)>) {
        let places = self.places();
        links.retain(|(hash, _)| places.get(place_of(*hash)) != Some(&hash.0));
    }

    fn places(&self) -> MutexGuard<'_, Vec<u128>> {
        // Every change is one assignment, so a panic leaves nothing half changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn place_of(hash: LinkHash) -> usize {
    (hash.0 % PLACES as u128) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_ones(met: &MetLinks, links: &[&'static str]) -> Vec<&'static str> {
        let mut hashed: Vec<_> = links.iter().map(|link| (met.hash(link), *link)).collect();
        met.retain_new(&mut hashed);
        hashed.into_iter().map(|(_, link)| link).collect()
    }

    #[test]
    fn only_what_was_noted_is_met() {
        let met = MetLinks::new();
        assert_eq!(new_ones(&met, &["a", "b"]), ["a", "b"]);
        met.note(["a"].into_iter());
        assert_eq!(new_ones(&met, &["a", "b", ""]), ["b", ""]);
    }

    #[test]
    fn more_links_than_places_are_forgotten_and_never_made_up() {
        let met = MetLinks::new();
        let link = |n: usize| format!("https://a.org/{n}");
        let old: Vec<_> = (0..2 * PLACES).map(link).collect();
        met.note(old.iter().map(String::as_str));
        let count = |range: std::ops::Range<usize>| {
            let mut links: Vec<_> = range.map(|n| (met.hash(&link(n)), n)).collect();
            met.retain_new(&mut links);
            links.len()
        };
        assert_eq!(count(2 * PLACES..4 * PLACES), 2 * PLACES);
        assert!((PLACES..2 * PLACES).contains(&count(0..2 * PLACES)));
    }
}
