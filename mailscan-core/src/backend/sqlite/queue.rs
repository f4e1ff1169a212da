//! The queue in SQLite: renewals, settlements and sweeps. Pushes are in `push.rs`, claims in `claim.rs`.
//!
//! A task's row is written when it is pushed and when something becomes of it that is not usual. What is ready and what is
//! leased stand in two narrow tables, and a task that is done in its first delivery only goes through them
//! (`sql/migrations/0014_ready_and_leases.sql` says how a state and a fence are read).
//!
//! Each call is one operation of the writer. The counts of a job move in the same transaction as its tasks.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::convert::{Stored, int, limit, uint};
use super::failure::Failure;
use super::runs::{self, Rows};
use super::writer::Session;
use super::{Sqlite, claim, push, store};
use crate::backend::ready::{State, due_at};
use crate::backend::spec;
use crate::class::{Class, LeftOut};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::job::JobId;
use crate::lease::{Claimed, Lease, NodeId, Settle, Verdict};
use crate::queue::{ClaimRequest, Depth, Pushed, Queue, QueueLimits, Renewed, Retried, Settled, Swept, TaskState};
use crate::store::NewWorkerError;
use crate::task::{ListPosition, NewTask, TaskId, Work};

/// How the counts of jobs move during one operation.
#[derive(Debug, Default)]
pub(super) struct Moves(HashMap<JobId, [i64; State::COUNT]>);

impl Moves {
    /// Tasks of a job that went from one state (or from nowhere) to another.
    pub(super) fn note(&mut self, job: JobId, from: Option<State>, to: usize, tasks: i64) {
        let counts = self.0.entry(job).or_default();
        if let Some(from) = from {
            counts[from as usize] -= tasks;
        }
        if let Some(count) = counts.get_mut(to) {
            *count += tasks;
        }
    }

    /// Writes them.
    pub(super) fn write(self, connection: &Connection) -> Result<(), Failure> {
        let mut add = connection.prepare_cached(sql!("count_add"))?;
        for (job, [pending, suspect, delayed, leased, done, blocked, failed, quarantined]) in self.0 {
            let job = int(job.0);
            add.execute(params![job, pending, suspect, delayed, leased, done, blocked, failed, quarantined])?;
        }
        Ok(())
    }
}

fn counts(connection: &Connection, job: JobId) -> Result<[u64; State::COUNT], Failure> {
    let mut get = connection.prepare_cached(sql!("count_get"))?;
    let read = |row: &rusqlite::Row<'_>| {
        let mut counts = [0; State::COUNT];
        for (column, count) in counts.iter_mut().enumerate() {
            *count = uint(row, column)?;
        }
        Ok(counts)
    };
    Ok(get.query_row([int(job.0)], read).optional()?.unwrap_or_default())
}

/// How many tasks a job ever had; `None` when it takes no more.
pub(super) fn total(connection: &Connection, job: JobId) -> Result<Option<u64>, Failure> {
    let mut get = connection.prepare_cached(sql!("count_is_closed"))?;
    let closed = get.query_row([int(job.0)], |row| row.get::<_, bool>(0)).optional()?.unwrap_or_default();
    Ok(if closed { None } else { Some(counts(connection, job)?.iter().sum()) })
}

/// How many tasks of each of these jobs are in which state, and which mentions they left out. A class that only a newer
/// version knows has no place.
fn depths(connection: &Connection, jobs: &[JobId]) -> Result<Vec<Depth>, Failure> {
    let ids = spec::json(&jobs.iter().map(|job| int(job.0)).collect::<Vec<_>>())?;
    let mut found: HashMap<u64, ([u64; State::COUNT], LeftOut)> = HashMap::new();
    let mut get = connection.prepare_cached(sql!("count_list"))?;
    let mut rows = get.query([&ids])?;
    while let Some(row) = rows.next()? {
        let (counts, _) = found.entry(uint(row, 0)?).or_default();
        for (column, count) in (1..).zip(counts) {
            *count = uint(row, column)?;
        }
    }
    let mut get = connection.prepare_cached(sql!("left_out_list"))?;
    let mut rows = get.query([&ids])?;
    while let Some(row) = rows.next()? {
        if let Some(class) = Class::parse(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?) {
            found.entry(uint(row, 0)?).or_default().1.add(class, uint(row, 2)?);
        }
    }
    let depth = |job: &JobId| found.get(&job.0).map(|(counts, left_out)| State::depth(counts, *left_out));
    Ok(jobs.iter().map(|job| depth(job).unwrap_or_default()).collect())
}

