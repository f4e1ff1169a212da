//! Deleted jobs: gone at once for whoever asks, and removed row by row afterwards, so that no transaction takes long however
//! much a job has left.
//!
//! Whoever adds addresses or errors holds the job's row, so nothing comes to a job that is gone. A transaction that pushes
//! tasks does not: what it began before the queue was closed may leave tasks behind, which nobody claims.

use super::Postgres;
use super::convert::{int, limit, named, uint};
use super::failure::Failure;
use super::transaction::{Flight, Operation, Statement, Transaction};
use crate::error::Result;
use crate::job::{JobId, JobStatus};
use crate::store::Deletion;

/// The deletion of a job, if its state allows it.
pub(super) struct Delete(pub(super) JobId);

impl Operation for Delete {
    type Output = Deletion;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Deletion, Failure> {
        let id = int(self.0.0);
        let found = transaction.run(&[Statement::new(sql!("job_status")).int(id)]).await?;
        let Some(row) = found.first().and_then(|rows| rows.first()) else { return Ok(Deletion::Missing) };
        let status = named(row, 0, "job state", JobStatus::parse)?;
        if !status.can_be_deleted() {
            return Ok(Deletion::Refused(status));
        }
        transaction.finish(&[Statement::new(sql!("job_delete")).int(id)]).await?;
        Ok(Deletion::Applied)
    }
}

impl Postgres {
    /// Removes up to so many rows that a deleted job has left; answers whether there may be more.
    ///
    /// One process at a time for each job: one that waits for rows which another removes finds them gone, and would take the
    /// few that it removed for the last.
    pub(super) async fn purge(&self, id: JobId, most: usize) -> Result<bool> {
        const NAME: &str = "purge job";
        let mut left = most as u64;
        for rows in [sql!("address_purge"), sql!("source_purge"), sql!("error_purge")] {
            let most = usize::try_from(left).unwrap_or(most);
            let lock = Statement::new(sql!("deleted_lock")).int(int(id.0));
            let remove = Statement::new(rows).int(int(id.0)).int(limit(most));
            let answers = self.run(NAME, Flight(vec![lock, remove])).await?;
            let removed = answers.last().and_then(|rows| rows.first());
            let removed = self.made(NAME, removed.map_or(Ok(0), |row| uint(row, 0)))?;
            left = left.saturating_sub(removed);
            if left == 0 {
                return Ok(true);
            }
        }
        self.query(NAME, Statement::new(sql!("deleted_purged")).int(int(id.0))).await?;
        Ok(false)
    }
}
