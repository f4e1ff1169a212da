//! The check of a demo: what is stored against what was served.

use std::collections::HashSet;

use mailscan_core::job::JobId;
use mailscan_core::simulate;
use mailscan_core::store::Store;

use crate::exit::Result;

/// How many addresses one look at the store brings.
const PAGE: usize = 10_000;
/// How many wrong addresses are named.
const EXAMPLES: usize = 5;

/// How far the store and the simulation differ.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Served and not stored.
    pub(super) missing: u64,
    /// Stored and never served, or stored twice.
    pub(super) unexpected: u64,
    /// Some of both.
    pub(super) examples: Vec<String>,
}

impl Verdict {
    pub(super) fn is_exact(&self) -> bool {
        self.missing == 0 && self.unexpected == 0
    }
}

/// Reads the job's addresses back and compares them with the simulation's own list.
pub(super) async fn compare(store: &impl Store, id: JobId, seed: u64, emails: u64) -> Result<Verdict> {
    let mut expected: HashSet<_> = simulate::addresses(seed, emails).map(|address| address.identity()).collect();
    let (mut verdict, mut after) = (Verdict::default(), 0);
    loop {
        let page = store.addresses(id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for stored in &page {
            if !expected.remove(&stored.address.identity()) {
                verdict.unexpected += 1;
                if verdict.examples.len() < EXAMPLES {
                    verdict.examples.push(format!("never served: {} from {}", stored.address, stored.source));
                }
            }
        }
    }
    verdict.missing = expected.len() as u64;
    verdict.examples.extend(expected.iter().take(EXAMPLES).map(|address| format!("missing: {address}")));
    Ok(verdict)
}
