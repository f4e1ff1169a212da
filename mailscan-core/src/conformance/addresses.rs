//! The lines of [`Store`] about addresses.

use std::sync::Arc;

use super::jobs::{create, get, store};
use super::*;
use crate::ErrorKind;
use crate::address::Address;
use crate::class::Classes;
use crate::clock::Timestamp;
use crate::extract::Form;
use crate::store::{Inserted, Sighting, Stored};

pub(super) fn address(local: &str) -> Address {
    Address::new(local, "a.org").unwrap()
}

pub(super) fn sighting(job: JobId, local: &str) -> Sighting {
    Sighting {
        job,
        address: address(local),
        source: Arc::from("https://a.org/"),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    }
}

async fn insert(store: &impl Store, job: JobId, locals: &[&str]) -> Vec<Inserted> {
    let sightings: Vec<_> = locals.iter().map(|local| sighting(job, local)).collect();
    store.insert(&sightings).await.unwrap()
}

async fn stored(store: &impl Store, job: JobId) -> Vec<String> {
    let rows = store.addresses(job, 0, usize::MAX).await.unwrap();
    rows.into_iter().map(|row| row.address.local().to_owned()).collect()
}

/// Local parts of two addresses at one domain that have one fingerprint.
const ALIKE: [&str; 2] = ["bcfeioobkffdlndn", "ifacmcackcgmfkmk"];

/// A new address is new once, also within one batch; results match the input's order and length.
pub async fn an_address_is_new_once<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99).await;
    let first = insert(&store, job, &["b", "a", "b", "c", "a"]).await;
    assert_eq!(first, [Inserted::New, Inserted::New, Inserted::Known, Inserted::New, Inserted::Known]);
    assert_eq!(insert(&store, job, &["d", "a"]).await, [Inserted::New, Inserted::Known]);
    assert!(store.insert(&[]).await.unwrap().is_empty());
}

/// Two spellings of one identity are one address.
pub async fn letter_case_makes_no_new_address<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99).await;
    let inserted = insert(&store, job, &["Ann", "ann", "STRAẞE", "straße"]).await;
    assert_eq!(inserted, [Inserted::New, Inserted::Known, Inserted::New, Inserted::Known]);
    assert_eq!(insert(&store, job, &["ANN"]).await, [Inserted::Known]);
    assert_eq!(stored(&store, job).await, ["Ann", "STRAẞE"]);
}

/// Two addresses with one fingerprint are two, in one batch and in two.
pub async fn two_addresses_of_one_fingerprint_are_two<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let alike = [address(ALIKE[0]), address(ALIKE[1])];
    assert_eq!(alike[0].fingerprint(), alike[1].fingerprint());
    let (new, known) = (Inserted::New, Inserted::Known);
    for (key, batches) in [("one", &[&ALIKE[..]][..]), ("two", &[&ALIKE[..1], &ALIKE[1..]])] {
        let job = create(&store, key, 99).await;
        for batch in batches {
            assert_eq!(store.known(job, &alike[2 - batch.len()..]).await.unwrap(), vec![false; batch.len()]);
            assert_eq!(insert(&store, job, batch).await, vec![new; batch.len()]);
        }
        assert_eq!(insert(&store, job, &ALIKE).await, [known; 2]);
        assert_eq!(
            (stored(&store, job).await, get(&store, job).await.collected),
            (ALIKE.map(str::to_owned).to_vec(), 2)
        );
        assert_eq!(store.known(job, &alike).await.unwrap(), [true; 2]);
    }
}

/// The first sighting is kept, with source, place, form and classes.
pub async fn the_first_sighting_is_kept<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99).await;
    let sighting = |local: &str, source: &str, offset, form| Sighting {
        source: Arc::from(source),
        offset,
        form,
        classes: Classes::from_bits(offset as u16),
        ..sighting(job, local)
    };
    let first = sighting("Ann", "https://a.org/1", (1 << 40) + 3, Form::PercentEncoded);
    let other = sighting("bob", "/tmp/ü", 7, Form::CharacterReference);
    let later = sighting("ann", "https://a.org/2", 9, Form::Plain);
    store.insert(&[first.clone(), other.clone(), later.clone()]).await.unwrap();
    store.insert(&[later]).await.unwrap();
    let rows = store.addresses(job, 0, 99).await.unwrap();
    let row = |row: &Stored| (row.address.clone(), row.source.clone(), row.offset, row.form, row.classes);
    let expected = [first, other].map(|s| (s.address, s.source, s.offset, s.form, s.classes));
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected);
}

