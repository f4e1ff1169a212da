//! Live events of a store that answers with errors, or not at all.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName};
use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::clock::Timestamp;
use mailscan_core::job::{Job, JobCounts, JobId, JobSource, JobSpec, JobState, JobStatus, NewJob, Outline};
use mailscan_core::lease::{Lease, NodeId};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Backends;
use mailscan_core::queue::QueueLimits;
use mailscan_core::resources::Resources;
use mailscan_core::source::Sources;
use mailscan_core::store::{
    Created, Deletion, ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Inserted, JobQuery, NewWorkerError,
    NodeBeat, NodeSeen, Sighting, Store, Stored, Transition, WorkerError,
};
use mailscan_core::{Address, Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::patience::SILENT;
use super::super::{EVERY, Events, Samples, Source};
use super::{body, next};

/// How a store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Well,
    WithErrors,
    Never,
    /// Well, but not this call.
    AllBut(&'static str),
}

/// A store that answers as it is told to.
#[derive(Debug)]
struct Moody {
    inner: MemoryStore,
    answers: watch::Sender<Answers>,
}

impl Moody {
    async fn mood(&self, call: &'static str) -> Result<()> {
        let answer = |answers: &Answers| ![Answers::Never, Answers::AllBut(call)].contains(answers);
        if *self.answers.subscribe().wait_for(answer).await.unwrap() != Answers::WithErrors {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, "test", "an outage"))
    }
}

/// Calls that are handed on where the store answers.
macro_rules! answered {
    ($($call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $call(&self, $($name: $kind),*) -> Result<$answer> {
            self.mood(stringify!($call)).await?;
            self.inner.$call($($name),*).await
        })*
    };
}

impl Store for Moody {
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    answered! {
        last_before(job: JobId, moment: Timestamp) -> u64;
        create_job(job: &NewJob) -> Created;
        job(id: JobId) -> Option<Job>;
        jobs(query: &JobQuery) -> Vec<JobState>;
        job_counts() -> JobCounts;
        job_states(ids: &[JobId]) -> Vec<Option<JobState>>;
        outlines(ids: &[JobId]) -> Vec<Option<Outline>>;
        transition(id: JobId, from: &[JobStatus], to: JobStatus, reason: Option<&str>) -> Transition;
        delete_job(id: JobId) -> Deletion;
        deleted_jobs(limit: usize) -> Vec<JobId>;
        purge_job(id: JobId, limit: NonZeroUsize) -> bool;
        mark_seeded(id: JobId) -> ();
        record_active(id: JobId, active: Duration) -> ();
        insert(sightings: &[Sighting]) -> Vec<Inserted>;
        known(job: JobId, addresses: &[Address]) -> Vec<bool>;
        addresses(job: JobId, after: u64, limit: usize) -> Vec<Stored>;
        beat(beat: &NodeBeat) -> ();
        forget(node: &NodeId) -> ();
        nodes() -> Vec<NodeSeen>;
        record_errors(errors: &[NewWorkerError]) -> ();
        errors(query: &ErrorQuery) -> Vec<WorkerError>;
        error_groups(query: &GroupQuery) -> Vec<ErrorGroup>;
        recover_errors(done: &[Lease]) -> ();
        resolve_errors(selection: &ErrorSelection, note: &str, retried: bool) -> u64;
    }
}

type Parts = Backends<MemoryQueue, Moody, Sources>;

/// A queued job whose store answers well.
async fn events() -> (Events<Parts>, Arc<Parts>, JobId) {
    let store = Moody { inner: MemoryStore::new(), answers: watch::Sender::new(Answers::Well) };
    let queue = MemoryQueue::new(QueueLimits::default());
    let pipeline = Arc::new(Backends { queue, store, fetcher: Sources::new() });
    let spec = JobSpec::new(10, vec![JobSource::Path("in".to_owned())]);
    let id = pipeline.store.create_job(&NewJob::new(spec)).await.unwrap().id();
    let samples = Arc::new(Samples::new(Resources::default()));
    let source = Source::new(pipeline.clone(), samples, Arc::default(), Limits::default(), None);
    (Events::new(source, CancellationToken::new()), pipeline, id)
}

#[tokio::test(start_paused = true)]
async fn streams_end_when_nothing_is_read_any_more_and_go_on_when_it_is() {
    for answers in [Answers::WithErrors, Answers::Never] {
        let (events, pipeline, id) = events().await;
        let mut job = body(events.job(id));
        let mut list = body(events.list(&HeaderMap::new()));
        assert!(next(&mut job).await.unwrap().contains("queued"));
        let told = next(&mut list).await.unwrap();
        let heard = told.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().parse().unwrap();

        pipeline.store.answers.send_replace(answers);
        assert!(timeout(SILENT / 2, next(&mut job)).await.is_err(), "{answers:?}: it may be back in a moment");
        assert_eq!((next(&mut job).await, next(&mut list).await), (None, None), "{answers:?}");

        pipeline.store.answers.send_replace(Answers::Well);
        pipeline.store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
        assert!(next(&mut body(events.job(id))).await.unwrap().contains("running"), "{answers:?}");
        let back = HeaderMap::from_iter([(HeaderName::from_static("last-event-id"), heard)]);
        let told = next(&mut body(events.list(&back))).await.unwrap();
        assert!(told.starts_with("event: job\n") && told.contains("running"), "{answers:?}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_soon_ends_no_stream() {
    let (events, pipeline, id) = events().await;
    let mut listeners = [body(events.job(id)), body(events.list(&HeaderMap::new()))];
    for listener in &mut listeners {
        assert!(next(listener).await.unwrap().contains("queued"));
    }
    for (from, to) in [(JobStatus::Queued, JobStatus::Running), (JobStatus::Running, JobStatus::Paused)] {
        pipeline.store.answers.send_replace(Answers::WithErrors);
        tokio::time::sleep(SILENT - EVERY * 2).await;
        pipeline.store.answers.send_replace(Answers::Well);
        pipeline.store.transition(id, &[from], to, None).await.unwrap();
        for listener in &mut listeners {
            assert!(next(listener).await.unwrap().contains(to.as_str()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_deleted_during_a_look_is_told_of_no_more() {
    let (events, pipeline, id) = events().await;
    let mut list = body(events.list(&HeaderMap::new()));
    assert!(next(&mut list).await.unwrap().contains("queued"));
    // A look that has read how the job stands waits for what is new.
    pipeline.store.answers.send_replace(Answers::AllBut("outlines"));
    pipeline.store.transition(id, &[JobStatus::Queued], JobStatus::Cancelled, None).await.unwrap();
    let spec = JobSpec::new(20, vec![JobSource::Path("in".to_owned())]);
    pipeline.store.create_job(&NewJob::new(spec)).await.unwrap();
    tokio::time::sleep(EVERY * 2).await;
    assert_eq!(pipeline.store.delete_job(id).await.unwrap(), Deletion::Applied);
    events.deleted(id);
    pipeline.store.answers.send_replace(Answers::Well);
    let (gone, new) = (next(&mut list).await.unwrap(), next(&mut list).await.unwrap());
    assert!(gone.starts_with("event: deleted\n"), "{gone}");
    assert!(new.contains("\"id\":2,") && !new.contains("\"id\":1,"), "{new}");
}
