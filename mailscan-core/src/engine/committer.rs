//! The committer: gathers what workers finished and writes it in batches.
//!
//! Outcomes come from the workers over a bounded channel, weighted by what they hold. A batch is written when a
//! watermark is reached; while one batch is written the next gathers, and the one before is accounted for. Addresses that
//! the store has confirmed lately are dropped here; the Bloom front tells what is surely new, and never decides that an
//! address is old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::dispatcher::Assigned;
use super::intake;
use super::job_run::{JobRun, Stop};
use super::shared::Shared;
use super::vitals::tally;
use super::{EngineOptions, Watermarks};
use crate::job::{JobId, JobStatus};
use crate::lease::{Lease, Settle, Verdict};
use crate::pipeline::{Committed, Pipeline, TaskOutcome};
use crate::queue::{Pushed, Settled};
use crate::store::{Inserted, Sighting, Store};
use crate::task::{NewTask, Work};

/// From one address in so many that come again on, all new ones are remembered as stored: to note one costs a hundredth of
/// what the store takes to find one.
const REPEATS: u64 = 128;

/// An outcome on its way to the committer.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) run: Arc<JobRun>,
    /// Boxed, since it goes from hand to hand.
    pub(super) outcome: Box<TaskOutcome>,
    /// The room that what it holds takes in the channel; `None` for none.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Finished {
    /// The outcome that gives a task back untouched.
    pub(super) fn released(assigned: &Assigned) -> Self {
        let settle = Settle::new(assigned.claimed.lease, Verdict::Release { after: Duration::ZERO });
        let outcome = Box::new(TaskOutcome { settle: Some(settle), ..TaskOutcome::default() });
        Self { run: assigned.run.clone(), outcome, room: None }
    }
}

/// The channel from the workers: as many outcomes as two batches hold.
pub(super) fn channel(options: &EngineOptions) -> (mpsc::Sender<Finished>, mpsc::Receiver<Finished>) {
    mpsc::channel(options.watermarks.outcomes.max(1) * 2)
}

/// A batch on its way to the store: its outcomes, and what each of them belongs to.
struct Batch {
    parts: Vec<Part>,
    outcomes: Arc<[TaskOutcome]>,
}

/// What is kept of an outcome beside what is written.
struct Part {
    run: Arc<JobRun>,
    /// The addresses that were extracted, those included that need not be written.
    mentions: u64,
    /// Given back when the batch is accounted for.
    _room: Option<OwnedSemaphorePermit>,
}

/// Where places are empty for lack of what a batch brings, it waits so many times shorter.
const HUNGRY: u32 = 4;

/// Writes until every worker is gone, then says that all is committed.
pub(super) async fn run<P: Pipeline>(shared: Arc<Shared<P>>, mut finished: mpsc::Receiver<Finished>) {
    let marks = shared.options.watermarks;
    let mut written = None;
    loop {
        // What was written is accounted for at once, unless so much waits that the store can be given the next batch first.
        let linger = if finished.len() * 2 < marks.outcomes {
            settle_accounts(&shared, written.take()).await;
            marks.linger
        } else {
            Duration::ZERO
        };
        let Some(first) = finished.recv().await else { break };
        let batch = gather(first, &mut finished, Watermarks { linger, ..marks }, &shared.running).await;
        let span = tracing::info_span!("commit", outcomes = batch.len());
        written = write(&shared, batch, written.take()).instrument(span).await;
        if written.is_none() {
            // A later batch must not settle a task whose earlier part is missing: everything that comes now is dropped, and
            // the tasks are delivered again.
            while finished.recv().await.is_some() {}
        }
    }
    settle_accounts(&shared, written).await;
    shared.committed.cancel();
}

/// What has come by the time a watermark is reached, or when little more can come: as soon as no more fetches run than
/// outcomes wait, unless each of their jobs has claimed tasks that wait for a place. A job that has none waits for those that an
/// outcome leads to, such as the next call of a search, so they are waited with for a [part](HUNGRY) of the time only.
async fn gather(
    first: Finished,
    finished: &mut mpsc::Receiver<Finished>,
    marks: Watermarks,
    running: &AtomicUsize,
) -> Vec<Finished> {
    let began = Instant::now();
    let runs_dry = |finished: &Finished| finished.run.ready.load(Ordering::Relaxed) == 0;
    let feeds = |finished: &Finished| runs_dry(finished) && !finished.outcome.discovered.is_empty();
    let (mut weight, mut dry, mut hungry) = (first.outcome.weight(), runs_dry(&first), feeds(&first));
    let mut batch = vec![first];
    while batch.len() < marks.outcomes && weight < marks.sightings {
        let next = match finished.try_recv() {
            Ok(next) => next,
            Err(_) if dry && batch.len() >= running.load(Ordering::Relaxed) => break,
            Err(_) => {
                match timeout_at(began + if hungry { marks.linger / HUNGRY } else { marks.linger }, finished.recv())
                    .await
                {
                    Ok(Some(next)) => next,
                    Ok(None) | Err(_) => break,
                }
            }
        };
        weight += next.outcome.weight();
        dry |= runs_dry(&next);
        hungry |= feeds(&next);
        batch.push(next);
    }
    batch
}

