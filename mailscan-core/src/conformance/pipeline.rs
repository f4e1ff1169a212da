//! The lines of [`Pipeline`]: what a commit writes and answers, and what a sweep records.

use std::sync::Arc;

use super::addresses::sighting;
use super::jobs::{create, get};
use super::records::{all, error};
use super::repeats::{STEPS, abandoned};
use super::*;
use crate::ErrorKind;
use crate::class::{Class, LeftOut};
use crate::fetch::{FetchContext, FetchError, Fetched, Fetcher};
use crate::pipeline::{Committed, TaskOutcome};
use crate::queue::{Depth, Renewed};
use crate::store::{ErrorClass, Inserted, NewWorkerError};
use crate::task::Task;

/// What fetches in a pipeline of which nothing is fetched: it gives every task back.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFetcher;

impl Fetcher for NoFetcher {
    async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::recalled())
    }
}

/// A pipeline over nothing, with these limits.
async fn open<H: Harness>(harness: &H, limits: QueueLimits) -> impl Pipeline<Queue = H::Queue, Store = H::Store> {
    let (queue, store) = harness.open(limits).await;
    harness.pipeline(queue, store)
}

async fn commit(pipeline: &impl Pipeline, outcomes: &[TaskOutcome]) -> Committed {
    pipeline.commit(outcomes.into()).await.unwrap()
}

/// A job with so many claimed tasks.
async fn at_work(pipeline: &impl Pipeline, tasks: usize) -> (JobId, Vec<Claimed>) {
    let job = create(pipeline.store(), "k", 99_999).await;
    let tasks: Vec<_> = pages("a.org", tasks).into_iter().map(|task| NewTask { job, ..task }).collect();
    push_new(pipeline.queue(), &tasks).await;
    let shares = vec![Share { job, limit: tasks.len() }];
    let claimed = pipeline.queue().claim(&ClaimRequest { shares, ..request(0) }).await.unwrap();
    assert_eq!(claimed.len(), tasks.len());
    (job, claimed)
}

/// The outcome of a task that is done, with what it saw and found.
fn outcome(pipeline: &impl Pipeline, of: &Claimed, locals: &[&str], found: &[usize]) -> TaskOutcome {
    let job = of.lease.job;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 2);
    TaskOutcome {
        sightings: locals.iter().map(|local| sighting(job, local)).collect(),
        discovered: found.iter().map(|n| NewTask { job, ..page("found.org", *n) }).collect(),
        settle: Some(Settle { left_out, ..Settle::new(of.lease, Verdict::Done) }),
        epoch: pipeline.store().epoch(),
        ..TaskOutcome::default()
    }
}

/// An error of the delivery of a task.
fn error_of(claimed: &Claimed) -> NewWorkerError {
    let Lease { job, task, fence } = claimed.lease;
    NewWorkerError { job, task, fence, ..error(0, "c", "h") }
}

/// How many errors are recorded, and how many of them are open.
async fn errors(store: &impl Store) -> (usize, usize) {
    let rows = store.errors(&all()).await.unwrap();
    (rows.len(), rows.iter().filter(|row| row.resolved.is_none()).count())
}

/// What of a batch is answered, and in which order: that of the outcomes, and of what each holds.
pub async fn a_commit_is_answered_in_order<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, 4).await;
    pipeline.store().record_errors(&[error_of(&claimed[3])]).await.unwrap();
    let lost = Lease { fence: claimed[1].lease.fence + 1, ..claimed[1].lease };
    let outcomes = [
        outcome(&pipeline, &claimed[0], &["b", "a", "b"], &[1, 2]),
        TaskOutcome { epoch: pipeline.store().epoch(), ..TaskOutcome::default() },
        TaskOutcome {
            settle: Some(Settle::new(lost, Verdict::Done)),
            ..outcome(&pipeline, &claimed[1], &["c", "a"], &[])
        },
        TaskOutcome { settle: None, ..outcome(&pipeline, &claimed[2], &[], &[2, 3, 1]) },
        TaskOutcome {
            error: Some(error_of(&claimed[2])),
            recovered: Some(Lease { fence: claimed[3].lease.fence + 1, ..claimed[3].lease }),
            settle: Some(Settle::new(claimed[3].lease, retry(LEASE))),
            ..outcome(&pipeline, &claimed[3], &["d"], &[])
        },
    ];
    let Committed { inserted, pushed, settled } = commit(&pipeline, &outcomes).await;
    let (new, known) = (Inserted::New, Inserted::Known);
    assert_eq!(inserted, [new, new, known, new, known, new]);
    let [Pushed::New(one), Pushed::New(two), again, Pushed::New(_), too] = pushed[..] else { panic!("{pushed:?}") };
    assert_eq!((again, too), (Pushed::Duplicate(two), Pushed::Duplicate(one)));
    assert_eq!(settled, [Settled::Applied, Settled::Lost, Settled::Applied]);
    let depth = pipeline.queue().depth(job).await.unwrap();
    let expected = Depth { pending: 3, delayed: 1, leased: 2, done: 1, left_out: depth.left_out, ..Depth::default() };
    assert_eq!((depth, depth.left_out.total()), (expected, 2));
    assert_eq!(get(pipeline.store(), job).await.collected, 4);
    assert_eq!(errors(pipeline.store()).await, (2, 1));
    assert!(commit(&pipeline, &[]).await.settled.is_empty());
}

