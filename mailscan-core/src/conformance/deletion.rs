//! The lines of [`Store::delete_job`], [`Store::purge_job`] and [`Queue::purge_tasks`].

use super::addresses::{address, sighting};
use super::jobs::{create, get, store};
use super::records::error;
use super::*;
use crate::ErrorKind;
use crate::class::{Class, LeftOut};
use crate::job::JobStatus;
use crate::queue::{Depth, Renewed};
use crate::store::{Deletion, ErrorQuery, ErrorSelection, Inserted, JobQuery, NewWorkerError};

/// The rows that a case lets one call remove.
const FEW: NonZeroUsize = NonZeroUsize::new(7).unwrap();

async fn cancel(store: &impl Store, id: JobId) {
    store.transition(id, &JobStatus::ALL, JobStatus::Cancelled, None).await.unwrap();
}

/// Purges a job to its end; answers in how many calls.
async fn purge(store: &impl Store, id: JobId) -> usize {
    let mut calls = 1;
    while store.purge_job(id, FEW).await.unwrap() {
        calls += 1;
    }
    calls
}

async fn errors(store: &impl Store, job: JobId) -> usize {
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    store.errors(&ErrorQuery { limit: usize::MAX, of, ..ErrorQuery::default() }).await.unwrap().len()
}

/// Only a job that nobody works on is deleted; another stays as it is.
pub async fn only_a_job_at_rest_is_deleted<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let ways: [&[JobStatus]; 6] = [
        &[],
        &[JobStatus::Running],
        &[JobStatus::Paused],
        &[JobStatus::Failed],
        &[JobStatus::Cancelled],
        &[JobStatus::Running, JobStatus::Completed],
    ];
    for (n, way) in ways.iter().enumerate() {
        let id = create(&store, &n.to_string(), 9).await;
        for to in *way {
            store.transition(id, &JobStatus::ALL, *to, None).await.unwrap();
        }
        let status = get(&store, id).await.status;
        let at_rest = !matches!(status, JobStatus::Queued | JobStatus::Running);
        let expected = if at_rest { Deletion::Applied } else { Deletion::Refused(status) };
        assert_eq!(store.delete_job(id).await.unwrap(), expected);
        assert_eq!(store.job(id).await.unwrap().is_some(), !at_rest);
    }
    assert_eq!(store.delete_job(JobId(99)).await.unwrap(), Deletion::Missing);
}

/// A deleted job is gone at once, and deleting it again is safe. Its key is free, its id is not.
pub async fn a_deleted_job_is_gone<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (kept, gone) = (create(&store, "kept", 99).await, create(&store, "gone", 99).await);
    store.insert(&[sighting(gone, "a"), sighting(kept, "b")]).await.unwrap();
    cancel(&store, gone).await;
    assert_eq!(store.delete_job(gone).await.unwrap(), Deletion::Applied);
    assert_eq!(store.delete_job(gone).await.unwrap(), Deletion::Missing);
    assert_eq!(store.job(gone).await.unwrap(), None);
    let states = store.job_states(&[gone, kept]).await.unwrap();
    assert_eq!(states.into_iter().map(|state| state.map(|job| job.id)).collect::<Vec<_>>(), [None, Some(kept)]);
    assert_eq!(store.outlines(&[gone]).await.unwrap(), [None]);
    let listed = store.jobs(&JobQuery { limit: 9, ..JobQuery::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), [kept]);
    let error = store.transition(gone, &JobStatus::ALL, JobStatus::Running, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(store.addresses(gone, 0, 9).await.unwrap().is_empty());
    for _ in 0..2 {
        let new = create(&store, "gone", 99).await;
        assert!(new > gone, "{new} may not be used again");
        purge(&store, gone).await;
    }
}

/// Whoever still works on a deleted job leaves nothing behind, before and after the purge; others in the batch do.
pub async fn nothing_is_stored_for_a_deleted_job<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (kept, gone) = (create(&store, "kept", 99).await, create(&store, "gone", 99).await);
    store.insert(&[sighting(gone, "a")]).await.unwrap();
    cancel(&store, gone).await;
    store.delete_job(gone).await.unwrap();
    for local in ["b", "c"] {
        let batch = [sighting(gone, "a"), sighting(kept, local), sighting(gone, local)];
        let expected = [Inserted::OverTarget, Inserted::New, Inserted::OverTarget];
        assert_eq!(store.insert(&batch).await.unwrap(), expected);
        let late = NewWorkerError { job: gone, ..error(1, "c", "h") };
        store
            .record_errors(&[late, NewWorkerError { job: kept, ..error(u64::from(local.as_bytes()[0]), "c", "h") }])
            .await
            .unwrap();
        assert_eq!(errors(&store, gone).await, 0);
        purge(&store, gone).await;
        assert!(store.addresses(gone, 0, 9).await.unwrap().is_empty());
    }
    assert_eq!((get(&store, kept).await.collected, errors(&store, kept).await), (2, 2));
}

