//! The one place that names a backend: a database as typed becomes a queue and a store.

mod database;

use std::future::Future;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions, PostgresPipeline};
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::lease::NodeId;
use mailscan_core::pipeline::{Committed, Pipeline, TaskOutcome};
use mailscan_core::queue::Swept;
use mailscan_core::source::Sources;
use mailscan_core::source::file::FileSource;
use mailscan_core::source::http::{ClientOptions, HttpSource};

use crate::config::Fetching;
use crate::exit::{Failure, Result};
use crate::files;

pub(crate) use database::Database;

/// Whether a database is a server that many processes may share.
pub(crate) fn is_shared(db: &str) -> bool {
    db.starts_with("postgres://") || db.starts_with("postgresql://")
}

/// A database as it may be shown: without its password, which the client also takes from the query.
pub(crate) fn shown(db: &str) -> String {
    let Some((scheme, rest)) = db.split_once("://") else { return db.to_owned() };
    let (user, place) = account_apart(rest);
    let (server, query) = place.split_once('?').unwrap_or((place, ""));
    let options: Vec<_> = query.split('&').filter(|option| !is_password(option)).collect();
    let options = options.join("&");
    let at = if user.is_some() { "@" } else { "" };
    let asks = if options.is_empty() { "" } else { "?" };
    format!("{scheme}://{}{at}{server}{asks}{options}", user.unwrap_or_default())
}

/// The user and the place, parted as the client does it: what stands before the first `@` is the account, be there a `/` in it.
fn account_apart(rest: &str) -> (Option<&str>, &str) {
    let Some((account, place)) = rest.split_once('@') else { return (None, rest) };
    let user = account.split([':', '?']).next();
    // No host has an `@`: more of a password that was not encoded stands before it.
    let host = place.split(['/', '?']).next().unwrap_or_default();
    (user, &place[host.rfind('@').map_or(0, |at| at + 1)..])
}

/// Whether an option of the query, `key=value` with percent-encoding, is a password.
fn is_password(option: &str) -> bool {
    url::form_urlencoded::parse(option.as_bytes()).next().is_some_and(|(key, _)| key == "password")
}

/// Refuses the keywords and values by which other clients of PostgreSQL are told of a server: a file would be made that is named
/// after them, a password among them. The path of a file may hold one such word.
pub(crate) fn refuse_keywords(db: &str) -> Result<()> {
    const KEYWORDS: [&str; 7] = ["host", "hostaddr", "port", "dbname", "user", "password", "sslmode"];
    let last_word = |text: &str| text.split_whitespace().next_back().is_some_and(|word| KEYWORDS.contains(&word));
    let parts: Vec<_> = db.split('=').collect();
    let keywords = parts.iter().rev().skip(1).filter(|part| last_word(part)).count();
    if is_shared(db) || keywords == 0 || (keywords == 1 && db.contains('/')) {
        return Ok(());
    }
    let message = "the database is given by keywords such as `host=`: write it like postgres://user@host/database";
    Err(Failure::Usage(message.to_owned()))
}

/// Opens a database, and creates it when there is none.
pub(crate) async fn create(db: &str) -> Result<Database> {
    refuse_keywords(db)?;
    if is_shared(db) {
        return Ok(Database::Postgres(Postgres::open(db, PostgresOptions::default()).await?));
    }
    if let Some((scheme, _)) = db.split_once("://") {
        let message = format!(
            "there is no database of the kind `{scheme}`: give a file such as mailscan.db, or postgres://user@host/name"
        );
        return Err(Failure::Usage(message));
    }
    let path = Path::new(db).to_owned();
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(path, SqliteOptions::default())).await;
    let opened = opened.map_err(|error| Failure::Failed(format!("cannot open `{db}`: {error}")))??;
    Ok(Database::Sqlite(opened))
}

/// Opens a database that is there.
pub(crate) async fn open(db: &str) -> Result<Database> {
    refuse_keywords(db)?;
    if !db.contains("://") && !Path::new(db).exists() {
        let message = format!("there is no database `{db}`: name it with --db, or make one with `mailscan run`");
        return Err(Failure::Failed(message));
    }
    create(db).await
}

