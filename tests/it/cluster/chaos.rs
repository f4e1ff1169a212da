//! The faults that a cluster meets, each between a baseline and a recovery: what was lost, what came twice, for how long
//! nothing moved, and how fast the work went on afterwards.
//!
//! Every run has two nodes, a server of its own and a web with a known set of addresses. In short the runs show that
//! nothing is lost and that the job ends; at full length they measure as well, and print a table:
//! `cargo test --profile measure -p mailscan-tests --test it faults_at_full_length -- --ignored --nocapture`.
//! Names in `MAILSCAN_FAULTS`, with commas between them, choose some.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::backend::postgres::Postgres;
use mailscan_core::job::JobId;
use mailscan_core::queue::Queue;
use mailscan_core::simulate::SimulationOptions;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{Instant, sleep};

use super::disk::SmallDisk;
use super::proxy::{Proxy, Wire};
use super::{Node, Stage};
use crate::postgres::{Cluster, is_there};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// None, to compare with: what a run shows without any.
    Nothing,
    NodeKilled,
    NodesKilledInTurn,
    ServerDown,
    ConnectionsEnded,
    IdleConnections,
    NodeStoodStill,
    ServerRestarted,
    WireSlow,
    WireSilent,
    WireHalfClosed,
    DiskFull,
}

/// How long each part of a run takes, and how much there is to do.
#[derive(Clone, Copy)]
struct Length {
    warm_up: Duration,
    baseline: Duration,
    fault: Duration,
    recovery: Duration,
    /// The workers of a node, and the lease of its tasks in seconds.
    workers: u32,
    lease: u32,
    /// Search calls of the web; each leads to a page that the site links to as well, so to three tasks.
    calls: u64,
}

/// Enough to see that nothing is lost.
const SHORT: Length = Length {
    warm_up: Duration::from_millis(500),
    baseline: Duration::from_secs(1),
    fault: Duration::from_secs(4),
    recovery: Duration::from_secs(1),
    workers: 20,
    lease: 3,
    calls: 700,
};

/// How long a page takes to come, and a call, so that the rate of tasks does not depend on how many of each there are.
const PAGE: Duration = Duration::from_millis(100);
/// Addresses of a search call.
const PER_CALL: u32 = 5;

impl Fault {
    const ALL: [Self; 12] = [
        Self::Nothing,
        Self::NodeKilled,
        Self::NodesKilledInTurn,
        Self::ServerDown,
        Self::ConnectionsEnded,
        Self::IdleConnections,
        Self::NodeStoodStill,
        Self::ServerRestarted,
        Self::WireSlow,
        Self::WireSilent,
        Self::WireHalfClosed,
        Self::DiskFull,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing, to compare with",
            Self::NodeKilled => "a node killed, and started again at the end",
            Self::NodesKilledInTurn => "nodes killed in turn, and started again",
            Self::ServerDown => "PostgreSQL stopped for half of the time",
            Self::ConnectionsEnded => "all connections ended, twice a second",
            Self::IdleConnections => "300 idle connections",
            Self::NodeStoodStill => "a node stopped past its lease, and continued",
            Self::ServerRestarted => "PostgreSQL restarted, fast and immediate in turn",
            Self::WireSlow => "every packet 25 ms late each way",
            Self::WireSilent => "connections that lose what is sent",
            Self::WireHalfClosed => "connections half closed",
            Self::DiskFull => "the disk of the database full",
        }
    }

    /// As long as the best of other queues were measured with such faults; the rest of the faults a little shorter.
    fn in_full(self) -> Length {
        let seconds = |seconds| Duration::from_secs(seconds);
        let fault = match self {
            Self::NodesKilledInTurn => 120,
            Self::Nothing | Self::NodeKilled | Self::ServerDown | Self::ConnectionsEnded | Self::IdleConnections => 60,
            _ => 30,
        };
        let workers = 10;
        let all = 30 + 60 + fault + 60;
        // What all nodes could do at most until the end of the recovery. Calls and pages take turns, and half as many calls
        // last until then, so that the work is of the same kind before and after.
        let tasks = all * 1_000 / PAGE.as_millis() as u64 * u64::from(workers) * 2;
        Length {
            warm_up: seconds(30),
            baseline: seconds(60),
            fault: seconds(fault),
            recovery: seconds(60),
            workers,
            lease: 10,
            calls: tasks / 2,
        }
    }
}

