//! What the file must look like: recognising it, creating it, bringing it up to date.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::failure::{Failure, sql_error};
use super::lock::lock_file;
use super::runs;
use crate::error::{Error, ErrorKind, Result};

/// Marks the file as mailscan's: `mscn`.
const APPLICATION_ID: i32 = 0x6d73_636e;
/// A step from one schema to the next.
enum Step {
    Sql(&'static str),
    Code(fn(&Connection) -> Result<(), Failure>),
}

/// The steps from an empty file to the schema of this version; the number of steps done is the schema's version.
const MIGRATIONS: [Step; 18] = [
    Step::Sql(sql!("migrations/0001_base")),
    Step::Sql(sql!("migrations/0002_open_errors")),
    Step::Sql(sql!("migrations/0003_address_runs")),
    Step::Code(runs::build_of_addresses),
    Step::Sql(sql!("migrations/0005_address_slim")),
    Step::Sql(sql!("migrations/0006_classes")),
    Step::Sql(sql!("migrations/0007_task_list")),
    Step::Sql(sql!("migrations/0008_bounds")),
    Step::Sql(sql!("migrations/0009_deletion")),
    Step::Sql(sql!("migrations/0010_entries")),
    Step::Code(runs::build_of_tasks),
    Step::Sql(sql!("migrations/0012_task_slim")),
    Step::Sql(sql!("migrations/0013_sources")),
    Step::Sql(sql!("migrations/0014_ready_and_leases")),
    Step::Sql(sql!("migrations/0015_origin")),
    Step::Sql(sql!("migrations/0016_active_before")),
    Step::Sql(sql!("migrations/0017_job_status")),
    Step::Sql(sql!("migrations/0018_specs_and_errors")),
];
/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a file is waited for that is to be brought up to date: another process may be doing so.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(2);
/// How many prepared statements a connection keeps; more than there are queries.
const STATEMENTS: usize = 128;
const OPERATION: &str = "open database";

/// Opens the file for writing, with the schema of this version.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let mut connection = connect(path)?;
    let named = |error: &rusqlite::Error| named(path, error);
    recognise(path, &connection)?;
    // Only now: a file of another program must be left as it is.
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(|e| named(&e))?;
    if mode != "wal" {
        connection.pragma_update(None, "journal_mode", "wal").map_err(|e| named(&e))?;
    }
    for (name, value) in [("cache_size", -8_192), ("wal_autocheckpoint", 20_000)] {
        connection.pragma_update(None, name, value).map_err(|e| named(&e))?;
    }
    if steps(path, &connection)? < MIGRATIONS.len() {
        let _lock = alone(path, &connection)?;
        migrate(path, &mut connection)?;
    }
    Ok(connection)
}

/// How many steps to the schema of this version the file has taken.
fn steps(path: &Path, connection: &Connection) -> Result<usize> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0));
    version.map(|version| version as usize).map_err(|error| named(path, &error))
}

/// Waits until no worker is at the file: one of an older version would go on with statements for a schema that is no more.
/// Nothing to wait for where the file is new, or another process was faster.
fn alone(path: &Path, connection: &Connection) -> Result<Option<File>> {
    let deadline = Instant::now() + MIGRATION_TIMEOUT;
    loop {
        let steps = steps(path, connection)?;
        if steps == 0 || steps >= MIGRATIONS.len() {
            return Ok(None);
        }
        // Workers lock the file itself, whatever link leads to it.
        let file = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match lock_file(&file) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
            Err(_) if Instant::now() < deadline => std::thread::sleep(MIGRATION_TIMEOUT / 20),
            Err(_) => {
                let message = format!(
                    "{} is of an older mailscan, and another process works on it: stop that one where it is the older \
                     mailscan, or wait until it has brought the file up to date",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Conflict, OPERATION, message));
            }
        }
    }
}

/// Opens the file as it is.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Else SQLite plans a statement anew whenever another number is bound to its LIMIT.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &rusqlite::Error) -> Error {
    about(path, &sql_error(OPERATION, error))
}

fn about(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), OPERATION, format!("{}: {}", path.display(), error.message()))
}

/// Refuses what is not mailscan's, or is of a newer mailscan.
fn recognise(path: &Path, connection: &Connection) -> Result<()> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|e| named(path, &e));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if application != i64::from(APPLICATION_ID) {
        let empty = application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
        let message = || format!("{} is the SQLite file of another program: name another file", path.display());
        return if empty { Ok(()) } else { Err(Error::new(ErrorKind::NotADatabase, OPERATION, message())) };
    }
    let known = MIGRATIONS.len();
    if usize::try_from(version).map_or(true, |version| version > known) {
        let message = format!(
            "{} has schema {version} and this mailscan knows up to {known}: use the newer mailscan that wrote it",
            path.display()
        );
        return Err(Error::new(ErrorKind::SchemaTooNew, OPERATION, message));
    }
    Ok(())
}

/// Takes the steps that the file lacks, all or none.
fn migrate(path: &Path, connection: &mut Connection) -> Result<()> {
    let mut migrate = || -> Result<(), Failure> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster, so the version is read under the lock.
        let version: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? as usize;
        for migration in MIGRATIONS.iter().skip(version) {
            match migration {
                Step::Sql(sql) => transaction.execute_batch(sql)?,
                Step::Code(code) => code(&transaction)?,
            }
        }
        if version < MIGRATIONS.len() {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
        }
        Ok(transaction.commit()?)
    };
    migrate().map_err(|failure| about(path, &failure.named(OPERATION)))
}
