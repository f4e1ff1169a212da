//! The dispatcher: claims tasks for the jobs at work and hands them to the worker pool.
//!
//! It claims a little more than can run (the *prefetch*, more where tasks end quickly), so that a worker that ends a task
//! finds the next one here and not behind a round trip to the queue. It never claims more than that: everything else
//! stays in the queue. While it claims it goes on handing over, since a claim may stand behind a commit.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::committer::Finished;
use super::job_run::JobRun;
use super::leases::Kind;
use super::pool::Pool;
use super::prefetch::Pace;
use super::share::{HostShare, RecentHosts};
use super::shared::Shared;
use super::worker;
use crate::error::{Error, ErrorKind};
use crate::job::JobId;
use crate::lease::{Claimed, Settle, Verdict};
use crate::pipeline::Pipeline;
use crate::queue::{ClaimRequest, Queue, Share};
use crate::task::Work;

mod claiming;

/// A claimed task on its way to a worker.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) claimed: Claimed,
    pub(super) run: Arc<JobRun>,
    /// Cancelled when the lease is lost, or when the job or all work stops.
    pub(super) cancel: CancellationToken,
    /// The job's lane that it was handed over on.
    pub(super) lane: u32,
}

/// Runs until the engine drains, then until the workers are done. Ends the outcomes' channel by dropping its senders.
pub(super) async fn run<P: Pipeline>(shared: Arc<Shared<P>>, outcomes: mpsc::Sender<Finished>) {
    let mut dispatcher = Dispatcher {
        shared,
        ready: BTreeMap::new(),
        pool: Pool::default(),
        outcomes,
        lately: HashMap::new(),
        handed: 0,
        last_slow: JobId(0),
        woken: false,
    };
    dispatcher.dispatch().await;
    dispatcher.finish().await;
}

struct Dispatcher<P: Pipeline> {
    shared: Arc<Shared<P>>,
    /// Claimed and waiting for a place, by job.
    ready: BTreeMap<JobId, VecDeque<Assigned>>,
    pool: Pool,
    outcomes: mpsc::Sender<Finished>,
    lately: HashMap<JobId, Lately>,
    /// How many tasks were handed over.
    handed: u64,
    /// Which of the jobs with a bound of their own was the last that was claimed for.
    last_slow: JobId,
    /// Whether it was woken during a claim, so that there may be more to do than the claim knew of.
    woken: bool,
}

/// What is known of a job from its claims of late.
#[derive(Debug, Default)]
struct Lately {
    hosts: RecentHosts,
    pace: Pace,
    /// Which of all tasks was the last of it that was handed over, from 1.
    handed: u64,
}

impl<P: Pipeline> Dispatcher<P> {
    async fn dispatch(&mut self) {
        while !self.shared.drain.is_cancelled() {
            self.woken = false;
            self.grow_pool();
            self.give_back_stopped().await;
            self.hand_over();
            let shares = self.shares();
            let claimed = if shares.is_empty() { 0 } else { self.claim_in_parts(shares).await };
            if claimed > 0 || self.woken {
                continue;
            }
            let shared = &self.shared;
            tokio::select! {
                () = shared.drain.cancelled() => {}
                () = shared.wake_dispatcher.notified() => {}
                () = shared.pipeline.queue().ready() => {}
                () = tokio::time::sleep(shared.options.poll_every) => {}
            }
        }
    }

    /// Gives back what waits, and waits for the workers.
    async fn finish(mut self) {
        for assigned in std::mem::take(&mut self.ready).into_values().flatten() {
            self.give_back(&assigned).await;
        }
        self.pool.finish().await;
    }

    /// One worker for each that the jobs' plans ask for; they stay for the jobs to come.
    fn grow_pool(&mut self) {
        let runs = self.shared.runs();
        let planned: usize = runs.iter().map(|run| run.plan.workers as usize).sum();
        let wanted = planned.min(self.shared.options.limits.max_workers as usize);
        let (shared, outcomes) = (&self.shared, &self.outcomes);
        self.pool.grow(wanted, shared.options.max_in_flight, |tasks| {
            worker::Worker::new(shared.clone(), shared.workers.add(), outcomes.clone()).run(tasks)
        });
        self.pool.assign(&runs);
    }