/// A purge removes everything in bounded steps, may be repeated, and touches no other job.
pub async fn a_purge_removes_one_job_bit_by_bit<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (kept, gone) = (create(&store, "kept", 999).await, create(&store, "gone", 999).await);
    for batch in 0..6 {
        let locals = (0..9).map(|n| format!("{batch}-{n}"));
        let sightings: Vec<_> = locals.flat_map(|l| [sighting(kept, &l), sighting(gone, &l)]).collect();
        store.insert(&sightings).await.unwrap();
    }
    let recorded: Vec<_> =
        (0..20).flat_map(|n| [kept, gone].map(|job| NewWorkerError { job, ..error(n, "c", "h") })).collect();
    store.record_errors(&recorded).await.unwrap();
    assert!(!store.purge_job(gone, FEW).await.unwrap(), "a job that is not deleted is left alone");
    assert_eq!((get(&store, gone).await.collected, errors(&store, gone).await), (54, 20));
    cancel(&store, gone).await;
    store.delete_job(gone).await.unwrap();
    assert_eq!(store.deleted_jobs(9).await.unwrap(), [gone]);
    assert!(store.deleted_jobs(0).await.unwrap().is_empty());
    assert!(purge(&store, gone).await > 74 / FEW.get(), "no call does more than it may");
    assert_eq!(purge(&store, gone).await, 1);
    assert!(store.deleted_jobs(9).await.unwrap().is_empty());
    assert_eq!(store.known(gone, &[address("0-0"), address("5-8")]).await.unwrap(), [false; 2]);
    assert!(store.fingerprints(gone, Vec::new(), Vec::push).await.unwrap().is_empty());
    assert_eq!(errors(&store, gone).await, 0);
    assert_eq!((get(&store, kept).await.collected, errors(&store, kept).await), (54, 20));
    assert_eq!(store.addresses(kept, 0, 99).await.unwrap().len(), 54);
    assert_eq!(
        store.insert(&[sighting(kept, "0-0"), sighting(kept, "new")]).await.unwrap(),
        [Inserted::Known, Inserted::New]
    );
}

/// The tasks of a deleted job go in bounded steps, whatever state they are in; those of another job stay.
pub async fn purged_tasks_are_gone<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 30)).await;
    push_new(&queue, &pages("a.org", 5).into_iter().map(of_other).collect::<Vec<_>>()).await;
    let claimed = take(&queue, 4).await;
    let verdicts = [Verdict::Done, retry(LEASE), failed(FailureClass::Blocked)];
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 7);
    let settle = |(claimed, verdict): (&Claimed, Verdict)| Settle { left_out, ..Settle::new(claimed.lease, verdict) };
    queue.settle(&claimed.iter().zip(verdicts).map(settle).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(queue.depth(JOB).await.unwrap().left_out.total(), 14);
    let mut calls = 1;
    while queue.purge_tasks(JOB, FEW).await.unwrap() {
        calls += 1;
    }
    assert!(calls >= 30 / FEW.get(), "no call does more than it may");
    let held = claimed[3].lease;
    assert_eq!(settle_one(&queue, held, Verdict::Done).await, Settled::Lost);
    assert_eq!(queue.renew(&[held], LEASE).await.unwrap(), [Renewed::Lost]);
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth::default());
    assert_eq!(queue.states(JOB, &ids(&claimed)).await.unwrap(), [None; 4]);
    assert!(take(&queue, 99).await.is_empty());
    harness.advance(LEASE * 2).await;
    assert_eq!(queue.sweep(MANY).await.unwrap(), Swept::default());
    assert_eq!(queue.depth(OTHER).await.unwrap(), Depth { pending: 5, ..Depth::default() });
}

/// Whoever still works on a job while its tasks are purged leaves nothing behind.
pub async fn tasks_are_purged_while_they_are_worked_on<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 30)).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 1);
    let settle = |claimed: &Claimed| Settle { left_out, ..Settle::new(claimed.lease, Verdict::Done) };
    let mut more = true;
    while more {
        let claimed = take(&queue, 9).await;
        more = queue.purge_tasks(JOB, FEW).await.unwrap();
        queue.settle(&claimed.iter().map(settle).collect::<Vec<_>>()).await.unwrap();
        // What has been settled of it is of no account, but it can be asked for.
        queue.depth(JOB).await.unwrap();
    }
    assert!(!queue.purge_tasks(JOB, FEW).await.unwrap());
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth::default());
    assert!(take(&queue, 99).await.is_empty());
}

/// A job whose tasks were purged takes no more; others do.
pub async fn a_purged_job_takes_no_tasks<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 2)).await;
    while queue.purge_tasks(JOB, FEW).await.unwrap() {}
    assert_eq!(queue.push(&pages("a.org", 2)).await.unwrap(), [Pushed::OverLimit; 2]);
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth::default());
    push_new(&queue, &[of_other(page("a.org", 0))]).await;
}
