//! Addresses that the store has confirmed lately: spares it most of what the pages of a site say again and again.
//!
//! The committer notes what the store says is stored, and asks here before the next batch. It is compared as text, so
//! nothing is taken for old that is not; an address that is forgotten only goes to the store once more.

use crate::address::Address;
use crate::store::Sighting;

/// The addresses remembered of a job: 256 KiB of places, and the texts of those that are in use.
const PLACES: usize = 1 << 14;

/// The addresses of one job that were confirmed last. Each has one place, which the next one for that place takes over.
#[derive(Debug, Default)]
pub(super) struct StoredLately {
    /// Empty until something is noted.
    places: Vec<Option<Address>>,
}

impl StoredLately {
    /// Notes addresses that are stored.
    pub(super) fn note<'a>(&mut self, addresses: impl IntoIterator<Item = &'a Address>) {
        for address in addresses {
            if self.places.is_empty() {
                self.places.resize(PLACES, None);
            }
            let place = &mut self.places[place_of(address)];
            if place.as_ref() != Some(address) {
                *place = Some(address.clone());
            }
        }
    }

    /// Keeps the sightings of addresses that are not known to be stored.
    pub(super) fn retain_others(&self, sightings: &mut Vec<Sighting>) {
        if !self.places.is_empty() {
            sightings.retain(|sighting| self.places[place_of(&sighting.address)].as_ref() != Some(&sighting.address));
        }
    }
}

fn place_of(address: &Address) -> usize {
    (address.fingerprint() % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::class::Classes;
    use crate::extract::Form;
    use crate::job::JobId;

    fn address(n: usize) -> Address {
        Address::parse(&format!("ann{n}@a.org")).unwrap()
    }

    fn others(lately: &StoredLately, numbers: std::ops::Range<usize>) -> usize {
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
        assert_eq!(others(&lately, 0..3), 3);
        lately.note([&address(1)]);
        assert_eq!(others(&lately, 0..3), 2);
    }

    #[test]
    fn it_forgets_and_stays_as_large_as_it_is() {
        let mut lately = StoredLately::default();
        let addresses: Vec<_> = (0..3 * PLACES).map(address).collect();
        lately.note(&addresses);
        assert_eq!(lately.places.len(), PLACES);
        assert!((2 * PLACES..3 * PLACES).contains(&others(&lately, 0..3 * PLACES)));
        assert_eq!(others(&lately, 3 * PLACES..6 * PLACES), 3 * PLACES);
    }
}
