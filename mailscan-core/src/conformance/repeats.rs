//! "Every call is safe to repeat": a call that was given up on its way, and is made again, has happened once.
//!
//! Where a call can be given up is the backend's affair, so each case gives it up before it begins, after its first step,
//! and after some more. What was given up may still be carried out, also later than the repeat.

use std::ops::RangeInclusive;
use std::pin::pin;
use std::task::Poll;

use futures::future::poll_fn;

use super::addresses::sighting;
use super::jobs::{create, get, store};
use super::records::error;
use super::*;
use crate::ErrorKind;
use crate::class::{Class, LeftOut};
use crate::job::{JobSource, JobSpec, JobStatus, NewJob};
use crate::queue::{Depth, Retried};
use crate::store::{Deletion, Inserted, JobQuery, NewWorkerError, Transition};

/// After how many steps calls are given up.
pub(super) const STEPS: RangeInclusive<usize> = 0..=4;
/// How many steps that makes.
const TIMES: usize = 5;
/// How often something is looked for that a call which was given up may still hold.
const LOOKS: usize = 2_000;
const FEW: NonZeroUsize = NonZeroUsize::new(7).unwrap();

/// Lets a call take so many steps, each as soon as it can, and gives it up; its answer if it came to one before.
pub(super) async fn abandoned<T>(call: impl Future<Output = T>, steps: usize) -> Option<T> {
    let (mut call, mut left) = (pin!(call), steps);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A task that is on the queue, or comes back to it soon.
async fn take_soon(queue: &impl Queue) -> Claimed {
    for _ in 0..LOOKS {
        if let Some(claimed) = take(queue, 1).await.pop() {
            return claimed;
        }
    }
    panic!("the task is lost");
}

/// Each work is one task, which the repeat names.
pub async fn a_push_given_up_is_made_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for steps in STEPS {
        let tasks: Vec<_> =
            (0..20).map(|n| NewTask { limit: Some(999), ..page(&format!("h{steps}.org"), n) }).collect();
        let before = abandoned(queue.push(&tasks), steps).await.map(Result::unwrap);
        let id = |pushed: &Pushed| match pushed {
            Pushed::New(id) | Pushed::Duplicate(id) => *id,
            Pushed::OverLimit => panic!("the limit is not reached"),
        };
        let again: Vec<_> = push(&queue, &tasks).await.iter().map(id).collect();
        assert!(before.is_none_or(|before| before.iter().map(id).eq(again.iter().copied())));
        let known: Vec<_> = again.into_iter().map(Pushed::Duplicate).collect();
        assert_eq!(push(&queue, &tasks).await, known);
    }
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { pending: 20 * TIMES as u64, ..Depth::default() });
}

/// What a claim leased that was given up is nobody else's, and comes back when the leases end.
pub async fn a_claim_given_up_loses_no_task<H: Harness>(harness: &H) {
    let limits = QueueLimits { suspect_after: 1_000, quarantine_after: 1_000 };
    let (queue, _) = harness.open(limits).await;
    let pushed = push_new(&queue, &pages("a.org", 40)).await;
    let mut held = HashSet::new();
    for steps in STEPS {
        let before = abandoned(queue.claim(&request(3)), steps).await.map(Result::unwrap);
        for claimed in before.into_iter().flatten().chain(take(&queue, 3).await) {
            assert!(held.insert(claimed.task.id), "it is leased already");
        }
    }
    let mut found = HashSet::new();
    for _ in 0..LOOKS {
        crash(harness, &queue).await;
        found.extend(ids(&take(&queue, 99).await));
        if found.len() == pushed.len() {
            break;
        }
    }
    assert_same(found.into_iter().collect(), pushed);
}

/// A settlement takes effect once, and counts once.
pub async fn a_settlement_given_up_counts_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 3);
    for steps in STEPS {
        push_new(&queue, &pages(&format!("h{steps}.org"), 2)).await;
        let claimed = take(&queue, 2).await;
        let verdicts = [Verdict::Done, retry(Duration::ZERO)];
        let settle =
            |(claimed, verdict): (&Claimed, Verdict)| Settle { left_out, ..Settle::new(claimed.lease, verdict) };
        let batch: Vec<_> = claimed.iter().zip(verdicts).map(settle).collect();
        let before = abandoned(queue.settle(&batch), steps).await;
        for settled in queue.settle(&batch).await.unwrap() {
            let expected =
                if before.is_some() { &[Settled::Repeated][..] } else { &[Settled::Applied, Settled::Repeated] };
            assert!(expected.contains(&settled), "{settled:?} after {steps} steps");
        }
        let again = take_soon(&queue).await;
        assert_eq!(again.task.attempt, 2);
        settle_one(&queue, again.lease, Verdict::Done).await;
    }
    let depth = queue.depth(JOB).await.unwrap();
    assert_eq!((depth.done, depth.open(), depth.left_out.total()), (2 * TIMES as u64, 0, 3 * TIMES as u64));
}

