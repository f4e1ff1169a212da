//! Random batches of addresses against a set of identities, cut off at the target.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::addresses::sighting;
use super::jobs::{create, get};
use super::model::run;
use super::*;
use crate::store::Inserted;

/// Random batches of addresses end as in a set, cut off at the target.
pub fn store_agrees<H: Harness>(open: impl Fn() -> H) {
    let open = &open;
    let batch = prop::collection::vec((0..2u64, "[a-cA-C]{1,2}"), 0..20);
    run(&(1..20u64, prop::collection::vec(batch, 1..8)), |(target, batches)| async move {
        let harness = open();
        let (_, store) = harness.open(QueueLimits::default()).await;
        let jobs = [create(&store, "a", target).await, create(&store, "b", target).await];
        let mut rows: HashMap<JobId, Vec<String>> = HashMap::new();
        let mut known = HashSet::new();
        for batch in batches {
            let sightings: Vec<_> = batch.iter().map(|(job, local)| sighting(jobs[*job as usize], local)).collect();
            let answers = store.insert(&sightings).await.unwrap();
            assert_eq!(answers.len(), sightings.len(), "each sighting is answered");
            for (sighting, inserted) in sightings.iter().zip(answers) {
                let rows = rows.entry(sighting.job).or_default();
                let identity = (sighting.job, sighting.address.identity());
                let expected = if known.contains(&identity) {
                    Inserted::Known
                } else if rows.len() as u64 == target {
                    Inserted::OverTarget
                } else {
                    known.insert(identity);
                    rows.push(sighting.address.as_str().to_owned());
                    Inserted::New
                };
                assert_eq!(inserted, expected, "{sighting:?}");
            }
        }
        for job in jobs {
            let expected = rows.remove(&job).unwrap_or_default();
            let stored = store.addresses(job, 0, usize::MAX).await.unwrap();
            let stored: Vec<_> = stored.iter().map(|row| row.address.as_str().to_owned()).collect();
            assert_eq!(get(&store, job).await.collected, expected.len() as u64);
            assert_eq!(stored, expected);
        }
    });
}
