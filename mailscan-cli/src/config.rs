//! What was typed, made sense of: settings that are known to be valid.

mod disk;
mod job_file;
mod search;
mod server;
mod suppression;

use std::path::Path;
use std::time::Duration;

use mailscan_core::engine::{EngineOptions, JobFilter};
use mailscan_core::job::{Crawl, JobOptions, JobSource, JobSpec, Origin};
use mailscan_core::limits::Limits;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::simulate::SimulationOptions;
use mailscan_core::source::Pace;
use mailscan_core::source::file::check_list;
use mailscan_core::source::http::{ClientOptions, IpNet, NetworkPolicy};
use mailscan_core::source::search::SearchEndpoint;
use mailscan_core::suppression::Suppression;

use crate::args;
use crate::exit::{Failure, Result};

pub(crate) use disk::min_free_disk;
pub(crate) use server::{server, server_limits, warning};
pub(crate) use suppression::SuppressionList;

fn planning(typed: &args::Planning) -> Limits {
    let args::Planning { max_workers, workers_per_1000 } = *typed;
    Limits { max_workers, workers_per_1000, ..Limits::default() }
}

fn valid(limits: Limits) -> Result<Limits> {
    limits.validate()?;
    Ok(limits)
}

/// The constants of a plan.
pub(crate) fn plan_limits(plan: &args::Plan) -> Result<Limits> {
    let args::Plan { rate_limit, deep_scrape, emails_per_call, .. } = *plan;
    valid(Limits { rate_limit, deep_scrape, emails_per_call, ..planning(&plan.planning) })
}

/// The constants by which the workers of jobs are told that others may work on: no job keeps them.
pub(crate) fn shown_limits(typed: &args::Planning) -> Result<Limits> {
    valid(planning(typed))
}

/// The constants of who works on jobs.
pub(crate) fn limits(typed: &args::Constants) -> Result<Limits> {
    valid(Limits { bloom_capacity: typed.bloom_capacity, ..planning(&typed.planning) })
}

/// What `run` is to do.
#[derive(Clone, Debug)]
pub(crate) struct RunConfig {
    pub(crate) db: String,
    pub(crate) start: Start,
    pub(crate) detach: bool,
    pub(crate) json: bool,
    /// Who is not collected.
    pub(crate) suppression: Suppression,
    /// The constants by which the job is planned.
    pub(crate) limits: Limits,
    /// Bytes that the disk of the database is to keep.
    pub(crate) min_free_disk: u64,
}

/// Which job to run.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// A new one.
    New(Box<JobSpec>),
    /// An unfinished one: this, or the newest.
    Resume(Option<u64>),
}

/// What the connections of a process may hold in all of pages that are being read, in bytes, as far as that is more than each
/// needs.
const READ_IN_ALL: usize = 8 << 20;

/// How sources are treated, beyond what belongs to a job.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    pub(crate) client: ClientOptions,
    pub(crate) pace: Pace,
    /// Whether this is for one job whose own wishes are part of it already.
    pub(crate) for_one_job: bool,
}

pub(crate) fn run(typed: &args::Run) -> Result<RunConfig> {
    let limits = limits(&typed.constants)?;
    if typed.detach && is_for_workers(typed, &limits) {
        let message = "--suppress, --memory-limit, --min-free-disk, --max-workers, --workers-per-1000, \
                       --bloom-capacity, --lease and --allow-network are for whoever works on a job: give them to the \
                       `serve` or `worker` that does";
        return Err(Failure::Usage(message.to_owned()));
    }
    if typed.resume.is_none() && !typed.allow_network.is_empty() {
        let message = "--allow-network is for --resume: a job of your own reaches every network here".to_owned();
        return Err(Failure::Usage(message));
    }
    let min_free_disk = min_free_disk(&typed.machine, &typed.database.db)?;
    let start = match typed.resume {
        Some(id) => Start::Resume(id),
        None => Start::New(Box::new(spec(&job_file::merged(typed)?)?)),
    };
    let suppression = SuppressionList::load(&typed.suppressed)?.entries;
    let args::Run { detach, json, .. } = *typed;
    Ok(RunConfig { db: typed.database.db.clone(), start, detach, json, suppression, limits, min_free_disk })
}

