//! `demo`: the real pipeline over real sockets against a simulated web in another process, and a check of the result.
//!
//! The figures are those of mailscan alone; the simulation reports its own. The floor is the time that the latencies
//! alone take when every connection is always busy: with `slots = workers x connections`,
//! `ceil(calls / slots) x call delay + ceil(pages / slots) x page delay`.

mod peer;
mod report;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailscan_core::engine::{EngineOptions, JobFilter};
use mailscan_core::job::{Job, JobId, JobStatus};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::Queue;
use mailscan_core::store::{GroupQuery, Store};
use serde::Serialize;

use super::job::find;
use super::run::{create, exit, read_in_part};
use super::simulate::{Listening, Served};
use crate::config;
use crate::drive::drive;
use crate::exit::{Exit, Failure, Result};
use crate::render::{bytes, counted, grouped};
use crate::{args, files, usage, wire};
use peer::Peer;
use report::Timeline;
use verify::Verdict;

/// The answer of `--json`.
#[derive(Serialize)]
struct Answer {
    verified: bool,
    emails: u64,
    missing: u64,
    unexpected: u64,
    workers: u32,
    seconds: f64,
    floor_seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_bytes: Option<u64>,
    simulator_cpu_seconds: Option<f64>,
    requests: u64,
    duplicates: u64,
    errors: u64,
    lost: u64,
}

pub(crate) async fn run(typed: &args::Demo) -> Result<Exit> {
    let database = Kept::new(typed.db.as_deref());
    // Before the simulation starts, which inherits the limit.
    let room = files::room(config::demo_plan(typed).1);
    let peer = Peer::start(&typed.simulated).await?;
    let config = config::demo(typed, &format!("http://{}/", peer.listening().address), room)?;
    say!(
        "collecting {} with {} from a simulated web",
        counted(typed.simulated.emails, "address", "addresses"),
        counted(config.workers.into(), "worker", "workers"),
    );
    let store = wire::create(&database.name()?).await?;
    let _lock = store.try_lock_workers().await?;
    let id = create(&store, &config.spec).await?;
    let pipeline = wire::pipeline(store, &config.fetching)?;
    let started = Instant::now();
    let options =
        config::engine(&config.fetching.pace, &typed.machine, &Limits::default(), JobFilter::Only(id), config.slots);
    let options = EngineOptions { per_host: config.slots, ..options };
    let mut timeline = Timeline::start();
    drive(Arc::clone(&pipeline), options, id, |progress| timeline.note(progress)).await?;
    let seconds = started.elapsed().as_secs_f64();
    // Taken before the check, which holds all addresses at once.
    let (cpu_seconds, peak_rss_bytes) = (usage::cpu_seconds(), usage::peak_rss_bytes());
    let floor = floor(typed, peer.listening(), config.slots as u64);
    let served = peer.end().await?;
    let job = find(pipeline.store(), id).await?;
    if matches!(job.status, JobStatus::Paused) {
        say!("stopped before the end; nothing was checked");
        return Ok(Exit::Interrupted);
    }
    let verdict = verify::compare(pipeline.store(), id, typed.simulated.seed, typed.simulated.emails).await?;
    let answer = Answer {
        verified: verdict.is_exact(),
        emails: job.collected,
        missing: verdict.missing,
        unexpected: verdict.unexpected,
        workers: config.workers,
        seconds,
        floor_seconds: floor.as_secs_f64(),
        cpu_seconds,
        peak_rss_bytes,
        simulator_cpu_seconds: served.cpu_seconds,
        requests: served.requests,
        duplicates: served.mentions.saturating_sub(job.collected),
        errors: count_errors(pipeline.store(), id).await?,
        lost: pipeline.queue().depth(id).await?.lost(),
    };
    if let Some(folder) = &typed.report {
        timeline.write(folder, &answer)?;
        say!("the report is in {}", crate::render::escape(&folder.display().to_string()));
    }
    print(typed, &answer, &verdict, &job, &served)?;
    let depth = pipeline.queue().depth(id).await?;
    let partial = read_in_part(pipeline.store(), id).await?;
    Ok(if answer.verified { exit(&job, &depth, partial) } else { Exit::Failed })
}

/// The time that the latencies alone take.
fn floor(typed: &args::Demo, web: &Listening, slots: u64) -> Duration {
    let rounds = |n: u64| u32::try_from(n.div_ceil(slots)).unwrap_or(u32::MAX);
    let calls = typed.simulated.call_delay.saturating_mul(rounds(web.calls));
    calls.saturating_add(typed.simulated.page_delay.saturating_mul(rounds(web.pages)))
}

async fn count_errors(store: &impl Store, id: JobId) -> Result<u64> {
    let groups = store.error_groups(&GroupQuery::first(Some(id), 10_000)).await?;
    Ok(groups.iter().map(|group| group.count).sum())
}

fn print(typed: &args::Demo, answer: &Answer, verdict: &Verdict, job: &Job, served: &Served) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if typed.json {
        serde_json::to_writer(&mut out, answer)?;
        return Ok(writeln!(out)?);
    }
    if verdict.is_exact() {
        writeln!(
            out,
            "verified: exactly the {} that were served are stored",
            counted(answer.emails, "address", "addresses")
        )?;
    } else {
        writeln!(
            out,
            "NOT verified: job {}, {} missing, {} stored that were never served",
            job.status,
            grouped(verdict.missing),
            grouped(verdict.unexpected)
        )?;
        verdict.examples.iter().try_for_each(|example| writeln!(out, "  {}", crate::render::escape(example)))?;
    }
    writeln!(out, "time      {:.2} s (the latencies alone take {:.2} s)", answer.seconds, answer.floor_seconds)?;
    if let (Some(cpu), Some(peak)) = (answer.cpu_seconds, answer.peak_rss_bytes) {
        writeln!(out, "cost      {cpu:.2} s of CPU, {} of memory at most", bytes(peak))?;
    }
    writeln!(
        out,
        "served    {} over {}, {}, {} made to fail",
        counted(served.requests, "request", "requests"),
        counted(served.connections, "connection", "connections"),
        bytes(served.bytes),
        grouped(served.failures)
    )?;
    writeln!(out, "repeated  {}", counted(answer.duplicates, "mention", "mentions"))?;
    Ok(writeln!(out, "errors    {} recorded, {} not recovered", grouped(answer.errors), grouped(answer.lost))?)
}

/// The database of a demo: kept where the user wants it, else removed at the end.
struct Kept {
    path: PathBuf,
    temporary: bool,
}

impl Kept {
    fn new(path: Option<&Path>) -> Self {
        match path {
            Some(path) => Self { path: path.to_owned(), temporary: false },
            None => {
                let name = format!("mailscan-demo-{:016x}.db", rand::random::<u64>());
                Self { path: std::env::temp_dir().join(name), temporary: true }
            }
        }
    }

    fn name(&self) -> Result<String> {
        let name = self.path.to_str().map(str::to_owned);
        name.ok_or_else(|| Failure::Failed(format!("`{}` is not UTF-8: choose another name", self.path.display())))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        for ending in ["", "-wal", "-shm", "-lock"] {
            let mut name = self.path.clone().into_os_string();
            name.push(ending);
            // A file that was never made needs no removal.
            let _ = std::fs::remove_file(PathBuf::from(name));
        }
    }
}
