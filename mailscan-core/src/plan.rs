//! How many workers a job gets, and how long it should take. Pure.
//!
//! [`WorkerPlan::new`] turns a number of e-mails into workers by the [`Limits`]; [`WorkerPlan::projection`] turns that
//! into time, in integers, so that no figure of either depends on rounding. [`PageRate`] says how many pages can come.

use std::time::Duration;

use crate::limits::Limits;

/// Workers for a number of e-mails: `emails / 1000 x workers_per_1000`, rounded up, at least 1 for any e-mail, at
/// most `max_workers`; 0 for none.
pub fn worker_count(emails: u64, limits: &Limits) -> u32 {
    let uncapped = (u128::from(emails) * u128::from(limits.workers_per_1000)).div_ceil(1_000);
    u32::try_from(uncapped).unwrap_or(u32::MAX).min(limits.max_workers)
}
/// How a job is spread over workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerPlan {
    /// E-mails to collect.
    pub emails: u64,
    /// Workers that collect them.
    pub workers: u32,
    /// E-mails that the busiest worker collects: `emails / workers`, rounded up.
    pub emails_per_worker: u64,
}

impl WorkerPlan {
    /// The plan for `emails`. With the default limits that is 20 e-mails a worker
    /// ([`Limits::optimal_results_per_worker`]) up to 20,000, and more above.
    pub fn new(emails: u64, limits: &Limits) -> Self {
        Self::with_workers(emails, worker_count(emails, limits))
    }

    /// The plan for a number of workers set by hand. With 0 workers nobody collects anything, and the times of it are 0.
    pub fn with_workers(emails: u64, workers: u32) -> Self {
        let emails_per_worker = if workers == 0 { 0 } else { emails.div_ceil(u64::from(workers)) };
        Self { emails, workers, emails_per_worker }
    }

    /// The plan for `emails` with the workers that somebody asked for, where they did; never more than there may be.
    pub fn asked(emails: u64, workers: Option<u32>, limits: &Limits) -> Self {
        match workers {
            // Nobody is needed where nothing is wanted.
            Some(workers) if emails > 0 => Self::with_workers(emails, workers.min(limits.max_workers)),
            _ => Self::new(emails, limits),
        }
    }

    /// Whether it has as many workers as a job may have.
    pub const fn is_capped(&self, limits: &Limits) -> bool {
        self.workers >= limits.max_workers
    }

    /// API calls of the busiest worker.
    pub fn calls_per_worker(&self, limits: &Limits) -> u64 {
        self.emails_per_worker.div_ceil(u64::from(limits.emails_per_call.max(1)))
    }

    /// How long the job takes by the founding model: calls of the busiest worker x (rate limit + deep scrape), the
    /// pages of one call being fetched in parallel. Saturates at [`Duration::MAX`].
    pub fn projection(&self, limits: &Limits) -> Duration {
        let per_call = limits.rate_limit.saturating_add(limits.deep_scrape).as_nanos();
        let nanos = per_call.saturating_mul(u128::from(self.calls_per_worker(limits)));
        let seconds = u64::try_from(nanos / 1_000_000_000);
        seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, (nanos % 1_000_000_000) as u32))
    }

    /// The same where no more than so many pages a second can come, of which each call lists at least one.
    pub fn projection_at(&self, limits: &Limits, rate: &PageRate) -> Duration {
        let pages = self.emails.div_ceil(u64::from(limits.emails_per_call.max(1)));
        let fetched = Duration::try_from_secs_f64(pages as f64 / rate.most());
        // Without a page there is nothing to wait for.
        let fetched = if pages == 0 { Duration::ZERO } else { fetched.unwrap_or(Duration::MAX) };
        self.projection(limits).max(fetched)
    }
}

/// Where pages come from, as far as it bounds how many come a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hosts {
    /// How many hosts there are. From 1.
    pub hosts: u64,
    /// The most requests to one of them at a time.
    pub at_a_time: u32,
    /// The least time between the starts of two requests to one of them.
    pub interval: Duration,
}

