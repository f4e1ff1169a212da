//! Jobs from their form to their end: created, watched, paused, resumed, cancelled, deleted, exported.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fantoccini::Locator;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
use mailscan_core::simulate::SimulationOptions;
use mailscan_core::store::{Deletion, Store};
use serde_json::json;
use tokio::time::timeout;

use super::page::BACKSPACE;
use super::{Desk, HANGS, error, prepared, put, quick, slow};
use crate::cli::run_in;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_created_in_the_form_watched_to_its_end_and_exported() {
    let Some(desk) = Desk::open(quick(300)).await else { return };
    let page = &desk.page;
    page.visit("").await;
    page.until_text("No job yet").await;
    page.press("Create the first job").await;

    // The plan is shown as one types.
    page.until_figure("workers", "50").await;
    page.fill("#target", "20000").await;
    page.until_figure("workers", "1,000").await;
    page.fill("#target", "300").await;
    page.until_figure("workers", "15").await;
    page.eval("document.querySelector('.job-form details').open = true").await;
    page.fill("#workers", "3").await;
    page.until_figure("workers", "3").await;
    page.until_figure("each", "100").await;
    page.keys(BACKSPACE).await;
    page.until_figure("workers", "15").await;

    // What is wrong stands beside its field, whether the page or the server sees it.
    page.press("Create job").await;
    page.until("document.querySelector('#urls-error').innerText.includes('at least one page')").await;
    assert_eq!(page.eval("document.activeElement.id").await, json!("urls"));
    page.fill("#urls", &format!("{}\n\nftp://example.org/", desk.web.site_url())).await;
    page.press("Create job").await;
    page.until("document.querySelector('#urls-error').innerText.startsWith('Line 3:')").await;
    assert_eq!(page.eval("document.querySelector('#urls').getAttribute('aria-invalid')").await, json!("true"));

    page.fill("#urls", &desk.web.site_url()).await;
    page.fill("#depth", "50").await;
    page.press("Create job").await;
    page.until("location.hash === '#/jobs/1'").await;
    page.until_status("completed").await;
    page.until_figure("collected", "300 of 300 collected").await;
    page.until_figure("percentage", "100 %").await;
    page.until_figure("remaining", "0").await;
    page.until("document.querySelector('main [role=progressbar]').getAttribute('aria-valuenow') === '100'").await;

    export(&desk, "Export CSV", "csv").await;
    export(&desk, "Export JSONL", "jsonl").await;
    export(&desk, "Export Parquet", "parquet").await;
    desk.page.leave(&["422", "400 (Bad Request)"]).await;
}

/// Saves the addresses as a person would, and compares the file with what the command line says of the store.
async fn export(desk: &Desk, button: &str, format: &str) {
    let page = &desk.page;
    let downloads = page.browser.folder().join("downloads");
    let behaviour = json!({"behavior": "allow", "downloadPath": downloads});
    page.browser.devtools("Browser.setDownloadBehavior", behaviour).await;
    page.click(Locator::Id("tab-addresses")).await;
    page.press(button).await;
    let saved = saved(&downloads.join(format!("mailscan-job-1.{format}"))).await;
    let told = run_in(desk.folder.path(), &["job", "export", "1", "--format", format, "--output", "told"]);
    assert_eq!((told.code, told.err.as_str()), (0, "300 addresses written to told\n"));
    assert!(
        saved == fs::read(desk.folder.path().join("told")).unwrap(),
        "the file that was saved is not what is stored"
    );
}

