//! The lines of [`Queue::push`] and [`Queue::depth`].

use super::*;
use crate::class::{Class, LeftOut};
use crate::queue::Depth;

/// Two pages that have one fingerprint.
const ALIKE: [&str; 2] = ["https://a.org/fgjlonannkijjgcg", "https://a.org/inomhbefnocoghbi"];

/// Pushed tasks can be claimed at once.
pub async fn pushed_tasks_can_be_claimed_at_once<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let pushed = push_new(&queue, &pages("a.org", 3)).await;
    assert_same(ids(&take(&queue, 9).await), pushed);
}

/// What was pushed is what is delivered: work of every kind, job and depth.
pub async fn work_of_every_kind_comes_back_as_pushed<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let works = [
        Work::Page { url: "https://a.org/?q=ü%20'\"".to_owned() },
        Work::Page { url: "no url at all".to_owned() },
        Work::Sitemap { site: "a.org:81".to_owned(), url: "http://a.org:81/all maps?ü".to_owned() },
        Work::Search { query: "a b\nc".to_owned(), page: 3, stride: 7 },
        Work::Path { path: "/tmp/ä b".to_owned() },
        Work::List { path: "list.txt".to_owned(), offset: 1 << 40 },
    ];
    let task = |(depth, work): (u32, &Work)| NewTask { job: JOB, work: work.clone(), depth, limit: None };
    let tasks: Vec<_> = (5..).zip(&works).map(task).collect();
    let pushed = push_new(&queue, &tasks).await;
    let claimed = take(&queue, 9).await;
    assert_eq!(claimed.len(), tasks.len());
    for (id, new) in pushed.into_iter().zip(tasks) {
        let task = &claimed.iter().find(|claimed| claimed.task.id == id).unwrap().task;
        assert_eq!((task.job, &task.work, task.depth), (new.job, &new.work, new.depth));
        assert_eq!((task.attempt, task.crashes), (1, 0));
    }
}

/// Lists are listed with where they go on, until they are read.
pub async fn open_lists_are_told_by_path_and_offset<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let list = |path: &str, offset| Work::List { path: path.to_owned(), offset };
    let task = |work| NewTask { job: JOB, work, depth: 0, limit: None };
    let at = |path: &str, offset| ListPosition { path: path.to_owned(), offset };
    assert!(queue.lists(JOB).await.unwrap().is_empty());
    push_new(&queue, &[task(list("b", 0)), page("a.org", 1)]).await;
    push_new(&queue, &[task(list("a", 1 << 40))]).await;
    assert_eq!(queue.lists(JOB).await.unwrap(), [at("a", 1 << 40), at("b", 0)]);
    let claimed = take(&queue, 9).await;
    assert_eq!(queue.lists(JOB).await.unwrap().len(), 2, "what is leased is still to be read");
    push_new(&queue, &[task(list("b", 70))]).await;
    let done: Vec<_> = claimed.iter().map(|claimed| (claimed.lease, Verdict::Done)).collect();
    settle_all(&queue, &done).await;
    assert_eq!(queue.lists(JOB).await.unwrap(), [at("b", 70)]);
    assert!(queue.lists(OTHER).await.unwrap().is_empty());
}

/// A job holds each work once, also within one batch; results match the input's order and length.
pub async fn work_in_one_batch_twice_is_one_task<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let batch = [page("a.org", 1), page("a.org", 2), page("a.org", 1), page("a.org", 2)];
    let pushed = queue.push(&batch).await.unwrap();
    let [Pushed::New(one), Pushed::New(two), again @ ..] = pushed.as_slice() else { panic!("{pushed:?}") };
    assert_ne!(one, two);
    assert_eq!(again, [Pushed::Duplicate(*one), Pushed::Duplicate(*two)]);
    assert_eq!(queue.depth(JOB).await.unwrap().total(), 2);
}

/// Pushing work again answers the first one's id, whatever state that is in.
pub async fn duplicates_name_the_first_task_in_any_state<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let tasks = pages("a.org", 5);
    let pushed = push_new(&queue, &tasks).await;
    let claimed = take(&queue, 4).await;
    let verdicts = [Verdict::Done, retry(LEASE), failed(FailureClass::Permanent)];
    let batch: Vec<_> = claimed.iter().map(|claimed| claimed.lease).zip(verdicts).collect();
    settle_all(&queue, &batch).await;
    let expected: Vec<_> = pushed.into_iter().map(Pushed::Duplicate).collect();
    assert_eq!(queue.push(&tasks).await.unwrap(), expected);
}

/// The same work in two jobs is two tasks.
pub async fn jobs_do_not_share_tasks<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1), of_other(page("a.org", 1))]).await;
    let depths = queue.depths(&[JOB, OTHER]).await.unwrap();
    assert_eq!(depths, [Depth { pending: 1, ..Depth::default() }; 2]);
}

/// A task beyond the limit is answered so and not kept; the limit counts each job by itself.
pub async fn tasks_beyond_the_limit_are_not_kept<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let limited = |n| NewTask { limit: Some(2), ..page("a.org", n) };
    let other = NewTask { job: OTHER, ..limited(9) };
    let pushed = queue.push(&[limited(0), limited(1), limited(2), other]).await.unwrap();
    assert!(matches!(pushed.as_slice(), [Pushed::New(_), Pushed::New(_), Pushed::OverLimit, Pushed::New(_)]));
    assert_eq!(queue.push(&[limited(3)]).await.unwrap(), [Pushed::OverLimit]);
    assert_eq!(queue.depth(JOB).await.unwrap().total(), 2);
}