/// How many pages can come in a second, by each of the limits that work together; the least of them binds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageRate {
    /// By the plan: all connections of all workers busy.
    pub workers: f64,
    /// By the hosts, whatever the workers.
    pub hosts: f64,
    /// By the process: as many fetches in flight as it may have. Infinite where nothing is known of it.
    pub process: f64,
}

/// Which limit of a [`PageRate`] binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageBound {
    /// The plan's workers and their connections.
    Workers,
    /// The hosts, so that more workers would bring nothing.
    Hosts,
    /// The process that does the work.
    Process,
}

impl PageBound {
    /// A stable short name, for programs and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Hosts => "hosts",
            Self::Process => "process",
        }
    }
}

impl PageRate {
    /// The rates for pages that take `page` each. Infinite where pages take no time and nothing is to be waited for.
    pub fn new(workers: u32, connections: u32, page: Duration, hosts: &Hosts) -> Self {
        let each = page.as_secs_f64();
        let of_host = (f64::from(hosts.at_a_time) / each).min(1.0 / hosts.interval.as_secs_f64());
        let workers = f64::from(workers) * f64::from(connections) / each;
        Self { workers, hosts: hosts.hosts as f64 * of_host, process: f64::INFINITY }
    }

    /// The same in a process that keeps at most so many fetches in flight, of pages that take `page` each.
    #[must_use]
    pub fn in_process(self, places: usize, page: Duration) -> Self {
        Self { process: places as f64 / page.as_secs_f64(), ..self }
    }

    /// The least of them.
    pub fn most(&self) -> f64 {
        self.workers.min(self.hosts).min(self.process)
    }

