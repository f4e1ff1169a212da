//! Hosts that are away for a while: how many requests they get at a time before and after, and meanwhile.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::*;

/// How long a page takes, and a connection that is refused.
const PAGE: Duration = Duration::from_millis(500);
const REFUSED: Duration = Duration::from_millis(1);

/// A host that is asked by more than it gets at a time, and away for some seconds.
#[derive(Debug)]
struct Away {
    gate: Politeness,
    began: Instant,
    seconds: Range<u64>,
    served: AtomicU64,
    refused: AtomicU64,
}

impl Away {
    fn new(pace: Pace, seconds: Range<u64>) -> Arc<Self> {
        let (gate, began) = (Politeness::new(pace), Instant::now());
        Arc::new(Self { gate, began, seconds, served: AtomicU64::new(0), refused: AtomicU64::new(0) })
    }

    fn away(&self) -> bool {
        self.seconds.contains(&self.began.elapsed().as_secs())
    }

    /// Asks for pages for ever.
    async fn ask(self: Arc<Self>) {
        loop {
            let Ok(turn) = self.gate.turn("a", None, None, far()).await else {
                tokio::time::sleep(PAGE).await;
                continue;
            };
            let page = rand::random();
            if self.away() {
                tokio::time::sleep(REFUSED).await;
                self.refused.fetch_add(1, Ordering::Relaxed);
                turn.unanswered(false, page);
                continue;
            }
            // What is under way when the host goes breaks off.
            let goes = Duration::from_secs(self.seconds.start).saturating_sub(self.began.elapsed());
            let breaks = !goes.is_zero() && goes < PAGE;
            tokio::time::sleep(if breaks { goes } else { PAGE }).await;
            if breaks {
                turn.unanswered(true, page);
            } else {
                self.served.fetch_add(1, Ordering::Relaxed);
                turn.welcome();
            }
        }
    }

    /// How many pages are served within the seconds that follow.
    async fn served_within(&self, seconds: u64) -> u64 {
        let before = self.served.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.served.load(Ordering::Relaxed) - before
    }
}

/// The pages that a host serves in a minute before it is away, and in one after it has been back for one.
async fn around_an_outage(pace: Pace, seconds: u64) -> (u64, u64, Arc<Away>) {
    let host = Away::new(pace, 120..120 + seconds);
    (0..pace.concurrency * 2).for_each(|_| drop(tokio::spawn(host.clone().ask())));
    host.served_within(50).await;
    let before = host.served_within(60).await;
    host.served_within(10 + seconds + 60).await;
    let after = host.served_within(60).await;
    (before, after, host)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_started_again_is_asked_as_much_as_before() {
    let (before, after, _) = around_an_outage(Pace::default(), 2).await;
    assert!(after * 20 >= before * 19, "{after} pages a minute, {before} before");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_away_for_long_is_asked_about_as_much_as_before() {
    let pace = Pace { concurrency: 64, interval: Duration::ZERO, ..Pace::default() };
    let (before, after, host) = around_an_outage(pace, 30).await;
    // What broke together may have been too much.
    assert!(after * 6 >= before * 5, "{after} pages a minute, {before} before");
    let refused = host.refused.load(Ordering::Relaxed);
    // As many as it gets at a time may begin before the first is refused; then few ask whether it is back.
    assert!(refused < 64 + 16, "{refused} tries while it was away");
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_asks_whether_a_host_is_back() {
    let gate = Politeness::new(Pace::unlimited());
    gate.turn("a", None, None, far()).await.unwrap().unanswered(false, 1);
    let probe = gate.turn("a", None, None, far()).await.unwrap();
    let begin = Instant::now();
    drop(gate.turn("a", None, None, far()).await.unwrap());
    assert_eq!(begin.elapsed().as_secs(), 1, "another asks once the first has had its time");
    drop(probe);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_leads_on_makes_nobody_wait_and_tells_nothing_of_what_is_behind_it() {
    let gate = Politeness::new(Pace::unlimited());
    gate.turn("a", None, None, far()).await.unwrap().unanswered(false, 1);
    let probe = gate.turn("a", None, None, far()).await.unwrap();
    let begin = Instant::now();
    probe.answered();
    let probe = gate.turn("a", None, None, far()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    drop(gate.turn("a", None, None, far()).await.unwrap());
    assert_eq!(begin.elapsed().as_secs(), 1, "it is still asked by one at a time");
    probe.is_there();
    let _turns = (gate.turn("a", None, None, far()).await.unwrap(), gate.turn("a", None, None, far()).await.unwrap());
    assert_eq!(begin.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_back_is_asked_at_once() {
    let gate = Politeness::new(Pace::unlimited());
    gate.turn("a", None, None, far()).await.unwrap().unanswered(false, 1);
    let probe = gate.turn("a", None, None, far()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    probe.welcome();
    drop(gate.turn("a", None, None, far()).await.unwrap());
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_connections_beyond_a_few_gets_those_few() {
    // Whoever is beyond four is refused at once; the others are served.
    let gate = Arc::new(Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() }));
    let under_way = Arc::new(AtomicU32::new(0));
    for page in 0..16 {
        let (gate, under_way) = (gate.clone(), under_way.clone());
        tokio::spawn(async move {
            loop {
                let Ok(turn) = gate.turn("a", None, None, far()).await else {
                    tokio::time::sleep(PAGE).await;
                    continue;
                };
                if under_way.fetch_add(1, Ordering::Relaxed) >= 4 {
                    tokio::time::sleep(REFUSED).await;
                    turn.unanswered(false, page);
                } else {
                    tokio::time::sleep(PAGE).await;
                    turn.welcome();
                }
                under_way.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let [HostLimit { limit, .. }] = gate.limits()[..] else { panic!("{gate:?}") };
    assert!(limit <= 4, "{limit} at a time");
}
