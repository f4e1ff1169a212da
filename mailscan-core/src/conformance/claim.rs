//! The lines of [`Queue::claim`].

use super::*;

/// A claimed task is leased: nobody else gets it before the lease ends.
pub async fn a_claimed_task_is_not_claimed_again<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 2)).await;
    let first = take_one(&queue).await;
    let second = take(&queue, 9).await;
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].task.id, first.task.id);
    assert!(take(&queue, 9).await.is_empty());
}

/// The lease names the job and the task that were claimed.
pub async fn the_lease_names_its_task<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let claimed = take_one(&queue).await;
    assert_eq!((claimed.lease.job, claimed.lease.task), (JOB, claimed.task.id));
}

/// The fence of a task rises with every claim.
pub async fn the_fence_rises_with_every_claim<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let mut last = None;
    for verdict in [release(Duration::ZERO), retry(Duration::ZERO), release(Duration::ZERO)] {
        let lease = take_one(&queue).await.lease;
        assert!(last.is_none_or(|last| lease.fence > last));
        last = Some(lease.fence);
        settle_one(&queue, lease, verdict).await;
    }
}

/// A call yields no more than the share of each job, and serves several jobs at once.
pub async fn shares_limit_each_job<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 5)).await;
    push_new(&queue, &pages("a.org", 5).into_iter().map(of_other).collect::<Vec<_>>()).await;
    let shares = vec![Share { job: JOB, limit: 2 }, Share { job: OTHER, limit: 3 }];
    let claimed = queue.claim(&ClaimRequest { shares, ..request(0) }).await.unwrap();
    let of = |job| claimed.iter().filter(|claimed| claimed.task.job == job).count();
    assert_eq!((of(JOB), of(OTHER)), (2, 3));
}

/// Only the jobs of the request are served, and a limit of 0 yields nothing.
pub async fn other_jobs_are_left_alone<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    let shares = vec![Share { job: OTHER, limit: 9 }, Share { job: JOB, limit: 0 }];
    assert!(queue.claim(&ClaimRequest { shares, ..request(0) }).await.unwrap().is_empty());
}

/// One host yields at most `per_host` tasks of one job.
pub async fn one_host_yields_at_most_per_host<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &pages("a.org", 5)).await;
    push_new(&queue, &pages("b.org", 1)).await;
    let claimed = queue.claim(&ClaimRequest { per_host: 2, ..request(9) }).await.unwrap();
    assert_same(hosts(&claimed), vec!["a.org".to_owned(), "a.org".to_owned(), "b.org".to_owned()]);
}

/// Searches yield at most `calls` of one job, and so do files: neither is a matter of `per_host`.
pub async fn searches_have_a_limit_of_their_own<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let call =
        |n| NewTask { work: Work::Search { query: "everything".to_owned(), page: n, stride: 1 }, ..page("a.org", 0) };
    let file = |n| NewTask { work: Work::Path { path: format!("/{n}") }, ..page("a.org", 0) };
    push_new(&queue, &(1..=5).map(call).collect::<Vec<_>>()).await;
    push_new(&queue, &(1..=5).map(file).collect::<Vec<_>>()).await;
    push_new(&queue, &pages("a.org", 5)).await;
    let claimed = queue.claim(&ClaimRequest { per_host: 1, calls: 3, ..request(9) }).await.unwrap();
    let expected = [&["a.org"][..], &[LOCAL_HOST; 3], &[SEARCH_HOST; 3]].concat();
    assert_same(hosts(&claimed), expected.into_iter().map(str::to_owned).collect());
    let claimed = queue.claim(&ClaimRequest { per_host: 2, calls: 0, ..request(9) }).await.unwrap();
    assert_eq!(hosts(&claimed), ["a.org", "a.org"]);
}

/// A request for both jobs that only the number of tasks of each limits.
fn for_both(limit: usize) -> ClaimRequest {
    let shares = [JOB, OTHER].map(|job| Share { job, limit });
    ClaimRequest { shares: shares.to_vec(), ..request(0) }
}

/// How many of the tasks are of each job.
fn by_job(claimed: &[Claimed]) -> [usize; 2] {
    [JOB, OTHER].map(|job| claimed.iter().filter(|claimed| claimed.task.job == job).count())
}

/// Pushes tasks to both jobs.
async fn push_to_both(queue: &impl Queue, tasks: Vec<NewTask>) {
    push_new(queue, &tasks).await;
    push_new(queue, &tasks.into_iter().map(of_other).collect::<Vec<_>>()).await;
}

