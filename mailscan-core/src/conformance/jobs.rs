//! The lines of [`Store`] about jobs.

use super::*;
use crate::ErrorKind;
use crate::class::ClassFilter;
use crate::job::{Crawl, Job, JobOptions, JobSource, JobSpec, JobState, JobStatus, NewJob, Origin, Outline};
use crate::store::{Created, JobQuery, Transition};

/// An empty store.
pub(super) async fn store<H: Harness>(harness: &H) -> H::Store {
    harness.open(QueueLimits::default()).await.1
}

/// Creates a job under a key.
pub(super) async fn create(store: &impl Store, key: &str, target: u64) -> JobId {
    let spec = JobSpec::new(target, vec![JobSource::Url("https://a.org/".to_owned())]);
    store.create_job(&NewJob { key: key.to_owned(), spec, origin: Origin::Operator }).await.unwrap().id()
}

/// A job that must exist.
pub(super) async fn get(store: &impl Store, id: JobId) -> Job {
    store.job(id).await.unwrap().unwrap()
}

async fn go(store: &impl Store, id: JobId, from: &[JobStatus], to: JobStatus) -> Transition {
    store.transition(id, from, to, None).await.unwrap()
}

/// A new job is queued, unseeded, and holds what was asked for.
pub async fn a_new_job_is_queued_and_unseeded<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let sources = vec![
        JobSource::Url("https://a.org/ü".to_owned()),
        JobSource::UrlList("urls.txt".to_owned()),
        JobSource::Sitemap("https://a.org/".to_owned()),
        JobSource::Search("a \"b\"".to_owned()),
        JobSource::Path("/srv".to_owned()),
    ];
    let options = JobOptions {
        crawl: Some(Crawl { max_depth: 4 }),
        max_tasks: Some(9_999),
        workers: Some(12),
        connections_per_worker: 7,
        rate_limit: Duration::from_micros(1_500),
        time_limit: None,
        weight: 3,
        max_attempts: 5,
        search_endpoint: Some("{}".to_owned()),
        search_lanes: 6,
        per_host: Some(2),
        contact: Some("https://a.org/bot".to_owned()),
        classes: ClassFilter::parse("literal,placeholder").unwrap(),
    };
    let spec = JobSpec { target: 77, sources, options };
    let created =
        store.create_job(&NewJob { key: "k".to_owned(), spec: spec.clone(), origin: Origin::Operator }).await.unwrap();
    let Created::New(id) = created else { panic!("{created:?}") };
    let job = get(&store, id).await;
    assert_eq!((job.id, job.key.as_str(), &job.spec), (id, "k", &spec));
    assert_eq!((job.status, job.seeded, job.collected, job.active), (JobStatus::Queued, false, 0, Duration::ZERO));
    assert_eq!((job.reason, job.started_at, job.finished_at), (None, None, None));
}

/// Who asked for a job is kept with it.
pub async fn the_origin_of_a_job_is_kept<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let roots = |roots: &[&str]| Origin::Api { roots: roots.iter().map(|&root| root.to_owned()).collect() };
    for origin in [Origin::Operator, roots(&[]), roots(&["/srv/ü", "/a \"b\""])] {
        let new =
            NewJob { origin: origin.clone(), ..NewJob::new(JobSpec::new(1, vec![JobSource::Path("/".to_owned())])) };
        let id = store.create_job(&new).await.unwrap().id();
        assert_eq!(get(&store, id).await.origin, origin);
    }
}

/// The same key again answers the first job and changes nothing.
pub async fn the_same_key_is_the_same_job<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 5).await;
    let spec = JobSpec::new(9, vec![JobSource::Path("/".to_owned())]);
    let again = store.create_job(&NewJob { key: "k".to_owned(), spec, origin: Origin::Operator }).await.unwrap();
    assert_eq!(again, Created::Existing(id));
    assert_eq!(get(&store, id).await.spec.target, 5);
    assert_ne!(create(&store, "l", 5).await, id);
}