/// A duplicate is answered as such even beyond the limit.
pub async fn duplicates_are_duplicates_beyond_the_limit<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let limited = |n| NewTask { limit: Some(1), ..page("a.org", n) };
    let id = push_new(&queue, &[limited(0)]).await[0];
    assert_eq!(queue.push(&[limited(1), limited(0)]).await.unwrap(), [Pushed::OverLimit, Pushed::Duplicate(id)]);
}

/// The limit counts the tasks that the job ever had.
pub async fn done_tasks_count_against_the_limit<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let limited = |n| NewTask { limit: Some(1), ..page("a.org", n) };
    push_new(&queue, &[limited(0)]).await;
    settle_one(&queue, take_one(&queue).await.lease, Verdict::Done).await;
    assert_eq!(queue.push(&[limited(1)]).await.unwrap(), [Pushed::OverLimit]);
}

/// Results match the input's length, also when there is none.
pub async fn empty_batches_have_empty_answers<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    assert!(queue.push(&[]).await.unwrap().is_empty());
    assert!(take(&queue, 5).await.is_empty());
    assert!(queue.renew(&[], LEASE).await.unwrap().is_empty());
    assert!(queue.settle(&[]).await.unwrap().is_empty());
    assert_eq!(queue.sweep(MANY).await.unwrap(), Swept::default());
}

/// A job without tasks has a depth of zeros.
pub async fn depth_without_tasks_is_zero<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    assert_eq!(queue.depth(JobId(77)).await.unwrap(), Depth::default());
}

/// Depths come in the order asked for, a job without tasks and one asked for twice included.
pub async fn depths_come_as_asked_for<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let of = |job, n| NewTask { job: JobId(job), ..page("a.org", n) };
    push_new(&queue, &[of(1, 1), of(3, 1), of(3, 2), of(9, 1)]).await;
    let claimed = take_one(&queue).await;
    let mut left_out = LeftOut::NONE;
    left_out.add(Class::Placeholder, 5);
    queue.settle(&[Settle { left_out, ..Settle::new(claimed.lease, Verdict::Done) }]).await.unwrap();
    let depths = queue.depths(&[JobId(3), JobId(77), JobId(1), JobId(3)]).await.unwrap();
    let seen: Vec<_> = depths.iter().map(|depth| (depth.pending, depth.done)).collect();
    assert_eq!(seen, [(2, 0), (0, 0), (0, 1), (2, 0)]);
    let left_out = |depth: &Depth| depth.left_out.iter().map(|(_, mentions)| mentions).sum::<u64>();
    assert_eq!(depths.iter().map(left_out).collect::<Vec<_>>(), [0, 0, 5, 0]);
    assert!(queue.depths(&[]).await.unwrap().is_empty());
}

/// The depth counts each task in the state it is in.
pub async fn depth_counts_every_state<H: Harness>(harness: &H) {
    let limits = QueueLimits { suspect_after: 1, quarantine_after: 1 };
    let (queue, _) = harness.open(limits).await;
    push_new(&queue, &[page("crash.org", 0)]).await;
    take_one(&queue).await;
    crash(harness, &queue).await;
    push_new(&queue, &pages("a.org", 9)).await;
    let claimed = take(&queue, 7).await;
    let verdicts = [
        Verdict::Done,
        retry(LEASE),
        release(LEASE),
        failed(FailureClass::Blocked),
        failed(FailureClass::Permanent),
        failed(FailureClass::Exhausted),
    ];
    let batch: Vec<_> = claimed.iter().map(|claimed| claimed.lease).zip(verdicts).collect();
    settle_all(&queue, &batch).await;
    let left_out = LeftOut::NONE;
    let expected =
        Depth { pending: 2, delayed: 2, leased: 1, done: 1, blocked: 1, failed: 2, quarantined: 1, left_out };
    assert_eq!(queue.depth(JOB).await.unwrap(), expected);
}

/// Suspects are ready, so they count as pending.
pub async fn depth_counts_suspects_as_pending<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 9 }).await;
    push_new(&queue, &pages("a.org", 2)).await;
    take_one(&queue).await;
    crash(harness, &queue).await;
    assert_eq!(queue.depth(JOB).await.unwrap(), Depth { pending: 2, ..Depth::default() });
}

/// Two works with one fingerprint are two tasks, in one batch and in two.
pub async fn two_works_of_one_fingerprint_are_two_tasks<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let task = |url: &str| NewTask { work: Work::Page { url: url.to_owned() }, ..page("a.org", 0) };
    let alike = ALIKE.map(task);
    assert_eq!(alike[0].work.fingerprint(), alike[1].work.fingerprint());
    let together = push_new(&queue, &alike).await;
    assert_eq!(push(&queue, &alike).await, [Pushed::Duplicate(together[0]), Pushed::Duplicate(together[1])]);
    let [one, other] = alike.map(of_other);
    let first = push_new(&queue, std::slice::from_ref(&one)).await[0];
    let second = push_new(&queue, std::slice::from_ref(&other)).await[0];
    assert_eq!(push(&queue, &[other, one]).await, [Pushed::Duplicate(second), Pushed::Duplicate(first)]);
}