fn renew(session: &mut Session<'_>, leases: &[Lease], end: u64) -> Result<Vec<Renewed>, Failure> {
    let mut renew = session.connection.prepare_cached(sql!("task_renew"))?;
    let mut one = |lease: &Lease| {
        let changed = renew.execute(params![int(lease.task.0), int(lease.job.0), int(lease.fence), int(end)])?;
        Ok(if changed == 1 { Renewed::Held } else { Renewed::Lost })
    };
    leases.iter().map(&mut one).collect()
}

/// Puts a task among those that are ready, unless its state is another.
pub(super) fn make_ready(
    connection: &Connection,
    (state, job, task): (u32, JobId, i64),
    host: &str,
    due: i64,
) -> Result<usize, Failure> {
    if state == State::Pending as u32 {
        connection.prepare_cached(sql!("task_ready"))?.execute(params![int(job.0), host, due, task])?;
    }
    Ok(state as usize)
}

/// Ends the lease of one settlement and tells the task's row; answers the state of the task since, or `None` when the
/// lease is not held.
fn end_lease(
    session: &mut Session<'_>,
    Settle { lease, verdict, .. }: &Settle,
    limits: QueueLimits,
    now: Timestamp,
) -> Result<Option<usize>, Failure> {
    let connection = session.connection;
    let (task, fence) = (int(lease.task.0), int(lease.fence));
    if connection.prepare_cached(sql!("task_unlease"))?.execute(params![task, int(lease.job.0), fence])? != 1 {
        return Ok(None);
    }
    let state = State::after(verdict, State::Pending);
    if matches!(verdict, Verdict::Done | Verdict::Failed { .. }) {
        let error = if let Verdict::Failed { message, .. } = verdict { Some(message) } else { None };
        connection.prepare_cached(sql!("task_end"))?.execute(params![task, fence, state as i64, error])?;
        return Ok(Some(state as usize));
    }
    let due = int(match verdict {
        Verdict::Retry { after } | Verdict::Release { after } if !after.is_zero() => due_at(now.after(*after)),
        _ => session.memory.order.next(now),
    });
    let retries = i64::from(matches!(verdict, Verdict::Retry { .. }));
    let mut give_back = connection.prepare_cached(sql!("task_settle"))?;
    let mut rows = give_back.query(params![task, fence, state as i64, limits.suspect_after, due, retries])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let host = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Some(make_ready(connection, (row.get(0)?, lease.job, task), host, due)?))
}

pub(super) fn settle<'a>(
    session: &mut Session<'_>,
    batch: impl Iterator<Item = &'a Settle>,
    limits: QueueLimits,
    now: Timestamp,
) -> Result<Vec<Settled>, Failure> {
    let mut moves = Moves::default();
    let mut done = session.connection.prepare_cached(sql!("task_done"))?;
    let mut look = session.connection.prepare_cached(sql!("task_was_settled"))?;
    let mut settled = Vec::new();
    let mut left_out: BTreeMap<JobId, LeftOut> = BTreeMap::new();
    for settle in batch {
        let lease = settle.lease;
        let held = params![int(lease.task.0), int(lease.job.0), int(lease.fence)];
        let usual = matches!(settle.verdict, Verdict::Done) && done.execute(held)? == 1;
        let ended = if usual { Some(State::Done as usize) } else { end_lease(session, settle, limits, now)? };
        settled.push(if let Some(state) = ended {
            moves.note(lease.job, Some(State::Leased), state, 1);
            left_out.entry(lease.job).or_default().merge(&settle.counted());
            Settled::Applied
        } else {
            let repeated = look.query_row(held, |row| row.get::<_, i64>(0))? == 1;
            if repeated { Settled::Repeated } else { Settled::Lost }
        });
    }
    moves.write(session.connection)?;
    let mut add = session.connection.prepare_cached(sql!("left_out_add"))?;
    for (job, counts) in left_out {
        for (class, count) in counts.iter() {
            add.execute(params![int(job.0), class.as_str(), int(count)])?;
        }
    }
    Ok(settled)
}