/// Writes one batch, and accounts for the one before meanwhile. Repeats while the backend is away; `None` when it is given
/// up, which only the end of the engine does.
async fn write<P: Pipeline>(
    shared: &Shared<P>,
    mut batch: Vec<Finished>,
    before: Option<(Batch, Committed)>,
) -> Option<(Batch, Committed)> {
    batch.iter_mut().for_each(|finished| finished.outcome.epoch = finished.run.epoch);
    let mentions: Vec<_> = batch.iter().map(|finished| finished.outcome.sightings.len() as u64).collect();
    drop_known(shared, &mut batch).await?;
    let part = |(Finished { run, outcome, room }, mentions)| (Part { run, mentions, _room: room }, *outcome);
    let (parts, outcomes): (Vec<_>, Vec<_>) = batch.into_iter().zip(mentions).map(part).unzip();
    let mut outcomes: Arc<[TaskOutcome]> = outcomes.into();
    let began = Instant::now();
    let commit = shared.persist(|| {
        let epoch = shared.pipeline.store().epoch();
        if outcomes.iter().any(|outcome| outcome.epoch != epoch) {
            outcomes = outcomes.iter().map(|outcome| of_epoch(outcome, epoch)).collect();
            shared.jobs_changed.notify_one();
        }
        shared.pipeline.commit(outcomes.clone())
    });
    // In this order, so that the store has the new batch first.
    let (committed, ()) = tokio::join!(biased; commit, settle_accounts(shared, before));
    let committed = committed?;
    shared.counters.commits.observe(began.elapsed());
    Some((Batch { parts, outcomes }, committed))
}

/// What an outcome is worth to a store that may have lost what it had when the outcome was made: its task is given back. Whoever
/// does that again finds what it holds, and what was left out of it as known, which may be known no more. To keep the one
/// without the other would gain little, and the store may have no job for it, or another one of that id.
fn of_epoch(outcome: &TaskOutcome, epoch: u64) -> TaskOutcome {
    if outcome.epoch == epoch {
        return outcome.clone();
    }
    let again = |settle: &Settle| Settle::new(settle.lease, Verdict::Release { after: Duration::ZERO });
    TaskOutcome { settle: outcome.settle.as_ref().map(again), epoch, ..TaskOutcome::default() }
}

/// Accounts for a batch that was written, if there is one, and makes room in the filters.
async fn settle_accounts<P: Pipeline>(shared: &Shared<P>, written: Option<(Batch, Committed)>) {
    let Some((batch, committed)) = written else { return };
    account(shared, &batch, &committed);
    let jobs: BTreeMap<JobId, &Arc<JobRun>> = batch.parts.iter().map(|part| (part.run.id(), &part.run)).collect();
    for run in jobs.into_values().filter(|run| run.filter().is_full()) {
        // No address is missed: a batch that is being written meanwhile is accounted for afterwards.
        let filled = tokio::select! {
            biased;
            // It may take long, and is of little use any more.
            () = shared.drain.cancelled() => {
                // Nobody else would say that it is over; what is written says it anew.
                shared.set_trouble(None);
                None
            }
            filled = shared.persist(|| intake::fill_filter(shared.pipeline.store(), run)) => filled,
        };
        tally(&shared.counters.front.rebuilt, usize::from(filled.is_some()));
    }
}

