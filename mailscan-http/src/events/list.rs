//! The events of all jobs: `job` for each whose row in the list changed, `deleted` for each that is gone, and `snapshot` for
//! whoever was away for too long to be told what changed.
//!
//! Followed are the jobs that may still change by themselves, and those that are new. One that is settled is shown once more
//! and is then no longer followed, so what is kept does not grow with the number of jobs; one that is changed here afterwards
//! is looked at again. Where very many are open, those are followed that run, and the newest of the others; one that loses
//! its place is told once more.
//!
//! The ids of events rise, also from one process to the next. Whoever comes back with the last id that it had is told what
//! changed since: each row is kept with the id of its last change, and of the jobs that ended or are gone the last
//! [`MAX_ENDED`] are remembered, for [`LINGER`] even when nobody listens.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use mailscan_core::job::{JobId, JobState, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::store::{JobQuery, Store};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::patience::{Looked, Patience};
use super::{EVERY, Source, data, lock};
use crate::shown::Shown as Job;
use crate::wire;

/// The states in which a job may change by itself.
const OPEN: [JobStatus; 3] = [JobStatus::Queued, JobStatus::Running, JobStatus::Paused];
/// The most jobs that are followed, and the most new ones of one look.
const MAX_JOBS: usize = 1_024;
/// The most jobs that ended or are gone of which whoever comes back is told.
const MAX_ENDED: usize = 1_024;
/// How long the jobs are followed when nobody listens any more, for those who come back.
const LINGER: Duration = Duration::from_secs(60);
/// How many ids there are for each millisecond since 1970, so that those of a later process are higher.
const IDS_PER_MILLISECOND: u64 = 1 << 20;

/// What the listeners share; `None` while nobody listens.
#[derive(Debug, Default)]
pub(super) struct List(Mutex<Option<Shown>>);

#[cfg(test)]
impl List {
    pub(super) fn is_followed(&self) -> bool {
        lock(&self.0).is_some()
    }
}

/// One event, as it was sent last.
#[derive(Clone, Debug)]
struct Event {
    id: u64,
    name: &'static str,
    data: Bytes,
}

impl Event {
    fn write(&self, to: &mut BytesMut) {
        to.put_slice(format!("event: {}\nid: {}\ndata: ", self.name, self.id).as_bytes());
        to.put_slice(&self.data);
        to.put_slice(b"\n\n");
    }
}

/// What is shown while somebody listens.
#[derive(Debug)]
struct Shown {
    /// The jobs that are followed, as they were told last.
    rows: BTreeMap<JobId, Event>,
    /// What was told of jobs that are no longer followed, the oldest first.
    ended: VecDeque<Event>,
    /// Jobs that were changed here, and are looked at whether they are followed or not.
    changed: BTreeSet<JobId>,
    /// Jobs that were deleted here since the look began that is under way, which may have read them before.
    deleted: HashSet<JobId>,
    /// Whoever has heard less than this may have missed something that is forgotten.
    forgotten: u64,
    /// The newest id.
    last: u64,
    /// The id before the newest batch, and the batch.
    batch: (u64, Bytes),
    /// How all stands, for whoever needs it, as of an id.
    snapshot: Option<(u64, Bytes)>,
    /// Tells of each batch, and of the first look.
    news: watch::Sender<bool>,
}

impl Shown {
    /// Before the first look.
    fn new(now: u64) -> Self {
        let first = now.saturating_mul(IDS_PER_MILLISECOND);
        Self {
            rows: BTreeMap::new(),
            ended: VecDeque::new(),
            changed: BTreeSet::new(),
            deleted: HashSet::new(),
            forgotten: first,
            last: first,
            batch: (first, Bytes::new()),
            snapshot: None,
            news: watch::Sender::new(false),
        }
    }

    /// What is to be sent to a listener that has heard everything up to this id, or nothing yet.
    fn since(&mut self, heard: Option<u64>) -> Bytes {
        match heard {
            None => written(self.rows.values()),
            Some(heard) if heard == self.last => Bytes::new(),
            // All who listen share it.
            Some(heard) if heard == self.batch.0 => self.batch.1.clone(),
            Some(heard) if (self.forgotten..self.last).contains(&heard) => {
                written(self.rows.values().chain(&self.ended).filter(|event| event.id > heard))
            }
            Some(_) => self.snapshot(),
        }
    }

    /// How all stands.
    fn snapshot(&mut self) -> Bytes {
        if let Some((_, bytes)) = self.snapshot.as_ref().filter(|(id, _)| *id == self.last) {
            return bytes.clone();
        }
        let mut data = BytesMut::from(&b"{\"jobs\":["[..]);
        for (n, row) in self.rows.values().enumerate() {
            data.put_slice(if n > 0 { b"," } else { b"" });
            data.put_slice(&row.data);
        }
        data.put_slice(b"]}");
        let bytes = written([&Event { id: self.last, name: "snapshot", data: data.freeze() }]);
        self.snapshot = Some((self.last, bytes.clone()));
        bytes
    }

