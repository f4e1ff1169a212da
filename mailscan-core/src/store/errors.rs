//! The errors of workers as a store keeps them: what the error desk lists, groups, resolves and tries again.

use crate::clock::Timestamp;
use crate::job::JobId;
use crate::lease::{Claimed, FailureClass, Lease, NodeId};
use crate::task::TaskId;

/// What an error means for its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The task will be tried again.
    Retried,
    /// The task is done, but something of it was left out.
    Partial,
    /// The task was given up.
    Failed(FailureClass),
}

impl ErrorClass {
    /// All classes.
    pub const ALL: &'static [Self] = &[
        Self::Retried,
        Self::Partial,
        Self::Failed(FailureClass::Blocked),
        Self::Failed(FailureClass::Permanent),
        Self::Failed(FailureClass::Exhausted),
        Self::Failed(FailureClass::Quarantined),
    ];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::Partial => "partial",
            Self::Failed(class) => class.as_str(),
        }
    }

    /// All names, with commas between, for people.
    pub fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|class| class.as_str()).collect();
        names.join(", ")
    }

    /// The class with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.as_str() == name)
    }
}

/// An error of a worker, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWorkerError {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// The fence of the delivery that failed: with job and task, the identity of the error.
    pub fence: u64,
    /// The process it happened in.
    pub node: NodeId,
    /// Whether the task was given up.
    pub class: ErrorClass,
    /// A short stable code to group by, such as `http-404`, `robots` or `connect-timeout`.
    pub code: String,
    /// The host of the task.
    pub host: String,
    /// What was fetched, as people know it.
    pub label: String,
    /// The error, for a person.
    pub message: String,
}

impl NewWorkerError {
    /// That of a task which a sweep in this process has set aside.
    pub(crate) fn quarantined(node: &NodeId, Claimed { task, lease }: &Claimed) -> Self {
        let message = format!("{} deliveries ended in a crash: the task is set aside", task.crashes);
        Self::set_aside(node, *lease, ("crashes", message), task.work.host(), task.work.label())
    }

    /// The same of a task that cannot be read here, so that it is not known whether anybody was given it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn unreadable(node: &NodeId, lease: Lease, crashes: u32, host: String, label: String) -> Self {
        let message = format!(
            "{crashes} deliveries came to nothing, and this version cannot read the task: a newer one has made it, or it is \
             damaged"
        );
        Self::set_aside(node, lease, ("unreadable", message), host, label)
    }

    fn set_aside(node: &NodeId, lease: Lease, (code, message): (&str, String), host: String, label: String) -> Self {
        Self {
            job: lease.job,
            task: lease.task,
            fence: lease.fence,
            node: node.clone(),
            class: ErrorClass::Failed(FailureClass::Quarantined),
            code: code.to_owned(),
            host,
            label,
            message,
        }
    }
}

/// A recorded error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerError {
    /// Rises in the order of recording.
    pub id: u64,
    /// What was recorded.
    pub error: NewWorkerError,
    /// When it was recorded.
    pub at: Timestamp,
    /// When and with what note a person resolved it.
    pub resolved: Option<Resolution>,
}

/// The end of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// When.
    pub at: Timestamp,
    /// What the person had to say.
    pub note: String,
    /// Whether the task was to be tried again.
    pub retried: bool,
}

/// Which errors to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorQuery {
    /// Only ids above this one.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
    /// Only those that nobody has resolved.
    pub open_only: bool,
    /// Only those that it names.
    pub of: ErrorSelection,
}

/// Errors of one kind at one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The class.
    pub class: ErrorClass,
    /// The code.
    pub code: String,
    /// The host.
    pub host: String,
    /// How many there are.
    pub count: u64,
    /// How many of them nobody has resolved.
    pub open: u64,
    /// The newest of them, at most [`SAMPLES`], the newest first; never empty.
    pub samples: Vec<ErrorSample>,
}

/// How many errors of a group are shown with it.
pub const SAMPLES: usize = 3;

/// One error of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorSample {
    /// Its id.
    pub id: u64,
    /// What the task was to fetch.
    pub label: String,
    /// What went wrong.
    pub message: String,
}

impl ErrorGroup {
    /// The newest message.
    pub fn newest(&self) -> &str {
        self.samples.first().map_or("", |sample| &sample.message)
    }

    /// Where the next page of groups begins.
    pub fn key(&self) -> GroupKey {
        let Self { class, code, host, count, .. } = self;
        GroupKey { count: *count, class: *class, code: code.clone(), host: host.clone() }
    }
}

/// The place of a group in the order of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// How many errors it had.
    pub count: u64,
    /// Its class.
    pub class: ErrorClass,
    /// Its code.
    pub code: String,
    /// Its host.
    pub host: String,
}

/// Which groups of errors to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupQuery {
    /// Of which errors.
    pub of: ErrorSelection,
    /// Only groups that come after this one.
    pub after: Option<GroupKey>,
    /// At most so many.
    pub limit: usize,
}

impl GroupQuery {
    /// The first groups of a job's errors, or of those of all jobs.
    pub fn first(job: Option<JobId>, limit: usize) -> Self {
        Self { of: ErrorSelection { job, ..ErrorSelection::default() }, after: None, limit }
    }
}

/// Which errors are meant: those that match every field given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorSelection {
    /// The errors with these ids; all when empty.
    pub ids: Vec<u64>,
    /// Of this job.
    pub job: Option<JobId>,
    /// Of this class.
    pub class: Option<ErrorClass>,
    /// With this code.
    pub code: Option<String>,
    /// At this host.
    pub host: Option<String>,
}