/// The same batch again answers what it has met, and changes nothing.
pub async fn a_commit_again_changes_nothing<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, 2).await;
    let outcomes = [
        TaskOutcome { error: Some(error_of(&claimed[0])), ..outcome(&pipeline, &claimed[0], &["a", "b"], &[1, 2]) },
        outcome(&pipeline, &claimed[1], &["b"], &[3]),
    ];
    let first = commit(&pipeline, &outcomes).await;
    let depth = pipeline.queue().depth(job).await.unwrap();
    let again = commit(&pipeline, &outcomes).await;
    assert_eq!(again.inserted, [Inserted::Known; 3]);
    let same = first.pushed.into_iter().map(|pushed| match pushed {
        Pushed::New(id) => Pushed::Duplicate(id),
        other => panic!("a new task was answered {other:?}"),
    });
    assert_eq!(again.pushed, same.collect::<Vec<_>>());
    assert_eq!(again.settled, [Settled::Repeated; 2]);
    assert_eq!(pipeline.queue().depth(job).await.unwrap(), depth);
    assert_eq!((depth.done, depth.pending, depth.left_out.total()), (2, 3, 4));
    assert_eq!((get(pipeline.store(), job).await.collected, errors(pipeline.store()).await), (2, (1, 1)));
}

/// A batch with an outcome of another epoch is refused for now, wherever that stands, and nothing of it is written.
pub async fn outcomes_of_another_epoch_are_refused<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, 3).await;
    let epoch = pipeline.store().epoch();
    let before = pipeline.queue().depth(job).await.unwrap();
    let names = ["a", "b", "c"];
    let right: Vec<_> =
        claimed.iter().zip(names).map(|(of, name)| outcome(&pipeline, of, &[name], &[of.task.id.0 as usize])).collect();
    for (wrong, other) in [(0, epoch.wrapping_add(1)), (1, epoch.wrapping_add(1)), (2, epoch.wrapping_sub(1))] {
        let mut outcomes = right.clone();
        outcomes[wrong].epoch = other;
        outcomes[0].error = Some(error_of(&claimed[0]));
        let refused = pipeline.commit(outcomes.into()).await.unwrap_err();
        assert!(refused.is_transient(), "{refused:?}");
        assert_eq!(pipeline.queue().depth(job).await.unwrap(), before);
        assert!(pipeline.store().addresses(job, 0, 9).await.unwrap().is_empty());
        assert_eq!(errors(pipeline.store()).await, (0, 0));
    }
    let committed = commit(&pipeline, &right).await;
    assert_eq!((committed.inserted, committed.settled), (vec![Inserted::New; 3], vec![Settled::Applied; 3]));
}

/// No write makes another epoch: what was remembered would be forgotten each time.
pub async fn a_write_makes_no_other_epoch<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let epoch = pipeline.store().epoch();
    let (job, claimed) = at_work(&pipeline, 1).await;
    pipeline.store().insert(&[sighting(job, "a")]).await.unwrap();
    commit(&pipeline, &[outcome(&pipeline, &claimed[0], &["b"], &[1])]).await;
    assert_eq!(pipeline.store().epoch(), epoch);
}

