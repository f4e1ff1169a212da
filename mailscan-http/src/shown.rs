//! Jobs as answers show them: how they stand, which is read anew for each, and what was asked for, which is read once.
//!
//! What was asked for never changes and may be ten thousand URLs, so its outline is kept; the clients who look at the same
//! jobs again and again cost the store no look at it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mailscan_core::Result;
use mailscan_core::clock::Timestamp;
use mailscan_core::job::{JobId, JobState, Outline};
use mailscan_core::store::Store;

/// The most outlines that are kept: those of the jobs that live events follow, and of some pages beside.
const MOST: usize = 2_048;

/// A job with what is shown of it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) state: JobState,
    pub(crate) outline: Arc<Outline>,
}

/// The outlines that were read. A database may be put back to an earlier time and use an id again, but not at the same
/// millisecond.
#[derive(Debug, Default)]
pub(crate) struct Outlines(Mutex<HashMap<(JobId, Timestamp), Arc<Outline>>>);

impl Outlines {
    /// These jobs with what is shown of them, without those that were deleted meanwhile.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn with<S: Store>(&self, store: &S, states: Vec<JobState>) -> Result<Vec<Shown>> {
        let mut found: HashMap<JobId, Arc<Outline>> = {
            let kept = self.lock();
            states.iter().filter_map(|state| Some((state.id, kept.get(&key(state))?.clone()))).collect()
        };
        let missing: Vec<_> = states.iter().map(|state| state.id).filter(|id| !found.contains_key(id)).collect();
        if !missing.is_empty() {
            let read = missing.iter().zip(store.outlines(&missing).await?);
            found.extend(read.filter_map(|(id, outline)| Some((*id, Arc::new(outline?)))));
        }
        let shown: Vec<_> = states
            .into_iter()
            .filter_map(|state| Some(Shown { outline: found.get(&state.id)?.clone(), state }))
            .collect();
        self.keep(&shown);
        Ok(shown)
    }

    /// The job as it stands now; `None` when there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn find<S: Store>(&self, store: &S, id: JobId) -> Result<Option<Shown>> {
        let states = store.job_states(&[id]).await?.into_iter().flatten().collect();
        Ok(self.with(store, states).await?.pop())
    }

    /// Forgets what was asked for by a job that is deleted.
    pub(crate) fn forget(&self, id: JobId) {
        self.lock().retain(|(job, _), _| *job != id);
    }

    fn keep(&self, shown: &[Shown]) {
        let mut kept = self.lock();
        let new = shown.iter().filter(|job| !kept.contains_key(&key(&job.state))).count();
        if kept.len() + new > MOST {
            kept.clear();
        }
        kept.extend(shown.iter().take(MOST).map(|job| (key(&job.state), job.outline.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(JobId, Timestamp), Arc<Outline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(state: &JobState) -> (JobId, Timestamp) {
    (state.id, state.created_at)
}

#[cfg(test)]
mod tests {
    use mailscan_core::backend::memory::MemoryStore;
    use mailscan_core::job::{JobSource, JobSpec, JobStatus, NewJob};
    use mailscan_core::store::JobQuery;

    use super::*;

    async fn create(store: &MemoryStore, path: &str) -> JobId {
        let spec = JobSpec::new(5, vec![JobSource::Path(path.to_owned())]);
        store.create_job(&NewJob::new(spec)).await.unwrap().id()
    }

    #[tokio::test]
    async fn what_was_asked_for_is_read_once_and_the_state_each_time() {
        let (store, outlines) = (MemoryStore::new(), Outlines::default());
        let id = create(&store, "a").await;
        let first = outlines.find(&store, id).await.unwrap().unwrap();
        assert_eq!(first.outline.sources, [JobSource::Path("a".to_owned())]);
        store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
        let again = outlines.find(&store, id).await.unwrap().unwrap();
        assert_eq!((first.state.status, again.state.status), (JobStatus::Queued, JobStatus::Running));
        assert!(Arc::ptr_eq(&first.outline, &again.outline), "it was read again");
    }

    #[tokio::test]
    async fn a_job_that_is_gone_or_another_under_its_id_is_not_shown_as_it_was() {
        let (store, outlines) = (MemoryStore::new(), Outlines::default());
        let id = create(&store, "a").await;
        let state = outlines.find(&store, id).await.unwrap().unwrap().state;
        let other = MemoryStore::new();
        assert!(outlines.with(&other, vec![JobState { created_at: Timestamp(1), ..state }]).await.unwrap().is_empty());
        assert!(outlines.find(&store, JobId(id.0 + 1)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_room_for_and_nothing_is_left_out() {
        let (store, outlines) = (MemoryStore::new(), Outlines::default());
        for n in 0..MOST + 100 {
            create(&store, &n.to_string()).await;
        }
        for (after, limit) in [(0, 1_000), (1_000, 1_000), (500, 1_000), (0, MOST + 100)] {
            let states = store.jobs(&JobQuery { after, limit, ..JobQuery::default() }).await.unwrap();
            let shown = outlines.with(&store, states.clone()).await.unwrap();
            assert_eq!(shown.iter().map(|job| &job.state).collect::<Vec<_>>(), states.iter().collect::<Vec<_>>());
            let named = |job: &Shown| job.outline.sources == [JobSource::Path((job.state.id.0 - 1).to_string())];
            assert!(shown.iter().all(named));
            assert!(outlines.lock().len() <= MOST);
        }
    }
}
