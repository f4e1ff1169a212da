//! The Bloom front: spares the store the look-up of addresses that are surely new.
//!
//! The committer asks it about every sighting before the store. It may say "surely new"; it never decides "old": for
//! that the store is asked ([`crate::store::Store::known`]), and the store's union has the last word in any case. So a
//! wrong, forgotten or saturated filter costs time and never an address.

use std::hash::{BuildHasher, Hasher};

use probabilistic_collections::bloom::ScalableBloomFilter;

/// Each further filter is twice as large as the one before, and errs half as often.
const GROWTH: f64 = 2.0;
const TIGHTENING: f64 = 0.5;

/// The addresses of one job that were seen, by fingerprint: a scalable Bloom filter (Almeida et al., "Scalable Bloom
/// Filters", Information Processing Letters 101, 2007).
///
/// Memory: it starts with about 1.2 bytes for each address of its capacity at 1 % and doubles when half of its bits
/// are set.
pub struct BloomFront {
    filter: ScalableBloomFilter<u64, Mixer>,
}

impl BloomFront {
    /// A filter for `capacity` addresses at first, that errs with a probability of about `false_positives`.
    pub fn new(capacity: usize, false_positives: f64) -> Self {
        let false_positives = false_positives.clamp(1e-9, 0.5);
        // Optimal size of a Bloom filter: -n ln p / (ln 2)^2 bits.
        let bits = capacity.max(1) as f64 * -false_positives.ln() / std::f64::consts::LN_2.powi(2);
        let hashers = [Mixer(rand::random()), Mixer(rand::random())];
        let filter = ScalableBloomFilter::with_hashers(
            (bits.ceil() as usize).max(64),
            false_positives,
            GROWTH,
            TIGHTENING,
            hashers,
        );
        Self { filter }
    }

    /// Notes that the address with this fingerprint is stored.
    pub fn insert(&mut self, fingerprint: u64) {
        self.filter.insert(&fingerprint);
    }

    /// Whether the address with this fingerprint was never inserted. `false` means "ask the store".
    pub fn surely_new(&self, fingerprint: u64) -> bool {
        !self.filter.contains(&fingerprint)
    }

    /// The memory of the filter's bits, in bytes.
    pub fn bytes(&self) -> usize {
        self.filter.len() / 8
    }
}

impl std::fmt::Debug for BloomFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BloomFront").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Hashes what is a hash already: a fingerprint, mixed with a random seed by the finaliser of SplitMix64 (Steele, Lea
/// and Flood, OOPSLA 2014). The crate's own SipHash would cost more than the rest of the look-up.
#[derive(Clone, Copy, Debug)]
struct Mixer(u64);

impl BuildHasher for Mixer {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mut mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mixed ^ (mixed >> 31);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn errs_about_as_often_as_it_may_after_growing_tenfold() {
        let mut front = BloomFront::new(10_000, 0.01);
        for word in 0..100_000u64 {
            front.insert(xxhash_rust::xxh3::xxh3_64(&word.to_le_bytes()));
        }
        let wrong = (100_000..200_000u64)
            .filter(|word| !front.surely_new(xxhash_rust::xxh3::xxh3_64(&word.to_le_bytes())))
            .count();
        assert!(wrong < 3_000, "{wrong} of 100,000");
        assert!(front.bytes() < 2 * 10 * 100_000 / 8 * 2, "{} bytes", front.bytes());
    }

    proptest! {
        // However often the filter errs, what it calls surely new was never inserted.
        #[test]
        fn never_calls_an_old_address_new(words in prop::collection::vec(any::<u64>(), 1..2_000)) {
            let mut front = BloomFront::new(4, 0.5);
            let mut seen = HashSet::new();
            for word in words {
                if seen.contains(&word) {
                    prop_assert!(!front.surely_new(word));
                }
                front.insert(word);
                seen.insert(word);
            }
        }
    }
}