/// What one host and what searches yield is limited for each job by itself.
pub async fn limits_of_hosts_are_those_of_each_job<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let call = |n| NewTask { work: Work::Search { query: "q".to_owned(), page: n, stride: 1 }, ..page("a.org", 0) };
    push_to_both(&queue, pages("a.org", 5).into_iter().chain((1..=5).map(call)).collect()).await;
    let claimed = queue.claim(&ClaimRequest { per_host: 2, calls: 3, ..for_both(99) }).await.unwrap();
    assert_eq!(by_job(&claimed), [5, 5]);
    let calls = claimed.into_iter().filter(|claimed| claimed.task.work.host() == SEARCH_HOST).collect::<Vec<_>>();
    assert_eq!(by_job(&calls), [3, 3]);
}

/// A busy host yields nothing of any job.
pub async fn busy_hosts_are_busy_for_every_job<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_to_both(&queue, vec![page("a.org", 1), page("b.org", 1)]).await;
    let busy_hosts = vec!["a.org".to_owned()];
    let claimed = queue.claim(&ClaimRequest { busy_hosts, ..for_both(9) }).await.unwrap();
    assert_eq!((hosts(&claimed), by_job(&claimed)), (vec!["b.org".to_owned(); 2], [1, 1]));
}

/// So many suspects as a call asks for are those of all its jobs, the ones with the fewest crashes of all.
pub async fn suspects_are_limited_over_all_jobs<H: Harness>(harness: &H) {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 9 }).await;
    push_new(&queue, &pages("twice.org", 3)).await;
    assert_eq!(queue.claim(&for_both(9)).await.unwrap().len(), 3);
    crash(harness, &queue).await;
    push_new(&queue, &[of_other(page("once.org", 0)), of_other(page("once.net", 0))]).await;
    assert_eq!(by_job(&queue.claim(&for_both(9)).await.unwrap()), [3, 2]);
    crash(harness, &queue).await;
    push_to_both(&queue, vec![page("innocent.org", 0)]).await;
    let claimed = queue.claim(&ClaimRequest { suspects: 2, ..for_both(9) }).await.unwrap();
    let suspects: Vec<_> = claimed.into_iter().filter(|claimed| claimed.task.crashes > 0).collect();
    assert_eq!((suspects.len(), by_job(&suspects)), (2, [0, 2]), "{suspects:?}");
    let claimed = queue.claim(&ClaimRequest { suspects: 2, ..for_both(9) }).await.unwrap();
    assert_eq!(claimed.iter().filter(|claimed| claimed.task.crashes > 0).count(), 2);
}

/// A busy host yields nothing.
pub async fn busy_hosts_yield_nothing<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for host in ["a.org", "b.org", "c.org"] {
        push_new(&queue, &pages(host, 2)).await;
    }
    let busy_hosts = vec!["a.org".to_owned(), "c.org".to_owned()];
    let claimed = queue.claim(&ClaimRequest { busy_hosts, ..request(9) }).await.unwrap();
    assert_eq!(hosts(&claimed), ["b.org", "b.org"]);
}

/// Hosts take turns between calls: none is served twice before every other had its turn.
pub async fn hosts_take_turns_between_calls<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let names = ["a.org", "b.org", "c.org"];
    for host in names {
        push_new(&queue, &pages(host, 3)).await;
    }
    for _ in 0..3 {
        let mut round = Vec::new();
        for _ in names {
            round.extend(hosts(&queue.claim(&ClaimRequest { per_host: 1, ..request(1) }).await.unwrap()));
        }
        assert_same(round, names.map(str::to_owned).to_vec());
    }
}

/// Within a host and job, tasks come in the order in which they became ready: here, were pushed.
pub async fn tasks_of_a_host_come_in_order<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let mut pushed = push_new(&queue, &pages("a.org", 20)).await;
    pushed.extend(push_new(&queue, &[page("a.org", 99)]).await);
    let mut order = Vec::new();
    for limit in [1, 7, 5, 50] {
        order.extend(ids(&take(&queue, limit).await));
    }
    assert_eq!(order, pushed);
}

/// A task given back became ready later than those that waited.
pub async fn a_released_task_comes_after_those_that_waited<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let pushed = push_new(&queue, &pages("a.org", 3)).await;
    settle_one(&queue, take_one(&queue).await.lease, release(Duration::ZERO)).await;
    assert_eq!(ids(&take(&queue, 9).await), [pushed[1], pushed[2], pushed[0]]);
}

