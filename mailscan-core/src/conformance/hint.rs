//! The lines of [`Queue::ready`].
//!
//! A hint may come without cause, so no case asks that none comes. One that is missing is waited for by the clock of the
//! machine: that of a case stands still.

use std::sync::mpsc::RecvTimeoutError;

use futures::FutureExt;
use futures::channel::oneshot;

use super::*;

/// How long a hint is waited for.
const SOON: Duration = Duration::from_secs(20);

/// Whether a hint comes soon.
pub(super) async fn is_hinted(queue: &impl Queue) -> bool {
    // Ends the watch when it is dropped.
    let (_stop, stopped) = std::sync::mpsc::channel::<()>();
    let (over, is_over) = oneshot::channel();
    std::thread::spawn(move || {
        if stopped.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
            let _ = over.send(());
        }
    });
    tokio::select! {
        biased;
        () = queue.ready() => true,
        _ = is_over => false,
    }
}

/// A push gives the hint to whoever waits.
pub async fn a_push_wakes_who_waits<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let push = async { push_new(&queue, &[page("a.org", 1)]).await };
    let (hinted, _) = futures::join!(is_hinted(&queue), push);
    assert!(hinted);
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// A hint that nobody waited for is not lost, nor is one that comes after a wait was given up.
pub async fn a_hint_outlives_a_dropped_wait<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let _ = queue.ready().now_or_never();
    push_new(&queue, &[page("a.org", 1)]).await;
    assert!(is_hinted(&queue).await);
}

/// Nor is one that had come to the wait that was given up.
pub async fn a_hint_that_came_to_a_dropped_wait_comes_again<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let mut wait = Box::pin(queue.ready());
    let _ = futures::poll!(&mut wait);
    push_new(&queue, &[page("a.org", 1)]).await;
    drop(wait);
    assert!(is_hinted(&queue).await);
}

/// A task given back gives the hint, and so does one taken back.
pub async fn returned_tasks_give_the_hint<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    assert!(is_hinted(&queue).await);
    settle_one(&queue, take_one(&queue).await.lease, release(Duration::ZERO)).await;
    assert!(is_hinted(&queue).await, "of a release");
    take_one(&queue).await;
    crash(harness, &queue).await;
    assert!(is_hinted(&queue).await, "of a sweep");
}