/// Drops the sightings that bring nothing new: those of addresses that the store confirmed lately, and, where the filter
/// takes most for old, those that the store confirms now. A few doubtful ones go on: the union looks for them anyway. For a
/// job of which the last batch brought mostly new ones the filter is not asked.
async fn drop_known<P: Pipeline>(shared: &Shared<P>, batch: &mut [Finished]) -> Option<()> {
    let counters = &shared.counters.front;
    let mut asked: BTreeMap<JobId, (Arc<JobRun>, usize, Vec<crate::Address>)> = BTreeMap::new();
    for Finished { run, outcome, .. } in batch.iter_mut() {
        let dropped = run.stored_lately().retain_others(&mut outcome.sightings);
        run.dropped.fetch_add(dropped, Ordering::Relaxed);
        tally(&counters.stored_lately, dropped);
        if run.mostly_new.load(Ordering::Relaxed) {
            continue;
        }
        let (_, all, doubtful) = asked.entry(run.id()).or_insert_with(|| (run.clone(), 0, Vec::new()));
        *all += outcome.sightings.len();
        let filter = run.filter();
        let old = outcome.sightings.iter().filter(|sighting| !filter.surely_new(fingerprint(sighting)));
        doubtful.extend(old.map(|sighting| sighting.address.clone()));
    }
    let mut known = BTreeMap::new();
    for (job, (run, all, addresses)) in asked {
        tally(&counters.doubtful, addresses.len());
        tally(&counters.surely_new, all - addresses.len());
        if addresses.len() * 2 <= all {
            run.mostly_new.store(all > 0, Ordering::Relaxed);
            continue;
        }
        let answers = shared.persist(|| shared.pipeline.store().known(job, &addresses)).await?;
        let old = answers.iter().filter(|known| **known).count();
        tally(&counters.known, old);
        tally(&counters.unknown, answers.len() - old);
        let stored = addresses.into_iter().zip(answers).filter(|(_, known)| *known).map(|(address, _)| address);
        known.insert(job, stored.collect::<std::collections::HashSet<_>>());
    }
    for Finished { run, outcome, .. } in batch {
        if let Some(known) = known.get(&run.id()) {
            run.stored_lately().note(known.iter());
            let before = outcome.sightings.len();
            outcome.sightings.retain(|sighting| !known.contains(&sighting.address));
            run.dropped.fetch_add(before - outcome.sightings.len(), Ordering::Relaxed);
        }
    }
    Some(())
}

fn fingerprint(sighting: &Sighting) -> u64 {
    sighting.address.fingerprint()
}

/// Notes what a written batch means for its jobs and leases.
fn account<P: Pipeline>(shared: &Shared<P>, batch: &Batch, committed: &Committed) {
    let Batch { parts, outcomes } = batch;
    let (mut inserted, mut pushed) = (committed.inserted.iter(), committed.pushed.iter());
    let mut counts: BTreeMap<JobId, (&Arc<JobRun>, u64, u64)> = BTreeMap::new();
    for (Part { run, .. }, outcome) in parts.iter().zip(outcomes.iter()) {
        let (mut new, mut known, mut over) = (0, 0, false);
        let remember_new = run.remember_new.load(Ordering::Relaxed);
        {
            let (mut filter, mut lately) = (run.filter(), run.stored_lately());
            for (sighting, result) in outcome.sightings.iter().zip(inserted.by_ref()) {
                new += u64::from(*result == Inserted::New);
                known += u64::from(*result == Inserted::Known);
                over |= *result == Inserted::OverTarget;
                if *result != Inserted::OverTarget {
                    filter.insert(fingerprint(sighting));
                }
                if *result == Inserted::Known || (remember_new && *result == Inserted::New) {
                    lately.note([&sighting.address]);
                }
            }
        }
        let (_, all_new, all_known) = counts.entry(run.id()).or_insert((run, 0, 0));
        (*all_new, *all_known) = (*all_new + new, *all_known + known);
        note_pushed(run, &outcome.discovered, pushed.by_ref().take(outcome.discovered.len()));
        shared.counters.addresses.fetch_add(new, Ordering::Relaxed);
        let collected = run.add(new);
        // What was counted of a store that has lost some of it since says nothing of the target.
        if run.epoch == shared.pipeline.store().epoch() && (over || collected >= run.job.spec.target) {
            reach_target(shared, run);
        }
    }
    for (run, new, known) in counts.into_values() {
        if known > new {
            run.mostly_new.store(false, Ordering::Relaxed);
        }
        let again = known + run.dropped.swap(0, Ordering::Relaxed) as u64;
        if new + again > 0 {
            run.remember_new.store(again * REPEATS >= new + again, Ordering::Relaxed);
        }
    }
    count(shared, batch, committed);
    let settled: Vec<Lease> = outcomes.iter().filter_map(|outcome| Some(outcome.settle.as_ref()?.lease)).collect();
    let jobs: std::collections::BTreeSet<JobId> = settled.iter().map(|lease| lease.job).collect();
    shared.leases.remove(settled);
    if jobs.into_iter().any(|job| shared.leases.held(job) == 0) {
        shared.wake_supervisor.notify_one();
    }
    shared.wake_dispatcher.notify_one();
}

