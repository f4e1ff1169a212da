//! The error desk: groups, samples, one resolved with a note, a group retried.

use fantoccini::Locator;
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
use mailscan_core::store::{ErrorClass, ErrorQuery, ErrorSelection, NewWorkerError, Store, WorkerError};
use serde_json::json;

use super::{Desk, error, prepared, put, put_spec, quick, sighting, slow};

/// All errors of the job, as they are stored.
async fn stored(desk: &Desk) -> Vec<WorkerError> {
    let database = Sqlite::open(desk.folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let of = ErrorSelection { job: Some(JobId(1)), ..ErrorSelection::default() };
    let query = ErrorQuery { limit: 100, of, ..ErrorQuery::default() };
    database.errors(&query).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_found_resolved_with_a_note_and_a_group_is_retried() {
    let Some(desk) = Desk::open(slow(5_000)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "5000").await;
    let site = desk.web.site_url();
    page.fill("#urls", &format!("{site}\n{site}missing-1\n{site}missing-2\n{site}missing-3")).await;
    page.fill("#depth", "50").await;
    page.press("Create job").await;
    page.until_status("running").await;
    page.click(Locator::Id("tab-errors")).await;
    page.until("document.querySelector('.tabs .count').textContent === '3 open'").await;
    page.press("http-404").await;
    page.until("document.querySelectorAll('[data-group] tbody tr').length === 3").await;

    // One by one, with a note.
    page.click(Locator::Css("[data-group] tbody tr:first-child button")).await;
    page.until_text("Resolve an error of job 1").await;
    page.fill("#note", "gone since <b>spring</b>").await;
    page.press("Resolve").await;
    page.until_text("1 error resolved.").await;
    page.until("document.querySelector('[data-group]').innerText.includes('gone since <b>spring</b>')").await;
    // What was done cannot be done again; the keyboard stays where it was.
    page.until("!document.querySelector('[data-group] tbody tr:first-child button')").await;
    assert_eq!(page.eval("document.activeElement.tagName").await, json!("TD"));
    let errors = stored(&desk).await;
    let resolved: Vec<_> = errors.iter().filter_map(|error| error.resolved.as_ref()).collect();
    assert_eq!((resolved.len(), resolved[0].note.as_str()), (1, "gone since <b>spring</b>"));

    // The rest of the group, back on the queue: they fail once more, and that is seen.
    page.press(&format!("Retry http-404 at {}", desk.web.local_addr())).await;
    page.until_text("Retry a group of job 1").await;
    assert_eq!(page.eval("document.querySelector('dialog input[name=retry]').checked").await, json!(true));
    page.press("Retry").await;
    page.until_text("2 errors resolved, 2 tasks back on the queue.").await;
    page.until("document.querySelector('[data-group]').innerText.split('retried: failed').length === 3").await;
    page.until("[...document.querySelectorAll('[data-group] tbody tr')].length === 5").await;

    // What is filtered away is not shown.
    page.fill("#error-filter", "nothing like it").await;
    page.until_text("No error matches this filter").await;

    // Of all jobs, one that has open errors is shown first, though another is newer.
    let database = Sqlite::open(desk.folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let spec = JobSpec::new(1, vec![JobSource::Url(desk.web.page_url(0))]);
    assert_eq!(database.create_job(&NewJob::new(spec)).await.unwrap().id(), JobId(2));
    page.visit("#/errors").await;
    page.until("document.querySelector('#job-choice')?.value === '1'").await;
    page.until_text("http-404").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_offered_where_the_job_can_go_on() {
    let (folder, store) = prepared();
    let done = JobSpec::new(1, vec![JobSource::Url("https://example.org/".to_owned())]);
    let jobs = [
        (put(&store, JobStatus::Paused).await, "Resolve\u{2026},Retry\u{2026}"),
        (put(&store, JobStatus::Completed).await, "Resolve\u{2026},Retry\u{2026}"),
        (put(&store, JobStatus::Cancelled).await, "Resolve\u{2026}"),
        (put_spec(&store, done, JobStatus::Completed).await, "Resolve\u{2026}"),
    ];
    let errors = jobs.map(|(id, _)| error(id, 1, "http-404"));
    store.record_errors(&errors).await.unwrap();
    store.insert(&[sighting(jobs[3].0, 1)]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    for (id, offered) in jobs {
        page.visit(&format!("#/jobs/{id}/errors")).await;
        let buttons = "[...document.querySelectorAll('[role=tabpanel] tbody button:not(.link)')].map((it) => it.textContent).join()";
        page.until(&format!("{buttons} === '{offered}'")).await;
        page.press("http-404").await;
        page.until(&format!("{buttons} === '{offered},{offered}'")).await;
    }
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_offered_to_be_retried() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Paused).await;
    let partial = NewWorkerError { class: ErrorClass::Partial, ..error(id, 1, "too-deep") };
    // Of this one the queue has no task that was given up either.
    let other = error(id, 2, "http-404");
    store.record_errors(&[partial, other]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs/1/errors").await;
    page.press("too-deep").await;
    page.until("document.querySelector('[data-group] tbody button')").await;
    let retries = "[...document.querySelectorAll('[role=tabpanel] button')].map((it) => it.ariaLabel ?? '').filter((name) => name.startsWith('Retry')).join()";
    assert_eq!(page.eval(retries).await, json!("Retry http-404 at example.org"));
    page.press("Resolve too-deep at example.org").await;
    page.until_text("Their tasks are done, so there is nothing to retry").await;
    assert_eq!(page.eval("document.querySelector('dialog input[name=retry]').disabled").await, json!(true));
    page.press("Not now").await;

    page.press("Retry http-404 at example.org").await;
    page.until_text("Retry a group of job 1").await;
    page.press("Retry").await;
    page.until_text("1 error resolved, but none of their tasks had been given up: nothing was tried again.").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_resolution_is_said_as_far_as_it_is_known() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Paused).await;
    let errors = [(1, "http-404"), (2, "http-410"), (3, "http-451")].map(|(task, code)| error(id, task, code));
    store.record_errors(&errors).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    let toasts = "[...document.querySelectorAll('.toast')].map((it) => it.firstChild.data).join()";
    let open = "[...document.querySelectorAll('main tbody tr')].map((row) => row.cells[4].textContent).join()";
    let begin = async |code: &str, net: &str| {
        page.visit("#/jobs/1/errors").await;
        page.press(&format!("Resolve {code} at example.org")).await;
        page.fill("#note", "seen").await;
        page.eval(&format!("void Object.assign(net, {{{net}}})")).await;
        page.press("Resolve").await;
    };
    // It was done, and cannot be looked at afterwards.
    let afterwards =
        "{test: (path) => net.asked.some((asked) => asked.endsWith('/resolve')) && !path.endsWith('/resolve')}";
    begin("http-404", &format!("asked: [], refused: {afterwards}")).await;
    page.until(&format!("net.refusals.length > 2 && {toasts} === '1 error resolved.'")).await;
    // The answer is lost: it was done all the same, which is seen.
    begin("http-410", "broken: /resolve$/").await;
    let unknown = "It is not known whether anything was resolved: the answer of the server broke off";
    page.until(&format!("{toasts} === '{unknown}' && {open} === '0,0,1'")).await;
    // It was refused.
    begin("http-451", "refused: /resolve$/, status: 422").await;
    page.until(&format!("{toasts} === 'Nothing was resolved: the server answered 422'")).await;
    assert_eq!(page.eval(open).await, json!("0,0,1"));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_which_an_answer_did_a_part_goes_on() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Paused).await;
    store.record_errors(&[error(id, 1, "http-404"), error(id, 2, "http-404")]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.visit("#/jobs/1/errors").await;
    page.press("Retry http-404 at example.org").await;
    // As if there had been no time for more.
    let part = "(path, answer) => path.endsWith('/resolve') && !net.parts++ ? { ...answer, up_to: 9 } : answer";
    page.eval(&format!("void Object.assign(net, {{parts: 0, edit: {part}}})")).await;
    page.press("Retry").await;
    page.until_text("2 errors resolved, but none of their tasks had been given up").await;
    assert_eq!(page.eval("net.parts").await, json!(2));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_over_says_how_many_errors_are_open() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Completed).await;
    store.record_errors(&[error(id, 1, "http-404"), error(id, 2, "http-410")]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs/1").await;
    page.until("document.querySelector('.tabs .count').textContent === '2 open'").await;
    // Somebody else resolves one.
    let of = ErrorSelection { job: Some(id), code: Some("http-404".to_owned()), ..ErrorSelection::default() };
    store.resolve_errors(&of, "seen", false).await.unwrap();
    page.until("document.querySelector('.tabs .count').textContent === '1 open'").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gave_up_everything_leads_to_its_errors() {
    let Some(desk) = Desk::open(quick(10)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#urls", &format!("{}missing", desk.web.site_url())).await;
    page.press("Create job").await;
    page.until_status("failed").await;
    let actions = "[...document.querySelectorAll('[data-action]')].map((it) => it.textContent).join()";
    page.until(&format!("{actions} === 'See its errors,Cancel,Delete'")).await;
    page.press("See its errors").await;
    page.until("document.activeElement.id === 'tab-errors' && location.hash === '#/jobs/1/errors'").await;
    page.press(&format!("Retry http-404 at {}", desk.web.local_addr())).await;
    page.until_text("Retry a group of job 1").await;
    desk.page.leave(&[]).await;
}
