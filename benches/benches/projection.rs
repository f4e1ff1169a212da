//! The founding projection: as a formula, and as the real engine lives it.
//!
//! The engine runs with its real queue, store, Bloom front and committer in memory, on a paused clock; only the sources
//! are scripted, with the founding latencies (0.1 s a call, 2 s for its page of ten addresses). The virtual time of a
//! job stands beside the formula's; the measured time is the engine's own cost.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
use mailscan_core::extract::Media;
use mailscan_core::fetch::{Discovered, Document, Documents, FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{JobSource, JobSpec, NewJob};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Backends;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::queue::QueueLimits;
use mailscan_core::store::Store;
use mailscan_core::task::{Task, Work};
use tokio::time::Instant;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// A search whose every call lists one page, and pages of ten addresses each, until all are served.
#[derive(Debug)]
struct Founding {
    emails: u64,
}

impl Fetcher for Founding {
    async fn fetch(&self, task: &Task, _context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        match &task.work {
            Work::Search { query, page, stride } => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let mut fetched = Fetched::default();
                if (u64::from(*page) - 1) * 10 < self.emails {
                    let url = format!("http://site{}.org/{page}", page % 97);
                    let next = Work::Search { query: query.clone(), page: page + stride, stride: *stride };
                    fetched.discovered =
                        [Work::Page { url }, next].into_iter().map(|work| Discovered { work, step: 0 }).collect();
                }
                Ok(fetched)
            }
            work => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let label = work.label();
                let page = label.rsplit('/').next().unwrap_or_default();
                let text: String = (0..10).map(|i| format!("user{i}.{page}@site{i}.org\n")).collect();
                let document = Document {
                    source: label.as_str().into(),
                    base: None,
                    media: Media::Text,
                    charset: None,
                    body: text.into(),
                    offset: 0,
                    truncated: false,
                };
                Ok(Fetched { documents: Documents::One(document), ..Fetched::default() })
            }
        }
    }
}

/// Runs a whole job; answers its virtual time.
fn live(emails: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let plan = WorkerPlan::new(emails, &Limits::default());
        let pipeline = Arc::new(Backends {
            queue: MemoryQueue::new(QueueLimits::default()),
            store: MemoryStore::new(),
            fetcher: Founding { emails },
        });
        let mut spec = JobSpec::new(emails, vec![JobSource::Search("everything".into())]);
        spec.options.connections_per_worker = 1;
        spec.options.search_lanes = plan.workers;
        spec.options.search_endpoint = Some("scripted".into());
        let job = pipeline.store.create_job(&NewJob::new(spec)).await.expect("a job").id();
        let options = EngineOptions { jobs: JobFilter::Only(job), per_host: 10_000, ..EngineOptions::default() };
        let begin = Instant::now();
        let engine = Engine::start(pipeline, options);
        let last = engine.finished(job).await.expect("the job ends");
        let took = begin.elapsed();
        engine.drain().await.expect("the engine ends");
        assert_eq!(last.collected, emails);
        took
    })
}

fn formula(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("projection/formula");
    for emails in SIZES {
        let plan = WorkerPlan::new(emails, &limits);
        println!("{emails} e-mails: {} workers, {:?} projected", plan.workers, plan.projection(&limits));
        group.bench_function(BenchmarkId::from_parameter(emails), |bench| {
            bench.iter(|| WorkerPlan::new(black_box(emails), &limits).projection(&limits));
        });
    }
    group.finish();
}

fn engine(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("projection/engine");
    group.sample_size(10);
    for emails in SIZES {
        let (projected, lived) = (WorkerPlan::new(emails, &limits).projection(&limits), live(emails));
        let ratio = lived.as_secs_f64() / projected.as_secs_f64();
        println!("{emails} e-mails: {lived:.2?} of virtual time, {ratio:.3} of the projected {projected:?}");
        group.throughput(Throughput::Elements(emails));
        group.bench_function(BenchmarkId::from_parameter(emails), |bench| bench.iter(|| live(black_box(emails))));
    }
    group.finish();
}

criterion_group!(benches, formula, engine);
criterion_main!(benches);