/// A file, once the browser has it whole.
async fn saved(path: &Path) -> Vec<u8> {
    let whole = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANGS, whole).await.unwrap_or_else(|_| panic!("{} is never saved", path.display()));
    fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_paused_resumed_cancelled_and_deleted() {
    let Some(desk) = Desk::open(slow(5_000)).await else { return };
    let page = &desk.page;
    desk.create(5_000).await;
    page.until_status("running").await;
    page.until("Number(document.querySelector('[data-figure=collected]').textContent.split(' ')[0]) > 0").await;
    page.until("document.querySelector('[data-figure=active]').textContent.endsWith(' of 250')").await;
    page.until("document.querySelector('.bounds li strong')").await;
    page.until("document.querySelector('.chart .line').getAttribute('d')").await;

    // A page that is opened later is shown what the server has seen, also of a job that no longer runs.
    let seen = "fetch('/api/v1/jobs/1/rates').then((answer) => answer.json()).then(({ history }) => { window.seen = history.length; })";
    page.until(&format!("({seen}, window.seen > 1)")).await;
    page.press("Pause").await;
    page.until_status("paused").await;
    page.visit("#/jobs/1").await;
    page.until_status("paused").await;
    page.until("document.querySelector('.chart .line').getAttribute('d')").await;
    page.press("Resume").await;
    page.until_status("running").await;

    // What cannot be undone is asked about, and declining changes nothing.
    page.press("Cancel").await;
    page.until_text("Cancel job 1?").await;
    page.press("Not now").await;
    page.until("!document.querySelector('dialog')").await;
    page.until_status("running").await;
    page.press("Cancel").await;
    page.press("Cancel the job").await;
    page.until_status("cancelled").await;
    page.press("Delete").await;
    page.press("Delete the job").await;
    page.until("location.hash === '#/jobs'").await;
    page.until_text("No job yet").await;
    page.visit("#/jobs/1").await;
    page.until_text("There is no job 1").await;
    desk.page.leave(&["404 (Not Found)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_details_of_a_job_say_when_it_began_and_ended() {
    let (folder, store) = prepared();
    // Paused before it ever ran.
    let spec = JobSpec::new(100, vec![JobSource::Url("https://example.org/".to_owned())]);
    let id = store.create_job(&NewJob::new(spec)).await.unwrap().id();
    store.transition(id, &[JobStatus::Queued], JobStatus::Paused, None).await.unwrap();
    // It is taken up, and nothing of it is begun.
    let Some(desk) = Desk::open_over(quick(10), folder, &["--min-free-disk", "4096T"]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs/1/details").await;
    let dates = "['Started', 'Finished'].map((name) => [...document.querySelectorAll('.details dt')].find((it) => it.textContent === name).nextSibling.textContent === '\\u2013').join()";
    page.until(&format!("{dates} === 'true,true'")).await;
    let states = [(JobStatus::Running, "false,true"), (JobStatus::Cancelled, "false,false")];
    for ((to, unknown), from) in states.into_iter().zip([JobStatus::Paused, JobStatus::Running]) {
        store.transition(id, &[from], to, None).await.unwrap();
        page.until_status(to.as_str()).await;
        page.until(&format!("{dates} === '{unknown}'")).await;
    }
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_live_and_filtered() {
    let web = SimulationOptions { emails: 200, ..slow(200) };
    let Some(desk) = Desk::open(web).await else { return };
    let page = &desk.page;
    page.visit("#/jobs").await;
    page.until_text("No job yet").await;
    // Somebody else creates jobs.
    for target in ["20", "30"] {
        let url = desk.web.site_url();
        let arguments = ["run", "--detach", "--url", &url, "--crawl", "--depth", "50", "--target", target];
        let ran = run_in(desk.folder.path(), &arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    page.until(
        "[...document.querySelectorAll('tbody tr')].map((row) => row.cells[0].textContent).join() === 'Job 2,Job 1'",
    )
    .await;
    page.until("[...document.querySelectorAll('tbody .badge')].every((badge) => badge.textContent === 'completed')")
        .await;
    page.until_text("20 of 20").await;
    page.press("Running").await;
    page.until_text("No job is running").await;
    page.press("Completed").await;
    page.until("document.querySelectorAll('tbody tr').length === 2").await;
    assert_eq!(page.eval("location.hash").await, json!("#/jobs?status=completed"));
    page.press("Job 2").await;
    page.until_status("completed").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_goes_with_the_view_that_asked_it() {
    let (folder, store) = prepared();
    for _ in 0..2 {
        put(&store, JobStatus::Paused).await;
    }
    store.record_errors(&[error(JobId(2), 1, "http-404")]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs/1").await;
    page.until_status("paused").await;
    for (tab, button, question) in [
        ("workers", "Delete", "Delete job 2?"),
        ("workers", "Cancel", "Cancel job 2?"),
        ("errors", "Resolve http-404 at example.org", "Resolve a group of job 2"),
    ] {
        page.eval(&format!("location.hash = '#/jobs/2/{tab}'")).await;
        page.press(button).await;
        page.until(&format!("document.querySelector('dialog[open] h2').textContent === '{question}'")).await;
        page.eval("history.back()").await;
        page.until("document.querySelector('h1').textContent === 'Job 1'").await;
        page.until("!document.querySelector('dialog')").await;
        page.until_status("paused").await;
    }
    let states = store.job_states(&[JobId(1), JobId(2)]).await.unwrap();
    assert!(states.iter().flatten().all(|job| job.status == JobStatus::Paused), "{states:?}");
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_else_deletes_is_gone_with_all_that_could_be_done_with_it() {
    let (folder, store) = prepared();
    let jobs = [put(&store, JobStatus::Paused).await, put(&store, JobStatus::Completed).await];
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    for id in jobs {
        page.visit(&format!("#/jobs/{id}/errors")).await;
        page.until("document.querySelector('[data-action=remove]')").await;
        page.press("Delete").await;
        page.until_text(&format!("Delete job {id}?")).await;
        assert_eq!(store.delete_job(id).await.unwrap(), Deletion::Applied);
        page.until_text(&format!("There is no job {id}")).await;
        assert_eq!(page.eval("document.querySelectorAll('.badge, [data-action], dialog').length").await, json!(0));
        assert_eq!(page.eval("document.querySelector('#link-state').hidden").await, json!(true));
    }
    desk.page.leave(&["404 (Not Found)"]).await;
}
