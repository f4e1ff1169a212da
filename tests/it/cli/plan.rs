//! `plan`: the contract's figures as a script reads them.

use tempfile::TempDir;

use super::{json, run, run_in};

#[test]
fn the_contracts_figures() {
    for (emails, workers, per_worker, calls, seconds) in [
        ("0", 0, 0, 0, 0.0),
        ("1", 1, 1, 1, 2.1),
        ("1000", 50, 20, 2, 4.2),
        ("10000", 500, 20, 2, 4.2),
        ("20000", 1_000, 20, 2, 4.2),
        ("20001", 1_000, 21, 3, 6.3),
        ("100_000", 1_000, 100, 10, 21.0),
        ("1,000,000", 1_000, 1_000, 100, 210.0),
    ] {
        let ran = run(&["plan", emails, "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let plan = json(&ran.out);
        assert_eq!(plan["workers"], workers, "{emails}");
        assert_eq!(plan["emails_per_worker"], per_worker, "{emails}");
        assert_eq!(plan["calls_per_worker"], calls, "{emails}");
        assert_eq!(plan["projected_seconds"], seconds, "{emails}");
    }
}

#[test]
fn hosts_tell_how_many_pages_a_second_can_come_and_what_binds() {
    let typed = ["plan", "1000000", "--hosts", "1000", "--per-host", "1", "--host-interval", "3"];
    let shown = run(&typed).out;
    assert!(shown.contains("at most 333, bound by the hosts (50,000 by the workers, "), "{shown}");
    // However many files it may open, no process has more than 16,384 fetches in flight.
    let many = json(&run(&["plan", "1000000", "--hosts", "1000000", "--json"]).out);
    assert_eq!(many["bound_by"], "process");
    assert!(many["max_pages_per_second"].as_f64().unwrap() <= 8_192.0, "{many}");
    assert!(shown.contains("projected time      5m 0s"), "100,000 pages cannot come sooner: {shown}");
    let plan = json(&run(&[&typed[..], &["--json"]].concat()).out);
    assert_eq!((plan["max_pages_per_second"].as_f64().unwrap() as u64, &plan["bound_by"]), (333, &"hosts".into()));
    let by_workers = json(&run(&["plan", "1000", "--hosts", "1000", "--connections", "1", "--json"]).out);
    assert_eq!((&by_workers["max_pages_per_second"], &by_workers["bound_by"]), (&25.0.into(), &"workers".into()));
    for (emails, by, line) in [
        ("1000", "workers_per_1000", "50, 50 for 1,000 e-mails"),
        ("20000", "max_workers", "1,000, the most there may be"),
    ] {
        assert_eq!(json(&run(&["plan", emails, "--json"]).out)["bound_by"], by);
        assert!(run(&["plan", emails]).out.contains(line), "{emails}");
    }
    assert!(json(&run(&["plan", "0", "--json"]).out)["bound_by"].is_null());
    assert_eq!(run(&["plan", "1000", "--hosts", "0"]).code, 2, "no page can come");
    assert_eq!(run(&["plan", "1000", "--per-host", "1"]).code, 2, "it means nothing without hosts");
}

#[test]
fn constants_are_options_and_are_checked() {
    let ran = run(&[
        "plan",
        "1000",
        "--json",
        "--max-workers",
        "10",
        "--workers-per-1000",
        "100",
        "--rate-limit",
        "1",
        "--deep-scrape",
        "0",
        "--emails-per-call",
        "50",
    ]);
    let plan = json(&ran.out);
    assert_eq!((&plan["workers"], &plan["emails_per_worker"]), (&10.into(), &100.into()));
    assert_eq!(plan["projected_seconds"], 2.0);
    let refused = run(&["plan", "1000", "--emails-per-call", "0"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("e-mails per call is 0"), "{}", refused.err);
}

#[test]
fn every_command_that_plans_takes_the_constants_and_names_a_wrong_one_in_a_line() {
    let folder = TempDir::new().unwrap();
    let refused = |command: &[&str], option: &str, value: &str, line: &str| {
        let ran = run_in(folder.path(), &[command, &[option, value]].concat());
        assert_eq!(ran.code, 2, "{command:?} {option}: {}", ran.err);
        assert!(ran.err.lines().next().unwrap().contains(line), "{command:?} {option}: {}", ran.err);
    };
    let worker: &[&str] = &["worker", "--db", "postgres://nobody@127.0.0.1:1/none"];
    let serve: &[&str] = &["serve", "--listen", "127.0.0.1:0"];
    let work = [worker, serve, &["run", "--url", "https://example.org/", "--target", "5"]];
    for command in work.into_iter().chain([&["plan", "1000"][..]]) {
        refused(command, "--max-workers", "0", "max workers is 0: give at least 1");
        refused(command, "--workers-per-1000", "0", "workers per 1,000 e-mails is 0: give at least 1");
    }
    for command in work {
        refused(command, "--bloom-capacity", "0", "the Bloom capacity is 0: give a number from 1 to 1073741824");
    }
    for command in [worker, serve] {
        refused(command, "--lease", "2", "give at least 3 seconds");
    }
    refused(serve, "--stale-after", "9", "give at least 10 seconds");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_run_is_planned_by_its_constants() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("in.txt"), "ann@corp.de").unwrap();
    let workers = |more: &[&str]| {
        let ran = run_in(folder.path(), &[&["run", "--path", "in.txt", "--target", "1000", "--json"], more].concat());
        json(&ran.out)["workers"].clone()
    };
    assert_eq!(workers(&[]), 50);
    assert_eq!(workers(&["--max-workers", "3"]), 3);
    assert_eq!(workers(&["--workers-per-1000", "7", "--bloom-capacity", "1"]), 7);
}

#[test]
fn people_read_lines() {
    let ran = run(&["plan", "1000000"]);
    assert!(ran.out.contains("1,000,000") && ran.out.contains("3m 30s"), "{}", ran.out);
    assert!(run(&["plan", &u64::MAX.to_string()]).out.contains("18,446,744,073,709,551,615"));
    assert!(run(&["plan", "20001"]).out.contains("6.3s"));
}