/// A step that fails ends the commit: no task is given back whose addresses are not stored.
pub async fn a_commit_that_fails_settles_nothing<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, 2).await;
    let mut outcomes: Vec<_> = claimed.iter().map(|of| outcome(&pipeline, of, &["a"], &[1])).collect();
    outcomes[1].sightings.push(sighting(JobId(job.0 + 98), "b"));
    outcomes[0].error = Some(error_of(&claimed[0]));
    let failed = pipeline.commit(outcomes.into()).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NotFound);
    assert_eq!(pipeline.queue().depth(job).await.unwrap(), Depth { leased: 2, ..Depth::default() });
    assert_eq!(errors(pipeline.store()).await, (0, 0));
    let leases: Vec<_> = claimed.iter().map(|of| of.lease).collect();
    assert_eq!(pipeline.queue().renew(&leases, LEASE).await.unwrap(), [Renewed::Held; 2]);
}

/// A batch of the engine's size is written and answered whole.
pub async fn a_large_commit_is_answered_whole<H: Harness>(harness: &H) {
    const TASKS: usize = 512;
    const EACH: usize = 20;
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, TASKS).await;
    let names: Vec<_> = (0..TASKS * EACH).map(|n| format!("a{n}")).collect();
    let outcomes: Vec<_> = (0..TASKS)
        .map(|task| {
            let range = task * EACH..(task + 1) * EACH;
            let locals: Vec<_> = names[range.clone()].iter().map(String::as_str).collect();
            outcome(&pipeline, &claimed[task], &locals, &range.collect::<Vec<_>>())
        })
        .collect();
    let committed = commit(&pipeline, &outcomes).await;
    assert_eq!(committed.inserted, vec![Inserted::New; TASKS * EACH]);
    assert_eq!(committed.pushed.len(), TASKS * EACH);
    assert!(committed.pushed.iter().all(|pushed| matches!(pushed, Pushed::New(_))));
    assert_eq!(committed.settled, vec![Settled::Applied; TASKS]);
    let depth = pipeline.queue().depth(job).await.unwrap();
    assert_eq!((depth.pending, depth.done, depth.left_out.total()), (10_240, 512, 1_024));
    assert_eq!(get(pipeline.store(), job).await.collected, 10_240);
}

/// A commit that was given up on its way, and is made again, has happened once.
pub async fn a_commit_given_up_is_made_once<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits::default()).await;
    let (job, claimed) = at_work(&pipeline, STEPS.count()).await;
    for (steps, of) in STEPS.zip(&claimed) {
        let name = steps.to_string();
        let outcomes: Arc<[_]> = [outcome(&pipeline, of, &[&name, "same"], &[steps])].into();
        abandoned(pipeline.commit(outcomes.clone()), steps).await;
        let committed = pipeline.commit(outcomes).await.unwrap();
        assert!(matches!(committed.settled[..], [Settled::Applied | Settled::Repeated]));
        assert!(matches!(committed.pushed[..], [Pushed::New(_) | Pushed::Duplicate(_)]));
    }
    let depth = pipeline.queue().depth(job).await.unwrap();
    assert_eq!((depth.done, depth.pending, depth.left_out.total()), (5, 5, 10));
    assert_eq!(get(pipeline.store(), job).await.collected, 6);
}

/// A sweep takes back as the queue's does. What it quarantines has one error, whoever of pipeline and engine records it.
pub async fn what_a_sweep_quarantines_has_one_error<H: Harness>(harness: &H) {
    let pipeline = open(harness, QueueLimits { suspect_after: 1, quarantine_after: 2 }).await;
    let (job, _) = at_work(&pipeline, 2).await;
    let node = NodeId("sweeper".to_owned());
    harness.advance(LEASE).await;
    let swept = pipeline.sweep(MANY, &node).await.unwrap();
    assert_eq!(swept, Swept { returned: 2, quarantined: Vec::new() });
    assert_eq!(errors(pipeline.store()).await, (0, 0), "what comes back is no error");
    let shares = vec![Share { job, limit: 1 }];
    let last = pipeline.queue().claim(&ClaimRequest { shares, ..request(0) }).await.unwrap();
    harness.advance(LEASE).await;
    let swept = pipeline.sweep(MANY, &node).await.unwrap();
    assert_eq!((swept.returned, ids(&swept.quarantined)), (0, ids(&last)));
    let recorded: Vec<_> = swept.quarantined.iter().map(|ended| NewWorkerError::quarantined(&node, ended)).collect();
    pipeline.store().record_errors(&recorded).await.unwrap();
    let rows = pipeline.store().errors(&all()).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.error).collect::<Vec<_>>(), recorded);
    assert_eq!(recorded[0].class, ErrorClass::Failed(FailureClass::Quarantined));
    assert!(recorded[0].fence > last[0].lease.fence);
}
