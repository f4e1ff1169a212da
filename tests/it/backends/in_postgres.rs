//! How the suite opens PostgreSQL: a database for every case, whose clock the case moves.

use std::sync::Mutex;
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions, PostgresPipeline};
use mailscan_core::conformance::{Harness, NoFetcher};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::QueueLimits;

use crate::postgres::{RUNTIME, shared};

/// Databases that a case has left behind.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Empties a database.
const CLEAN: &str = "TRUNCATE mailscan.job, mailscan.deleted_job, mailscan.source, mailscan.address, mailscan.task, mailscan.task_count,
    mailscan.left_out, mailscan.node, mailscan.worker_error, mailscan.host, mailscan.host_place RESTART IDENTITY;
    ALTER SEQUENCE mailscan.task_id RESTART";

/// Queue and store in databases of the shared server.
#[derive(Default)]
pub(super) struct InPostgres {
    opened: Mutex<Vec<String>>,
}

impl Harness for InPostgres {
    type Queue = Postgres;
    type Store = Postgres;

    async fn open(&self, queue_limits: QueueLimits) -> (Postgres, Postgres) {
        let free = FREE.lock().unwrap().pop();
        let name = match free {
            Some(name) => {
                shared().execute(&name, CLEAN).await;
                name
            }
            None => shared().fresh().await,
        };
        self.opened.lock().unwrap().push(name.clone());
        let options = PostgresOptions { queue_limits, max_connections: 4, ..PostgresOptions::default() };
        // Connections live on the runtime on which they are made, and this one may know neither sockets nor time.
        let open = RUNTIME.spawn(async move { Postgres::open(&shared().url(&name), options).await });
        let database = open.await.unwrap().unwrap();
        (database.clone(), database)
    }

    fn pipeline(&self, database: Postgres, _: Postgres) -> impl Pipeline<Queue = Postgres, Store = Postgres> {
        PostgresPipeline { database, fetcher: NoFetcher }
    }

    /// Nobody moves the clock of a server, so everything that was is moved back instead.
    async fn advance(&self, by: Duration) {
        let by = format!("interval '{} seconds'", by.as_secs_f64());
        let back = format!(
            "UPDATE mailscan.task SET due = due - {by};
            UPDATE mailscan.node SET beat_at = beat_at - {by};
            UPDATE mailscan.job SET created_at = created_at - {by}, started_at = started_at - {by},
                finished_at = finished_at - {by};
            UPDATE mailscan.address SET found_at = found_at - {by};
            UPDATE mailscan.worker_error SET at = at - {by}, resolved_at = resolved_at - {by}"
        );
        let opened = self.opened.lock().unwrap().clone();
        for name in opened {
            shared().execute(&name, &back).await;
        }
    }

    /// Nor does anybody hold it.
    fn drift(&self) -> Duration {
        Duration::from_millis(400)
    }
}

impl Drop for InPostgres {
    fn drop(&mut self) {
        FREE.lock().unwrap().append(&mut self.opened.lock().unwrap());
    }
}
