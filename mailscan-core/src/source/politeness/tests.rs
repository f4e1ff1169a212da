//! The gate on a paused clock: turns, refusals, limits of jobs, and what other processes were told.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::{BoxFuture, FutureExt};

mod of_job;
mod outage;

use super::places::IDLE;
use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::fetch::JOB_TURN;
use crate::turns::{TurnGrant, TurnRequest};

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test(start_paused = true)]
async fn starts_are_an_interval_apart_and_a_crawl_delay_counts_more() {
    let gate = Politeness::new(Pace { interval: Duration::from_millis(100), ..Pace::default() });
    let begin = Instant::now();
    for _ in 0..4 {
        gate.turn("a", None, None, far()).await.unwrap();
    }
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
    let begin = Instant::now();
    for _ in 0..3 {
        gate.turn("b", None, Some(Duration::from_secs(2)), far()).await.unwrap();
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn patience_and_intervals_without_an_end_are_long() {
    let gate = Politeness::new(Pace { patience: Duration::MAX, interval: Duration::MAX, ..Pace::default() });
    gate.turn("a", None, None, in_time(Duration::MAX)).await.unwrap();
    gate.unblocked("a", in_time(Duration::MAX)).await.unwrap();
    assert_eq!(gate.turn("a", None, None, far()).await.unwrap_err().class, FetchErrorClass::Deferred);
}

#[tokio::test(start_paused = true)]
async fn hosts_do_not_wait_for_each_other() {
    let gate = Politeness::new(Pace { interval: Duration::from_secs(5), ..Pace::default() });
    let begin = Instant::now();
    for host in ["a", "b", "c"] {
        gate.turn(host, None, None, far()).await.unwrap();
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_more_at_a_time_than_allowed() {
    let gate = Politeness::new(Pace {
        interval: Duration::ZERO,
        concurrency: 2,
        patience: Duration::from_secs(1),
        ..Pace::default()
    });
    let first = gate.turn("a", None, None, far()).await.unwrap();
    let _second = gate.turn("a", None, None, far()).await.unwrap();
    let third = gate.turn("a", None, None, far()).await.unwrap_err();
    assert_eq!(third.class, FetchErrorClass::Deferred);
    drop(first);
    gate.turn("a", None, None, far()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_the_host_and_doubles_until_it_answers() {
    let gate = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
    for seconds in [1, 2, 4] {
        let turn = gate.turn("a", None, None, far()).await.unwrap();
        assert_eq!(turn.refused(None, None).wait, Duration::from_secs(seconds));
    }
    let begin = Instant::now();
    let turn = gate.turn("a", None, None, far()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(4));
    turn.welcome();
    assert_eq!(turn.refused(None, None).wait, Duration::from_secs(1));
    assert_eq!(turn.refused(None, None).wait, Duration::from_secs(1), "refused together counts once");
    turn.welcome();
    assert_eq!(turn.refused(Some(Duration::from_secs(90)), None).wait, Duration::from_secs(90));
    drop(turn);
    let deferred = gate.turn("a", None, None, far()).await.unwrap_err();
    assert!(deferred.retry_after.unwrap() >= Duration::from_secs(90));
}

/// Asks for pages until each was served by a host that serves one in each half second and refuses what comes sooner.
/// Answers how many refusals that took, and the most of one page.
async fn ask_a_host_with_a_limit(gate: &Politeness, pages: u64) -> (u32, u32) {
    let mut free = Instant::now();
    let (mut refusals, mut most) = (0, 0);
    for page in 0..pages {
        let mut of_page = 0;
        loop {
            let turn = gate.turn("a", None, None, far()).await.unwrap();
            if free <= Instant::now() {
                free = Instant::now() + Duration::from_millis(500);
                turn.welcome();
                break;
            }
            of_page += 1;
            assert!(turn.refused(None, Some(page)).of_pace, "page {page} is refused for the {of_page}th time");
        }
        refusals += of_page;
        most = most.max(of_page);
    }
    (refusals, most)
}

#[tokio::test(start_paused = true)]
async fn refusals_teach_a_pace_that_the_host_bears() {
    let gate = Politeness::new(Pace::default());
    let (refusals, most) = ask_a_host_with_a_limit(&gate, 120).await;
    // Four doublings from a tenth of a second, and one each time that the pace has crept up again.
    assert!((1..=8).contains(&refusals), "{refusals}");
    assert_eq!(most, 1, "the rest that follows is long enough");
    let quick = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
    let (refusals, _) = ask_a_host_with_a_limit(&quick, 120).await;
    assert!((1..=10).contains(&refusals), "{refusals}");
}

#[tokio::test(start_paused = true)]
async fn a_pace_that_was_learnt_is_forgotten_by_good_answers() {
    let gate = Politeness::new(Pace::default());
    let turn = gate.turn("a", None, None, far()).await.unwrap();
    turn.welcome();
    assert!(turn.refused(None, Some(1)).of_pace);
    drop(turn);
    let starts = async || {
        gate.turn("a", None, None, far()).await.unwrap().welcome();
        let begin = Instant::now();
        gate.turn("a", None, None, far()).await.unwrap().welcome();
        begin.elapsed()
    };
    assert_eq!(starts().await, Duration::from_millis(200));
    for _ in 0..40 {
        starts().await;
    }
    assert_eq!(starts().await, Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_page_or_of_everything_are_not_those_of_a_pace() {
    let gate = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
    let ask = async |page| {
        let turn = gate.turn("a", None, None, Instant::now() + Duration::from_secs(300)).await;
        turn.map(|turn| turn.refused(Some(Duration::ZERO), Some(page)).of_pace)
    };
    let serve = async || gate.turn("a", None, None, far()).await.unwrap().welcome();
    assert!(!ask(1).await.unwrap(), "a host that has served nothing");
    let robots = gate.turn("a", None, None, far()).await.unwrap();
    robots.passes_over();
    robots.welcome();
    drop(robots);
    assert!(!ask(1).await.unwrap(), "a host that has served nothing but its robots.txt");
    let mut of_one = Vec::new();
    for _ in 0..5 {
        serve().await;
        of_one.push(ask(1).await.unwrap());
    }
    assert_eq!(of_one, [true, true, true, false, false], "a page that is refused while others are served");
    serve().await;
    let mut of_all = Vec::new();
    for page in 10..18 {
        of_all.push(ask(page).await.unwrap());
    }
    assert_eq!(of_all, [true, true, true, true, true, true, false, false], "a host that serves nothing any more");
}

#[tokio::test(start_paused = true)]
async fn calls_keep_to_a_pace_that_was_learnt_and_to_no_other() {
    let gate = Politeness::new(Pace { interval: Duration::from_secs(5), ..Pace::default() });
    let call = gate.unblocked("a", far()).await.unwrap();
    call.welcome();
    assert!(call.refused(Some(Duration::ZERO), Some(1)).of_pace);
    let begin = Instant::now();
    for _ in 0..3 {
        gate.unblocked("a", far()).await.unwrap();
    }
    assert_eq!(begin.elapsed(), Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn a_job_may_want_fewer_at_a_time_than_the_process() {
    let pace = Pace { interval: Duration::ZERO, concurrency: 3, patience: Duration::from_secs(1), ..Pace::default() };
    let gate = Politeness::new(pace);
    let limit = |job, most| Some(JobLimit { job: JobId(job), most, interval: Duration::ZERO });
    let first = gate.turn("a", limit(1, 1), None, far()).await.unwrap();
    let deferred = gate.turn("a", limit(1, 1), None, far()).await.unwrap_err();
    assert_eq!((deferred.class, &*deferred.code), (FetchErrorClass::Deferred, JOB_TURN));
    let _elsewhere = gate.turn("b", limit(1, 1), None, far()).await.unwrap();
    let _of_another = gate.turn("a", limit(2, 1), None, far()).await.unwrap();
    let _more_than_all = gate.turn("a", limit(3, 9), None, far()).await.unwrap();
    assert!(gate.turn("a", limit(3, 9), None, far()).await.is_err(), "the limit for all counts as well");
    drop(first);
    gate.turn("a", limit(1, 1), None, far()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_keeps_to_its_own_limit_is_named_while_others_wait() {
    let gate = Arc::new(Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() }));
    let limit = Some(JobLimit { job: JobId(7), most: 1, interval: Duration::ZERO });
    let _first = gate.turn("a", limit, None, far()).await.unwrap();
    assert_eq!(gate.limits(), []);
    let waits = gate.clone();
    tokio::spawn(async move { waits.turn("a", limit, None, far()).await.is_ok() });
    tokio::task::yield_now().await;
    let [HostLimit { host, limit: 1, under_way: 1, waiting: 1, .. }] = &gate.limits()[..] else { panic!("{gate:?}") };
    assert_eq!(host, "a");
}

/// What a job wants that asks a host once in so many seconds.
fn once_in(seconds: u64) -> Option<JobLimit> {
    Some(JobLimit { job: JobId(1), most: 8, interval: Duration::from_secs(seconds) })
}

#[tokio::test(start_paused = true)]
async fn a_job_may_want_more_time_between_its_requests_than_the_process() {
    let gate = Politeness::new(Pace::default());
    let begin = Instant::now();
    for second in [0, 5, 10] {
        gate.turn("a", once_in(5), None, far()).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(second));
    }
    gate.turn("b", once_in(5), None, far()).await.unwrap();
    gate.turn("a", None, None, far()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(11), "other hosts and other jobs wait for nothing");
    let quicker = once_in(0);
    gate.turn("c", quicker, None, far()).await.unwrap();
    let begin = Instant::now();
    gate.turn("c", quicker, None, far()).await.unwrap();
    assert_eq!(begin.elapsed(), Pace::default().interval, "nor may one be quicker than the process");
}

#[tokio::test(start_paused = true)]
async fn the_interval_of_a_job_begins_when_its_request_does() {
    let gate = Politeness::new(Pace { interval: Duration::ZERO, concurrency: 1, ..Pace::default() });
    let begin = Instant::now();
    let of_another = gate.turn("a", None, None, far()).await.unwrap();
    let one = || async {
        drop(gate.turn("a", once_in(5), None, far()).await.unwrap());
        begin.elapsed()
    };
    let leave = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        drop(of_another);
    };
    let (first, second, ()) = tokio::join!(one(), one(), leave);
    assert_eq!([first, second], [4, 9].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_longer_than_patience_comes_back_when_it_is_its_turn() {
    let gate = Politeness::new(Pace::default());
    gate.turn("a", once_in(60), None, far()).await.unwrap();
    let begin = Instant::now();
    let wait = || gate.turn("a", once_in(60), None, far());
    for deferred in [wait().await.unwrap_err(), tokio::join!(wait(), wait()).1.unwrap_err()] {
        assert_eq!((deferred.class, &*deferred.code), (FetchErrorClass::Deferred, JOB_TURN));
        let back = begin.elapsed() + deferred.retry_after.unwrap();
        assert!(back >= Duration::from_secs(60) && back < Duration::from_secs(100), "{back:?}");
    }
    assert_eq!(begin.elapsed(), Pace::default().patience * 2, "or all that it has there would be claimed in vain");
}

#[tokio::test(start_paused = true)]
async fn other_processes_hear_of_the_interval_of_a_job() {
    let others = Arc::new(Alone::default());
    let gate = Politeness::new(Pace::default()).shared(others.clone());
    let begin = Instant::now();
    drop(gate.turn("a", once_in(5), None, far()).await.unwrap());
    drop(gate.turn("a", once_in(5), None, far()).await.unwrap());
    assert!(begin.elapsed() >= Duration::from_secs(5));
    let named = others.1.lock().unwrap().clone();
    assert!(named.contains(&with_slack(Duration::from_secs(5))), "{named:?}");
    assert!(named.contains(&with_slack(Pace::default().interval)), "{named:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_a_host_refuses_waits_on() {
    let gate = Politeness::new(Pace { interval: Duration::from_secs(1), ..Pace::default() });
    let begin = Instant::now();
    let first = gate.turn("a", None, None, far()).await.unwrap();
    let second = async {
        gate.turn("a", None, None, far()).await.unwrap();
        begin.elapsed()
    };
    let refuse = async { first.refused(Some(Duration::from_secs(9)), None) };
    let (waited, _) = tokio::join!(second, refuse);
    assert_eq!(waited, Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn an_api_waits_for_nothing_but_a_refusal() {
    let gate = Politeness::new(Pace { interval: Duration::from_secs(5), concurrency: 1, ..Pace::default() });
    let begin = Instant::now();
    let turn = gate.unblocked("a", far()).await.unwrap();
    gate.unblocked("a", far()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    turn.refused(Some(Duration::from_secs(3)), None);
    gate.unblocked("a", far()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    turn.refused(Some(Duration::from_secs(3_000)), None);
    assert_eq!(gate.unblocked("a", far()).await.unwrap_err().class, FetchErrorClass::Deferred);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_refuse_are_bounded_as_well() {
    let gate = Politeness::new(Pace::default());
    for n in 0..forget::MOST + 10 {
        let turn = gate.turn(&n.to_string(), None, None, far()).await.unwrap();
        turn.refused(Some(schedule::LONGEST_ASKED), None);
    }
    assert!(gate.hosts.lock().unwrap().len() <= forget::MOST);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_to_be_asked_yet_is_remembered_among_many() {
    let gate = Politeness::new(Pace::default());
    let ask = async |host: usize| gate.turn(&host.to_string(), once_in(300), None, far()).await.is_ok();
    for host in 0..forget::MANY + 10 {
        assert!(ask(host).await);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert!(!ask(0).await && !ask(forget::MANY / 2).await, "their five minutes are not over");
    assert!(gate.hosts.lock().unwrap().len() < forget::MANY * 2, "the hosts themselves may be asked");
}

#[tokio::test(start_paused = true)]
async fn idle_hosts_are_forgotten() {
    let gate = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
    for n in 0..forget::MANY + 10 {
        gate.turn(&n.to_string(), None, None, far()).await.unwrap();
    }
    assert!(gate.hosts.lock().unwrap().len() <= forget::MANY);
}

/// Other processes that were told to leave every host alone for a time, or cannot be asked.
#[derive(Debug)]
struct Others {
    left: Option<Duration>,
    asked: AtomicU32,
}

impl SharedTurns for Others {
    fn turns(&self, _: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>> {
        unreachable!("a call takes no start")
    }

    fn hold(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        unreachable!("a call takes no place")
    }

    fn leave_alone(&self, _: String, _: Duration) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn left_alone(&self, _: String) -> BoxFuture<'_, Result<Duration>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        async { self.left.ok_or_else(|| Error::new(ErrorKind::Unavailable, "turns", "away".to_owned())) }.boxed()
    }
}

fn among(left: Option<Duration>) -> (Politeness, Arc<Others>) {
    let others = Arc::new(Others { left, asked: AtomicU32::new(0) });
    (Politeness::new(Pace::default()).shared(others.clone()), others)
}

#[tokio::test(start_paused = true)]
async fn an_api_waits_for_what_others_were_told_and_hears_of_it_once_a_second() {
    let (gate, others) = among(Some(Duration::ZERO));
    let begin = Instant::now();
    for _ in 0..1_000 {
        gate.unblocked("a", far()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let most = u32::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    assert!((2..=most).contains(&others.asked.load(Ordering::Relaxed)), "{others:?}");

    let (gate, _) = among(Some(Duration::from_secs(90)));
    let deferred = gate.unblocked("a", far()).await.unwrap_err();
    assert_eq!(deferred.class, FetchErrorClass::Deferred);
    assert!(deferred.retry_after.unwrap() >= Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn no_api_is_asked_while_nobody_knows_what_others_were_told() {
    let deferred = among(None).0.unblocked("a", far()).await.unwrap_err();
    assert_eq!(deferred.class, FetchErrorClass::Deferred);
    assert!(deferred.retry_after.unwrap() < Duration::from_secs(1), "it comes back soon");
}

/// Gives a place at every host, and notes what is given back and the intervals that were named.
#[derive(Debug, Default)]
struct Alone(Mutex<Vec<String>>, Mutex<Vec<Duration>>);

impl SharedTurns for Alone {
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>> {
        self.1.lock().unwrap().push(request.interval);
        async { Ok(TurnGrant { first: Duration::ZERO, starts: 2, places: 1 }) }.boxed()
    }

    fn hold(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn release(&self, hosts: Vec<String>) -> BoxFuture<'_, Result<()>> {
        self.0.lock().unwrap().extend(hosts);
        async { Ok(()) }.boxed()
    }

    fn leave_alone(&self, _: String, _: Duration) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn left_alone(&self, _: String) -> BoxFuture<'_, Result<Duration>> {
        async { Ok(Duration::ZERO) }.boxed()
    }
}

/// Gives the only place there is, with the first start at once and the others far away.
#[derive(Debug, Default)]
struct Slow(AtomicU32);

impl SharedTurns for Slow {
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let first = if asked == 0 { Duration::ZERO } else { Duration::from_secs(30) };
        let starts = u32::from(asked == 0 && request.under_way == 0);
        async move { Ok(TurnGrant { first, starts, places: 1 }) }.boxed()
    }

    fn hold(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn leave_alone(&self, _: String, _: Duration) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn left_alone(&self, _: String) -> BoxFuture<'_, Result<Duration>> {
        async { Ok(Duration::ZERO) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_in_vain_is_told_when_the_host_has_its_next_turn() {
    let gate = Politeness::new(Pace::default()).shared(Arc::new(Slow::default()));
    let held = gate.turn("a", None, None, far()).await.unwrap();
    let deferred = gate.turn("a", None, None, Instant::now() + Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(deferred.class, FetchErrorClass::Deferred);
    let away = deferred.retry_after.unwrap();
    assert!(away > Duration::from_secs(18) && away <= Duration::from_secs(30), "{away:?}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn places_that_nobody_uses_are_given_back() {
    let others = Arc::new(Alone::default());
    let gate = Politeness::new(Pace::default()).shared(others.clone());
    let given_back = || std::mem::take(&mut *others.0.lock().unwrap());
    let used = gate.turn("a", None, None, far()).await.unwrap();
    drop(gate.turn("b", None, None, far()).await.unwrap());
    gate.release().await;
    assert_eq!(given_back(), ["b"], "at once when nothing more is fetched");
    drop(gate.turn("c", None, None, far()).await.unwrap());
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(given_back(), ["c"], "and soon in any case");
    drop(used);
    gate.release().await;
    assert_eq!(given_back(), ["a"]);
    drop(gate.turn("a", None, None, far()).await.unwrap());
    gate.release().await;
    assert_eq!(given_back(), ["a"], "places that are asked for again are given back again");
}

#[tokio::test(start_paused = true)]
async fn other_processes_hear_of_the_pace_that_was_learnt() {
    let others = Arc::new(Alone::default());
    let gate = Politeness::new(Pace::default()).shared(others.clone());
    let turn = gate.turn("a", None, None, far()).await.unwrap();
    turn.welcome();
    turn.refused(Some(Duration::ZERO), Some(1));
    drop(turn);
    // The second start of the first grant was promised for the pace that was refused.
    drop(gate.turn("a", None, None, far()).await.unwrap());
    let named = others.1.lock().unwrap().clone();
    assert_eq!(named, [100, 200].map(|interval| with_slack(Duration::from_millis(interval))));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_gives_its_time_back() {
    let gate = Politeness::new(Pace { interval: Duration::from_secs(1), adapts: false, ..Pace::default() });
    let (begin, hour) = (Instant::now(), Duration::from_secs(3_600));
    drop(gate.turn("a", None, None, begin + hour).await.unwrap());
    let waits = (0..30).map(|_| gate.turn("a", None, None, begin + hour));
    let waits = futures::future::join_all(waits);
    // All of them are dropped at once, but each hears of it when it has a place.
    assert!(tokio::time::timeout(Duration::from_millis(500), waits).await.is_err());
    drop(gate.turn("a", None, None, begin + hour).await.unwrap());
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_costs_its_pages_no_attempt_for_some_minutes() {
    let gate = Politeness::new(Pace::unlimited());
    let hour = || Instant::now() + Duration::from_secs(3_600);
    let turn = gate.turn("a", None, None, hour()).await.unwrap();
    assert_eq!(turn.unanswered(false, 1), None, "nobody knows whether it ever answers");
    drop(turn);
    gate.turn("a", None, None, hour()).await.unwrap().welcome();
    let begin = Instant::now();
    let mut waits = Vec::new();
    while begin.elapsed() < Duration::from_secs(290) {
        tokio::time::sleep(waits.last().copied().unwrap_or_default()).await;
        let together =
            [gate.turn("a", None, None, hour()).await.unwrap(), gate.turn("a", None, None, hour()).await.unwrap()];
        let answers = together.map(|turn| turn.unanswered(false, waits.len() as u64 / 5));
        assert_eq!(answers[0], answers[1], "those that were under way together are one");
        waits.extend(answers[0]);
    }
    assert_eq!(waits.iter().map(Duration::as_secs).take(8).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        gate.turn("a", None, None, hour()).await.unwrap().unanswered(false, 9),
        None,
        "the time of grace is over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stays_away_is_given_up_and_tried_again() {
    let gate = Politeness::new(Pace::unlimited());
    let hour = || Instant::now() + Duration::from_secs(3_600);
    let mut asked = 0;
    let begin = Instant::now();
    let given_up = loop {
        match gate.turn("a", None, None, hour()).await {
            // One that was sent waits for its answer.
            Ok(turn) => {
                tokio::time::sleep(Duration::from_secs(20)).await;
                turn.unanswered(true, 1);
                asked += 1;
            }
            Err(error) if error.class == FetchErrorClass::Deferred => {
                tokio::time::sleep(error.retry_after.unwrap()).await;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((given_up.class, &*given_up.code), (FetchErrorClass::Transient, "host-down"));
    assert!(begin.elapsed() >= Duration::from_secs(600) && (8..20).contains(&asked), "{asked} {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_secs(60)).await;
    gate.turn("a", None, None, hour()).await.unwrap().welcome();
    gate.turn("a", None, None, hour()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_slow_page_among_others_does_not_stop_its_host() {
    let gate = Politeness::new(Pace::unlimited());
    let hour = || Instant::now() + Duration::from_secs(3_600);
    for _ in 0..20 {
        let turn = gate.turn("a", None, None, hour()).await.unwrap();
        assert_eq!(turn.unanswered(true, 1), None);
        drop(turn);
        gate.turn("a", None, None, Instant::now()).await.unwrap().welcome();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_which_nothing_ever_comes_uses_its_attempts_up() {
    let gate = Politeness::new(Pace::unlimited());
    let hour = || Instant::now() + Duration::from_secs(3_600);
    gate.turn("a", None, None, hour()).await.unwrap().welcome();
    let mut spared = Vec::new();
    for _ in 0..6 {
        spared.push(gate.turn("a", None, None, hour()).await.unwrap().unanswered(true, 1).is_some());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(spared, [false, false, true, true, true, false]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        gate.turn("a", None, None, hour()).await.unwrap().unanswered(true, 2).is_some(),
        "another page of the host"
    );
}
