//! How fast a job collected before this process began to watch it, by the times at which its addresses were found. So the
//! chart of a page goes on where a restart cut it.

use std::collections::BTreeMap;

use mailscan_core::clock::Timestamp;
use mailscan_core::job::JobId;
use mailscan_core::store::Store;

use crate::samples::Rate;

/// How much time one point tells of, in milliseconds.
const STEP: u64 = 10_000;
/// How many addresses are read at a time, and at most.
const PAGE: usize = 10_000;
const MOST: usize = 200_000;

/// The rates of a job between two moments, the oldest first. Times without a new address are left out, as nobody knows
/// whether the job ran then. Of a time with very many addresses the end is left out.
///
/// # Errors
/// Those of the store.
pub(crate) async fn rates<S: Store>(
    store: &S,
    job: JobId,
    since: Timestamp,
    until: Timestamp,
) -> mailscan_core::Result<Vec<Rate>> {
    let mut after = store.last_before(job, since).await?;
    let mut steps: BTreeMap<u64, u64> = BTreeMap::new();
    let mut read = 0;
    while read < MOST {
        let page = store.addresses(job, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        (after, read) = (last.id, read + page.len());
        for row in page.iter().filter(|row| row.found_at >= since && row.found_at < until) {
            *steps.entry((row.found_at.0 - since.0) / STEP).or_default() += 1;
        }
        if page.len() < PAGE || last.found_at >= until {
            break;
        }
    }
    let rate = |(step, found): (u64, u64)| {
        let begin = since.0 + step * STEP;
        let end = (begin + STEP).min(until.0);
        let minutes = (end - begin).max(1) as f64 / 60_000.0;
        Rate { at: Timestamp(end), emails_per_minute: found as f64 / minutes }
    };
    Ok(steps.into_iter().map(rate).collect())
}
