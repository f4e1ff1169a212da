//! The interval of a job among processes: kept from one request to the next, however long each waits for the host.

use super::*;

/// What processes agree on at names: when the next start is to be given, and until when there is to be none. Places are no matter
/// here: each process has as many as there are.
#[derive(Debug, Default)]
struct Cluster {
    names: Mutex<AHashMap<String, (Instant, Option<Instant>)>>,
    /// How long an answer takes.
    takes: Duration,
    /// From when until when none comes.
    silent: Option<(Instant, Instant)>,
}

impl Cluster {
    fn at<T>(&self, name: &str, change: impl FnOnce(&mut (Instant, Option<Instant>)) -> T) -> T {
        change(self.names.lock().unwrap().entry(name.to_owned()).or_insert_with(|| (Instant::now(), None)))
    }

    /// Passes the time that an answer takes; a timer takes a millisecond even for none.
    async fn answer(&self) {
        if let Some((_, until)) = self.silent.filter(|(from, _)| *from <= Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
    }
}

impl SharedTurns for Cluster {
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>> {
        let (first, starts) = self.at(&request.host, |(next, _)| {
            let start = (*next).max(Instant::now());
            let first = start - Instant::now();
            let starts = if first > request.patience { 0 } else { request.starts };
            if starts > 0 {
                *next = start + request.interval * starts;
            }
            (first, starts)
        });
        async move {
            self.answer().await;
            Ok(TurnGrant { first, starts, places: request.concurrency })
        }
        .boxed()
    }

    fn hold(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn leave_alone(&self, name: String, time: Duration) -> BoxFuture<'_, Result<()>> {
        let until = Instant::now() + time;
        self.at(&name, |(next, blocked)| (*next, *blocked) = ((*next).max(until), (*blocked).max(Some(until))));
        async { Ok(()) }.boxed()
    }

    fn left_alone(&self, name: String) -> BoxFuture<'_, Result<Duration>> {
        let left = self.at(&name, |(_, blocked)| blocked.map(|until| until.saturating_duration_since(Instant::now())));
        async move {
            self.answer().await;
            Ok(left.unwrap_or_default())
        }
        .boxed()
    }
}

/// Has each of some processes ask one host for a page of a job that asks once in five seconds, while the host's only place there
/// is another's for so many milliseconds; answers when they began.
async fn begun_where_the_host_is_busy_for<const N: usize>(busy: [u64; N]) -> Vec<Duration> {
    let cluster = Arc::new(Cluster::default());
    let begin = Instant::now();
    let asks = busy.map(|busy| {
        let cluster = cluster.clone();
        async move {
            let pace = Pace { interval: Duration::ZERO, concurrency: 1, ..Pace::default() };
            let gate = Politeness::new(pace).shared(cluster);
            let of_another = gate.turn("a", None, None, far()).await.unwrap();
            let leave = async {
                tokio::time::sleep(Duration::from_millis(busy)).await;
                drop(of_another);
            };
            let (turn, ()) = tokio::join!(gate.turn("a", once_in(5), None, far()), leave);
            turn.map(|_| begin.elapsed()).ok()
        }
    });
    let mut begun: Vec<_> = futures::future::join_all(asks).await.into_iter().flatten().collect();
    begun.sort_unstable();
    println!("busy for {busy:?} ms: begun after {begun:?}");
    begun
}

