//! What every contract says of time: durations hold to the millisecond, and moments are those of the backend's clock.
//!
//! A clock that also goes on by itself has come further by the time of a look. So much room is left before each moment, and
//! a look that took longer says nothing and is taken anew.

use std::time::Instant;

use super::addresses::{address, sighting};
use super::jobs::{create, get};
use super::records::{all, beat, error};
use super::*;
use crate::clock::Timestamp;
use crate::job::JobStatus;
use crate::queue::Renewed;
use crate::store::{ErrorSelection, NewWorkerError};

/// How long looks are taken before the backend is too slow to tell.
const PATIENCE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

/// What a look at an empty backend finds that takes no longer than its clock may go on by itself.
async fn looked<H: Harness, T>(harness: &H, look: impl AsyncFn(H::Queue, H::Store) -> T) -> T {
    let first = Instant::now();
    while first.elapsed() < PATIENCE {
        let (queue, store) = harness.open(QueueLimits::default()).await;
        let began = Instant::now();
        let found = look(queue, store).await;
        if harness.drift().is_zero() || began.elapsed() < harness.drift() {
            return found;
        }
    }
    panic!("in {PATIENCE:?}, no look took less than {:?}", harness.drift());
}

/// Each lease holds as long as its claim asked for.
pub async fn a_lease_holds_as_long_as_asked_for<H: Harness>(harness: &H) {
    let (short, long) = (Duration::from_millis(1_500) + harness.drift(), Duration::from_secs(200));
    let (queue, early) = looked(harness, async |queue: H::Queue, _| {
        push_new(&queue, &pages("a.org", 2)).await;
        for lease_for in [long, short] {
            assert_eq!(queue.claim(&ClaimRequest { lease_for, ..request(1) }).await.unwrap().len(), 1);
        }
        harness.advance(Duration::from_millis(1_499)).await;
        let early = queue.sweep(MANY).await.unwrap();
        (queue, early)
    })
    .await;
    assert_eq!(early, Swept::default(), "a millisecond before its end");
    let mut returned = Vec::new();
    for by in [harness.drift() + MOMENT, Duration::from_secs(190), Duration::from_secs(10)] {
        harness.advance(by).await;
        returned.push(queue.sweep(MANY).await.unwrap().returned);
    }
    assert_eq!(returned, [1, 0, 1]);
}

/// A renewed lease holds as long as the renewal asked for.
pub async fn a_renewal_holds_as_long_as_asked_for<H: Harness>(harness: &H) {
    let renew_for = Duration::from_millis(500) + harness.drift();
    let (queue, early) = looked(harness, async |queue: H::Queue, _| {
        push_new(&queue, &[page("a.org", 1)]).await;
        let claimed = queue.claim(&ClaimRequest { lease_for: MOMENT, ..request(1) }).await.unwrap();
        assert_eq!(queue.renew(&[claimed[0].lease], renew_for).await.unwrap(), [Renewed::Held]);
        harness.advance(Duration::from_millis(499)).await;
        let early = queue.sweep(MANY).await.unwrap();
        (queue, early)
    })
    .await;
    assert_eq!(early, Swept::default(), "a millisecond before its end");
    harness.advance(harness.drift() + MOMENT).await;
    assert_eq!(queue.sweep(MANY).await.unwrap().returned, 1);
}

/// A task that is tried again or given back is ready after the time asked for, and not before.
pub async fn a_delay_ends_to_the_millisecond<H: Harness>(harness: &H) {
    let after = Duration::from_millis(300) + harness.drift();
    for verdict in [retry(after), release(after)] {
        let (queue, early) = looked(harness, async |queue: H::Queue, _| {
            push_new(&queue, &[page("a.org", 1)]).await;
            settle_one(&queue, take_one(&queue).await.lease, verdict.clone()).await;
            harness.advance(Duration::from_millis(299)).await;
            let early = take(&queue, 1).await;
            (queue, early)
        })
        .await;
        assert!(early.is_empty(), "a millisecond before its time, {verdict:?}");
        harness.advance(harness.drift() + MOMENT).await;
        assert_eq!(take(&queue, 1).await.len(), 1, "{verdict:?}");
    }
}

