//! A clock of the server that goes back: what was to happen by the old one happens as much earlier.
//!
//! A correction, or a standby whose clock is behind, would otherwise hold up leases, delays and turns for as long as the clock
//! needs to come to where it was. All processes report every few seconds, so reports that are later than now say by how much it
//! went back. Whoever wants to report next finds them, moves all times, and moves the reports in the same transaction, so that
//! it is done once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Postgres;
use super::convert::seconds;
use super::failure::Failure;
use super::transaction::{Operation, Statement, Transaction};
use crate::error::Result;
use crate::turns::KEPT;

/// The longest lease of a process that has not asked for any.
const USUAL_LEASE: Duration = Duration::from_secs(90);

/// The longest lease that this process has asked for, in milliseconds; 0 for none.
#[derive(Debug, Default)]
pub(super) struct LongestLease(AtomicU64);

impl LongestLease {
    pub(super) fn note(&self, lease: Duration) {
        self.0.fetch_max(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => USUAL_LEASE,
            millis => Duration::from_millis(millis),
        }
    }
}

/// Moves all times that the clock is behind.
struct MoveBack {
    longest_lease: Duration,
}

impl Operation for MoveBack {
    /// By how many seconds.
    type Output = f64;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<f64, Failure> {
        let found = transaction.run(&[Statement::new(sql!("clock_ahead"))]).await?;
        let by: f64 = found.first().and_then(|rows| rows.first()).map_or(Ok(0.0), |row| row.try_get(0))?;
        if by > 0.0 {
            let moves = [
                Statement::new(sql!("clock_back_leases")).float(by).float(seconds(self.longest_lease)),
                Statement::new(sql!("clock_back_delays")).float(by),
                Statement::new(sql!("clock_back_hosts")).float(by),
                Statement::new(sql!("clock_back_places")).float(seconds(KEPT)),
                Statement::new(sql!("clock_back_nodes")).float(by),
            ];
            transaction.finish(&moves).await?;
        }
        Ok(by)
    }
}

impl Postgres {
    /// Makes up for a clock that went back, unless somebody else has done so meanwhile.
    pub(super) async fn follow_clock(&self) -> Result<()> {
        let longest_lease = self.shared.longest_lease.get();
        let by = self.run("follow clock", MoveBack { longest_lease }).await?;
        if by > 0.0 {
            tracing::warn!(seconds = by, "the clock of the database went back; leases, delays and turns follow it");
            self.hint();
        }
        Ok(())
    }
}
