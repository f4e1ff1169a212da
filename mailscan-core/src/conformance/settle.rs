//! The lines of [`Queue::settle`].

use super::*;
use crate::class::{Class, LeftOut};

/// A task that is done is not delivered again.
pub async fn done_is_done<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    assert_eq!(settle_one(&queue, take_one(&queue).await.lease, Verdict::Done).await, Settled::Applied);
    crash(harness, &queue).await;
    assert!(take(&queue, 9).await.is_empty());
    assert_eq!(queue.depth(JOB).await.unwrap().done, 1);
}

/// What was left out counts with the settlement that ends the task, once; what is tried again has not counted.
pub async fn what_was_left_out_counts_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 4)).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 2);
    left_out.add(Class::MessageId, 1 << 40);
    let verdicts = [Verdict::Done, failed(FailureClass::Permanent), retry(LEASE), release(LEASE)];
    let claimed = take(&queue, 4).await;
    let settle = |(claimed, verdict): (&Claimed, Verdict)| Settle { left_out, ..Settle::new(claimed.lease, verdict) };
    let batch: Vec<_> = claimed.iter().zip(verdicts).map(settle).collect();
    for expected in [Settled::Applied, Settled::Repeated] {
        assert_eq!(queue.settle(&batch).await.unwrap(), [expected; 4]);
        let counted = queue.depth(JOB).await.unwrap().left_out;
        assert_eq!(counted.iter().collect::<Vec<_>>(), [(Class::Placeholder, 4), (Class::MessageId, 2 << 40)]);
    }
    assert_eq!(queue.depth(JobId(77)).await.unwrap().left_out, LeftOut::NONE);
}

/// What is settled under a lease that is lost counts nothing, and a lease that is settled twice in a batch counts once.
pub async fn what_a_lost_lease_left_out_does_not_count<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 3);
    let settle = |lease| Settle { left_out, ..Settle::new(lease, Verdict::Done) };
    let old = take_one(&queue).await.lease;
    crash(harness, &queue).await;
    let new = take_one(&queue).await.lease;
    let foreign = Lease { job: OTHER, ..new };
    assert_eq!(queue.settle(&[settle(old), settle(foreign)]).await.unwrap(), [Settled::Lost; 2]);
    let counted = async || {
        let depths = queue.depths(&[JOB, OTHER]).await.unwrap();
        depths.iter().map(|depth| depth.left_out.total()).collect::<Vec<_>>()
    };
    assert_eq!(counted().await, [0, 0]);
    let expected = [Settled::Lost, Settled::Applied, Settled::Repeated];
    assert_eq!(queue.settle(&[settle(old), settle(new), settle(new)]).await.unwrap(), expected);
    assert_eq!(counted().await, [3, 0]);
}

/// The same settlement again answers `Repeated` and changes nothing, whatever the verdict.
pub async fn the_same_settlement_again_is_repeated<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 4)).await;
    let verdicts = [Verdict::Done, retry(LEASE), release(LEASE), failed(FailureClass::Blocked)];
    let batch: Vec<_> = take(&queue, 4).await.iter().map(|claimed| claimed.lease).zip(verdicts).collect();
    assert_eq!(settle_all(&queue, &batch).await, [Settled::Applied; 4]);
    let depth = queue.depth(JOB).await.unwrap();
    assert_eq!(settle_all(&queue, &batch).await, [Settled::Repeated; 4]);
    assert_eq!(queue.depth(JOB).await.unwrap(), depth);
}

/// Within one batch as well.
pub async fn a_settlement_twice_in_a_batch_is_applied_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    let settled = settle_all(&queue, &[(lease, retry(Duration::ZERO)), (lease, retry(Duration::ZERO))]).await;
    assert_eq!(settled, [Settled::Applied, Settled::Repeated]);
    assert_eq!(take_one(&queue).await.task.attempt, 2);
}

/// A settlement under a lease that a sweep took changes nothing.
pub async fn a_swept_lease_settles_nothing<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    crash(harness, &queue).await;
    assert_eq!(settle_one(&queue, lease, Verdict::Done).await, Settled::Lost);
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// The holder before cannot settle what another holds now.
pub async fn a_stale_fence_settles_nothing<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let old = take_one(&queue).await.lease;
    crash(harness, &queue).await;
    let new = take_one(&queue).await.lease;
    let settled = settle_all(&queue, &[(old, Verdict::Done), (new, retry(LEASE))]).await;
    assert_eq!(settled, [Settled::Lost, Settled::Applied]);
    assert_eq!(queue.depth(JOB).await.unwrap().delayed, 1);
}

/// Job and fence are checked, and so is the task.
pub async fn a_foreign_lease_settles_nothing<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    for wrong in [
        Lease { job: JobId(9), ..lease },
        Lease { task: TaskId(999), ..lease },
        Lease { task: TaskId(u64::MAX), ..lease },
        Lease { fence: lease.fence + 1, ..lease },
    ] {
        assert_eq!(settle_one(&queue, wrong, Verdict::Done).await, Settled::Lost, "{wrong:?}");
    }
    assert_eq!(queue.depth(JOB).await.unwrap().leased, 1);
}

/// A task that was never delivered cannot be settled.
pub async fn an_unclaimed_task_cannot_be_settled<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let task = push_new(&queue, &[page("a.org", 1)]).await[0];
    assert_eq!(settle_one(&queue, Lease { job: JOB, task, fence: 0 }, Verdict::Done).await, Settled::Lost);
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// A lease whose time is over still settles before a sweep takes it.
pub async fn an_expired_lease_settles_before_the_sweep<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    harness.advance(LEASE * 2).await;
    assert_eq!(settle_one(&queue, lease, Verdict::Done).await, Settled::Applied);
}

/// A retry raises the attempt count, a release does not; neither clears the crash count.
pub async fn a_retry_uses_an_attempt_and_a_release_none<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    take_one(&queue).await;
    crash(harness, &queue).await;
    for (verdict, attempt) in [(release(Duration::ZERO), 1), (retry(Duration::ZERO), 1), (Verdict::Done, 2)] {
        let claimed = take_one(&queue).await;
        assert_eq!((claimed.task.attempt, claimed.task.crashes), (attempt, 1));
        settle_one(&queue, claimed.lease, verdict).await;
    }
}

/// A retry and a release without delay are ready at once.
pub async fn without_delay_a_task_is_ready_at_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 2)).await;
    let verdicts = [retry(Duration::ZERO), release(Duration::ZERO)];
    let batch: Vec<_> = take(&queue, 2).await.iter().map(|claimed| claimed.lease).zip(verdicts).collect();
    settle_all(&queue, &batch).await;
    assert_eq!(queue.depth(JOB).await.unwrap().pending, 2);
    assert_eq!(take(&queue, 2).await.len(), 2);
}

/// A task that was given up is not delivered again.
pub async fn a_failed_task_stays_failed<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 4)).await;
    let verdicts = FailureClass::ALL.map(failed);
    let batch: Vec<_> = take(&queue, 4).await.iter().map(|claimed| claimed.lease).zip(verdicts).collect();
    settle_all(&queue, &batch).await;
    crash(harness, &queue).await;
    assert!(take(&queue, 9).await.is_empty());
    assert_eq!(queue.depth(JOB).await.unwrap().lost(), 4);
}