    /// Which of them that is; of equal ones the workers, which are the easiest to change, then the process.
    pub fn bound(&self) -> PageBound {
        let most = self.most();
        if self.workers <= most {
            PageBound::Workers
        } else if self.process <= most {
            PageBound::Process
        } else {
            PageBound::Hosts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn workers_that_were_asked_for_are_planned_as_far_as_there_may_be_so_many() {
        let limits = Limits { max_workers: 100, ..Limits::default() };
        let workers = |emails, asked| WorkerPlan::asked(emails, asked, &limits).workers;
        assert_eq!((workers(1_000, None), workers(1_000, Some(7)), workers(1_000, Some(101))), (50, 7, 100));
        assert_eq!(
            (workers(0, Some(7)), workers(1_000, Some(0))),
            (0, 0),
            "nobody where nothing, or nobody, is wanted"
        );
    }

    #[test]
    fn a_plan_takes_at_least_the_time_of_its_pages() {
        let limits = Limits::default();
        let at = |emails, hosts| {
            let hosts = Hosts { hosts, at_a_time: 1, interval: Duration::from_secs(4) };
            let plan = WorkerPlan::new(emails, &limits);
            plan.projection_at(&limits, &PageRate::new(plan.workers, 100, limits.deep_scrape, &hosts))
        };
        assert_eq!(at(1_000_000, 1_000), Duration::from_secs(400), "100,000 pages, 250 a second");
        assert_eq!(at(1_000_000, 1_000_000), Duration::from_secs(210), "as by the workers alone");
        assert_eq!((at(0, 1), at(1, 0)), (Duration::ZERO, Duration::MAX));
    }

    #[test]
    fn the_least_of_all_limits_binds() {
        let hosts = Hosts { hosts: 1_000, at_a_time: 1, interval: Duration::from_secs(3) };
        let page = Duration::from_secs(2);
        let rate = |workers| PageRate::new(workers, 1, page, &hosts);
        let found = |rate: PageRate| (rate.most() as u64, rate.bound().as_str());
        assert_eq!(found(rate(1_000)), (333, "hosts"));
        assert_eq!(found(rate(10)), (5, "workers"));
        assert_eq!(found(rate(1_000).in_process(384, page)), (192, "process"));
        assert_eq!(found(rate(384).in_process(384, page)), (192, "workers"), "neither would bring more alone");
    }

    #[test]
    fn the_contracts_table() {
        let limits = Limits::default();
        assert_eq!(limits.optimal_results_per_worker(), 20);
        for (emails, workers, per_worker, seconds) in [
            (0, 0, 0, 0.0),
            (1, 1, 1, 2.1),
            (19, 1, 19, 4.2),
            (20, 1, 20, 4.2),
            (21, 2, 11, 4.2),
            (999, 50, 20, 4.2),
            (1_000, 50, 20, 4.2),
            (10_000, 500, 20, 4.2),
            (19_999, 1_000, 20, 4.2),
            (20_000, 1_000, 20, 4.2),
            (20_001, 1_000, 21, 6.3),
            (100_000, 1_000, 100, 21.0),
            (1_000_000, 1_000, 1_000, 210.0),
        ] {
            let plan = WorkerPlan::new(emails, &limits);
            assert_eq!((plan.workers, plan.emails_per_worker), (workers, per_worker), "{emails} e-mails");
            assert_eq!(plan.projection(&limits), Duration::from_secs_f64(seconds), "{emails} e-mails");
        }
    }

    #[test]
    fn hosts_bound_what_workers_bring() {
        let slow = Hosts { hosts: 1_000, at_a_time: 1, interval: Duration::from_secs(3) };
        let rate = PageRate::new(1_000, 100, Duration::from_secs(2), &slow);
        assert_eq!((rate.most().floor(), rate.bound()), (333.0, PageBound::Hosts));
        let quick = Hosts { at_a_time: 8, interval: Duration::ZERO, ..slow };
        let rate = PageRate::new(50, 1, Duration::from_secs(2), &quick);
        assert_eq!((rate.most(), rate.hosts, rate.bound()), (25.0, 4_000.0, PageBound::Workers));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let limits = Limits { workers_per_1000: u32::MAX, max_workers: u32::MAX, ..Limits::default() };
        assert_eq!(worker_count(u64::MAX, &limits), u32::MAX);
        let plan = WorkerPlan::new(u64::MAX, &Limits { deep_scrape: Duration::MAX, ..Limits::default() });
        assert_eq!(plan.workers, 1_000);
        assert_eq!(plan.projection(&Limits { deep_scrape: Duration::MAX, ..Limits::default() }), Duration::MAX);
    }

    proptest! {
        #[test]
        fn never_over_the_cap_and_never_idle(emails: u64, max_workers in 1u32.., workers_per_1000 in 1u32..) {
            let limits = Limits { max_workers, workers_per_1000, ..Limits::default() };
            let workers = worker_count(emails, &limits);
            prop_assert!(workers <= max_workers);
            prop_assert_eq!(workers == 0, emails == 0);
        }

        #[test]
        fn below_the_cap_a_worker_has_its_optimum_and_above_an_equal_part(emails in 1_u64..10_000_000, workers_per_1000 in 1_u32..=1_000) {
            let limits = Limits { workers_per_1000, ..Limits::default() };
            let (optimum, plan) = (limits.optimal_results_per_worker(), WorkerPlan::new(emails, &limits));
            if plan.workers < limits.max_workers {
                prop_assert!(plan.emails_per_worker <= optimum);
                prop_assert!(emails % 1_000 > 0 || plan.emails_per_worker == optimum);
            } else {
                prop_assert_eq!(plan.emails_per_worker, emails.div_ceil(1_000));
            }
        }

        #[test]
        fn monotone_in_emails(a: u64, b: u64) {
            let limits = Limits::default();
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(worker_count(low, &limits) <= worker_count(high, &limits));
        }

        #[test]
        fn projection_is_monotone_above_the_cap(a in 20_000u64.., b in 20_000u64..) {
            let limits = Limits::default();
            let (low, high) = (WorkerPlan::new(a.min(b), &limits), WorkerPlan::new(a.max(b), &limits));
            prop_assert!(low.projection(&limits) <= high.projection(&limits));
        }

        #[test]
        fn workers_suffice(emails in 1u64..) {
            let plan = WorkerPlan::new(emails, &Limits::default());
            let capacity = u128::from(plan.workers) * u128::from(plan.emails_per_worker);
            prop_assert!(capacity >= u128::from(emails));
            prop_assert!(capacity - u128::from(emails) < u128::from(plan.workers));
        }
    }
}