/// An unknown job is none; changing it is not found.
pub async fn an_unknown_job_is_not_found<H: Harness>(harness: &H) {
    let store = store(harness).await;
    assert_eq!(store.job(JobId(0)).await.unwrap(), None);
    assert_eq!(store.job(JobId(5)).await.unwrap(), None);
    assert_eq!(store.job_states(&[JobId(0), JobId(5)]).await.unwrap(), [None, None]);
    assert_eq!(store.outlines(&[JobId(0), JobId(5)]).await.unwrap(), [None, None]);
    let error = store.transition(JobId(5), &[JobStatus::Queued], JobStatus::Running, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Four jobs, the second of which is paused.
async fn four(store: &impl Store) -> Vec<JobId> {
    let mut all = Vec::new();
    for key in ["a", "b", "c", "d"] {
        all.push(create(store, key, 1).await);
    }
    go(store, all[1], &[JobStatus::Queued], JobStatus::Paused).await;
    all
}

async fn listed(
    store: &impl Store,
    after: u64,
    limit: usize,
    statuses: Vec<JobStatus>,
    descending: bool,
) -> Vec<JobId> {
    let jobs = store.jobs(&JobQuery { after, limit, statuses, descending }).await.unwrap();
    jobs.into_iter().map(|job| job.id).collect()
}

/// Jobs are listed by key, in rising order, by state.
pub async fn jobs_are_listed_by_id_and_state<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let all = four(&store).await;
    let list = async |after, limit, statuses| listed(&store, after, limit, statuses, false).await;
    assert_eq!(list(0, 99, vec![]).await, all);
    assert_eq!(list(all[0].0, 2, vec![]).await, all[1..3]);
    assert_eq!(list(0, 99, vec![JobStatus::Paused, JobStatus::Running]).await, all[1..2]);
    assert_eq!(list(0, 2, vec![JobStatus::Queued]).await, [all[0], all[2]]);
}

/// From the newest on, jobs are listed in falling order, below an id, by state.
pub async fn jobs_are_listed_from_the_newest<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let all = four(&store).await;
    let list = async |after, limit, statuses| listed(&store, after, limit, statuses, true).await;
    assert_eq!(list(0, 99, vec![]).await, [all[3], all[2], all[1], all[0]]);
    assert_eq!(list(0, 2, vec![]).await, [all[3], all[2]]);
    assert_eq!(list(all[2].0, 99, vec![]).await, [all[1], all[0]]);
    assert_eq!(list(0, 99, vec![JobStatus::Queued]).await, [all[3], all[2], all[0]]);
    assert!(list(all[0].0, 99, vec![]).await.is_empty());
}

/// Three jobs of which one was begun and paused, with an address.
async fn one_of_three_moved(store: &impl Store) -> Vec<JobId> {
    let mut all = Vec::new();
    for (key, target) in [("a", 1), ("b", 2), ("c", 3)] {
        all.push(create(store, key, target).await);
    }
    go(store, all[1], &[JobStatus::Queued], JobStatus::Running).await;
    store.insert(&[addresses::sighting(all[1], "ann")]).await.unwrap();
    store.record_active(all[1], Duration::from_secs(7)).await.unwrap();
    store.transition(all[1], &[JobStatus::Running], JobStatus::Paused, Some("lunch")).await.unwrap();
    all
}

/// How jobs stand is what the jobs themselves say, in lists and by id.
pub async fn states_are_those_of_the_jobs<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let all = one_of_three_moved(&store).await;
    let mut expected: Vec<JobState> = Vec::new();
    for id in &all {
        expected.push(get(&store, *id).await.state());
    }
    let moved = &expected[1];
    assert_eq!((moved.status, moved.reason.as_deref()), (JobStatus::Paused, Some("lunch")));
    assert_eq!((moved.collected, moved.target, moved.active), (1, 2, Duration::from_secs(7)));
    assert!(moved.started_at.is_some());
    let query = JobQuery { limit: 9, ..JobQuery::default() };
    assert_eq!(store.jobs(&query).await.unwrap(), expected);
    let found = store.job_states(&all).await.unwrap();
    assert_eq!(found.into_iter().flatten().collect::<Vec<_>>(), expected);
}

