//! The shared durable backend: queue and store of any number of processes in one PostgreSQL database.
//!
//! [`Postgres`] is both contracts over a small pool of connections (`connect.rs`). Every operation is one transaction,
//! whose statements go out together where none needs the answer of another (`transaction.rs`). What the database must
//! look like is in `schema.rs` and `sql/migrations`, every query is a file in `sql`; all of it lives in the schema
//! `mailscan`, apart from whatever else is in the database.
//!
//! The database is the only coordinator: its clock ends leases, its locks decide who gets what. Nothing relies on the
//! state of a session, so a pooler in transaction mode may stand in between; only the hint that tasks are ready
//! (`hint.rs`) wants a session of its own, and everything works without it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::backend::ready::ReadyHint;
use crate::error::Result;
use crate::queue::QueueLimits;

/// The text of the query of this name.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("sql/", $name, ".sql"))
    };
}

mod addresses;
mod claim;
mod clock;
mod connect;
mod convert;
mod deletion;
mod failure;
mod fronts;
mod hint;
mod pipeline;
mod push;
mod queue;
mod schema;
mod settle;
mod start;
mod store;
mod tls;
mod transaction;
mod turns;
mod url;

pub use pipeline::PostgresPipeline;

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// When the queue doubts a task.
    pub queue_limits: QueueLimits,
    /// The most connections of this process, from 1; the one that listens for hints is not counted.
    pub max_connections: usize,
    /// How long a connection stands idle before it is closed, within half as long again.
    pub idle_for: Duration,
}

impl Default for PostgresOptions {
    /// Eight connections, each for a minute after its last use.
    fn default() -> Self {
        Self { queue_limits: QueueLimits::default(), max_connections: 8, idle_for: Duration::from_secs(60) }
    }
}

/// A queue and a store in one PostgreSQL database. Cheap to clone; all clones share one pool of connections.
///
/// The connections live on the tokio runtime on which it was opened. An operation whose caller has gone is carried out
/// all the same.
#[derive(Clone, Debug)]
pub struct Postgres {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runtime: Handle,
    pool: deadpool_postgres::Pool,
    /// Where the database is, for people: without the password.
    place: String,
    limits: QueueLimits,
    hint: Arc<ReadyHint>,
    hints: hint::Hints,
    /// The right to agree on turns: half of the connections at most, so that a crawl of many hosts leaves some for
    /// renewals.
    agreements: Arc<Semaphore>,
    cursors: claim::Cursors,
    fronts: fronts::Fronts,
    cleared: turns::Cleared,
    start: start::Start,
    longest_lease: clock::LongestLease,
}

impl Postgres {
    /// Opens the database at a URL such as `postgres://user@host/database?sslmode=verify-full`, and creates the schema
    /// or brings an older one up to date.
    ///
    /// `sslmode` is `disable`, `prefer` (the default), `require` (encrypted, whoever the server is) or `verify-full` (the server
    /// shows a certificate for its name). `sslrootcert=FILE` names authorities instead of the system's for `verify-full`, and
    /// makes `require` the same; with the others it is refused. `listen=off` does without hints from other processes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the URL cannot be used,
    /// [`ErrorKind::SchemaTooNew`](crate::ErrorKind::SchemaTooNew) when the schema is of a mailscan that is too new,
    /// [`ErrorKind::NotADatabase`](crate::ErrorKind::NotADatabase) when the server cannot hold one, and whatever keeps
    /// the server from being reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self> {
        let target = url::Target::parse(url)?;
        let connector = connect::Connector::new(&target)?;
        schema::open(&connector).await?;
        let hint = Arc::new(ReadyHint::default());
        let pool = connector.pool(options.max_connections, options.idle_for)?;
        let hints = hint::Hints::start(&connector, pool.clone(), hint.clone(), target.listen);
        let shared = Shared {
            runtime: Handle::current(),
            pool,
            place: target.place,
            limits: options.queue_limits,
            hint,
            hints,
            agreements: Arc::new(Semaphore::new(options.max_connections.div_ceil(2).max(1))),
            cursors: claim::Cursors::default(),
            fronts: fronts::Fronts::default(),
            cleared: turns::Cleared::default(),
            start: start::Start::default(),
            longest_lease: clock::LongestLease::default(),
        };
        let this = Self { shared: Arc::new(shared) };
        this.learn_start().await?;
        Ok(this)
    }

    /// Where the database is, for people: without user and password.
    pub fn place(&self) -> &str {
        &self.shared.place
    }

    /// Tells everybody that a claim may find something.
    fn hint(&self) {
        self.shared.hint.give();
        self.shared.hints.tell();
    }
}

/// Over how many rows the counts of a job are spread, and over as many more those of what is pushed.
const SLOTS: i16 = 16;

/// The row that a transaction counts in, what it pushes excepted: that has rows of its own ([`Push`](push::Push)).
fn slot() -> i16 {
    rand::random_range(0..SLOTS)
}
