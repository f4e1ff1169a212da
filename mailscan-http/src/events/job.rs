//! The events of one job: `progress` whenever something changed, `end` when the job is settled or deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::Stream;
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::Queue;
use mailscan_core::store::{JobBound, NodeSeen, Store};
use mailscan_core::task::Depth;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::patience::{Looked, Patience};
use super::{EVERY, MAX_WATCHED, Source, event, lock, too_many};
use crate::bounds;
use crate::problem::Problem;
use crate::shown::Shown;
use crate::wire;

/// After how many looks at the job those things are read again that processes report every few seconds.
const SLOW: u32 = 4;

/// The newest state of a job, as it is sent.
#[derive(Clone, Debug)]
pub(super) struct State {
    bytes: Bytes,
    /// Nothing comes after it.
    last: bool,
}

/// What the listeners of a job share; `None` until it was read first.
pub(super) type Watch = Arc<watch::Sender<Option<State>>>;

type Watches = Arc<Mutex<HashMap<JobId, Watch>>>;

/// What is sent to one more listener; the first one's coming starts the watch.
pub(super) fn listen<P: Pipeline>(
    source: &Source<P>,
    watches: &Watches,
    id: JobId,
    stop: &CancellationToken,
) -> Result<impl Stream<Item = Bytes> + Send + use<P>, Problem> {
    let mut jobs = lock(watches);
    let mut receiver = if let Some(watch) = jobs.get(&id) {
        watch.subscribe()
    } else {
        if jobs.len() >= MAX_WATCHED {
            return Err(too_many("jobs being watched"));
        }
        let (watch, receiver) = watch::channel(None);
        let watch = Arc::new(watch);
        jobs.insert(id, watch.clone());
        let followed = follow(source.clone(), watches.clone(), id, watch);
        tokio::spawn(stop.clone().run_until_cancelled_owned(followed));
        receiver
    };
    drop(jobs);
    // What is known already is sent at once.
    receiver.mark_changed();
    Ok(futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        loop {
            // The watch is only dropped after its last state, or when nothing can be read any more.
            receiver.changed().await.ok()?;
            let seen = receiver.borrow_and_update().clone();
            if let Some(state) = seen {
                return Some((state.bytes, (!state.last).then_some(receiver)));
            }
        }
    }))
}

/// Looks at the job until nobody listens or nothing more will happen.
async fn follow<P: Pipeline>(source: Source<P>, watches: Watches, id: JobId, watch: Watch) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut look, mut patience) = (Look::new(source, id), Patience::new());
    let (mut shown, what) = (None, format!("job {id}"));
    loop {
        tokio::select! {
            () = watch.closed() => {
                // Whoever comes now finds the watch in the list or starts another one.
                let mut jobs = lock(&watches);
                if watch.receiver_count() == 0 {
                    jobs.remove(&id);
                    return;
                }
            }
            _ = ticks.tick() => {}
        }
        let seen = match patience.look(&what, look.now()).await {
            Looked::Seen(seen) => seen,
            Looked::Failed => continue,
            Looked::Silent => {
                lock(&watches).remove(&id);
                return;
            }
        };
        let Some((job, progress)) = seen else {
            let gone = event("end", None, &wire::Gone::new(id));
            return end(&watches, id, &watch, gone);
        };
        let settled = is_settled(job.state.status);
        if shown.as_ref() == Some(&progress) && !settled {
            continue;
        }
        let now = look.source.clock.now();
        let bytes = event("progress", Some(now.0), &progress.clone().at(now));
        if settled {
            let job = wire::Job::new(&job.state, &job.outline, Some(&look.depth), &look.source.limits);
            let job = job.with_bounds(&[]).with_errors_open(look.errors_open);
            let all = [bytes, event("end", None, &job)].concat();
            return end(&watches, id, &watch, Bytes::from(all));
        }
        shown = Some(progress);
        watch.send_replace(Some(State { bytes, last: false }));
    }
}

/// Sends the last state. Whoever comes afterwards starts a watch of their own, as a settled job may be begun again.
fn end(watches: &Watches, id: JobId, watch: &Watch, bytes: Bytes) {
    lock(watches).remove(&id);
    watch.send_replace(Some(State { bytes, last: true }));
}

/// Whether nothing more happens to a job by itself.
fn is_settled(status: JobStatus) -> bool {
    matches!(status, JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled)
}

/// One watcher's view of a job: what processes report every few seconds is read less often.
struct Look<P> {
    source: Source<P>,
    id: JobId,
    looks: u32,
    depth: Depth,
    nodes: Vec<NodeSeen>,
    bounds: Vec<JobBound>,
    errors_open: u64,
}

impl<P: Pipeline> Look<P> {
    fn new(source: Source<P>, id: JobId) -> Self {
        let (nodes, bounds) = (Vec::new(), Vec::new());
        Self { source, id, looks: 0, depth: Depth::default(), nodes, bounds, errors_open: 0 }
    }

    /// How the job stands; `None` when there is no such job any more.
    async fn now(&mut self) -> mailscan_core::Result<Option<(Shown, wire::Progress)>> {
        let Source { pipeline, samples, outlines, limits, monitor, .. } = &self.source;
        let store = pipeline.store();
        let Some(job) = outlines.find(store, self.id).await? else { return Ok(None) };
        self.depth = pipeline.queue().depth(self.id).await?;
        let slowly = self.looks.is_multiple_of(SLOW);
        if slowly {
            self.nodes = store.nodes().await?;
            self.bounds = bounds::of(store, monitor.as_ref(), &job.state).await?;
        }
        // What is told last is not told anew.
        if slowly || is_settled(job.state.status) {
            self.errors_open = store.open_errors(self.id).await?;
        }
        self.looks = self.looks.wrapping_add(1);
        let around = wire::Around {
            eta: samples.eta(&job.state),
            depth: &self.depth,
            nodes: &self.nodes,
            bounds: &self.bounds,
            errors_open: self.errors_open,
        };
        let progress = wire::Progress::new(&job.state, &job.outline, around, limits);
        Ok(Some((job, progress)))
    }
}
