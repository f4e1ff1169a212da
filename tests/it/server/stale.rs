//! Processes that say nothing any more, as every route shows them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{beat, running_job};
use super::client::get;
use super::command::serve_in;
use super::start;

/// Has the process of [`beat`] been silent for so many seconds more.
fn fall_silent(folder: &Path, seconds: u32) {
    let database = rusqlite::Connection::open(folder.join("mailscan.db")).unwrap();
    let set_back = "UPDATE node SET beat_at = beat_at - ?1 WHERE node = 'node'";
    assert_eq!(database.execute(set_back, [i64::from(seconds) * 1_000]).unwrap(), 1);
}

/// The process of [`beat`] as the list of all shows it.
async fn node(server: SocketAddr) -> Value {
    let all = get(server, "/api/v1/workers").await.json();
    let nodes = all["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["node"] == "node").unwrap().clone()
}

/// The workers of the job by both names: how many are active, idle and stale, and the states of those that had its tasks.
async fn workers(server: SocketAddr) -> [(Value, Vec<String>); 2] {
    let rest = get(server, "/api/v1/jobs/1/workers").await.json();
    let founding = get(server, "/?page=api&action=job-worker-status&job_id=1").await.json();
    [&rest, &founding["workers"]].map(|workers| {
        let states = workers["workers"].as_array().unwrap().iter().map(|worker| worker["state"].as_str().unwrap());
        let states = states.map(str::to_owned).collect();
        (json!([workers["active"], workers["idle"], workers["stale"]]), states)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_silent_for_five_minutes_is_stale_everywhere() {
    let server = start(ServeOptions { fresh_for: Duration::ZERO, ..ServeOptions::default() }).await;
    let id = running_job(&server.store).await;
    beat(&server.store, id).await;
    // A minute is left for what comes in between.
    for (more, stale, counts, states) in
        [(240, false, json!([1, 1, 0]), ["active", "idle"]), (60, true, json!([0, 0, 2]), ["stale", "stale"])]
    {
        fall_silent(server.folder.path(), more);
        let shown = node(server.address).await;
        assert_eq!(shown["stale"], stale, "{shown}");
        assert!(shown["silent_seconds"].as_u64() >= Some(more.into()), "{shown}");
        let statuses = shown["workers"].as_array().unwrap().iter().map(|worker| worker["status"] == "stale");
        assert!(statuses.eq([stale; 3]), "{shown}");
        for (counted, listed) in workers(server.address).await {
            assert_eq!((counted, listed), (counts.clone(), states.map(str::to_owned).to_vec()));
        }
    }
    let all = get(server.address, "/api/v1/workers").await.json();
    assert_eq!(json!([all["active"], all["idle"], all["stale"]]), json!([0, 0, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_calls_processes_stale_when_it_was_told_to() {
    let folder = TempDir::new().unwrap();
    // The job is taken up, and nothing of it is begun.
    let served = serve_in(folder.path(), &["--stale-after", "120", "--min-free-disk", "4096T"]);
    let store = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let id = running_job(&store).await;
    beat(&store, id).await;
    assert_eq!(node(served.address).await["stale"], false);
    fall_silent(folder.path(), 120);
    assert_eq!(node(served.address).await["stale"], true);
    for (counted, states) in workers(served.address).await {
        assert_eq!((&counted[0], &counted[2]), (&json!(0), &json!(2)));
        assert_eq!(states, ["stale", "stale"]);
    }
}
