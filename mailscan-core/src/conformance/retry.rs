//! The lines of [`Queue::retry`] and [`Queue::states`].

use super::hint::is_hinted;
use super::*;
use crate::queue::{Depth, Retried, TaskState};

const EVERY: [FailureClass; 4] = FailureClass::ALL;

/// Pushes pages and gives them up, one for every class of failure.
async fn given_up(queue: &impl Queue) -> Vec<TaskId> {
    push_new(queue, &pages("a.org", EVERY.len())).await;
    let claimed = take(queue, 9).await;
    let batch: Vec<_> = claimed.iter().map(|claimed| claimed.lease).zip(EVERY.map(failed)).collect();
    settle_all(queue, &batch).await;
    ids(&claimed)
}

/// What was given up can be claimed at once, as if it were new; retrying it again changes nothing.
pub async fn what_was_given_up_begins_anew<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let given_up = given_up(&queue).await;
    assert_eq!(queue.retry(JOB, &given_up).await.unwrap(), [Retried::Ready; 4]);
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { pending: 4, ..Depth::default() });
    assert_eq!(queue.retry(JOB, &given_up).await.unwrap(), [Retried::Open; 4]);
    let claimed = take(&queue, 9).await;
    assert_same(ids(&claimed), given_up);
    assert!(claimed.iter().all(|claimed| (claimed.task.attempt, claimed.task.crashes) == (1, 0)));
}

/// Attempts and crashes are forgotten, so what was quarantined comes back as no suspect.
pub async fn a_retried_task_has_no_past<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 2 }).await;
    let task = push_new(&queue, &[page("a.org", 1)]).await[0];
    settle_one(&queue, take_one(&queue).await.lease, retry(Duration::ZERO)).await;
    for _ in 0..2 {
        take_one(&queue).await;
        crash(harness, &queue).await;
    }
    assert_eq!(queue.depth(JOB).await.unwrap().quarantined, 1);
    assert_eq!(queue.retry(JOB, &[task]).await.unwrap(), [Retried::Ready]);
    let claimed = queue.claim(&ClaimRequest { suspects: 0, ..request(1) }).await.unwrap();
    assert_eq!((claimed[0].task.attempt, claimed[0].task.crashes), (1, 0));
}

/// The fence goes on rising, so that whoever had the task before has lost it.
pub async fn the_fence_survives_a_retry<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let task = push_new(&queue, &[page("a.org", 1)]).await[0];
    let before = take_one(&queue).await.lease;
    settle_one(&queue, before, failed(FailureClass::Permanent)).await;
    queue.retry(JOB, &[task]).await.unwrap();
    let after = take_one(&queue).await.lease;
    assert!(after.fence > before.fence);
    assert_eq!(settle_one(&queue, before, Verdict::Done).await, Settled::Lost);
    assert_eq!(settle_one(&queue, after, Verdict::Done).await, Settled::Applied);
}

/// A task that waits after a failed try is ready at once, and its attempts count on.
pub async fn who_waits_is_ready_at_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let task = push_new(&queue, &[page("a.org", 1)]).await[0];
    settle_one(&queue, take_one(&queue).await.lease, retry(Duration::from_secs(600))).await;
    assert!(take(&queue, 9).await.is_empty());
    assert_eq!(queue.retry(JOB, &[task]).await.unwrap(), [Retried::Open]);
    assert_eq!(take_one(&queue).await.task.attempt, 2);
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { leased: 1, ..Depth::default() });
}

