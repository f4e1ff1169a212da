//! The queue in PostgreSQL. Claims, pushes and settlements have a file each.
//!
//! The counts of a job move in the same statement or transaction as its tasks.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Postgres;
use super::convert::{claimed, int, limit, place, seconds, small, uint};
use super::failure::Failure;
use super::push::Push;
use super::settle::Settlement;
use super::slot;
use super::transaction::{Flight, Statement};
use crate::backend::ready::State;
use crate::class::{Class, LeftOut};
use crate::error::Result;
use crate::job::JobId;
use crate::lease::{Claimed, Lease, Settle};
use crate::queue::{ClaimRequest, Depth, Pushed, Queue, Renewed, Settled, Swept};
use crate::task::{ListPosition, NewTask, Work};

/// The depth of a job, from the rows of counts and of mentions. A class that only a newer version knows has no place.
fn depth(answers: &[Vec<tokio_postgres::Row>]) -> Result<Depth, Failure> {
    let mut rows = answers.iter();
    let mut counts = [0; State::COUNT];
    if let Some(row) = rows.next().and_then(|rows| rows.first()) {
        for (column, count) in counts.iter_mut().enumerate() {
            *count = uint(row, column)?;
        }
    }
    let mut left_out = LeftOut::NONE;
    for row in rows.flatten() {
        if let Some(class) = Class::parse(row.try_get(0)?) {
            left_out.add(class, uint(row, 1)?);
        }
    }
    Ok(State::depth(&counts, left_out))
}

fn swept(rows: &[tokio_postgres::Row]) -> Result<Swept, Failure> {
    let mut swept = Swept::default();
    for row in rows {
        if row.try_get(8)? {
            swept.returned += 1;
        } else {
            swept.quarantined.push(claimed(row)?.task);
        }
    }
    Ok(swept)
}

impl Queue for Postgres {
    async fn push(&self, tasks: &[NewTask]) -> Result<Vec<Pushed>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let pushed = self.run("push", Push::new(tasks.iter())).await?;
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
        let renew = Statement::new(sql!("task_renew"))
            .ints(leases.iter().map(|lease| int(lease.task.0)).collect())
            .ints(leases.iter().map(|lease| int(lease.job.0)).collect())
            .ints(leases.iter().map(|lease| int(lease.fence)).collect())
            .float(seconds(lease_for));
        let rows = self.query("renew", renew).await?;
        let mut renewed = vec![Renewed::Lost; leases.len()];
        for row in &rows {
            let place = self.made("renew", place(row, 0))?;
            if let Some(renewed) = renewed.get_mut(place) {
                *renewed = Renewed::Held;
            }
        }
        Ok(renewed)
    }

    async fn settle(&self, batch: &[Settle]) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let settlement = Settlement::new(batch.iter(), self.shared.limits);
        let gives_back = settlement.gives_back();
        let settled = self.run("settle", settlement).await?;
        if gives_back {
            self.hint();
        }
        Ok(settled)
    }

    async fn sweep(&self, most: NonZeroUsize) -> Result<Swept> {
        let limits = self.shared.limits;
        let sweep = Statement::new(sql!("task_sweep"))
            .int(limit(most.get()))
            .small(small(limits.suspect_after))
            .small(small(limits.quarantine_after))
            .slot(slot());
        let rows = self.query("sweep", sweep).await?;
        let swept = self.made("sweep", swept(&rows))?;
        if swept.returned > 0 {
            self.hint();
        }
        Ok(swept)
    }

    async fn depth(&self, job: JobId) -> Result<Depth> {
        let statements = [sql!("count_get"), sql!("left_out_get")].map(|sql| Statement::new(sql).int(int(job.0)));
        let answers = self.run("depth", Flight(statements.into())).await?;
        self.made("depth", depth(&answers))
    }

    async fn lists(&self, job: JobId) -> Result<Vec<ListPosition>> {
        let rows = self.query("lists", Statement::new(sql!("task_lists")).int(int(job.0))).await?;
        let position = |row: &tokio_postgres::Row| {
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
