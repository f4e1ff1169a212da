//! Calls that are under way at the same time: each takes effect as if it were alone.

use futures::future::join_all;

use super::addresses::{address, sighting};
use super::jobs::{create, get, store};
use super::records::{all, error};
use super::*;
use crate::class::{Class, LeftOut};
use crate::job::{JobSource, JobSpec, JobStatus, NewJob};
use crate::store::{Created, JobQuery, NewWorkerError, Transition};

/// How many calls are under way.
const CALLS: usize = 16;

/// No task is claimed by two, and every lease that a claim made was answered.
pub async fn claims_side_by_side_share_no_task<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for host in 0..10 {
        push_new(&queue, &pages(&format!("h{host}.org"), 20)).await;
    }
    let claims = (0..CALLS).map(|_| take(&queue, 20));
    let claimed = join_all(claims).await.concat();
    let distinct: HashSet<_> = ids(&claimed).into_iter().collect();
    assert_eq!(distinct.len(), claimed.len(), "each task once");
    assert!(!claimed.is_empty());
    assert_eq!(queue.depth(JOB).await.unwrap().leased, claimed.len() as u64);
    let batch: Vec<_> = claimed.iter().map(|claimed| (claimed.lease, Verdict::Done)).collect();
    assert_eq!(settle_all(&queue, &batch).await, vec![Settled::Applied; claimed.len()]);
}

/// The same work pushed by many is one task: new to one of them, and the same for all.
pub async fn pushes_side_by_side_make_each_task_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let tasks = pages("a.org", 40);
    // Each begins elsewhere, so that they meet on the way.
    let batch = |call: usize| [&tasks[call * 2..], &tasks[..call * 2]].concat();
    let batches: Vec<_> = (0..CALLS).map(batch).collect();
    let answers = join_all(batches.iter().map(|batch| push(&queue, batch))).await;
    for task in &tasks {
        let of_task = batches.iter().zip(&answers).map(|(batch, pushed)| {
            let place = batch.iter().position(|new| new == task).unwrap();
            pushed[place]
        });
        let (mut new, mut known) = (Vec::new(), Vec::new());
        for pushed in of_task {
            match pushed {
                Pushed::New(id) => new.push(id),
                Pushed::Duplicate(id) => known.push(id),
                Pushed::OverLimit => panic!("there is no limit"),
            }
        }
        assert_eq!((new.len(), known), (1, vec![new[0]; CALLS - 1]));
    }
    assert_eq!(queue.depth(JOB).await.unwrap().pending, 40);
}

/// A job has as many tasks as it may have, whoever pushes how many at the same time.
pub async fn a_limit_holds_for_pushes_side_by_side<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let task = |n| NewTask { limit: Some(50), ..page("a.org", n) };
    let batches: Vec<Vec<_>> = (0..CALLS).map(|call| (call * 10..call * 10 + 10).map(task).collect()).collect();
    let pushed = join_all(batches.iter().map(|batch| push(&queue, batch))).await.concat();
    assert_eq!(pushed.iter().filter(|pushed| matches!(pushed, Pushed::New(_))).count(), 50);
    assert_eq!(queue.depth(JOB).await.unwrap().pending, 50);
}

/// Of an expired lease, either its holder settles it or a sweep takes it back.
pub async fn a_settlement_and_a_sweep_exclude_each_other<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for round in 0..8 {
        push_new(&queue, &[page("a.org", round)]).await;
        let lease = take_one(&queue).await.lease;
        harness.advance(LEASE).await;
        let (settle, sweep) = (settle_one(&queue, lease, Verdict::Done), queue.sweep(MANY));
        let (settled, swept) = if round % 2 == 0 {
            futures::join!(settle, sweep)
        } else {
            let (swept, settled) = futures::join!(sweep, settle);
            (settled, swept)
        };
        match (settled, swept.unwrap().returned) {
            (Settled::Applied, 0) => {}
            (Settled::Lost, 1) => {
                let lease = take_one(&queue).await.lease;
                assert_eq!(settle_one(&queue, lease, Verdict::Done).await, Settled::Applied);
            }
            both => panic!("{both:?}"),
        }
        assert_eq!(queue.depth(JOB).await.unwrap().done, round as u64 + 1);
    }
}

