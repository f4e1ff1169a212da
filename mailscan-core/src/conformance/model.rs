//! Random operations on a queue against a naive model: a list of tasks.
//!
//! The model does not foretell which tasks a claim yields, since the contract leaves that open; it checks that each
//! claimed task could be claimed, keeps to every limit and order, and that nothing is lost at the end. Two jobs share the
//! queue, and times are drawn to the millisecond, often at the end of a lease or a delay or just before it.

use std::collections::HashMap;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::class::LeftOut;
use crate::queue::{Depth, Renewed};

/// How many random sequences a test runs.
const SEQUENCES: u32 = 48;
const LIMITS: QueueLimits = QueueLimits { suspect_after: 1, quarantine_after: 3 };
const JOBS: [JobId; 2] = [JOB, OTHER];

/// One operation on a queue. Numbers choose among what there is; times are milliseconds.
#[derive(Clone, Debug)]
enum Operation {
    Push(Vec<(bool, u8, u8)>, Option<u64>),
    Claim {
        limits: [usize; 2],
        per_host: usize,
        suspects: usize,
        busy: Option<u8>,
        lease_for: u64,
    },
    Renew(usize, u64),
    Settle(usize, u8, u64),
    Sweep(usize),
    Advance(u64),
    /// On to the next end of a lease or a delay, or so long before it.
    Reach(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let busy = || prop::option::of(0..3u8);
    let time = || prop_oneof![1..3_000u64, 1..200_000u64];
    prop_oneof![
        (prop::collection::vec((any::<bool>(), 0..3u8, 0..12u8), 1..6), prop::option::of(0..30u64))
            .prop_map(|(tasks, limit)| Operation::Push(tasks, limit)),
        (prop::array::uniform2(0..5usize), 1..4usize, 0..3usize, busy(), time()).prop_map(
            |(limits, per_host, suspects, busy, lease_for)| Operation::Claim {
                limits,
                per_host,
                suspects,
                busy,
                lease_for
            }
        ),
        (any::<usize>(), time()).prop_map(|(lease, lease_for)| Operation::Renew(lease, lease_for)),
        (any::<usize>(), 0..5u8, prop_oneof![Just(0), 1..3_000u64])
            .prop_map(|(lease, verdict, after)| Operation::Settle(lease, verdict, after)),
        (1..4usize).prop_map(Operation::Sweep),
        time().prop_map(Operation::Advance),
        (0..2u64).prop_map(Operation::Reach),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Delayed,
    Leased,
    Done,
    Blocked,
    Failed,
    Quarantined,
}

/// A task of the model.
#[derive(Clone, Debug)]
struct Row {
    id: TaskId,
    job: JobId,
    host: String,
    state: State,
    /// When it became or becomes ready, or when its lease ends, in milliseconds; then a number that rises with what happens
    /// within one, 0 for what only time brings.
    due: (u64, u64),
    fence: u64,
    attempt: u32,
    crashes: u32,
}

impl Row {
    fn is_suspect(&self) -> bool {
        self.crashes >= LIMITS.suspect_after
    }

    fn waits(&self) -> bool {
        matches!(self.state, State::Delayed | State::Leased)
    }
}

/// The queue as the contract has it, kept plainly.
struct Model {
    now: u64,
    sequence: u64,
    rows: HashMap<(JobId, Work), Row>,
    leases: Vec<Lease>,
    began: Instant,
    drift: Duration,
}

impl Model {
    fn new(drift: Duration) -> Self {
        Self { now: 0, sequence: 0, rows: HashMap::new(), leases: Vec::new(), began: Instant::now(), drift }
    }

    /// How many milliseconds the backend's clock may be ahead of what the model makes of it.
    fn ahead(&self) -> u64 {
        let ahead = if self.drift.is_zero() { Duration::ZERO } else { self.drift + self.began.elapsed() };
        u64::try_from(ahead.as_millis()).unwrap()
    }

    fn soon(&mut self) -> (u64, u64) {
        self.sequence += 1;
        (self.now, self.sequence)
    }

    /// Whether one task surely became ready after another.
    fn is_later(&self, one: (u64, u64), other: (u64, u64)) -> bool {
        one.0 > other.0 + self.ahead() || (one.0 == other.0 && other.1 > 0 && one.1 > other.1)
    }

    fn row(&mut self, id: TaskId) -> &mut Row {
        self.rows.values_mut().find(|row| row.id == id).unwrap()
    }

    fn ready(&mut self) {
        let now = self.now;
        for row in self.rows.values_mut().filter(|row| row.state == State::Delayed && row.due.0 <= now) {
            row.state = State::Ready;
        }
    }

    async fn advance<H: Harness>(&mut self, harness: &H, by: u64) {
        self.now += by;
        harness.advance(Duration::from_millis(by)).await;
    }

    /// What a clock that is ahead may have come to already, the model comes to as well.
    async fn catch_up<H: Harness>(&mut self, harness: &H) {
        loop {
            let near = self.now + 1..=self.now + self.ahead();
            let dues = self.rows.values().filter(|row| row.waits()).map(|row| row.due.0);
            let Some(due) = dues.filter(|due| near.contains(due)).max() else { return };
            self.advance(harness, due - self.now).await;
        }
    }

    async fn push(&mut self, queue: &impl Queue, tasks: &[(bool, u8, u8)], limit: Option<u64>) {
        let task = |(other, host, n): &(bool, u8, u8)| {
            let job = JOBS[usize::from(*other)];
            NewTask { job, limit, ..page(&format!("h{host}.org"), usize::from(*n)) }
        };
        let tasks: Vec<_> = tasks.iter().map(task).collect();
        for (new, pushed) in tasks.iter().zip(push(queue, &tasks).await) {
            let total = self.rows.values().filter(|row| row.job == new.job).count() as u64;
            let full = limit.is_some_and(|limit| total >= limit);
            let key = (new.job, new.work.clone());
            match (self.rows.get(&key).map(|row| row.id), pushed) {
                (Some(id), pushed) => assert_eq!(pushed, Pushed::Duplicate(id)),
                (None, Pushed::OverLimit) => assert!(full),
                (None, Pushed::New(id)) => {
                    assert!(!full && self.rows.values().all(|row| row.id != id));
                    let (job, host, due) = (new.job, new.work.host(), self.soon());
                    let row = Row { id, job, host, state: State::Ready, due, fence: 0, attempt: 1, crashes: 0 };
                    self.rows.insert(key, row);
                }
                (None, pushed) => panic!("new work was answered {pushed:?}"),
            }
        }
    }

    async fn claim(&mut self, queue: &impl Queue, request: &ClaimRequest) -> usize {
        self.ready();
        let claimed = queue.claim(request).await.unwrap();
        for Share { job, limit } in &request.shares {
            assert!(claimed.iter().filter(|claimed| claimed.task.job == *job).count() <= *limit);
        }
        let mut by_host: HashMap<_, usize> = HashMap::new();
        let (mut suspects, mut last) = (Vec::new(), HashMap::new());
        for Claimed { task, lease } in &claimed {
            let row = self.rows[&(task.job, task.work.clone())].clone();
            assert_eq!((row.state, row.id), (State::Ready, task.id), "{task:?}");
            assert_eq!((row.attempt, row.crashes), (task.attempt, task.crashes));
            assert_eq!((lease.job, lease.task), (task.job, task.id));
            assert!(lease.fence > row.fence, "the fence rises");
            let host = (row.job, row.host.clone());
            if row.is_suspect() {
                suspects.push(row.crashes);
            } else if let Some(before) = last.insert(host.clone(), row.due) {
                assert!(!self.is_later(before, row.due), "in the order of becoming ready");
            }
            *by_host.entry(host).or_default() += 1;
            let end = (self.now + u64::try_from(request.lease_for.as_millis()).unwrap(), 0);
            let row = self.row(task.id);
            (row.state, row.fence, row.due) = (State::Leased, lease.fence, end);
            self.leases.push(*lease);
        }
        assert!(by_host.values().all(|count| *count <= request.per_host));
        assert!(by_host.keys().all(|(_, host)| !request.busy_hosts.contains(host)));
        assert!(suspects.len() <= request.suspects && suspects.is_sorted());
        // What waits longer at a host is not passed over.
        for row in self.rows.values().filter(|row| row.state == State::Ready && !row.is_suspect()) {
            let last = last.get(&(row.job, row.host.clone()));
            assert!(last.is_none_or(|due| !self.is_later(*due, row.due)), "{row:?} was passed over");
        }
        claimed.len()
    }

    async fn settle(&mut self, queue: &impl Queue, lease: Lease, verdict: u8, after: u64) {
        let delay = Duration::from_millis(after);
        let verdict = match verdict {
            0 => Verdict::Done,
            1 => retry(delay),
            2 => release(delay),
            3 => failed(FailureClass::Blocked),
            _ => failed(FailureClass::Exhausted),
        };
        let settled = settle_one(queue, lease, verdict.clone()).await;
        let (soon, later) = (self.soon(), (self.now + after, 0));
        let row = self.row(lease.task);
        if row.fence != lease.fence {
            assert_eq!(settled, Settled::Lost);
        } else if row.state != State::Leased {
            assert_eq!(settled, Settled::Repeated);
        } else {
            assert_eq!(settled, Settled::Applied);
            row.due = if after == 0 { soon } else { later };
            row.attempt += u32::from(matches!(verdict, Verdict::Retry { .. }));
            row.state = match verdict {
                Verdict::Done => State::Done,
                Verdict::Failed { class: FailureClass::Blocked, .. } => State::Blocked,
                Verdict::Failed { .. } => State::Failed,
                Verdict::Retry { .. } | Verdict::Release { .. } if after == 0 => State::Ready,
                Verdict::Retry { .. } | Verdict::Release { .. } => State::Delayed,
            };
        }
    }

    async fn renew(&mut self, queue: &impl Queue, lease: Lease, lease_for: u64) {
        let renewed = queue.renew(&[lease], Duration::from_millis(lease_for)).await.unwrap();
        let end = (self.now + lease_for, 0);
        let row = self.row(lease.task);
        let held = row.fence == lease.fence && row.state == State::Leased;
        assert_eq!(renewed, [if held { Renewed::Held } else { Renewed::Lost }]);
        if held {
            row.due = end;
        }
    }

    /// The contract leaves open which expired leases a limited sweep takes; taking back all of them leaves nothing open.
    async fn sweep(&mut self, queue: &impl Queue, step: usize) {
        let (now, mut returned, mut quarantined) = (self.now, 0, Vec::new());
        loop {
            let swept = queue.sweep(NonZeroUsize::new(step).unwrap()).await.unwrap();
            let count = swept.returned + swept.quarantined.len();
            assert!(count <= step);
            returned += swept.returned;
            quarantined.extend(swept.quarantined.iter().map(|ended| ended.task.id));
            if count == 0 {
                break;
            }
        }
        let (mut expected_returned, mut expected_quarantined) = (0, Vec::new());
        let soon = self.soon();
        for row in self.rows.values_mut().filter(|row| row.state == State::Leased && row.due.0 <= now) {
            row.fence += 1;
            row.crashes += 1;
            row.due = soon;
            if row.crashes >= LIMITS.quarantine_after {
                row.state = State::Quarantined;
                expected_quarantined.push(row.id);
            } else {
                row.state = State::Ready;
                expected_returned += 1;
            }
        }
        assert_eq!(returned, expected_returned);
        assert_same(quarantined, expected_quarantined);
    }

    async fn check_depths(&self, queue: &impl Queue) {
        for (job, depth) in JOBS.into_iter().zip(queue.depths(&JOBS).await.unwrap()) {
            let of_job = || self.rows.values().filter(|row| row.job == job);
            let count = |state| of_job().filter(|row| row.state == state).count() as u64;
            // Whether a task whose time has come counts as delayed until a claim looks is the backend's affair.
            assert_eq!(depth.pending + depth.delayed, count(State::Ready) + count(State::Delayed));
            let expected = Depth {
                pending: depth.pending,
                delayed: depth.delayed,
                leased: count(State::Leased),
                done: count(State::Done),
                blocked: count(State::Blocked),
                failed: count(State::Failed),
                quarantined: count(State::Quarantined),
                left_out: LeftOut::NONE,
            };
            assert_eq!(depth, expected);
        }
    }

    async fn apply<H: Harness>(&mut self, harness: &H, queue: &H::Queue, operation: &Operation) {
        let chosen = |index: &usize| (!self.leases.is_empty()).then(|| self.leases[index % self.leases.len()]);
        match operation {
            Operation::Push(tasks, limit) => self.push(queue, tasks, *limit).await,
            Operation::Claim { limits, per_host, suspects, busy, lease_for } => {
                self.catch_up(harness).await;
                let busy_hosts = busy.iter().map(|host| format!("h{host}.org")).collect();
                let shares = JOBS.into_iter().zip(*limits).map(|(job, limit)| Share { job, limit }).collect();
                let (per_host, suspects, lease_for) = (*per_host, *suspects, Duration::from_millis(*lease_for));
                let wanted = ClaimRequest { shares, per_host, suspects, busy_hosts, lease_for, ..request(0) };
                self.claim(queue, &wanted).await;
            }
            Operation::Renew(index, lease_for) => {
                if let Some(lease) = chosen(index) {
                    self.renew(queue, lease, *lease_for).await;
                }
            }
            Operation::Settle(index, verdict, after) => {
                if let Some(lease) = chosen(index) {
                    self.settle(queue, lease, *verdict, *after).await;
                }
            }
            Operation::Sweep(step) => {
                self.catch_up(harness).await;
                self.sweep(queue, *step).await;
            }
            Operation::Advance(by) => self.advance(harness, *by).await,
            Operation::Reach(before) => {
                let dues = self.rows.values().filter(|row| row.waits()).map(|row| row.due.0);
                let moment = dues.filter(|due| *due > self.now).min().map_or(self.now, |due| due - before);
                self.advance(harness, moment - self.now).await;
            }
        }
        self.check_depths(queue).await;
    }

    /// In the end everything that is not settled can be had.
    async fn drain<H: Harness>(&mut self, harness: &H, queue: &H::Queue) {
        self.apply(harness, queue, &Operation::Advance(1_000_000)).await;
        self.apply(harness, queue, &Operation::Sweep(50)).await;
        let shares = JOBS.map(|job| Share { job, limit: 7 }).to_vec();
        while self.claim(queue, &ClaimRequest { shares: shares.clone(), ..request(0) }).await > 0 {}
        assert!(self.rows.values().all(|row| !matches!(row.state, State::Ready | State::Delayed)));
        self.check_depths(queue).await;
    }
}

/// Runs `case` for random values of `strategy`, each in a runtime of its own with a paused clock.
pub(super) fn run<T: Debug, F: Future<Output = ()>>(strategy: &impl Strategy<Value = T>, case: impl Fn(T) -> F) {
    let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(config).run(strategy, |value| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(case(value));
        Ok(())
    });
    if let Err(error) = tested {
        panic!("{error}");
    }
}

/// Random sequences of operations on a queue end as the model says.
pub fn queue_agrees<H: Harness>(open: impl Fn() -> H) {
    run(&prop::collection::vec(operation(), 1..50), |operations| async {
        let harness = open();
        let (queue, _) = harness.open(LIMITS).await;
        let mut model = Model::new(harness.drift());
        for operation in operations {
            model.apply(&harness, &queue, &operation).await;
        }
        model.drain(&harness, &queue).await;
    });
}
