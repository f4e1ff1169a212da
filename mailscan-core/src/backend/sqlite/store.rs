//! The store in SQLite: jobs, processes and errors. The set union of addresses is in `addresses.rs`.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::convert::{int, limit, maybe_time, millis, small, time, uint};
use super::failure::Failure;
use super::runs::{Index, Rows};
use super::writer::Session;
use super::{Sqlite, addresses, deletion};
use crate::address::Address;
use crate::backend::spec;
use crate::class::Classes;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::extract::Form;
use crate::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use crate::lease::{Lease, NodeId};
use crate::store::{
    Created, Deletion, ErrorClass, ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Inserted, JobQuery,
    NewWorkerError, NodeBeat, NodeSeen, RECOVERED, Resolution, SAMPLES, SILENT_FOR, Sighting, Store, Stored,
    Transition, WorkerError,
};
use crate::task::TaskId;

fn missing(id: JobId) -> Failure {
    Failure::Own(ErrorKind::NotFound, format!("there is no job {id}"))
}

/// Rows of a query, each made into something.
fn list<T>(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    make: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut made = Vec::new();
    while let Some(row) = rows.next()? {
        made.push(make(row)?);
    }
    Ok(made)
}

/// A name read back, by the function that knows all names.
fn named<T>(row: &Row<'_>, column: usize, what: &str, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
    let name = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    parse(name).ok_or_else(|| Failure::corrupt(what, name))
}

fn create_job(session: &mut Session<'_>, new: &NewJob, now: Timestamp) -> Result<Created, Failure> {
    let mut insert = session.connection.prepare_cached(sql!("job_insert"))?;
    let (spec, target, roots) = (spec::encode(&new.spec)?, int(new.spec.target), spec::encode_origin(&new.origin)?);
    if insert.execute(params![new.key, target, int(now.0), roots])? == 1 {
        let id = session.connection.last_insert_rowid();
        session.connection.prepare_cached(sql!("job_spec_insert"))?.execute(params![id, spec])?;
        return Ok(Created::New(JobId(id.cast_unsigned())));
    }
    let mut by_key = session.connection.prepare_cached(sql!("job_by_key"))?;
    Ok(Created::Existing(JobId(by_key.query_row([&new.key], |row| uint(row, 0))?)))
}

