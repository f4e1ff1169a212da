//! The lines of [`Queue::sweep`].

use super::*;

/// A lease that holds is left alone.
pub async fn live_leases_are_not_swept<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    harness.advance(LEASE - Duration::from_secs(1)).await;
    assert_eq!(queue.sweep(MANY).await.unwrap(), Swept::default());
    assert_eq!(settle_one(&queue, lease, Verdict::Done).await, Settled::Applied);
}

/// The fence rises and a crash is counted; the attempts stay.
pub async fn a_sweep_counts_a_crash_and_no_attempt<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let first = take_one(&queue).await;
    assert_eq!(crash(harness, &queue).await, Swept { returned: 1, quarantined: Vec::new() });
    let second = take_one(&queue).await;
    assert!(second.lease.fence > first.lease.fence);
    assert_eq!((second.task.attempt, second.task.crashes), (1, 1));
}

/// One sweep takes back no more than its limit.
pub async fn a_sweep_keeps_to_its_limit<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 5)).await;
    take(&queue, 5).await;
    harness.advance(LEASE).await;
    let two = NonZeroUsize::new(2).unwrap();
    let mut returned = Vec::new();
    for _ in 0..4 {
        returned.push(queue.sweep(two).await.unwrap().returned);
    }
    assert_eq!(returned, [2, 2, 1, 0]);
}

/// A task whose crash count reaches the limit is quarantined, and the sweep says which.
pub async fn too_many_crashes_end_in_quarantine<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 3 }).await;
    let id = push_new(&queue, &[page("a.org", 1)]).await[0];
    for crashes in 0..2 {
        assert_eq!(take_one(&queue).await.task.crashes, crashes);
        assert_eq!(crash(harness, &queue).await.returned, 1);
    }
    let last = take_one(&queue).await;
    let swept = crash(harness, &queue).await;
    assert_eq!(swept.returned, 0);
    assert_eq!(swept.quarantined.len(), 1);
    let Claimed { task, lease } = &swept.quarantined[0];
    assert_eq!((task.id, task.crashes, &task.work), (id, 3, &last.task.work));
    assert!(lease.task == id && lease.fence > last.lease.fence);
    assert!(take(&queue, 9).await.is_empty());
    assert_eq!(queue.depth(JOB).await.unwrap().quarantined, 1);
    assert_eq!(settle_one(&queue, last.lease, Verdict::Done).await, Settled::Lost);
}

/// A task that crashed often enough is a suspect even after a retry and its delay.
pub async fn a_delayed_suspect_stays_a_suspect<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 9 }).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    take_one(&queue).await;
    crash(harness, &queue).await;
    for after in [Duration::from_secs(5), Duration::ZERO] {
        settle_one(&queue, take_one(&queue).await.lease, retry(after)).await;
        harness.advance(after).await;
        assert!(queue.claim(&ClaimRequest { suspects: 0, ..request(9) }).await.unwrap().is_empty());
    }
    assert_eq!(take(&queue, 9).await.len(), 1);
}

/// A sweep takes back the leases of every job.
pub async fn a_sweep_serves_all_jobs<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1), NewTask { job: OTHER, ..page("a.org", 1) }]).await;
    let shares = vec![Share { job: JOB, limit: 1 }, Share { job: OTHER, limit: 1 }];
    assert_eq!(queue.claim(&ClaimRequest { shares, ..request(0) }).await.unwrap().len(), 2);
    assert_eq!(crash(harness, &queue).await.returned, 2);
    assert_eq!(queue.depth(OTHER).await.unwrap().pending, 1);
}