/// What a run showed.
#[derive(Debug)]
struct Shown {
    times: u32,
    lost: usize,
    doubled: usize,
    stall: Duration,
    /// Tasks a second before and after.
    before: f64,
    after: f64,
}

/// How many tasks had ended at which moment.
struct Meter {
    seen: Arc<Mutex<Vec<(Instant, u64)>>>,
    reading: JoinHandle<()>,
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Meter {
    fn start(database: Postgres, job: JobId) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let noted = seen.clone();
        let reading = tokio::spawn(async move {
            loop {
                // Nothing moves while nobody answers.
                if let Ok(depth) = database.depth(job).await {
                    noted.lock().unwrap().push((Instant::now(), depth.done + depth.lost()));
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        Self { seen, reading }
    }

    fn at(&self, time: Instant) -> u64 {
        self.seen.lock().unwrap().iter().rev().find(|(at, _)| *at <= time).map_or(0, |(_, ended)| *ended)
    }

    fn rate(&self, from: Instant, to: Instant) -> f64 {
        (self.at(to) - self.at(from)) as f64 / (to - from).as_secs_f64()
    }

    /// The longest time in which no task ended.
    fn stall(&self, from: Instant, to: Instant) -> Duration {
        let (mut last, mut count, mut longest) = (from, self.at(from), Duration::ZERO);
        for (at, ended) in self.seen.lock().unwrap().iter().filter(|(at, _)| (from..=to).contains(at)) {
            if *ended > count {
                longest = longest.max(*at - last);
                (last, count) = (*at, *ended);
            }
        }
        longest.max(to - last)
    }
}

/// A stage with two nodes on which a fault is played.
struct Play<'c> {
    stage: Stage<'c>,
    proxy: Proxy,
    nodes: Vec<Node>,
    disk: Option<SmallDisk>,
    length: Length,
}

impl Play<'_> {
    async fn node(&self) -> Node {
        self.stage.node_at(&self.stage.cluster.url_at(self.proxy.port, &self.stage.name), self.length.lease).await
    }

    async fn kill(&mut self, which: usize) {
        self.nodes[which].signal("KILL");
        self.nodes[which].0.wait().unwrap();
    }

    /// Has the fault happen for its time; answers how often it did.
    async fn happen(&mut self, fault: Fault) -> u32 {
        let (time, end) = (self.length.fault, Instant::now() + self.length.fault);
        let mut times = 0;
        match fault {
            Fault::Nothing => sleep(time).await,
            Fault::NodeKilled => {
                self.kill(0).await;
                sleep(time).await;
                self.nodes[0] = self.node().await;
                times = 1;
            }
            Fault::NodesKilledInTurn => {
                while Instant::now() < end {
                    let which = times as usize % self.nodes.len();
                    self.kill(which).await;
                    self.nodes[which] = self.node().await;
                    times += 1;
                    sleep(time / 6).await;
                }
            }
            Fault::ServerDown => {
                block_in_place(|| self.stage.cluster.stop("fast"));
                sleep(time / 2).await;
                block_in_place(|| self.stage.cluster.resume());
                sleep(time / 2).await;
                times = 1;
            }
            Fault::ConnectionsEnded => {
                let all = format!(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = '{}' AND pid <> pg_backend_pid()",
                    self.stage.name
                );
                while Instant::now() < end {
                    times += self.stage.cluster.number("postgres", &all).await as u32;
                    sleep(Duration::from_millis(500)).await;
                }
            }
            Fault::IdleConnections => {
                let mut idle = Vec::new();
                for _ in 0..300 {
                    let url = self.stage.url();
                    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
                    tokio::spawn(connection);
                    idle.push(client);
                }
                times = idle.len() as u32;
                sleep(time).await;
            }
            Fault::NodeStoodStill => {
                self.nodes[0].signal("STOP");
                sleep(time.max(Duration::from_secs(u64::from(self.length.lease) * 3 / 2))).await;
                self.nodes[0].signal("CONT");
                times = 1;
            }
            Fault::ServerRestarted => {
                while Instant::now() < end {
                    let mode = ["fast", "immediate"][times as usize % 2];
                    block_in_place(|| {
                        self.stage.cluster.stop(mode);
                        self.stage.cluster.resume();
                    });
                    times += 1;
                    sleep(time / 4).await;
                }
            }
            Fault::WireSlow => times = self.wire(Wire::Slow(Duration::from_millis(25)), time).await,
            Fault::WireSilent => times = self.wire(Wire::Silent, time / 2).await,
            Fault::WireHalfClosed => {
                while Instant::now() < end {
                    times += self.wire(Wire::HalfClosed, Duration::from_millis(10)).await;
                    sleep(time / 8).await;
                }
            }
            Fault::DiskFull => {
                let disk = self.disk.as_ref().unwrap();
                disk.fill();
                sleep(time).await;
                disk.empty();
                times = 1;
            }
        }
        times
    }

    /// Lets something happen to the wire for a while; answers how many packets or connections it happened to.
    async fn wire(&self, wire: Wire, time: Duration) -> u32 {
        let before = self.proxy.hit();
        self.proxy.set(wire);
        sleep(time).await;
        self.proxy.set(Wire::Whole);
        self.proxy.hit() - before
    }
}

/// Plays a fault; nothing when this machine cannot.
async fn play(fault: Fault, length: Length) -> Option<Shown> {
    let cluster = Cluster::start();
    let disk = match fault {
        Fault::DiskFull => Some(SmallDisk::mount(&cluster).await?),
        _ => None,
    };
    let name = cluster.fresh_in(disk.as_ref().map_or("pg_default", |disk| disk.tablespace)).await;
    let web = SimulationOptions {
        emails: length.calls * u64::from(PER_CALL),
        emails_per_call: PER_CALL,
        page_delay: PAGE,
        call_delay: PAGE,
        page_bytes: 1_000,
        duplicate_share: 0.2,
        failure_share: 0.0,
        ..SimulationOptions::default()
    };
    let stage = Stage::of(&cluster, name, web, length.workers).await;
    let proxy = Proxy::start(cluster.port()).await;
    let mut play = Play { stage, proxy, nodes: Vec::new(), disk, length };
    for _ in 0..2 {
        let node = play.node().await;
        play.nodes.push(node);
    }
    let meter = Meter::start(play.stage.database.clone(), play.stage.job);
    sleep(length.warm_up).await;
    let begun = Instant::now();
    sleep(length.baseline).await;
    let faulty = Instant::now();
    let times = play.happen(fault).await;
    let recovering = Instant::now();
    sleep(length.recovery).await;
    let end = Instant::now();
    let (before, after, stall) = (meter.rate(begun, faulty), meter.rate(recovering, end), meter.stall(faulty, end));
    drop(meter);
    let (lost, doubled) = play.stage.finish().await;
    Some(Shown { times, lost, doubled, stall, before, after })
}

async fn in_short(fault: Fault) {
    if !is_there() {
        return;
    }
    let Some(shown) = play(fault, SHORT).await else { return };
    assert!(shown.times > 0, "it happened");
    assert_eq!((shown.lost, shown.doubled), (0, 0));
}

/// One test for each fault.
macro_rules! in_short {
    ($($test:ident: $fault:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                in_short(Fault::$fault).await;
            }
        )*
    };
}

in_short! {
    a_node_killed_and_started_again: NodeKilled;
    nodes_killed_in_turn: NodesKilledInTurn;
    a_server_that_is_away_for_a_while: ServerDown;
    connections_that_end_again_and_again: ConnectionsEnded;
    hundreds_of_idle_connections: IdleConnections;
    a_node_that_stood_still_past_its_lease: NodeStoodStill;
    a_server_that_restarts_and_crashes: ServerRestarted;
    a_wire_that_is_slow: WireSlow;
    a_wire_that_falls_silent: WireSilent;
    a_wire_that_is_half_closed: WireHalfClosed;
    a_disk_that_is_full: DiskFull;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than half an hour"]
async fn faults_at_full_length() {
    let chosen = std::env::var("MAILSCAN_FAULTS").unwrap_or_default();
    let wanted = |fault: &Fault| chosen.is_empty() || chosen.split(',').any(|name| format!("{fault:?}") == name);
    println!("| fault | times | lost | doubled | longest stall | tasks/s before | tasks/s after | share |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut failed = Vec::new();
    for fault in Fault::ALL.into_iter().filter(wanted) {
        let Some(shown) = play(fault, fault.in_full()).await else {
            println!("| {} | no small disk can be mounted here |", fault.name());
            continue;
        };
        let Shown { times, lost, doubled, stall, before, after } = shown;
        println!(
            "| {} | {times} | {lost} | {doubled} | {:.1} s | {before:.0} | {after:.0} | {:.0} % |",
            fault.name(),
            stall.as_secs_f64(),
            after / before * 100.0
        );
        if lost + doubled > 0 {
            failed.push(fault);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
