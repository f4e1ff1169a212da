//! The lines of [`Store`] about processes and their errors.

use super::jobs::store;
use super::*;
use crate::store::{
    ErrorClass, ErrorQuery, ErrorSelection, GroupQuery, JobBound, NewWorkerError, NodeBeat, RECOVERED, SILENT_FOR,
    WorkerState,
};

pub(super) fn beat(name: &str, in_flight: u32) -> NodeBeat {
    let worker =
        |worker, job, task: Option<&str>| WorkerState { worker, in_flight, job, task: task.map(str::to_owned) };
    let workers = vec![worker(0, Some(JOB), Some("https://a.org/\"ü\"")), worker(1, None, None)];
    let bounds = vec![JobBound { job: JOB, in_flight: 3, bound: "as \"planned\"".to_owned() }];
    NodeBeat { node: NodeId(name.to_owned()), host: "machine".to_owned(), pid: 7, workers, bounds }
}

pub(super) fn error(task: u64, code: &str, host: &str) -> NewWorkerError {
    NewWorkerError {
        job: JOB,
        task: TaskId(task),
        fence: 1,
        node: NodeId("node".to_owned()),
        class: ErrorClass::Failed(FailureClass::Permanent),
        code: code.to_owned(),
        host: host.to_owned(),
        label: format!("https://{host}/{task}"),
        message: format!("message {task}"),
    }
}

fn of_job() -> ErrorSelection {
    ErrorSelection { job: Some(JOB), ..ErrorSelection::default() }
}

pub(super) fn all() -> ErrorQuery {
    ErrorQuery { limit: usize::MAX, ..ErrorQuery::default() }
}

async fn tasks(store: &impl Store, query: &ErrorQuery) -> Vec<u64> {
    store.errors(query).await.unwrap().into_iter().map(|row| row.error.task.0).collect()
}

/// A beat replaces what the process said before.
pub async fn a_beat_replaces_the_one_before<H: Harness>(harness: &H) {
    let store = store(harness).await;
    for beat in [beat("a", 1), beat("b", 2), beat("a", 3)] {
        store.beat(&beat).await.unwrap();
    }
    let mut beats: Vec<_> = store.nodes().await.unwrap().into_iter().map(|seen| seen.beat).collect();
    beats.sort_by(|left, right| left.node.cmp(&right.node));
    assert_eq!(beats, [beat("a", 3), beat("b", 2)]);
}

/// A process that was silent for longer than an hour is gone with the next beat of any other, and may come back.
pub async fn the_dead_are_forgotten_in_the_end<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let names = async || {
        let nodes = store.nodes().await.unwrap();
        let mut names: Vec<_> = nodes.into_iter().map(|seen| seen.beat.node.0).collect();
        // No order is promised.
        names.sort();
        names
    };
    store.beat(&beat("a", 0)).await.unwrap();
    harness.advance(SILENT_FOR - Duration::from_secs(60)).await;
    store.beat(&beat("b", 0)).await.unwrap();
    assert_eq!(names().await, ["a", "b"], "people see that it is dead");
    harness.advance(Duration::from_secs(120)).await;
    store.beat(&beat("b", 0)).await.unwrap();
    assert_eq!(names().await, ["b"]);
    store.beat(&beat("a", 0)).await.unwrap();
    assert_eq!(names().await, ["a", "b"]);
}

/// A forgotten process is gone; forgetting it again is safe.
pub async fn a_forgotten_process_is_gone<H: Harness>(harness: &H) {
    let store = store(harness).await;
    store.beat(&beat("a", 0)).await.unwrap();
    store.beat(&beat("b", 0)).await.unwrap();
    for _ in 0..2 {
        store.forget(&NodeId("a".to_owned())).await.unwrap();
    }
    let nodes = store.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|seen| seen.beat.node.0.as_str()).collect::<Vec<_>>(), ["b"]);
}

/// An error comes back as it was recorded, open.
pub async fn an_error_comes_back_as_recorded<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let errors: Vec<_> =
        (1..).zip(ErrorClass::ALL).map(|(n, class)| NewWorkerError { class: *class, ..error(n, "c", "h") }).collect();
    store.record_errors(&errors).await.unwrap();
    let rows = store.errors(&all()).await.unwrap();
    assert!(rows.iter().all(|row| row.resolved.is_none()));
    assert_eq!(rows.into_iter().map(|row| row.error).collect::<Vec<_>>(), errors);
}