/// What is open or done stays as it is, and so do tasks of other jobs; answers match the input's order.
pub async fn nothing_else_is_retried<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let foreign = push_new(&queue, &[NewTask { job: OTHER, ..page("a.org", 9) }]).await[0];
    let given_up = given_up(&queue).await;
    let tasks = push_new(&queue, &pages("b.org", 3)).await;
    let claimed = take(&queue, 2).await;
    settle_one(&queue, claimed[0].lease, Verdict::Done).await;
    let (done, leased) = (claimed[0].task.id, claimed[1].task.id);
    let depth = queue.depth(JOB).await.unwrap();
    let asked = [done, TaskId(u64::MAX), leased, foreign, tasks[2]];
    let expected = [Retried::Unchanged, Retried::Unchanged, Retried::Open, Retried::Unchanged, Retried::Open];
    assert_eq!(queue.retry(JOB, &asked).await.unwrap(), expected);
    assert_eq!(queue.retry(OTHER, &given_up).await.unwrap(), [Retried::Unchanged; 4]);
    assert_eq!(queue.depth(JOB).await.unwrap(), depth);
    assert!(queue.retry(JOB, &[]).await.unwrap().is_empty());
}

/// A task that is named twice is put back once: the second time it is open already.
pub async fn a_task_twice_in_a_batch_is_retried_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let given_up = given_up(&queue).await[0];
    let waits = push_new(&queue, &[page("b.org", 1)]).await[0];
    settle_one(&queue, take_one(&queue).await.lease, retry(LEASE)).await;
    let asked = [given_up, waits, given_up, waits];
    let expected = [Retried::Ready, Retried::Open, Retried::Open, Retried::Open];
    assert_eq!(queue.retry(JOB, &asked).await.unwrap(), expected);
    assert_same(ids(&take(&queue, 9).await), vec![given_up, waits]);
    let depth = queue.depth(JOB).await.unwrap();
    assert_eq!((depth.leased, depth.open(), depth.lost()), (2, 2, 3));
}

/// A retry gives the hint.
pub async fn a_retry_wakes_who_waits<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let given_up = given_up(&queue).await;
    // That of the push.
    assert!(is_hinted(&queue).await);
    let (hinted, retried) = futures::join!(is_hinted(&queue), queue.retry(JOB, &given_up));
    assert_eq!((hinted, retried.unwrap().len()), (true, 4));
}

/// The state of a task is told for its job only, in the order of the input.
pub async fn states_are_told_in_order<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let given_up = given_up(&queue).await;
    let tasks = push_new(&queue, &pages("b.org", 2)).await;
    let claimed = take_one(&queue).await;
    settle_one(&queue, claimed.lease, Verdict::Done).await;
    let open = tasks[usize::from(claimed.task.id == tasks[0])];
    let asked = [given_up[0], claimed.task.id, TaskId(0), open, given_up[3]];
    let (gone, done) = (Some(TaskState::GivenUp), Some(TaskState::Done));
    assert_eq!(queue.states(JOB, &asked).await.unwrap(), [gone, done, None, Some(TaskState::Open), gone]);
    assert_eq!(queue.states(OTHER, &asked).await.unwrap(), [None; 5]);
    assert!(queue.states(JOB, &[]).await.unwrap().is_empty());
}

/// What is ready, waits, is held or was taken back is open; what crashed too often was given up.
pub async fn every_state_is_told<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 2 }).await;
    let poison = push_new(&queue, &[page("crash.org", 0)]).await[0];
    let tell = async |task| queue.states(JOB, &[task]).await.unwrap()[0].unwrap();
    for after in [TaskState::Open, TaskState::GivenUp] {
        take_one(&queue).await;
        assert_eq!(tell(poison).await, TaskState::Open, "while it is held");
        crash(harness, &queue).await;
        assert_eq!(tell(poison).await, after);
    }
    push_new(&queue, &pages("a.org", 4)).await;
    let claimed = take(&queue, 3).await;
    let batch: Vec<_> = claimed.iter().map(|claimed| claimed.lease).zip([retry(LEASE), release(LEASE)]).collect();
    settle_all(&queue, &batch).await;
    assert_eq!(queue.states(JOB, &ids(&claimed)).await.unwrap(), [Some(TaskState::Open); 3]);
    harness.advance(LEASE * 2).await;
    assert_eq!(queue.states(JOB, &ids(&claimed)).await.unwrap(), [Some(TaskState::Open); 3], "with its time over");
}
