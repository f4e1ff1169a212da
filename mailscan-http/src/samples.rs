//! What is measured beside the requests: memory and load of this process, and how fast the running jobs collect.
//!
//! Two tasks refresh it, so that a request never waits for a measurement however many there are.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailscan_core::clock::{Clock, Timestamp};
use mailscan_core::eta::{Eta, RateWindow};
use mailscan_core::job::{JobId, JobState, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::resources::{Resources, Sampler};
use mailscan_core::store::{JobQuery, Store};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often both are measured.
const EVERY: Duration = Duration::from_secs(2);
/// The past that a job's current rate rests on.
const RATE_WINDOW: Duration = Duration::from_secs(30);
/// The store learns every few seconds how long a job has been at work, and after each commit how much it has: for so long
/// at most a running job is taken to have worked on since it last said so.
const REPORTS: Duration = Duration::from_secs(10);
/// The most running jobs whose rates are kept; the others are estimated from all their time at work.
const MAX_JOBS: usize = 1_024;

/// The past that is kept of memory and load, and of the rate of a job: ten minutes.
const HISTORY: usize = 300;
/// The same as time.
const PAST: Duration = Duration::from_secs(600);

/// The newest measurements.
#[derive(Debug)]
pub(crate) struct Samples {
    resources: Mutex<Resources>,
    /// What was measured when, the oldest first.
    history: Mutex<VecDeque<(Timestamp, Resources)>>,
    rates: Mutex<HashMap<JobId, Recent>>,
    clock: Clock,
}

/// The recent past of a job.
#[derive(Debug)]
struct Recent {
    window: RateWindow,
    /// The time at work that the store knew of at the last look, and since when.
    active: Duration,
    since: Timestamp,
    /// The time at work at the last look.
    elapsed: Duration,
    /// Its rate at each look while it ran, the oldest first.
    history: VecDeque<Rate>,
    /// Whether the time before is known as well, as far as it can be.
    whole: bool,
}

/// How fast a job collected at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) at: Timestamp,
    pub(crate) emails_per_minute: f64,
}

impl Recent {
    /// Of a job that is seen for the first time, or again.
    fn new(since: Timestamp) -> Self {
        let (window, history) = (RateWindow::new(RATE_WINDOW), VecDeque::new());
        Self { window, active: Duration::MAX, since, elapsed: Duration::ZERO, history, whole: false }
    }

    /// How long a running job has been at work by now.
    fn elapsed(&self, job: &JobState, now: Timestamp) -> Duration {
        let since = if job.active == self.active { now.since(self.since) } else { Duration::ZERO };
        (job.active + since.min(REPORTS)).max(self.elapsed)
    }

