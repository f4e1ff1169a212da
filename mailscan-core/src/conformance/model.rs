//! Random operations against a naive model: a list of tasks, and a set of identities.
//!
//! The model does not foretell which tasks a claim yields, since the contract leaves that open; it checks that each
//! claimed task could be claimed, keeps to every limit and order, and that nothing is lost at the end.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::addresses::sighting;
use super::jobs::{create, get};
use super::*;
use crate::class::LeftOut;
use crate::queue::{Depth, Renewed};
use crate::store::Inserted;

/// How many random sequences a test runs.
const SEQUENCES: u32 = 48;
const LIMITS: QueueLimits = QueueLimits { suspect_after: 1, quarantine_after: 3 };

/// One operation on a queue. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Operation {
    Push(Vec<(u8, u8)>, Option<u64>),
    Claim { limit: usize, per_host: usize, suspects: usize, busy: Option<u8> },
    Renew(usize),
    Settle(usize, u8, u64),
    Sweep(usize),
    Advance(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (prop::collection::vec((0..3u8, 0..12u8), 1..6), prop::option::of(0..30u64))
            .prop_map(|(tasks, limit)| Operation::Push(tasks, limit)),
        (1..5usize, 1..4usize, 0..3usize, prop::option::of(0..3u8))
            .prop_map(|(limit, per_host, suspects, busy)| Operation::Claim { limit, per_host, suspects, busy }),
        any::<usize>().prop_map(Operation::Renew),
        (any::<usize>(), 0..5u8, 0..3u64).prop_map(|(lease, verdict, after)| Operation::Settle(lease, verdict, after)),
        (1..4usize).prop_map(Operation::Sweep),
        (1..100u64).prop_map(Operation::Advance),
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
    host: String,
    state: State,
    /// When it became or becomes ready, or when its lease ends, in seconds; then a sequence.
    due: (u64, u64),
    fence: u64,
    attempt: u32,
    crashes: u32,
}

/// The queue as the contract has it, kept plainly.
#[derive(Default)]
struct Model {
    now: u64,
    sequence: u64,
    rows: HashMap<Work, Row>,
    leases: Vec<Lease>,
}

