//! The Bloom front: spares the store the look-up of addresses that are surely new.
//!
//! The committer asks it before the store, while a job meets much that is old. It may say "surely new"; it never decides
//! "old": for that the store is asked ([`crate::store::Store::known`]), and the store's union has the last word in any case. So a
//! wrong, forgotten or saturated filter costs time and never an address.

use std::hash::{BuildHasher, Hasher};

use probabilistic_collections::bloom::BloomFilter;

/// A full filter is made anew this many times as large. With 9.8 bits an address at 1 %, it takes between 1.23 and 1.96
/// bytes for each address in it.
const GROWTH: f64 = 1.6;
/// The bits of an address are so far apart at most: all of them lie within a kilobyte or so, on one page of memory or two.
const STRIDE: u64 = 1_023;
/// Bits that lie near each other err a little more often, so the filter is made as if it had to err less.
const NEARNESS: f64 = 0.9;

/// The addresses of one job that were seen, by fingerprint.
///
/// It is one filter, made anew from the store when it is full ([`is_full`](Self::is_full), [`grown`](Self::grown)). A
/// row of ever larger filters, which would need no store, takes a look into each of them for every new address, and
/// twice the memory: at a million addresses it was the dearest part of the whole engine.
pub struct BloomFront {
    filter: BloomFilter<u64, Hash>,
    false_positives: f64,
    capacity: usize,
    addresses: usize,
}

impl BloomFront {
    /// A filter for `capacity` addresses, that errs with a probability of about `false_positives` when it holds so many;
    /// from 0.001 to 0.5, since bits that lie near each other cannot err less often.
    pub fn new(capacity: usize, false_positives: f64) -> Self {
        let (capacity, false_positives) = (capacity.max(64), false_positives.clamp(0.001, 0.5));
        let bits = bits(capacity, false_positives);
        let hashers = [Hash::Place { seed: rand::random(), bits }, Hash::Stride { seed: rand::random() }];
        let filter = BloomFilter::from_item_count_with_hashers(bits as usize, capacity, hashers);
        Self { filter, false_positives, capacity, addresses: 0 }
    }

    /// Notes that the address with this fingerprint is stored.
    pub fn insert(&mut self, fingerprint: u64) {
        let ones = self.filter.count_ones();
        self.filter.insert(&fingerprint);
        self.addresses += usize::from(self.filter.count_ones() > ones);
    }

    /// Whether the address with this fingerprint was never inserted. `false` means "ask the store".
    pub fn surely_new(&self, fingerprint: u64) -> bool {
        !self.filter.contains(&fingerprint)
    }

    /// Whether it holds as many addresses as it is made for. More may be inserted: it errs more often then.
    pub const fn is_full(&self) -> bool {
        self.addresses >= self.capacity
    }

    /// How many addresses it is made for.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// An empty filter for more addresses, to be filled from the store and to take the place of this one.
    #[must_use]
    pub fn grown(&self) -> Self {
        Self::new((self.addresses.max(self.capacity) as f64 * GROWTH) as usize, self.false_positives)
    }

    /// The memory that a filter for so many addresses comes to have once it has [grown](Self::grown), in bytes.
    #[cfg(feature = "sqlite")]
    pub(crate) fn bytes_grown_from(capacity: usize, false_positives: f64) -> usize {
        bits((capacity as f64 * GROWTH) as usize, false_positives) as usize / 8
    }

    /// The memory of the filter's bits, in bytes.
    pub fn bytes(&self) -> usize {
        self.filter.len() / 8
    }
}

/// How many bits a filter has.
fn bits(capacity: usize, false_positives: f64) -> u64 {
    // Bloom, Communications of the ACM 13 (1970).
    let bits = -(false_positives * NEARNESS).log2() / std::f64::consts::LN_2 * capacity as f64;
    bits.ceil() as u64
}

impl std::fmt::Debug for BloomFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BloomFront")
            .field("addresses", &self.addresses)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// The two hashes of an address, whose fingerprint is a hash already: where its bits begin, and how far apart they are.
///
/// Places are in the order of fingerprints, so addresses that come in that order, as from the store and in its batches,
/// find what they need near by. The crate's own SipHash would cost more than the rest of a look-up, and scatters the
/// bits: in a filter of 20 MB each of them waits for memory.
#[derive(Clone, Copy, Debug)]
enum Hash {
    /// The fingerprint, moved by the seed, as a part of the filter: "multiply and shift" (Lemire, ACM Transactions on
    /// Modeling and Computer Simulation 29, 2019).
    Place { seed: u64, bits: u64 },
    /// The fingerprint mixed with the seed by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    Stride { seed: u64 },
}

impl Hash {
    fn of(self, fingerprint: u64) -> u64 {
        match self {
            Self::Place { seed, bits } => {
                let product = u128::from(fingerprint.wrapping_add(seed)) * u128::from(bits);
                (product >> u64::BITS) as u64
            }
            Self::Stride { seed } => {
                let mut mixed = (seed ^ fingerprint).wrapping_add(0x9e37_79b9_7f4a_7c15);
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((mixed ^ (mixed >> 31)) & STRIDE).max(1)
            }
        }
    }
}

impl BuildHasher for Hash {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed { hash: *self, value: 0 }
    }
}

/// A hash under way.
struct Hashed {
    hash: Hash,
    value: u64,
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.value
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.value = self.hash.of(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn word(n: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())
    }

    #[test]
    fn errs_as_often_as_it_may_in_less_than_two_bytes_while_it_grows() {
        let mut front = BloomFront::new(10_000, 0.01);
        for n in 0..100_000u64 {
            front.insert(word(n));
            if front.is_full() {
                let mut grown = front.grown();
                (0..=n).for_each(|n| grown.insert(word(n)));
                front = grown;
            }
            if n >= 10_000 {
                assert!(front.bytes() as u64 <= 2 * n, "{} bytes for {n} addresses", front.bytes());
            }
        }
        let wrong = (100_000..200_000u64).filter(|n| !front.surely_new(word(*n))).count();
        assert!(wrong < 1_200, "{wrong} of 100,000");
        assert!((0..100_000).all(|n| !front.surely_new(word(n))));
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
