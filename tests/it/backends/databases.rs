//! The PostgreSQL database: new, foreign, shared, and what collides in it.

use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::class::{Classes, LeftOut};
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::lease::{NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Pushed, Queue, Share};
use mailscan_core::simulate;
use mailscan_core::store::{Inserted, NodeBeat, Sighting, Store};
use mailscan_core::task::{NewTask, Work};
use mailscan_core::turns::{SharedTurns, TurnRequest};
use mailscan_core::{Error, ErrorKind};

use crate::postgres::{Cluster, is_there, shared};

pub(super) async fn open(database: &str) -> Result<Postgres, Error> {
    Postgres::open(&shared().url(database), PostgresOptions::default()).await
}

fn page(n: usize) -> NewTask {
    NewTask { job: JobId(1), work: Work::Page { url: format!("https://a.org/{n}") }, depth: 0, limit: None }
}

#[tokio::test]
async fn many_processes_may_find_an_empty_database_at_once() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    for opened in futures::future::join_all((0..8).map(|_| open(&name))).await {
        opened.unwrap();
    }
    assert_eq!(shared().number(&name, "SELECT count(*) FROM mailscan.schema").await, 1);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    if !is_there() {
        return;
    }
    let create = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    shared().execute("postgres", create).await;
    let error = open("latin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADatabase);
    assert!(error.to_string().contains("UTF8"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://ann:secret@127.0.0.1:{port}/jobs");
    let error = Postgres::open(&url, PostgresOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let line = error.to_string();
    assert!(line.contains(&format!("127.0.0.1:{port}/jobs")) && !line.contains("secret"), "{line}");
}

#[tokio::test]
async fn other_tables_of_the_database_are_left_alone() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    shared().execute(&name, "CREATE TABLE job (id text); INSERT INTO job VALUES ('mine')").await;
    let database = open(&name).await.unwrap();
    let spec = JobSpec::new(5, vec![JobSource::Url("https://a.org/".to_owned())]);
    database.create_job(&NewJob::new(spec)).await.unwrap();
    assert_eq!(shared().number(&name, "SELECT count(*) FROM public.job WHERE id = 'mine'").await, 1);
}

#[tokio::test]
async fn work_of_one_fingerprint_is_told_apart() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let queue = open(&name).await.unwrap();
    let squatter = format!(
        "INSERT INTO mailscan.task (id, job, fingerprint, due, depth, probe, state, host, kind, locator)
        VALUES (nextval('mailscan.task_id'), 1, {}, now(), 0, 0, 4, 'b.org', 'page', 'https://b.org/')",
        page(1).work.fingerprint().cast_signed()
    );
    shared().execute(&name, &squatter).await;
    let [Pushed::New(one), Pushed::New(two)] = queue.push(&[page(1), page(2)]).await.unwrap()[..] else {
        panic!("both are new")
    };
    let again = queue.push(&[page(1), page(2)]).await.unwrap();
    assert_eq!(again, [Pushed::Duplicate(one), Pushed::Duplicate(two)]);
}

#[tokio::test]
async fn processes_that_push_the_same_work_make_one_task_of_it() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let nodes = futures::future::join_all((0..3).map(|_| open(&name))).await;
    let limited = |n: usize| NewTask { limit: Some(150), ..page(n) };
    let pushes = (0..60).map(|n| {
        let queue = nodes[n % 3].as_ref().unwrap();
        let tasks: Vec<_> = (n / 3 * 10..n / 3 * 10 + 30).map(limited).collect();
        async move { queue.push(&tasks).await.unwrap() }
    });
    let pushed = futures::future::join_all(pushes).await.concat();
    let new = pushed.iter().filter(|pushed| matches!(pushed, Pushed::New(_))).count();
    assert_eq!(new, 150, "the limit holds for all together");
    assert_eq!(nodes[0].as_ref().unwrap().depth(JobId(1)).await.unwrap().pending, 150);
    assert_eq!(shared().number(&name, "SELECT count(DISTINCT locator) FROM mailscan.task").await, 150);
}

