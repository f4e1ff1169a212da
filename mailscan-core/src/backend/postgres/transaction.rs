//! One operation, one transaction: how statements reach the server and what happens when that fails.
//!
//! Statements go out without names, so that no connection needs to know what another has prepared. Those that do not
//! need each other's answers leave in one flight, the beginning and the end of the transaction with them. So an operation
//! of one flight holds no lock while the server waits for the network or for a process that stands still. One of several,
//! such as a commit with new tasks or a change of a job's state, holds those of its first flights for a round trip, and for
//! five seconds at most where nothing comes any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, MaybeDone, maybe_done};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::Postgres;
use super::failure::Failure;
use crate::error::{Error, ErrorKind, Result};

/// Begins a transaction. The server ends a statement that takes too long, and a transaction whose process stands still
/// with locks in its hands. Every query here has its index and takes few rows in its order: with statistics that do not
/// know a job yet, the server would rather gather and sort all that the job has, or compile what runs for a millisecond.
/// What was committed is remembered here, and must outlive a crash of the server: a server that would rather answer before
/// it has written is told otherwise. All this holds for this transaction alone: a pooler may give the session to somebody
/// else.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = '15s'; SET LOCAL idle_in_transaction_session_timeout = '5s'; \
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; \
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";
/// How long a whole attempt may take; the server should have given up before.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// How often a transaction that stood in the way of others is tried.
const ATTEMPTS: u32 = 8;

/// A value bound to a statement.
type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// The answer to a statement that is under way.
type Answer<'a> = BoxFuture<'a, Result<Vec<Row>, Failure>>;

/// A query with its values.
#[derive(Debug)]
pub(super) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// Makes a method that binds a value of one type.
macro_rules! binds {
    ($($name:ident: $of:ty => $type:ident;)*) => {
        $(
            #[must_use]
            pub(super) fn $name(mut self, value: $of) -> Self {
                self.values.push((Box::new(value), Type::$type));
                self
            }
        )*
    };
}

impl Statement {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    binds! {
        bool: bool => BOOL;
        slot: i16 => INT2;
        small: i32 => INT4;
        int: i64 => INT8;
        maybe_int: Option<i64> => INT8;
        float: f64 => FLOAT8;
        text: String => TEXT;
        maybe_text: Option<String> => TEXT;
        bools: Vec<bool> => BOOL_ARRAY;
        slots: Vec<i16> => INT2_ARRAY;
        smalls: Vec<i32> => INT4_ARRAY;
        ints: Vec<i64> => INT8_ARRAY;
        maybe_ints: Vec<Option<i64>> => INT8_ARRAY;
        floats: Vec<f64> => FLOAT8_ARRAY;
        texts: Vec<String> => TEXT_ARRAY;
        maybe_texts: Vec<Option<String>> => TEXT_ARRAY;
        names: Vec<&'static str> => TEXT_ARRAY;
    }

    async fn query(&self, client: &Client) -> Result<Vec<Row>, Failure> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect();
        Ok(client.query_typed(self.sql, &values).await?)
    }
}

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Transaction<'c> {
    client: &'c Client,
    begun: AtomicBool,
    ended: AtomicBool,
}

impl Transaction<'_> {
    /// Runs statements in one flight; answers the rows of each.
    pub(super) async fn run(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Failure> {
        self.flight(statements, false).await
    }

    /// Runs the last statements in one flight, and commits with them.
    pub(super) async fn finish(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Failure> {
        self.flight(statements, true).await
    }

    async fn flight(&self, statements: &[Statement], last: bool) -> Result<Vec<Vec<Row>>, Failure> {
        let plain = |sql: &'static str| async move {
            self.client.batch_execute(sql).await?;
            Ok(Vec::new())
        };
        let mut flight: Vec<MaybeDone<Answer<'_>>> = Vec::new();
        let begins = !self.begun.swap(true, Ordering::Relaxed);
        if begins {
            flight.push(maybe_done(plain(BEGIN).boxed()));
        }
        flight.extend(statements.iter().map(|statement| maybe_done(statement.query(self.client).boxed())));
        if last {
            flight.push(maybe_done(plain("COMMIT").boxed()));
        }
        // The first poll sends, so this settles the order in which the server sees them.
        for one in &mut flight {
            let _ = futures::poll!(one);
        }
        let mut answers = Vec::with_capacity(flight.len());
        for one in &mut flight {
            (&mut *one).await;
            let answer = std::pin::Pin::new(one).take_output();
            // After a failure the server only says that the transaction has failed: the first failure counts.
            answers.push(answer.unwrap_or_else(|| Ok(Vec::new()))?);
        }
        if last {
            self.ended.store(true, Ordering::Relaxed);
            answers.pop();
        }
        if begins {
            answers.remove(0);
        }
        Ok(answers)
    }
}

