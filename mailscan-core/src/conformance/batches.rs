//! Batches as large as the engine's: results match the input's order and length at any size, and nothing is cut off.

use super::addresses::{address, sighting};
use super::jobs::{create, get, store};
use super::*;
use crate::ErrorKind;
use crate::queue::{Depth, Renewed, Retried, TaskState};
use crate::store::{Inserted, Sighting};

/// One more than the engine pushes, inserts or renews at a time.
const LARGE: usize = 10_001;
/// How many tasks a claim asks for.
const CLAIMED: usize = 4_096;

/// So many pages, of many hosts.
fn many() -> Vec<NewTask> {
    (0..LARGE).map(|n| page(&format!("h{}.org", n % 200), n)).collect()
}

/// Claims all of them. A claim may yield less than there is.
async fn claim_all(queue: &impl Queue) -> Vec<Claimed> {
    let (mut all, mut in_vain) = (Vec::new(), 0);
    while all.len() < LARGE && in_vain < 3 {
        let claimed = take(queue, CLAIMED).await;
        in_vain = if claimed.is_empty() { in_vain + 1 } else { 0 };
        all.extend(claimed);
        assert_eq!(queue.depth(JOB).await.unwrap().leased, all.len() as u64, "what is leased was answered");
    }
    assert_eq!(ids(&all).into_iter().collect::<HashSet<_>>().len(), LARGE);
    all
}

/// Each task of a large push is new once, and a duplicate the next time.
pub async fn a_large_push_is_answered_whole<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let tasks = many();
    let ids = push_new(&queue, &tasks).await;
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { pending: LARGE as u64, ..Depth::default() });
    let again: Vec<_> = ids.into_iter().map(Pushed::Duplicate).collect();
    assert_eq!(push(&queue, &tasks).await, again);
    let limited: Vec<_> = (0..LARGE).map(|n| NewTask { limit: Some(10_000), ..of_other(page("a.org", n)) }).collect();
    let pushed = push(&queue, &limited).await;
    let (kept, last) = pushed.split_at(LARGE - 1);
    assert!(kept.iter().all(|pushed| matches!(pushed, Pushed::New(_))));
    assert_eq!(last, [Pushed::OverLimit]);
}

/// Many leases are renewed together, and settled together, each once.
pub async fn many_leases_are_renewed_and_settled_at_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &many()).await;
    let leases: Vec<_> = claim_all(&queue).await.iter().map(|claimed| claimed.lease).collect();
    harness.advance(LEASE / 2).await;
    assert_eq!(queue.renew(&leases, LEASE).await.unwrap(), vec![Renewed::Held; LARGE]);
    harness.advance(LEASE / 2 + Duration::from_secs(1)).await;
    assert_eq!(queue.sweep(MANY).await.unwrap(), Swept::default(), "all of them hold on");
    let verdicts = [Verdict::Done, failed(FailureClass::Permanent), retry(LEASE)];
    let batch: Vec<_> = leases.into_iter().zip(verdicts.into_iter().cycle()).collect();
    for expected in [Settled::Applied, Settled::Repeated] {
        assert_eq!(settle_all(&queue, &batch).await, vec![expected; LARGE]);
        let third = LARGE as u64 / 3;
        let expected = Depth { done: third + 1, failed: third + 1, delayed: third, ..Depth::default() };
        assert_eq!(LARGE % 3, 2);
        assert_eq!(queue.depth(JOB).await.unwrap(), expected);
    }
}

/// Many leases that ran out come back, and many tasks that were given up are told of and put back together.
pub async fn many_tasks_are_taken_back_at_once<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 1 }).await;
    let tasks = push_new(&queue, &many()).await;
    claim_all(&queue).await;
    harness.advance(LEASE).await;
    let mut ended = Vec::new();
    loop {
        let swept = queue.sweep(MANY).await.unwrap();
        assert_eq!(swept.returned, 0);
        if swept.quarantined.is_empty() {
            break;
        }
        ended.extend(ids(&swept.quarantined));
    }
    assert_same(ended, tasks.clone());
    assert_eq!(queue.states(JOB, &tasks).await.unwrap(), vec![Some(TaskState::GivenUp); LARGE]);
    assert_eq!(queue.retry(JOB, &tasks).await.unwrap(), vec![Retried::Ready; LARGE]);
    assert_eq!(queue.states(JOB, &tasks).await.unwrap(), vec![Some(TaskState::Open); LARGE]);
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { pending: LARGE as u64, ..Depth::default() });
}

/// Sightings of so many addresses.
fn sightings(job: JobId) -> Vec<Sighting> {
    (0..LARGE).map(|n| sighting(job, &format!("a{n}"))).collect()
}

/// A large insert keeps the first sighting of each address, wherever in the batch the others are.
pub async fn a_large_insert_is_answered_whole<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99_999).await;
    let mut batch = sightings(job);
    let last = Sighting { offset: 7, ..batch[0].clone() };
    batch.insert(LARGE - 1, last);
    let mut expected = vec![Inserted::New; LARGE + 1];
    expected[LARGE - 1] = Inserted::Known;
    assert_eq!(store.insert(&batch).await.unwrap(), expected);
    assert_eq!(get(&store, job).await.collected, LARGE as u64);
    batch.remove(LARGE - 1);
    let rows = store.addresses(job, 0, usize::MAX).await.unwrap();
    let stored: Vec<_> = rows.into_iter().map(|row| (row.address, row.offset)).collect();
    assert_eq!(stored, batch.iter().map(|new| (new.address.clone(), new.offset)).collect::<Vec<_>>());
    let mut asked: Vec<_> = batch.into_iter().map(|new| new.address).collect();
    let mut fingerprints = store.fingerprints(job, Vec::new(), Vec::push).await.unwrap();
    fingerprints.sort_unstable();
    let mut expected: Vec<_> = asked.iter().map(crate::Address::fingerprint).collect();
    expected.sort_unstable();
    assert_eq!(fingerprints, expected);
    asked.insert(0, address("nobody"));
    let mut known = vec![true; LARGE + 1];
    known[0] = false;
    assert_eq!(store.known(job, &asked).await.unwrap(), known);
}

/// When the job of the very last sighting is missing, nothing of a large batch is kept.
pub async fn a_large_insert_is_kept_whole_or_not_at_all<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99_999).await;
    let mut batch = sightings(job);
    batch.push(sighting(JobId(job.0 + 98), "a"));
    assert_eq!(store.insert(&batch).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(get(&store, job).await.collected, 0);
    assert!(store.addresses(job, 0, 9).await.unwrap().is_empty());
    batch.pop();
    assert_eq!(store.insert(&batch).await.unwrap(), vec![Inserted::New; LARGE]);
}
