//! Live events (server-sent events): how one job stands, or which jobs changed.
//!
//! One task watches for all listeners of a job, and one for all listeners of the list, from the first listener to the last:
//! a thousand of them cost what one costs, but for writing to them. What a listener has not taken is not kept for it: it
//! gets the newest state instead. Everything is read from the pipeline, so the engine may run in another process. Where
//! nothing can be read any more the streams end, so that nobody takes what was told last for how things stand.

mod job;
mod list;
mod patience;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::StreamBody;
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use mailscan_core::clock::Clock;
use mailscan_core::engine::Monitor;
use mailscan_core::job::JobId;
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::reply::{BodyError, Reply};
use crate::samples::Samples;
use crate::shown::Outlines;

/// How often the store is asked, which is also how often events come at most.
const EVERY: Duration = Duration::from_millis(250);
/// How often something is sent to a listener for whom there is no event, so that both sides notice when the other is gone.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// The header by which one who comes back says what it heard last.
pub(crate) const LAST_EVENT_ID: &str = "Last-Event-ID";
/// The format of events.
pub(crate) const MEDIA: &str = "text/event-stream";
/// The most listeners.
const MAX_LISTENERS: usize = 4_096;
/// The most jobs that are watched at a time.
const MAX_WATCHED: usize = 256;

/// Those who watch, and what they look at.
#[derive(Debug)]
pub(crate) struct Events<P> {
    source: Source<P>,
    places: Arc<Semaphore>,
    jobs: Arc<Mutex<HashMap<JobId, job::Watch>>>,
    list: Arc<list::List>,
    stop: CancellationToken,
}

/// Where events come from.
#[derive(Debug)]
pub(crate) struct Source<P> {
    pipeline: Arc<P>,
    samples: Arc<Samples>,
    outlines: Arc<Outlines>,
    limits: Limits,
    clock: Arc<Clock>,
    monitor: Option<Monitor>,
}

impl<P> Source<P> {
    /// Whatever the pipeline knows, as answers show it.
    pub(crate) fn new(
        pipeline: Arc<P>,
        samples: Arc<Samples>,
        outlines: Arc<Outlines>,
        limits: Limits,
        monitor: Option<Monitor>,
    ) -> Self {
        Self { pipeline, samples, outlines, limits, clock: Arc::new(Clock::start()), monitor }
    }
}

impl<P> Clone for Source<P> {
    fn clone(&self) -> Self {
        let Self { pipeline, samples, outlines, limits, clock, monitor } = self;
        Self {
            pipeline: pipeline.clone(),
            samples: samples.clone(),
            outlines: outlines.clone(),
            limits: limits.clone(),
            clock: clock.clone(),
            monitor: monitor.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Pipeline> Events<P> {
    /// Nobody listens yet. All streams, and those who look at jobs for them, end when `stop` is cancelled.
    pub(crate) fn new(source: Source<P>, stop: CancellationToken) -> Self {
        Self {
            source,
            places: Arc::new(Semaphore::new(MAX_LISTENERS)),
            jobs: Arc::default(),
            list: Arc::default(),
            stop,
        }
    }

    /// The events of a job that exists.
    ///
    /// # Errors
    /// 503 when there are too many listeners, or too many jobs are watched.
    pub(crate) fn job(&self, id: JobId) -> Result<Reply, Problem> {
        let place = self.place()?;
        let frames = job::listen(&self.source, &self.jobs, id, &self.stop)?;
        Ok(self.reply(place, frames))
    }

    /// The events of all jobs: those since `Last-Event-ID` for one who comes back.
    ///
    /// # Errors
    /// 503 when there are too many listeners.
    pub(crate) fn list(&self, headers: &HeaderMap) -> Result<Reply, Problem> {
        let place = self.place()?;
        // What is no id of ours is the id of an event that is not known any more.
        let id = |value: &HeaderValue| value.to_str().ok().and_then(|id| id.trim().parse().ok()).unwrap_or(u64::MAX);
        let heard = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()).map(id);
        let frames = list::listen(&self.source, &self.list, heard, &self.stop);
        Ok(self.reply(place, frames))
    }

    /// Has the listeners to all jobs told of one that was changed here.
    pub(crate) fn changed(&self, id: JobId) {
        list::changed(&self.list, id);
    }

    /// Tells the listeners to all jobs of one that was deleted here.
    pub(crate) fn deleted(&self, id: JobId) {
        list::deleted(&self.list, id);
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        MAX_LISTENERS.saturating_sub(self.places.available_permits())
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.places.clone().try_acquire_owned().map_err(|_| too_many("listeners"))
    }

    /// Sends frames as they come, and comments where none does, until they or the server end.
    fn reply(&self, place: OwnedSemaphorePermit, frames: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
        let stop = self.stop.clone().cancelled_owned();
        let frames = futures::stream::unfold((Box::pin(frames), place), |(mut frames, place)| async move {
            let bytes = match tokio::time::timeout(COMMENT_EVERY, frames.next()).await {
                Ok(bytes) => bytes?,
                Err(_) => Bytes::from_static(b":\n\n"),
            };
            Some((Ok::<_, BodyError>(Frame::data(bytes)), (frames, place)))
        });
        Reply::stream(MEDIA, StreamBody::new(frames.take_until(stop)))
            // A proxy that gathers events before it passes them on makes them late.
            .with_header(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))
    }
}

fn too_many(what: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("there are too many {what}: poll instead, or try again later"),
    )
}

