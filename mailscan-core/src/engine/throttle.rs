//! The throttle: how many fetches this process may have in flight now, by the memory, the processors and the disk that it
//! runs on.
//!
//! What the process uses is sampled off the path of the work; the dispatcher asks before it hands a task over. Hosts are
//! not its business: each has a limit of its own in the fetcher.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::shared::Shared;
use crate::fetch::Fetcher;
use crate::pipeline::Pipeline;
use crate::resources::{Resources, Sampler};
use crate::store::Store;

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Below this share of its memory the process may grow, up to the next it grows slowly, above that it shrinks, above the last it
/// stops for now.
const ROOMY: f64 = 0.75;
const TIGHT: f64 = 0.85;
const FULL: f64 = 0.95;
/// Where places grow slowly, it takes so many samples to have all of them.
const SLOWLY: usize = 128;
/// What a fetch takes of the memory at least: its connection, a page, and the work on it; and what is assumed until that can
/// be told. By this, places are never given out for memory that is not there, however quickly they would be taken.
const FETCH: u64 = 128 << 10;
const UNKNOWN_FETCH: u64 = 512 << 10;
/// So many fetches have to be in flight, and half of those that may be, before what one takes can be told: what the process
/// keeps beside them would be taken for theirs where they are few for a moment.
const TELLING: usize = 16;
/// What a fetch is held for at most.
const LARGE_FETCH: u64 = 4 << 20;
/// From this share on the processors are busy, and more fetches only wait for them; below the next, more may be begun.
const BUSY: f64 = 0.97;
const EASED: f64 = 0.90;
/// No process has less of the processors, nor does Linux give a container less; a process that takes nothing is not busy.
const LEAST_QUOTA: f64 = 0.01;
/// For how many samples they are busy before places are taken: a moment of work is none too much.
const BUSY_FOR: u32 = 3;
/// What busy processors leave of the fetches in flight: so many for each of them, however quickly these are answered.
const PER_PROCESSOR: usize = 128;
/// For how many samples a full memory stops everything. Then one fetch at a time goes on: what fills the memory may be what
/// the process keeps to itself, and a job that stands still for ever is no better than one that is killed.
const PATIENCE: u32 = 20;
/// The disk is written on again when it has this many times the room that it must have.
const RECOVERED: u64 = 2;

/// What the throttle goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signals {
    /// The share of the memory that is in use.
    memory: f64,
    /// Bytes of memory that this process uses.
    own: u64,
    /// Bytes of memory that may still be used before it is tight.
    room: u64,
    /// The share of the processors that is busy, where it is this process that takes most of them.
    cpu: f64,
    /// Bytes that may still be written; `None` when nobody can tell.
    disk: Option<u64>,
    /// Fetches in flight.
    in_flight: usize,
}

/// What holds the whole process back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hold {
    /// The memory is nearly used up.
    Memory {
        /// The share in use, in percent.
        percent: u32,
    },
    /// The processors are busy, so that nothing is gained by more.
    Cpu,
    /// The disk is nearly full.
    Disk {
        /// Bytes left.
        left: u64,
        /// Bytes that are to be left before anything is written again.
        wanted: u64,
    },
}

impl Hold {
    /// What is short, in a word.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Cpu => "cpu",
            Self::Disk { .. } => "disk",
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MIB: u64 = 1 << 20;
        match self {
            Self::Memory { percent: 1_000.. } => f.write_str("memory: far more than all of it is in use"),
            Self::Memory { percent } => write!(f, "memory: {percent} % of it is in use"),
            Self::Cpu => f.write_str("processors: all are busy"),
            Self::Disk { left, wanted } => write!(
                f,
                "disk: {} MiB are left where the database is; free {} MiB to go on",
                left / MIB,
                wanted.saturating_sub(*left).div_ceil(MIB)
            ),
        }
    }
}