/// The silence of a process is measured from its last beat.
pub async fn silence_is_measured_from_the_last_beat<H: Harness>(harness: &H) {
    let silent = looked(harness, async |_, store: H::Store| {
        let mut silent = Vec::new();
        for by in [30_250, 400_001].map(Duration::from_millis) {
            store.beat(&beat("a", 0)).await.unwrap();
            harness.advance(by).await;
            silent.push((by, store.nodes().await.unwrap()[0].silent_for));
        }
        silent
    })
    .await;
    for (by, silent_for) in silent {
        assert!((by..=by + harness.drift()).contains(&silent_for), "{silent_for:?} for {by:?}");
    }
}

/// When a job was created is told as the time of day, by a clock that says so.
pub async fn moments_are_times_of_the_day<H: Harness>(harness: &H) {
    // 2025 and 2100: no clock that is right is outside.
    let range = 1_735_689_600_000..4_102_444_800_000;
    let created = looked(harness, async |_, store: H::Store| {
        let id = create(&store, "k", 9).await;
        get(&store, id).await.created_at
    })
    .await;
    assert!(range.contains(&created.0), "{created:?}");
}

/// Addresses, errors and their ends are noted with the time at which they came.
pub async fn what_is_noted_has_its_time<H: Harness>(harness: &H) {
    let step = Duration::from_millis(10_001);
    let moments = looked(harness, async |_, store: H::Store| {
        let job = create(&store, "k", 9).await;
        harness.advance(step).await;
        store.insert(&[sighting(job, "a")]).await.unwrap();
        harness.advance(step).await;
        store.record_errors(&[1, 2].map(|task| NewWorkerError { job, ..error(task, "c", "h") })).await.unwrap();
        harness.advance(step).await;
        store.recover_errors(&[Lease { job, task: TaskId(1), fence: 2 }]).await.unwrap();
        harness.advance(step).await;
        store.resolve_errors(&ErrorSelection::default(), "seen", false).await.unwrap();
        let found = store.addresses(job, 0, 9).await.unwrap()[0].found_at;
        let errors = store.errors(&all()).await.unwrap();
        let resolved = errors.iter().map(|error| error.resolved.as_ref().unwrap().at);
        let noted: Vec<Timestamp> = [found, errors[0].at].into_iter().chain(resolved).collect();
        let created = get(&store, job).await.created_at;
        noted.into_iter().map(|at| at.since(created)).collect::<Vec<_>>()
    })
    .await;
    for (steps, after) in (1..).zip(moments) {
        let by = step * steps;
        assert!((by..=by + harness.drift()).contains(&after), "{after:?} for {by:?}");
    }
}

/// When a job began and ended is told to the millisecond.
pub async fn start_and_end_are_told_to_the_millisecond<H: Harness>(harness: &H) {
    let step = Duration::from_millis(1_750);
    let job = looked(harness, async |_, store: H::Store| {
        let id = create(&store, "k", 1).await;
        for to in [JobStatus::Running, JobStatus::Completed] {
            harness.advance(step).await;
            store.transition(id, &JobStatus::ALL, to, None).await.unwrap();
        }
        get(&store, id).await
    })
    .await;
    for (by, at) in [(step, job.started_at), (step * 2, job.finished_at)] {
        let after = at.unwrap().since(job.created_at);
        assert!((by..=by + harness.drift()).contains(&after), "{after:?} for {by:?}");
    }
}

/// The time between two addresses is that between their batches, and one that is met again keeps its own.
pub async fn a_known_address_keeps_its_time<H: Harness>(harness: &H) {
    let between = looked(harness, async |_, store: H::Store| {
        let job = create(&store, "k", 9).await;
        store.insert(&[sighting(job, "a")]).await.unwrap();
        harness.advance(Duration::from_millis(700)).await;
        store.insert(&[sighting(job, "a"), sighting(job, "b")]).await.unwrap();
        let rows = store.addresses(job, 0, 9).await.unwrap();
        assert_eq!(rows[0].address, address("a"));
        rows[1].found_at.since(rows[0].found_at)
    })
    .await;
    let by = Duration::from_millis(700);
    assert!((by..=by + harness.drift()).contains(&between), "{between:?}");
}