/// A queue, a store and the fetchers that come with mailscan.
#[derive(Debug)]
pub(crate) struct Wired {
    database: Database,
    parts: Parts,
}

/// The pipeline of each backend.
#[derive(Debug)]
enum Parts {
    Sqlite(SqlitePipeline<Sources>),
    Postgres(PostgresPipeline<Sources>),
}

impl Pipeline for Wired {
    type Queue = Database;
    type Store = Database;
    type Fetcher = Sources;

    fn queue(&self) -> &Database {
        &self.database
    }

    fn store(&self) -> &Database {
        &self.database
    }

    fn fetcher(&self) -> &Sources {
        match &self.parts {
            Parts::Sqlite(pipeline) => &pipeline.fetcher,
            Parts::Postgres(pipeline) => &pipeline.fetcher,
        }
    }

    async fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> mailscan_core::Result<Committed> {
        match &self.parts {
            Parts::Sqlite(pipeline) => pipeline.commit(outcomes).await,
            Parts::Postgres(pipeline) => pipeline.commit(outcomes).await,
        }
    }

    async fn sweep(&self, limit: NonZeroUsize, node: &NodeId) -> mailscan_core::Result<Swept> {
        match &self.parts {
            Parts::Sqlite(pipeline) => pipeline.sweep(limit, node).await,
            Parts::Postgres(pipeline) => pipeline.sweep(limit, node).await,
        }
    }
}

/// Puts a database and fetchers together.
pub(crate) fn pipeline(database: Database, fetching: &Fetching) -> Result<Arc<Wired>> {
    let client = ClientOptions { max_idle: files::idle_connections(), ..fetching.client.clone() };
    let http = HttpSource::new(&client, fetching.pace)?;
    let http = if fetching.for_one_job { http.for_one_job() } else { http };
    let http = match &database {
        Database::Sqlite(_) => http,
        // Other processes ask the same hosts.
        Database::Postgres(postgres) => http.shared(Arc::new(postgres.clone())),
    };
    let fetcher = Sources::new().with_http(http).with_files(FileSource::new());
    let parts = match &database {
        Database::Sqlite(sqlite) => Parts::Sqlite(SqlitePipeline { database: sqlite.clone(), fetcher }),
        Database::Postgres(postgres) => Parts::Postgres(PostgresPipeline { database: postgres.clone(), fetcher }),
    };
    Ok(Arc::new(Wired { database, parts }))
}

/// Waits for something asynchronous on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(future);
    // What still runs was asked to stop; nobody waits for a read of standard input or a slow disk.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_no_file() {
        for keywords in [
            "host=127.0.0.1 port=5432 user=postgres password=secret dbname=postgres",
            "host=/run/postgresql password=secret",
            "password = secret",
            "dbname=jobs",
        ] {
            let Err(Failure::Usage(line)) = refuse_keywords(keywords) else { panic!("{keywords} is taken") };
            assert!(line.contains("postgres://") && !line.contains("secret"), "{line}");
        }
        for other in [
            "mailscan.db",
            "",
            "a=b.db",
            "/data/host=a/mailscan.db",
            "user=ann/mailscan.db",
            "postgres://h/d?user=a&password=b",
        ] {
            assert!(refuse_keywords(other).is_ok(), "{other}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(shown("mailscan.db"), "mailscan.db");
        assert_eq!(shown("postgres://ann@h/d"), "postgres://ann@h/d");
        assert_eq!(shown("postgres://ann:s@ecret@h:5432/d?sslmode=require"), "postgres://ann@h:5432/d?sslmode=require");
        assert_eq!(shown("postgresql://ann:secret@h"), "postgresql://ann@h");
        assert_eq!(shown("postgres://ann:se/cret@h/d"), "postgres://ann@h/d");
        assert_eq!(shown("postgres://ann:se?cret@h/d"), "postgres://ann@h/d");
        assert_eq!(shown("postgres://h/d?user=ann&password=secret"), "postgres://h/d?user=ann");
        assert_eq!(shown("postgres:///d?p%61ssword=secret&host=/run&listen=off"), "postgres:///d?host=/run&listen=off");
        assert_eq!(shown("postgres://ann:secret@h?password=secret"), "postgres://ann@h");
    }
}