    async fn give_back_stopped(&mut self) {
        let stopped: Vec<JobId> = self
            .ready
            .keys()
            .copied()
            .filter(|job| self.shared.run(*job).is_none_or(|run| run.is_stopping()))
            .collect();
        for job in stopped {
            for assigned in self.ready.remove(&job).into_iter().flatten() {
                self.give_back(&assigned).await;
            }
        }
    }

    async fn give_back(&self, assigned: &Assigned) {
        assigned.run.ready.fetch_sub(1, Ordering::Relaxed);
        // The committer outlives the dispatcher, so the channel is open.
        let _ = self.outcomes.send(Finished::released(assigned)).await;
    }

    /// Moves tasks to the workers while there are places: always for the job that has least for its weight, of several the one
    /// that was handed something the longest ago, since where places are few all of them may have none.
    fn hand_over(&mut self) {
        loop {
            if self.shared.running.load(Ordering::Relaxed) >= self.shared.throttle.places() {
                return;
            }
            let next = self.ready.iter().filter_map(|(job, waiting)| {
                let run = &waiting.front()?.run;
                let running = run.running.load(Ordering::Relaxed);
                let share = running as u64 * 1_000 / u64::from(run.job.spec.options.weight);
                let handed = self.lately.get(job).map_or(0, |lately| lately.handed);
                (running < run.limit).then_some((share, handed, *job))
            });
            let Some((.., job)) = next.min() else { return };
            let Some(mut assigned) = self.ready.get_mut(&job).and_then(VecDeque::pop_front) else { return };
            self.handed += 1;
            let lately = self.lately.entry(job).or_default();
            lately.handed = self.handed;
            lately.pace.take();
            assigned.run.ready.fetch_sub(1, Ordering::Relaxed);
            assigned.lane = assigned.run.begin(&assigned.claimed.task.work);
            self.shared.running.fetch_add(1, Ordering::Relaxed);
            if !self.pool.send(assigned) {
                let message = "the worker pool does not take a task that has a place: this is a defect";
                self.shared.fail(Error::new(ErrorKind::Internal, "engine", message));
                return;
            }
        }
    }

    /// Waits for a claim, and hands over what is here already as soon as places become free.
    async fn hand_over_during<T>(&mut self, claiming: impl Future<Output = T>) -> T {
        let shared = self.shared.clone();
        let mut claiming = pin!(claiming);
        loop {
            tokio::select! {
                biased;
                claimed = &mut claiming => return claimed,
                () = shared.wake_dispatcher.notified() => {
                    self.woken = true;
                    self.hand_over();
                }
            }
        }
    }

    /// What to claim for each job: its fair share of the places and the prefetch, less what it holds. Nothing until
    /// half of the prefetch is used up, so that claims come in batches.
    fn shares(&mut self) -> Vec<Share> {
        // Nothing is claimed for a process that may begin nothing.
        if self.shared.throttle.places() == 0 {
            return Vec::new();
        }
        let mut shares = Vec::new();
        for (run, places) in self.shared.shares_now() {
            let holds = run.holds();
            // With the first task that is found for it a job gets its share back.
            let asks = run.dry.load(Ordering::Relaxed) && places <= holds && holds < run.limit;
            let prefetch = self.prefetch(run.id(), places);
            let missing = (places + prefetch).saturating_sub(holds);
            if places > 0 && missing > prefetch / 2 {
                shares.push(Share { job: run.id(), limit: missing });
            } else if asks {
                shares.push(Share { job: run.id(), limit: 1 });
            }
        }
        shares
    }

    /// How many tasks of a job are to wait for a place, where it has so many places.
    fn prefetch(&mut self, job: JobId, places: usize) -> usize {
        self.lately.entry(job).or_default().pace.prefetch(places, Instant::now())
    }

