//! The gate in front of every request: how often and how many at a time a host is asked, and when it is left alone.
//!
//! The page and robots fetchers ask for a turn before each request and report how the host answered. Time is tokio's.

mod forget;
mod of_job;
mod places;
mod schedule;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::agreed::{AGAIN, AHEAD, Agreed, Held, Terms, is_late, with_slack};
use super::crowd::{Crowd, Place};
use crate::clock::{FAR, in_time};
use crate::fetch::{FetchError, FetchErrorClass, HOST_FULL, HostLimit};
use crate::job::JobId;
use crate::limiter::{Answer, Limiter};
use crate::turns::SharedTurns;
use of_job::{JobPlace, OF_JOB};
use schedule::{Begins, Schedule};

pub(crate) use of_job::JobLimit;
pub(crate) use schedule::{FIRST_BLOCK, Refusal};

/// How a host is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The least time between the starts of two requests; a longer crawl-delay of the host counts instead, up to a minute, and so
    /// does a longer [rate limit](crate::job::JobOptions::rate_limit) of a job for its own requests. Longer than the default, it is the least
    /// time between two calls of a search by one worker as well. Thirty years at most.
    pub interval: Duration,
    /// The most requests at a time, from 1; 0 counts as 1.
    pub concurrency: usize,
    /// Whether a host gets fewer at a time when it answers no more for more, or refuses ([`crate::limiter`]).
    pub adapts: bool,
    /// The longest that a task waits here for its turn, within its budget; beyond that it goes back to the queue.
    pub patience: Duration,
}

impl Default for Pace {
    /// 100 ms, 8 at a time, 20 s.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), concurrency: 8, adapts: true, patience: Duration::from_secs(20) }
    }
}

impl Pace {
    /// No limits: for servers that are one's own, such as the simulation.
    pub const fn unlimited() -> Self {
        Self {
            interval: Duration::ZERO,
            concurrency: Semaphore::MAX_PERMITS,
            adapts: false,
            patience: Duration::from_secs(20),
        }
    }
}

/// The gate for all hosts.
#[derive(Debug)]
pub(crate) struct Politeness {
    pace: Pace,
    hosts: Arc<Mutex<Hosts>>,
    /// Whom other processes ask as well.
    turns: Option<Arc<dyn SharedTurns>>,
    /// Keeps the places that are in use and gives back the others, for as long as this lives.
    keeper: JoinSet<()>,
}

/// The hosts that are remembered.
type Hosts = AHashMap<String, Arc<Host>>;

/// What one name stands for: a host, or the part of it that one job may have.
#[derive(Debug)]
struct Host {
    /// Whose part it is.
    job: Option<JobId>,
    /// The most pages at a time.
    ceiling: usize,
    pages: Arc<Crowd>,
    /// Calls of an API, which is no slower for the pages beside it.
    calls: Arc<Crowd>,
    schedule: Mutex<Schedule>,
    /// What other processes have agreed to.
    agreed: Arc<Agreed>,
    /// When it was last heard what the host has asked of others; one asks for all calls.
    heard: tokio::sync::Mutex<Option<Instant>>,
    /// Held by the request of a job that is the next to begin, where they are to be an interval apart.
    starting: Arc<tokio::sync::Mutex<()>>,
}

/// A turn at a host; the host's place is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    host: Arc<Host>,
    place: Place,
    begins: Begins,
    /// The place among those of all processes, where there are others.
    _held: Option<Held>,
    /// The place among those that the job allows itself.
    _of_job: Option<JobPlace>,
    /// Who is to know when the host refuses.
    others: Option<(Arc<dyn SharedTurns>, String)>,
}

/// A start that was promised, given back when it is not used.
struct Promise<'a> {
    host: &'a Host,
    start: Instant,
    interval: Duration,
    /// Whether it is by the process's own schedule.
    is_own: bool,
}

impl Promise<'_> {
    fn keep(mut self) {
        self.is_own = false;
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if self.is_own {
            self.host.schedule().give_back(self.start, self.interval);
        }
    }
}

impl Politeness {
    pub(crate) fn new(pace: Pace) -> Self {
        let pace = Pace { interval: pace.interval.min(FAR), concurrency: pace.concurrency.max(1), ..pace };
        Self { pace, hosts: Arc::default(), turns: None, keeper: JoinSet::new() }
    }

