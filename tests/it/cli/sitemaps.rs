//! `run --sitemap` on a site whose pages only its sitemaps list.

use std::collections::BTreeSet;

use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use tempfile::TempDir;

use super::{json, run_in};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_every_sitemap_is_read() {
    // Enough pages for two sitemaps below one index.
    let options = SimulationOptions { emails: 11_000, page_bytes: 1_000, ..SimulationOptions::default() };
    let web = SimulatedWeb::start(options).await.unwrap();
    assert!(web.pages() > 1_000);
    let (site, folder) = (format!("http://{}", web.local_addr()), TempDir::new().unwrap());
    let path = folder.path().to_owned();
    std::fs::write(path.join("job.json"), format!(r#"{{"sitemap": ["{site}/"], "target": 100000}}"#)).unwrap();
    let ran = tokio::task::spawn_blocking(move || {
        let run = run_in(&path, &["run", "--job", "job.json", "--rate-limit", "0", "--per-host", "64", "--json"]);
        let one = format!("{site}/sitemaps/1.xml");
        let part = run_in(&path, &["run", "--sitemap", &one, "--target", "100000", "--rate-limit", "0", "--json"]);
        (run, part, run_in(&path, &["job", "export", "1", "--format", "jsonl"]))
    });
    let (run, part, exported) = ran.await.unwrap();
    assert_eq!((run.code, part.code), (0, 0), "{} {}", run.err, part.err);
    let found: BTreeSet<_> =
        exported.out.lines().map(|row| json(row)["email"].as_str().unwrap().to_lowercase()).collect();
    assert!(
        found == web.addresses().map(|address| address.to_string().to_lowercase()).collect::<BTreeSet<_>>(),
        "{}",
        found.len()
    );
    let collected = json(&part.out)["collected"].as_u64().unwrap();
    assert!((1..11_000).contains(&collected), "{collected} of the second sitemap alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_only_in_part_is_to_be_looked_at() {
    // A page larger than what is read of one.
    let options = SimulationOptions { emails: 10, page_bytes: 12_000_000, ..SimulationOptions::default() };
    let web = SimulatedWeb::start(options).await.unwrap();
    let (site, folder) = (format!("http://{}/", web.local_addr()), TempDir::new().unwrap());
    let path = folder.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let run = run_in(&path, &["run", "--sitemap", &site, "--target", "1000", "--rate-limit", "0"]);
        let resolve = run_in(&path, &["errors", "resolve", "--job", "1", "--class", "partial", "--note", "seen"]);
        (run, resolve)
    });
    let (run, resolve) = ran.await.unwrap();
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains("read only in part: 1\n") && run.err.contains("mailscan errors 1"), "{}", run.err);
    assert!(resolve.err.contains("1 error resolved"), "{}", resolve.err);
}