#[tokio::test]
async fn claims_of_several_jobs_take_what_they_count_in_by_job() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let queue = open(&name).await.unwrap();
    let of = |job| NewTask { job: JobId(job), ..page(1) };
    queue.push(&[of(1), of(2)]).await.unwrap();
    let delayed = "UPDATE mailscan.task SET state = 2 WHERE job = 2;
        INSERT INTO mailscan.task_count (job, slot) SELECT job, slot FROM generate_series(1, 2) job, generate_series(0, 15) slot
            ON CONFLICT DO NOTHING";
    shared().execute(&name, delayed).await;
    // Somebody takes the rows of the first job, and those of the second once the claim waits for him.
    let another = "BEGIN; SELECT FROM mailscan.task_count WHERE job = 1 FOR UPDATE; SELECT pg_advisory_xact_lock(1);
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') LOOP
                PERFORM pg_sleep_for('10 ms'), pg_stat_clear_snapshot();
            END LOOP;
        END $$;
        SET LOCAL lock_timeout = '500ms'; SELECT FROM mailscan.task_count WHERE job = 2 FOR UPDATE; COMMIT";
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let claim = async {
        while shared().number(&name, held).await == 0 {}
        let shares = [1, 2].map(|job| Share { job: JobId(job), limit: 5 }).to_vec();
        let (node, lease_for) = (NodeId("n".into()), Duration::from_secs(60));
        let request = ClaimRequest { node, shares, per_host: 3, calls: 3, busy_hosts: vec![], suspects: 1, lease_for };
        queue.claim(&request).await.unwrap().len()
    };
    let ((), claimed) = tokio::join!(shared().execute(&name, another), claim);
    assert_eq!(claimed, 2);
}

#[tokio::test]
async fn a_push_wakes_another_process() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let (one, two) = (open(&name).await.unwrap(), open(&name).await.unwrap());
    // The listener may not have its connection yet, so the first hints may be lost.
    let push = async {
        for n in 0.. {
            one.push(&[page(n)]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = two.ready() => {}
        () = push => {}
    }
}

#[tokio::test]
async fn starts_and_places_at_a_host_are_given_once_to_all_processes() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let nodes = futures::future::join_all((0..4).map(|_| open(&name))).await;
    let request = TurnRequest {
        host: "a.org".to_owned(),
        interval: Duration::from_millis(100),
        starts: 3,
        concurrency: 8,
        under_way: 0,
        patience: Duration::from_secs(600),
    };
    let begin = shared().number(&name, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").await;
    let mut given = 0;
    for _ in 0..10 {
        let asked = nodes.iter().map(|node| node.as_ref().unwrap().turns(request.clone()));
        for grant in futures::future::join_all(asked).await {
            given += i64::from(grant.unwrap().starts);
        }
        assert!(shared().number(&name, "SELECT sum(places)::bigint FROM mailscan.host_place").await <= 8);
    }
    let next = shared().number(&name, "SELECT (extract(epoch FROM next) * 1000)::bigint FROM mailscan.host").await;
    assert!(given > 60, "all get something: {given}");
    assert!(next - begin >= given * 100, "{given} starts lie within {} ms", next - begin);

    let impatient = TurnRequest { patience: Duration::from_secs(1), ..request.clone() };
    let refused = nodes[0].as_ref().unwrap().turns(impatient).await.unwrap();
    assert_eq!(refused.starts, 0, "a start that is too far away is not given");
    nodes[1].as_ref().unwrap().leave_alone("b.org".to_owned(), Duration::from_secs(3_600)).await.unwrap();
    let other = TurnRequest { host: "b.org".to_owned(), ..request };
    let blocked = nodes[2].as_ref().unwrap().turns(other).await.unwrap();
    assert_eq!(blocked.starts, 0, "what one was told all know");
    assert!(blocked.first > Duration::from_secs(3_000));
    let node = nodes[3].as_ref().unwrap();
    assert!(node.left_alone("b.org".to_owned()).await.unwrap() > Duration::from_secs(3_000));
    node.leave_alone("b.org".to_owned(), Duration::from_secs(1)).await.unwrap();
    assert!(node.left_alone("b.org".to_owned()).await.unwrap() > Duration::from_secs(3_000), "the longer time counts");
    for host in ["a.org", "c.org"] {
        let left = node.left_alone(host.to_owned()).await.unwrap();
        assert_eq!(left, Duration::ZERO, "starts that were given ask for nothing");
    }
}

#[tokio::test]
async fn places_that_are_given_back_are_free_at_once() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let (one, other) = (open(&name).await.unwrap(), open(&name).await.unwrap());
    let request = |host: &str| TurnRequest {
        host: host.to_owned(),
        interval: Duration::from_millis(1),
        starts: 1,
        concurrency: 1,
        under_way: 0,
        patience: Duration::from_secs(60),
    };
    for host in ["a.org", "b.org", "c.org"] {
        assert_eq!(one.turns(request(host)).await.unwrap().places, 1);
        assert_eq!(other.turns(request(host)).await.unwrap().places, 0);
    }
    one.release(vec!["a.org".to_owned(), "b.org".to_owned()]).await.unwrap();
    other.release(vec!["c.org".to_owned()]).await.unwrap();
    for (host, places) in [("a.org", 1), ("b.org", 1), ("c.org", 0)] {
        assert_eq!(other.turns(request(host)).await.unwrap().places, places, "{host}");
    }
}