/// The same settlement by many is applied once, and counts once.
pub async fn settlements_side_by_side_apply_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 5)).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 2);
    let settle = |claimed: &Claimed| Settle { left_out, ..Settle::new(claimed.lease, Verdict::Done) };
    let batch: Vec<_> = take(&queue, 5).await.iter().map(settle).collect();
    let settled = join_all((0..CALLS).map(|_| queue.settle(&batch))).await;
    let settled = settled.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(settled.iter().filter(|settled| **settled == Settled::Applied).count(), 5);
    assert!(settled.iter().all(|settled| *settled != Settled::Lost));
    let depth = queue.depth(JOB).await.unwrap();
    assert_eq!((depth.done, depth.left_out.total()), (5, 10));
}

/// A key that many create at the same time is one job, new to one of them.
pub async fn jobs_created_side_by_side_are_one<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let spec = JobSpec::new(5, vec![JobSource::Path("/".to_owned())]);
    let new = NewJob { key: "k".to_owned(), ..NewJob::new(spec) };
    let created = join_all((0..8).map(|_| store.create_job(&new))).await;
    let created: Vec<_> = created.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|created| matches!(created, Created::New(_))).count(), 1);
    assert!(created.iter().all(|other| other.id() == created[0].id()), "{created:?}");
    assert_eq!(store.jobs(&JobQuery { limit: 9, ..JobQuery::default() }).await.unwrap().len(), 1);
}

/// A change of a job's state happens once, whoever asks for it at the same time.
pub async fn transitions_side_by_side_happen_once<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    let reasons: Vec<_> = (0..CALLS).map(|n| n.to_string()).collect();
    let from = [JobStatus::Queued];
    let changes = reasons.iter().map(|reason| store.transition(id, &from, JobStatus::Paused, Some(reason)));
    let changes: Vec<_> = join_all(changes).await.into_iter().map(Result::unwrap).collect();
    let applied: Vec<_> = (0..CALLS).filter(|call| changes[*call] == Transition::Applied).collect();
    assert_eq!(applied.len(), 1);
    assert!(changes.iter().all(|change| matches!(change, Transition::Applied | Transition::Already)));
    assert_eq!(get(&store, id).await.reason, Some(applied[0].to_string()));
}

/// Whoever purges a deleted job beside others ends when nothing is left, and not before.
pub async fn purges_side_by_side_leave_nothing<H: Harness>(harness: &H) {
    let few = NonZeroUsize::new(7).unwrap();
    let (queue, store) = harness.open(QueueLimits::default()).await;
    let job = create(&store, "k", 999).await;
    let locals: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    store.insert(&locals.iter().map(|local| sighting(job, local)).collect::<Vec<_>>()).await.unwrap();
    let errors: Vec<_> = (0..30).map(|task| NewWorkerError { job, ..error(task, "c", "h") }).collect();
    store.record_errors(&errors).await.unwrap();
    let tasks: Vec<_> = pages("a.org", 100).into_iter().map(|task| NewTask { job, ..task }).collect();
    let tasks = push_new(&queue, &tasks).await;
    store.transition(job, &JobStatus::ALL, JobStatus::Cancelled, None).await.unwrap();
    store.delete_job(job).await.unwrap();
    let addresses: Vec<_> = locals.iter().map(|local| address(local)).collect();
    let purge = async || {
        while queue.purge_tasks(job, few).await.unwrap() {}
        assert_eq!(queue.states(job, &tasks).await.unwrap(), [None; 100]);
        while store.purge_job(job, few).await.unwrap() {}
        assert_eq!(store.known(job, &addresses).await.unwrap(), [false; 100]);
        assert!(store.errors(&all()).await.unwrap().is_empty());
    };
    join_all((0..4).map(|_| purge())).await;
    assert!(store.deleted_jobs(9).await.unwrap().is_empty());
}
