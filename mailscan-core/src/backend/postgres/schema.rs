//! The schema: what the database must look like, and how it gets there.
//!
//! The first process that finds something missing takes the steps under a lock; the others wait for it. Beside its
//! version the schema says which version a mailscan must at least know to work with it, so that the processes of a
//! cluster can be renewed one by one: a step adds what the version before it can do without (indexes, tables, columns with
//! a default), and takes away only what two versions before it needed last.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::connect::Connector;
use super::failure::Failure;
use super::transaction::DEADLINE;
use crate::error::{ErrorKind, Result};

/// The steps from an empty database to the schema of this version; the number of steps done is the schema's version.
const MIGRATIONS: [&str; 8] = [
    sql!("migrations/0001_base"),
    sql!("migrations/0002_hosts"),
    sql!("migrations/0003_deletion"),
    sql!("migrations/0004_error_groups"),
    sql!("migrations/0005_origin"),
    sql!("migrations/0006_active_before"),
    sql!("migrations/0007_blocked"),
    sql!("migrations/0008_job_status"),
];
/// A mailscan that knows this version of the schema can still work with the newest.
const OLDEST: i32 = 3;
/// How often the steps are tried when the processes that work meanwhile stand in their way.
const ATTEMPTS: u32 = 8;
/// How long is waited between two attempts at least when a table was not to be had.
const PAUSE: Duration = Duration::from_secs(1);
/// The lock of whoever changes the schema.
const LOCK: i64 = 0x6d61_696c_7363_616e;
/// The oldest server, as the server counts its versions.
const SERVER: i32 = 150_000;
/// How people give the rights that are missing to make the schema, and to change what is in it.
const NO_SCHEMA: &str = "the user may not make a schema: let the owner of the database grant CREATE on it, or create a \
     schema `mailscan` that the user owns";
const NO_CHANGE: &str = "the user may not make or change the tables of the schema `mailscan`: let a user who owns it and \
     them open the database with this mailscan once";
const OPERATION: &str = "open database";

/// Looks at the schema, and brings it up to date.
pub(super) async fn open(connector: &Connector) -> Result<()> {
    let named = |failure: Failure| failure.named(OPERATION, &connector.place);
    let (client, driver) = connector.connect().await.map_err(named)?;
    let driving = tokio::spawn(driver);
    let result = prepare(&client, &connector.place).await.map_err(named);
    if result.is_err() {
        // There may be an answer that never comes.
        driving.abort();
    }
    // What was begun and not committed ends with the session.
    drop(client);
    // The driver ends with its client; how it ends is of no interest any more.
    let _ = driving.await;
    result
}

async fn prepare(client: &Client, place: &str) -> Result<(), Failure> {
    let silent =
        |_| Failure::Own(ErrorKind::Unavailable, format!("the database at {place} does not answer: try again"));
    // A step has no such end: it may wait for those of another process, or have much to do.
    if tokio::time::timeout(DEADLINE, look(client, place)).await.map_err(silent)?? {
        return Ok(());
    }
    let mut attempt = 1;
    loop {
        match step(client, place).await {
            Err(failure) if failure.is_conflict() && attempt < ATTEMPTS => client.batch_execute("ROLLBACK").await?,
            Err(failure) if failure.is_lock_timeout() => {
                client.batch_execute("ROLLBACK").await?;
                if attempt == ATTEMPTS {
                    return Err(held(client, place).await?);
                }
                // Those who had to wait behind the step get their turn.
                tokio::time::sleep(PAUSE.mul_f64(1.0 + rand::random::<f64>())).await;
            }
            settled => return settled,
        }
        attempt += 1;
    }
}

/// Why a table was not to be had, and by whom it is held, as far as the server tells.
async fn held(client: &Client, place: &str) -> Result<Failure, Failure> {
    let from = version(client, place).await?;
    let holder = client.query_typed(sql!("schema_holder"), &[]).await?;
    let holder: Option<i32> = holder.first().map(|row| row.try_get(0)).transpose()?;
    let who = holder.map_or_else(|| "somebody".to_owned(), |pid| format!("process {pid} of the server"));
    let message = format!(
        "{place}: the schema is to be brought from {from} to {}, and {who} has held a table of it for longer than 2 s (a \
         backup, an open transaction): end that, or start this when it is over",
        known()
    );
    Ok(Failure::Own(ErrorKind::Unavailable, message))
}

/// Whether everything is in place: then no right is needed to change it.
async fn look(client: &Client, place: &str) -> Result<bool, Failure> {
    let found = client.query_typed_one(sql!("schema_found"), &[]).await?;
    let (exists, server, encoding): (bool, i32, &str) = (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?);
    if server < SERVER {
        let message = format!("{place} is PostgreSQL {}: mailscan needs 15 or newer", server / 10_000);
        return Err(Failure::Own(ErrorKind::NotADatabase, message));
    }
    if encoding != "UTF8" {
        let message = format!("{place} is encoded in {encoding}: create a database with ENCODING 'UTF8'");
        return Err(Failure::Own(ErrorKind::NotADatabase, message));
    }
    Ok(exists && is_current(version(client, place).await?))
}

/// Takes all steps that are missing, in one transaction.
async fn step(client: &Client, place: &str) -> Result<(), Failure> {
    client.batch_execute(sql!("schema_begin")).await?;
    client.query_typed(sql!("schema_lock"), &[(&LOCK, Type::INT8)]).await?;
    // Only now: whoever holds that lock may have much to do. A step that waits for a table keeps everybody from it who
    // comes later, however long the one takes that it waits for.
    client.batch_execute(sql!("schema_patience")).await?;
    let room = client.query_typed_one(sql!("schema_room"), &[]).await?;
    // Where somebody has made it, no right is needed to make it.
    if !room.try_get::<_, bool>(0)? {
        let made = client.batch_execute("CREATE SCHEMA mailscan").await;
        made.map_err(|error| Failure::from(error).with_mend(place, NO_SCHEMA))?;
    }
    change(client, place).await.map_err(|failure| failure.with_mend(place, NO_CHANGE))?;
    Ok(client.batch_execute("COMMIT").await?)
}

/// Makes and changes what is in the schema, within the transaction.
async fn change(client: &Client, place: &str) -> Result<(), Failure> {
    client.batch_execute(sql!("schema_create")).await?;
    // Another process may have been faster, so the version is read under the lock.
    let version = version(client, place).await?;
    if !is_current(version) {
        for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
            client.batch_execute(migration).await?;
        }
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&known(), Type::INT4), (&OLDEST, Type::INT4)];
        client.query_typed(sql!("schema_set"), &values).await?;
    }
    Ok(())
}

/// The version that this mailscan knows.
fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

fn is_current(version: i32) -> bool {
    version >= known()
}

/// The version of the schema, which must be one that this mailscan can work with.
async fn version(client: &Client, place: &str) -> Result<i32, Failure> {
    let row = client.query_typed_one(sql!("schema_version"), &[]).await?;
    let (version, oldest): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
    if oldest > known() {
        let message = format!(
            "{place} has schema {version}, which mailscan uses from schema {oldest} on, and this one knows up to {}: \
             use the newer mailscan",
            known()
        );
        return Err(Failure::Own(ErrorKind::SchemaTooNew, message));
    }
    Ok(version)
}
