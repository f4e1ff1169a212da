//! Which start of the server the rest is about.
//!
//! A server that was started anew, or another in its place, may have lost the last of what it had confirmed: it came back from a
//! copy of its data, or is a standby that was behind. So what is remembered of its answers is worth nothing to it, and a commit
//! that relies on that is refused by the server itself (`sql/server_same.sql`). Each start that is met is another epoch. All
//! connections are to lead to one server at a time: starts that took turns would refuse each other's commits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::error::SqlState;

use super::Postgres;
use super::failure::Failure;
use super::transaction::Statement;
use crate::error::{ErrorKind, Result};

/// What is known of the start of the server.
#[derive(Debug, Default)]
pub(super) struct Start {
    known: Mutex<Known>,
    /// Whether a commit found another one.
    doubted: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    epoch: u64,
    /// When it was, in microseconds since the epoch of Unix.
    at: i64,
}

impl Start {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.known().epoch
    }

    /// The statement that fails unless the server is the one of this epoch.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where another is known already.
    pub(super) fn guard(&self, epoch: u64) -> Result<Statement, Failure> {
        let known = *self.known();
        match known.epoch == epoch {
            true => Ok(Statement::new(sql!("server_same")).int(known.at)),
            false => Err(other()),
        }
    }

    /// The failure of a commit, which may be that of the guard.
    pub(super) fn heed(&self, failure: Failure) -> Failure {
        let is_guard = matches!(&failure, Failure::Sql(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO));
        if !is_guard {
            return failure;
        }
        self.doubted.store(true, Ordering::Relaxed);
        other()
    }
}

fn other() -> Failure {
    let message = "the server was started anew: what was remembered of it is made anew".to_owned();
    Failure::Own(ErrorKind::Unavailable, message)
}

impl Postgres {
    /// Asks when the server was started, if a commit found that it is another.
    ///
    /// # Errors
    /// Those of asking.
    pub(super) async fn mend_doubt(&self) -> Result<()> {
        if !self.shared.start.doubted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let at = self.started().await?;
        let mut known = self.shared.start.known();
        if known.at != at {
            *known = Known { epoch: known.epoch + 1, at };
        }
        self.shared.start.doubted.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Asks for the first time.
    ///
    /// # Errors
    /// Those of asking.
    pub(super) async fn learn_start(&self) -> Result<()> {
        let at = self.started().await?;
        self.shared.start.known().at = at;
        Ok(())
    }

    async fn started(&self) -> Result<i64> {
        let rows = self.query("server start", Statement::new(sql!("server_start"))).await?;
        let missing = || Failure::corrupt("start of the server", "");
        let at = rows.first().ok_or_else(missing).and_then(|row| Ok(row.try_get(0)?));
        self.made("server start", at)
    }
}
