//! `GET /metrics`, as Prometheus reads it.
//!
//! The figures of the work are those of the engine in this process, so that the sum over processes counts nothing twice;
//! those of jobs and their queues are the store's, and left out while it cannot be asked. Labels are names of this program,
//! but for the running jobs that have a series each, of which there are at most [`MAX_JOBS`].

use std::time::Duration;

use mailscan_core::engine::{FrontCounts, LATENCY_BOUNDS, Latencies, Monitor, TaskCounts, Vitals};
use mailscan_core::job::{JobCounts, JobState, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::Queue;
use mailscan_core::resources::Resources;
use mailscan_core::store::{JobQuery, Store};
use mailscan_core::task::Depth;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::problem::{self, Problem};
use crate::reply::Reply;
use crate::samples::Samples;
use crate::traffic::Traffic;

/// The most running jobs that have series of their own, those with the lowest ids.
const MAX_JOBS: usize = 32;
/// How many running jobs are read at a time.
const PAGE: usize = 1_000;
/// How long the store may take: who asks gives up after 10 s where nobody has said otherwise, and is to get the rest by then.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// The format of the answer.
pub(crate) const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is told, at one moment.
#[derive(Debug)]
struct Figures {
    vitals: Option<Vitals>,
    /// Nothing while the store cannot be asked.
    stored: Option<Stored>,
    resources: Resources,
    answers: [(&'static str, u64); 5],
    connections: usize,
    listeners: usize,
}

/// Reads everything that is told. A store that cannot be asked hides nothing of this process.
pub(crate) async fn reply<P: Pipeline>(
    pipeline: &P,
    monitor: Option<&Monitor>,
    samples: &Samples,
    traffic: &Traffic,
    listeners: usize,
) -> Result<Reply, Problem> {
    let figures = Figures {
        stored: asked(pipeline, samples).await,
        vitals: monitor.and_then(Monitor::vitals),
        resources: samples.resources(),
        answers: traffic.answers(),
        connections: traffic.connections(),
        listeners,
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).map_err(|_| Problem::internal())?;
    Ok(Reply::whole(MEDIA, text))
}

/// What the store and the queue say, if they do.
async fn asked<P: Pipeline>(pipeline: &P, samples: &Samples) -> Option<Stored> {
    match tokio::time::timeout(ASK_WITHIN, stored(pipeline, samples)).await {
        Ok(Ok(stored)) => Some(stored),
        Ok(Err(error)) => {
            problem::log(&error, "the figures of jobs could not be read");
            None
        }
        Err(_) => {
            tracing::warn!("the figures of jobs take longer than {} s", ASK_WITHIN.as_secs());
            None
        }
    }
}

/// How the jobs of the store stand.
#[derive(Debug)]
struct Stored {
    jobs: JobCounts,
    running: Running,
}

async fn stored<P: Pipeline>(pipeline: &P, samples: &Samples) -> mailscan_core::Result<Stored> {
    Ok(Stored { jobs: pipeline.store().job_counts().await?, running: running(pipeline, samples).await? })
}

/// The running jobs.
#[derive(Debug, Default)]
struct Running {
    /// Those that have series of their own, with the addresses a minute that each finds.
    series: Vec<(JobState, f64)>,
    /// The queues of all.
    depth: Depth,
    emails_per_minute: f64,
}

/// Adds up all running jobs, so many at a time.
async fn running<P: Pipeline>(pipeline: &P, samples: &Samples) -> mailscan_core::Result<Running> {
    let mut running = Running::default();
    let mut query = JobQuery { limit: PAGE, statuses: vec![JobStatus::Running], ..JobQuery::default() };
    loop {
        let page = pipeline.store().jobs(&query).await?;
        let Some(last) = page.last() else { return Ok(running) };
        query.after = last.id.0;
        let ids: Vec<_> = page.iter().map(|job| job.id).collect();
        pipeline.queue().depths(&ids).await?.iter().for_each(|depth| running.depth.add(depth));
        for job in page {
            let rate = samples.eta(&job).emails_per_minute;
            running.emails_per_minute += rate;
            if running.series.len() < MAX_JOBS {
                running.series.push((job, rate));
            }
        }
    }
}

type Written = Result<(), std::fmt::Error>;

/// One metric: a value without labels.
fn one(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, metric: &impl EncodeMetric) -> Written {
    metric.encode(to.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Written {
    one(to, name, help, &ConstGauge::new(value))
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Written {
    one(to, name, help, &ConstCounter::new(value))
}

/// A metric with a value for each value of a label.
fn family<M: EncodeMetric + TypedMetric>(
    to: &mut DescriptorEncoder<'_>,
    (name, help, label): (&str, &str, &'static str),
    values: impl IntoIterator<Item = (String, M)>,
) -> Written {
    let mut encoder = to.encode_descriptor(name, help, None, M::TYPE)?;
    for (value, metric) in values {
        metric.encode(encoder.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn gauges(
    to: &mut DescriptorEncoder<'_>,
    about: (&str, &str, &'static str),
    values: impl IntoIterator<Item = (&'static str, f64)>,
) -> Written {
    family(to, about, values.into_iter().map(|(label, value)| (label.to_owned(), ConstGauge::new(value))))
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    about: (&str, &str, &'static str),
    values: impl IntoIterator<Item = (&'static str, u64)>,
) -> Written {
    family(to, about, values.into_iter().map(|(label, value)| (label.to_owned(), ConstCounter::new(value))))
}

fn histogram(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, times: &Latencies) -> Written {
    let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(times.buckets).collect();
    let mut encoder = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    encoder.encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), times.count(), &buckets, None)
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Written {
        let to = &mut encoder;
        if let Some(vitals) = &self.vitals {
            work(to, vitals)?;
        }
        let up = f64::from(self.stored.is_some());
        gauge(to, "mailscan_database_up", "Whether the database answers; without it there are no figures of jobs", up)?;
        if let Some(stored) = &self.stored {
            stored.encode(to)?;
        }
        self.process(to)
    }
}

/// What the engine of this process does.
fn work(to: &mut DescriptorEncoder<'_>, vitals: &Vitals) -> Written {
    let idle = vitals.workers.saturating_sub(vitals.workers_active) as f64;
    let workers = [("active", vitals.workers_active as f64), ("idle", idle)];
    gauges(to, ("mailscan_workers", "Workers of this process", "state"), workers)?;
    gauge(to, "mailscan_fetches_in_flight", "Fetches in flight in this process", vitals.in_flight as f64)?;
    gauge(to, "mailscan_fetches_limit", "The most fetches that may be in flight now", vitals.places as f64)?;
    gauge(to, "mailscan_fetches_limit_max", "The most that there may ever be", vitals.most_places as f64)?;
    let holds = ["memory", "cpu", "disk"].map(|reason| (reason, f64::from(vitals.hold == Some(reason))));
    gauges(to, ("mailscan_throttle_held", "Whether the process is held back, by what is short", "reason"), holds)?;
    let TaskCounts { done, retried, released, failed } = vitals.tasks;
    counter(to, "mailscan_pages", "Pages, calls and files processed", done)?;
    let outcomes = [("done", done), ("retried", retried), ("released", released), ("failed", failed)];
    counters(to, ("mailscan_deliveries", "Deliveries of tasks by their end", "outcome"), outcomes)?;
    counter(to, "mailscan_addresses", "Addresses stored that were new", vitals.addresses)?;
    counter(to, "mailscan_mentions", "Addresses extracted, repeats included", vitals.mentions)?;
    let FrontCounts { stored_lately, surely_new, doubtful, known, unknown, rebuilt, bytes } = vitals.front;
    let answers = [("stored_lately", stored_lately), ("surely_new", surely_new), ("doubtful", doubtful)];
    counters(
        to,
        ("mailscan_front_mentions", "Mentions by what the Bloom front and its memory say", "answer"),
        answers,
    )?;
    let looked_up = [("known", known), ("unknown", unknown)];
    counters(to, ("mailscan_front_lookups", "Doubtful mentions that the store was asked for", "answer"), looked_up)?;
    counter(to, "mailscan_front_rebuilds", "Bloom filters that were full and made anew", rebuilt)?;
    gauge(to, "mailscan_front_bytes", "Memory of the Bloom filters of the jobs at work", bytes as f64)?;
    let errors = vitals.errors.iter().map(|(class, count)| (class.as_str(), *count));
    counters(to, ("mailscan_errors", "Errors of workers", "class"), errors)?;
    histogram(to, "mailscan_claim_seconds", "How long the queue takes to answer a claim", &vitals.claims)?;
    histogram(to, "mailscan_commit_seconds", "How long the backend takes to write a batch", &vitals.commits)
}

impl Stored {
    fn encode(&self, to: &mut DescriptorEncoder<'_>) -> Written {
        let jobs = JobStatus::ALL.map(|status| (status.as_str(), self.jobs.of(status) as f64));
        gauges(to, ("mailscan_jobs", "Jobs of the store", "status"), jobs)?;
        let Depth { pending, delayed, leased, done, blocked, failed, quarantined, .. } = self.running.depth;
        let tasks = [
            ("pending", pending),
            ("delayed", delayed),
            ("processing", leased),
            ("completed", done),
            ("blocked", blocked),
            ("failed", failed),
            ("quarantined", quarantined),
        ];
        let tasks = tasks.map(|(state, count)| (state, count as f64));
        gauges(to, ("mailscan_queue_tasks", "Tasks of the running jobs", "state"), tasks)?;
        gauge(
            to,
            "mailscan_emails_per_minute",
            "New addresses a minute over all running jobs",
            self.running.emails_per_minute,
        )?;
        let each = |value: fn(&(JobState, f64)) -> f64| {
            self.running.series.iter().map(move |entry| (entry.0.id.to_string(), ConstGauge::new(value(entry))))
        };
        let collected = ("mailscan_job_collected", "Addresses stored for a running job", "job");
        family(to, collected, each(|(job, _)| job.collected as f64))?;
        let target = ("mailscan_job_target", "Addresses wanted by a running job", "job");
        family(to, target, each(|(job, _)| job.target as f64))?;
        let rate = ("mailscan_job_emails_per_minute", "New addresses a minute of a running job", "job");
        family(to, rate, each(|(_, rate)| *rate))
    }
}

impl Figures {
    /// What this process uses, and what it answers.
    fn process(&self, to: &mut DescriptorEncoder<'_>) -> Written {
        let Resources { memory, memory_peak, memory_limit, cpu, process_cpu_time, load, .. } = self.resources;
        gauge(to, "process_resident_memory_bytes", "Memory of this process", memory as f64)?;
        gauge(to, "mailscan_memory_peak_bytes", "The most memory this process has had", memory_peak as f64)?;
        gauge(to, "mailscan_memory_limit_bytes", "The memory that holds for this process", memory_limit as f64)?;
        let seconds = ConstCounter::new(process_cpu_time.as_secs_f64());
        one(to, "process_cpu_seconds", "Processor time of this process", &seconds)?;
        gauge(to, "mailscan_cpu_busy_ratio", "The share of the processors that is busy, by anybody", cpu)?;
        gauge(to, "mailscan_load1", "Load average over a minute", load[0])?;
        counters(to, ("mailscan_http_answers", "Answers by class of their status", "status"), self.answers)?;
        gauge(to, "mailscan_http_connections", "Open connections", self.connections as f64)?;
        gauge(to, "mailscan_http_listeners", "Listeners to live events", self.listeners as f64)
    }
}