/// Takes expired leases back, and records what is quarantined where the process that does so is named.
pub(super) fn sweep(
    session: &mut Session<'_>,
    most: usize,
    limits: QueueLimits,
    now: Timestamp,
    node: Option<&NodeId>,
) -> Result<Swept, Failure> {
    let connection = session.connection;
    let mut moves = Moves::default();
    let (mut swept, mut errors) = (Swept::default(), Vec::new());
    let mut expired = connection.prepare_cached(sql!("task_expired"))?;
    let leases: Vec<(i64, i64)> = expired
        .query_map(params![int(due_at(now)), limit(most)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut end = connection.prepare_cached(sql!("task_lease_purge"))?;
    let mut sweep = connection.prepare_cached(sql!("task_sweep"))?;
    for (id, fence) in leases {
        end.execute([id])?;
        let due = int(session.memory.order.next(now));
        let mut rows = sweep.query(params![id, fence, due, limits.suspect_after, limits.quarantine_after])?;
        let Some(row) = rows.next()? else { continue };
        let Stored { lease, crashes, task } = Stored::read(row)?;
        let host = row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?;
        let state = make_ready(connection, (row.get(8)?, lease.job, id), host, due)?;
        moves.note(lease.job, Some(State::Leased), state, 1);
        if state != State::Quarantined as usize {
            swept.returned += 1;
            continue;
        }
        match task {
            Some(task) => {
                let claimed = Claimed { task, lease };
                errors.extend(node.map(|node| NewWorkerError::quarantined(node, &claimed)));
                swept.quarantined.push(claimed);
            }
            None => {
                let (host, label) = (host.to_owned(), row.get(3)?);
                errors.extend(node.map(|node| NewWorkerError::unreadable(node, lease, crashes, host, label)));
            }
        }
    }
    moves.write(connection)?;
    store::record_errors(session, errors.iter(), now)?;
    Ok(swept)
}

/// The state of a task of a job.
fn state(connection: &Connection, job: JobId, task: TaskId) -> Result<Option<State>, Failure> {
    let mut select = connection.prepare_cached(sql!("task_state"))?;
    let number: Option<u32> = select.query_row([int(task.0), int(job.0)], |row| row.get(0)).optional()?;
    let known =
        |number| State::numbered(number).ok_or_else(|| Failure::corrupt("state of a task", &number.to_string()));
    number.map(known).transpose()
}

fn retry(session: &mut Session<'_>, job: JobId, tasks: &[TaskId], now: Timestamp) -> Result<Vec<Retried>, Failure> {
    let mut moves = Moves::default();
    let mut update = session.connection.prepare_cached(sql!("task_retry"))?;
    let mut hasten = session.connection.prepare_cached(sql!("task_hasten"))?;
    let mut one = |task: &TaskId| {
        let state = state(session.connection, job, *task)?;
        Ok(match state.map(|state| (state, state.of_task())) {
            None | Some((_, TaskState::Done)) => Retried::Unchanged,
            Some((state, TaskState::Open)) => {
                if state == State::Delayed {
                    hasten.execute([int(task.0)])?;
                }
                Retried::Open
            }
            Some((state, TaskState::GivenUp)) => {
                let (task, due) = (int(task.0), int(session.memory.order.next(now)));
                let mut rows = update.query([task, due])?;
                let Some(row) = rows.next()? else { return Ok(Retried::Unchanged) };
                let host = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                let ready = make_ready(session.connection, (State::Pending as u32, job, task), host, due)?;
                moves.note(job, Some(state), ready, 1);
                Retried::Ready
            }
        })
    };
    let retried = tasks.iter().map(&mut one).collect::<Result<_, Failure>>()?;
    moves.write(session.connection)?;
    Ok(retried)
}

fn purge_tasks(session: &mut Session<'_>, job: JobId, most: usize) -> Result<bool, Failure> {
    let connection = session.connection;
    session.memory.cursors.remove(&job);
    session.memory.filters.forget(Rows::Tasks(job));
    let tasks = runs::take(connection, Rows::Tasks(job), most)?;
    let mut unready = connection.prepare_cached(sql!("task_ready_purge"))?;
    let mut unlease = connection.prepare_cached(sql!("task_lease_purge"))?;
    let mut delete = connection.prepare_cached(sql!("task_delete"))?;
    for task in &tasks {
        unready.execute([task])?;
        unlease.execute([task])?;
        delete.execute([task])?;
    }
    connection.prepare_cached(sql!("count_close"))?.execute([int(job.0)])?;
    connection.prepare_cached(sql!("left_out_delete"))?.execute([int(job.0)])?;
    Ok(tasks.len() == most)
}

impl Queue for Sqlite {
    async fn push(&self, tasks: &[NewTask]) -> Result<Vec<Pushed>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let (tasks, mask, now) = (tasks.to_vec(), self.shared.fingerprint_mask, self.shared.clock.now());
        let pushed = self.write("push", move |session| push::push(session, tasks.iter(), mask, now)).await?;
        self.shared.hint.give();
        Ok(pushed)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let (request, limits, now) = (request.clone(), self.shared.limits, self.shared.clock.now());
        self.write("claim", move |session| claim::claim(session, &request, limits, now)).await
    }

    async fn renew(&self, leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let (leases, end) = (leases.to_vec(), due_at(self.shared.clock.now().after(lease_for)));
        self.write("renew", move |session| renew(session, &leases, end)).await
    }

    async fn settle(&self, batch: &[Settle]) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (batch, limits, now) = (batch.to_vec(), self.shared.limits, self.shared.clock.now());
        let settled = self.write("settle", move |session| settle(session, batch.iter(), limits, now)).await?;
        self.shared.hint.give();
        Ok(settled)
    }

    async fn sweep(&self, limit: NonZeroUsize) -> Result<Swept> {
        let (limits, now) = (self.shared.limits, self.shared.clock.now());
        let swept = self.write("sweep", move |session| sweep(session, limit.get(), limits, now, None)).await?;
        if swept.returned > 0 {
            self.shared.hint.give();
        }
        Ok(swept)
    }

    async fn retry(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>> {
        let (tasks, now) = (tasks.to_vec(), self.shared.clock.now());
        let retried = self.write("retry", move |session| retry(session, job, &tasks, now)).await?;
        self.shared.hint.give();
        Ok(retried)
    }

    async fn states(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>> {
        let tasks = tasks.to_vec();
        self.read("states", move |connection| {
            let one = |task: &TaskId| Ok(state(connection, job, *task)?.map(State::of_task));
            tasks.iter().map(one).collect()
        })
        .await
    }

    async fn purge_tasks(&self, job: JobId, limit: NonZeroUsize) -> Result<bool> {
        self.write("purge tasks", move |session| purge_tasks(session, job, limit.get())).await
    }

    async fn depths(&self, jobs: &[JobId]) -> Result<Vec<Depth>> {
        let jobs = jobs.to_vec();
        self.read("depths", move |connection| depths(connection, &jobs)).await
    }

    async fn lists(&self, job: JobId) -> Result<Vec<ListPosition>> {
        self.read("lists", move |connection| {
            let mut select = connection.prepare_cached(sql!("task_lists"))?;
            let mut rows = select.query([int(job.0)])?;
            let mut lists = Vec::new();
            while let Some(row) = rows.next()? {
                let locator = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                lists.extend(Work::decode("list", locator).and_then(|work| work.list_position()));
            }
            lists.sort_unstable();
            Ok(lists)
        })
        .await
    }

    async fn ready(&self) {
        self.shared.hint.wait().await;
    }
}