/// A delayed task became ready when its time came, before what was pushed later.
pub async fn a_delayed_task_keeps_its_place_in_time<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    let first = push_new(&queue, &[page("a.org", 1)]).await[0];
    settle_one(&queue, take_one(&queue).await.lease, release(Duration::from_secs(5))).await;
    harness.advance(Duration::from_secs(6)).await;
    let second = push_new(&queue, &[page("a.org", 2)]).await[0];
    assert_eq!(ids(&take(&queue, 9).await), [first, second]);
}

/// Delayed tasks are ready when their time has come, and not before.
pub async fn delayed_tasks_wait_for_their_time<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    settle_one(&queue, take_one(&queue).await.lease, retry(Duration::from_secs(10))).await;
    harness.advance(Duration::from_secs(9)).await;
    assert!(take(&queue, 1).await.is_empty());
    harness.advance(Duration::from_secs(1)).await;
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// An expired lease is not ready before a sweep took it back.
pub async fn expired_leases_are_not_ready<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    push_new(&queue, &[page("a.org", 1)]).await;
    take_one(&queue).await;
    harness.advance(LEASE * 2).await;
    assert!(take(&queue, 1).await.is_empty());
    queue.sweep(MANY).await.unwrap();
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// A queue with suspects at three hosts, two of one crash and one of two, and one innocent task.
async fn suspects<H: Harness>(harness: &H) -> H::Queue {
    let (queue, _) = harness.open(QueueLimits { suspect_after: 1, quarantine_after: 9 }).await;
    push_new(&queue, &[page("twice.org", 0)]).await;
    take_one(&queue).await;
    crash(harness, &queue).await;
    push_new(&queue, &[page("once.org", 0), page("once.net", 0)]).await;
    assert_eq!(take(&queue, 9).await.len(), 3);
    crash(harness, &queue).await;
    push_new(&queue, &[page("innocent.org", 0)]).await;
    queue
}

/// A call yields at most so many suspects as it asks for, and innocent tasks beside them.
pub async fn suspects_come_only_as_asked_for<H: Harness>(harness: &H) {
    let queue = suspects(harness).await;
    let none = queue.claim(&ClaimRequest { suspects: 0, ..request(9) }).await.unwrap();
    assert_eq!(hosts(&none), ["innocent.org"]);
    let one = queue.claim(&ClaimRequest { suspects: 1, ..request(9) }).await.unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].task.crashes, 1);
}

/// The suspects with the fewest crashes come first.
pub async fn suspects_with_the_fewest_crashes_come_first<H: Harness>(harness: &H) {
    let queue = suspects(harness).await;
    let claimed = queue.claim(&ClaimRequest { suspects: 2, ..request(9) }).await.unwrap();
    let crashes = claimed.iter().map(|claimed| claimed.task.crashes).filter(|crashes| *crashes > 0);
    assert_eq!(crashes.collect::<Vec<_>>(), [1, 1]);
}

/// Suspects obey busy hosts, the share of a host and the share of a job.
pub async fn suspects_obey_the_limits_of_all<H: Harness>(harness: &H) {
    let queue = suspects(harness).await;
    let busy_hosts = vec!["once.org".to_owned(), "once.net".to_owned()];
    let claimed = queue.claim(&ClaimRequest { busy_hosts, ..request(9) }).await.unwrap();
    assert_same(hosts(&claimed), vec!["innocent.org".to_owned(), "twice.org".to_owned()]);
    assert!(queue.claim(&ClaimRequest { per_host: 0, ..request(9) }).await.unwrap().is_empty());
    assert_eq!(take(&queue, 1).await.len(), 1);
}

/// Many waiting tasks do not keep a small claim from finding one.
pub async fn a_small_claim_finds_one_of_many<H: Harness>(harness: &H) {
    let queue = queue(harness).await;
    for batch in 0..10 {
        let tasks: Vec<_> = (0..500).map(|n| page(&format!("h{n}.org"), batch)).collect();
        push_new(&queue, &tasks).await;
    }
    let claimed = queue.claim(&ClaimRequest { per_host: 1, ..request(100) }).await.unwrap();
    assert_eq!(claimed.len(), 100);
    let mut names = hosts(&claimed);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100, "each host once");
}
