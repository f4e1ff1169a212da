//! What one job wants at a host beyond what all of them do: fewer of its requests at a time, or longer apart.
//!
//! The gate asks for a job's place before it asks for one at the host. What a job may have of a host is remembered as a host of its
//! own is, under a name of both.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::{Host, Politeness, defer};
use crate::clock::in_time;
use crate::fetch::{FetchError, JOB_TURN};
use crate::job::JobId;
use crate::limiter::Limiter;
use crate::source::agreed::{Held, Terms, with_slack};
use crate::source::crowd::Place;

/// What stands between a host and a job in the name of the part that the job may have. No host has blanks.
pub(super) const OF_JOB: &str = " for job ";

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
    /// The right to be the next to begin, and the interval that the one after it keeps.
    starting: Option<(OwnedMutexGuard<()>, Duration)>,
}

impl JobPlace {
    /// The request is sent.
    pub(super) fn begin(&mut self) {
        self.place.begin();
        if let Some((_starting, interval)) = self.starting.take() {
            self.host.schedule().began(interval);
        }
    }
}

impl Politeness {
    /// Waits for one of the places that a job allows itself at a host, and until its interval is over.
    pub(super) async fn job_place(&self, host: &str, limit: JobLimit, latest: Instant) -> Result<JobPlace, FetchError> {
        let name = format!("{host}{OF_JOB}{}", limit.job);
        let state = self.remembered(&name, Some(limit.job), limit.most, Limiter::fixed);
        let later = |away| FetchError { code: JOB_TURN.into(), ..defer(host, away) };
        let mut place = state.pages.enter(latest).await.ok_or_else(|| later(self.pace.patience))?;
        let terms = |interval| Terms { host: &name, interval, concurrency: limit.most };
        if limit.interval > self.pace.interval {
            let terms = terms(with_slack(limit.interval));
            let (held, starting) = self.job_start(&state, terms, latest).await.map_err(later)?;
            return Ok(JobPlace { host: state, place, _held: held, starting: Some((starting, limit.interval)) });
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
    ) -> Result<(Option<Held>, OwnedMutexGuard<()>), Duration> {
        let starting = tokio::time::timeout_at(latest, state.starting.clone().lock_owned()).await;
        let free = || state.schedule().free().saturating_duration_since(Instant::now());
        let starting = starting.map_err(|_| free().max(self.pace.patience))?;
        loop {
            let again = match self.agreed_start(state, terms, latest).await {
                Ok(held) => return Ok((held, starting)),
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
    async fn agreed_start(&self, state: &Host, terms: Terms<'_>, latest: Instant) -> Result<Option<Held>, Duration> {
        let free = state.schedule().free();
        if free > latest {
            return Err(free.saturating_duration_since(Instant::now()));
        }
        tokio::time::sleep_until(free).await;
        let Some(turns) = &self.turns else { return Ok(None) };
        let (held, start) = state.agreed.start(&**turns, terms, latest).await?;
        tokio::time::sleep_until(start).await;
        Ok(Some(held))
    }
}
