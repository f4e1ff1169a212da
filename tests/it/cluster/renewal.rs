//! A cluster is renewed node by node: a program works in the schema that the next version makes.
//!
//! What the next version will add is not known, so columns, an index and a table are added that the program of today does
//! not know. Against a program of the version before, the real thing:
//! `MAILSCAN_OLD_BINARY=FILE cargo test -p mailscan-tests --test it nodes_of_two_versions -- --ignored --nocapture`.

use std::path::PathBuf;
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::job::JobId;
use mailscan_core::simulate::SimulatedWeb;
use mailscan_core::store::Store;
use mailscan_tests::at_home;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::{Node, Stage, node, submission, web_of, worker};
use crate::cli::{Ran, binary, json, run_in};
use crate::postgres::{Cluster, is_there, shared};

/// A column with a default for every table, an index on one of them, and a table; again when nodes stand in the way.
const TOMORROW: &str = "
    DO $$ DECLARE place record; BEGIN
        LOOP
            BEGIN
                FOR place IN SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'mailscan' LOOP
                    EXECUTE format('ALTER TABLE mailscan.%I ADD COLUMN tomorrow text NOT NULL DEFAULT ''x''', place.name);
                END LOOP;
                EXIT;
            EXCEPTION WHEN deadlock_detected THEN
            END;
        END LOOP;
    END $$;
    CREATE INDEX task_tomorrow ON mailscan.task (job, tomorrow);
    CREATE TABLE mailscan.tomorrow (id bigint PRIMARY KEY);
    UPDATE mailscan.schema SET oldest = version, version = version + 1";

/// The lock of whoever takes the steps of the schema.
const STEPS: i64 = 0x6d61_696c_7363_616e;

const VERSION: &str = "SELECT version::bigint FROM mailscan.schema";

async fn stop(mut node: Node) {
    node.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || node.0.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_works_on_while_the_next_version_changes_the_schema() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 3_000, 20).await;
    let early = stage.node(90).await;
    stage.collected(500).await;
    stage.cluster.execute(&stage.name, TOMORROW).await;
    stage.collected(1_000).await;
    let _late = stage.node(90).await;
    stop(early).await;
    stage.finish_and_compare().await;
    let run = |arguments: &[&str]| {
        let ran = block_in_place(|| run_in(stage.folder.path(), &[arguments, &["--db", &stage.url()]].concat()));
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    };
    let errors = run(&["errors", "--list", "--all", "--json"]);
    assert!(errors.contains("\"http-"), "the web fails now and then: {errors}");
    assert_eq!(run(&["job", "export", "1"]).lines().count(), 3_001);
    run(&["job", "delete", "1", "--yes"]);
    assert_eq!(stage.cluster.number(&stage.name, "SELECT count(*) FROM mailscan.job").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_in_a_step_keeps_nobody_out() {
    if !is_there() {
        return;
    }
    let (name, folder) = (shared().fresh().await, TempDir::new().unwrap());
    let url = shared().url(&name);
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = '{name}')"
    );
    let (keeper, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    keeper.batch_execute(&format!("SELECT pg_advisory_lock({STEPS})")).await.unwrap();
    // It comes to the right to take the steps when it cannot take them.
    let node = Node(worker(binary(), folder.path(), &url, 90, ["0", "64"]).spawn().unwrap());
    while shared().number(&name, &waiting).await == 0 {}
    node.signal("STOP");
    drop(keeper);
    while shared().number(&name, &waiting).await > 0 {}
    let open = Postgres::open(&url, PostgresOptions::default());
    timeout(Duration::from_secs(60), open).await.expect("it is given up").unwrap();
}

/// A program and the folder it runs in.
struct Old {
    program: PathBuf,
    folder: TempDir,
}

impl Old {
    fn run(&self, arguments: &[&str]) -> Ran {
        let ran: Ran =
            block_in_place(|| at_home(&self.program, self.folder.path()).args(arguments).output().unwrap().into());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran
    }

    fn node(&self, url: &str) -> Node {
        block_in_place(|| node(&self.program, self.folder.path(), url, 90, ["0", "64"]))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a program of the version before, which MAILSCAN_OLD_BINARY names"]
async fn nodes_of_two_versions_share_a_job() {
    assert!(is_there(), "this needs PostgreSQL");
    let program = std::env::var_os("MAILSCAN_OLD_BINARY").expect("MAILSCAN_OLD_BINARY names no program");
    let old = Old { program: program.into(), folder: TempDir::new().unwrap() };
    let cluster = Cluster::start();
    let (name, web) = (cluster.fresh().await, SimulatedWeb::start(web_of(40_000)).await.unwrap());
    let url = cluster.url(&name);

    // The old version makes the database, and two nodes of it work.
    let submitted = submission(&web, old.folder.path(), &url, 20);
    let submitted = old.run(&submitted.iter().map(String::as_str).collect::<Vec<_>>());
    let job = JobId(json(&submitted.out)["id"].as_u64().unwrap());
    let (first, second) = (old.node(&url), old.node(&url));
    let collected = "SELECT collected FROM mailscan.job";
    while cluster.number(&name, collected).await < 3_000 {}
    let before = cluster.number(&name, VERSION).await;

    // The first program of the new version changes the schema under them.
    let database = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    let after = cluster.number(&name, VERSION).await;
    println!("schema {before}, then {after}");
    assert!(after > before, "the program is none of the version before");
    let stage = Stage { cluster: &cluster, name, database, web, folder: TempDir::new().unwrap(), job };
    let grow = async || {
        let now = stage.database.job(job).await.unwrap().unwrap().collected;
        stage.collected(now + 3_000).await;
        println!("{now} addresses, then {} and more", now + 3_000);
    };
    grow().await;

    // Nodes are renewed one by one, and one of the old version is started once more.
    let third = stage.node(90).await;
    grow().await;
    stop(first).await;
    stop(second).await;
    grow().await;
    let _fourth = old.node(&url);
    stop(third).await;
    grow().await;
    old.run(&["job", "pause", "1", "--db", &url]);
    assert!(old.run(&["job", "show", "1", "--db", &url]).out.contains("paused"));
    old.run(&["job", "resume", "1", "--db", &url]);
    assert!(old.run(&["errors", "--list", "--all", "--json", "--db", &url]).out.contains("\"http-"));
    let _fifth = stage.node(90).await;
    stage.finish_and_compare().await;
    assert_eq!(old.run(&["job", "export", "1", "--db", &url]).out.lines().count(), 40_001);
}
