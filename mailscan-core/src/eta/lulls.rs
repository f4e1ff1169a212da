//! Lulls: the long times without a new address between those that come in bursts, as from pages that bring many now and then.
//! Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::Sample;

/// How many of the latest lulls a rate is told from.
const TOLD_FROM: usize = 3;
/// For how many windows addresses have to come steadily, at most, until a lull before them tells nothing any more.
const STEADY_FOR: u32 = 4;

/// A time without a new address, which ended with one.
#[derive(Clone, Copy, Debug)]
struct Lull {
    /// The last new address before it.
    from: Sample,
    lasted: Duration,
}

/// The latest lulls of a job, each about as long as the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Lulls {
    latest: VecDeque<Lull>,
    /// When the last of them ended, and the longest shorter one since.
    ended: Duration,
    since: Option<Lull>,
}

impl Lulls {
    /// How long the longest of them lasted.
    pub(super) fn longest(&self) -> Duration {
        self.latest.iter().map(|lull| lull.lasted).max().unwrap_or_default()
    }

    /// The last new address before each of them, in order.
    pub(super) fn starts(&self) -> impl Iterator<Item = Sample> {
        self.latest.iter().map(|lull| lull.from)
    }

    /// Takes note of a new address after `from`, at this time at work, of a job whose rate is that of a window of this span.
    pub(super) fn end(&mut self, from: Sample, at: Duration, span: Duration) {
        let (lull, longest) = (Lull { from, lasted: at.saturating_sub(from.active) }, self.longest());
        if lull.lasted.saturating_mul(2) >= longest {
            if lull.lasted > longest.saturating_mul(2) {
                self.latest.clear();
            }
            self.latest.push_back(lull);
            if self.latest.len() > TOLD_FROM {
                self.latest.pop_front();
            }
            (self.ended, self.since) = (at, None);
            return;
        }
        let since = self.since.filter(|since| since.lasted >= lull.lasted).unwrap_or(lull);
        self.since = Some(since);
        // A burst is short beside the lull before it; what lasts longer is a pace of its own.
        let steady = (longest / 4).min(span.saturating_mul(STEADY_FOR)).max(span);
        if at.saturating_sub(self.ended) >= steady {
            *self = Self { latest: VecDeque::from([since]), ended: at, since: None };
        }
    }
}