/// The fingerprints of a job are those of its addresses.
pub async fn fingerprints_are_those_of_the_addresses<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (job, other) = (create(&store, "k", 99).await, create(&store, "l", 99).await);
    for locals in [&["a", "b", "A"][..], &["c"], &["b", "d", "e"]] {
        insert(&store, job, locals).await;
    }
    insert(&store, other, &["f"]).await;
    let mut found = store.fingerprints(job, vec![7], Vec::push).await.unwrap();
    let mut expected: Vec<u64> = ["a", "b", "c", "d", "e"].map(|local| address(local).fingerprint()).to_vec();
    expected.push(7);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// A search finds what contains its text, letter case aside, page by page, and says when there is no more.
pub async fn addresses_are_searched_page_by_page<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (job, other) = (create(&store, "k", 99).await, create(&store, "l", 99).await);
    insert(&store, job, &["Ann", "bob", "joann", "STRAẞE", "han", "anne"]).await;
    insert(&store, other, &["ann"]).await;
    let search = async |text: &str, after, limit| {
        let found = store.search_addresses(job, text, after, limit).await.unwrap();
        let locals: Vec<_> = found.rows.iter().map(|row| row.address.local().to_owned()).collect();
        (locals, found.next_after)
    };
    assert_eq!(search("aNN", 0, 99).await, (vec!["Ann".to_owned(), "joann".to_owned(), "anne".to_owned()], None));
    let (first, next) = search("ann", 0, 2).await;
    assert_eq!(first, ["Ann", "joann"]);
    assert_eq!(search("ann", next.unwrap(), 2).await, (vec!["anne".to_owned()], None));
    // What matches no more makes no further page.
    assert_eq!(search("bob", 0, 1).await, (vec!["bob".to_owned()], None));
    assert_eq!(search("straß", 0, 9).await.0, ["STRAẞE"]);
    assert_eq!(search("@A.ORG", 0, 99).await.0.len(), 6);
    assert_eq!(search("%", 0, 9).await, (vec![], None));
}

/// A domain is found as it is kept and as people write it, and a local part beside it as it was written.
pub async fn addresses_at_international_domains_are_found<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 99).await;
    let address =
        |local: &str, domain: &str| Sighting { address: Address::new(local, domain).unwrap(), ..sighting(job, "a") };
    store
        .insert(&[address("ann", "bücher.de"), address("bücher", "a.org"), address("müller", "BÜCHER.de")])
        .await
        .unwrap();
    for (text, found) in [
        ("bücher", &["ann", "bücher", "müller"][..]),
        ("Bücher.D", &["ann", "müller"]),
        ("@bücher", &["ann", "müller"]),
        ("müller@bücher.de", &["müller"]),
        ("xn--bcher", &["ann", "müller"]),
        ("@büch", &[]),
    ] {
        let rows = store.search_addresses(job, text, 0, 9).await.unwrap().rows;
        let locals: Vec<_> = rows.iter().map(|row| row.address.local()).collect();
        assert_eq!(locals, found, "{text}");
    }
}

/// Each job has addresses of its own, also within one batch.
pub async fn jobs_do_not_share_addresses<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (one, two) = (create(&store, "k", 99).await, create(&store, "l", 99).await);
    let batch = [sighting(one, "a"), sighting(two, "a"), sighting(two, "b"), sighting(one, "a")];
    let expected = [Inserted::New, Inserted::New, Inserted::New, Inserted::Known];
    assert_eq!(store.insert(&batch).await.unwrap(), expected);
    assert_eq!((stored(&store, one).await.len(), stored(&store, two).await.len()), (1, 2));
    assert_eq!((get(&store, one).await.collected, get(&store, two).await.collected), (1, 2));
}

/// The target is reached exactly: what comes after it, in the order of the input, is over it.
pub async fn the_target_is_never_passed<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 3).await;
    let inserted = insert(&store, job, &["z", "y", "z", "x", "w", "v"]).await;
    let (new, known, over) = (Inserted::New, Inserted::Known, Inserted::OverTarget);
    assert_eq!(inserted, [new, new, known, new, over, over]);
    assert_eq!(stored(&store, job).await, ["z", "y", "x"]);
    assert_eq!(get(&store, job).await.collected, 3);
}

