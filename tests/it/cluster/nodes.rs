//! Nodes that share jobs, come and go.

use std::io::BufRead;
use std::time::Duration;

use mailscan_core::job::JobStatus;
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::store::Store;
use serde_json::Value;

use super::{STANDS_STILL, Stage, web_of};
use crate::cli::{hang_up, interrupt, json, run, run_in, start_in};
use crate::postgres::{is_there, shared};

/// Longer than anything here may take.
const HANGS: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_job_and_one_that_is_killed_costs_nothing() {
    if !is_there() {
        return;
    }
    // Pages so slow that whoever works has some under way.
    let web = SimulationOptions { page_delay: Duration::from_millis(200), ..web_of(4_000) };
    let stage = Stage::of(shared(), shared().fresh().await, web, 20).await;
    let (first, _second) = (stage.node(4).await, stage.node(4).await);
    let both_work = async { while busy_nodes(&stage).await < 2 {} };
    tokio::time::timeout(STANDS_STILL, both_work).await.expect("both nodes are listed, and work");
    first.signal("KILL");
    assert_eq!(stage.database.job(stage.job).await.unwrap().unwrap().status, JobStatus::Running);
    stage.finish_and_compare().await;
    let crashes = "SELECT sum(crashes)::bigint FROM mailscan.task";
    assert!(stage.cluster.number(&stage.name, crashes).await > 0, "nothing was under way that the kill could cost");
}

