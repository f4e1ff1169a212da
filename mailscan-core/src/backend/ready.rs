//! What the queues of this process share: the order in which tasks become ready, and the hint that some are.
//!
//! A queue keeps one number with every task, its *due*: the milliseconds at which the task became or becomes ready, or
//! at which its lease ends, shifted up by [`SEQUENCE_BITS`]; the low bits number what happens within one millisecond.

use tokio::sync::Notify;

use crate::class::LeftOut;
use crate::clock::Timestamp;
use crate::lease::{FailureClass, Verdict};
use crate::queue::{Depth, TaskState};

/// How many low bits of a due number the tasks within one millisecond.
const SEQUENCE_BITS: u32 = 20;
/// The largest time that fits; about 278 years after 1970.
const MAX_MILLIS: u64 = (1 << (63 - SEQUENCE_BITS)) - 1;

/// The due of a point in time: not after anything numbered within that millisecond.
pub(super) fn due_at(at: Timestamp) -> u64 {
    at.0.min(MAX_MILLIS) << SEQUENCE_BITS
}

/// The latest due that has come by `now`.
pub(super) fn due_by(now: Timestamp) -> u64 {
    due_at(now) | ((1 << SEQUENCE_BITS) - 1)
}

/// Numbers tasks in the order in which they become ready.
#[derive(Debug, Default)]
pub(super) struct ReadyOrder {
    last: u64,
}

impl ReadyOrder {
    /// The due of a task that becomes ready now: later than every one given before.
    pub(super) fn next(&mut self, now: Timestamp) -> u64 {
        self.last = due_at(now).max(self.last + 1);
        self.last
    }
}

/// The state of a task. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Ready.
    Pending = 0,
    /// Ready, and to be delivered in isolation.
    Suspect = 1,
    /// Waiting for its due.
    Delayed = 2,
    /// Held by a worker.
    Leased = 3,
    /// Done.
    Done = 4,
    /// Given up: refused.
    Blocked = 5,
    /// Given up: failed.
    Failed = 6,
    /// Given up: crashes.
    Quarantined = 7,
}

impl State {
    /// How many states there are.
    pub(super) const COUNT: usize = 8;

    /// The state with this number.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn numbered(number: u32) -> Option<Self> {
        use State::{Blocked, Delayed, Done, Failed, Leased, Pending, Quarantined, Suspect};
        let all = [Pending, Suspect, Delayed, Leased, Done, Blocked, Failed, Quarantined];
        all.get(number as usize).copied()
    }

    /// The state of a task that is ready after so many crashes.
    pub(super) const fn ready(crashes: u32, suspect_after: u32) -> Self {
        if crashes >= suspect_after { Self::Suspect } else { Self::Pending }
    }

    /// Whether something is still to be done.
    pub(super) const fn is_open(self) -> bool {
        matches!(self.of_task(), TaskState::Open)
    }

    /// What has become of a task in this state.
    pub(super) const fn of_task(self) -> TaskState {
        match self {
            Self::Pending | Self::Suspect | Self::Delayed | Self::Leased => TaskState::Open,
            Self::Done => TaskState::Done,
            Self::Blocked | Self::Failed | Self::Quarantined => TaskState::GivenUp,
        }
    }

    /// The state in which a verdict leaves a task, given the state that ready means for it.
    pub(super) fn after(verdict: &Verdict, ready: Self) -> Self {
        match verdict {
            Verdict::Done => Self::Done,
            Verdict::Retry { after } | Verdict::Release { after } if after.is_zero() => ready,
            Verdict::Retry { .. } | Verdict::Release { .. } => Self::Delayed,
            Verdict::Failed { class: FailureClass::Blocked, .. } => Self::Blocked,
            Verdict::Failed { class: FailureClass::Quarantined, .. } => Self::Quarantined,
            Verdict::Failed { class: FailureClass::Permanent | FailureClass::Exhausted, .. } => Self::Failed,
        }
    }

    /// The depth of a job with so many tasks in each state, that left out so many mentions.
    pub(super) const fn depth(counts: &[u64; Self::COUNT], left_out: LeftOut) -> Depth {
        Depth {
            pending: counts[Self::Pending as usize] + counts[Self::Suspect as usize],
            delayed: counts[Self::Delayed as usize],
            leased: counts[Self::Leased as usize],
            done: counts[Self::Done as usize],
            blocked: counts[Self::Blocked as usize],
            failed: counts[Self::Failed as usize],
            quarantined: counts[Self::Quarantined as usize],
            left_out,
        }
    }
}

/// The hint that a claim may find something: wakes who waits now, and the next to wait when nobody does.
#[derive(Debug, Default)]
pub(super) struct ReadyHint(Notify);

impl ReadyHint {
    /// Gives the hint.
    pub(super) fn give(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    /// Waits for it.
    pub(super) async fn wait(&self) {
        self.0.notified().await;
    }
}
