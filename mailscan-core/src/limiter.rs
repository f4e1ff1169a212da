//! How many requests at a time suit a server best: a limit that follows what the server does. Pure.
//!
//! Whoever asks a server reports each answer; [`Limiter::limit`] says how many requests may be under way. The limit is
//! found by hill climbing on the measured throughput (Hellerstein and others, "Applying control theory in the real world:
//! experience with building a controller for the .NET thread pool", 2009): it is moved, and the move stands if the answers
//! a second bear it out. Latency only says when a move down is worth a try, since it cannot tell a distant server from a
//! busy one. Refusals halve the limit at once (AIMD: Chiu and Jain, 1989). Requests that are broken off do so only where
//! they are many: a site that loses one in a hundred loses it however few it is asked. What fails while nothing else is
//! under way was not too much at a time.

use std::time::Duration;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With an answer that says nothing about the server's load.
    Served,
    /// By a refusal that says it was too much: 429, 503.
    Refused,
    /// Without an answer: a time-out, a broken connection, a gateway that waited in vain (502, 504).
    Broken,
}

/// Why the limit is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing speaks against the most.
    Ceiling,
    /// A move is being tried.
    Probing,
    /// More at a time brought no more answers.
    Best,
    /// The server refused requests or broke them off.
    Overload,
    /// It did so lately when it was asked for more at a time.
    Borne,
}

impl Reason {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ceiling => "the most it may be",
            Self::Probing => "trying whether it answers as much or more",
            Self::Best => "more at a time brought no more answers",
            Self::Overload => "it refused requests or broke them off",
            Self::Borne => "it refused or broke off more than this lately",
        }
    }
}

/// An epoch counts this many answers for each request that may be under way, and at least [`FEWEST`].
const ROUNDS: usize = 2;
/// The fewest answers that a throughput is believed from.
const FEWEST: usize = 24;
/// No epoch is shorter: answers come in bursts.
const SHORTEST: Duration = Duration::from_secs(1);
/// Answers take this many times as long as the quickest, in two epochs on end: perhaps the server is busy. In one alone it
/// may be a moment in which this machine or the server did nothing, and that is over.
const STRETCHED: f64 = 1.3;
/// Fewer are not tried: so few are no burden to a server, and one page that does not end would keep all others waiting. Only what a
/// server refuses, or breaks off, brings the limit below.
const LEAST_TRIED: usize = 4;
/// How much throughput a move down may cost.
const TOLERATED: f64 = 0.98;
/// How much of what a move up could bring it must bring.
const WORTHWHILE: f64 = 0.4;
/// A throughput that falls below this share of what was measured before is a reason to look again.
const FALLEN: f64 = 0.8;
/// The most epochs between two tries.
const LONGEST_REST: u32 = 32;
/// How far a careful and a bold move up go.
const CAREFUL: f64 = 1.05;
const BOLD: f64 = 1.15;
/// From which share of the latest requests those that were broken off count as a refusal, and how many requests the
/// latest are: at this number all counts are halved.
const MANY_BROKEN: f64 = 1.0 / 16.0;
const LATEST: u32 = 128;
/// What was too much once is not tried again for so many epochs.
const MEMORY: u32 = 256;

/// A limit that adapts.
#[derive(Clone, Debug)]
pub struct Limiter {
    ceiling: usize,
    adapts: bool,
    limit: usize,
    reason: Reason,
    epoch: Epoch,
    /// The shortest latency of any answer.
    quickest: Duration,
    /// Whether answers took long in the last epoch.
    was_stretched: bool,
    phase: Phase,
    /// Epochs to rest after the next try in vain.
    rest: u32,
    /// Whether the last try went up, so that the next goes down.
    went_up: bool,
    /// How far the next move up goes.
    step: f64,
    /// What the server was last seen to bear, and for how many epochs more that is remembered.
    bearable: usize,
    memory: u32,
    latest: Latest,
}

/// The requests that began and ended since the limit was last halved, the older the less they count.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    ended: u32,
    broken: u32,
}

/// Answers since the limit was last moved or measured.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    began: Duration,
    /// Answers to what had begun under an earlier limit, which do not count.
    stale: usize,
    answers: usize,
    latency: Duration,
    /// Answers when fewer requests were under way than might have been.
    slack: usize,
    /// The most requests that were under way when one of those ended which count.
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing is known yet.
    New,
    /// The limit stands; so many epochs are left until the next try. The throughput is a running mean.
    Resting { throughput: f64, epochs: u32 },
    /// A limit below or above `from`, which brought `throughput`, is tried.
    Probing { from: usize, back: usize, throughput: f64 },
}

