//! `errors` and the end of `run` where far more went wrong than one look at the database brings.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::JobId;
use mailscan_core::lease::{FailureClass, NodeId};
use mailscan_core::store::{ErrorClass, NewWorkerError, Store};
use mailscan_core::task::TaskId;
use tempfile::TempDir;

use super::{json, run_in};

/// How many groups of errors of each class there are: more than one look brings.
const GROUPS: u64 = 10_003;

/// Records as many errors of job 1, each at a host of its own, of sources that refused and of such that were read in part.
async fn record(database: &Path) {
    let store = Sqlite::open(database, SqliteOptions::default()).unwrap();
    let classes = [ErrorClass::Failed(FailureClass::Blocked), ErrorClass::Partial];
    for (class, first) in classes.into_iter().zip([100_000, 200_000]) {
        let error = |n| NewWorkerError {
            job: JobId(1),
            task: TaskId(first + n),
            fence: 1,
            node: NodeId("a".to_owned()),
            class,
            code: "some".to_owned(),
            host: format!("host{n}.org"),
            label: format!("https://host{n}.org/"),
            message: "it is so".to_owned(),
        };
        store.record_errors(&(0..GROUPS).map(error).collect::<Vec<_>>()).await.unwrap();
    }
}

#[tokio::test]
async fn every_group_of_errors_is_shown_and_counts() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.txt"), "ann@a.org").unwrap();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "a.txt", "--target", "9", "--detach"]).code, 0);
    record(&folder.path().join("mailscan.db")).await;

    let rows = run(&["errors", "1"]).out;
    let hosts: HashSet<_> = rows.lines().filter_map(|row| row.split_whitespace().nth(2)).collect();
    assert_eq!((rows.lines().count() as u64, hosts.len() as u64), (2 * GROUPS + 1, GROUPS + 1));
    let listed = json(&run(&["errors", "1", "--json"]).out);
    let groups: HashSet<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["class"], &group["host"]))
        .map(|g| format!("{g:?}"))
        .collect();
    assert_eq!((listed.as_array().unwrap().len(), groups.len() as u64), (groups.len(), 2 * GROUPS));

    let ran = run(&["run", "--resume", "1"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("\nread only in part: 10,003\n"), "{}", ran.err);
    assert!(ran.err.contains("\nblocked by 9,993 more: "), "{}", ran.err);
}
