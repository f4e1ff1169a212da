//! A lease: one worker's right to one task for a while, and the words in which a task is given back.
//!
//! A queue hands out a lease with every claim. The fence in it rises with every claim of the task, so that a worker
//! whose lease ran out can never settle what another worker holds now.

use std::time::Duration;

use crate::class::LeftOut;
use crate::job::JobId;
use crate::task::{Task, TaskId};

/// One process that runs workers, named uniquely for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub String);

impl NodeId {
    /// A name made of the process id and a random part; no two processes share it.
    pub fn random() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), rand::random::<u64>()))
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job of the task.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Rises with every claim of the task and with every expiry; never falls.
    pub fence: u64,
}

/// A task together with the lease on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The right to it.
    pub lease: Lease,
}

/// Why a task ended without its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// The source refused (robots.txt, 401, 403, 429, or policy) or kept silent until time was up, on the last attempt as well. Says
    /// nothing about what the source holds.
    Blocked,
    /// It will not work however often it is tried: 404, a file that cannot be read, a broken URL.
    Permanent,
    /// It failed for a reason that may pass, and all attempts are used up: connections that break, 5xx.
    Exhausted,
    /// The deliveries of the task ended in crashes too often, or its last attempt ended in a panic.
    Quarantined,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Blocked, Self::Permanent, Self::Exhausted, Self::Quarantined];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::Quarantined => "quarantined",
        }
    }

    /// The class with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task is done for good.
    Done,
    /// Try again after this long; uses up one attempt.
    Retry {
        /// How long to wait, by the queue's clock.
        after: Duration,
    },
    /// Give back untouched, to be claimed after this long; uses up no attempt.
    Release {
        /// How long to wait, by the queue's clock.
        after: Duration,
    },
    /// The task is given up.
    Failed {
        /// Why.
        class: FailureClass,
        /// The error, for a person.
        message: String,
    },
}

/// One task given back under its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The lease under which the work was done.
    pub lease: Lease,
    /// How it ended.
    pub verdict: Verdict,
    /// The mentions of addresses in it that were left out for their classes. They count when the verdict ends the task:
    /// what is tried again meets them again.
    pub left_out: LeftOut,
}

impl Settle {
    /// A settlement of a task in which nothing was left out.
    pub const fn new(lease: Lease, verdict: Verdict) -> Self {
        Self { lease, verdict, left_out: LeftOut::NONE }
    }

    /// What is to be added to the job's count.
    pub const fn counted(&self) -> LeftOut {
        match self.verdict {
            Verdict::Done | Verdict::Failed { .. } => self.left_out,
            Verdict::Retry { .. } | Verdict::Release { .. } => LeftOut::NONE,
        }
    }
}
