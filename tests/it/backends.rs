//! The backends against the contracts, and the SQLite file and the PostgreSQL database against what else they may be.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::conformance::{Harness, NoFetcher};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::QueueLimits;

mod databases;
mod elsewhere;
mod files;
mod in_postgres;
mod plans;
mod scale;
mod schema;
mod search;

/// Queue and store in memory.
struct InMemory;

impl Harness for InMemory {
    type Queue = MemoryQueue;
    type Store = MemoryStore;

    async fn open(&self, limits: QueueLimits) -> (MemoryQueue, MemoryStore) {
        (MemoryQueue::new(limits), MemoryStore::new())
    }
}

/// Queue and store in one file of a folder that goes with the harness.
struct InSqlite {
    folder: tempfile::TempDir,
    opened: AtomicU32,
}

impl InSqlite {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), opened: AtomicU32::new(0) }
    }
}

impl Harness for InSqlite {
    type Queue = Sqlite;
    type Store = Sqlite;

    async fn open(&self, queue_limits: QueueLimits) -> (Sqlite, Sqlite) {
        let name = format!("{}.db", self.opened.fetch_add(1, Ordering::Relaxed));
        let database = Sqlite::open(self.folder.path().join(name), SqliteOptions { queue_limits }).unwrap();
        (database.clone(), database)
    }

    fn pipeline(&self, database: Sqlite, _: Sqlite) -> impl Pipeline<Queue = Sqlite, Store = Sqlite> {
        SqlitePipeline { database, fetcher: NoFetcher }
    }
}

mod memory {
    use super::InMemory;

    mailscan_core::conformance_tests!(InMemory);
}

mod sqlite {
    use super::InSqlite;

    mailscan_core::conformance_tests!(InSqlite::new());
}

mod postgres {
    use super::in_postgres::InPostgres;

    mailscan_core::conformance_tests!(InPostgres::default(), if crate::postgres::is_there());
}