fn are_apart(begun: &[Duration]) -> bool {
    begun.windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn the_interval_of_a_job_is_kept_from_when_another_process_really_began() {
    let begun = begun_where_the_host_is_busy_for([4_900, 0]).await;
    assert!(begun.len() == 2 && are_apart(&begun), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn processes_that_wait_for_a_host_longer_than_an_interval_begin_one_after_the_other() {
    let begun = begun_where_the_host_is_busy_for([6_000, 6_100]).await;
    assert!(begun.len() == 2 && are_apart(&begun), "{begun:?}");
    let begun = begun_where_the_host_is_busy_for([4_900, 0, 7_000, 0]).await;
    assert!(begun.len() >= 3 && are_apart(&begun), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_on_at_a_host_that_always_keeps_it_waiting() {
    let cluster = Arc::new(Cluster::default());
    let pace = Pace { interval: Duration::from_millis(100), adapts: false, concurrency: 64, ..Pace::default() };
    let gates = [(); 2].map(|()| Arc::new(Politeness::new(pace).shared(cluster.clone())));
    let (begin, mut crowd) = (Instant::now(), JoinSet::new());
    for gate in &gates {
        for _ in 0..32 {
            let gate = gate.clone();
            crowd.spawn(async move {
                while let Ok(turn) = gate.turn("a", None, None, far()).await {
                    drop(turn);
                }
            });
        }
    }
    let of_job = gates.each_ref().map(async |gate| {
        let mut begun = Vec::new();
        while begin.elapsed() < Duration::from_secs(60) {
            if gate.turn("a", once_in(5), None, far()).await.is_ok() {
                begun.push(begin.elapsed());
            }
        }
        begun
    });
    let mut begun = futures::future::join_all(of_job).await.concat();
    begun.sort_unstable();
    println!("begun beside 64 others: {begun:?}");
    assert!(begun.len() >= 6 && are_apart(&begun), "{begun:?}");
}

/// Some processes that ask a host with an interval of so many seconds.
fn gates<const N: usize>(interval: u64) -> [Politeness; N] {
    let cluster = Arc::new(Cluster::default());
    let pace = Pace { interval: Duration::from_secs(interval), concurrency: 1, adapts: false, ..Pace::default() };
    [(); N].map(|()| Politeness::new(pace).shared(cluster.clone()))
}

/// When a request has its turn that comes after so many milliseconds.
async fn begins(gate: &Politeness, after: u64, limit: Option<JobLimit>) -> Instant {
    tokio::time::sleep(Duration::from_millis(after)).await;
    gate.turn("a", limit, None, far()).await.unwrap();
    Instant::now()
}

#[tokio::test(start_paused = true)]
async fn whether_a_job_may_begin_is_asked_when_the_host_is_next_to_be_asked_for_it() {
    let [one, other, elsewhere @ ..] = gates::<5>(2);
    let before = futures::future::join_all(elsewhere.each_ref().map(|gate| begins(gate, 0, None)));
    // When the host promises the second its start, the first has its own still before it.
    let (first, second, _) = tokio::join!(begins(&one, 5, once_in(5)), begins(&other, 6, once_in(5)), before);
    assert!(second >= first + Duration::from_secs(5), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_is_kept_that_comes_after_the_interval_of_the_job_is_over() {
    let [one, other, elsewhere] = gates(4);
    let begin = Instant::now();
    let of_another = one.turn("a", None, None, far()).await.unwrap();
    let leave = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        drop(of_another);
    };
    // The first waits for its place until the second has begun, and is then promised the start after the one elsewhere: at 13.4 s.
    let (first, second, third, ()) = tokio::join!(
        begins(&one, 1, once_in(5)),
        begins(&other, 2, once_in(5)),
        begins(&elsewhere, 5_300, None),
        leave
    );
    let begun = [second, third, first].map(|begun| (begun - begin).as_secs());
    assert_eq!(begun, [5, 9, 13]);
}

#[tokio::test(start_paused = true)]
async fn a_job_begins_also_where_each_answer_takes_longer_than_a_start_may_be_late() {
    let cluster = Arc::new(Cluster { takes: Duration::from_millis(50), ..Cluster::default() });
    let gate = Politeness::new(Pace::default()).shared(cluster);
    let begin = Instant::now();
    for _ in 0..3 {
        gate.turn("a", once_in(1), None, far()).await.unwrap();
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(4), "each has the first start that it is given, but they took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_wait_for_one_late_answer_begin_one_after_the_other() {
    for silence in [300, 600, 900, 3_000] {
        let begin = Instant::now();
        let silent = Some((begin + Duration::from_millis(20), begin + Duration::from_millis(silence)));
        let cluster = Arc::new(Cluster { silent, ..Cluster::default() });
        let pace = Pace { interval: Duration::from_millis(100), adapts: false, concurrency: 64, ..Pace::default() };
        let gate = Politeness::new(pace).shared(cluster);
        let asks = (1..=8).map(|job| {
            let limit = JobLimit { job: JobId(job), most: 8, interval: Duration::from_secs(5) };
            let gate = &gate;
            async move { gate.turn("a", Some(limit), None, far()).await.map(|_| Instant::now()).unwrap() }
        });
        let mut begun = futures::future::join_all(asks).await;
        begun.sort_unstable();
        let apart: Vec<_> = begun.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
        assert!(apart.iter().all(|apart| *apart >= 85), "{apart:?} ms apart after {silence} ms of silence");
    }
}
