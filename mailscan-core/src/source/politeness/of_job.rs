//! What one job wants at a host beyond what all of them do: fewer of its requests at a time, or longer apart.
//!
//! The gate asks for a job's place before it asks for one at the host. What a job may have of a host is remembered as a host of its
//! own is, under a name of both.
//!
//! The start that processes agree on for a job may have passed long before the host has a turn for the request. So each tells the
//! others when a request of the job really begins, and asks them right before it begins one that is late.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::{Host, Politeness, defer};
use crate::clock::in_time;
use crate::fetch::{FetchError, JOB_TURN};
use crate::job::JobId;
use crate::limiter::Limiter;
use crate::source::agreed::{AGAIN, Held, Terms, with_slack};
use crate::source::crowd::Place;
use crate::turns::SharedTurns;

/// What stands between a host and a job in the name of the part that the job may have. No host has blanks.
pub(super) const OF_JOB: &str = " for job ";

/// How long before a start others are asked what they have begun: half of the default interval of a host, so that who had the start
/// before it there has told of it by then, and the answer of a database that is near comes in time.
const ASKED_BEFORE: Duration = Duration::from_millis(50);

/// What one job wants at a host beyond what all of them do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobLimit {
    pub(crate) job: JobId,
    /// The most requests of the job at a time, from 1.
    pub(crate) most: usize,
    /// The least time between the starts of two requests of the job.
    pub(crate) interval: Duration,
}

/// One of the places of a job at a host, here and among all processes.
#[derive(Debug)]
pub(super) struct JobPlace {
    host: Arc<Host>,
    place: Place,
    _held: Option<Held>,
    starting: Option<Starting>,
}

/// The right of a request to be the next of its job that begins, where those are an interval apart.
#[derive(Debug)]
struct Starting {
    _next: OwnedMutexGuard<()>,
    /// What the one after it keeps.
    interval: Duration,
    others: Option<Others>,
}

/// What is known of other processes that ask the host for the job.
#[derive(Debug)]
struct Others {
    turns: Arc<dyn SharedTurns>,
    name: String,
    /// When the interval was known to be over for all that they had begun.
    known: Instant,
    /// When the next start is that may have been promised to one of them.
    until: Instant,
}

impl JobPlace {
    /// The request is sent.
    pub(super) fn begin(&mut self) {
        self.place.begin();
        if let Some(Starting { interval, others, .. }) = self.starting.take() {
            self.host.schedule().began(interval);
            others.into_iter().for_each(|others| others.tell(interval));
        }
    }

    /// Waits until shortly before the start that a request has at the host, and asks whether it may begin then. Answers when it
    /// is due: that is the start, later by as long as the answer took beyond it, or a database that is not quick would let no request of
    /// the job begin in time.
    ///
    /// # Errors
    /// For how long it may not, where that is longer than until the start.
    pub(super) async fn may_begin(&mut self, start: Instant, latest: Instant) -> Result<Instant, Duration> {
        let Some(Starting { interval, others: Some(others), .. }) = &mut self.starting else { return Ok(start) };
        if let Some(before) = start.checked_sub(ASKED_BEFORE).filter(|before| *before > Instant::now()) {
            tokio::time::sleep_until(before).await;
        }
        let asked = Instant::now();
        let left = others.left(*interval, start, latest).await;
        let answered = Instant::now();
        if !left.is_zero() && answered + left > start {
            return Err(left);
        }
        Ok(start + answered.saturating_duration_since(start.max(asked)))
    }

    /// For how long a request that is to begin at this time may not, because of what other processes have begun for the job.
    async fn held_back(&mut self, at: Instant, latest: Instant) -> Duration {
        match &mut self.starting {
            Some(Starting { interval, others: Some(others), .. }) => others.left(*interval, at, latest).await,
            _ => Duration::ZERO,
        }
    }

    /// Waits for so long, and for what others begin meanwhile. Answers whether the request may begin then: not where the next start
    /// would have come, which may be another's.
    ///
    /// # Errors
    /// Those of a turn that is further away than `latest`.
    pub(super) async fn stand_back(
        &mut self,
        mut left: Duration,
        host: &str,
        latest: Instant,
    ) -> Result<bool, FetchError> {
        while !left.is_zero() {
            let again = in_time(left);
            let until = self.starting.as_ref().and_then(|starting| Some(starting.others.as_ref()?.until));
            if until.is_none_or(|until| again >= until) {
                return Ok(false);
            }
            tokio::time::sleep_until(again.min(latest)).await;
            if again > latest {
                return Err(later(host, again - Instant::now()));
            }
            left = self.held_back(Instant::now(), latest).await;
        }
        Ok(true)
    }
}

impl Others {
    /// Tells of a request that begins. Nobody waits for it: this process keeps the interval in any case.
    fn tell(self, interval: Duration) {
        tokio::spawn(async move {
            if let Err(error) = self.turns.leave_alone(self.name, interval).await {
                tracing::warn!(%error, "other processes were not told that a job has asked a host");
            }
        });
    }

