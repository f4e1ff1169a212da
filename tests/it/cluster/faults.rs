//! What goes wrong: nodes that stand still past their leases, connections that end, a server that stops and crashes.

use std::time::Duration;

use super::Stage;
use crate::postgres::{Cluster, is_there, shared};

/// The lease of nodes, in seconds.
const LEASE: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_past_its_lease_finishes_nothing_twice() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 4_000, 20).await;
    let (first, _second) = (stage.node(LEASE).await, stage.node(LEASE).await);
    stage.collected(700).await;
    first.signal("STOP");
    // Until the sweep has taken what it held and others have finished some of that.
    let crashed = "SELECT count(*) FROM mailscan.task WHERE crashes > 0 AND state > 3";
    while stage.cluster.number(&stage.name, crashed).await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    first.signal("CONT");
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_again_and_again_cost_nothing() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 4_000, 20).await;
    let (_first, _second) = (stage.node(LEASE).await, stage.node(LEASE).await);
    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = '{}' AND pid <> pg_backend_pid()",
        stage.name
    );
    let terminate = async {
        for _ in 0..20 {
            stage.cluster.number("postgres", &end).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    terminate.await;
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_and_crashes_loses_nothing() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let stage = Stage::set(&cluster, 4_000, 20).await;
    let (_first, _second) = (stage.node(LEASE).await, stage.node(LEASE).await);
    for (addresses, mode) in [(300, "fast"), (900, "immediate"), (1_500, "immediate"), (2_100, "fast")] {
        stage.collected(addresses).await;
        tokio::task::block_in_place(|| {
            cluster.stop(mode);
            cluster.resume();
        });
    }
    stage.finish_and_compare().await;
}