    /// Claims for these shares, so many tasks of a host and so many calls, and none of the hosts named; answers how many
    /// came.
    async fn claim(&mut self, shares: Vec<Share>, (per_host, calls): (usize, usize), busy_hosts: Vec<String>) -> usize {
        let suspects = usize::from(self.shared.leases.suspects() == 0);
        let shared = self.shared.clone();
        let options = &shared.options;
        let request = ClaimRequest {
            node: options.node.clone(),
            shares,
            per_host,
            calls,
            busy_hosts,
            suspects,
            lease_for: options.lease_for,
        };
        let before = Instant::now();
        let span = tracing::info_span!("claim", jobs = request.shares.len(), tasks = tracing::field::Empty);
        let claiming = shared.ask(shared.pipeline.queue().claim(&request)).instrument(span.clone());
        let answer = self.hand_over_during(claiming).await;
        self.shared.counters.claims.observe(before.elapsed());
        span.record("tasks", answer.as_ref().map_or(0, Vec::len));
        drop(span);
        let claimed = match answer {
            Ok(claimed) => claimed,
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "a claim failed and is repeated");
                return 0;
            }
            Err(error) => {
                self.shared.fail(error);
                return 0;
            }
        };
        let trusted_until = before + options.lease_for.saturating_sub(options.lease_margin);
        let count = claimed.len();
        self.note_dry(&request, &claimed);
        let mut orphans = Vec::new();
        for claimed in claimed {
            match self.shared.run(claimed.lease.job) {
                Some(run) => self.keep(claimed, run, trusted_until),
                None => {
                    orphans.push(Settle::new(claimed.lease, Verdict::Release { after: Duration::ZERO }));
                }
            }
        }
        if !orphans.is_empty()
            && let Err(error) = self.shared.ask(self.shared.pipeline.queue().settle(&orphans)).await
        {
            tracing::warn!(%error, tasks = orphans.len(), "tasks of a closed job return with their lease");
        }
        count
    }

    /// How much of one host is taken, beside others and alone: what the job that has most places for each of its hosts
    /// may take.
    fn host_shares(&mut self) -> (HostShare, HostShare) {
        let (now, most) = (Instant::now(), self.shared.options.per_host);
        let shares = self.shared.shares();
        self.lately.retain(|job, _| shares.iter().any(|(run, _)| run.id() == *job));
        let only_job = shares.len() == 1;
        let (mut fair, mut alone) = (HostShare::new(0, 0, most), HostShare::alone(0, most));
        for (run, places) in shares {
            let hosts = self.lately.get_mut(&run.id()).map_or(0, |lately| lately.hosts.count(now));
            let share = HostShare::new(places, hosts, most);
            let undivided = only_job && hosts == 1;
            fair = fair.max(if undivided {
                share.undivided(places, self.prefetch(run.id(), places), most)
            } else {
                share
            });
            alone = alone.max(HostShare::alone(places, most));
        }
        (fair, alone)
    }

    /// Notes which jobs got nothing; a job that also holds nothing may be finished.
    fn note_dry(&self, request: &ClaimRequest, claimed: &[Claimed]) {
        for share in &request.shares {
            let Some(run) = self.shared.run(share.job) else { continue };
            let dry = !claimed.iter().any(|claimed| claimed.lease.job == share.job);
            run.dry.store(dry, Ordering::Relaxed);
            if dry && self.shared.leases.held(share.job) == 0 {
                self.shared.wake_supervisor.notify_one();
            }
        }
    }

    fn keep(&mut self, claimed: Claimed, run: Arc<JobRun>, trusted_until: Instant) {
        let suspect = claimed.task.crashes >= self.shared.options.queue_limits.suspect_after;
        let host = claimed.task.work.host();
        // Calls and the pages that they lead to take turns, so that neither is kept from the places of the other.
        if !matches!(claimed.task.work, Work::Search { .. }) {
            self.lately.entry(run.id()).or_default().hosts.note(&host, Instant::now());
        }
        let counted = self.is_counted(&run, &host);
        let cancel = self.shared.leases.add(claimed.lease, &host, Kind { suspect, counted }, trusted_until);
        run.ready.fetch_add(1, Ordering::Relaxed);
        self.ready.entry(run.id()).or_default().push_back(Assigned { claimed, run, cancel, lane: 0 });
    }
}