    fn event(&mut self, name: &'static str, data: Bytes) -> Event {
        self.last += 1;
        Event { id: self.last, name, data }
    }

    /// Remembers what was told of a job that is followed no longer.
    fn end(&mut self, event: Event) {
        self.ended.push_back(event);
        if self.ended.len() > MAX_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            // One that left may be older than those before it.
            self.forgotten = self.forgotten.max(oldest.id);
        }
    }

    /// Takes note of a job; answers the event when it is other than before.
    fn note(&mut self, job: &JobState, data: Bytes) -> Option<Event> {
        let open = OPEN.contains(&job.status);
        let old = if open { self.rows.get(&job.id).cloned() } else { self.rows.remove(&job.id) };
        let told = match &old {
            Some(old) => old.data == data,
            // It had ended before, and may have been looked at already since it was changed here.
            None => !open && self.ended.iter().any(|event| event.data == data),
        };
        if told {
            return None;
        }
        let event = self.event("job", data);
        if open {
            self.rows.insert(job.id, event.clone());
        } else {
            self.end(event.clone());
        }
        Some(event)
    }

    /// Follows a job no longer, though it is open.
    fn leave(&mut self, id: JobId) {
        if let Some(event) = self.rows.remove(&id) {
            self.end(event);
            self.snapshot = None;
        }
    }

    /// Takes note of a job that is gone.
    fn gone(&mut self, id: JobId) -> Event {
        self.rows.remove(&id);
        let event = self.event("deleted", data(&wire::Deleted::new(id)));
        self.end(event.clone());
        event
    }

    /// Ends the streams of all who listen. Whoever comes back is told what changed since.
    fn hang_up(&mut self) {
        let looked = *self.news.borrow();
        self.news = watch::Sender::new(looked);
    }

    /// Tells all listeners; `before` is the newest id that they have.
    fn tell(&mut self, before: u64, events: &[Event]) {
        if !events.is_empty() {
            self.batch = (before, written(events));
        }
        self.news.send_replace(true);
    }
}

/// Events as they are sent, in the order of their ids.
fn written<'a>(events: impl IntoIterator<Item = &'a Event>) -> Bytes {
    let mut events: Vec<_> = events.into_iter().collect();
    events.sort_unstable_by_key(|event| event.id);
    let mut bytes = BytesMut::new();
    events.into_iter().for_each(|event| event.write(&mut bytes));
    bytes.freeze()
}

/// What is sent to one more listener, which has heard everything up to an id or comes for the first time; the first one's
/// coming starts the watch.
pub(super) fn listen<P: Pipeline>(
    source: &Source<P>,
    list: &Arc<List>,
    heard: Option<u64>,
    stop: &CancellationToken,
) -> impl Stream<Item = Bytes> + Send + use<P> {
    let mut shown = lock(&list.0);
    let now = shown.get_or_insert_with(|| {
        tokio::spawn(stop.clone().run_until_cancelled_owned(follow(source.clone(), list.clone())));
        Shown::new(source.clock.now().0)
    });
    let receiver = now.news.subscribe();
    drop(shown);
    futures::stream::unfold((heard, receiver, list.clone()), |(mut heard, mut receiver, list)| async move {
        loop {
            // The first look tells whoever waits for it; it is not waited for again.
            receiver.wait_for(|looked| *looked).await.ok()?;
            receiver.mark_unchanged();
            let bytes = {
                let mut shown = lock(&list.0);
                let now = shown.as_mut()?;
                let bytes = now.since(heard);
                heard = Some(now.last);
                bytes
            };
            if !bytes.is_empty() {
                return Some((bytes, (heard, receiver, list)));
            }
            receiver.changed().await.ok()?;
        }
    })
}

/// Has a job that this process has changed looked at, which may have been settled before and so is not followed.
pub(super) fn changed(list: &List, id: JobId) {
    if let Some(shown) = lock(&list.0).as_mut().filter(|shown| shown.changed.len() < MAX_JOBS) {
        shown.changed.insert(id);
    }
}

/// Tells of a job that this process has deleted, which may have been settled and so is not followed.
pub(super) fn deleted(list: &List, id: JobId) {
    let mut shown = lock(&list.0);
    let Some(shown) = shown.as_mut() else { return };
    shown.deleted.insert(id);
    // Before the first look nobody was told of anything.
    if *shown.news.borrow() {
        let before = shown.last;
        let gone = shown.gone(id);
        shown.tell(before, &[gone]);
    }
}