    /// Notes how far it is.
    fn note(&mut self, at: Timestamp, job: &JobState) {
        if self.active != job.active {
            // Before its first report it has been at work since it started.
            let start = job.started_at.filter(|_| self.active == Duration::MAX && job.active.is_zero());
            (self.active, self.since) = (job.active, start.unwrap_or(at));
        }
        self.elapsed = self.elapsed(job, at);
        self.window.push(self.elapsed, job.collected);
        let Eta { emails_per_minute, .. } = Eta::new(job.collected, job.target, self.elapsed, &self.window);
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Rate { at, emails_per_minute });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Samples {
    /// The measurements so far, which the first requests find.
    pub(crate) fn new(resources: Resources) -> Self {
        Self {
            resources: Mutex::new(resources),
            history: Mutex::default(),
            rates: Mutex::default(),
            clock: Clock::start(),
        }
    }

    pub(crate) fn resources(&self) -> Resources {
        *lock(&self.resources)
    }

    /// What was measured in the last ten minutes.
    pub(crate) fn history(&self) -> Vec<(Timestamp, Resources)> {
        lock(&self.history).iter().copied().collect()
    }

    fn measured(&self, at: Timestamp, resources: Resources) {
        *lock(&self.resources) = resources;
        let mut history = lock(&self.history);
        if history.len() >= HISTORY {
            history.pop_front();
        }
        history.push_back((at, resources));
    }

    /// When a job will be done, from what the store knows of it and from its recent past.
    pub(crate) fn eta(&self, job: &JobState) -> Eta {
        self.eta_at(job, self.clock.now())
    }

    fn eta_at(&self, job: &JobState, now: Timestamp) -> Eta {
        let eta = |recent: &Recent, elapsed| Eta::new(job.collected, job.target, elapsed, &recent.window);
        self.look(job, now, eta).in_state(job.status)
    }

    /// How a job stands, with the time at work that its ETA goes by: the store learns of it every few seconds only.
    pub(crate) fn by_now(&self, job: &JobState) -> JobState {
        self.by(job, self.clock.now())
    }

    fn by(&self, job: &JobState, now: Timestamp) -> JobState {
        JobState { active: self.look(job, now, |_, elapsed| elapsed), ..job.clone() }
    }

    /// Reads the recent past of a job, and how long it has been at work by now.
    fn look<T>(&self, job: &JobState, now: Timestamp, read: impl FnOnce(&Recent, Duration) -> T) -> T {
        let rates = lock(&self.rates);
        let new = Recent { active: Duration::ZERO, ..Recent::new(job.started_at.unwrap_or(now)) };
        let runs = job.status == JobStatus::Running;
        let recent = rates.get(&job.id).filter(|_| runs).unwrap_or(&new);
        read(recent, if runs { recent.elapsed(job, now) } else { job.active })
    }

    /// How fast a job collected in the last ten minutes, as far as it ran.
    pub(crate) fn rates(&self, job: JobId) -> Vec<Rate> {
        lock(&self.rates).get(&job).map_or_else(Vec::new, |recent| recent.history.iter().copied().collect())
    }

    /// From when to when the rates of a job are to be read elsewhere, because it has been at work for longer than it was
    /// watched; until they were read once ([`Self::with_past`]), as that may fail or be given up.
    pub(crate) fn unknown(&self, job: &JobState) -> Option<(Timestamp, Timestamp)> {
        let now = self.clock.now();
        let rates = lock(&self.rates);
        let recent = rates.get(&job.id);
        if recent.is_some_and(|recent| recent.whole) {
            return None;
        }
        let until = recent.and_then(|recent| recent.history.front()).map_or(now, |first| first.at);
        let past = Timestamp(now.0.saturating_sub(u64::try_from(PAST.as_millis()).unwrap_or(u64::MAX)));
        let since = job.started_at?.max(past);
        (since < until).then_some((since, until))
    }

    /// The rates of a job with those before it was watched, which are kept for as long as the others.
    pub(crate) fn with_past(&self, job: JobId, past: Vec<Rate>) -> Vec<Rate> {
        let mut rates = lock(&self.rates);
        let Some(recent) = rates.get_mut(&job) else { return past };
        recent.whole = true;
        let room = HISTORY.saturating_sub(recent.history.len());
        // The last step of the past ends where the watch began.
        let first = recent.history.front().map(|first| first.at);
        let past = past.into_iter().filter(|rate| first.is_none_or(|first| rate.at < first));
        past.rev().take(room).for_each(|rate| recent.history.push_front(rate));
        recent.history.iter().copied().collect()
    }

    /// Notes how far the running jobs are. Of all others the rates of the last ten minutes stay, while there is room.
    fn note(&self, at: Timestamp, running: &[JobState]) {
        let mut rates = lock(&self.rates);
        let ids: HashSet<_> = running.iter().map(|job| job.id).collect();
        let room = rates.len().max(ids.len()) <= MAX_JOBS;
        rates.retain(|id, recent| {
            while recent.history.front().is_some_and(|first| at.since(first.at) > PAST) {
                recent.history.pop_front();
            }
            let runs = ids.contains(id);
            if !runs {
                // Whoever runs again begins anew, with the past that is kept.
                let history = std::mem::take(&mut recent.history);
                *recent = Recent { history, whole: recent.whole, ..Recent::new(at) };
            }
            runs || (room && !recent.history.is_empty())
        });
        for job in running {
            rates.entry(job.id).or_insert_with(|| Recent::new(at)).note(at, job);
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Measures memory and load until it is dropped.
pub(crate) async fn watch_resources(samples: Arc<Samples>, mut sampler: Sampler) {
    let clock = Clock::start();
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        samples.measured(clock.now(), sampler.sample());
    }
}

/// Follows the running jobs until it is dropped.
pub(crate) async fn watch_rates<P: Pipeline>(samples: Arc<Samples>, pipeline: Arc<P>) {
    let clock = Clock::start();
    let query = JobQuery { limit: MAX_JOBS, statuses: vec![JobStatus::Running], ..JobQuery::default() };
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        match pipeline.store().jobs(&query).await {
            Ok(running) => samples.note(clock.now(), &running),
            Err(error) => tracing::warn!(%error, "the running jobs could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: JobStatus, collected: u64, seconds: u64) -> JobState {
        JobState {
            id: JobId(1),
            status,
            reason: None,
            collected,
            target: 1_000,
            active: Duration::from_secs(seconds),
            active_before: Duration::ZERO,
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
        }
    }

    #[test]
    fn a_running_job_goes_by_its_current_rate_and_is_forgotten_afterwards() {
        let samples = Samples::new(Resources::default());
        for (collected, seconds) in [(10, 0), (10, 100), (60, 105), (90, 105), (110, 110)] {
            samples.note(Timestamp(seconds * 1_000), &[job(JobStatus::Running, collected, seconds)]);
        }
        // 100 in the last 10 seconds after 100 without any: the window holds 110 seconds, as nothing lies between.
        assert_eq!(samples.eta(&job(JobStatus::Running, 110, 110)).emails_per_minute, 100.0 / 110.0 * 60.0);
        samples.note(Timestamp(140_000), &[job(JobStatus::Running, 200, 140)]);
        assert_eq!(samples.eta(&job(JobStatus::Running, 200, 140)).emails_per_minute, 180.0);
        samples.note(Timestamp(750_000), &[]);
        assert!(lock(&samples.rates).is_empty());
    }

    #[test]
    fn between_two_reports_a_job_is_at_work() {
        let samples = Samples::new(Resources::default());
        let job = |collected, seconds| JobState {
            started_at: Some(Timestamp(1_000)),
            ..job(JobStatus::Running, collected, seconds)
        };
        let seen = |job: &JobState, millis| {
            let eta = samples.eta_at(job, Timestamp(millis));
            assert_eq!(samples.by(job, Timestamp(millis)).active.as_secs(), eta.elapsed_seconds, "one number for both");
            (eta.elapsed_seconds, eta.emails_per_minute.round())
        };
        // Before anybody looked at it, and before its first report.
        assert_eq!(seen(&job(100, 0), 2_000), (1, 6_000.0));
        for (collected, seconds, millis) in [(100, 0, 2_000), (300, 0, 4_000), (500, 5, 6_000)] {
            samples.note(Timestamp(millis), &[job(collected, seconds)]);
            assert_eq!(seen(&job(collected, seconds), millis), ((millis - 1_000) / 1_000, 6_000.0), "{millis}");
        }
        // It is silent: nobody knows whether it is at work.
        assert_eq!(seen(&job(500, 5), 60_000).0, 15);
        samples.note(Timestamp(61_000), &[]);
        assert_eq!(seen(&JobState { status: JobStatus::Paused, ..job(500, 7) }, 62_000).0, 7);
    }

    #[test]
    fn the_rates_of_a_job_outlive_it_for_ten_minutes() {
        let samples = Samples::new(Resources::default());
        for second in 0..2_000_u64 {
            samples.note(Timestamp(second * 1_000), &[job(JobStatus::Running, second * 10, second)]);
        }
        let rates = samples.rates(JobId(1));
        let last = Rate { at: Timestamp(1_999_000), emails_per_minute: 600.0 };
        assert_eq!((rates.len(), rates[HISTORY - 1]), (HISTORY, last));
        // It runs no more: what is known of its current rate goes at once, and the past with time.
        samples.note(Timestamp(2_301_000), &[]);
        assert_eq!(samples.rates(JobId(1))[0].at, Timestamp(1_701_000));
        assert_eq!(samples.rates(JobId(1)).len(), 299);
        samples.note(Timestamp(2_600_000), &[]);
        assert_eq!(samples.rates(JobId(1)), []);
    }

    #[test]
    fn the_past_ends_where_the_watch_began() {
        let samples = Samples::new(Resources::default());
        samples.note(Timestamp(20_000), &[job(JobStatus::Running, 10, 20)]);
        let past = [10_000, 20_000].map(|at| Rate { at: Timestamp(at), emails_per_minute: 1.0 });
        let times: Vec<_> = samples.with_past(JobId(1), past.to_vec()).iter().map(|rate| rate.at.0).collect();
        assert_eq!(times, [10_000, 20_000]);
    }

    #[test]
    fn the_past_is_asked_for_until_somebody_has_read_it() {
        let samples = Samples::new(Resources::default());
        let now = samples.clock.now().0;
        let job = JobState { started_at: Some(Timestamp(now - 60_000)), ..job(JobStatus::Running, 10, 60) };
        samples.note(Timestamp(now - 20_000), std::slice::from_ref(&job));
        let missing = Some((Timestamp(now - 60_000), Timestamp(now - 20_000)));
        // Whoever asked first may have got an error, or have gone away.
        assert_eq!([samples.unknown(&job), samples.unknown(&job)], [missing, missing]);
        // Two who ask side by side add it once.
        let past = [50_000, 30_000].map(|ago| Rate { at: Timestamp(now - ago), emails_per_minute: 1.0 });
        let read = [(); 2].map(|()| samples.with_past(JobId(1), past.to_vec()).len());
        assert_eq!((read, samples.unknown(&job)), ([3, 3], None));
    }

    #[test]
    fn jobs_that_run_are_followed_before_those_that_ran() {
        let samples = Samples::new(Resources::default());
        let many = |first: u64| -> Vec<_> {
            let one = |n| JobState { id: JobId(first + n), ..job(JobStatus::Running, 1, 1) };
            (0..MAX_JOBS as u64).map(one).collect()
        };
        samples.note(Timestamp(0), &many(1));
        samples.note(Timestamp(1_000), &many(10_000));
        samples.note(Timestamp(2_000), &many(10_000));
        assert_eq!(lock(&samples.rates).len(), MAX_JOBS);
        assert_eq!((samples.rates(JobId(1)).len(), samples.rates(JobId(10_000)).len()), (0, 2));
    }

    #[test]
    fn the_past_is_kept_for_ten_minutes() {
        let samples = Samples::new(Resources::default());
        for n in 0..1_000 {
            samples.measured(Timestamp(n), Resources { memory: n, ..Resources::default() });
        }
        let history = samples.history();
        assert_eq!((history.len(), history[0].0, history[HISTORY - 1].1.memory), (300, Timestamp(700), 999));
        assert_eq!(samples.resources().memory, 999);
    }

    #[test]
    fn a_settled_job_is_done_or_never_will_be() {
        let samples = Samples::new(Resources::default());
        let eta = |status| samples.eta(&job(status, 31, 10));
        assert_eq!((eta(JobStatus::Completed).eta_seconds, eta(JobStatus::Completed).remaining_emails), (Some(0), 969));
        assert_eq!(eta(JobStatus::Completed).eta_formatted.as_deref(), Some("0s"));
        assert_eq!((eta(JobStatus::Cancelled).eta_seconds, eta(JobStatus::Failed).eta_formatted), (None, None));
        assert_eq!((eta(JobStatus::Paused).eta_seconds, eta(JobStatus::Paused).emails_per_minute), (None, 0.0));
        assert_eq!(eta(JobStatus::Completed).overall_emails_per_minute, 186.0);
        assert_eq!(samples.eta(&job(JobStatus::Queued, 0, 0)).eta_seconds, None);
    }
}
