//! Addresses that the store has confirmed lately: spares it most of what the pages of a site say again and again.
//!
//! The committer notes what the store says it had before, and what is new to it while some addresses come again; and it asks
//! here before the next batch. It is compared as text, so nothing is taken for old that is not; an address that is forgotten
//! only goes to the store once more.

use crate::address::Address;
use crate::recent::Recent;
use crate::store::Sighting;

/// The addresses of up to 29 bytes that are remembered of a job, in at most 4 MiB; most are as short.
const SHORT: usize = 1 << 17;
/// Those of up to 93 bytes, in at most 768 KiB.
const LONG: usize = 1 << 13;

/// The addresses of one job that were confirmed last.
#[derive(Debug)]
pub(super) struct StoredLately {
    short: Recent<32>,
    long: Recent<96>,
}

impl Default for StoredLately {
    fn default() -> Self {
        Self { short: Recent::new(SHORT), long: Recent::new(LONG) }
    }
}

impl StoredLately {
    /// Notes addresses that are stored.
    pub(super) fn note<'a>(&mut self, addresses: impl IntoIterator<Item = &'a Address>) {
        for address in addresses {
            let text = address.as_str();
            if text.len() <= Recent::<32>::LONGEST {
                self.short.note(text, 0);
            } else {
                self.long.note(text, 0);
            }
        }
    }

    /// Keeps the sightings of addresses that are not known to be stored; answers how many it dropped.
    pub(super) fn retain_others(&mut self, sightings: &mut Vec<Sighting>) -> usize {
        let all = sightings.len();
        sightings.retain(|sighting| {
            let text = sighting.address.as_str();
            let met = if text.len() <= Recent::<32>::LONGEST { self.short.get(text) } else { self.long.get(text) };
            met.is_none()
        });
        all - sightings.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::class::Classes;
    use crate::extract::Form;
    use crate::job::JobId;

    /// Every other one is a long one.
    fn address(n: usize) -> Address {
        let name = if n.is_multiple_of(2) { "ann" } else { "ann.of.the.department.for.people" };
        Address::parse(&format!("{name}{n}@a.org")).unwrap()
    }

    fn others(lately: &mut StoredLately, numbers: std::ops::Range<usize>) -> usize {
        let sighting = |n| Sighting {
            job: JobId(1),
            address: address(n),
            source: Arc::from("s"),
            offset: 0,
            form: Form::Plain,
            classes: Classes::NONE,
        };
        let mut sightings: Vec<_> = numbers.map(sighting).collect();
        lately.retain_others(&mut sightings);
        sightings.len()
    }

    #[test]
    fn only_what_was_noted_is_dropped() {
        let mut lately = StoredLately::default();
        assert_eq!(others(&mut lately, 0..3), 3);
        lately.note([&address(1)]);
        assert_eq!(others(&mut lately, 0..3), 2);
        lately.note([&address(2)]);
        assert_eq!(others(&mut lately, 0..3), 1);
    }
}
