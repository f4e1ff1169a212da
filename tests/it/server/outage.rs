//! A server whose database is away.

use std::io::{BufRead, Read};

use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::HANGS;
use super::client::get;
use super::command::serve_in;
use super::metrics::series;
use crate::postgres::{Cluster, is_there};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_once_and_hides_no_figure_of_the_process() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let (folder, url) = (TempDir::new().unwrap(), cluster.url(&cluster.fresh().await));
    let mut served = serve_in(folder.path(), &["--db", &url]);
    let address = served.address;
    let metrics = async || series(&get(address, "/metrics").await.body);
    assert_eq!(metrics().await["mailscan_database_up"], 1.0);

    cluster.stop("fast");
    for _ in 0..5 {
        assert_eq!(get(address, "/api/v1/jobs").await.status, 503);
    }
    let away = metrics().await;
    assert_eq!(away["mailscan_database_up"], 0.0);
    assert!(away["process_resident_memory_bytes"] > 0.0 && away.contains_key("mailscan_fetches_in_flight"), "{away:?}");
    assert!(!away.keys().any(|name| name.starts_with("mailscan_jobs")), "nobody knows of the jobs: {away:?}");
    let mut words = served.reader();
    let mut said = String::new();
    block_in_place(|| while !said.contains("the database takes nothing") && words.read_line(&mut said).unwrap() > 0 {});

    cluster.resume();
    let back = async { while metrics().await["mailscan_database_up"] == 0.0 {} };
    timeout(HANGS, back).await.expect("it is asked again");
    served.child.kill().unwrap();
    words.read_to_string(&mut said).unwrap();
    let told = said.lines().filter(|line| line.contains("the database takes nothing")).count();
    assert!(told == 1 && !said.contains("ERROR"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_figures_does_not_wait_until_another_has_given_up() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let name = cluster.fresh().await;
    let (folder, url) = (TempDir::new().unwrap(), cluster.url(&name));
    let served = serve_in(folder.path(), &["--db", &url]);
    let (locking, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    locking.batch_execute("BEGIN; LOCK TABLE mailscan.job IN ACCESS EXCLUSIVE MODE").await.unwrap();

    let asked = async || series(&get(served.address, "/metrics").await.body);
    let count =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%GROUP BY status%'";
    let both_wait = async { while cluster.number(&name, count).await < 2 {} };
    let either = async { tokio::select!(told = asked() => told, told = asked() => told) };
    tokio::select! {
        () = both_wait => {}
        told = either => panic!("one was told while the other had not asked the database: {told:?}"),
    }
}