/// What runs in one transaction. It may run several times, each time from the beginning.
pub(super) trait Operation: Send + Sync + 'static {
    /// What it answers.
    type Output: Send + 'static;

    /// Runs once.
    fn run(&self, transaction: &Transaction<'_>) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// Statements that need nothing of each other.
#[derive(Debug)]
pub(super) struct Flight(pub(super) Vec<Statement>);

impl Operation for Flight {
    type Output = Vec<Vec<Row>>;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, Failure> {
        transaction.finish(&self.0).await
    }
}

impl Postgres {
    /// Runs an operation to its commit, again when it stood in the way of others.
    pub(super) async fn run<O: Operation>(&self, name: &'static str, operation: O) -> Result<O::Output> {
        self.run_within(DEADLINE, name, operation).await
    }

    /// The same where an attempt may take so long.
    pub(super) async fn run_within<O: Operation>(
        &self,
        deadline: Duration,
        name: &'static str,
        operation: O,
    ) -> Result<O::Output> {
        let shared = self.shared.clone();
        // On the runtime of the connections, and to its end even when the caller is gone: a transaction that is left in
        // the middle holds its locks until the server notices.
        let run = self.shared.runtime.spawn(async move {
            let mut attempt = 0;
            loop {
                attempt += 1;
                match tokio::time::timeout(deadline, once(&shared.pool, &operation)).await {
                    Ok(Err(failure)) if failure.is_conflict() && attempt < ATTEMPTS => pause(attempt).await,
                    Ok(result) => return result.map_err(|failure| failure.named_at_work(name, &shared.place)),
                    Err(_) => {
                        // What silenced one connection has silenced the others, and each would be waited for as long.
                        shared.pool.retain(|_, _| false);
                        let message = format!("the database at {} does not answer: try again", shared.place);
                        return Err(Error::new(ErrorKind::Unavailable, name, message));
                    }
                }
            }
        });
        let stopped = |error| Error::new(ErrorKind::Internal, name, "the operation ended early").with_source(error);
        run.await.map_err(stopped)?
    }

    /// Runs one statement; answers its rows.
    pub(super) async fn query(&self, name: &'static str, statement: Statement) -> Result<Vec<Row>> {
        let mut answers = self.run(name, Flight(vec![statement])).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Makes something of what was read.
    pub(super) fn made<T>(&self, name: &'static str, made: Result<T, Failure>) -> Result<T> {
        made.map_err(|failure| failure.named(name, &self.shared.place))
    }
}

async fn once<O: Operation>(pool: &deadpool_postgres::Pool, operation: &O) -> Result<O::Output, Failure> {
    let connection = Borrowed(Some(pool.get().await?));
    let client: &Client = connection.client()?;
    let transaction = Transaction { client, begun: AtomicBool::new(false), ended: AtomicBool::new(false) };
    let result = async {
        let output = operation.run(&transaction).await?;
        if !transaction.ended.load(Ordering::Relaxed) {
            transaction.finish(&[]).await?;
        }
        Ok(output)
    }
    .await;
    if result.is_err() {
        // Leaves the connection as it was found; one that cannot even do this is closed.
        client.batch_execute("ROLLBACK").await?;
    }
    connection.give_back();
    result
}

/// A connection that goes back to the pool only when it is known to be between transactions, and is closed otherwise.
struct Borrowed(Option<deadpool_postgres::Object>);

impl Borrowed {
    fn client(&self) -> Result<&Client, Failure> {
        let gone = || Failure::Own(ErrorKind::Internal, "a connection was given back too early".to_owned());
        let client: &Client = self.0.as_ref().ok_or_else(gone)?;
        Ok(client)
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(deadpool_postgres::Object::take(connection));
        }
    }
}

/// A wait that is no longer than it need be, and differs from that of the others.
async fn pause(attempt: u32) {
    let most = Duration::from_millis(5) * 2_u32.saturating_pow(attempt.min(6));
    tokio::time::sleep(most.mul_f64(rand::random::<f64>())).await;
}