/// How many fetches may be in flight, moved by what the system says. Pure.
#[derive(Debug)]
struct Gate {
    /// The most that it ever allows.
    most: usize,
    /// Bytes that must be left on the disk.
    min_free: u64,
    /// What busy processors leave.
    least_busy: usize,
    places: usize,
    hold: Option<Hold>,
    /// What the process used before it had anything in flight.
    base: Option<u64>,
    /// What a fetch takes of the memory, in bytes.
    fetch: u64,
    /// For how many samples the memory has been full, and the processors busy.
    full_for: u32,
    busy_for: u32,
}

impl Gate {
    fn new(most: usize, min_free: u64, processors: usize) -> Self {
        let (most, least_busy) = (most.max(1), processors.saturating_mul(PER_PROCESSOR));
        let (base, fetch) = (None, UNKNOWN_FETCH);
        Self { most, min_free, least_busy, places: most, hold: None, base, fetch, full_for: 0, busy_for: 0 }
    }

    /// Learns what a fetch takes: what the process uses more than at first belongs to what is in flight, as far as is known.
    /// What was more once is forgotten slowly, since pages come in waves.
    fn weigh(&mut self, signals: &Signals) {
        let base = *self.base.get_or_insert(signals.own);
        if signals.in_flight >= TELLING.max(self.places / 2) {
            let each = (signals.own.saturating_sub(base) / signals.in_flight as u64).min(LARGE_FETCH);
            self.fetch = each.max(self.fetch - self.fetch / 16).max(FETCH);
        }
    }

    /// Takes note of how things are.
    fn sense(&mut self, signals: Signals) {
        self.weigh(&signals);
        let percent = (signals.memory * 100.0) as u32;
        self.full_for = if signals.memory >= FULL { self.full_for.saturating_add(1) } else { 0 };
        self.busy_for = if signals.cpu >= BUSY { self.busy_for.saturating_add(1) } else { 0 };
        let patient = usize::from(self.full_for > PATIENCE);
        let was_full = matches!(self.hold, Some(Hold::Disk { .. }));
        let wanted = if was_full { self.min_free.saturating_mul(RECOVERED) } else { self.min_free };
        let step = self.most.div_ceil(16);
        let fitting =
            |room: u64| usize::try_from(room / self.fetch).unwrap_or(usize::MAX).saturating_add(signals.in_flight);
        let (places, hold) = if let Some(left) = signals.disk.filter(|left| *left < wanted) {
            (0, Some(Hold::Disk { left, wanted: self.min_free.saturating_mul(RECOVERED) }))
        } else if signals.memory >= FULL {
            (patient, Some(Hold::Memory { percent }))
        } else if signals.memory >= TIGHT {
            (self.places.min(signals.in_flight.max(1)) * 3 / 4, Some(Hold::Memory { percent }))
        } else if self.busy_for >= BUSY_FOR {
            // Down to where they have just enough to do; but no more than half at once, since those in flight may be few for
            // a moment.
            let used = self.places.min(signals.in_flight.max(self.places / 2));
            ((used - used / 16).max(self.least_busy).min(self.places), Some(Hold::Cpu))
        } else if signals.cpu >= EASED && self.places < self.most {
            (self.places, Some(Hold::Cpu))
        } else if signals.memory >= ROOMY && self.places < self.most {
            // No further than half of the way to where it is tight, so that it comes near to that and stays there.
            let more = (self.places + self.most.div_ceil(SLOWLY)).min(fitting(signals.room / 2));
            (self.places.max(more), Some(Hold::Memory { percent }))
        } else {
            (self.places + step, None)
        };
        let fitting = fitting(signals.room).max(patient);
        let (places, hold) = if fitting < places.min(self.most) && hold.is_none() {
            (fitting, Some(Hold::Memory { percent }))
        } else {
            (places.min(fitting), hold)
        };
        let least = usize::from(places > 0 || (signals.memory < FULL && !matches!(hold, Some(Hold::Disk { .. }))));
        self.places = places.clamp(least, self.most);
        self.hold = hold.filter(|_| self.places < self.most);
    }
}

/// The throttle of one process.
#[derive(Debug)]
pub(super) struct Throttle {
    places: AtomicUsize,
    hold: Mutex<Option<Hold>>,
}

