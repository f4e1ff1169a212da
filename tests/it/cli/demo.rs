//! `demo` and `run` against the simulated web over real sockets.

use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use tempfile::TempDir;

use super::{json, run, run_in};

#[test]
fn a_demo_verifies_itself_also_when_requests_fail() {
    let ran = run(&[
        "demo",
        "--emails",
        "500",
        "--call-delay",
        "0",
        "--page-delay",
        "0.01",
        "--failures",
        "0.2",
        "--duplicates",
        "0.3",
        "--json",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let demo = json(&ran.out);
    assert_eq!((&demo["verified"], &demo["emails"], &demo["workers"]), (&true.into(), &500.into(), &25.into()));
    assert!(demo["duplicates"].as_u64().unwrap() > 100 && demo["errors"].as_u64().unwrap() > 0, "{demo}");
    assert_eq!(demo["lost"], 0);
}

#[test]
fn the_answers_of_a_demo_can_hold_the_addresses() {
    let quick = ["demo", "--emails", "500", "--call-delay", "0", "--pages-per-call", "0", "--workers", "10", "--json"];
    let ran = run(&quick);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let demo = json(&ran.out);
    assert_eq!((&demo["verified"], &demo["emails"]), (&true.into(), &500.into()));
    // A call for ten addresses, and one for each worker that meets the end.
    let requests = demo["requests"].as_u64().unwrap();
    assert!((50..=60).contains(&requests), "{demo}");
}

#[test]
fn the_report_of_a_demo_tells_what_its_answer_tells() {
    let folder = TempDir::new().unwrap();
    let quick = ["demo", "--emails", "200", "--call-delay", "0", "--page-delay", "0", "--json"];
    let ran = run_in(folder.path(), &[&quick[..], &["--report", "made/for it"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report = json(&std::fs::read_to_string(folder.path().join("made/for it/report.json")).unwrap());
    let answer = json(&ran.out);
    for name in ["verified", "emails", "seconds", "floor_seconds", "cpu_seconds", "peak_rss_bytes"] {
        assert!(!answer[name].is_null() && answer[name] == report[name], "{name}: {answer} {report}");
    }
    let samples = report["samples"].as_array().unwrap();
    assert_eq!(samples.last().unwrap()["emails"], 200);
    let picture = std::fs::read_to_string(folder.path().join("made/for it/report.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("200 e-mails in") && !picture.contains("<script"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_finds_what_the_site_holds() {
    let options = SimulationOptions { emails: 300, page_bytes: 2_000, ..SimulationOptions::default() };
    let web = SimulatedWeb::start(options).await.unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let url = web.site_url();
    let crawl = tokio::task::spawn_blocking(move || {
        let arguments = ["run", "--url", &url, "--crawl", "--target", "1000", "--rate-limit", "0", "--json"];
        (run_in(&path, &arguments), run_in(&path, &["job", "export", "1", "--format", "jsonl"]))
    });
    let (ran, exported) = crawl.await.unwrap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let identity = |line: &str| json(line)["email"].as_str().unwrap().to_lowercase();
    let mut found: Vec<_> = exported.out.lines().map(identity).collect();
    let mut expected: Vec<_> = web.addresses().map(|address| address.identity()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
