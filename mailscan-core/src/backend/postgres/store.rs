//! The store in PostgreSQL: jobs, processes and errors. The set union of addresses is in `addresses.rs`.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use tokio_postgres::Row;

use super::Postgres;
use super::addresses::{self, Names};
use super::convert::{int, limit, named, owned, time, uint};
use super::deletion::Delete;
use super::failure::Failure;
use super::transaction::{Flight, Operation, Statement, Transaction};
use crate::address::Address;
use crate::backend::spec;
use crate::class::Classes;
use crate::error::{ErrorKind, Result};
use crate::extract::Form;
use crate::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use crate::lease::{Lease, NodeId};
use crate::store::{
    Created, Deletion, ErrorClass, ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Inserted, JobQuery,
    NewWorkerError, NodeBeat, NodeSeen, RECOVERED, Resolution, SAMPLES, Sighting, Store, Stored, Transition,
    WorkerError,
};
use crate::task::TaskId;

fn missing(id: JobId) -> Failure {
    Failure::Own(ErrorKind::NotFound, format!("there is no job {id}"))
}

fn created(answers: &[Vec<Row>]) -> Result<Created, Failure> {
    let mut ids = answers.iter().map(|rows| rows.first());
    match (ids.next().flatten(), ids.next().flatten()) {
        (Some(new), _) => Ok(Created::New(JobId(uint(new, 0)?))),
        (None, Some(existing)) => Ok(Created::Existing(JobId(uint(existing, 0)?))),
        (None, None) => {
            Err(Failure::Own(ErrorKind::Unavailable, "the job was deleted meanwhile: try again".to_owned()))
        }
    }
}

fn job(row: &Row) -> Result<Job, Failure> {
    let at = |column| row.try_get::<_, Option<SystemTime>>(column).map(|at| at.map(time));
    Ok(Job {
        id: JobId(uint(row, 0)?),
        key: row.try_get(1)?,
        spec: spec::decode(row.try_get(2)?)?,
        origin: spec::decode_origin(row.try_get(11)?)?,
        status: named(row, 3, "job state", JobStatus::parse)?,
        reason: row.try_get(4)?,
        seeded: row.try_get(5)?,
        collected: uint(row, 6)?,
        active: Duration::from_millis(uint(row, 7)?),
        active_before: Duration::from_millis(uint(row, 12)?),
        created_at: at(8)?.unwrap_or_default(),
        started_at: at(9)?,
        finished_at: at(10)?,
    })
}

fn job_state(row: &Row) -> Result<JobState, Failure> {
    let at = |column| row.try_get::<_, Option<SystemTime>>(column).map(|at| at.map(time));
    Ok(JobState {
        id: JobId(uint(row, 0)?),
        status: named(row, 1, "job state", JobStatus::parse)?,
        reason: row.try_get(2)?,
        collected: uint(row, 3)?,
        target: uint(row, 4)?,
        active: Duration::from_millis(uint(row, 5)?),
        active_before: Duration::from_millis(uint(row, 9)?),
        created_at: at(6)?.unwrap_or_default(),
        started_at: at(7)?,
        finished_at: at(8)?,
    })
}

fn outline(row: &Row) -> Result<(JobId, Outline), Failure> {
    Ok((JobId(uint(row, 0)?), spec::outline(row.try_get(1)?)))
}

/// The statement of a query by ids.
fn by_ids(sql: &'static str, ids: &[JobId]) -> Statement {
    Statement::new(sql).ints(ids.iter().map(|id| int(id.0)).collect())
}

/// What was found of each of these jobs.
fn each<T: Clone>(ids: &[JobId], found: impl IntoIterator<Item = (JobId, T)>) -> Vec<Option<T>> {
    let found: HashMap<_, _> = found.into_iter().collect();
    ids.iter().map(|id| found.get(id).cloned()).collect()
}

/// A change of a job's state.
struct Change {
    id: JobId,
    from: Vec<JobStatus>,
    to: JobStatus,
    reason: Option<String>,
}

impl Operation for Change {
    type Output = Transition;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Transition, Failure> {
        let id = int(self.id.0);
        let found = transaction.run(&[Statement::new(sql!("job_status")).int(id)]).await?;
        let row = found.first().and_then(|rows| rows.first()).ok_or_else(|| missing(self.id))?;
        let status = named(row, 0, "job state", JobStatus::parse)?;
        if status == self.to {
            return Ok(Transition::Already);
        }
        if !self.from.contains(&status) || !status.can_become(self.to) {
            return Ok(Transition::Refused(status));
        }
        let change = Statement::new(sql!("job_transition")).int(id).text(self.to.as_str().to_owned());
        let change = change.maybe_text(self.reason.as_deref().map(owned));
        let change = change.bool(self.to == JobStatus::Running).bool(self.to.is_settled());
        transaction.finish(&[change.bool(status.is_resumed_as(self.to))]).await?;
        Ok(Transition::Applied)
    }
}

