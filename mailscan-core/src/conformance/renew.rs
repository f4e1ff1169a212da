//! The lines of [`Queue::renew`].

use super::*;
use crate::queue::Renewed;

async fn renew_one(queue: &impl Queue, lease: Lease) -> Renewed {
    queue.renew(&[lease], LEASE).await.unwrap()[0]
}

/// A renewed lease holds for the time asked for, from now.
pub async fn a_renewed_lease_holds_from_now<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    harness.advance(LEASE / 2).await;
    assert_eq!(renew_one(&queue, lease).await, Renewed::Held);
    harness.advance(LEASE - Duration::from_secs(1)).await;
    assert_eq!(queue.sweep(MANY).await.unwrap(), Swept::default());
    harness.advance(Duration::from_secs(1)).await;
    assert_eq!(queue.sweep(MANY).await.unwrap().returned, 1);
}

/// A lease whose time is over is extended as long as no sweep has taken it.
pub async fn an_expired_lease_is_renewed_before_the_sweep<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    harness.advance(LEASE * 3).await;
    assert_eq!(renew_one(&queue, lease).await, Renewed::Held);
    assert_eq!(queue.sweep(MANY).await.unwrap().returned, 0);
}

/// A lease that a sweep took is lost, also when another holds the task now.
pub async fn a_swept_lease_is_lost<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let old = take_one(&queue).await.lease;
    crash(harness, &queue).await;
    assert_eq!(renew_one(&queue, old).await, Renewed::Lost);
    let new = take_one(&queue).await.lease;
    assert_eq!(queue.renew(&[old, new], LEASE).await.unwrap(), [Renewed::Lost, Renewed::Held]);
}

/// A settled lease is lost.
pub async fn a_settled_lease_cannot_be_renewed<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    settle_one(&queue, lease, Verdict::Done).await;
    assert_eq!(renew_one(&queue, lease).await, Renewed::Lost);
}

/// Leases of another job or of no task are lost, and the answers match the input's order.
pub async fn foreign_leases_are_lost_in_order<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let lease = take_one(&queue).await.lease;
    let wrong = [Lease { job: JobId(9), ..lease }, lease, Lease { task: TaskId(999), ..lease }];
    let expected = [Renewed::Lost, Renewed::Held, Renewed::Lost];
    assert_eq!(queue.renew(&wrong, LEASE).await.unwrap(), expected);
}

/// A lease that is named twice is answered twice.
pub async fn a_lease_twice_in_a_batch_is_held_twice<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 2)).await;
    let [one, other] = [take_one(&queue).await.lease, take_one(&queue).await.lease];
    assert_eq!(queue.renew(&[one, other, one, one], LEASE).await.unwrap(), [Renewed::Held; 4]);
}