/// Counts what was done. What comes with a lost lease was not: whoever has the task now brings its mentions again. Its
/// error is recorded all the same.
fn count<P: Pipeline>(shared: &Shared<P>, batch: &Batch, committed: &Committed) {
    let mut settled = committed.settled.iter();
    for (Part { run, mentions, .. }, outcome) in batch.parts.iter().zip(batch.outcomes.iter()) {
        if let Some(error) = &outcome.error {
            run.errors.fetch_add(1, Ordering::Relaxed);
            shared.counters.error(error.class);
        }
        if let Some(settle) = &outcome.settle {
            // Repeated is what an answer that was lost makes of an applied one.
            if settled.next() == Some(&Settled::Lost) {
                continue;
            }
            shared.counters.settled(&settle.verdict);
        }
        run.mentions.fetch_add(*mentions, Ordering::Relaxed);
        shared.counters.mentions.fetch_add(*mentions, Ordering::Relaxed);
    }
}

/// Notes what became of the tasks that one outcome discovered.
fn note_pushed<'a>(run: &JobRun, discovered: &[NewTask], pushed: impl Iterator<Item = &'a Pushed>) {
    let follows = run.job.spec.options.crawl.is_some();
    let mut over_limit = 0;
    let met = discovered.iter().zip(pushed).filter_map(|(task, pushed)| match (pushed, &task.work) {
        (Pushed::OverLimit, _) => {
            over_limit += 1;
            None
        }
        (_, Work::Page { url }) if follows => Some(url.as_str()),
        _ => None,
    });
    run.met_links.note(met);
    run.over_limit.fetch_add(over_limit, Ordering::Relaxed);
}

/// The job has its target: nothing more needs to be fetched for it.
pub(super) fn reach_target<P: Pipeline>(shared: &Shared<P>, run: &JobRun) {
    let stop = Stop { status: JobStatus::Completed, reason: None, tell_store: true };
    if run.stop(stop) {
        shared.leases.interrupt(run.id());
        shared.wake_supervisor.notify_one();
        shared.wake_dispatcher.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use crate::backend::memory::{MemoryQueue, MemoryStore};
    use crate::class::Classes;
    use crate::extract::Form;
    use crate::fetch::{FetchContext, FetchError, Fetched, Fetcher};
    use crate::job::{JobSource, JobSpec, NewJob};
    use crate::pipeline::Backends;
    use crate::queue::QueueLimits;
    use crate::task::Task;

    #[derive(Debug)]
    struct Nothing;

    impl Fetcher for Nothing {
        async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
            Ok(Fetched::default())
        }
    }

    /// Whether a job has its target when an engine that took it up at this distance from the store's epoch is told that the one
    /// address it wants was stored.
    async fn has_its_target(distance: u64) -> bool {
        let queue = MemoryQueue::new(QueueLimits::default());
        let pipeline = Backends { queue, store: MemoryStore::new(), fetcher: Nothing };
        let shared = Shared::new(Arc::new(pipeline), EngineOptions::default());
        let store = shared.pipeline.store();
        let spec = JobSpec::new(1, vec![JobSource::Url("https://a.org/".to_owned())]);
        let id = store.create_job(&NewJob::new(spec)).await.unwrap().id();
        let job = store.job(id).await.unwrap().unwrap();
        let run = Arc::new(JobRun::new(job, store.epoch() + distance, &shared.options, &shared.drain));
        let sighting = Sighting {
            job: id,
            address: Address::parse("ann@example.org").unwrap(),
            source: "https://a.org/".into(),
            offset: 0,
            form: Form::Plain,
            classes: Classes::NONE,
        };
        let outcomes = Arc::new([TaskOutcome { sightings: vec![sighting], ..TaskOutcome::default() }]);
        let batch = Batch { parts: vec![Part { run: run.clone(), mentions: 1, _room: None }], outcomes };
        account(&shared, &batch, &Committed { inserted: vec![Inserted::New], ..Committed::default() });
        run.is_stopping()
    }

    #[tokio::test]
    async fn what_another_epoch_counted_reaches_no_target() {
        assert!(has_its_target(0).await);
        assert!(!has_its_target(1).await);
    }
}