fn stored(rows: &[Row]) -> Result<Vec<Stored>, Failure> {
    let mut names = Names::default();
    let mut one = |row: &Row| {
        let classes = u16::try_from(row.try_get::<_, i32>(5)?).unwrap_or(0);
        Ok(Stored {
            id: uint(row, 0)?,
            address: addresses::parse(row.try_get(1)?)?,
            source: names.share(row.try_get(2)?),
            offset: uint(row, 3)?,
            form: named(row, 4, "form", Form::parse)?,
            classes: Classes::from_bits(classes),
            found_at: time(row.try_get(6)?),
        })
    };
    rows.iter().map(&mut one).collect()
}

fn node(row: &Row) -> Result<NodeSeen, Failure> {
    let beat = NodeBeat {
        node: NodeId(row.try_get(0)?),
        host: row.try_get(1)?,
        pid: u32::try_from(row.try_get::<_, i64>(2)?).unwrap_or(u32::MAX),
        workers: spec::decode_workers(row.try_get(3)?)?,
        bounds: spec::decode_bounds(row.try_get(4)?)?,
    };
    let silent = Duration::try_from_secs_f64(row.try_get(5)?).unwrap_or_default();
    Ok(NodeSeen { beat, silent_for: silent })
}

/// The statements that record errors, if there are any: their jobs are held, so that none is deleted meanwhile.
pub(super) fn record<'a>(errors: impl Iterator<Item = &'a NewWorkerError>) -> Option<[Statement; 2]> {
    let errors: Vec<_> = errors.collect();
    if errors.is_empty() {
        return None;
    }
    let ints = |number: fn(&NewWorkerError) -> u64| errors.iter().map(|error| int(number(error))).collect();
    let texts = |text: fn(&NewWorkerError) -> &str| errors.iter().map(|error| owned(text(error))).collect();
    let insert = Statement::new(sql!("error_insert"))
        .ints(ints(|error| error.job.0))
        .ints(ints(|error| error.task.0))
        .ints(ints(|error| error.fence))
        .texts(texts(|error| &error.node.0))
        .texts(texts(|error| error.class.as_str()))
        .texts(texts(|error| &error.code))
        .texts(texts(|error| &error.host))
        .texts(texts(|error| &error.label))
        .texts(texts(|error| &error.message));
    Some([Statement::new(sql!("job_hold")).ints(ints(|error| error.job.0)), insert])
}

/// The statement that resolves the errors of earlier deliveries of tasks that are done with these leases, if there are any.
pub(super) fn recover(done: impl Iterator<Item = Lease>) -> Option<Statement> {
    let done: Vec<_> = done.collect();
    let ints = |number: fn(&Lease) -> u64| done.iter().map(|lease| int(number(lease))).collect();
    let recover = Statement::new(sql!("error_recover"))
        .ints(ints(|lease| lease.job.0))
        .ints(ints(|lease| lease.task.0))
        .ints(ints(|lease| lease.fence))
        .text(RECOVERED.to_owned());
    (!done.is_empty()).then_some(recover)
}

fn worker_error(row: &Row) -> Result<WorkerError, Failure> {
    let note: Option<String> = row.try_get(12)?;
    let (resolved_at, retried): (Option<SystemTime>, bool) = (row.try_get(11)?, row.try_get(13)?);
    let error = NewWorkerError {
        job: JobId(uint(row, 1)?),
        task: TaskId(uint(row, 2)?),
        fence: uint(row, 3)?,
        node: NodeId(row.try_get(4)?),
        class: named(row, 5, "error class", ErrorClass::parse)?,
        code: row.try_get(6)?,
        host: row.try_get(7)?,
        label: row.try_get(8)?,
        message: row.try_get(9)?,
    };
    let resolved = resolved_at.map(|at| Resolution { at: time(at), note: note.unwrap_or_default(), retried });
    Ok(WorkerError { id: uint(row, 0)?, error, at: time(row.try_get(10)?), resolved })
}

fn error_group(row: &Row) -> Result<ErrorGroup, Failure> {
    Ok(ErrorGroup {
        class: named(row, 0, "error class", ErrorClass::parse)?,
        code: row.try_get(1)?,
        host: row.try_get(2)?,
        count: uint(row, 3)?,
        open: uint(row, 4)?,
        samples: spec::decode_samples(row.try_get(5)?)?,
    })
}