/// As if the clock of the server went back by twenty minutes: everything that was is moved ahead instead.
const CLOCK_BACK: &str = "UPDATE mailscan.task SET due = due + interval '20 min';
    UPDATE mailscan.node SET beat_at = beat_at + interval '20 min';
    UPDATE mailscan.host SET next = next + interval '20 min', blocked = blocked + interval '20 min';
    UPDATE mailscan.host_place SET until = until + interval '20 min'";

fn beat(node: &str) -> NodeBeat {
    NodeBeat { node: NodeId(node.into()), host: "h".into(), pid: 1, workers: vec![], bounds: vec![] }
}

#[tokio::test]
async fn a_clock_that_goes_back_holds_nothing_up() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let (dead, one, other) = (open(&name).await.unwrap(), open(&name).await.unwrap(), open(&name).await.unwrap());
    dead.push(&[page(1), page(2)]).await.unwrap();
    let (ten, minutes) = (Duration::from_secs(10), Duration::from_secs(600));
    let request = |lease_for| ClaimRequest {
        node: NodeId("dead".into()),
        shares: vec![Share { job: JobId(1), limit: 1 }],
        per_host: 1,
        calls: 1,
        busy_hosts: vec![],
        suspects: 1,
        lease_for,
    };
    let turn = |host: &str| TurnRequest {
        host: host.to_owned(),
        interval: Duration::from_secs(1),
        starts: 1,
        concurrency: 1,
        under_way: 0,
        patience: Duration::from_secs(20),
    };
    let first = dead.claim(&request(ten)).await.unwrap()[0].lease;
    let retry = Settle { lease: first, verdict: Verdict::Retry { after: minutes }, left_out: LeftOut::NONE };
    dead.settle(&[retry]).await.unwrap();
    assert_eq!(dead.claim(&request(ten)).await.unwrap().len(), 1);
    dead.turns(turn("a.org")).await.unwrap();
    dead.leave_alone("b.org".to_owned(), minutes).await.unwrap();
    dead.beat(&beat("dead")).await.unwrap();
    for node in [&one, &other] {
        node.claim(&request(ten)).await.unwrap();
    }
    shared().execute(&name, CLOCK_BACK).await;

    // Both find it, and it is made up for once: twice would end the delay too early.
    let beats = ["one", "other"].map(beat);
    let (first, second) = tokio::join!(one.beat(&beats[0]), other.beat(&beats[1]));
    first.and(second).unwrap();
    let due =
        |state: u8| format!("SELECT extract(epoch FROM due - now())::bigint FROM mailscan.task WHERE state = {state}");
    let (leased, delayed) = (shared().number(&name, &due(3)).await, shared().number(&name, &due(2)).await);
    assert!(leased <= 10, "the lease ends in {leased} s");
    assert!((500..=601).contains(&delayed), "the delay ends in {delayed} s");
    let blocked = one.left_alone("b.org".to_owned()).await.unwrap();
    assert!(blocked > minutes - ten * 10 && blocked <= minutes + Duration::from_secs(1), "{blocked:?}");
    let first = one.turns(turn("a.org")).await.unwrap().first;
    assert!(first < Duration::from_secs(10), "{first:?}");
    let kept = "SELECT extract(epoch FROM max(until) - now())::bigint FROM mailscan.host_place WHERE host = 'a.org'";
    assert!(shared().number(&name, kept).await <= 15);
    // What goes on as ever is left alone.
    let next = "SELECT (extract(epoch FROM next) * 1000000)::bigint FROM mailscan.host WHERE host = 'b.org'";
    let before = shared().number(&name, next).await;
    other.beat(&beat("third")).await.unwrap();
    assert_eq!(shared().number(&name, next).await, before);
    assert_eq!(other.nodes().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_server_in_trouble_is_waited_for_and_a_damaged_one_is_not() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let queue = open(&name).await.unwrap();
    let expected = [
        ("XX000", ErrorKind::Unavailable),
        ("53300", ErrorKind::Unavailable),
        ("57P01", ErrorKind::Unavailable),
        ("53100", ErrorKind::Full),
        ("XX001", ErrorKind::Corrupt),
        ("XX002", ErrorKind::Corrupt),
        ("22000", ErrorKind::Internal),
    ];
    for (code, kind) in expected {
        let trouble = format!(
            "CREATE OR REPLACE FUNCTION mailscan.trouble() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{code}'; END $$;
            CREATE OR REPLACE TRIGGER trouble BEFORE INSERT ON mailscan.task
                FOR EACH STATEMENT EXECUTE FUNCTION mailscan.trouble()"
        );
        shared().execute(&name, &trouble).await;
        let error = queue.push(&[page(1)]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
    shared().execute(&name, "DROP TRIGGER trouble ON mailscan.task").await;
    assert!(matches!(queue.push(&[page(1)]).await.unwrap()[..], [Pushed::New(_)]));
}

#[tokio::test]
async fn hosts_that_nobody_asks_any_more_are_cleared_away() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let node = open(&name).await.unwrap();
    let request = |host: &str| TurnRequest {
        host: host.to_owned(),
        interval: Duration::ZERO,
        starts: 1,
        concurrency: 1_000,
        under_way: 0,
        patience: Duration::from_secs(1),
    };
    for host in ["old.org", "new.org"] {
        node.turns(request(host)).await.unwrap();
    }
    let age = "UPDATE mailscan.host SET next = next - interval '2 hours' WHERE host = 'old.org';
        UPDATE mailscan.host_place SET until = until - interval '2 hours' WHERE host = 'old.org'";
    shared().execute(&name, age).await;
    let left = "SELECT count(*) FROM mailscan.host NATURAL FULL JOIN mailscan.host_place WHERE host = 'old.org'";
    // The first turn of a process does it, beside the answer; that of the first may do it as well, if it comes late.
    open(&name).await.unwrap().turns(request("new.org")).await.unwrap();
    for _ in 0..1_000 {
        if shared().number(&name, left).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shared().number(&name, left).await, 0);
    assert_eq!(shared().number(&name, "SELECT count(*) FROM mailscan.host WHERE host = 'new.org'").await, 1);
}

/// Sightings of the simulated addresses of these numbers.
fn sightings(job: JobId, numbers: std::ops::Range<u64>) -> Vec<Sighting> {
    let one = |n| Sighting {
        job,
        address: simulate::address(1, n),
        source: "https://a.org/".into(),
        offset: n,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    numbers.map(one).collect()
}

/// A job that collects.
pub(super) async fn collect(database: &Postgres) -> JobId {
    let spec = JobSpec::new(1_000_000, vec![JobSource::Url("https://a.org/".to_owned())]);
    database.create_job(&NewJob::new(spec)).await.unwrap().id()
}

async fn new_ones(database: &Postgres, job: JobId, numbers: std::ops::Range<u64>) -> usize {
    let inserted = database.insert(&sightings(job, numbers)).await.unwrap();
    inserted.into_iter().filter(|inserted| *inserted == Inserted::New).count()
}

const DOUBLED: &str = "SELECT count(*) - count(DISTINCT identity) FROM mailscan.address";

#[tokio::test]
async fn processes_know_what_others_added_however_much_that_was() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let (one, other) = (open(&name).await.unwrap(), open(&name).await.unwrap());
    let job = collect(&one).await;
    let mut new = 0;
    // By turns, each again with what the other has added: little, then more than is read beside an insertion.
    for round in 0..6 {
        new += new_ones(&one, job, round * 100..round * 100 + 150).await;
        new += new_ones(&other, job, round * 100 + 50..round * 100 + 200).await;
    }
    for first in (0..40_000).step_by(8_000) {
        new += new_ones(&one, job, first..first + 8_000).await;
    }
    for first in (0..44_000).step_by(4_000) {
        new += new_ones(&other, job, first..first + 4_000).await;
    }
    new += new_ones(&one, job, 40_000..44_010).await;
    assert_eq!(new, 44_010);
    assert_eq!(shared().number(&name, DOUBLED).await, 0);
    assert_eq!(shared().number(&name, "SELECT collected FROM mailscan.job").await, 44_010);
}

/// Notes with which setting addresses are written.
const NOTES: &str = "CREATE TABLE public.noted (setting text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO public.noted VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT ON mailscan.address FOR EACH STATEMENT EXECUTE FUNCTION public.note()";

#[tokio::test]
async fn what_is_committed_is_written_also_where_the_server_would_rather_not() {
    if !is_there() {
        return;
    }
    for (configured, used) in [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")] {
        let name = shared().fresh().await;
        shared().execute("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = {configured}")).await;
        let database = open(&name).await.unwrap();
        shared().execute(&name, NOTES).await;
        let job = collect(&database).await;
        new_ones(&database, job, 0..10).await;
        let as_used = format!("SELECT count(*) FROM public.noted WHERE setting = '{used}'");
        assert_eq!(shared().number(&name, &as_used).await, 1, "{configured}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_last_commits_is_given_no_address_twice() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let name = cluster.fresh().await;
    let url = cluster.url(&name);
    let open = || Postgres::open(&url, PostgresOptions::default());
    let one = open().await.unwrap();
    let job = collect(&one).await;
    for _ in 0..3 {
        new_ones(&one, job, 0..100).await;
    }
    // As a standby that takes over before it has received everything.
    let lose = "DELETE FROM mailscan.address WHERE id > 50; UPDATE mailscan.job SET collected = 50";
    cluster.execute(&name, lose).await;
    tokio::task::block_in_place(|| {
        cluster.stop("fast");
        cluster.resume();
    });
    // The ids of what was lost go to others.
    assert_eq!(new_ones(&open().await.unwrap(), job, 200..300).await, 100);
    let again = loop {
        // The first connection that is tried may be one to the server that is gone.
        if let Ok(inserted) = one.insert(&sightings(job, 0..300)).await {
            break inserted;
        }
    };
    assert_eq!(again.iter().filter(|inserted| **inserted == Inserted::New).count(), 150);
    assert_eq!(cluster.number(&name, DOUBLED).await, 0);
}