impl Limiter {
    /// A limiter that begins at `ceiling`, which it never passes. A ceiling of 0 counts as 1.
    pub fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        Self {
            ceiling,
            adapts: true,
            limit: ceiling,
            reason: Reason::Ceiling,
            epoch: Epoch::new(Duration::ZERO, 0),
            quickest: Duration::MAX,
            was_stretched: false,
            phase: Phase::New,
            rest: 1,
            went_up: true,
            step: BOLD,
            bearable: ceiling,
            memory: 0,
            latest: Latest::default(),
        }
    }

    /// The most that may be tried now.
    fn most(&self) -> usize {
        if self.memory > 0 { self.bearable } else { self.ceiling }
    }

    /// A limiter that stays at `limit`, whatever comes.
    pub fn fixed(limit: usize) -> Self {
        Self { adapts: false, ..Self::new(limit) }
    }

    /// How many requests may be under way now, from 1.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Takes note of a request that ended at `now` (any clock that does not go back) after `latency`, when
    /// `under_way` requests were, itself included. Answers whether the limit moved.
    pub fn ended(&mut self, now: Duration, latency: Duration, answer: Answer, under_way: usize) -> bool {
        if !self.adapts {
            return false;
        }
        let current = self.epoch.stale == 0;
        if current {
            self.latest.count(answer);
            self.epoch.peak = self.epoch.peak.max(under_way);
        }
        match answer {
            Answer::Served => {}
            Answer::Refused => return self.overloaded(now, under_way),
            Answer::Broken if current && self.latest.breaks() => return self.overloaded(now, under_way),
            Answer::Broken => {
                self.epoch.stale = self.epoch.stale.saturating_sub(1);
                return false;
            }
        }
        self.quickest = self.quickest.min(latency);
        if !self.epoch.count(now, latency, under_way < self.limit) {
            return false;
        }
        let elapsed = now.saturating_sub(self.epoch.began);
        let enough = self.epoch.answers >= FEWEST.max(ROUNDS.saturating_mul(self.limit.min(under_way)));
        if !enough || elapsed < SHORTEST {
            return false;
        }
        let throughput = self.epoch.answers as f64 / elapsed.as_secs_f64();
        let stretched =
            self.epoch.latency.as_secs_f64() > STRETCHED * self.quickest.as_secs_f64() * self.epoch.answers as f64;
        let before = self.limit;
        // Where demand leaves places free, the demand is what is measured.
        let used = if self.epoch.slack * 4 > self.epoch.answers { under_way.min(self.limit) } else { self.limit };
        self.decide(throughput, stretched, used);
        self.was_stretched = stretched;
        let moved = self.limit != before;
        self.epoch = Epoch::new(now, if moved { under_way.min(before) } else { 0 });
        moved
    }

    /// Halves the limit, once for all requests that were under way together.
    fn overloaded(&mut self, now: Duration, under_way: usize) -> bool {
        if self.reason == Reason::Overload && self.epoch.stale > 0 {
            self.epoch.stale -= 1;
            return false;
        }
        // Requests that fail together end one by one, and few are left when enough have to be believed.
        let (before, used) = (self.limit, self.limit.min(self.epoch.peak.max(under_way)));
        if used <= 1 {
            self.latest = Latest::default();
            self.epoch.stale = self.epoch.stale.saturating_sub(1);
            return false;
        }
        self.limit = used / 2;
        (self.bearable, self.memory) = (used * 7 / 8, MEMORY);
        self.reason = Reason::Overload;
        self.rest = (self.rest * 2).min(LONGEST_REST);
        self.phase = Phase::Resting { throughput: 0.0, epochs: self.rest };
        self.went_up = false;
        self.latest = Latest::default();
        self.epoch = Epoch::new(now, under_way.saturating_sub(1));
        self.limit != before
    }

    /// Moves the limit by what an epoch showed in which `used` requests were under way.
    fn decide(&mut self, throughput: f64, stretched: bool, used: usize) {
        self.memory = self.memory.saturating_sub(1);
        match self.phase {
            Phase::New if stretched => self.try_lower(used, throughput, 0.7),
            Phase::New => self.settle(throughput, 1),
            Phase::Probing { from, back, throughput: before } if self.limit < from => {
                if throughput < before * TOLERATED {
                    self.limit = back;
                    self.turn();
                    self.back_off(before);
                } else if throughput > before * (2.0 - TOLERATED) {
                    // It answers more than before: much too many were under way.
                    self.try_lower(self.limit, throughput, 0.7);
                } else if stretched {
                    self.try_lower(self.limit, before.max(throughput), 1.0 / self.step);
                } else {
                    self.settle(before.max(throughput), 1);
                }
            }
            Phase::Probing { from, throughput: before, .. } => {
                let possible = self.limit as f64 / from as f64 - 1.0;
                let gained = throughput / before - 1.0;
                if gained < possible * WORTHWHILE {
                    self.limit = from;
                    self.turn();
                    self.back_off(before);
                } else {
                    self.rest = 1;
                    let step = if self.step > CAREFUL && gained > possible * 0.8 { 1.5 } else { self.step };
                    self.try_higher(throughput, step);
                }
            }
            Phase::Resting { throughput: before, epochs } => {
                let fallen = throughput < before * FALLEN && stretched;
                if fallen && !self.was_stretched {
                    // The next epoch tells.
                } else if epochs > 1 && !fallen {
                    let mean = if before > 0.0 { 0.7 * before + 0.3 * throughput } else { throughput };
                    self.phase = Phase::Resting { throughput: mean, epochs: epochs - 1 };
                } else if stretched && self.was_stretched && used > LEAST_TRIED && (fallen || self.went_up) {
                    self.went_up = false;
                    self.try_lower(used, throughput, if fallen { 0.7 } else { 1.0 / self.step });
                } else if self.limit < self.most() && used == self.limit {
                    self.went_up = true;
                    self.try_higher(throughput, self.step);
                } else {
                    self.went_up = true;
                    self.settle(throughput, self.rest);
                }
            }
        }
    }

    fn try_lower(&mut self, from: usize, throughput: f64, factor: f64) {
        let lower = ((from as f64 * factor) as usize).max(LEAST_TRIED);
        if lower >= from {
            return self.settle(throughput, self.rest);
        }
        self.phase = Phase::Probing { from, back: self.limit, throughput };
        self.limit = lower;
        self.reason = Reason::Probing;
    }

    fn try_higher(&mut self, throughput: f64, factor: f64) {
        let from = self.limit;
        self.limit = ((from as f64 * factor) as usize).max(from + 1).min(self.most()).max(from);
        if self.limit == from {
            return self.settle(throughput, 1);
        }
        self.reason = Reason::Probing;
        self.phase = Phase::Probing { from, back: from, throughput };
    }

    /// After a bold try a careful one, and the other way around.
    fn turn(&mut self) {
        self.step = if self.step > CAREFUL { CAREFUL } else { BOLD };
    }

    /// A try was in vain: the next waits twice as long.
    fn back_off(&mut self, throughput: f64) {
        self.settle(throughput, self.rest);
        self.rest = (self.rest * 2).min(LONGEST_REST);
    }

    fn settle(&mut self, throughput: f64, epochs: u32) {
        self.reason = match self.reason {
            _ if self.limit >= self.ceiling => Reason::Ceiling,
            _ if self.limit >= self.most() => Reason::Borne,
            // No more was tried since.
            Reason::Overload | Reason::Borne if self.memory > 0 => Reason::Borne,
            _ => Reason::Best,
        };
        self.phase = Phase::Resting { throughput, epochs: epochs.max(1) };
    }
}

impl Latest {
    fn count(&mut self, answer: Answer) {
        if self.ended >= LATEST {
            (self.ended, self.broken) = (self.ended / 2, self.broken / 2);
        }
        self.ended += 1;
        self.broken += u32::from(answer == Answer::Broken);
    }

    /// Whether many were broken off; one alone is not many.
    fn breaks(&self) -> bool {
        self.broken > 1 && f64::from(self.broken) >= MANY_BROKEN * f64::from(self.ended)
    }
}

impl Epoch {
    fn new(began: Duration, stale: usize) -> Self {
        Self { began, stale, answers: 0, latency: Duration::ZERO, slack: 0, peak: 0 }
    }

    /// Counts an answer, unless it belongs to an earlier limit; the epoch begins with the last of those.
    fn count(&mut self, now: Duration, latency: Duration, slack: bool) -> bool {
        if self.stale > 0 {
            self.stale -= 1;
            self.began = now;
            return false;
        }
        self.answers += 1;
        self.latency += latency;
        self.slack += usize::from(slack);
        true
    }
}

#[cfg(test)]
mod tests;