/// Binds which errors are meant.
fn selected(statement: Statement, selection: &ErrorSelection) -> Statement {
    let ErrorSelection { ids, job, class, code, host } = selection;
    statement
        .ints(ids.iter().map(|id| int(*id)).collect())
        .maybe_int(job.map(|job| int(job.0)))
        .maybe_text(class.map(|class| class.as_str().to_owned()))
        .maybe_text(code.as_deref().map(owned))
        .maybe_text(host.as_deref().map(owned))
}

impl Postgres {
    /// Runs one statement, and makes something of each row.
    async fn list<T>(
        &self,
        name: &'static str,
        statement: Statement,
        make: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>> {
        let rows = self.query(name, statement).await?;
        self.made(name, rows.iter().map(make).collect())
    }

    /// Changes a job that must be there.
    async fn change_job(&self, name: &'static str, id: JobId, statement: Statement) -> Result<()> {
        let rows = self.query(name, statement).await?;
        self.made(name, if rows.is_empty() { Err(missing(id)) } else { Ok(()) })
    }
}

/// How many specifications are held in memory at a time.
const SPECS_AT_ONCE: usize = 32;
/// How many errors one statement resolves, so that it ends in time however many there are.
const RESOLVED_AT_ONCE: i64 = 20_000;

impl Store for Postgres {
    fn epoch(&self) -> u64 {
        self.shared.start.epoch()
    }

    async fn create_job(&self, job: &NewJob) -> Result<Created> {
        let encoded = spec::encode(&job.spec).and_then(|spec| Ok((spec, spec::encode_origin(&job.origin)?)));
        let (spec, roots) = self.made("create job", encoded.map_err(Failure::from))?;
        let insert = Statement::new(sql!("job_insert")).text(owned(&job.key)).text(spec).int(int(job.spec.target));
        let insert = insert.maybe_text(roots);
        let look = Statement::new(sql!("job_by_key")).text(owned(&job.key));
        let answers = self.run("create job", Flight(vec![insert, look])).await?;
        self.made("create job", created(&answers))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        let get = Statement::new(sql!("job_get")).int(int(id.0));
        Ok(self.list("job", get, job).await?.pop())
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobState>> {
        let statuses = query.statuses.iter().map(|status| status.as_str()).collect();
        let (sql, bound) = match (query.descending, query.after) {
            (false, after) if query.statuses.is_empty() => (sql!("job_list"), int(after)),
            (false, after) => (sql!("job_list_of"), int(after)),
            (true, 0) => (sql!("job_list_newest"), i64::MAX),
            (true, before) => (sql!("job_list_newest"), int(before)),
        };
        let list = Statement::new(sql).int(bound).names(statuses).int(limit(query.limit));
        self.list("jobs", list, job_state).await
    }

    async fn job_counts(&self) -> Result<JobCounts> {
        let row = |row: &Row| Ok((named(row, 0, "job state", JobStatus::parse)?, uint(row, 1)?));
        let mut counts = JobCounts::default();
        let rows = self.list("job counts", Statement::new(sql!("job_counts")), row).await?;
        rows.into_iter().for_each(|(status, jobs)| counts.add(status, jobs));
        Ok(counts)
    }

    async fn job_states(&self, ids: &[JobId]) -> Result<Vec<Option<JobState>>> {
        let found = self.list("job states", by_ids(sql!("job_states"), ids), job_state).await?;
        Ok(each(ids, found.into_iter().map(|state| (state.id, state))))
    }

    async fn outlines(&self, ids: &[JobId]) -> Result<Vec<Option<Outline>>> {
        let mut found = Vec::new();
        for some in ids.chunks(SPECS_AT_ONCE) {
            found.extend(self.list("outlines", by_ids(sql!("job_outlines"), some), outline).await?);
        }
        Ok(each(ids, found))
    }

    async fn transition(
        &self,
        id: JobId,
        from: &[JobStatus],
        to: JobStatus,
        reason: Option<&str>,
    ) -> Result<Transition> {
        let change = Change { id, from: from.to_vec(), to, reason: reason.map(str::to_owned) };
        self.run("transition", change).await
    }

    async fn delete_job(&self, id: JobId) -> Result<Deletion> {
        self.run("delete job", Delete(id)).await
    }

    async fn deleted_jobs(&self, most: usize) -> Result<Vec<JobId>> {
        let list = Statement::new(sql!("deleted_list")).int(limit(most));
        self.list("deleted jobs", list, |row| Ok(JobId(uint(row, 0)?))).await
    }

    async fn purge_job(&self, id: JobId, most: NonZeroUsize) -> Result<bool> {
        self.purge(id, most.get()).await
    }

    async fn mark_seeded(&self, id: JobId) -> Result<()> {
        let mark = Statement::new(sql!("job_mark_seeded")).int(int(id.0));
        self.change_job("mark seeded", id, mark).await
    }

    async fn record_active(&self, id: JobId, active: Duration) -> Result<()> {
        let millis = u64::try_from(active.as_millis()).unwrap_or(u64::MAX);
        let record = Statement::new(sql!("job_record_active")).int(int(id.0)).int(int(millis));
        self.change_job("record active", id, record).await
    }

    async fn insert(&self, sightings: &[Sighting]) -> Result<Vec<Inserted>> {
        if sightings.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.run("insert", self.batch(sightings.iter()).await?).await?;
        self.learn(&answer.learned);
        Ok(answer.inserted)
    }

    async fn known(&self, job: JobId, addresses: &[Address]) -> Result<Vec<bool>> {
        self.known_addresses(job, addresses).await
    }

    async fn fingerprints<T: Send + 'static>(&self, job: JobId, sum: T, add: fn(&mut T, u64)) -> Result<T> {
        self.all_fingerprints(job, sum, add).await
    }