/// An expired lease is one crash, however often it is swept.
pub async fn a_sweep_given_up_counts_one_crash<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for steps in STEPS {
        push_new(&queue, &[page("a.org", steps)]).await;
        take_one(&queue).await;
        harness.advance(LEASE).await;
        let before = abandoned(queue.sweep(MANY), steps).await.map(|swept| swept.unwrap().returned);
        let again = queue.sweep(MANY).await.unwrap().returned;
        assert!(before.is_none_or(|before| before + again == 1));
        let claimed = take_soon(&queue).await;
        assert_eq!(claimed.task.crashes, 1);
        assert_eq!(settle_one(&queue, claimed.lease, Verdict::Done).await, Settled::Applied);
    }
}

/// A task that was given up is put back once.
pub async fn a_retry_given_up_puts_back_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for steps in STEPS {
        let task = push_new(&queue, &[page("a.org", steps)]).await;
        settle_one(&queue, take_one(&queue).await.lease, failed(FailureClass::Permanent)).await;
        let before = abandoned(queue.retry(JOB, &task), steps).await;
        let again = queue.retry(JOB, &task).await.unwrap()[0];
        assert!(again == Retried::Open || (before.is_none() && again == Retried::Ready), "{again:?}");
        let claimed = take_soon(&queue).await;
        assert_eq!((claimed.task.id, claimed.task.attempt), (task[0], 1));
        settle_one(&queue, claimed.lease, Verdict::Done).await;
    }
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { done: TIMES as u64, ..Depth::default() });
}

/// Each address is one row.
pub async fn an_insert_given_up_adds_once<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 999).await;
    for steps in STEPS {
        let batch: Vec<_> = (0..20).map(|n| sighting(job, &format!("{steps}-{n}"))).collect();
        let before = abandoned(store.insert(&batch), steps).await;
        let usual = if before.is_some() { &[Inserted::Known][..] } else { &[Inserted::New, Inserted::Known] };
        let again = store.insert(&batch).await.unwrap();
        assert!(again.iter().all(|inserted| usual.contains(inserted)), "{again:?}");
        assert_eq!(store.insert(&batch).await.unwrap(), [Inserted::Known; 20]);
    }
    assert_eq!(get(&store, job).await.collected, 20 * TIMES as u64);
    assert_eq!(store.addresses(job, 0, 999).await.unwrap().len(), 20 * TIMES);
}

/// A key is one job, and a change of its state happens once.
pub async fn a_creation_given_up_makes_one_job<H: Harness>(harness: &H) {
    let store = store(harness).await;
    for steps in STEPS {
        let spec = JobSpec::new(5, vec![JobSource::Path("/".to_owned())]);
        let new = NewJob { key: steps.to_string(), ..NewJob::new(spec) };
        let before = abandoned(store.create_job(&new), steps).await.map(|created| created.unwrap().id());
        let id = store.create_job(&new).await.unwrap().id();
        assert!(before.is_none_or(|before| before == id));
        let change = |reason| store.transition(id, &[JobStatus::Queued], JobStatus::Paused, Some(reason));
        abandoned(change("lunch"), steps).await;
        let again = change("tea").await.unwrap();
        let reason = get(&store, id).await.reason.unwrap();
        assert!([(Transition::Applied, "tea"), (Transition::Already, "lunch")].contains(&(again, reason.as_str())));
    }
    assert_eq!(store.jobs(&JobQuery { limit: 99, ..JobQuery::default() }).await.unwrap().len(), TIMES);
}

/// A deletion and its purge end however often they are given up, and touch no other job.
pub async fn a_purge_given_up_goes_on<H: Harness>(harness: &H) {
    let (queue, store) = harness.open(QueueLimits::default()).await;
    let kept = create(&store, "kept", 999).await;
    for steps in STEPS {
        let gone = create(&store, "gone", 999).await;
        let locals: Vec<_> = (0..30).map(|n| n.to_string()).collect();
        let sightings: Vec<_> = locals.iter().flat_map(|l| [kept, gone].map(|job| sighting(job, l))).collect();
        store.insert(&sightings).await.unwrap();
        let errors = [kept, gone].map(|job| NewWorkerError { job, ..error(1, "c", "h") });
        store.record_errors(&errors).await.unwrap();
        let tasks: Vec<_> = pages("a.org", 30).into_iter().map(|task| NewTask { job: gone, ..task }).collect();
        let tasks = push_new(&queue, &tasks).await;
        store.transition(gone, &JobStatus::ALL, JobStatus::Cancelled, None).await.unwrap();
        abandoned(store.delete_job(gone), steps).await;
        assert!(matches!(store.delete_job(gone).await.unwrap(), Deletion::Applied | Deletion::Missing));
        let mut more = true;
        while more {
            abandoned(store.purge_job(gone, FEW), steps).await;
            abandoned(queue.purge_tasks(gone, FEW), steps).await;
            more = store.purge_job(gone, FEW).await.unwrap() | queue.purge_tasks(gone, FEW).await.unwrap();
        }
        assert!(store.deleted_jobs(9).await.unwrap().is_empty());
        assert_eq!(queue.depth(gone).await.unwrap(), Depth::default());
        assert_eq!(queue.states(gone, &tasks).await.unwrap(), [None; 30]);
        let error = store.transition(gone, &JobStatus::ALL, JobStatus::Queued, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(get(&store, kept).await.collected, 30);
    assert_eq!(store.errors(&super::records::all()).await.unwrap().len(), 1);
}
