//! A search among more addresses than one answer looks at.

use mailscan_core::Address;
use mailscan_core::backend::memory::MemoryStore;
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::store::{Matches, Sighting, Store};

/// How many addresses one answer looks at.
const LOOKED_AT: u64 = 200_000;

/// Stores so many addresses, of which those of the numbers given are called otherwise.
async fn stored(store: &MemoryStore, addresses: u64, needles: [u64; 2]) -> JobId {
    let spec = JobSpec::new(addresses, vec![JobSource::Url("https://example.org/".to_owned())]);
    let job = store.create_job(&NewJob::new(spec)).await.unwrap().id();
    let sighting = |n: u64| Sighting {
        job,
        address: Address::parse(&format!("{}{n}@host.org", if needles.contains(&n) { "needle" } else { "user" }))
            .unwrap(),
        source: "https://example.org/".into(),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    for first in (0..addresses).step_by(10_000) {
        let batch: Vec<_> = (first..addresses.min(first + 10_000)).map(sighting).collect();
        store.insert(&batch).await.unwrap();
    }
    job
}

#[tokio::test]
async fn an_answer_that_has_looked_at_enough_says_where_to_go_on() {
    let store = MemoryStore::new();
    let job = stored(&store, LOOKED_AT + 100, [9, LOOKED_AT]).await;
    let search = async |after| {
        let Matches { rows, next_after } = store.search_addresses(job, "NEEDLE", after, 10).await.unwrap();
        (rows.iter().map(|row| row.address.as_str().to_owned()).collect::<Vec<_>>(), next_after)
    };
    let last_looked_at = store.addresses(job, 0, LOOKED_AT as usize).await.unwrap().last().unwrap().id;
    assert_eq!(search(0).await, (vec!["needle9@host.org".to_owned()], Some(last_looked_at)));
    assert_eq!(search(last_looked_at).await, (vec![format!("needle{LOOKED_AT}@host.org")], None));
    // Nothing yet is not nothing.
    let other = stored(&store, LOOKED_AT + 1, [LOOKED_AT, LOOKED_AT]).await;
    let found = store.search_addresses(other, "needle", 0, 10).await.unwrap();
    assert!(found.rows.is_empty() && found.next_after.is_some());
}
