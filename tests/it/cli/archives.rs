//! `scan` and `run` on an archive that GNU Wget writes of a site.

use std::collections::BTreeSet;
use std::process::Command;

use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use tempfile::TempDir;

use super::{json, run_in};
use crate::services::skip;

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_a_site_holds_what_the_site_does() {
    if !Command::new("wget").arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        return skip("wget is missing, so no archive of its making was read: apt-get install wget");
    }
    let options = SimulationOptions { emails: 300, page_bytes: 2_000, ..SimulationOptions::default() };
    let web = SimulatedWeb::start(options).await.unwrap();
    let (url, folder) = (web.site_url(), TempDir::new().unwrap());
    let path = folder.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let crawl =
            ["--quiet", "--recursive", "--level=inf", "--no-host-directories", "--delete-after", "--warc-file=site"];
        let wget = Command::new("wget").args(crawl).arg(&url).current_dir(&path).status().unwrap();
        // It says so where one of the pages is an error.
        assert!(matches!(wget.code(), Some(0 | 8)), "{wget}");
        let scan = run_in(&path, &["scan", "site.warc.gz", "--format", "jsonl"]);
        let run = run_in(&path, &["run", "--path", "site.warc.gz", "--target", "1000", "--json"]);
        (scan, run, run_in(&path, &["job", "export", "1", "--format", "jsonl"]))
    });
    let (scan, run, exported) = ran.await.unwrap();
    assert_eq!((scan.code, run.code), (0, 0), "{} {}", scan.err, run.err);
    let expected: BTreeSet<String> = web.addresses().map(|address| address.to_string()).collect();
    let of_a_page = format!("site.warc.gz#http://{}/", web.local_addr());
    for rows in [scan.out, exported.out] {
        let rows: Vec<_> = rows.lines().map(json).collect();
        let found: BTreeSet<_> = rows.iter().map(|row| row["email"].as_str().unwrap().to_owned()).collect();
        assert_eq!((found.len(), rows.len()), (300, 300));
        assert!(found == expected);
        assert!(rows.iter().all(|row| row["source"].as_str().unwrap().contains(&of_a_page)), "{:?}", rows[0]);
    }
}