/// How many nodes say that they have something under way.
async fn busy_nodes(stage: &Stage<'_>) -> usize {
    let nodes = stage.database.nodes().await.unwrap();
    nodes.iter().filter(|node| node.beat.workers.iter().any(|worker| worker.in_flight > 0)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_gives_everything_back() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 2_000, 20).await;
    let mut first = stage.node(90).await;
    stage.collected(300).await;
    first.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || first.0.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
    assert!(stage.database.nodes().await.unwrap().is_empty(), "it has taken itself off the list");
    let leased = "SELECT count(*) FROM mailscan.task WHERE state = 3";
    assert_eq!(stage.cluster.number(&stage.name, leased).await, 0, "no lease has to run out");
    let _second = stage.node(90).await;
    stage.finish_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_work_on_a_shared_database() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 1_000, 20).await;
    let (url, folder) = (stage.url(), stage.folder.path().to_owned());
    let told = tokio::task::spawn_blocking(move || {
        let run = |arguments: &[&str]| {
            let ran = run_in(&folder, &[arguments, &["--db", &url]].concat());
            assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
            ran.out
        };
        run(&["job", "pause", "1", "--reason", "lunch"]);
        let shown = run(&["job", "show", "1"]);
        run(&["job", "resume", "1"]);
        run(&["errors"]);
        assert!(run(&["job", "list", "--json"]).contains("\"queued\""));
        shown
    });
    assert!(told.await.unwrap().contains("lunch"));
    let _node = stage.node(90).await;
    stage.finish_and_compare().await;
    let (url, folder) = (stage.url(), stage.folder.path().to_owned());
    let exported = tokio::task::spawn_blocking(move || run_in(&folder, &["job", "export", "1", "--db", &url]).out);
    assert_eq!(exported.await.unwrap().lines().count(), 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_reaches_every_node() {
    if !is_there() {
        return;
    }
    let stage = Stage::set(shared(), 20_000, 20).await;
    let (_first, _second) = (stage.node(30).await, stage.node(30).await);
    stage.collected(300).await;
    let from = [JobStatus::Queued, JobStatus::Running];
    stage.database.transition(stage.job, &from, JobStatus::Paused, None).await.unwrap();
    let leased = "SELECT count(*) FROM mailscan.task WHERE state = 3";
    // In five seconds all have heard it and let go; a hundred turns of 50 ms.
    let mut turns = 0;
    while stage.cluster.number(&stage.name, leased).await > 0 {
        turns += 1;
        assert!(turns < 100, "a node still works on it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_obeys_its_suppression_list_and_reads_it_again() {
    if !is_there() {
        return;
    }
    let cluster = shared();
    let url = cluster.url(&cluster.fresh().await);
    let told = tokio::task::spawn_blocking(move || {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("page.txt", "ann@a.org bob@b.org carl@mail.b.org dan@d.org");
        write("list", "ann@a.org\n@b.org\n");
        let (mut child, mut said) = start_in(folder.path(), &["worker", "--db", &url, "--suppress", "list"]);
        let mut line = || {
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
            line
        };
        assert!(line().contains("works on every job of"));
        let run = |arguments: &[&str]| run_in(folder.path(), &[arguments, &["--json", "--db", &url]].concat());
        let collected = || {
            let begun = run(&["run", "--path", "page.txt", "--target", "99", "--detach"]);
            let id = json(&begun.out)["id"].to_string();
            loop {
                let job = json(&run(&["job", "show", &id]).out);
                if job["status"] == "completed" {
                    return job["collected"].as_u64().unwrap();
                }
            }
        };
        let first = collected();
        write("list", "d.org\n");
        hang_up(&child);
        assert_eq!(line(), "read again: the suppression list\n");
        let second = collected();
        write("list", "no entry");
        hang_up(&child);
        assert!(line().starts_with("the old suppression list is kept: cannot obey"));
        interrupt(&child);
        assert!(child.wait().unwrap().success());
        (first, second)
    });
    assert_eq!(tokio::time::timeout(HANGS, told).await.unwrap().unwrap(), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_works_on_is_told_beside_a_run_of_another() {
    if !is_there() {
        return;
    }
    let server = shared().url(&shared().fresh().await);
    // Pages so slow, and one at a time, that no job ends here.
    let web = SimulationOptions { page_delay: Duration::from_secs(1), ..web_of(1_000) };
    let site = SimulatedWeb::start(web).await.unwrap();
    for db in [server, "jobs.db".to_owned()] {
        let url = site.site_url();
        let test = tokio::task::spawn_blocking(move || left_behind(&db, &url));
        tokio::time::timeout(HANGS, test).await.expect("the jobs are never as wanted").unwrap();
    }
}

/// A server leaves its job behind, and a run of another job goes on.
fn left_behind(db: &str, site: &str) {
    let folder = tempfile::TempDir::new().unwrap();
    let with = |arguments: &[&str]| run_in(folder.path(), &[arguments, &["--db", db]].concat());
    let start = |arguments: &[&str]| start_in(folder.path(), &[arguments, &["--per-host", "1", "--db", db]].concat()).0;
    let jobs = || json(&with(&["job", "list", "--json"]).out);
    let attended = |n: usize, jobs: &Value| jobs[n]["status"] == "running" && jobs[n]["unattended"] == false;
    let crawl = ["run", "--url", site, "--crawl", "--target", "1000"];
    let begun = with(&[&crawl[..], &["--detach"]].concat());
    assert_eq!(begun.code, 0, "{}", begun.err);
    let mut serving = start(&["serve", "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8"]);
    while !attended(0, &jobs()) {}
    interrupt(&serving);
    assert!(serving.wait().unwrap().success());
    let left = jobs();
    assert_eq!((&left[0]["status"], &left[0]["unattended"]), (&"running".into(), &true.into()), "{left}");

    let mut running = start(&crawl);
    while !attended(1, &jobs()) {}
    let beside = jobs();
    assert!(attended(1, &beside) && beside[0]["unattended"] == true, "{db}: {beside}");
    let shown = json(&with(&["job", "show", "1", "--json"]).out);
    assert_eq!(shown["unattended"], true, "{db}: {shown}");
    let shown = with(&["job", "list"]).out;
    assert_eq!((shown.matches(" unattended ").count(), shown.matches(" running ").count()), (1, 1), "{db}: {shown}");
    interrupt(&running);
    assert_eq!(running.wait().unwrap().code(), Some(130));
}

#[test]
fn the_disk_of_a_server_is_not_watched_and_nobody_can_ask_for_it() {
    let refused = |arguments: &[&str]| {
        let server = ["--db", "postgres://postgres@127.0.0.1:1/d", "--min-free-disk", "1G"];
        let ran = run(&[arguments, &server].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        ran.err
    };
    for arguments in [&["serve"][..], &["run", "--path", ".", "--target", "1"], &["run", "--resume"], &["demo"]] {
        let line = refused(arguments);
        assert!(line.contains("--min-free-disk is for a database in a file"), "{arguments:?}: {line}");
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    }
    assert!(refused(&["worker"]).contains("unexpected argument '--min-free-disk'"));
}

#[test]
fn a_database_of_no_kind_is_no_file_and_is_shown_by_its_kind_alone() {
    let refused = |db: &str| {
        let ran = run(&["worker", "--db", db]);
        assert_eq!(ran.code, 2, "{db}: {}", ran.err);
        ran.err
    };
    let line = refused("postgress://ann:secret@h/d");
    assert!(line.contains("no database of the kind `postgress`") && !line.contains("secret"), "{line}");
    let line = refused("mailscan.db");
    assert!(line.contains("`mailscan.db` is a file"), "{line}");
}