impl Throttle {
    /// A throttle that lets nothing begin until the system was asked.
    pub(super) fn new() -> Self {
        Self { places: AtomicUsize::new(0), hold: Mutex::default() }
    }

    /// How many fetches may be in flight now; 0 while the process has to wait.
    pub(super) fn places(&self) -> usize {
        self.places.load(Ordering::Relaxed)
    }

    /// What holds the process back, if anything does.
    pub(super) fn hold(&self) -> Option<Hold> {
        *self.held()
    }

    fn held(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the gate says; answers whether there are more places than before.
    fn set(&self, gate: &Gate) -> bool {
        let mut hold = self.held();
        if hold.map(|hold| std::mem::discriminant(&hold)) != gate.hold.map(|hold| std::mem::discriminant(&hold)) {
            match gate.hold {
                Some(hold) => tracing::warn!(places = gate.places, "{hold}"),
                None => tracing::info!(places = gate.places, "nothing holds the process back any more"),
            }
        }
        *hold = gate.hold;
        self.places.swap(gate.places, Ordering::Relaxed) < gate.places
    }
}

/// Samples until everything is committed.
pub(super) async fn run<P: Pipeline>(shared: Arc<Shared<P>>) {
    let options = &shared.options;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut gate = Gate::new(options.max_in_flight, options.min_free_disk, processors);
    let mut sampler = Some(Sampler::new());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.committed.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut busy = sampler.take().unwrap_or_default();
        // Reading the system takes a moment, which is none of the runtime's.
        let sampled = tokio::task::spawn_blocking(move || {
            let resources = busy.sample();
            (busy, resources)
        });
        // What cannot be told holds nothing back.
        let sampled = tokio::select! {
            // Nor do threads that others hold.
            () = shared.committed.cancelled() => return,
            sampled = sampled => sampled,
        };
        let resources = sampled.map_or_else(
            |_| Resources::default(),
            |(back, resources)| {
                sampler = Some(back);
                resources
            },
        );
        let disk = tokio::select! {
            // A disk that does not answer holds up no end.
            () = shared.committed.cancelled() => return,
            disk = shared.pipeline.store().free_space() => disk,
        };
        let in_flight = shared.running.load(Ordering::Relaxed);
        let (memory, room) = memory_of(&resources, options.memory_limit);
        if memory >= FULL {
            shared.pipeline.fetcher().relieve();
        }
        gate.sense(Signals { memory, own: resources.memory, room, cpu: own_load(&resources), disk, in_flight });
        if shared.throttle.set(&gate) {
            shared.wake_dispatcher.notify_one();
        }
    }
}

/// How busy the processors are, where this process takes at least half of what they can do; else 0, since the work of others
/// becomes no less by fewer fetches here.
fn own_load(resources: &Resources) -> f64 {
    let own = resources.process_cpu / resources.processors.max(LEAST_QUOTA);
    // A container may have less than the processors that it sees busy.
    if own >= 0.5 { resources.cpu.max(own) } else { 0.0 }
}

/// The share of the memory that is in use, by this process of what it may have or by all of what there is, here and in whatever
/// this is within, and the bytes until it is tight.
fn memory_of(resources: &Resources, own_limit: Option<u64>) -> (f64, u64) {
    let by_all = (resources.memory.max(resources.memory_used), resources.memory_limit);
    let nearest = (resources.nearest_used, resources.nearest_limit);
    let addresses = (resources.address_space, resources.address_space_limit);
    let bounds = own_limit.map(|limit| (resources.memory, limit)).into_iter().chain([by_all, nearest, addresses]);
    // A limit of 0 is one that is not known.
    bounds.filter(|(_, limit)| *limit > 0).fold((0.0, u64::MAX), |(share, room), (used, limit)| {
        let left = ((limit as f64 * TIGHT) as u64).saturating_sub(used);
        (f64::max(share, used as f64 / limit as f64), room.min(left))
    })
}

#[cfg(test)]
mod tests;
