//! A server that comes back without the last of what it had confirmed, and one that lets nobody in, or takes nothing, for a
//! while.

use std::io::{BufRead, BufReader};
use std::process::{ChildStderr, ExitStatus};
use std::time::Duration;

use mailscan_core::ErrorKind;
use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::store::Store;

use super::{Node, Stage, node_and_words, web_of, worker};
use crate::cli::binary;
use crate::postgres::{Cluster, is_there, shared};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_lost_is_found_again() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let stage = Stage::set(&cluster, 12_000, 20).await;
    let _node = stage.node(4).await;
    stage.collected(3_000).await;
    cluster.stop("immediate");
    cluster.keep_copy();
    cluster.resume();
    stage.collected(7_000).await;
    cluster.stop("immediate");
    cluster.bring_back();
    cluster.resume();
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_server_lost_holds_up_no_other() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let stage = Stage::set(&cluster, 12_000, 20).await;
    let mut node = stage.node(4).await;
    stage.collected(1_000).await;
    cluster.stop("immediate");
    cluster.keep_copy();
    cluster.resume();
    let late = Stage::of(&cluster, stage.name.clone(), web_of(12_000), 20).await;
    late.collected(500).await;
    cluster.stop("immediate");
    cluster.bring_back();
    cluster.resume();
    tokio::select! {
        () = stage.finish_and_compare() => {}
        status = ended(&mut node) => panic!("the node has ended: {status}"),
    }
    assert!(late.database.job(late.job).await.unwrap().is_none());
}

/// Waits for the end of a node.
async fn ended(node: &mut Node) -> ExitStatus {
    loop {
        if let Some(status) = node.0.try_wait().unwrap() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_refused_for_a_while_goes_on() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let stage = Stage::set(&cluster, 6_000, 20).await;
    let mut node = stage.node(4).await;
    stage.collected(1_000).await;
    cluster.own("pg_hba.conf", "host all all 127.0.0.1/32 reject\n");
    cluster.stop("fast");
    cluster.resume();
    // Whoever worked before waits; whoever begins is told at once.
    while !cluster.log().contains("rejects connection") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kind = loop {
        // The connections of before are found to be broken first.
        match stage.database.job(stage.job).await.unwrap_err() {
            error if error.to_string().contains("28000") => break error.kind(),
            _ => {}
        }
    };
    assert_eq!(kind, ErrorKind::Unavailable);
    let anew = Postgres::open(&stage.url(), PostgresOptions::default()).await.unwrap_err();
    assert_eq!(anew.kind(), ErrorKind::Invalid);
    // The node has tried as well by then.
    let tries = || cluster.log().matches("rejects connection").count();
    let before = tries();
    while tries() < before + 5 {
        assert!(node.0.try_wait().unwrap().is_none(), "the node has ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.own("pg_hba.conf", "host all all 127.0.0.1/32 trust\n");
    cluster.stop("fast");
    cluster.resume();
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_of_a_database_that_takes_nothing_and_of_its_return() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 3_000, 20).await;
    let (url, folder) = (stage.url(), stage.folder.path().to_owned());
    let start = move || node_and_words(worker(binary(), &folder, &url, 4, ["0", "64"]));
    let (_node, mut words) = tokio::task::spawn_blocking(start).await.unwrap();
    stage.collected(300).await;
    take_nothing(&stage).await;
    let told = line(&mut words);
    assert!(told.contains("takes nothing") && told.contains("read-only"), "{told}");
    take_all(&stage).await;
    let told = line(&mut words);
    assert!(told.contains("takes what is written again"), "{told}");
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_warnings_tells_what_is_repeated_and_why() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 3_000, 20).await;
    let (url, folder) = (stage.url(), stage.folder.path().to_owned());
    let start = move || {
        let mut command = worker(binary(), &folder, &url, 4, ["0", "64"]);
        command.env("MAILSCAN_LOG", "warn");
        node_and_words(command)
    };
    let (_node, mut words) = tokio::task::spawn_blocking(start).await.unwrap();
    stage.collected(300).await;
    take_nothing(&stage).await;
    // By the time that it is told of the database, it was tried twice.
    let mut told = String::new();
    while !told.contains("takes nothing") {
        told.push_str(&line(&mut words));
    }
    let mut lines = told.lines();
    assert!(lines.any(|line| ["WARN", "is repeated", "read-only"].iter().all(|word| line.contains(word))), "{told}");
    take_all(&stage).await;
    std::thread::spawn(move || std::io::copy(&mut words, &mut std::io::sink()));
    stage.finish_and_compare().await;
}

/// Has the database refuse what is written, as where a standby takes the place of its primary: everything can be read.
async fn take_nothing(stage: &Stage<'_>) {
    set(stage, "SET default_transaction_read_only = on").await;
}

async fn take_all(stage: &Stage<'_>) {
    set(stage, "RESET default_transaction_read_only").await;
}

async fn set(stage: &Stage<'_>, setting: &str) {
    let name = &stage.name;
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    shared().execute("postgres", &format!("ALTER DATABASE {name} {setting}")).await;
    shared().execute("postgres", &end).await;
}

/// The next line of what a node says.
fn line(words: &mut BufReader<ChildStderr>) -> String {
    tokio::task::block_in_place(|| {
        let mut line = String::new();
        assert!(words.read_line(&mut line).unwrap() > 0, "the node has ended");
        line
    })
}
