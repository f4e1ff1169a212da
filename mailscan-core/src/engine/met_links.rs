//! Links that are tasks already: spares the queue most of what every page of a site says again.
//!
//! The committer notes the links that the queue has; workers ask before they hand on what a page links to. A link that is
//! forgotten is only pushed once more, and the queue answers that it has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The most links remembered of a job, in 2 MiB.
const MOST: usize = 1 << 17;
/// The places at first. They double while more than half of them are in use.
const FIRST: usize = 1 << 10;
/// A link may stand in so many of them: a line of the processor's cache.
const WAYS: usize = 4;

/// What a link is remembered by: 128 bits under a seed that nobody outside knows, so that two links of one hash neither
/// happen (1 in 10^23 for 10^10 links) nor can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkHash(u128);

/// The links of one job that were met last.
#[derive(Debug)]
pub(super) struct MetLinks {
    seed: u64,
    places: Mutex<Places>,
}

/// Sets of places, the one that was noted last first. None until something is noted, since most jobs follow no links; else
/// their number is a power of two.
#[derive(Debug, Default)]
struct Places {
    sets: Vec<[u128; WAYS]>,
    /// How many links were noted since the places were made.
    noted: usize,
}

impl Places {
    fn contain(&self, hash: LinkHash) -> bool {
        self.sets.get(self.set_of(hash)).is_some_and(|set| set.contains(&hash.0))
    }

    fn note(&mut self, hash: LinkHash) {
        if self.noted * 2 >= self.sets.len() * WAYS && self.sets.len() * WAYS < MOST {
            let sets = (self.sets.len() * 2).max(FIRST / WAYS);
            let old = std::mem::replace(&mut self.sets, vec![[0; WAYS]; sets]);
            self.noted = 0;
            old.into_iter().flatten().rev().filter(|hash| *hash != 0).for_each(|hash| self.put(LinkHash(hash)));
        }
        self.put(hash);
    }

    fn put(&mut self, hash: LinkHash) {
        let at = self.set_of(hash);
        let Some(set) = self.sets.get_mut(at) else { return };
        let last = set.iter().position(|other| *other == hash.0).unwrap_or(WAYS - 1);
        self.noted += usize::from(set[last] != hash.0);
        set[..=last].rotate_right(1);
        set[0] = hash.0;
    }

    const fn set_of(&self, hash: LinkHash) -> usize {
        hash.0 as usize & self.sets.len().wrapping_sub(1)
    }
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
        links.for_each(|link| places.note(self.hash(link)));
    }

    /// Keeps the links that are not known to be tasks.
    pub(super) fn retain_new<T>(&self, links: &mut Vec<(LinkHash, T)>) {
        let places = self.places();
        links.retain(|(hash, _)| !places.contain(*hash));
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing here panics halfway through a change.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let old: Vec<_> = (0..2 * MOST).map(link).collect();
        met.note(old.iter().map(String::as_str));
        let count = |range: std::ops::Range<usize>| {
            let mut links: Vec<_> = range.map(|n| (met.hash(&link(n)), n)).collect();
            met.retain_new(&mut links);
            links.len()
        };
        assert_eq!(count(2 * MOST..4 * MOST), 2 * MOST);
        assert!((MOST..3 * MOST / 2).contains(&count(0..2 * MOST)), "{}", count(0..2 * MOST));
        assert!(count(MOST / 4 * 7..2 * MOST) < MOST / 100, "those noted last stay");
    }
}
