//! The queue in PostgreSQL. Claims, pushes and settlements have a file each.
//!
//! The counts of a job move in the same statement or transaction as its tasks.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio_postgres::Row;

use super::Postgres;
use super::convert::{claimed, int, limit, place, seconds, small, uint, unsigned};
use super::failure::Failure;
use super::push::Push;
use super::settle::Settlement;
use super::slot;
use super::store::record;
use super::transaction::{DEADLINE, Flight, Operation, Statement, Transaction};
use crate::backend::ready::State;
use crate::class::{Class, LeftOut};
use crate::error::Result;
use crate::job::JobId;
use crate::lease::{Claimed, Lease, NodeId, Settle};
use crate::queue::{ClaimRequest, Depth, Pushed, Queue, QueueLimits, Renewed, Retried, Settled, Swept, TaskState};
use crate::store::NewWorkerError;
use crate::task::{ListPosition, NewTask, TaskId, Work};

/// A renewal may take so long however short its leases are: the server may be busy.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(250);

/// How long a renewal of leases that hold so long may take: there is time for another try by another connection where one fell
/// silent.
fn renewal_within(lease_for: Duration) -> Duration {
    (lease_for / 4).clamp(SHORTEST_RENEWAL, DEADLINE)
}

/// The depths of these jobs, from the rows of counts and of mentions. A class that only a newer version knows has no place.
fn depths(jobs: &[JobId], answers: &[Vec<Row>]) -> Result<Vec<Depth>, Failure> {
    let mut answers = answers.iter();
    let mut found: HashMap<u64, ([u64; State::COUNT], LeftOut)> = HashMap::new();
    for row in answers.next().into_iter().flatten() {
        let (counts, _) = found.entry(uint(row, 0)?).or_default();
        for (column, count) in (1..).zip(counts) {
            *count = uint(row, column)?;
        }
    }
    for row in answers.flatten() {
        if let Some(class) = Class::parse(row.try_get(1)?) {
            found.entry(uint(row, 0)?).or_default().1.add(class, uint(row, 2)?);
        }
    }
    let depth = |job: &JobId| found.get(&job.0).map(|(counts, left_out)| State::depth(counts, *left_out));
    Ok(jobs.iter().map(|job| depth(job).unwrap_or_default()).collect())
}

/// What a sweep did, and the rows of quarantined tasks that only a newer version can read. They hold up none of the others.
fn swept(rows: &[Row]) -> Result<(Swept, Vec<&Row>), Failure> {
    let (mut swept, mut unreadable) = (Swept::default(), Vec::new());
    for row in rows {
        if row.try_get(8)? {
            swept.returned += 1;
            continue;
        }
        match claimed(row)? {
            Some(ended) => swept.quarantined.push(ended),
            None => unreadable.push(row),
        }
    }
    Ok((swept, unreadable))
}

/// What is recorded of a quarantined task that cannot be read here.
fn set_aside(node: &NodeId, row: &Row) -> Result<NewWorkerError, Failure> {
    let lease = Lease { job: JobId(uint(row, 1)?), task: TaskId(uint(row, 0)?), fence: uint(row, 5)? };
    Ok(NewWorkerError::unreadable(node, lease, unsigned(row, 7)?, row.try_get(9)?, row.try_get(3)?))
}

/// One sweep.
struct Sweep {
    most: NonZeroUsize,
    limits: QueueLimits,
    /// The process that records what is quarantined, if it is to be recorded.
    node: Option<NodeId>,
}

impl Operation for Sweep {
    type Output = Swept;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Swept, Failure> {
        let sweep = Statement::new(sql!("task_sweep"))
            .int(limit(self.most.get()))
            .small(small(self.limits.suspect_after))
            .small(small(self.limits.quarantine_after))
            .slot(slot());
        let rows = transaction.run(&[sweep]).await?;
        let (swept, unreadable) = swept(rows.first().map_or(&[], Vec::as_slice))?;
        if let Some(node) = &self.node {
            let mut errors: Vec<_> =
                swept.quarantined.iter().map(|ended| NewWorkerError::quarantined(node, ended)).collect();
            for row in unreadable {
                errors.push(set_aside(node, row)?);
            }
            if let Some(statements) = record(errors.iter()) {
                transaction.finish(&statements).await?;
            }
        }
        Ok(swept)
    }
}

impl Postgres {
    /// Takes expired leases back, and records what is quarantined where the process that does so is named.
    pub(super) async fn sweep_tasks(&self, most: NonZeroUsize, node: Option<NodeId>) -> Result<Swept> {
        let swept = self.run("sweep", Sweep { most, limits: self.shared.limits, node }).await?;
        if swept.returned > 0 {
            self.hint();
        }
        Ok(swept)
    }
}

/// The states of tasks by their ids.
fn states(rows: &[Row]) -> Result<HashMap<TaskId, State>, Failure> {
    let one = |row: &Row| {
        let number: i16 = row.try_get(1)?;
        let state = u32::try_from(number).ok().and_then(State::numbered);
        let state = state.ok_or_else(|| Failure::corrupt("state of a task", &number.to_string()))?;
        Ok((TaskId(uint(row, 0)?), state))
    };
    rows.iter().map(one).collect()
}