/// What an event says, in one line.
fn data(data: &impl Serialize) -> Bytes {
    // The wire forms are of strings and numbers, which always serialize, without line ends.
    serde_json::to_vec(data).unwrap_or_default().into()
}

/// An event as it is sent.
fn event(name: &str, id: Option<u64>, data: &impl Serialize) -> Bytes {
    // As above.
    let data = serde_json::to_string(data).unwrap_or_default();
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    mod silence;

    use http_body_util::BodyExt;
    use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
    use mailscan_core::job::{JobSource, JobSpec, JobStatus, NewJob};
    use mailscan_core::lease::{FailureClass, NodeId};
    use mailscan_core::pipeline::Backends;
    use mailscan_core::queue::QueueLimits;
    use mailscan_core::resources::Resources;
    use mailscan_core::source::Sources;
    use mailscan_core::store::{ErrorClass, NewWorkerError, Store};
    use mailscan_core::task::TaskId;

    use super::*;
    use crate::reply::{Content, OutBody};

    type Parts = Backends<MemoryQueue, MemoryStore, Sources>;

    async fn events() -> (Events<Parts>, Arc<Parts>, JobId) {
        let queue = MemoryQueue::new(QueueLimits::default());
        let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Sources::new() });
        let spec = JobSpec::new(10, vec![JobSource::Path("in".to_owned())]);
        let id = pipeline.store.create_job(&NewJob::new(spec)).await.unwrap().id();
        let samples = Arc::new(Samples::new(Resources::default()));
        let source = Source::new(pipeline.clone(), samples, Arc::default(), Limits::default(), None);
        let events = Events::new(source, CancellationToken::new());
        (events, pipeline, id)
    }

    pub(super) fn body(reply: Result<Reply, Problem>) -> OutBody {
        match reply.unwrap().content {
            Content::Stream("text/event-stream", body) => body,
            other => panic!("{other:?}"),
        }
    }

    /// What is sent next; `None` at the end.
    pub(super) async fn next(body: &mut OutBody) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn all_listeners_share_one_watch_which_ends_with_the_last() {
        let (events, _, id) = events().await;
        let mut listeners: Vec<_> = (0..1_000).map(|_| body(events.job(id))).collect();
        for listener in &mut listeners {
            assert!(next(listener).await.unwrap().starts_with("event: progress\nid: "));
        }
        assert_eq!((lock(&events.jobs).len(), events.listeners()), (1, 1_000));
        drop(listeners);
        tokio::time::sleep(EVERY).await;
        assert_eq!((lock(&events.jobs).len(), events.listeners()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_listen_in_time_is_told_the_newest_alone() {
        let (events, pipeline, id) = events().await;
        let mut listener = body(events.job(id));
        assert!(next(&mut listener).await.unwrap().contains(r#""status":"queued""#));
        for (from, to) in [(JobStatus::Queued, JobStatus::Running), (JobStatus::Running, JobStatus::Paused)] {
            pipeline.store.transition(id, &[from], to, None).await.unwrap();
            tokio::time::sleep(EVERY * 2).await;
        }
        assert!(next(&mut listener).await.unwrap().contains(r#""status":"paused""#));
        assert_eq!(next(&mut listener).await.unwrap(), ":\n\n", "nothing else was kept");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_that_is_told_of_a_job_counts_the_errors_of_its_end() {
        let (events, pipeline, id) = events().await;
        let mut listener = body(events.job(id));
        assert!(next(&mut listener).await.unwrap().contains(r#""errors_open":0"#));
        let error = NewWorkerError {
            job: id,
            task: TaskId(1),
            fence: 1,
            node: NodeId("node".to_owned()),
            class: ErrorClass::Failed(FailureClass::Permanent),
            code: "http-404".to_owned(),
            host: "example.org".to_owned(),
            label: "https://example.org/".to_owned(),
            message: "not found".to_owned(),
        };
        pipeline.store.record_errors(&[error]).await.unwrap();
        for (from, to) in [(JobStatus::Queued, JobStatus::Running), (JobStatus::Running, JobStatus::Failed)] {
            pipeline.store.transition(id, &[from], to, None).await.unwrap();
        }
        let last = next(&mut listener).await.unwrap();
        assert_eq!(last.matches(r#""errors_open":1"#).count(), 2, "progress and end: {last}");
        assert_eq!(next(&mut listener).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_far_behind_on_the_list_is_told_each_row_once_as_it_is_now() {
        let (events, pipeline, id) = events().await;
        let mut listener = body(events.list(&HeaderMap::new()));
        assert!(next(&mut listener).await.unwrap().contains(r#""status":"queued""#));
        for n in 0..100 {
            let spec = JobSpec::new(100 + n, vec![JobSource::Path("in".to_owned())]);
            pipeline.store.create_job(&NewJob::new(spec)).await.unwrap();
            tokio::time::sleep(EVERY * 2).await;
        }
        let all = next(&mut listener).await.unwrap();
        assert_eq!(all.matches("event: job\n").count(), 100);
        assert!(!all.contains(&format!(r#"{{"id":{},"#, id.0)), "that one is as it was");
        drop(listener);
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(events.list.is_followed(), "for those who come back");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!events.list.is_followed());
    }

    #[tokio::test(start_paused = true)]
    async fn of_very_many_jobs_those_that_run_and_the_newest_are_followed() {
        let (events, pipeline, oldest) = events().await;
        let create = async |n: u64| {
            let spec = JobSpec::new(100 + n, vec![JobSource::Path("in".to_owned())]);
            pipeline.store.create_job(&NewJob::new(spec)).await.unwrap().id()
        };
        pipeline.store.transition(oldest, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
        let mut all = vec![oldest];
        for n in 0..1_100 {
            all.push(create(n).await);
        }
        let of = |id: &JobId| format!(r#"{{"id":{},"#, id.0);
        let mut listener = body(events.list(&HeaderMap::new()));
        let told = next(&mut listener).await.unwrap();
        assert_eq!(told.matches("event: job\n").count(), 1_024);
        let missing: Vec<_> = all.iter().filter(|id| !told.contains(&of(id))).copied().collect();
        assert_eq!(missing, all[1..78], "neither running nor among the newest");

        // A new one takes the place of the oldest, which is not taken for one that has changed.
        let new = create(1_100).await;
        let told = next(&mut listener).await.unwrap();
        assert!(told.contains(&of(&new)) && told.matches("event: ").count() == 1, "{told}");
        let told = next(&mut body(events.list(&HeaderMap::new()))).await.unwrap();
        assert_eq!(told.matches("event: job\n").count(), 1_024);
        assert!(told.contains(&of(&oldest)) && told.contains(&of(&new)) && !told.contains(&of(&all[78])));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_changes_as_it_loses_its_place_is_told_once_more() {
        let (events, pipeline, oldest) = events().await;
        pipeline.store.transition(oldest, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
        for n in 0..1_100 {
            let spec = JobSpec::new(100 + n, vec![JobSource::Path("in".to_owned())]);
            pipeline.store.create_job(&NewJob::new(spec)).await.unwrap();
        }
        let last = |told: &str| {
            let id = told.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
            HeaderMap::from_iter([(HeaderName::from_static("last-event-id"), id.parse().unwrap())])
        };
        let mut listener = body(events.list(&HeaderMap::new()));
        let before = last(&next(&mut listener).await.unwrap());
        let row = format!(r#"{{"id":{},"#, oldest.0);
        let paused = |told: &str| {
            let mut lines = told.lines().filter(|line| line.contains(&row));
            lines.next().is_some_and(|line| line.contains(r#""status":"paused""#)) && lines.next().is_none()
        };
        pipeline.store.transition(oldest, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
        let told = next(&mut listener).await.unwrap();
        assert!(paused(&told), "{told}");
        // Also one that comes back after some more has happened.
        let spec = JobSpec::new(99, vec![JobSource::Path("in".to_owned())]);
        pipeline.store.create_job(&NewJob::new(spec)).await.unwrap();
        next(&mut listener).await.unwrap();
        let told = next(&mut body(events.list(&before))).await.unwrap();
        assert!(paused(&told) && !told.contains("event: snapshot"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many_listeners_and_watches() {
        let (events, _, id) = events().await;
        let watched: Vec<_> = (1..=MAX_WATCHED as u64).map(|n| body(events.job(JobId(id.0 + n)))).collect();
        assert_eq!(events.job(id).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        drop(watched);
        tokio::time::sleep(EVERY).await;
        let listeners: Vec<_> = (0..MAX_LISTENERS).map(|_| body(events.job(id))).collect();
        assert_eq!(events.list(&HeaderMap::new()).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        drop(listeners);
        assert!(events.list(&HeaderMap::new()).is_ok());
    }
}
