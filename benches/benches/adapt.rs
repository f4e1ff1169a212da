//! The limit of requests at a time that a host gets, beside the best fixed one: pages a second that the fetcher brings over
//! real sockets from simulated sites that are fast, slow, and collapsing under load.
//!
//! Only the fetcher is measured, with as many tasks waiting as it will take, since what comes behind it would be the
//! bound of the fast site; and no site is so fast that its bound is the processors of this machine, which others use too.
//! A fixed number is what one would set by hand, knowing the site. What comes in the first seconds, while connections are
//! made and the limit is found, is not counted. `MAILSCAN_BENCH_SECONDS` is how long is measured, 10 unless it is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mailscan_core::fetch::{Budget, FetchContext, Fetcher, Recall};
use mailscan_core::job::{JobId, JobOptions, Origin};
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::source::http::{ClientOptions, HttpSource};
use mailscan_core::source::{Pace, Sources};
use mailscan_core::task::{Task, TaskId, Work};

/// The most requests at a time.
const CEILING: usize = 256;
/// What is set by hand for comparison.
const FIXED: [usize; 5] = [4, 16, 32, 64, CEILING];
/// How long the limit has to be found.
const WARM_UP: Duration = Duration::from_secs(20);
/// How long connections have to be made.
const SHORT_WARM_UP: Duration = Duration::from_secs(2);

/// A site that never ends within a run.
fn site(page_delay: Duration, bears: Option<usize>) -> SimulationOptions {
    let emails = 20_000_000;
    SimulationOptions { emails, page_delay, bears, page_bytes: 4_000, ..SimulationOptions::default() }
}

/// What a crawl came to: pages a second, the share of requests that failed, and where the limit stood at the end.
struct Outcome {
    rate: f64,
    errors: u64,
    limit: usize,
}

/// Asks for one page after the other, until it is dropped.
async fn ask(fetcher: Arc<Sources>, base: Arc<str>, next: Arc<AtomicU64>, errors: Arc<AtomicU64>) {
    let options = JobOptions::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let work = Work::Page { url: format!("{base}p/{}", number % 1_000_000) };
        let task = Task { id: TaskId(number), job: JobId(1), work, depth: 0, attempt: 1, crashes: 0 };
        let context = FetchContext {
            options: &options,
            budget: Budget::default(),
            recall: Recall::NEVER,
            origin: &Origin::Operator,
        };
        if fetcher.fetch(&task, &context).await.is_err() {
            errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn fetch(site: SimulationOptions, pace: Pace, warm_up: Duration, measured: Duration) -> Outcome {
    let web = SimulatedWeb::start(site).await.expect("a site");
    let http = HttpSource::new(&ClientOptions::default(), pace).expect("a client");
    let fetcher = Arc::new(Sources::new().with_http(http));
    let (base, next, errors): (Arc<str>, _, _) =
        (format!("http://{}/", web.local_addr()).into(), Arc::default(), Arc::<AtomicU64>::default());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..CEILING {
        asking.spawn(ask(fetcher.clone(), base.clone(), Arc::clone(&next), errors.clone()));
    }
    tokio::time::sleep(warm_up).await;
    let before = web.stats().pages;
    tokio::time::sleep(measured).await;
    let rate = (web.stats().pages - before) as f64 / measured.as_secs_f64();
    let limit = fetcher.limits().first().map_or(CEILING, |limit| limit.limit.min(CEILING));
    Outcome { rate, errors: errors.load(Ordering::Relaxed), limit }
}

fn main() {
    let seconds = std::env::var("MAILSCAN_BENCH_SECONDS").map_or(Ok(10), |text| text.parse());
    let measured = Duration::from_secs(seconds.expect("MAILSCAN_BENCH_SECONDS is a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let pace = |concurrency, adapts| Pace { concurrency, adapts, ..Pace::unlimited() };
    for (name, site) in [
        ("fast: 20 ms", site(Duration::from_millis(20), None)),
        ("slow: 300 ms", site(Duration::from_millis(300), None)),
        ("collapsing: 20 ms, slower beyond 32 at a time", site(Duration::from_millis(20), Some(32))),
    ] {
        println!("\n{name}");
        let (mut best, mut errors) = (0.0, 0);
        for number in FIXED {
            let outcome = runtime.block_on(fetch(site.clone(), pace(number, false), SHORT_WARM_UP, measured));
            println!("  fixed at {number:>4}          {:>8.0} pages/s", outcome.rate);
            best = f64::max(best, outcome.rate);
            errors += outcome.errors;
        }
        let outcome = runtime.block_on(fetch(site, pace(CEILING, true), WARM_UP, measured));
        errors += outcome.errors;
        let Outcome { rate, limit, .. } = outcome;
        let share = rate / best;
        println!(
            "  adapts up to {CEILING:>4}      {rate:>8.0} pages/s, {limit} at a time at the end: {share:.2} of the best"
        );
        println!("  {errors} errors");
    }
}