    /// The same gate for a process among others: starts and places are agreed with them, unless nothing is limited.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn shared(mut self, turns: Arc<dyn SharedTurns>) -> Self {
        if !self.pace.interval.is_zero() || self.pace.concurrency < Semaphore::MAX_PERMITS {
            self.keeper.spawn(places::keep(self.hosts.clone(), turns.clone()));
            self.turns = Some(turns);
        }
        self
    }

    /// How hosts are treated.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// How many tasks of a host that nothing is known of are worth holding: twice as many as it gets at a time, and no more
    /// than can begin before patience ends.
    pub(crate) fn per_host_at_first(&self) -> usize {
        let Pace { interval, concurrency, .. } = self.pace;
        concurrency.saturating_mul(2).min(self.begun_within_patience(interval)).max(1)
    }

    /// How many requests that are this interval apart can begin before patience ends, from 1.
    pub(crate) fn begun_within_patience(&self, interval: Duration) -> usize {
        let begun = self.pace.patience.as_nanos().checked_div(interval.as_nanos()).unwrap_or(u128::MAX);
        usize::try_from(begun).unwrap_or(usize::MAX).max(1)
    }

    /// Waits for a turn at `host`, first come first served. `delay` is what its robots.txt asks for; a job's limit and its
    /// interval count where they are lower and longer than those for all.
    ///
    /// Cancel-safe: a dropped wait gives up its place and the time that it had been promised, but for what was agreed with others.
    ///
    /// # Errors
    /// [`FetchErrorClass::Deferred`] when the turn is further away than patience or `deadline`, and
    /// [`FetchErrorClass::Transient`] when the host has not answered for so long that it is given up.
    pub(crate) async fn turn(
        &self,
        host: &str,
        limit: Option<JobLimit>,
        delay: Option<Duration>,
        deadline: Instant,
    ) -> Result<Turn, FetchError> {
        let latest = deadline.min(in_time(self.pace.patience));
        let state = self.host(host);
        if let Some((requests, silence)) = state.schedule().given_up() {
            return Err(down(requests, silence));
        }
        // Before the others, so that those who wait for their own job take no place from them.
        let limit = limit.filter(|limit| limit.most < self.pace.concurrency || limit.interval > self.pace.interval);
        let mut of_job = match limit {
            Some(limit) => Some((Box::pin(self.job_place(host, limit, latest)).await?, limit)),
            None => None,
        };
        let Some(mut place) = state.pages.enter(latest).await else { return Err(self.full(host, &state)) };
        let interval = self.pace.interval.max(delay.unwrap_or_default());
        loop {
            let (held, start, interval) =
                self.start(host, &state, interval, latest).await.map_err(|away| defer(host, away))?;
            let promise = Promise { host: &state, start, interval, is_own: held.is_none() };
            let mut due = start;
            if let Some((mut waiting, limit)) = of_job.take() {
                match waiting.may_begin(start, latest).await {
                    Ok(answered) => due = answered,
                    Err(left) => {
                        // The host is for others meanwhile.
                        drop((promise, held, place));
                        waiting = Box::pin(self.job_place_again(waiting, (left, limit), host, latest)).await?;
                        of_job = Some((waiting, limit));
                        place = state.pages.enter(latest).await.ok_or_else(|| self.full(host, &state))?;
                        continue;
                    }
                }
                of_job = Some((waiting, limit));
            }
            if held.is_none() {
                wait_until(start).await;
            } else if !state.comes(due, interval, start + AHEAD).await {
                continue;
            }
            // The host may have asked to be left alone since the start was promised.
            let begins = state.schedule().begin(Some(interval));
            if let Some(begins) = begins {
                promise.keep();
                place.begin();
                let of_job = of_job.map(|(mut of_job, _)| {
                    of_job.begin();
                    of_job
                });
                let others = self.others(host);
                return Ok(Turn { host: state, place, begins, _held: held, _of_job: of_job, others });
            }
        }
    }

    /// The next start at a host and the interval that it keeps, or how far away it is: by the process's own schedule, or as
    /// agreed with the others.
    async fn start(
        &self,
        host: &str,
        state: &Host,
        interval: Duration,
        latest: Instant,
    ) -> Result<(Option<Held>, Instant, Duration), Duration> {
        let (free, interval) = {
            let mut schedule = state.schedule();
            let interval = schedule.paced(interval);
            // Where it is agreed with others, only what the host itself asked for.
            let own = if self.turns.is_some() { Duration::ZERO } else { interval };
            (schedule.promise(own, latest)?, interval)
        };
        let Some(turns) = &self.turns else { return Ok((None, free, interval)) };
        let terms = Terms { host, interval: with_slack(interval), concurrency: self.pace.concurrency };
        // Before it is agreed with the others: all who wait for this would start together otherwise.
        if free > Instant::now() {
            tokio::time::sleep_until(free).await;
        }
        let (held, start) = Box::pin(state.agreed.start(&**turns, terms, latest)).await?;
        Ok((Some(held), start, interval))
    }

    /// Waits only while `host` wants to be left alone, by this process or another, or for the pace that its refusals have
    /// taught, or while it answers no more for being asked more: for an API whose pace somebody else keeps.
    ///
    /// # Errors
    /// [`FetchErrorClass::Deferred`] when that is longer than patience or `deadline`, and while nobody can say what it has
    /// asked of others.
    pub(crate) async fn unblocked(&self, host: &str, deadline: Instant) -> Result<Turn, FetchError> {
        let state = self.host(host);
        let latest = deadline.min(in_time(self.pace.patience));
        let Some(mut place) = state.calls.enter(latest).await else { return Err(self.full(host, &state)) };
        loop {
            self.hear(host, &state, latest).await?;
            let start = state.schedule().promise_call(latest).map_err(|away| defer(host, away))?;
            if start > Instant::now() {
                tokio::time::sleep_until(start).await;
            }
            let begins = state.schedule().begin(None);
            if let Some(begins) = begins {
                place.begin();
                let others = self.others(host);
                return Ok(Turn { host: state, place, begins, _held: None, _of_job: None, others });
            }
        }
    }

    /// Hears what a host has asked of other processes, about as soon as that holds up pages.
    async fn hear(&self, host: &str, state: &Host, latest: Instant) -> Result<(), FetchError> {
        let Some(turns) = &self.turns else { return Ok(()) };
        let hear = async {
            let mut heard = state.heard.lock().await;
            if heard.is_none_or(|at| at.elapsed() >= AHEAD) {
                let left = turns.left_alone(host.to_owned()).await?;
                state.schedule().leave_alone(left);
                *heard = Some(Instant::now());
            }
            Ok::<(), crate::error::Error>(())
        };
        match tokio::time::timeout_at(latest, hear).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, host, "nothing is asked before it is known what others were asked");
            }
            Err(_) => {}
        }
        Err(defer(host, AGAIN))
    }

    /// Who is to know when a host refuses.
    fn others(&self, host: &str) -> Option<(Arc<dyn SharedTurns>, String)> {
        self.turns.clone().map(|turns| (turns, host.to_owned()))
    }

    /// The answer to whoever found no place in time: those who hold one may wait for the host as well, which then is what is told.
    fn full(&self, host: &str, state: &Host) -> FetchError {
        let blocked = state.schedule().blocked().saturating_duration_since(Instant::now());
        if !blocked.is_zero() {
            return defer(host, blocked.max(self.pace.patience));
        }
        FetchError { code: HOST_FULL.into(), ..defer(host, self.pace.patience) }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let limiter = if self.pace.adapts { Limiter::new } else { Limiter::fixed };
        self.remembered(name, None, self.pace.concurrency, limiter)
    }

    /// What a name stands for; as new, with so many pages at a time, when it is not remembered.
    fn remembered(&self, name: &str, job: Option<JobId>, ceiling: usize, limiter: fn(usize) -> Limiter) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return host.clone();
        }
        forget::make_room(&mut hosts);
        let pages = Arc::new(Crowd::new(limiter(ceiling.min(Semaphore::MAX_PERMITS))));
        let calls = Arc::new(Crowd::new(limiter(Semaphore::MAX_PERMITS)));
        let schedule = Mutex::new(Schedule::new());
        let host = Arc::new(Host {
            job,
            ceiling,
            pages,
            calls,
            schedule,
            agreed: Arc::default(),
            heard: tokio::sync::Mutex::default(),
            starting: Arc::default(),
        });
        hosts.insert(name.to_owned(), host.clone());
        host
    }

    /// The hosts that hold work up now.
    pub(crate) fn limits(&self) -> Vec<HostLimit> {
        let hosts: Vec<_> = {
            let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            // Only these have anything under way.
            let busy = hosts.iter().filter(|(_, host)| Arc::strong_count(host) > 1);
            busy.map(|(name, host)| (name.clone(), host.clone())).collect()
        };
        let mut limits: Vec<_> = hosts.iter().flat_map(|(name, host)| host.limits(name)).collect();
        limits.sort_by(|a, b| b.waiting.cmp(&a.waiting).then_with(|| a.host.cmp(&b.host)));
        limits
    }
}

