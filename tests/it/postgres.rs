//! A PostgreSQL server of the tests' own: a cluster in a temporary folder, and databases in it.
//!
//! One cluster serves all tests of this binary; a test that stops or breaks its server starts one for itself. A guard
//! process waits for the end of this process, however it ends, and then stops the server and removes the folder.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, OnceLock};

use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::services::skip;

/// Where connections live whose test has a clock that stands still, or no runtime at all.
pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Whether there is a server to be started. Without one, says so; fails when services are required.
pub(crate) fn is_there() -> bool {
    let there = binaries().is_some();
    if !there {
        skip("PostgreSQL is missing (no /usr/lib/postgresql/*/bin): apt-get install postgresql");
    }
    there
}

/// The folder of the newest server that is installed.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let newest = versions.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        folder.join("initdb").exists().then_some((version, folder))
    });
    newest.max().map(|(_, folder)| folder)
}

/// A running server.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    /// Whom the server runs as: it refuses to be the superuser's.
    pub(crate) user: Option<(u32, u32)>,
    databases: AtomicU32,
    /// Ends the server when the pipe to it is closed.
    _guard: Child,
}

/// The cluster that tests share.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("mailscan-pg-").tempdir().unwrap().keep();
        let user = (std::fs::metadata(&folder).unwrap().uid() == 0).then(|| account("postgres"));
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.join("data");
        let mut initdb = program("initdb", user);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        succeed(initdb.arg("--pgdata").arg(&data));
        let guard = guard(&folder, user);
        let cluster = Self { folder, port, user, databases: AtomicU32::new(0), _guard: guard };
        cluster.resume();
        cluster
    }

    /// Starts the server again after it was stopped.
    pub(crate) fn resume(&self) {
        let folder = self.folder.display();
        // The data need not outlive a failure of the machine.
        let options = format!(
            "-p {} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off \
             -c full_page_writes=off -c max_wal_size=4GB",
            self.port
        );
        let mut start = self.control();
        succeed(start.arg("--log").arg(self.folder.join("log")).args(["--wait", "--options", &options, "start"]));
    }

    /// Stops the server: `fast` ends the sessions, `immediate` is a crash.
    pub(crate) fn stop(&self, mode: &str) {
        succeed(self.control().args(["--wait", "--mode", mode, "stop"]));
    }

    /// Keeps a copy of all that the stopped server has.
    pub(crate) fn keep_copy(&self) {
        self.copy("data", "copy");
    }

    /// Brings the stopped server back to the copy.
    pub(crate) fn bring_back(&self) {
        std::fs::remove_dir_all(self.folder.join("data")).unwrap();
        self.copy("copy", "data");
    }

    fn copy(&self, from: &str, to: &str) {
        succeed(Command::new("cp").arg("--archive").arg(self.folder.join(from)).arg(self.folder.join(to)));
    }

    fn control(&self) -> Command {
        let mut control = program("pg_ctl", self.user);
        control.arg("--pgdata").arg(self.folder.join("data"));
        control
    }

    /// Writes a file of the server's own into its folder, which nobody else may read.
    pub(crate) fn own(&self, name: &str, text: &str) {
        let path = self.folder.join("data").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// The URL of a database by another way to the server.
    pub(crate) fn url_at(&self, port: u16, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{database}")
    }

    /// The name of a database that nobody has used.
    pub(crate) async fn fresh(&self) -> String {
        self.fresh_in("pg_default").await
    }

    /// Likewise, with its tables in a tablespace.
    pub(crate) async fn fresh_in(&self, tablespace: &str) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name} TABLESPACE {tablespace}")).await;
        name
    }

    /// Runs statements in a database.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        let (url, sql) = (self.url(database), sql.to_owned());
        let run = async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            let driving = tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
            drop(client);
            driving.await.unwrap().unwrap();
        };
        RUNTIME.spawn(run).await.unwrap();
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> i64 {
        let (url, sql) = (self.url(database), sql.to_owned());
        let run = async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.query_typed_one(&sql, &[]).await.unwrap().get(0)
        };
        RUNTIME.spawn(run).await.unwrap()
    }
}

/// A program of the server, as this user.
fn program(name: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(binaries().unwrap().join(name));
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn succeed(command: &mut Command) {
    // Not a pipe: the server would keep it open.
    let output = tempfile::tempfile().unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

/// A process that outlives this one for as long as it takes to clean up.
fn guard(folder: &Path, user: Option<(u32, u32)>) -> Child {
    let clean_up = r#"cat >/dev/null; "$0" --pgdata "$1/data" --mode immediate stop >/dev/null 2>&1; rm -rf "$1""#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(clean_up).arg(binaries().unwrap().join("pg_ctl")).arg(folder);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    // Ctrl-C is for the tests, not for it.
    command.process_group(0).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// User and group of an account.
fn account(name: &str) -> (u32, u32) {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let fields: Vec<_> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