    /// How much of the interval is left for a request that is to begin at this time. What is known stays good for as long as starts
    /// are agreed on further apart than the interval.
    async fn left(&mut self, interval: Duration, at: Instant, latest: Instant) -> Duration {
        if at <= self.known + (with_slack(interval) - interval) {
            return Duration::ZERO;
        }
        let asked = Instant::now();
        let left = match tokio::time::timeout_at(latest, self.turns.left_alone(self.name.clone())).await {
            Ok(Ok(left)) => left,
            Ok(Err(error)) => {
                tracing::warn!(%error, "nothing is asked before it is known what others have asked");
                AGAIN
            }
            Err(_) => AGAIN,
        };
        if left.is_zero() {
            self.known = asked;
        }
        left
    }
}

/// The answer to whoever waits in vain for a start of its job.
fn later(host: &str, away: Duration) -> FetchError {
    FetchError { code: JOB_TURN.into(), ..defer(host, away) }
}

impl Politeness {
    /// Waits for one of the places that a job allows itself at a host, and until its interval is over.
    pub(super) async fn job_place(&self, host: &str, limit: JobLimit, latest: Instant) -> Result<JobPlace, FetchError> {
        loop {
            let mut of_job = self.agreed_place(host, limit, latest).await?;
            let left = of_job.held_back(Instant::now(), latest).await;
            if of_job.stand_back(left, host, latest).await? {
                return Ok(of_job);
            }
        }
    }

    /// The same for a request that other processes hold back for so long: with the start that it has, or with another.
    pub(super) async fn job_place_again(
        &self,
        mut of_job: JobPlace,
        (left, limit): (Duration, JobLimit),
        host: &str,
        latest: Instant,
    ) -> Result<JobPlace, FetchError> {
        if of_job.stand_back(left, host, latest).await? {
            return Ok(of_job);
        }
        drop(of_job);
        self.job_place(host, limit, latest).await
    }

    /// Waits for a place, and for the start that is agreed on with others.
    async fn agreed_place(&self, host: &str, limit: JobLimit, latest: Instant) -> Result<JobPlace, FetchError> {
        let name = format!("{host}{OF_JOB}{}", limit.job);
        let (later, terms) =
            (|away| later(host, away), |interval| Terms { host: &name, interval, concurrency: limit.most });
        let state = self.remembered(&name, Some(limit.job), limit.most, Limiter::fixed);
        let mut place = state.pages.enter(latest).await.ok_or_else(|| later(self.pace.patience))?;
        if limit.interval > self.pace.interval {
            let terms = terms(with_slack(limit.interval));
            let (held, next, others) = self.job_start(&state, terms, latest).await.map_err(later)?;
            let starting = Starting { _next: next, interval: limit.interval, others };
            return Ok(JobPlace { host: state, place, _held: held, starting: Some(starting) });
        }
        place.begin();
        let held = match &self.turns {
            Some(turns) => Some(state.agreed.start(&**turns, terms(Duration::ZERO), latest).await.map_err(later)?.0),
            None => None,
        };
        Ok(JobPlace { host: state, place, _held: held, starting: None })
    }

    /// Waits for the start of a job's request, one after the other: each keeps the interval to when the one before it really
    /// began, which answers the right to be next. Fails with how far away the next try should be.
    async fn job_start(
        &self,
        state: &Host,
        terms: Terms<'_>,
        latest: Instant,
    ) -> Result<(Option<Held>, OwnedMutexGuard<()>, Option<Others>), Duration> {
        let next = tokio::time::timeout_at(latest, state.starting.clone().lock_owned()).await;
        let free = || state.schedule().free().saturating_duration_since(Instant::now());
        let next = next.map_err(|_| free().max(self.pace.patience))?;
        loop {
            let again = match self.agreed_start(state, terms, latest).await {
                Ok(agreed) => {
                    let (held, others) = agreed.unzip();
                    return Ok((held, next, others));
                }
                Err(away) => in_time(away),
            };
            // Also where it is in vain: the host cannot rest for one job's sake, and without this wait the engine would claim
            // and defer all that the job has there, again and again.
            tokio::time::sleep_until(again.min(latest)).await;
            if again >= latest {
                return Err(again.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// Waits for the next start by what began here and by what is agreed with others, or fails with how far away it is.
    async fn agreed_start(
        &self,
        state: &Host,
        terms: Terms<'_>,
        latest: Instant,
    ) -> Result<Option<(Held, Others)>, Duration> {
        let free = state.schedule().free();
        if free > latest {
            return Err(free.saturating_duration_since(Instant::now()));
        }
        tokio::time::sleep_until(free).await;
        let Some(turns) = &self.turns else { return Ok(None) };
        let known = Instant::now();
        let (held, at) = state.agreed.start(&**turns, terms, latest).await?;
        tokio::time::sleep_until(at).await;
        let (turns, name) = (turns.clone(), terms.host.to_owned());
        Ok(Some((held, Others { turns, name, known, until: at + terms.interval })))
    }
}