/// The same job, task and fence again changes nothing; another fence is another error.
pub async fn an_error_of_one_delivery_is_recorded_once<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let first = error(1, "first", "h");
    let same = NewWorkerError { code: "again".to_owned(), ..first.clone() };
    let next = NewWorkerError { fence: 2, ..first.clone() };
    store.record_errors(&[first.clone(), same.clone()]).await.unwrap();
    store.record_errors(&[same, next.clone()]).await.unwrap();
    let rows = store.errors(&all()).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.error).collect::<Vec<_>>(), [first, next]);
}

/// Errors are listed by key, by job, and open ones only when asked so.
pub async fn errors_are_listed_by_key_job_and_state<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let other = NewWorkerError { job: JobId(2), ..error(9, "c", "h") };
    store.record_errors(&[error(1, "c", "h"), error(2, "c", "h"), other, error(3, "c", "h")]).await.unwrap();
    let rows = store.errors(&all()).await.unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(tasks(&store, &ErrorQuery { after: rows[0].id, limit: 2, ..all() }).await, [2, 9]);
    assert_eq!(tasks(&store, &ErrorQuery { of: of_job(), ..all() }).await, [1, 2, 3]);
    store.resolve_errors(&ErrorSelection { ids: vec![rows[1].id], ..Default::default() }, "x", false).await.unwrap();
    assert_eq!(tasks(&store, &ErrorQuery { open_only: true, ..all() }).await, [1, 9, 3]);
    assert_eq!(tasks(&store, &ErrorQuery { open_only: true, of: of_job(), limit: 1, after: 0 }).await, [1]);
}

/// Errors are listed by every field of a selection, each by itself and together.
pub async fn errors_are_listed_by_selection<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let retried = NewWorkerError { class: ErrorClass::Retried, ..error(4, "a", "g") };
    let other = NewWorkerError { job: JobId(2), ..error(5, "a", "h") };
    store.record_errors(&[error(1, "a", "h"), error(2, "b", "h"), error(3, "a", "g"), retried, other]).await.unwrap();
    let ids: Vec<_> = store.errors(&all()).await.unwrap().iter().map(|row| row.id).collect();
    let (a, h) = (Some("a".to_owned()), Some("h".to_owned()));
    let nothing = ErrorSelection::default;
    for (of, expected) in [
        (ErrorSelection { code: a.clone(), ..nothing() }, &[1, 3, 4, 5][..]),
        (ErrorSelection { host: h.clone(), ..of_job() }, &[1, 2]),
        (ErrorSelection { class: Some(ErrorClass::Retried), ..nothing() }, &[4]),
        (ErrorSelection { class: Some(ErrorClass::Partial), ..of_job() }, &[]),
        (ErrorSelection { ids: vec![ids[1], ids[4]], ..nothing() }, &[2, 5]),
        (ErrorSelection { ids: vec![ids[0], ids[4]], ..of_job() }, &[1]),
        (ErrorSelection { code: a, host: h, ..of_job() }, &[1]),
    ] {
        for open_only in [false, true] {
            let query = ErrorQuery { of: of.clone(), open_only, ..all() };
            assert_eq!(tasks(&store, &query).await, expected, "{of:?}");
        }
    }
}

/// Groups count by class, code and host, the most frequent first, with the newest errors.
pub async fn errors_are_grouped<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let other = NewWorkerError { job: JobId(2), ..error(9, "b", "h") };
    let errors =
        [error(1, "a", "h"), error(2, "b", "h"), error(3, "b", "h"), error(4, "b", "g"), error(5, "b", "h"), other];
    store.record_errors(&errors).await.unwrap();
    store
        .resolve_errors(&ErrorSelection { host: Some("g".to_owned()), ..Default::default() }, "x", false)
        .await
        .unwrap();
    let groups = store.error_groups(&groups_of(ErrorSelection::default())).await.unwrap();
    let summary: Vec<_> = groups.iter().map(|g| (g.code.as_str(), g.host.as_str(), g.count, g.open)).collect();
    assert_eq!(summary, [("b", "h", 4, 4), ("a", "h", 1, 1), ("b", "g", 1, 0)]);
    let samples: Vec<_> = groups[0].samples.iter().map(|sample| sample.message.as_str()).collect();
    assert_eq!(samples, ["message 9", "message 5", "message 3"], "the newest, and no more than three");
    let listed = store.errors(&all()).await.unwrap();
    let newest = &groups[0].samples[0];
    let same = listed.iter().find(|row| row.id == newest.id).unwrap();
    assert_eq!((&same.error.label, &same.error.message), (&newest.label, &newest.message));
    let of_job = ErrorSelection { job: Some(JOB), ..Default::default() };
    let of_job = store.error_groups(&GroupQuery { limit: 1, ..groups_of(of_job) }).await.unwrap();
    assert_eq!((of_job.len(), of_job[0].count, of_job[0].newest()), (1, 3, "message 5"));
    assert_eq!((store.open_errors(JOB).await.unwrap(), store.open_errors(JobId(9)).await.unwrap()), (4, 0));
}