/// Jobs are counted by state, and one that is deleted is not.
pub async fn jobs_are_counted_by_state<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let counts = async || {
        let counts = store.job_counts().await.unwrap();
        JobStatus::ALL.map(|status| counts.of(status))
    };
    assert_eq!(counts().await, [0; 6]);
    let all = four(&store).await;
    go(&store, all[2], &[JobStatus::Queued], JobStatus::Running).await;
    go(&store, all[3], &[JobStatus::Queued], JobStatus::Cancelled).await;
    assert_eq!(counts().await, [1, 1, 1, 0, 0, 1]);
    store.delete_job(all[3]).await.unwrap();
    assert_eq!(counts().await, [1, 1, 1, 0, 0, 0]);
}

/// States and outlines are answered in the order asked for, of unknown jobs none, and twice where asked twice.
pub async fn states_and_outlines_come_as_asked_for<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let all = one_of_three_moved(&store).await;
    let asked = [all[2], JobId(all[2].0 + 9), all[0], all[2]];
    let states = store.job_states(&asked).await.unwrap();
    let targets: Vec<_> = states.into_iter().map(|state| state.map(|state| (state.id, state.target))).collect();
    assert_eq!(targets, [Some((all[2], 3)), None, Some((all[0], 1)), Some((all[2], 3))]);
    let outlines = store.outlines(&asked).await.unwrap();
    assert_eq!(outlines.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!((store.job_states(&[]).await.unwrap().len(), store.outlines(&[]).await.unwrap().len()), (0, 0));
}

/// An outline has the first sources of a job, and says how many there are.
pub async fn an_outline_has_the_first_sources<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let sources = |most| -> Vec<_> { (0..most).map(|n| JobSource::Url(format!("https://a.org/{n}"))).collect() };
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    for (total, workers) in [(1, None), (Outline::SOURCES, Some(3)), (5_000, Some(12))] {
        let options = JobOptions { workers, ..JobOptions::default() };
        let spec = JobSpec { target: 5, sources: sources(total), options };
        ids.push(store.create_job(&NewJob::new(spec)).await.unwrap().id());
        let shown = sources(total.min(Outline::SOURCES));
        expected.push(Some(Outline { workers, sources: shown, sources_total: total }));
    }
    // More than one look may bring at a time.
    for _ in 0..100 {
        ids.push(ids[0]);
        expected.push(expected[0].clone());
    }
    assert_eq!(store.outlines(&ids).await.unwrap(), expected);
}

/// A transition happens only from the states given.
pub async fn a_transition_compares_and_sets<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    let refused = go(&store, id, &[JobStatus::Paused, JobStatus::Failed], JobStatus::Running).await;
    assert_eq!(refused, Transition::Refused(JobStatus::Queued));
    assert_eq!(go(&store, id, &[], JobStatus::Running).await, Transition::Refused(JobStatus::Queued));
    let from = [JobStatus::Paused, JobStatus::Queued];
    assert_eq!(go(&store, id, &from, JobStatus::Running).await, Transition::Applied);
    assert_eq!(get(&store, id).await.status, JobStatus::Running);
}

/// The way of a new job to a state.
fn way_to(status: JobStatus) -> &'static [JobStatus] {
    match status {
        JobStatus::Queued => &[],
        JobStatus::Running => &[JobStatus::Running],
        JobStatus::Paused => &[JobStatus::Paused],
        JobStatus::Completed => &[JobStatus::Running, JobStatus::Completed],
        JobStatus::Failed => &[JobStatus::Failed],
        JobStatus::Cancelled => &[JobStatus::Cancelled],
    }
}