/// Whether something was typed that a job does not keep. A list that the environment names is that of whoever works here.
fn is_for_workers(typed: &args::Run, limits: &Limits) -> bool {
    let args::Machine { memory: args::Memory { memory_limit }, min_free_disk } = typed.machine;
    let named = std::env::var_os("MAILSCAN_SUPPRESS").map(std::path::PathBuf::from);
    let suppresses = typed.suppressed.suppress.as_ref().is_some_and(|list| named.as_ref() != Some(list));
    let machine = memory_limit.is_some() || min_free_disk.is_some() || !typed.allow_network.is_empty();
    suppresses || machine || *limits != Limits::default() || !typed.leases.is_default()
}

/// How hosts are treated: as typed now, or else as the job was started.
pub(crate) fn fetching(typed: &args::Politeness, kept: &JobOptions) -> Fetching {
    let mut client = ClientOptions::default();
    if let Some(contact) = typed.contact.as_ref().or(kept.contact.as_ref()) {
        client.contact.clone_from(contact);
    }
    let mut pace = Pace { interval: typed.rate_limit.unwrap_or(kept.rate_limit), ..Pace::default() };
    if let Some(most) = typed.per_host.or(kept.per_host) {
        pace.concurrency = most as usize;
    }
    Fetching { client, pace, for_one_job: true }
}

/// The same for a process that keeps at most so many fetches in flight: the fewer connections there are, the more is read at
/// once of each.
pub(crate) fn for_few(fetching: Fetching, in_flight: usize) -> Fetching {
    let read_at_once = (READ_IN_ALL / in_flight.max(1)).clamp(16 << 10, 64 << 10);
    Fetching { client: ClientOptions { read_at_once, ..fetching.client }, ..fetching }
}

/// The same for jobs that others hand in: a job's own wishes count beside what was typed.
pub(crate) fn for_others(fetching: Fetching, networks: &args::Networks) -> Fetching {
    Fetching { for_one_job: false, ..public_only(fetching, &networks.allow_network) }
}

/// How hosts are treated for a job that is resumed here: one that came through the API reaches no more than it would in a
/// server.
pub(crate) fn resumed(typed: &args::Run, origin: &Origin, kept: &JobOptions) -> Fetching {
    match origin {
        Origin::Operator => fetching(&typed.politeness, kept),
        Origin::Api { .. } => {
            let fetching = fetching(&typed.politeness, &JobOptions::default());
            Fetching { for_one_job: false, ..public_only(fetching, &typed.allow_network) }
        }
    }
}

/// The same where only public addresses are reached, and the networks that the operator names.
fn public_only(fetching: Fetching, allow: &[IpNet]) -> Fetching {
    let network = NetworkPolicy::PublicOnly { allow: allow.to_vec() };
    Fetching { client: ClientOptions { network, ..fetching.client }, ..fetching }
}

/// The same engine with leases that hold so long.
pub(crate) fn leased(options: EngineOptions, lease_for: Duration) -> EngineOptions {
    EngineOptions { lease_for, heartbeat: lease_for / 3, lease_margin: lease_for / 9, ..options }
}

/// An engine for fetchers of this pace, by these constants, with so many fetches in flight at most.
pub(crate) fn engine(
    pace: &Pace,
    memory: &args::Memory,
    limits: &Limits,
    jobs: JobFilter,
    max_in_flight: usize,
) -> EngineOptions {
    let (memory_limit, limits) = (memory.memory_limit, limits.clone());
    let options = EngineOptions { jobs, max_in_flight, memory_limit, limits, ..EngineOptions::default() };
    // Enough of a host's tasks at hand that its connections never wait for the queue.
    let per_host = options.per_host.max(pace.concurrency.saturating_mul(2));
    EngineOptions { per_host, ..options }
}

