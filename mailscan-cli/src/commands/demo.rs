//! `demo`: the real pipeline over real sockets against a simulated web in another process, and a check of the result.
//!
//! The figures are those of mailscan alone; the simulation reports its own. The floor is the time that the latencies alone take,
//! whoever asks: see [`floor`].

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
use mailscan_core::store::{ErrorSelection, Store};
use serde::Serialize;

use super::errors::all_groups;
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
    let db = database.name()?;
    let min_free_disk = config::min_free_disk(&typed.machine, &db)?;
    // Before the simulation starts, which inherits the limit.
    let room = files::room(config::demo_plan(typed).1);
    let peer = Peer::start(&typed.simulated).await?;
    let config = config::demo(typed, &format!("http://{}/", peer.listening().address), room)?;
    say!(
        "collecting {} with {} from a simulated web",
        counted(typed.simulated.emails, "address", "addresses"),
        counted(config.workers.into(), "worker", "workers"),
    );
    let store = wire::create(&db).await?;
    let _lock = store.try_lock_workers().await?;
    let id = create(&store, &config.spec).await?;
    let pipeline = wire::pipeline(store, &config.fetching)?;
    let started = Instant::now();
    let (pace, memory) = (&config.fetching.pace, &typed.machine.memory);
    let options = config::engine(pace, memory, &Limits::default(), JobFilter::Only(id), config.slots);
    let options = EngineOptions { per_host: config.slots, min_free_disk, ..options };
    let mut timeline = Timeline::start();
    drive(Arc::clone(&pipeline), options, id, |progress| timeline.note(progress)).await?;
    let seconds = started.elapsed().as_secs_f64();
    // Taken before the check, which holds all addresses at once.
    let (cpu_seconds, peak_rss_bytes) = (usage::cpu_seconds(), usage::peak_rss_bytes());
    let floor = floor(&typed.simulated, peer.listening(), config.slots as u64);
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

/// The time that the latencies alone take with so many connections (`workers x connections`): the longest of what nobody can do
/// sooner, which is all of it with every connection always busy; the calls, one after the other on each connection; and the
/// pages, likewise, after the first call.
fn floor(typed: &args::Simulated, web: &Listening, slots: u64) -> Duration {
    let rounds = |delay: Duration, n: u64| delay.saturating_mul(u32::try_from(n.div_ceil(slots)).unwrap_or(u32::MAX));
    let together = |delay: Duration, n: u64| delay.as_secs_f64() * n as f64 / slots as f64;
    let (call, page) = (typed.call_delay, typed.page_delay);
    let busy = Duration::try_from_secs_f64(together(call, web.calls) + together(page, web.pages));
    let pages = if web.pages > 0 { call.saturating_add(rounds(page, web.pages)) } else { Duration::ZERO };
    busy.unwrap_or(Duration::MAX).max(rounds(call, web.calls)).max(pages)
}

async fn count_errors(store: &impl Store, id: JobId) -> Result<u64> {
    let mut count = 0;
    let of = ErrorSelection { job: Some(id), ..ErrorSelection::default() };
    all_groups(store, of, |part| {
        count += part.iter().map(|group| group.count).sum::<u64>();
        Ok(())
    })
    .await?;
    Ok(count)
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The floor of a web of so many calls and pages with so many connections, in seconds.
    fn seconds(words: &str, (calls, pages): (u64, u64), slots: u64) -> f64 {
        let words = ["mailscan", "demo"].into_iter().chain(words.split_whitespace());
        let args::Command::Demo(demo) = args::Args::try_parse_from(words).unwrap().command else { unreachable!() };
        let (search_url, site_url) = (String::new(), String::new());
        let web = Listening { address: ([127, 0, 0, 1], 80).into(), search_url, site_url, calls, pages };
        let floor = floor(&demo.simulated, &web, slots).as_secs_f64();
        (floor * 1_000.0).round() / 1_000.0
    }

    #[test]
    fn the_floor_is_what_nobody_can_do_sooner() {
        for (words, web, slots, expected) in [
            ("", (100_000, 100_000), 1_000, 210.0),
            ("", (100, 100), 50, 4.2),
            ("--call-delay 2.1", (100_000, 0), 1_000, 210.0),
            // No connection has a part of a call, and none is idle while another has two.
            ("--call-delay 2.1", (1_001, 0), 1_000, 4.2),
            // The last pages and the last calls may go on side by side.
            ("--call-delay 2", (1_001, 1_001), 1_000, 6.0),
            ("", (1, 1), 1_000, 2.1),
            ("--page-delay 0", (1, 1), 1_000, 0.1),
        ] {
            assert_eq!(seconds(words, web, slots), expected, "{words} {web:?}");
        }
    }
}