    async fn addresses(&self, job: JobId, after: u64, most: usize) -> Result<Vec<Stored>> {
        let list = Statement::new(sql!("address_list")).int(int(job.0)).int(int(after)).int(limit(most));
        let rows = self.query("addresses", list).await?;
        self.made("addresses", stored(&rows))
    }

    async fn beat(&self, beat: &NodeBeat) -> Result<()> {
        let encoded =
            spec::encode_workers(&beat.workers).and_then(|workers| Ok((workers, spec::encode_bounds(&beat.bounds)?)));
        let (workers, bounds) = self.made("beat", encoded.map_err(Failure::from))?;
        let replace = || {
            let replace = Statement::new(sql!("node_beat")).text(owned(&beat.node.0)).text(owned(&beat.host));
            replace.int(i64::from(beat.pid)).text(workers.clone()).text(bounds.clone())
        };
        if self.query("beat", replace()).await?.is_empty() {
            self.follow_clock().await?;
            self.query("beat", replace()).await?;
        }
        Ok(())
    }

    async fn forget(&self, node: &NodeId) -> Result<()> {
        self.query("forget", Statement::new(sql!("node_forget")).text(owned(&node.0))).await.map(|_| ())
    }

    async fn nodes(&self) -> Result<Vec<NodeSeen>> {
        self.list("nodes", Statement::new(sql!("node_list")), node).await
    }

    async fn record_errors(&self, errors: &[NewWorkerError]) -> Result<()> {
        let Some(statements) = record(errors.iter()) else { return Ok(()) };
        self.run("record errors", Flight(statements.into())).await.map(|_| ())
    }

    async fn errors(&self, query: &ErrorQuery) -> Result<Vec<WorkerError>> {
        let list = Statement::new(sql!("error_list")).int(int(query.after)).bool(query.open_only);
        let list = selected(list, &query.of).int(limit(query.limit));
        self.list("errors", list, worker_error).await
    }

    async fn error_groups(&self, query: &GroupQuery) -> Result<Vec<ErrorGroup>> {
        let after = query.after.as_ref();
        let list = selected(Statement::new(sql!("error_groups")), &query.of)
            .maybe_int(after.map(|group| int(group.count)))
            .maybe_text(after.map(|group| group.class.as_str().to_owned()))
            .maybe_text(after.map(|group| owned(&group.code)))
            .maybe_text(after.map(|group| owned(&group.host)))
            .int(limit(query.limit))
            .int(limit(SAMPLES));
        self.list("error groups", list, error_group).await
    }

    async fn recover_errors(&self, done: &[Lease]) -> Result<()> {
        let Some(recover) = recover(done.iter().copied()) else { return Ok(()) };
        self.query("recover errors", recover).await.map(|_| ())
    }

    async fn open_errors(&self, job: JobId) -> Result<u64> {
        let rows = self.query("open errors", Statement::new(sql!("error_open")).int(int(job.0))).await?;
        let count = rows.first().map_or(Ok(0), |row| uint(row, 0));
        self.made("open errors", count)
    }

    async fn resolve_errors(&self, selection: &ErrorSelection, note: &str, retried: bool) -> Result<u64> {
        let mut resolved = 0;
        let sql = if selection.ids.is_empty() { sql!("error_resolve") } else { sql!("error_resolve_named") };
        loop {
            let resolve = Statement::new(sql).text(owned(note)).bool(retried);
            let resolve = selected(resolve, selection).int(RESOLVED_AT_ONCE);
            let rows = self.query("resolve errors", resolve).await?;
            let count = self.made("resolve errors", rows.first().map_or(Ok(0), |row| uint(row, 0)))?;
            resolved += count;
            if int(count) < RESOLVED_AT_ONCE {
                return Ok(resolved);
            }
        }
    }
}
