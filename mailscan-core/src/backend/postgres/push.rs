//! Pushes: work that a job does not have yet becomes a task.
//!
//! A fingerprint only says where to look, the text decides: tasks of one fingerprint are told apart by a probe. When
//! another process puts a task at the same place in the same instant, the server says so, and those few are looked at
//! again. Whoever pushes under a limit holds the job's lock, so that the limit holds for all processes together.

use std::collections::HashMap;

use super::SLOTS;
use super::convert::{bits, int, owned, place, small};
use super::failure::Failure;
use super::transaction::{Operation, Statement, Transaction};
use crate::queue::Pushed;
use crate::task::{NewTask, TaskId};

/// One piece of work of a batch.
#[derive(Debug)]
struct Item {
    job: i64,
    fingerprint: i64,
    kind: &'static str,
    locator: String,
    host: String,
    depth: i32,
    /// How many others of this fingerprint come before it in the batch.
    step: i16,
    most: Option<i64>,
}

/// A batch of tasks to be pushed, each work once.
#[derive(Debug, Default)]
pub(super) struct Push {
    items: Vec<Item>,
    /// The item of each input, and whether the input is the first of it.
    inputs: Vec<(usize, bool)>,
    slot: i16,
}

/// What is known of the items so far.
#[derive(Debug)]
pub(super) struct Answers {
    pushed: Vec<Option<Pushed>>,
}

impl Push {
    pub(super) fn new<'a>(tasks: impl Iterator<Item = &'a NewTask>, slot: i16) -> Self {
        let mut push = Self { slot, ..Self::default() };
        let (mut known, mut steps) = (HashMap::new(), HashMap::new());
        for task in tasks {
            let (job, kind, locator) = (int(task.job.0), task.work.kind(), owned(&task.work.locator()));
            let next = push.items.len();
            let item = *known.entry((job, kind, locator.clone())).or_insert(next);
            push.inputs.push((item, item == next));
            if item != next {
                continue;
            }
            let fingerprint = bits(task.work.fingerprint());
            let step = steps.entry((job, fingerprint)).and_modify(|step| *step += 1).or_insert(0_i16);
            let (host, depth, most) = (owned(&task.work.host()), small(task.depth), task.limit.map(int));
            push.items.push(Item { job, fingerprint, kind, locator, host, depth, step: *step, most });
        }
        push
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The statements to begin with, of which the last answers to [`take`](Self::take).
    pub(super) fn opening(&self) -> (Vec<Statement>, Answers) {
        let answers = Answers { pushed: vec![None; self.items.len()] };
        let mut limited: Vec<i64> = self.items.iter().filter(|item| item.most.is_some()).map(|item| item.job).collect();
        limited.sort_unstable();
        limited.dedup();
        let mut statements = Vec::new();
        if !limited.is_empty() {
            statements.push(Statement::new(sql!("limit_open")).ints(limited.clone()));
            statements.push(Statement::new(sql!("limit_lock")).ints(limited));
        }
        statements.push(self.round(&answers));
        (statements, answers)
    }

    /// The statement that tries what is still open.
    pub(super) fn round(&self, answers: &Answers) -> Statement {
        let added = answers.added(self);
        let items: Vec<_> = answers.open().map(|at| &self.items[at]).collect();
        // What this transaction added is not counted yet.
        let most = |item: &&Item| Some(item.most? - added.get(&item.job).copied().unwrap_or(0));
        Statement::new(sql!("task_push"))
            .ints(items.iter().map(|item| item.job).collect())
            .ints(items.iter().map(|item| item.fingerprint).collect())
            .names(items.iter().map(|item| item.kind).collect())
            .texts(items.iter().map(|item| item.locator.clone()).collect())
            .texts(items.iter().map(|item| item.host.clone()).collect())
            .smalls(items.iter().map(|item| item.depth).collect())
            .slots(items.iter().map(|item| item.step).collect())
            .maybe_ints(items.iter().map(most).collect())
    }

    /// Notes what a round answered.
    pub(super) fn take(answers: &mut Answers, rows: &[tokio_postgres::Row]) -> Result<(), Failure> {
        let open: Vec<_> = answers.open().collect();
        for row in rows {
            let Some(at) = open.get(place(row, 0)?).copied() else { continue };
            let (known, tried, added): (Option<i64>, Option<i64>, bool) =
                (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            answers.pushed[at] = match (known, tried) {
                (Some(id), _) => Some(Pushed::Duplicate(TaskId(id.cast_unsigned()))),
                (None, Some(id)) if added => Some(Pushed::New(TaskId(id.cast_unsigned()))),
                (None, Some(_)) => None,
                (None, None) => Some(Pushed::OverLimit),
            };
        }
        Ok(())
    }

    /// Tries until nothing is open.
    pub(super) async fn settle(&self, transaction: &Transaction<'_>, answers: &mut Answers) -> Result<(), Failure> {
        while answers.open().next().is_some() {
            let rows = transaction.run(&[self.round(answers)]).await?;
            Self::take(answers, rows.last().map_or(&[], Vec::as_slice))?;
        }
        Ok(())
    }

    /// The statement that counts what was added, if anything was. In rows of its own, which come last of all: a commit has those of
    /// its settlements by then, of other jobs than these, and who claims tasks of both may have taken them the other way around.
    pub(super) fn counts(&self, answers: &Answers) -> Option<Statement> {
        let (jobs, tasks): (Vec<_>, Vec<_>) = answers.added(self).into_iter().unzip();
        if jobs.is_empty() {
            return None;
        }
        Some(Statement::new(sql!("count_add")).ints(jobs).ints(tasks).slot(SLOTS + self.slot))
    }

    /// What became of each input.
    pub(super) fn spread(&self, answers: &Answers) -> Vec<Pushed> {
        let one = |(item, first): &(usize, bool)| match answers.pushed[*item] {
            Some(Pushed::New(id)) if !first => Pushed::Duplicate(id),
            Some(pushed) => pushed,
            None => Pushed::OverLimit,
        };
        self.inputs.iter().map(one).collect()
    }
}

impl Answers {
    /// The items of which nothing is known yet.
    fn open(&self) -> impl Iterator<Item = usize> {
        self.pushed.iter().enumerate().filter(|(_, pushed)| pushed.is_none()).map(|(at, _)| at)
    }

    /// How many tasks each job got.
    fn added(&self, push: &Push) -> HashMap<i64, i64> {
        let mut added = HashMap::new();
        for (item, pushed) in push.items.iter().zip(&self.pushed) {
            if matches!(pushed, Some(Pushed::New(_))) {
                *added.entry(item.job).or_insert(0) += 1;
            }
        }
        added
    }
}

impl Operation for Push {
    type Output = Vec<Pushed>;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Vec<Pushed>, Failure> {
        let (statements, mut answers) = self.opening();
        let rows = transaction.run(&statements).await?;
        Self::take(&mut answers, rows.last().map_or(&[], Vec::as_slice))?;
        self.settle(transaction, &mut answers).await?;
        transaction.finish(&Vec::from_iter(self.counts(&answers))).await?;
        Ok(self.spread(&answers))
    }
}