fn spec(typed: &args::Run) -> Result<JobSpec> {
    let mut sources: Vec<_> = typed.url.iter().cloned().map(JobSource::Url).collect();
    sources.extend(typed.sitemap.iter().cloned().map(JobSource::Sitemap));
    for path in &typed.urls {
        if path.as_os_str() == "-" {
            let message = "--urls names a file, which a job goes on with: write standard input to one first";
            return Err(Failure::Usage(message.to_owned()));
        }
        let list = there(path)?;
        if path.is_dir() {
            let message = format!("`{list}` is a folder: --urls names a file of one URL a line, --path reads folders");
            return Err(Failure::Failed(message));
        }
        check_list(path).map_err(|error| Failure::Usage(error.message))?;
        sources.push(JobSource::UrlList(list));
    }
    sources.extend(typed.search.iter().cloned().map(JobSource::Search));
    for path in &typed.path {
        sources.push(JobSource::Path(there(path)?));
    }
    let Some(target) = typed.target else {
        return Err(Failure::Usage("say how many addresses to collect with --target".to_owned()));
    };
    if typed.depth.is_some() && !typed.crawl {
        return Err(Failure::Usage("--depth is for a job that follows links: add --crawl".to_owned()));
    }
    if !typed.search.is_empty() && typed.search_endpoint.is_none() {
        return Err(Failure::Usage("a search needs an endpoint: name one with --search-endpoint".to_owned()));
    }
    let (search_endpoint, search_lanes) = match &typed.search_endpoint {
        Some(text) => search::endpoint(text, typed.search_lanes).map(|(text, lanes)| (Some(text), lanes))?,
        None => (None, 1),
    };
    let defaults = JobOptions::default();
    let options = JobOptions {
        crawl: typed.crawl.then_some(Crawl { max_depth: typed.depth.unwrap_or(Crawl::DEPTH) }),
        max_tasks: typed.max_pages,
        workers: typed.workers,
        connections_per_worker: typed.connections.unwrap_or(defaults.connections_per_worker),
        weight: typed.weight.unwrap_or(defaults.weight),
        rate_limit: typed.politeness.rate_limit.unwrap_or(defaults.rate_limit),
        per_host: typed.politeness.per_host,
        contact: typed.politeness.contact.clone(),
        classes: typed.classes.include.unwrap_or_default(),
        time_limit: typed.time_limit.or(defaults.time_limit).filter(|limit| !limit.is_zero()),
        search_endpoint,
        search_lanes,
        ..defaults
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
    pub(crate) fetching: Fetching,
    pub(crate) workers: u32,
    /// How many fetches are in flight when all connections are busy.
    pub(crate) slots: usize,
}

/// The workers of a demo, and how many fetches they are to keep in flight.
pub(crate) fn demo_plan(typed: &args::Demo) -> (u32, usize) {
    let WorkerPlan { workers, .. } = WorkerPlan::asked(typed.simulated.emails, typed.workers, &Limits::default());
    (workers, slots(workers, typed.connections))
}

/// The job of a demo against a simulated web at `base`, on which there is room for so many fetches in flight.
pub(crate) fn demo(typed: &args::Demo, base: &str, room: usize) -> Result<DemoConfig> {
    let emails = typed.simulated.emails;
    let (workers, planned) = demo_plan(typed);
    let slots = planned.min(room);
    let calls = emails.div_ceil(u64::from(Limits::default().emails_per_call));
    let lanes = calls.clamp(1, (slots as u64).min(JobOptions::MOST_CALLS));
    let lanes = u32::try_from(lanes).unwrap_or(u32::MAX);
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
    let fetching = Fetching { client: ClientOptions::default(), pace: Pace::unlimited(), for_one_job: true };
    Ok(DemoConfig { spec, fetching, workers, slots })
}

/// How many fetches the workers of a job are to keep in flight.
pub(crate) fn planned(spec: &JobSpec, limits: &Limits) -> usize {
    let plan = WorkerPlan::asked(spec.target, spec.options.workers, limits);
    slots(plan.workers, spec.options.connections_per_worker)
}

/// How many fetches so many workers keep in flight.
fn slots(workers: u32, connections: u32) -> usize {
    (workers as usize).saturating_mul(connections as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// The politeness of a run as typed, and what its job keeps.
    fn kept(words: &str) -> JobOptions {
        let words = ["mailscan", "run", "--url", "https://a.org/", "--target", "1"].into_iter().chain(words.split(' '));
        let args::Command::Run(run) = args::Args::try_parse_from(words).unwrap().command else { unreachable!() };
        let Start::New(spec) = super::run(&run).unwrap().start else { unreachable!() };
        spec.options
    }

    fn resumed(words: &str, kept: &JobOptions) -> Fetching {
        resumed_of(&Origin::Operator, words, kept)
    }

    fn resumed_of(origin: &Origin, words: &str, kept: &JobOptions) -> Fetching {
        let words = ["mailscan", "run", "--resume"].into_iter().chain(words.split_terminator(' '));
        let args::Command::Run(run) = args::Args::try_parse_from(words).unwrap().command else { unreachable!() };
        super::resumed(&run, origin, kept)
    }

    #[test]
    fn a_job_of_the_api_is_asked_for_as_by_a_server_whoever_resumes_it() {
        let (kept, origin) =
            (kept("--rate-limit 0 --per-host 100 --contact c@a.org"), Origin::Api { roots: Vec::new() });
        let Fetching { client, pace, for_one_job } = resumed_of(&origin, "", &kept);
        assert_eq!((pace, for_one_job), (Pace::default(), false), "what the job asks for counts only where it is less");
        assert!(client.contact != "c@a.org" && matches!(client.network, NetworkPolicy::PublicOnly { .. }));
        let Fetching { pace, .. } = resumed_of(&origin, "--per-host 20", &kept);
        assert_eq!(pace.concurrency, 20);
    }

    #[test]
    fn a_resumed_job_is_as_polite_as_it_began_unless_told_otherwise() {
        let kept = kept("--rate-limit 2 --per-host 3 --contact https://a.org/bot");
        let Fetching { client, pace, .. } = resumed("", &kept);
        assert_eq!((pace.interval, pace.concurrency), (Duration::from_secs(2), 3));
        assert_eq!(client.contact, "https://a.org/bot");
        let Fetching { client, pace, .. } = resumed("--rate-limit 0.1 --per-host 5 --contact b@a.org", &kept);
        assert_eq!((pace.interval, pace.concurrency), (Duration::from_millis(100), 5));
        assert_eq!(client.contact, "b@a.org");
    }

    #[test]
    fn a_job_has_the_weight_that_is_typed_or_in_its_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("job.json");
        std::fs::write(&file, r#"{"weight": 7}"#).unwrap();
        let job = format!("--job {}", file.display());
        let weights = ["--crawl", "--weight 3", &job, &format!("{job} --weight 3")].map(|words| kept(words).weight);
        assert_eq!(weights, [1, 3, 7, 3]);
    }

    fn command(words: &str) -> args::Command {
        args::Args::try_parse_from(["mailscan"].into_iter().chain(words.split(' '))).unwrap().command
    }

    #[test]
    fn whoever_works_on_jobs_goes_by_the_constants_that_are_typed() {
        let typed = "--max-workers 7 --workers-per-1000 100 --bloom-capacity 99";
        let expected = Limits { max_workers: 7, workers_per_1000: 100, bloom_capacity: 99, ..Limits::default() };
        let args::Command::Run(run) = command(&format!("run --resume {typed}")) else { unreachable!() };
        assert_eq!(super::run(&run).unwrap().limits, expected);
        let args::Command::Worker(worker) = command(&format!("worker --db postgres://h/d {typed}")) else {
            unreachable!()
        };
        assert_eq!(limits(&worker.constants).unwrap(), expected);
        let args::Command::Serve(serve) = command(&format!("serve {typed} --stale-after 60")) else { unreachable!() };
        assert_eq!(server_limits(&serve).unwrap(), Limits { stale_after: Duration::from_secs(60), ..expected });
        let args::Command::Serve(serve) = command("serve --lease 30") else { unreachable!() };
        assert_eq!(server_limits(&serve).unwrap(), Limits::default());
        let options = leased(EngineOptions::default(), serve.leases.lease);
        assert_eq!((options.lease_for, options.heartbeat), (Duration::from_secs(30), Duration::from_secs(10)));
    }

    #[test]
    fn the_fetches_of_a_job_follow_the_constants() {
        let limits = Limits { max_workers: 3, ..Limits::default() };
        let mut spec = JobSpec::new(10_000, vec![JobSource::Url("https://a.org/".to_owned())]);
        spec.options.connections_per_worker = 2;
        assert_eq!((planned(&spec, &Limits::default()), planned(&spec, &limits)), (1_000, 6));
        spec.options.workers = Some(5);
        assert_eq!(planned(&spec, &limits), 6, "there are no more, whatever the job asks for");
    }

    #[test]
    fn a_demo_has_no_more_workers_than_there_may_be() {
        let plan = |words| match command(words) {
            args::Command::Demo(demo) => demo_plan(&demo),
            other => panic!("{other:?}"),
        };
        assert_eq!(plan("demo --emails 2000 --workers 2000 --connections 2"), (1_000, 2_000));
        assert_eq!(plan("demo --emails 2000 --workers 3 --connections 2"), (3, 6));
        assert_eq!(plan("demo --emails 2000"), (100, 100));
    }

    #[test]
    fn few_connections_read_more_at_once_within_a_bound() {
        let read = |in_flight| for_few(resumed("", &kept("--crawl")), in_flight).client.read_at_once >> 10;
        assert_eq!([1, 128, 256, 1_000].map(read), [64, 64, 32, 16]);
    }

    #[test]
    fn a_job_that_was_told_nothing_gets_the_defaults() {
        let Fetching { client, pace, .. } = resumed("", &kept("--crawl"));
        let default = Pace::default();
        assert_eq!((pace.interval, pace.concurrency), (default.interval, default.concurrency));
        assert_eq!(client.contact, ClientOptions::default().contact);
    }
}