fn job(connection: &Connection, id: JobId) -> Result<Option<Job>, Failure> {
    let jobs = list(connection, sql!("job_get"), [int(id.0)], |row| {
        Ok(Job {
            id: JobId(uint(row, 0)?),
            key: row.get(1)?,
            spec: spec::decode(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
            origin: spec::decode_origin(row.get_ref(11)?.as_str_or_null().map_err(rusqlite::Error::from)?)?,
            status: named(row, 3, "job state", JobStatus::parse)?,
            reason: row.get(4)?,
            seeded: row.get(5)?,
            collected: uint(row, 6)?,
            active: Duration::from_millis(uint(row, 7)?),
            active_before: Duration::from_millis(uint(row, 12)?),
            created_at: time(row, 8)?,
            started_at: maybe_time(row, 9)?,
            finished_at: maybe_time(row, 10)?,
        })
    })?;
    Ok(jobs.into_iter().next())
}

fn job_state(row: &Row<'_>) -> Result<JobState, Failure> {
    Ok(JobState {
        id: JobId(uint(row, 0)?),
        status: named(row, 1, "job state", JobStatus::parse)?,
        reason: row.get(2)?,
        collected: uint(row, 3)?,
        target: uint(row, 4)?,
        active: Duration::from_millis(uint(row, 5)?),
        active_before: Duration::from_millis(uint(row, 9)?),
        created_at: time(row, 6)?,
        started_at: maybe_time(row, 7)?,
        finished_at: maybe_time(row, 8)?,
    })
}

fn jobs(connection: &Connection, query: &JobQuery) -> Result<Vec<JobState>, Failure> {
    let statuses: Vec<_> = query.statuses.iter().map(|status| status.as_str()).collect();
    let (sql, bound) = match (query.descending, query.after) {
        (false, after) if statuses.is_empty() => (sql!("job_list"), after),
        (false, after) => (sql!("job_list_of"), after),
        (true, 0) => (sql!("job_list_newest"), u64::MAX),
        (true, before) => (sql!("job_list_newest"), before),
    };
    list(connection, sql, params![int(bound), spec::json(&statuses)?, limit(query.limit)], job_state)
}

/// What a query by ids, a JSON array, answers for each of them.
fn each<T: Clone>(
    connection: &Connection,
    sql: &str,
    ids: &[JobId],
    make: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<Option<T>>, Failure> {
    let wanted: Vec<_> = ids.iter().map(|id| int(id.0)).collect();
    let made = |row: &Row<'_>| Ok((JobId(uint(row, 0)?), make(row)?));
    let found: HashMap<_, _> = list(connection, sql, [spec::json(&wanted)?], made)?.into_iter().collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// The state of a job; `None` when there is no such job.
pub(super) fn status(connection: &Connection, id: JobId) -> Result<Option<JobStatus>, Failure> {
    let mut select = connection.prepare_cached(sql!("job_status"))?;
    let name: Option<String> = select.query_row([int(id.0)], |row| row.get(0)).optional()?;
    let known = |name: String| JobStatus::parse(&name).ok_or_else(|| Failure::corrupt("job state", &name));
    name.map(known).transpose()
}

fn transition(
    session: &mut Session<'_>,
    id: JobId,
    from: &[JobStatus],
    to: JobStatus,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Transition, Failure> {
    let status = status(session.connection, id)?.ok_or_else(|| missing(id))?;
    if status == to {
        return Ok(Transition::Already);
    }
    if !from.contains(&status) || !status.can_become(to) {
        return Ok(Transition::Refused(status));
    }
    let mut update = session.connection.prepare_cached(sql!("job_transition"))?;
    let (runs, resumed) = (to == JobStatus::Running, status.is_resumed_as(to));
    update.execute(params![int(id.0), to.as_str(), reason, int(now.0), runs, to.is_settled(), resumed])?;
    Ok(Transition::Applied)
}

fn stored(connection: &Connection, job: JobId, after: u64, most: usize) -> Result<Vec<Stored>, Failure> {
    // Neighbours mostly share their source, so they share its name in memory as well.
    let last: std::cell::RefCell<Arc<str>> = std::cell::RefCell::new(Arc::from(""));
    list(connection, sql!("address_list"), params![int(job.0), int(after), limit(most)], |row| {
        let name = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        if **last.borrow() != *name {
            *last.borrow_mut() = Arc::from(name);
        }
        Ok(Stored {
            id: uint(row, 0)?,
            address: addresses::parse(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
            source: last.borrow().clone(),
            offset: uint(row, 3)?,
            form: named(row, 4, "form", Form::parse)?,
            classes: Classes::from_bits(row.get(5)?),
            found_at: time(row, 6)?,
        })
    })
}

pub(super) fn record_errors<'a>(
    session: &mut Session<'_>,
    errors: impl Iterator<Item = &'a NewWorkerError>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut insert = session.connection.prepare_cached(sql!("error_insert"))?;
    for error in errors {
        insert.execute(params![
            int(error.job.0),
            int(error.task.0),
            int(error.fence),
            error.node.0,
            error.class.as_str(),
            error.code,
            error.host,
            error.label,
            error.message,
            int(now.0)
        ])?;
    }
    Ok(())
}

/// Resolves the errors of earlier deliveries of tasks that are done with these leases.
pub(super) fn recover_errors(
    session: &mut Session<'_>,
    done: impl Iterator<Item = Lease>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut update = session.connection.prepare_cached(sql!("error_recover"))?;
    for Lease { job, task, fence } in done {
        update.execute(params![int(job.0), int(task.0), int(fence), int(now.0), RECOVERED])?;
    }
    Ok(())
}

fn worker_error(row: &Row<'_>) -> Result<WorkerError, Failure> {
    let (note, retried): (Option<String>, bool) = (row.get(12)?, row.get(13)?);
    let resolved = maybe_time(row, 11)?.map(|at| Resolution { at, note: note.unwrap_or_default(), retried });
    let error = NewWorkerError {
        job: JobId(uint(row, 1)?),
        task: TaskId(uint(row, 2)?),
        fence: uint(row, 3)?,
        node: NodeId(row.get(4)?),
        class: named(row, 5, "error class", ErrorClass::parse)?,
        code: row.get(6)?,
        host: row.get(7)?,
        label: row.get(8)?,
        message: row.get(9)?,
    };
    Ok(WorkerError { id: uint(row, 0)?, error, at: time(row, 10)?, resolved })
}

fn errors(connection: &Connection, query: &ErrorQuery) -> Result<Vec<WorkerError>, Failure> {
    let ErrorSelection { ids, job, class, code, host } = &query.of;
    let sql = match job {
        None => sql!("error_list"),
        Some(_) if query.open_only => sql!("error_list_open"),
        Some(_) => sql!("error_list_of_job"),
    };
    let (job, class) = (job.map(|job| int(job.0)), class.map(ErrorClass::as_str));
    let (after, ids, most) = (int(query.after), spec::json(ids)?, limit(query.limit));
    list(connection, sql, params![after, query.open_only, ids, job, class, code, host, most], worker_error)
}

fn error_groups(connection: &Connection, query: &GroupQuery) -> Result<Vec<ErrorGroup>, Failure> {
    let ErrorSelection { ids, job, class, code, host } = &query.of;
    let after = query.after.as_ref();
    let values = params![
        spec::json(ids)?,
        job.map(|job| int(job.0)),
        class.map(ErrorClass::as_str),
        code,
        host,
        after.map(|group| int(group.count)),
        after.map(|group| group.class.as_str()),
        after.map(|group| &group.code),
        after.map(|group| &group.host),
        limit(query.limit),
        limit(SAMPLES),
    ];
    let sql = if job.is_some() { sql!("error_groups_of_job") } else { sql!("error_groups") };
    list(connection, sql, values, |row| {
        Ok(ErrorGroup {
            class: named(row, 0, "error class", ErrorClass::parse)?,
            code: row.get(1)?,
            host: row.get(2)?,
            count: uint(row, 3)?,
            open: uint(row, 4)?,
            samples: spec::decode_samples(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
        })
    })
}

fn nodes(connection: &Connection, now: Timestamp) -> Result<Vec<NodeSeen>, Failure> {
    list(connection, sql!("node_list"), [], |row| {
        let beat = NodeBeat {
            node: NodeId(row.get(0)?),
            host: row.get(1)?,
            pid: small(row, 2)?,
            workers: spec::decode_workers(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
            bounds: spec::decode_bounds(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
        };
        Ok(NodeSeen { beat, silent_for: now.since(time(row, 4)?) })
    })
}

/// Looks by halves for the last address that was found before a moment, among those of all jobs: these rise with time as well,
/// and each is found by its id.
fn last_before(connection: &Connection, job: JobId, moment: Timestamp) -> Result<u64, Failure> {
    let mut range = connection.prepare_cached(sql!("address_range"))?;
    let range = range.query_row([int(job.0)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((Some(first), Some(last))): Option<(Option<i64>, Option<i64>)> = range else { return Ok(0) };
    let mut found_at = connection.prepare_cached(sql!("address_found_at"))?;
    let (mut from, mut to) = (first, last.saturating_add(1));
    while from < to {
        let middle = from + (to - from) / 2;
        let row = found_at.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
        match row {
            Some((id, at)) if at < int(moment.0) => from = id.saturating_add(1),
            _ => to = middle,
        }
    }
    Ok(from.saturating_sub(1).cast_unsigned())
}

impl Store for Sqlite {
    async fn last_before(&self, job: JobId, moment: Timestamp) -> Result<u64> {
        self.read("last before", move |connection| last_before(connection, job, moment)).await
    }

    /// What is confirmed is in the file, or in the log beside it.
    fn epoch(&self) -> u64 {
        0
    }

    async fn create_job(&self, job: &NewJob) -> Result<Created> {
        let (job, now) = (job.clone(), self.shared.clock.now());
        self.write("create job", move |session| create_job(session, &job, now)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.read("job", move |connection| job(connection, id)).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobState>> {
        let query = query.clone();
        self.read("jobs", move |connection| jobs(connection, &query)).await
    }

    async fn job_counts(&self) -> Result<JobCounts> {
        self.read("job counts", move |connection| {
            let row = |row: &Row<'_>| Ok((named(row, 0, "job state", JobStatus::parse)?, uint(row, 1)?));
            let mut counts = JobCounts::default();
            list(connection, sql!("job_counts"), [], row)?
                .into_iter()
                .for_each(|(status, jobs)| counts.add(status, jobs));
            Ok(counts)
        })
        .await
    }

    async fn job_states(&self, ids: &[JobId]) -> Result<Vec<Option<JobState>>> {
        let ids = ids.to_vec();
        self.read("job states", move |connection| each(connection, sql!("job_states"), &ids, job_state)).await
    }

    async fn outlines(&self, ids: &[JobId]) -> Result<Vec<Option<Outline>>> {
        let ids = ids.to_vec();
        self.read("outlines", move |connection| {
            each(connection, sql!("job_outlines"), &ids, |row| {
                Ok(spec::outline(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?))
            })
        })
        .await
    }

    async fn transition(
        &self,
        id: JobId,
        from: &[JobStatus],
        to: JobStatus,
        reason: Option<&str>,
    ) -> Result<Transition> {
        let (from, reason, now) = (from.to_vec(), reason.map(str::to_owned), self.shared.clock.now());
        self.write("transition", move |session| transition(session, id, &from, to, reason.as_deref(), now)).await
    }

    async fn delete_job(&self, id: JobId) -> Result<Deletion> {
        self.write("delete job", move |session| deletion::delete(session, id)).await
    }

    async fn deleted_jobs(&self, most: usize) -> Result<Vec<JobId>> {
        self.read("deleted jobs", move |connection| {
            list(connection, sql!("deleted_list"), [limit(most)], |row| Ok(JobId(uint(row, 0)?)))
        })
        .await
    }

    async fn purge_job(&self, id: JobId, limit: NonZeroUsize) -> Result<bool> {
        self.write("purge job", move |session| deletion::purge(session, id, limit.get())).await
    }

    async fn mark_seeded(&self, id: JobId) -> Result<()> {
        self.write("mark seeded", move |session| {
            let changed = session.connection.prepare_cached(sql!("job_mark_seeded"))?.execute([int(id.0)])?;
            if changed == 1 { Ok(()) } else { Err(missing(id)) }
        })
        .await
    }

    async fn record_active(&self, id: JobId, active: Duration) -> Result<()> {
        self.write("record active", move |session| {
            let mut update = session.connection.prepare_cached(sql!("job_record_active"))?;
            let changed = update.execute(params![int(id.0), millis(active)])?;
            if changed == 1 { Ok(()) } else { Err(missing(id)) }
        })
        .await
    }

    async fn insert(&self, sightings: &[Sighting]) -> Result<Vec<Inserted>> {
        if sightings.is_empty() {
            return Ok(Vec::new());
        }
        let (sightings, mask, now) = (sightings.to_vec(), self.shared.fingerprint_mask, self.shared.clock.now());
        let insert = move |session: &mut Session<'_>| {
            addresses::insert(session, &sightings.iter().collect::<Vec<_>>(), mask, now)
        };
        self.write("insert", insert).await
    }

    async fn known(&self, job: JobId, addresses: &[Address]) -> Result<Vec<bool>> {
        let (addresses, mask) = (addresses.to_vec(), self.shared.fingerprint_mask);
        self.read("known", move |connection| addresses::known(connection, job, &addresses, mask)).await
    }

    async fn fingerprints<T: Send + 'static>(&self, job: JobId, sum: T, add: fn(&mut T, u64)) -> Result<T> {
        self.read("fingerprints", move |connection| {
            // In one transaction, because the runs of the index change with every batch.
            let snapshot = connection.unchecked_transaction()?;
            let mut sum = sum;
            let index = Index::open(&snapshot, Rows::Addresses(job))?;
            index.fingerprints(|fingerprint| add(&mut sum, fingerprint.cast_unsigned()))?;
            Ok(sum)
        })
        .await
    }

    async fn addresses(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Stored>> {
        self.read_long("addresses", move |connection| stored(connection, job, after, limit)).await
    }

    async fn beat(&self, beat: &NodeBeat) -> Result<()> {
        let (beat, now) = (beat.clone(), self.shared.clock.now());
        self.write("beat", move |session| {
            let (workers, bounds) = (spec::encode_workers(&beat.workers)?, spec::encode_bounds(&beat.bounds)?);
            let mut replace = session.connection.prepare_cached(sql!("node_beat"))?;
            replace.execute(params![beat.node.0, beat.host, beat.pid, workers, int(now.0), bounds])?;
            let since = int(now.0).saturating_sub(millis(SILENT_FOR));
            session.connection.prepare_cached(sql!("node_forget_silent"))?.execute([since])?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, node: &NodeId) -> Result<()> {
        let node = node.clone();
        self.write("forget", move |session| {
            session.connection.prepare_cached(sql!("node_forget"))?.execute([node.0])?;
            Ok(())
        })
        .await
    }

    async fn nodes(&self) -> Result<Vec<NodeSeen>> {
        let now = self.shared.clock.now();
        self.read("nodes", move |connection| nodes(connection, now)).await
    }

    async fn free_space(&self) -> Option<u64> {
        let path = self.shared.path.clone();
        tokio::task::spawn_blocking(move || crate::resources::free_space(&path)).await.ok()?
    }

    async fn record_errors(&self, errors: &[NewWorkerError]) -> Result<()> {
        let (errors, now) = (errors.to_vec(), self.shared.clock.now());
        self.write("record errors", move |session| record_errors(session, errors.iter(), now)).await
    }

    async fn errors(&self, query: &ErrorQuery) -> Result<Vec<WorkerError>> {
        let query = query.clone();
        self.read_long("errors", move |connection| errors(connection, &query)).await
    }

    async fn error_groups(&self, query: &GroupQuery) -> Result<Vec<ErrorGroup>> {
        let query = query.clone();
        self.read_long("error groups", move |connection| error_groups(connection, &query)).await
    }

    async fn recover_errors(&self, done: &[Lease]) -> Result<()> {
        let (done, now) = (done.to_vec(), self.shared.clock.now());
        self.write("recover errors", move |session| recover_errors(session, done.iter().copied(), now)).await
    }

    async fn open_errors(&self, job: JobId) -> Result<u64> {
        self.read("open errors", move |connection| {
            let mut count = connection.prepare_cached(sql!("error_count_open"))?;
            Ok(count.query_row([int(job.0)], |row| uint(row, 0))?)
        })
        .await
    }

    async fn resolve_errors(&self, selection: &ErrorSelection, note: &str, retried: bool) -> Result<u64> {
        let (selection, note, now) = (selection.clone(), note.to_owned(), self.shared.clock.now());
        self.write("resolve errors", move |session| {
            let ErrorSelection { ids, job, class, code, host } = &selection;
            let (now, job, class) = (int(now.0), job.map(|job| int(job.0)), class.map(ErrorClass::as_str));
            let resolved = if ids.is_empty() {
                let mut resolve = session.connection.prepare_cached(sql!("error_resolve"))?;
                resolve.execute(params![now, note, retried, job, class, code, host])?
            } else {
                let mut resolve = session.connection.prepare_cached(sql!("error_resolve_named"))?;
                resolve.execute(params![now, note, retried, spec::json(ids)?, job, class, code, host])?
            };
            Ok(resolved as u64)
        })
        .await
    }
}