impl Model {
    fn soon(&mut self) -> (u64, u64) {
        self.sequence += 1;
        (self.now, self.sequence)
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

    async fn push(&mut self, queue: &impl Queue, tasks: &[(u8, u8)], limit: Option<u64>) {
        let tasks: Vec<_> =
            tasks.iter().map(|(host, n)| NewTask { limit, ..page(&format!("h{host}.org"), usize::from(*n)) }).collect();
        for (new, pushed) in tasks.iter().zip(queue.push(&tasks).await.unwrap()) {
            let full = limit.is_some_and(|limit| self.rows.len() as u64 >= limit);
            match (self.rows.get(&new.work).map(|row| row.id), pushed) {
                (Some(id), pushed) => assert_eq!(pushed, Pushed::Duplicate(id)),
                (None, Pushed::OverLimit) => assert!(full),
                (None, Pushed::New(id)) => {
                    assert!(!full && self.rows.values().all(|row| row.id != id));
                    let (host, due) = (new.work.host(), self.soon());
                    let row = Row { id, host, state: State::Ready, due, fence: 0, attempt: 1, crashes: 0 };
                    self.rows.insert(new.work.clone(), row);
                }
                (None, pushed) => panic!("new work was answered {pushed:?}"),
            }
        }
    }

    async fn claim(&mut self, queue: &impl Queue, request: &ClaimRequest) -> usize {
        self.ready();
        let claimed = queue.claim(request).await.unwrap();
        assert!(claimed.len() <= request.shares[0].limit);
        let mut by_host: HashMap<String, usize> = HashMap::new();
        let (mut suspects, mut last) = (Vec::new(), HashMap::new());
        for Claimed { task, lease } in &claimed {
            let row = self.rows.get_mut(&task.work).unwrap();
            assert_eq!((row.state, row.id), (State::Ready, task.id), "{task:?}");
            assert_eq!((row.attempt, row.crashes), (task.attempt, task.crashes));
            assert!(lease.fence > row.fence, "the fence rises");
            if row.crashes >= LIMITS.suspect_after {
                suspects.push(row.crashes);
            } else if let Some(before) = last.insert(row.host.clone(), row.due) {
                assert!(before <= row.due, "in the order of becoming ready");
            }
            *by_host.entry(row.host.clone()).or_default() += 1;
            row.state = State::Leased;
            row.fence = lease.fence;
            row.due = (self.now + request.lease_for.as_secs(), 0);
            self.leases.push(*lease);
        }
        assert!(by_host.values().all(|count| *count <= request.per_host));
        assert!(request.busy_hosts.iter().all(|host| !by_host.contains_key(host)));
        assert!(suspects.len() <= request.suspects && suspects.is_sorted());
        // What waits longer at a host is not passed over.
        for row in self.rows.values().filter(|r| r.state == State::Ready && r.crashes < LIMITS.suspect_after) {
            assert!(last.get(&row.host).is_none_or(|due| *due <= row.due), "{row:?} was passed over");
        }
        claimed.len()
    }

    async fn settle(&mut self, queue: &impl Queue, lease: Lease, verdict: u8, after: u64) {
        let delay = Duration::from_secs(after);
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

    async fn renew(&mut self, queue: &impl Queue, lease: Lease) {
        let renewed = queue.renew(&[lease], LEASE).await.unwrap();
        let end = (self.now + LEASE.as_secs(), 0);
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

    async fn check_depth(&self, queue: &impl Queue) {
        let count = |state| self.rows.values().filter(|row| row.state == state).count() as u64;
        let depth = queue.depth(JOB).await.unwrap();
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

    async fn apply<H: Harness>(&mut self, harness: &H, queue: &H::Queue, operation: &Operation) {
        let chosen = |index: &usize| (!self.leases.is_empty()).then(|| self.leases[index % self.leases.len()]);
        match operation {
            Operation::Push(tasks, limit) => self.push(queue, tasks, *limit).await,
            Operation::Claim { limit, per_host, suspects, busy } => {
                let busy_hosts = busy.iter().map(|host| format!("h{host}.org")).collect();
                let wanted = ClaimRequest { per_host: *per_host, suspects: *suspects, busy_hosts, ..request(*limit) };
                self.claim(queue, &wanted).await;
            }
            Operation::Renew(index) => {
                if let Some(lease) = chosen(index) {
                    self.renew(queue, lease).await;
                }
            }
            Operation::Settle(index, verdict, after) => {
                if let Some(lease) = chosen(index) {
                    self.settle(queue, lease, *verdict, *after).await;
                }
            }
            Operation::Sweep(step) => self.sweep(queue, *step).await,
            Operation::Advance(seconds) => {
                self.now += seconds;
                harness.advance(Duration::from_secs(*seconds)).await;
            }
        }
        self.check_depth(queue).await;
    }

    /// In the end everything that is not settled can be had.
    async fn drain<H: Harness>(&mut self, harness: &H, queue: &H::Queue) {
        self.apply(harness, queue, &Operation::Advance(1_000)).await;
        self.apply(harness, queue, &Operation::Sweep(50)).await;
        while self.claim(queue, &request(7)).await > 0 {}
        assert!(self.rows.values().all(|row| !matches!(row.state, State::Ready | State::Delayed)));
        self.check_depth(queue).await;
    }
}

/// Runs `case` for random values of `strategy`, each in a runtime of its own with a paused clock.
fn run<T: Debug, F: Future<Output = ()>>(strategy: &impl Strategy<Value = T>, case: impl Fn(T) -> F) {
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
        let mut model = Model::default();
        for operation in operations {
            model.apply(&harness, &queue, &operation).await;
        }
        model.drain(&harness, &queue).await;
    });
}

/// Random batches of addresses end as in a set, cut off at the target.
pub fn store_agrees<H: Harness>(open: impl Fn() -> H) {
    let open = &open;
    let batch = prop::collection::vec((0..2u64, "[a-cA-C]{1,2}"), 0..20);
    run(&(1..20u64, prop::collection::vec(batch, 1..8)), |(target, batches)| async move {
        let harness = open();
        let (_, store) = harness.open(LIMITS).await;
        let jobs = [create(&store, "a", target).await, create(&store, "b", target).await];
        let mut rows: HashMap<JobId, Vec<String>> = HashMap::new();
        let mut known = HashSet::new();
        for batch in batches {
            let sightings: Vec<_> = batch.iter().map(|(job, local)| sighting(jobs[*job as usize], local)).collect();
            for (sighting, inserted) in sightings.iter().zip(store.insert(&sightings).await.unwrap()) {
                let rows = rows.entry(sighting.job).or_default();
                let identity = (sighting.job, sighting.address.identity());
                let expected = if known.contains(&identity) {
                    Inserted::Known
                } else if rows.len() as u64 == target {
                    Inserted::OverTarget
                } else {
                    known.insert(identity);
                    rows.push(sighting.address.as_str().to_owned());
                    Inserted::New
                };
                assert_eq!(inserted, expected, "{sighting:?}");
            }
        }
        for job in jobs {
            let expected = rows.remove(&job).unwrap_or_default();
            let stored = store.addresses(job, 0, usize::MAX).await.unwrap();
            let stored: Vec<_> = stored.iter().map(|row| row.address.as_str().to_owned()).collect();
            assert_eq!(get(&store, job).await.collected, expected.len() as u64);
            assert_eq!(stored, expected);
        }
    });
}
