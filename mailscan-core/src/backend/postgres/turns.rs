//! Turns at hosts for all processes of the database: the row of a host says when it may be asked next, and each process
//! keeps a row of the places that it has there.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::Row;

use super::Postgres;
use super::convert::{int, limit, owned, seconds, uint};
use super::failure::Failure;
use super::transaction::{Flight, Operation, Statement, Transaction};
use crate::error::Result;
use crate::turns::{KEPT, SharedTurns, TurnGrant, TurnRequest};

/// How often a process clears away hosts that nobody asks any more, at most: all hosts are read for it.
const CLEAR_EVERY: Duration = Duration::from_secs(60);

/// When this process cleared hosts away last.
#[derive(Debug, Default)]
pub(super) struct Cleared(Mutex<Option<Instant>>);

impl Cleared {
    /// Whether it is time to do so, which it is for nobody else then.
    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.duration_since(last) >= CLEAR_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl SharedTurns for Postgres {
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>> {
        self.ask(request).boxed()
    }

    fn hold(&self, hosts: Vec<String>) -> BoxFuture<'_, Result<()>> {
        let hosts = hosts.iter().map(|host| owned(host)).collect();
        let hold = Statement::new(sql!("host_hold")).text(self.shared.hints.sender.clone()).texts(hosts);
        async move { self.query("hold", hold.float(seconds(KEPT))).await.map(|_| ()) }.boxed()
    }

    fn release(&self, hosts: Vec<String>) -> BoxFuture<'_, Result<()>> {
        let hosts = hosts.iter().map(|host| owned(host)).collect();
        let release = Statement::new(sql!("host_release")).text(self.shared.hints.sender.clone()).texts(hosts);
        async move { self.query("release hosts", release).await.map(|_| ()) }.boxed()
    }

    fn leave_alone(&self, host: String, time: Duration) -> BoxFuture<'_, Result<()>> {
        async move {
            let block = Statement::new(sql!("host_block")).text(owned(&host)).float(seconds(time));
            self.query("leave host alone", block).await.map(|_| ())
        }
        .boxed()
    }

    fn left_alone(&self, host: String) -> BoxFuture<'_, Result<Duration>> {
        async move {
            let rows = self.query("host left alone", Statement::new(sql!("host_blocked")).text(owned(&host))).await?;
            let seconds = rows.first().map_or(Ok(0.0), |row| row.try_get::<_, f64>(0));
            let seconds = self.made("host left alone", seconds.map_err(Failure::from))?;
            Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
        }
        .boxed()
    }
}

/// Statements that agree on turns. The right to do so lasts as long as they do, which may be longer than the caller waits.
struct Ask {
    flight: Flight,
    _agreement: Option<OwnedSemaphorePermit>,
}

impl Operation for Ask {
    type Output = Vec<Vec<Row>>;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, Failure> {
        self.flight.run(transaction).await
    }
}

impl Postgres {
    async fn ask(&self, request: TurnRequest) -> Result<TurnGrant> {
        let host = || owned(&request.host);
        let ask = Statement::new(sql!("host_ask"))
            .text(host())
            .text(self.shared.hints.sender.clone())
            .float(seconds(request.interval))
            .int(limit(request.concurrency))
            .int(limit(request.under_way))
            .int(int(request.starts.into()))
            .float(seconds(KEPT))
            .float(seconds(request.patience));
        let lock = Statement::new(sql!("host_lock")).text(host());
        let flight = vec![Statement::new(sql!("host_open")).text(host()), lock, ask];
        // Never closed.
        let agreement = self.shared.agreements.clone().acquire_owned().await.ok();
        let answers = self.run("turns", Ask { flight: Flight(flight), _agreement: agreement }).await?;
        if self.shared.cleared.is_due(Instant::now()) {
            let database = self.clone();
            // Nobody waits for it: another request does it as well.
            tokio::spawn(async move { database.query("clear hosts", Statement::new(sql!("host_clear"))).await });
        }
        self.made("turns", grant(&request, &answers))
    }
}

fn grant(request: &TurnRequest, answers: &[Vec<Row>]) -> Result<TurnGrant, Failure> {
    let Some(row) = answers.get(2).and_then(|rows| rows.first()) else {
        return Err(Failure::corrupt("host", &request.host));
    };
    let first: f64 = row.try_get(2)?;
    Ok(TurnGrant {
        first: Duration::try_from_secs_f64(first).unwrap_or_default(),
        starts: u32::try_from(uint(row, 1)?).unwrap_or(u32::MAX),
        places: usize::try_from(uint(row, 0)?).unwrap_or(usize::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_cleared_away_once_a_minute_however_many_ask() {
        let (cleared, begin) = (Cleared::default(), Instant::now());
        let due = (0..1_200).filter(|n| cleared.is_due(begin + Duration::from_millis(100) * *n));
        assert_eq!(due.collect::<Vec<_>>(), [0, 600]);
    }
}
