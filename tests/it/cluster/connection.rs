//! Ways to the database other than a plain connection: through a pooler, over TLS, and over a wire that falls silent.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mailscan_core::ErrorKind;
use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::job::JobId;
use mailscan_core::lease::NodeId;
use mailscan_core::queue::{ClaimRequest, Queue, Renewed, Share};
use mailscan_core::store::Store;
use mailscan_core::task::{NewTask, Work};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use super::proxy::{Proxy, Wire};
use super::{Node, Stage};
use crate::cli::{Ran, mailscan, run_in};
use crate::postgres::{Cluster, is_there, shared};
use crate::services::skip;

const POOLER: &str = "/usr/sbin/pgbouncer";

/// Whether there is a pooler to be started. Without one, says so; fails when services are required.
fn pooler_is_there() -> bool {
    let there = Path::new(POOLER).exists();
    if !there {
        skip("pgbouncer is missing, so no pooler was tried: apt-get install pgbouncer");
    }
    there
}

/// A pooler in transaction mode with fewer connections than its clients have; stopped when dropped.
struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Pooler {
    async fn start(cluster: &Cluster) -> Self {
        let folder = TempDir::new().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n",
            cluster.port()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(POOLER);
        if let Some((uid, gid)) = cluster.user {
            for path in [folder.path(), &file] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
            command.uid(uid).gid(gid);
        }
        command.arg("--quiet").arg(&file).current_dir("/").stdin(Stdio::null());
        let pooler = Self { process: command.spawn().unwrap(), port, _folder: folder };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pooler
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_few_connections_through_a_pooler() {
    if !is_there() || !pooler_is_there() {
        return;
    }
    let stage = Stage::set(shared(), 2_000, 20).await;
    let pooler = Pooler::start(stage.cluster).await;
    let url = format!("{}?listen=off", stage.cluster.url_at(pooler.port, &stage.name));
    let first = stage.node_at(&url, 4).await;
    let _second = stage.node_at(&url, 4).await;
    stage.collected(500).await;
    first.signal("KILL");
    stage.finish_and_compare().await;
    // Two of this test's own, and those of the pooler.
    let sessions =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()", stage.name);
    let sessions = stage.cluster.number("postgres", &sessions).await;
    assert!(sessions <= 3 + 8, "{sessions} sessions");
}

/// Gives a cluster a certificate, and a role `careful` that is let in over TLS only; answers the certificate in PEM.
async fn encrypt(cluster: &Cluster) -> String {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    cluster.own("server.crt", &cert.pem());
    cluster.own("server.key", &signing_key.serialize_pem());
    cluster.own(
        "pg_hba.conf",
        "hostssl all careful 127.0.0.1/32 trust\nhost all careful 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n",
    );
    cluster.execute("postgres", "CREATE ROLE careful SUPERUSER LOGIN").await;
    cluster.execute("postgres", "ALTER SYSTEM SET ssl = on").await;
    cluster.stop("fast");
    cluster.resume();
    cert.pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_as_far_as_the_url_says() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let certificate = encrypt(&cluster).await;
    let name = cluster.fresh().await;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("server.pem"), certificate).unwrap();
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.path().join("other.pem"), other.cert.pem()).unwrap();
    let ask = |options: &str| -> Ran {
        let url = format!("postgres://careful@127.0.0.1:{}/{name}?{options}", cluster.port());
        run_in(folder.path(), &["run", "--detach", "--url", "https://example.org/", "--target", "1", "--db", &url])
    };
    let believed = ["sslmode=verify-full&sslrootcert=server.pem", "sslmode=require&sslrootcert=server.pem"];
    for options in ["sslmode=prefer", "sslmode=require"].into_iter().chain(believed) {
        let ran = ask(options);
        assert_eq!(ran.code, 0, "{options}: {}", ran.err);
    }
    for (options, what) in [
        ("sslmode=disable", "no encryption"),
        ("sslmode=verify-full", "certificate"),
        ("sslmode=verify-full&sslrootcert=other.pem", "certificate"),
        ("sslmode=verify-full&sslrootcert=nowhere.pem", "nowhere.pem"),
        ("sslmode=require&sslrootcert=other.pem", "certificate"),
        ("sslrootcert=server.pem", "add sslmode=verify-full"),
    ] {
        let ran = ask(options);
        assert!(
            ran.code != 0 && ran.err.contains(what) && ran.err.trim().lines().count() == 1,
            "{options}: {}",
            ran.err
        );
    }
    assert_eq!(cluster.number(&name, "SELECT count(*) FROM mailscan.job").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_in_the_database_works_in_a_schema_of_its_own() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    shared().execute(&name, "CREATE ROLE modest LOGIN").await;
    let url = format!("postgres://modest@127.0.0.1:{}/{name}", shared().port());
    let folder = TempDir::new().unwrap();
    let submit = ["run", "--detach", "--url", "https://example.org/", "--target", "1", "--db", &url];
    let ran = run_in(folder.path(), &submit);
    assert!(ran.code != 0 && ran.err.contains("create a schema `mailscan` that the user owns"), "{}", ran.err);
    shared().execute(&name, "CREATE SCHEMA mailscan AUTHORIZATION modest").await;
    let ran = run_in(folder.path(), &submit);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_in_the_schema_is_told_which() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    drop(Postgres::open(&shared().url(&name), PostgresOptions::default()).await.unwrap());
    shared().execute(&name, "CREATE ROLE reader LOGIN").await;
    let url = format!("postgres://reader@127.0.0.1:{}/{name}", shared().port());
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| run_in(folder.path(), &[arguments, &["--db", &url]].concat());
    let submit = ["run", "--detach", "--url", "https://example.org/", "--target", "1"];
    let mend = "grant USAGE on it, and all rights on its tables and sequences";
    let ran = run(&["job", "list"]);
    assert!(ran.code == 2 && ran.err.contains(mend), "{}", ran.err);
    let read = "GRANT USAGE ON SCHEMA mailscan TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA mailscan TO reader";
    shared().execute(&name, read).await;
    assert_eq!(run(&["job", "list"]).code, 0);
    let ran = run(&submit);
    assert!(ran.code == 2 && ran.err.contains(mend), "{}", ran.err);
    // What older versions lack is for the owner to make.
    shared().execute(&name, "UPDATE mailscan.schema SET version = version - 1").await;
    let ran = run(&["job", "list"]);
    assert!(ran.code == 2 && ran.err.contains("open the database with this mailscan once"), "{}", ran.err);
    shared().execute(&name, "UPDATE mailscan.schema SET version = version + 1").await;
    let all =
        "GRANT ALL ON ALL TABLES IN SCHEMA mailscan TO reader; GRANT ALL ON ALL SEQUENCES IN SCHEMA mailscan TO reader";
    shared().execute(&name, all).await;
    let ran = run(&submit);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_needs_are_closed() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let options = PostgresOptions { idle_for: Duration::from_secs(1), ..PostgresOptions::default() };
    let database = Postgres::open(&shared().url(&name), options).await.unwrap();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    let sessions = || shared().number("postgres", &sessions);
    let mut turns = 0;
    while sessions().await < 5 {
        futures::future::join_all((0..8).map(|_| database.nodes())).await;
        turns += 1;
        assert!(turns < 1_000, "eight at once never took five of them");
    }
    // Who looks for work needs one at a time. A thousand turns of 20 ms are twenty times as long as one may stand idle.
    turns = 0;
    while sessions().await > 2 {
        database.nodes().await.unwrap();
        turns += 1;
        assert!(turns < 1_000, "those that were needed once are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.nodes().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_connection_left_is_told_with_what_mends_it() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    shared().execute(&name, "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0").await;
    let url = format!("postgres://crowded@127.0.0.1:{}/{name}", shared().port());
    let ran = run_in(TempDir::new().unwrap().path(), &["job", "list", "--db", &url]);
    assert!(ran.code == 1 && ran.err.contains("no connection left: a node takes up to nine"), "{}", ran.err);
    assert!(ran.err.contains("53300") && ran.err.trim_end().lines().count() == 1, "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up_and_signals_are_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/jobs", listener.local_addr().unwrap().port());
    let impatient = format!("{url}?connect_timeout=1");
    let open = Postgres::open(&impatient, PostgresOptions::default());
    let error = tokio::time::timeout(Duration::from_secs(60), open).await.expect("it is given up").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("says nothing"), "{error}");
    drop(listener.accept().await.unwrap());

    let folder = TempDir::new().unwrap();
    for signal in ["TERM", "INT"] {
        // Longer than this waits for its end.
        let mut command = mailscan(folder.path());
        command.args(["worker", "--db", &format!("{url}?connect_timeout=300")]).stderr(Stdio::null());
        let mut node = Node(command.spawn().unwrap());
        let _connection = listener.accept().await.unwrap();
        node.signal(signal);
        let ended = tokio::task::spawn_blocking(move || node.0.wait().unwrap());
        let status = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("a signal ends it").unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_costs_no_short_lease() {
    if !is_there() {
        return;
    }
    let (name, proxy) = (shared().fresh().await, Proxy::start(shared().port()).await);
    let there = Postgres::open(&shared().url(&name), PostgresOptions::default()).await.unwrap();
    let url = format!("{}?listen=off", shared().url_at(proxy.port, &name));
    let here = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    let work = Work::Page { url: "https://a.org/".to_owned() };
    here.push(&[NewTask { job: JobId(1), work, depth: 0, limit: None }]).await.unwrap();
    // Shorter than an operation may take.
    let lease_for = Duration::from_secs(16);
    let (node, shares) = (NodeId("n".to_owned()), vec![Share { job: JobId(1), limit: 1 }]);
    let request = ClaimRequest { node, shares, per_host: 1, calls: 1, busy_hosts: vec![], suspects: 0, lease_for };
    let leases = [here.claim(&request).await.unwrap()[0].lease];
    proxy.set(Wire::Silent);
    let lost = async {
        while proxy.hit() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.set(Wire::Whole);
    };
    let (renewed, ()) = tokio::join!(here.renew(&leases, lease_for), lost);
    assert_eq!(renewed.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(there.sweep(NonZeroUsize::MIN).await.unwrap().returned, 0, "it is tried again while the lease holds");
    assert_eq!(here.renew(&leases, lease_for).await.unwrap(), [Renewed::Held]);
}