fn groups_of(of: ErrorSelection) -> GroupQuery {
    GroupQuery { of, after: None, limit: 99 }
}

/// Groups are filtered as errors are, and come page by page without a gap.
pub async fn groups_come_page_by_page<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let hosts = ["g", "h", "h", "i", "j", "j", "k"];
    let errors: Vec<_> = hosts.iter().zip(1..).map(|(host, task)| error(task, "a", host)).collect();
    store.record_errors(&errors).await.unwrap();
    let mut query = GroupQuery { limit: 2, ..groups_of(ErrorSelection::default()) };
    let mut found = Vec::new();
    loop {
        let page = store.error_groups(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.key());
        found.extend(page.into_iter().map(|group| group.host));
    }
    assert_eq!(found, ["h", "j", "g", "i", "k"]);
    let at = ErrorSelection { host: Some("j".to_owned()), class: Some(errors[0].class), ..Default::default() };
    let groups = store.error_groups(&groups_of(at.clone())).await.unwrap();
    assert_eq!((groups.len(), groups[0].count), (1, 2));
    let other = ErrorSelection { class: Some(ErrorClass::Partial), ..at };
    assert!(store.error_groups(&groups_of(other)).await.unwrap().is_empty());
}

/// The open errors of earlier deliveries are resolved when their task is done; those of others and later ones are not.
pub async fn a_later_success_resolves_errors<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let at = |task, fence| NewWorkerError { fence, ..error(task, "a", "h") };
    store.record_errors(&[at(1, 1), at(1, 2), at(1, 3), at(2, 1)]).await.unwrap();
    let done = Lease { job: JOB, task: TaskId(1), fence: 3 };
    for _ in 0..2 {
        store.recover_errors(&[done, Lease { job: JobId(2), task: TaskId(2), fence: 9 }]).await.unwrap();
    }
    store.recover_errors(&[]).await.unwrap();
    let rows = store.errors(&all()).await.unwrap();
    let open: Vec<_> =
        rows.iter().filter(|row| row.resolved.is_none()).map(|row| (row.error.task.0, row.error.fence)).collect();
    assert_eq!(open, [(1, 3), (2, 1)]);
    let resolved = rows[0].resolved.as_ref().unwrap();
    assert_eq!((resolved.note.as_str(), resolved.retried), (RECOVERED, true));
}

/// The open errors that match every field given are resolved, counted, and keep their note.
pub async fn errors_are_resolved_by_selection<H: Harness>(harness: &H) {
    let store = store(harness).await;
    let errors = [error(1, "a", "h"), error(2, "b", "h"), error(3, "b", "g"), error(4, "b", "h")];
    store.record_errors(&errors).await.unwrap();
    let by = |code: &str, host: &str| ErrorSelection {
        job: Some(JOB),
        code: Some(code.to_owned()),
        host: Some(host.to_owned()),
        ..Default::default()
    };
    assert_eq!(store.resolve_errors(&by("b", "h"), "first", true).await.unwrap(), 2);
    assert_eq!(store.resolve_errors(&by("b", "h"), "second", false).await.unwrap(), 0);
    let elsewhere = ErrorSelection { job: Some(JobId(2)), ..Default::default() };
    assert_eq!(store.resolve_errors(&elsewhere, "none", false).await.unwrap(), 0);
    let retried = ErrorSelection { class: Some(ErrorClass::Retried), ..Default::default() };
    assert_eq!(store.resolve_errors(&retried, "none", false).await.unwrap(), 0);
    assert_eq!(store.resolve_errors(&ErrorSelection::default(), "rest", false).await.unwrap(), 2);
    let rows = store.errors(&all()).await.unwrap();
    let resolved: Vec<_> = rows.into_iter().map(|row| row.resolved.unwrap()).map(|r| (r.note, r.retried)).collect();
    assert_eq!(
        resolved,
        [("rest", false), ("first", true), ("rest", false), ("first", true)].map(|(n, r)| (n.into(), r))
    );
}