fn ids(tasks: &[TaskId]) -> Vec<i64> {
    tasks.iter().map(|task| int(task.0)).collect()
}

impl Queue for Postgres {
    async fn push(&self, tasks: &[NewTask]) -> Result<Vec<Pushed>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let pushed = self.run("push", Push::new(tasks.iter(), slot())).await?;
        self.hint();
        Ok(pushed)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        self.claim_tasks(request).await
    }

    async fn renew(&self, leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.longest_lease.note(lease_for);
        let renew = Statement::new(sql!("task_renew"))
            .ints(leases.iter().map(|lease| int(lease.task.0)).collect())
            .ints(leases.iter().map(|lease| int(lease.job.0)).collect())
            .ints(leases.iter().map(|lease| int(lease.fence)).collect())
            .float(seconds(lease_for));
        let answers = self.run_within(renewal_within(lease_for), "renew", Flight(vec![renew])).await?;
        let rows = answers.first().map_or(&[][..], Vec::as_slice);
        // A lease that is named twice is extended once, and told of in one of its places.
        let mut held: HashSet<&Lease> = HashSet::new();
        for row in rows {
            held.extend(leases.get(self.made("renew", place(row, 0))?));
        }
        let one = |lease| if held.contains(lease) { Renewed::Held } else { Renewed::Lost };
        Ok(leases.iter().map(one).collect())
    }

    async fn settle(&self, batch: &[Settle]) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let settlement = Settlement::new(batch.iter(), self.shared.limits, slot());
        let gives_back = settlement.gives_back();
        let settled = self.run("settle", settlement).await?;
        if gives_back {
            self.hint();
        }
        Ok(settled)
    }

    async fn sweep(&self, most: NonZeroUsize) -> Result<Swept> {
        self.sweep_tasks(most, None).await
    }

    async fn depths(&self, jobs: &[JobId]) -> Result<Vec<Depth>> {
        let ids = || jobs.iter().map(|job| int(job.0)).collect();
        let statements = [sql!("count_list"), sql!("left_out_list")].map(|sql| Statement::new(sql).ints(ids()));
        let answers = self.run("depths", Flight(statements.into())).await?;
        self.made("depths", depths(jobs, &answers))
    }

    async fn retry(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>> {
        let retry = Statement::new(sql!("task_retry")).int(int(job.0)).ints(ids(tasks)).slot(slot());
        let rows = self.query("retry", retry).await?;
        let mut states = self.made("retry", states(&rows))?;
        let one = |task: &TaskId| match states.get(task).map(|state| state.of_task()) {
            None | Some(TaskState::Done) => Retried::Unchanged,
            Some(TaskState::Open) => Retried::Open,
            Some(TaskState::GivenUp) => {
                // The same task again is open by now.
                states.insert(*task, State::Pending);
                Retried::Ready
            }
        };
        let retried = tasks.iter().map(one).collect();
        self.hint();
        Ok(retried)
    }

    async fn states(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>> {
        let rows = self.query("states", Statement::new(sql!("task_states")).int(int(job.0)).ints(ids(tasks))).await?;
        let states = self.made("states", states(&rows))?;
        Ok(tasks.iter().map(|task| states.get(task).map(|state| state.of_task())).collect())
    }

    async fn purge_tasks(&self, job: JobId, most: NonZeroUsize) -> Result<bool> {
        let id = int(job.0);
        let close = Statement::new(sql!("count_close")).int(id);
        // Whoever waits for rows that another removes finds them gone, and would take the few that it removed for the last.
        let lock = Statement::new(sql!("limit_lock")).ints(vec![id]);
        let purge = Statement::new(sql!("task_purge")).int(id).int(limit(most.get()));
        let forget = [sql!("count_purge"), sql!("left_out_purge")].map(|sql| Statement::new(sql).int(id));
        // Closed by itself, before anything is removed: a push that is not under way yet finds it so.
        self.query("purge tasks", close).await?;
        let answers = self.run("purge tasks", Flight([lock, purge].into_iter().chain(forget).collect())).await?;
        let removed = answers.get(1).and_then(|rows| rows.first()).map_or(Ok(0), |row| uint(row, 0));
        Ok(self.made("purge tasks", removed)? >= most.get() as u64)
    }

    async fn lists(&self, job: JobId) -> Result<Vec<ListPosition>> {
        let rows = self.query("lists", Statement::new(sql!("task_lists")).int(int(job.0))).await?;
        let position = |row: &Row| {
            let locator: &str = row.try_get(0)?;
            Ok(Work::decode("list", locator).and_then(|work| work.list_position()))
        };
        let lists: Result<Vec<_>, Failure> = rows.iter().map(position).collect();
        let mut lists: Vec<_> = self.made("lists", lists)?.into_iter().flatten().collect();
        lists.sort_unstable();
        Ok(lists)
    }

    async fn ready(&self) {
        self.shared.hint.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_takes_a_quarter_of_its_lease_at_most() {
        let within = |millis| renewal_within(Duration::from_millis(millis)).as_millis();
        assert_eq!([0, 3_000, 16_000, 90_000].map(within), [250, 750, 4_000, 20_000]);
    }
}