/// A stored address answers `Known` even when the job has its target.
pub async fn a_known_address_is_known_over_the_target<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 1).await;
    insert(&store, job, &["a"]).await;
    assert_eq!(insert(&store, job, &["b", "A"]).await, [Inserted::OverTarget, Inserted::Known]);
    assert_eq!(store.known(job, &[address("b")]).await.unwrap(), [false]);
}

/// A missing job fails the batch, and nothing of it is kept.
pub async fn a_missing_job_keeps_nothing_of_the_batch<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 9).await;
    let error = store.insert(&[sighting(job, "a"), sighting(JobId(99), "b")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(stored(&store, job).await.is_empty());
    assert_eq!(get(&store, job).await.collected, 0);
}

/// The count of a job is the number of its rows, after batches of every size side by side.
pub async fn collected_is_the_number_of_rows<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let job = create(&store, "k", 700).await;
    let batches = (0..10).map(|batch| {
        let locals: Vec<_> = (batch * 50..batch * 50 + 300).map(|n| sighting(job, &format!("a{n}"))).collect();
        let store = &store;
        async move { store.insert(&locals).await.unwrap() }
    });
    let answers = futures::future::join_all(batches).await.concat();
    let new = answers.iter().filter(|answer| **answer == Inserted::New).count();
    assert_eq!(new, 700);
    assert_eq!(stored(&store, job).await.len(), new);
    assert_eq!(get(&store, job).await.collected, 700);
}

/// Whether each address is stored is answered in order, for this job only.
pub async fn known_answers_in_order<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (one, two) = (create(&store, "k", 9).await, create(&store, "l", 9).await);
    insert(&store, one, &["a", "C"]).await;
    let asked = ["c", "b", "a", "a"].map(address);
    assert_eq!(store.known(one, &asked).await.unwrap(), [true, false, true, true]);
    assert_eq!(store.known(two, &asked).await.unwrap(), [false; 4]);
    assert!(store.known(one, &[]).await.unwrap().is_empty());
}

/// Addresses are listed in the order in which they were first seen, page by page, with rising ids.
pub async fn addresses_are_listed_as_first_seen<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (one, two) = (create(&store, "k", 9_999).await, create(&store, "l", 9_999).await);
    let mut expected = Vec::new();
    for batch in 0..4 {
        let locals: Vec<_> = (0..25).map(|n| format!("{}-{batch}", n * 7919 % 25)).collect();
        let sightings: Vec<_> = locals.iter().flat_map(|l| [sighting(one, l), sighting(two, l)]).collect();
        store.insert(&sightings).await.unwrap();
        expected.extend(locals);
    }
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let rows = store.addresses(one, after, 7).await.unwrap();
        assert!(rows.len() <= 7);
        let Some(last) = rows.last() else { break };
        assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id) && rows[0].id > after);
        after = last.id;
        seen.extend(rows.iter().map(|row| row.address.local().to_owned()));
    }
    assert_eq!(seen, expected);
}

/// The place of a moment among the addresses of a job is between those found before it and the others, whatever others found.
pub async fn moments_part_the_addresses_of_a_job<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let (one, two) = (create(&store, "k", 9_999).await, create(&store, "l", 9_999).await);
    assert_eq!(store.last_before(one, Timestamp(u64::MAX >> 2)).await.unwrap(), 0);
    for batch in 0..6 {
        harness.advance(Duration::from_millis(10)).await;
        let locals: Vec<_> = (0..9).map(|n| format!("{batch}-{n}")).collect();
        let job = if batch == 3 { vec![one] } else { vec![two, one, two] };
        let sightings: Vec<_> = locals.iter().flat_map(|l| job.iter().map(|job| sighting(*job, l))).collect();
        store.insert(&sightings).await.unwrap();
    }
    for job in [one, two] {
        let rows = store.addresses(job, 0, usize::MAX).await.unwrap();
        let before = |moment: Timestamp| rows.iter().filter(|row| row.found_at < moment).count();
        for moment in rows.iter().map(|row| row.found_at).chain([Timestamp(0), Timestamp(u64::MAX >> 2)]) {
            let place = store.last_before(job, moment).await.unwrap();
            let there = rows.iter().filter(|row| row.id <= place).count();
            assert_eq!(there, before(moment), "{moment:?}");
        }
    }
}