/// From every state a job goes where the table of states allows it, and nowhere else; it has an end as long as it is settled.
pub async fn the_table_of_states_holds<H: Harness>(harness: &H) {
    let store = store(harness).await;
    for (from, to) in JobStatus::ALL.into_iter().flat_map(|from| JobStatus::ALL.map(|to| (from, to))) {
        let id = create(&store, &format!("{from} {to}"), 1).await;
        for status in way_to(from) {
            go(&store, id, &JobStatus::ALL, *status).await;
        }
        let before = get(&store, id).await;
        assert_eq!((before.status, before.finished_at.is_some()), (from, from.is_settled()));
        let (expected, becomes) = match from.can_become(to) {
            true => (Transition::Applied, to),
            false if from == to => (Transition::Already, from),
            false => (Transition::Refused(from), from),
        };
        assert_eq!(go(&store, id, &JobStatus::ALL, to).await, expected, "from {from} to {to}");
        let after = get(&store, id).await;
        assert_eq!((after.status, after.finished_at.is_some()), (becomes, becomes.is_settled()), "from {from} to {to}");
    }
}

/// A job already there answers so and keeps its reason.
pub async fn a_repeated_transition_keeps_the_reason<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    let from = [JobStatus::Queued];
    store.transition(id, &from, JobStatus::Paused, Some("lunch")).await.unwrap();
    let again = store.transition(id, &from, JobStatus::Paused, Some("tea")).await.unwrap();
    assert_eq!(again, Transition::Already);
    assert_eq!(get(&store, id).await.reason.as_deref(), Some("lunch"));
    go(&store, id, &[JobStatus::Paused], JobStatus::Running).await;
    assert_eq!(get(&store, id).await.reason, None);
}

/// The first change to running sets the start; settled states set the end and the others clear it.
pub async fn start_and_end_are_noted<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    let mut times = Vec::new();
    for to in [JobStatus::Running, JobStatus::Failed, JobStatus::Running, JobStatus::Completed] {
        harness.advance(Duration::from_secs(10)).await;
        assert_eq!(go(&store, id, &JobStatus::ALL, to).await, Transition::Applied);
        let job = get(&store, id).await;
        let seconds = |at: crate::clock::Timestamp| at.since(job.created_at).as_secs();
        times.push((job.started_at.map(seconds), job.finished_at.map(seconds)));
    }
    assert_eq!(times, [(Some(10), None), (Some(10), Some(20)), (Some(10), None), (Some(10), Some(40))]);
}

/// The seeding of a job is noted, and noting it again is safe.
pub async fn seeding_is_noted<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    store.mark_seeded(id).await.unwrap();
    store.mark_seeded(id).await.unwrap();
    assert!(get(&store, id).await.seeded);
}

/// The time at work rises only, and is kept to the millisecond.
pub async fn the_time_at_work_only_rises<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    for (record, expected) in [(1_500, 1_500), (1_499, 1_500), (999, 1_500), (1_501, 1_501), (8_001, 8_001)] {
        store.record_active(id, Duration::from_millis(record)).await.unwrap();
        assert_eq!(get(&store, id).await.active, Duration::from_millis(expected));
    }
    go(&store, id, &JobStatus::ALL, JobStatus::Paused).await;
    go(&store, id, &JobStatus::ALL, JobStatus::Running).await;
    let state = store.job_states(&[id]).await.unwrap().remove(0).unwrap();
    assert_eq!([state.active, state.active_before], [Duration::from_millis(8_001); 2]);
}

/// A resume notes how long the job had been at work; no other change does, nor does the start.
pub async fn a_resume_notes_the_time_at_work<H: Harness>(harness: &H) {
    use JobStatus::{Completed, Failed, Paused, Queued, Running};
    let store = store(harness).await;
    let id = create(&store, "k", 1).await;
    let changes = [
        (Running, 0),
        (Paused, 0),
        (Queued, 2),
        (Running, 2),
        (Failed, 2),
        (Running, 5),
        (Paused, 5),
        (Running, 7),
        (Completed, 7),
        (Queued, 9),
        (Paused, 9),
    ];
    for (seconds, (to, expected)) in (0..).zip(changes) {
        store.record_active(id, Duration::from_secs(seconds)).await.unwrap();
        assert_eq!(go(&store, id, &JobStatus::ALL, to).await, Transition::Applied);
        assert_eq!(get(&store, id).await.active_before, Duration::from_secs(expected), "after {seconds} s, {to}");
    }
    assert_eq!(go(&store, id, &JobStatus::ALL, Paused).await, Transition::Already);
    assert_eq!(get(&store, id).await.active_before, Duration::from_secs(9));
}
