//! Which address is mentioned where: calls, pages and mentions by number. Pure.

use std::ops::Range;

use super::SimulationOptions;

/// How many links a page of the site tree has: five levels reach more than three million pages.
pub(super) const SITE_FAN: u64 = 20;

/// A number that looks random, from a seed and a number (the finaliser of SplitMix64).
pub(super) const fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Whether something that happens with this probability happens here.
pub(super) fn chance(bits: u64, share: f64) -> bool {
    // 53 bits are what a double holds, so a share of 1 always happens and 0 never.
    ((bits >> 11) as f64) < share * (1u64 << 53) as f64
}

/// How a mention is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// The number of the address.
    pub(super) address: u64,
    /// Whether the address was mentioned before.
    pub(super) repeat: bool,
    /// Whether it is written with character references.
    pub(super) encoded: bool,
    /// Bits for whoever writes it.
    pub(super) bits: u64,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    options: SimulationOptions,
}

impl Layout {
    pub(super) fn new(options: SimulationOptions) -> Self {
        Self { options }
    }

    pub(super) fn options(&self) -> &SimulationOptions {
        &self.options
    }

    /// How many search calls have results.
    pub(super) fn calls(&self) -> u64 {
        self.options.emails.div_ceil(u64::from(self.options.emails_per_call))
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> u64 {
        self.calls() * u64::from(self.options.pages_per_call)
    }

    /// The pages that a call lists; empty after the last call.
    pub(super) fn pages_of_call(&self, call: u64) -> Range<u64> {
        if call >= self.calls() {
            return 0..0;
        }
        let per_call = u64::from(self.options.pages_per_call);
        call * per_call..(call + 1) * per_call
    }

    /// The addresses that a call leads to.
    fn addresses_of_call(&self, call: u64) -> Range<u64> {
        let per_call = u64::from(self.options.emails_per_call);
        let start = call.saturating_mul(per_call).min(self.options.emails);
        start..start.saturating_add(per_call).min(self.options.emails)
    }

    /// The addresses that a page is the first to mention.
    pub(super) fn first_mentions(&self, page: u64) -> Range<u64> {
        let pages = u64::from(self.options.pages_per_call);
        let (call, part) = (page / pages, page % pages);
        let Range { start, end } = self.addresses_of_call(call);
        let count = end - start;
        start + count * part / pages..start + count * (part + 1) / pages
    }

    /// Everything that a page mentions, in order.
    pub(super) fn mentions(&self, page: u64) -> Vec<Mention> {
        self.with_repeats(self.first_mentions(page))
    }

    /// Everything that the answer to a call mentions, in order: nothing where it lists pages instead.
    pub(super) fn mentions_of_call(&self, call: u64) -> Vec<Mention> {
        if self.options.pages_per_call > 0 { Vec::new() } else { self.with_repeats(self.addresses_of_call(call)) }
    }

    /// These addresses, mentioned for the first time, and as many repeats of earlier ones as belong to them.
    fn with_repeats(&self, own: Range<u64>) -> Vec<Mention> {
        let seed = self.options.seed ^ 0x3E17;
        let mut mentions = Vec::with_capacity(own.clone().count() * 2);
        let ratio = self.options.duplicate_share / (1.0 - self.options.duplicate_share);
        for address in own {
            let bits = mix(seed, address);
            mentions.push(self.mention(address, false, bits));
            // So many repeats for every first mention make the wanted share of all.
            let repeats = ratio.floor() as u64 + u64::from(chance(mix(seed, bits), ratio.fract()));
            for k in 0..repeats {
                let bits = mix(bits, k);
                mentions.push(self.mention(bits % (address + 1), true, mix(seed, bits)));
            }
        }
        mentions
    }

    fn mention(&self, address: u64, repeat: bool, bits: u64) -> Mention {
        Mention { address, repeat, encoded: chance(mix(bits, 1), self.options.encoded_share), bits }
    }

    /// Whether the first request for a call (or a page) fails, and with which bits.
    pub(super) fn failure(&self, kind: u64, n: u64) -> Option<u64> {
        let bits = mix(self.options.seed ^ 0xFA11 ^ kind, n);
        chance(bits, self.options.failure_share).then(|| mix(bits, 2))
    }

    /// The pages that page `n` of the site tree links to.
    pub(super) fn children(&self, n: u64) -> Range<u64> {
        let first = n.saturating_mul(SITE_FAN).saturating_add(1);
        first.min(self.pages())..first.saturating_add(SITE_FAN).min(self.pages())
    }
}
