//! The interval of a job among processes: kept from one request to the next, however long each waits for the host.

use super::*;

/// What processes agree on at names: when the next start is to be given, and until when there is to be none. Places are no matter
/// here: each process has as many as there are.
#[derive(Debug, Default)]
struct Cluster(Mutex<AHashMap<String, (Instant, Option<Instant>)>>);

impl Cluster {
    fn at<T>(&self, name: &str, change: impl FnOnce(&mut (Instant, Option<Instant>)) -> T) -> T {
        change(self.0.lock().unwrap().entry(name.to_owned()).or_insert_with(|| (Instant::now(), None)))
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
        async move { Ok(TurnGrant { first, starts, places: request.concurrency }) }.boxed()
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
        async move { Ok(left.unwrap_or_default()) }.boxed()
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
