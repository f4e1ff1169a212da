//! What was typed, made sense of: settings that are known to be valid.

mod search;

use std::path::Path;
use std::time::Duration;

use mailscan_core::engine::EngineOptions;
use mailscan_core::job::{Crawl, JobOptions, JobSource, JobSpec};
use mailscan_core::limits::Limits;
use mailscan_core::simulate::SimulationOptions;
use mailscan_core::source::Pace;
use mailscan_core::source::http::ClientOptions;
use mailscan_core::source::search::SearchEndpoint;

use crate::args;
use crate::exit::{Failure, Result};

/// The most fetches in flight in one process, however many workers and connections are asked for: about what the usual
/// limit of open files leaves.
const MAX_IN_FLIGHT: usize = 16_384;

/// The constants of planning.
pub(crate) fn limits(plan: &args::Plan) -> Result<Limits> {
    let limits = Limits {
        max_workers: plan.max_workers,
        workers_per_1000: plan.workers_per_1000,
        rate_limit: plan.rate_limit,
        deep_scrape: plan.deep_scrape,
        emails_per_call: plan.emails_per_call,
        ..Limits::default()
    };
    limits.validate()?;
    Ok(limits)
}

/// What `run` is to do.
#[derive(Clone, Debug)]
pub(crate) struct RunConfig {
    pub(crate) db: String,
    pub(crate) start: Start,
    pub(crate) engine: EngineOptions,
    pub(crate) fetching: Fetching,
    pub(crate) detach: bool,
    pub(crate) json: bool,
}

/// Which job to run.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// A new one.
    New(Box<JobSpec>),
    /// An unfinished one: this, or the newest.
    Resume(Option<u64>),
}

/// How sources are treated, beyond what belongs to a job.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    pub(crate) client: ClientOptions,
    pub(crate) pace: Pace,
}

pub(crate) fn run(typed: &args::Run) -> Result<RunConfig> {
    let start = match typed.resume {
        Some(id) => Start::Resume(id),
        None => Start::New(Box::new(spec(typed)?)),
    };
    let mut client = ClientOptions::default();
    if let Some(contact) = &typed.contact {
        client.contact.clone_from(contact);
    }
    let mut pace = Pace { interval: typed.rate_limit, ..Pace::default() };
    if let Some(most) = typed.per_host {
        if most == 0 {
            return Err(Failure::Usage("--per-host is 0: give at least 1".to_owned()));
        }
        pace.concurrency = most as usize;
    }
    let mut engine = EngineOptions::default();
    // Enough of a host's tasks at hand that its connections never wait for the queue.
    engine.per_host = engine.per_host.max(pace.concurrency.saturating_mul(2));
    Ok(RunConfig {
        db: typed.database.db.clone(),
        start,
        engine,
        fetching: Fetching { client, pace },
        detach: typed.detach,
        json: typed.json,
    })
}

fn spec(typed: &args::Run) -> Result<JobSpec> {
    let mut sources: Vec<_> = typed.url.iter().cloned().map(JobSource::Url).collect();
    for path in &typed.urls {
        sources.push(JobSource::UrlList(there(path)?));
    }
    sources.extend(typed.search.iter().cloned().map(JobSource::Search));
    for path in &typed.path {
        sources.push(JobSource::Path(there(path)?));
    }
    let Some(target) = typed.target else {
        return Err(Failure::Usage("say how many addresses to collect with --target".to_owned()));
    };
    let (search_endpoint, search_lanes) = match &typed.search_endpoint {
        Some(text) => search::endpoint(text, typed.search_lanes).map(|(text, lanes)| (Some(text), lanes))?,
        None => (None, 1),
    };
    let options = JobOptions {
        crawl: typed.crawl.then_some(Crawl { max_depth: typed.depth }),
        max_tasks: typed.max_pages,
        workers: typed.workers,
        connections_per_worker: typed.connections,
        rate_limit: typed.rate_limit,
        time_limit: Some(typed.time_limit).filter(|limit| !limit.is_zero()),
        search_endpoint,
        search_lanes,
        ..JobOptions::default()
    };
    let spec = JobSpec { target, sources, options };
    spec.validate()?;
    Ok(spec)
}

/// The absolute form of a path that exists, so that a job can be resumed from anywhere.
fn there(path: &Path) -> Result<String> {
    let wrong = |why: String| Failure::Failed(format!("cannot read `{}`: {why}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    std::fs::metadata(&absolute).map_err(|error| wrong(error.to_string()))?;
    absolute.into_os_string().into_string().map_err(|_| wrong("its name is not UTF-8: rename it".to_owned()))
}

/// What the simulated web is like.
pub(crate) fn simulation(typed: &args::Simulated) -> SimulationOptions {
    SimulationOptions {
        seed: typed.seed,
        emails: typed.emails,
        emails_per_call: Limits::default().emails_per_call,
        pages_per_call: typed.pages_per_call,
        call_delay: typed.call_delay,
        page_delay: typed.page_delay,
        page_bytes: typed.page_bytes,
        duplicate_share: typed.duplicates,
        failure_share: typed.failures,
        ..SimulationOptions::default()
    }
}

/// What `demo` is to do.
#[derive(Clone, Debug)]
pub(crate) struct DemoConfig {
    pub(crate) spec: JobSpec,
    pub(crate) engine: EngineOptions,
    pub(crate) fetching: Fetching,
    pub(crate) workers: u32,
}

/// The job of a demo against a simulated web at `base`.
pub(crate) fn demo(typed: &args::Demo, base: &str) -> Result<DemoConfig> {
    let emails = typed.simulated.emails;
    let workers = typed.workers.unwrap_or_else(|| mailscan_core::plan::worker_count(emails, &Limits::default()));
    let slots = slots(workers, typed.connections);
    let calls = emails.div_ceil(u64::from(Limits::default().emails_per_call));
    let lanes = u32::try_from(calls.clamp(1, slots as u64)).unwrap_or(u32::MAX);
    let most_calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let options = JobOptions {
        workers: Some(workers),
        connections_per_worker: typed.connections,
        // The simulated API takes its time itself.
        rate_limit: Duration::ZERO,
        time_limit: None,
        search_endpoint: Some(SearchEndpoint::searxng(base, lanes, most_calls.max(1))?),
        search_lanes: lanes,
        ..JobOptions::default()
    };
    let spec = JobSpec { target: emails, sources: vec![JobSource::Search("contact".to_owned())], options };
    spec.validate()?;
    let engine = EngineOptions { max_in_flight: slots, per_host: slots, ..EngineOptions::default() };
    let fetching = Fetching { client: ClientOptions::default(), pace: Pace::unlimited() };
    Ok(DemoConfig { spec, engine, fetching, workers })
}

/// How many fetches so many workers keep in flight.
pub(crate) fn slots(workers: u32, connections: u32) -> usize {
    (workers as usize).saturating_mul(connections as usize).clamp(1, MAX_IN_FLIGHT)
}
