//! The events of all jobs: `job` for each whose row in the list changed, `deleted` for each that is gone.
//!
//! Followed are the jobs that may still change by themselves, and those that are new. One that is settled is shown once more
//! and then forgotten, so what is kept does not grow with the number of jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use mailscan_core::job::{Job, JobId, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::store::{JobQuery, Store};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::{EVERY, Source, event, lock};
use crate::wire;

/// The states in which a job may change by itself.
const OPEN: [JobStatus; 3] = [JobStatus::Queued, JobStatus::Running, JobStatus::Paused];
/// The most jobs that are followed, those with the lowest ids, and the most new ones of one look.
const MAX_JOBS: usize = 1_024;
/// How many batches a listener may be behind. Then it is sent how everything stands instead.
const BEHIND: usize = 16;

/// What the listeners share.
#[derive(Debug, Default)]
pub(super) struct List(Mutex<Option<Shown>>);

#[cfg(test)]
impl List {
    pub(super) fn is_followed(&self) -> bool {
        lock(&self.0).is_some()
    }
}

/// What is shown while somebody listens.
#[derive(Debug)]
struct Shown {
    rows: BTreeMap<JobId, Bytes>,
    batches: broadcast::Sender<Bytes>,
}

impl Shown {
    fn all(&self) -> Bytes {
        self.rows
            .values()
            .fold(BytesMut::new(), |mut all, row| {
                all.extend_from_slice(row);
                all
            })
            .freeze()
    }
}

/// What is sent to one more listener; the first one's coming starts the watch.
pub(super) fn listen<P: Pipeline>(source: &Source<P>, list: &Arc<List>) -> impl Stream<Item = Bytes> + Send + use<P> {
    let mut shown = lock(&list.0);
    let now = shown.get_or_insert_with(|| {
        tokio::spawn(follow(source.clone(), list.clone()));
        Shown { rows: BTreeMap::new(), batches: broadcast::Sender::new(BEHIND) }
    });
    let (first, receiver) = (now.all(), now.batches.subscribe());
    drop(shown);
    let first = (!first.is_empty()).then_some(first);
    futures::stream::unfold((first, receiver, list.clone()), |(first, mut receiver, list)| async move {
        if let Some(first) = first {
            return Some((first, (None, receiver, list)));
        }
        let bytes = match receiver.recv().await {
            Ok(bytes) => bytes,
            Err(broadcast::error::RecvError::Closed) => return None,
            Err(broadcast::error::RecvError::Lagged(_)) => {
                let shown = lock(&list.0);
                receiver = receiver.resubscribe();
                shown.as_ref()?.all()
            }
        };
        Some((bytes, (None, receiver, list)))
    })
}

/// Looks at the jobs until nobody listens.
async fn follow<P: Pipeline>(source: Source<P>, list: Arc<List>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // New are the jobs above the highest id that there was.
    let mut newest = None;
    loop {
        ticks.tick().await;
        let followed: Vec<JobId> = {
            let mut shown = lock(&list.0);
            match shown.as_ref() {
                Some(now) if now.batches.receiver_count() > 0 => now.rows.keys().copied().collect(),
                // Whoever comes now starts another watch.
                _ => return *shown = None,
            }
        };
        match look(&source, &followed, &mut newest).await {
            Ok((jobs, gone)) => show(&source, &list, &jobs, &gone),
            Err(error) => tracing::warn!(%error, "the jobs that are watched could not be read"),
        }
    }
}

/// The jobs to show, and those of the followed ones that are gone.
async fn look<P: Pipeline>(
    source: &Source<P>,
    followed: &[JobId],
    newest: &mut Option<u64>,
) -> mailscan_core::Result<(Vec<Job>, Vec<JobId>)> {
    let store = source.pipeline.store();
    let query = |after, statuses| JobQuery { after, limit: MAX_JOBS, statuses, descending: false };
    let mut jobs = store.jobs(&query(0, OPEN.to_vec())).await?;
    let above = match *newest {
        Some(newest) => newest,
        None => highest(store).await?,
    };
    let new = store.jobs(&query(above, Vec::new())).await?;
    *newest = Some(new.last().map_or(above, |job| job.id.0));
    jobs.extend(new.into_iter().filter(|job| !OPEN.contains(&job.status)));
    let mut gone = Vec::new();
    for id in followed {
        if jobs.iter().all(|job| job.id != *id) {
            match store.job(*id).await? {
                Some(job) => jobs.push(job),
                None => gone.push(*id),
            }
        }
    }
    Ok((jobs, gone))
}

/// The highest id that a job has, found with a few short looks; 0 when there is no job.
async fn highest<S: Store>(store: &S) -> mailscan_core::Result<u64> {
    let (mut low, mut step) = (0, 1_u64 << 20);
    while step > 0 {
        let query = JobQuery { after: low + step - 1, limit: 1, ..JobQuery::default() };
        match store.jobs(&query).await?.first() {
            Some(job) => low = job.id.0,
            None => step /= 2,
        }
    }
    Ok(low)
}

/// Sends what is other than before.
fn show<P: Pipeline>(source: &Source<P>, list: &List, jobs: &[Job], gone: &[JobId]) {
    let mut shown = lock(&list.0);
    let Some(shown) = shown.as_mut() else { return };
    let mut batch = BytesMut::new();
    for job in jobs {
        let row = event("job", None, &wire::Job::new(job, None, &source.limits));
        let old = if OPEN.contains(&job.status) {
            shown.rows.insert(job.id, row.clone())
        } else {
            shown.rows.remove(&job.id)
        };
        if old.as_ref() != Some(&row) {
            batch.extend_from_slice(&row);
        }
    }
    for id in gone {
        shown.rows.remove(id);
        batch.extend_from_slice(&event("deleted", None, &json!({ "id": id.0 })));
    }
    if !batch.is_empty() {
        // Nobody may listen any more, which the next look notices.
        let _ = shown.batches.send(batch.freeze());
    }
}
