//! Pushes: which tasks are new.
//!
//! A fingerprint only says where to look (`runs.rs`); the work decides, so two tasks of one fingerprint are two tasks. A
//! filter in the writer's memory tells most new ones without a look.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::convert::{bits, int};
use super::failure::Failure;
use super::queue::{Moves, total};
use super::runs::{self, Index, Rows};
use super::writer::Session;
use crate::backend::ready::State;
use crate::clock::Timestamp;
use crate::job::JobId;
use crate::queue::Pushed;
use crate::task::{NewTask, TaskId};

/// What one job takes of a push.
struct Intake<'c, 'a> {
    index: Index<'c>,
    /// How many tasks the job ever had, before the push.
    before: u64,
    /// How many it has now; `None` when it takes no more.
    total: Option<u64>,
    /// What came with this push, in the order of the index.
    fresh: BTreeMap<runs::Entry, Work<'a>>,
}

/// What tells tasks of a job apart.
#[derive(PartialEq, Eq)]
struct Work<'a> {
    kind: &'static str,
    locator: Cow<'a, str>,
}

impl Work<'_> {
    /// Whether this is what the task is to do.
    fn is_of(&self, task: i64, look: &mut CachedStatement<'_>) -> Result<bool, Failure> {
        let same = look.query_row([task], |row| {
            let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
            Ok(text(0)? == self.kind && text(1)? == self.locator)
        });
        Ok(same.optional()?.unwrap_or_default())
    }
}

impl<'c> Intake<'c, '_> {
    fn open(connection: &'c Connection, job: JobId) -> Result<Self, Failure> {
        let total = total(connection, job)?;
        let index = Index::open(connection, Rows::Tasks(job))?;
        Ok(Self { index, before: total.unwrap_or_default(), total, fresh: BTreeMap::new() })
    }

    /// The task of this work, if there is one already.
    fn find(
        &self,
        work: &Work<'_>,
        fingerprint: i64,
        surely_new: bool,
        look: &mut CachedStatement<'_>,
    ) -> Result<Option<i64>, Failure> {
        let mut fresh = self.fresh.range((fingerprint, i64::MIN)..=(fingerprint, i64::MAX));
        match fresh.find(|(_, other)| *other == work) {
            Some(((_, id), _)) => Ok(Some(*id)),
            None if surely_new => Ok(None),
            None => self.index.find(fingerprint, |id| work.is_of(id, look)),
        }
    }
}

/// Puts tasks on the queue, each work once.
pub(super) fn push<'a>(
    session: &mut Session<'_>,
    tasks: impl Iterator<Item = &'a NewTask>,
    mask: u64,
    now: Timestamp,
) -> Result<Vec<Pushed>, Failure> {
    let connection = session.connection;
    let mut insert = connection.prepare_cached(sql!("task_insert"))?;
    let mut ready = connection.prepare_cached(sql!("task_ready"))?;
    let mut look = connection.prepare_cached(sql!("task_work"))?;
    let mut intakes = BTreeMap::new();
    let mut moves = Moves::default();
    let mut pushed = Vec::new();
    session.memory.filters.begin();
    for new in tasks {
        let fingerprint = bits(new.work.fingerprint() & mask);
        let work = Work { kind: new.work.kind(), locator: new.work.locator() };
        let intake = match intakes.get_mut(&new.job) {
            Some(intake) => intake,
            None => intakes.entry(new.job).or_insert(Intake::open(connection, new.job)?),
        };
        let filter = session.memory.filters.of(Rows::Tasks(new.job), intake.before, &intake.index)?;
        let is_new = filter.is_some_and(|filter| filter.surely_new(fingerprint));
        if let Some(id) = intake.find(&work, fingerprint, is_new, &mut look)? {
            pushed.push(Pushed::Duplicate(TaskId(id.cast_unsigned())));
            continue;
        }
        let Some(total) = intake.total.filter(|total| new.limit.is_none_or(|limit| *total < limit)) else {
            pushed.push(Pushed::OverLimit);
            continue;
        };
        let (job, host, due) = (int(new.job.0), new.work.host(), int(session.memory.order.next(now)));
        insert.execute(params![job, work.kind, work.locator, host, new.depth, due])?;
        let id = connection.last_insert_rowid();
        ready.execute(params![job, host, due, id])?;
        pushed.push(Pushed::New(TaskId(id.cast_unsigned())));
        intake.total = Some(total + 1);
        intake.fresh.insert((fingerprint, id), work);
        moves.note(new.job, None, State::Pending as usize, 1);
    }
    for (job, intake) in intakes {
        let entries: Vec<runs::Entry> = intake.fresh.into_keys().collect();
        if let Some(filter) = session.memory.filters.made(Rows::Tasks(job), intake.before) {
            filter.note(entries.iter().map(|(fingerprint, _)| *fingerprint));
        }
        runs::add(connection, Rows::Tasks(job), &entries)?;
    }
    moves.write(connection)?;
    Ok(pushed)
}
