//! What only this module can arrange: fingerprints that collide.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Sqlite, SqliteOptions};
use crate::address::Address;
use crate::class::Classes;
use crate::extract::Form;
use crate::job::{JobId, JobSource, JobSpec, NewJob};
use crate::lease::{NodeId, Settle, Verdict};
use crate::queue::{ClaimRequest, Pushed, Queue, Share};
use crate::store::{Inserted, Sighting, Store};
use crate::task::{NewTask, Work};

/// A database that knows 16 different fingerprints.
fn open(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open_masked(&folder.path().join("db"), SqliteOptions::default(), 0xf).unwrap()
}

fn sighting(local: &str) -> Sighting {
    let address = Address::new(local, "a.org").unwrap();
    Sighting { job: JobId(1), address, source: Arc::from(local), offset: 0, form: Form::Plain, classes: Classes::NONE }
}

/// Inserts batches, and checks every answer and the final rows against a plain set.
async fn union(batches: Vec<Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let spec = JobSpec::new(1_000, vec![JobSource::Url("https://a.org/".into())]);
    store.create_job(&NewJob { key: "k".into(), ..NewJob::new(spec) }).await.unwrap();
    let mut expected = Vec::new();
    let mut seen = HashSet::new();
    for batch in batches {
        let sightings: Vec<_> = batch.iter().map(|local| sighting(local)).collect();
        let answers = store.insert(&sightings).await.unwrap();
        for (sighting, answer) in sightings.iter().zip(answers) {
            let new = seen.insert(sighting.address.identity());
            assert_eq!(answer == Inserted::New, new, "{}", sighting.address);
            if new {
                expected.push((sighting.address.clone(), sighting.source.clone()));
            }
        }
        let addresses: Vec<_> = sightings.iter().map(|sighting| sighting.address.clone()).collect();
        assert!(store.known(JobId(1), &addresses).await.unwrap().into_iter().all(|known| known));
    }
    let stored = store.addresses(JobId(1), 0, usize::MAX).await.unwrap();
    let stored: Vec<_> = stored.into_iter().map(|row| (row.address, row.source)).collect();
    assert_eq!(stored, expected);
    assert_eq!(store.job(JobId(1)).await.unwrap().unwrap().collected, expected.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn colliding_fingerprints_lose_no_address(batches in prop::collection::vec(
        prop::collection::vec("[a-dA-D]{1,3}", 0..40), 1..6)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(union(batches));
    }
}

#[tokio::test]
async fn colliding_fingerprints_lose_no_task() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder);
    let task = |n| NewTask { job: JobId(1), work: Work::Path { path: format!("{n}") }, depth: 0, limit: Some(200) };
    let tasks: Vec<_> = (0..200).map(task).collect();
    let ids: Vec<_> = queue.push(&tasks).await.unwrap();
    assert!(ids.iter().all(|pushed| matches!(pushed, Pushed::New(_))));
    let again = queue.push(&tasks).await.unwrap();
    for (first, second) in ids.into_iter().zip(again) {
        let Pushed::New(id) = first else { unreachable!("checked above") };
        assert_eq!(second, Pushed::Duplicate(id));
    }
    assert_eq!(queue.depth(JobId(1)).await.unwrap().pending, 200);
    assert_eq!(queue.push(&[task(200)]).await.unwrap(), [Pushed::OverLimit]);
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Sqlite::open(folder.path().join("db"), SqliteOptions::default()).unwrap();
    // SQLite answers a file that may not grow as it answers a full disk.
    let allow = async |pages: i64| {
        let set = move |session: &mut super::writer::Session<'_>| {
            Ok(session.connection.pragma_update(None, "max_page_count", pages)?)
        };
        queue.write("allow", set).await.unwrap();
    };
    let task = |n| NewTask { job: JobId(1), work: Work::Path { path: format!("{n:0>200}") }, depth: 0, limit: None };
    let tasks: Vec<_> = (0..2_000).map(task).collect();
    allow(60).await;
    let error = queue.push(&tasks).await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Full);
    assert!(error.is_transient());
    assert_eq!(queue.depth(JobId(1)).await.unwrap().total(), 0);
    allow(i64::from(u32::MAX >> 1)).await;
    assert_eq!(queue.push(&tasks).await.unwrap().len(), 2_000);
    assert_eq!(queue.depth(JobId(1)).await.unwrap().pending, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_delays_no_task_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let spec = JobSpec::new(9, vec![JobSource::Url("https://a.org/".into())]);
    let job = store.create_job(&NewJob { key: "k".into(), ..NewJob::new(spec) }).await.unwrap().id();
    let work = Work::Page { url: "https://a.org/".into() };
    store.push(&[NewTask { job, work, depth: 0, limit: None }]).await.unwrap();
    let request = ClaimRequest {
        node: NodeId("n".into()),
        shares: vec![Share { job, limit: 9 }],
        per_host: 9,
        calls: 9,
        busy_hosts: Vec::new(),
        suspects: 9,
        lease_for: Duration::from_secs(9),
    };
    let claimed = store.claim(&request).await.unwrap();
    let month = Duration::from_secs(30 * 86_400);
    store.settle(&[Settle::new(claimed[0].lease, Verdict::Release { after: month })]).await.unwrap();
    let _lock = store.try_lock_workers().await.unwrap();
    tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(store.claim(&request).await.unwrap().len(), 1);
}
