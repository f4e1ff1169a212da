//! Settlements: tasks given back under their leases.

use std::collections::HashMap;

use super::convert::{int, owned, place, seconds, small};
use super::failure::Failure;
use super::transaction::{Operation, Statement, Transaction};
use crate::backend::ready::State;
use crate::lease::{Lease, Settle, Verdict};
use crate::queue::{QueueLimits, Settled};

/// A batch of settlements, each lease once.
#[derive(Debug)]
pub(super) struct Settlement {
    settles: Vec<Settle>,
    /// The settlement of each input, and whether the input is the first of it.
    inputs: Vec<(usize, bool)>,
    limits: QueueLimits,
    slot: i16,
}

impl Settlement {
    pub(super) fn new<'a>(batch: impl Iterator<Item = &'a Settle>, limits: QueueLimits, slot: i16) -> Self {
        let mut settlement = Self { settles: Vec::new(), inputs: Vec::new(), limits, slot };
        let mut known: HashMap<Lease, usize> = HashMap::new();
        for settle in batch {
            let next = settlement.settles.len();
            let at = *known.entry(settle.lease).or_insert(next);
            settlement.inputs.push((at, at == next));
            if at == next {
                settlement.settles.push(settle.clone());
            }
        }
        settlement
    }

    pub(super) fn is_empty(&self) -> bool {
        self.settles.is_empty()
    }

    /// Whether tasks become ready again.
    pub(super) fn gives_back(&self) -> bool {
        self.settles.iter().any(|settle| matches!(settle.verdict, Verdict::Retry { .. } | Verdict::Release { .. }))
    }

    pub(super) fn statement(&self) -> Statement {
        let all = || self.settles.iter();
        let after = |settle: &Settle| match settle.verdict {
            Verdict::Retry { after } | Verdict::Release { after } => seconds(after),
            Verdict::Done | Verdict::Failed { .. } => 0.0,
        };
        let error = |settle: &Settle| match &settle.verdict {
            Verdict::Failed { message, .. } => Some(owned(message)),
            _ => None,
        };
        let (mut places, mut classes, mut mentions) = (Vec::new(), Vec::new(), Vec::new());
        for (place, settle) in (1..).zip(all()) {
            for (class, count) in settle.counted().iter() {
                places.push(place);
                classes.push(class.as_str());
                mentions.push(int(count));
            }
        }
        Statement::new(sql!("task_settle"))
            .ints(all().map(|settle| int(settle.lease.task.0)).collect())
            .ints(all().map(|settle| int(settle.lease.job.0)).collect())
            .ints(all().map(|settle| int(settle.lease.fence)).collect())
            .slots(all().map(|settle| State::after(&settle.verdict, State::Pending) as i16).collect())
            .floats(all().map(after).collect())
            .smalls(all().map(|settle| i32::from(matches!(settle.verdict, Verdict::Retry { .. }))).collect())
            .maybe_texts(all().map(error).collect())
            .small(small(self.limits.suspect_after))
            .slot(self.slot)
            .ints(places)
            .names(classes)
            .ints(mentions)
    }

    /// What became of each input, by what the statement answered.
    pub(super) fn spread(&self, rows: &[tokio_postgres::Row]) -> Result<Vec<Settled>, Failure> {
        let mut settled = vec![Settled::Lost; self.settles.len()];
        for row in rows {
            if let Some(settled) = settled.get_mut(place(row, 0)?) {
                *settled = if row.try_get(1)? { Settled::Applied } else { Settled::Repeated };
            }
        }
        let one = |(at, first): &(usize, bool)| match settled[*at] {
            Settled::Applied if !first => Settled::Repeated,
            settled => settled,
        };
        Ok(self.inputs.iter().map(one).collect())
    }
}

impl Operation for Settlement {
    type Output = Vec<Settled>;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Vec<Settled>, Failure> {
        let rows = transaction.finish(&[self.statement()]).await?;
        self.spread(rows.last().map_or(&[], Vec::as_slice))
    }
}