fn down(requests: u32, silence: Duration) -> FetchError {
    let minutes = silence.as_secs() / 60;
    let message =
        format!("the host is given up: {requests} requests in a row were not answered, for {minutes} minutes");
    FetchError::new(FetchErrorClass::Transient, "host-down", message)
}

fn defer(host: &str, after: Duration) -> FetchError {
    // Spread over half as long again, so that those who wait do not all come back at once.
    let after = after.max(Duration::from_millis(100)).mul_f64(1.0 + 0.5 * rand::random::<f64>());
    FetchError::new(FetchErrorClass::Deferred, "turn", format!("{host} is asked no faster than it allows"))
        .retry_after(after)
}

async fn wait_until(due: Instant) {
    // A timer takes a millisecond even for what is due.
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
}

impl Host {
    /// Waits until a request is due whose start is agreed on with other processes, and no other of this process has just begun.
    /// Answers whether it comes in time, and no later than at `latest`: a process that did not get to run asks for another start.
    async fn comes(&self, due: Instant, interval: Duration, latest: Instant) -> bool {
        wait_until(due).await;
        if interval.is_zero() {
            return true;
        }
        let next = self.schedule().next_here(due, interval, latest);
        let Some(next) = next else { return false };
        wait_until(next).await;
        !is_late(next)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits of this host that hold anything up.
    fn limits(&self, name: &str) -> Vec<HostLimit> {
        let (blocked, interval) = {
            let schedule = self.schedule();
            (schedule.blocked().saturating_duration_since(Instant::now()), schedule.interval())
        };
        let ceilings =
            [(&self.pages, self.ceiling, interval, false), (&self.calls, Semaphore::MAX_PERMITS, Duration::ZERO, true)];
        let crowds = ceilings.map(|(crowd, ceiling, interval, calls)| (crowd.standing(), ceiling, interval, calls));
        crowds
            .into_iter()
            .filter(|(now, ceiling, ..)| {
                now.under_way + now.waiting > 0 && (now.limit < *ceiling || now.waiting > 0 || !blocked.is_zero())
            })
            .map(|(now, _, interval, calls)| HostLimit {
                calls,
                host: name.split(OF_JOB).next().unwrap_or_default().to_owned(),
                job: self.job,
                limit: now.limit,
                under_way: now.under_way,
                waiting: now.waiting,
                blocked,
                interval,
                reason: now.reason,
            })
            .collect()
    }
}

impl Turn {
    /// The host answered as it should.
    pub(crate) fn welcome(&self) {
        self.place.note(Answer::Served);
        self.host.schedule().served(!self.place.is_passed_over());
    }

