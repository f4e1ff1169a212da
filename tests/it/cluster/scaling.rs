//! How much more two and four nodes do than one, on one machine with a web that takes its time. A table of it is printed by
//! `cargo test --profile measure -p mailscan-tests --test it nodes_beside_each_other -- --ignored --nocapture`.

use std::time::Duration;

use mailscan_core::queue::Queue;
use mailscan_core::simulate::SimulationOptions;
use mailscan_core::store::Store;
use tokio::time::{Instant, sleep};

use super::Stage;
use crate::postgres::{is_there, shared};

/// How long a page takes to come.
const PAGE: Duration = Duration::from_millis(250);
const PER_CALL: u32 = 10;
const WARM_UP: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(20);

/// Ticks of all cores since the start of the machine: at work, and in all.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let all = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

/// Tasks and addresses a second of so many nodes, and the share of all cores that was at work.
async fn measure(nodes: u32, workers: u32) -> (f64, f64, f64) {
    let seconds = (WARM_UP + MEASURED).as_secs_f64() * 1.5;
    let tasks = seconds / PAGE.as_secs_f64() * f64::from(nodes * workers);
    let web = SimulationOptions {
        // Calls come one after another in few lanes, so most of the tasks are pages that the site links to.
        emails: tasks as u64 * u64::from(PER_CALL),
        emails_per_call: PER_CALL,
        call_delay: PAGE,
        page_delay: PAGE,
        page_bytes: 5_000,
        ..SimulationOptions::default()
    };
    let stage = Stage::of(shared(), shared().fresh().await, web, workers).await;
    let mut running = Vec::new();
    for _ in 0..nodes {
        running.push(stage.node_without_limits(30).await);
    }
    sleep(WARM_UP).await;
    let counts = async || {
        let depth = stage.database.depth(stage.job).await.unwrap();
        let job = stage.database.job(stage.job).await.unwrap().unwrap();
        assert!(!job.status.is_settled(), "the web is too small for this");
        (Instant::now(), depth.done, job.collected, ticks())
    };
    let before = counts().await;
    sleep(MEASURED).await;
    let after = counts().await;
    let time = (after.0 - before.0).as_secs_f64();
    let busy = (after.3.0 - before.3.0) as f64 / (after.3.1 - before.3.1).max(1) as f64;
    ((after.1 - before.1) as f64 / time, (after.2 - before.2) as f64 / time, busy)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for minutes"]
async fn nodes_beside_each_other() {
    if !is_there() {
        return;
    }
    println!("| workers a node | nodes | tasks/s | new addresses/s | of linear | cores at work |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for workers in [50, 200] {
        let mut one = 0.0;
        for nodes in [1, 2, 4] {
            let (tasks, addresses, busy) = measure(nodes, workers).await;
            if nodes == 1 {
                one = tasks;
            }
            let linear = tasks / (one * f64::from(nodes)) * 100.0;
            println!("| {workers} | {nodes} | {tasks:.0} | {addresses:.0} | {linear:.0} % | {:.0} % |", busy * 100.0);
        }
    }
}
