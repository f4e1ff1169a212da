//! What an engine says of itself to those who monitor it: counters since its start, and how it stands now.
//!
//! The parts of the engine count once for a batch, never once for an address; whoever asks does the adding up. Nothing
//! here has a series of its own for a job or a host, so its size is fixed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::shared::Shared;
use super::throttle::Hold;
use crate::lease::Verdict;
use crate::pipeline::Pipeline;
use crate::store::ErrorClass;

/// The upper bounds of the buckets of [`Latencies`], in seconds. What took longer than the last has a bucket of its own.
pub const LATENCY_BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How an engine stands, and what it has done since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Workers in the pool.
    pub workers: usize,
    /// Those of them that have fetches in flight.
    pub workers_active: usize,
    /// Fetches in flight.
    pub in_flight: usize,
    /// The most fetches that may be in flight now.
    pub places: usize,
    /// The most that there may ever be.
    pub most_places: usize,
    /// What holds the process back: `memory`, `cpu` or `disk`.
    pub hold: Option<&'static str>,
    /// What keeps the engine from writing to its backend, such as a full disk, for as long as it does; also where it would
    /// write nothing but its reports.
    pub trouble: Option<String>,
    /// Jobs at work here.
    pub jobs: usize,
    /// How long the queue took to answer claims.
    pub claims: Latencies,
    /// How long the backend took to write batches, repeats after outages included.
    pub commits: Latencies,
    /// Deliveries that ended, by what became of the task.
    pub tasks: TaskCounts,
    /// What the Bloom front and what is remembered beside it spared the store.
    pub front: FrontCounts,
    /// Addresses that were new.
    pub addresses: u64,
    /// Mentions of addresses that were extracted, repeats included.
    pub mentions: u64,
    /// Errors of workers: how many of each class, in the order of [`ErrorClass::ALL`].
    pub errors: Vec<(ErrorClass, u64)>,
}

/// Deliveries that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Done: pages, calls and files processed.
    pub done: u64,
    /// To be tried again.
    pub retried: u64,
    /// Given back untouched.
    pub released: u64,
    /// Given up.
    pub failed: u64,
}

/// What became of mentions on their way to the store ([`crate::dedup`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontCounts {
    /// Dropped, as the store had confirmed their addresses lately.
    pub stored_lately: u64,
    /// The filter took them for surely new.
    pub surely_new: u64,
    /// The filter took them for old.
    pub doubtful: u64,
    /// Doubtful ones that the store was asked for at once and knew.
    pub known: u64,
    /// The same that it did not know: errors of the filter, and addresses that came twice since the last commit.
    pub unknown: u64,
    /// How often a filter was full and was made anew from the store.
    pub rebuilt: u64,
    /// The memory of the filters of all jobs at work, in bytes.
    pub bytes: u64,
}

/// A histogram of times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latencies {
    /// How many there were within each of [`LATENCY_BOUNDS`] and above the one before, and at the end how many were longer.
    pub buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// Their sum.
    pub sum: Duration,
}

impl Latencies {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// A histogram that is counted into.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, took: Duration) {
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> Latencies {
        let buckets = std::array::from_fn(|bucket| load(&self.buckets[bucket]));
        Latencies { buckets, sum: Duration::from_micros(load(&self.micros)) }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// What the parts of an engine count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) claims: Histogram,
    pub(super) commits: Histogram,
    pub(super) addresses: AtomicU64,
    pub(super) mentions: AtomicU64,
    pub(super) front: FrontCounters,
    done: AtomicU64,
    retried: AtomicU64,
    released: AtomicU64,
    failed: AtomicU64,
    errors: [AtomicU64; ErrorClass::ALL.len()],
}

/// The same as [`FrontCounts`].
#[derive(Debug, Default)]
pub(super) struct FrontCounters {
    pub(super) stored_lately: AtomicU64,
    pub(super) surely_new: AtomicU64,
    pub(super) doubtful: AtomicU64,
    pub(super) known: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) rebuilt: AtomicU64,
}

impl FrontCounters {
    fn read(&self, bytes: u64) -> FrontCounts {
        FrontCounts {
            stored_lately: load(&self.stored_lately),
            surely_new: load(&self.surely_new),
            doubtful: load(&self.doubtful),
            known: load(&self.known),
            unknown: load(&self.unknown),
            rebuilt: load(&self.rebuilt),
            bytes,
        }
    }
}

/// Adds to a counter.
pub(super) fn tally(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

impl Counters {
    /// Notes how a delivery ended.
    pub(super) fn settled(&self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Done => &self.done,
            Verdict::Retry { .. } => &self.retried,
            Verdict::Release { .. } => &self.released,
            Verdict::Failed { .. } => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an error of a worker.
    pub(super) fn error(&self, class: ErrorClass) {
        if let Some(counter) = ErrorClass::ALL.iter().position(|known| *known == class) {
            self.errors[counter].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<P: Pipeline> Shared<P> {
    /// Adds up what there is to say.
    pub(super) fn vitals(&self) -> Vitals {
        let counters = &self.counters;
        let (workers, workers_active) = self.workers.busy();
        let runs = self.runs();
        let front = counters.front.read(runs.iter().map(|run| run.filter().bytes() as u64).sum());
        Vitals {
            workers,
            workers_active,
            in_flight: self.running.load(Ordering::Relaxed),
            places: self.throttle.places(),
            most_places: self.options.max_in_flight,
            hold: self.throttle.hold().as_ref().map(Hold::kind),
            trouble: self.trouble(),
            jobs: runs.len(),
            claims: counters.claims.read(),
            commits: counters.commits.read(),
            tasks: TaskCounts {
                done: load(&counters.done),
                retried: load(&counters.retried),
                released: load(&counters.released),
                failed: load(&counters.failed),
            },
            front,
            addresses: load(&counters.addresses),
            mentions: load(&counters.mentions),
            errors: ErrorClass::ALL.iter().copied().zip(counters.errors.iter().map(load)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::default();
        for millis in [0, 1, 2, 10, 11, 20_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let read = histogram.read();
        assert_eq!((read.buckets[0], read.buckets[1], read.buckets[3], read.buckets[4]), (2, 1, 1, 1));
        assert_eq!((read.buckets[LATENCY_BOUNDS.len()], read.count()), (1, 6));
        assert_eq!(read.sum, Duration::from_millis(20_024));
    }
}