    /// The host said something, whatever that is worth. It may be what stands before a server that is away: so it is only no longer
    /// waited for.
    pub(crate) fn answered(&self) {
        if self.begins == Begins::Probe {
            self.host.schedule().probe_ends();
        }
    }

    /// The host is there, but it and this client have no words for each other.
    pub(crate) fn is_there(&self) {
        self.host.schedule().hear();
    }

    /// The host led to another one, which is an answer. How fast it does that tells nothing of how it answers pages, where it has any.
    pub(crate) fn led_elsewhere(&self) {
        if !self.host.schedule().led_elsewhere() {
            self.place.pass_over();
        }
        self.place.note(Answer::Served);
    }

    /// How the host answers this request is not to count for how many it gets at a time.
    pub(crate) fn passes_over(&self) {
        self.place.pass_over();
    }

    /// The request was not answered, or by a server that waited in vain for another: a sign that fewer at a time might be, if
    /// it was `sent` at all. Answers how long the host is left alone, where that is no fault of the page with this hash.
    ///
    /// Of a host that is away, neither what cannot be sent nor what tries whether it is back tells how many it bears.
    pub(crate) fn unanswered(&self, sent: bool, page: u64) -> Option<Duration> {
        let mut schedule = self.host.schedule();
        if self.begins == Begins::Probe || (!sent && schedule.is_silent()) {
            self.place.pass_over();
        }
        self.place.note(Answer::Broken);
        schedule.unanswered(sent, page)
    }

    /// The host asked to be left alone (429 or 503), for a time or without saying how long, when it was asked for a page
    /// with this hash, or for something whose refusal says nothing of its pace.
    pub(crate) fn refused(&self, asked: Option<Duration>, page: Option<u64>) -> Refusal {
        self.place.note(Answer::Refused);
        let refusal = self.host.schedule().refused(asked, page);
        if let Some((turns, host)) = self.others.clone() {
            // Nobody waits for it: this process leaves the host alone in any case.
            tokio::spawn(async move {
                if let Err(error) = turns.leave_alone(host, refusal.wait).await {
                    tracing::warn!(%error, "other processes were not told that a host refuses");
                }
            });
        }
        refusal
    }
}

#[cfg(test)]
mod tests;