/// Looks at the jobs until nobody has listened for a while.
async fn follow<P: Pipeline>(source: Source<P>, list: Arc<List>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // New are the jobs above the highest id that there was.
    let mut newest = None;
    let (mut listened, mut patience) = (Instant::now(), Patience::new());
    loop {
        ticks.tick().await;
        let (followed, changed) = {
            let mut shown = lock(&list.0);
            let Some(now) = shown.as_mut() else { return };
            if now.news.receiver_count() > 0 {
                listened = Instant::now();
            } else if listened.elapsed() >= LINGER {
                // Whoever comes now starts another watch.
                return *shown = None;
            }
            now.deleted.clear();
            let changed = std::mem::take(&mut now.changed);
            let followed: BTreeSet<JobId> = now.rows.keys().chain(&changed).copied().collect();
            (followed, changed)
        };
        let looked = patience.look("the list of jobs", look(&source, &followed, &mut newest)).await;
        if let Looked::Seen(seen) = looked {
            show(&source, &list, &seen);
            continue;
        }
        changed.into_iter().for_each(|id| self::changed(&list, id));
        if let Looked::Silent = looked
            && let Some(shown) = lock(&list.0).as_mut()
        {
            shown.hang_up();
        }
    }
}

/// What one look at the jobs has seen.
#[derive(Debug)]
struct Seen {
    /// The jobs to show.
    jobs: Vec<Job>,
    /// The followed ones that are gone.
    gone: Vec<JobId>,
    /// The followed ones that are still open, but have no place any more: they are told once more.
    left: Vec<JobId>,
}

/// Looks at the jobs once.
async fn look<P: Pipeline>(
    source: &Source<P>,
    followed: &BTreeSet<JobId>,
    newest: &mut Option<u64>,
) -> mailscan_core::Result<Seen> {
    let store = source.pipeline.store();
    let mut jobs = open(store).await?;
    let above = match *newest {
        Some(newest) => newest,
        None => highest(store).await?,
    };
    let query = JobQuery { after: above, limit: MAX_JOBS, statuses: Vec::new(), descending: false };
    let new = store.jobs(&query).await?;
    let seen = new.last().map_or(above, |job| job.id.0);
    jobs.extend(new.into_iter().filter(|job| !OPEN.contains(&job.status)));
    let listed: HashSet<JobId> = jobs.iter().map(|job| job.id).collect();
    let others: Vec<JobId> = followed.iter().copied().filter(|id| !listed.contains(id)).collect();
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    if !others.is_empty() {
        for (id, state) in others.iter().zip(store.job_states(&others).await?) {
            match state {
                Some(job) => {
                    if OPEN.contains(&job.status) {
                        left.push(*id);
                    }
                    jobs.push(job);
                }
                None => gone.push(*id),
            }
        }
    }
    let jobs = source.outlines.with(store, jobs).await?;
    // Not before, or what was new would be told to nobody where the rest could not be read.
    *newest = Some(seen);
    Ok(Seen { jobs, gone, left })
}

/// The open jobs that are followed.
async fn open<S: Store>(store: &S) -> mailscan_core::Result<Vec<JobState>> {
    let newest = |statuses| JobQuery { after: 0, limit: MAX_JOBS, statuses, descending: true };
    let mut jobs = store.jobs(&newest(OPEN.to_vec())).await?;
    if jobs.len() == MAX_JOBS {
        let running = store.jobs(&newest(vec![JobStatus::Running])).await?;
        let run: HashSet<JobId> = running.iter().map(|job| job.id).collect();
        jobs.retain(|job| !run.contains(&job.id));
        jobs.truncate(MAX_JOBS - running.len());
        jobs.extend(running);
    }
    Ok(jobs)
}

/// The highest id that a job has; 0 when there is no job.
async fn highest<S: Store>(store: &S) -> mailscan_core::Result<u64> {
    let query = JobQuery { after: 0, limit: 1, descending: true, statuses: Vec::new() };
    Ok(store.jobs(&query).await?.first().map_or(0, |job| job.id.0))
}

/// Sends what is other than before.
fn show<P: Pipeline>(source: &Source<P>, list: &List, Seen { jobs, gone, left }: &Seen) {
    let row = |job: &Job| data(&wire::Job::new(&job.state, &job.outline, None, &source.limits));
    let rows: Vec<_> = jobs.iter().map(|job| (&job.state, row(job))).collect();
    let mut shown = lock(&list.0);
    let Some(shown) = shown.as_mut() else { return };
    let before = shown.last;
    // Whoever deleted one has told so, and nobody would take back what is told of it now.
    let mut events = Vec::new();
    for (job, data) in rows {
        if !shown.deleted.contains(&job.id) {
            events.extend(shown.note(job, data));
        }
    }
    left.iter().for_each(|id| shown.leave(*id));
    for id in gone {
        // Unless whoever deleted it has told so.
        if shown.rows.contains_key(id) {
            events.push(shown.gone(*id));
        }
    }
    let first = !*shown.news.borrow();
    if first || !events.is_empty() {
        shown.tell(before, &events);
    }
}
