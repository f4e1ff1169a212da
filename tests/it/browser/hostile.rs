//! Text from hostile pages is shown as text: no script runs, nothing is loaded, no link leads anywhere but to the web.

use std::sync::Arc;

use fantoccini::Locator;
use mailscan_core::Address;
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob, Origin};
use mailscan_core::lease::{FailureClass, NodeId};
use mailscan_core::store::{ErrorClass, NewWorkerError, Sighting, Store};
use mailscan_core::task::TaskId;
use serde_json::json;
use tempfile::TempDir;

use super::{Desk, quick};

const TEXTS: [&str; 7] = [
    "<script>window.pwned = 1</script>",
    "\"><img src=x onerror=\"window.pwned = 2\">",
    "javascript:window.pwned=3",
    "data:text/html,<script>window.pwned=4</script>",
    "https://example.org/<svg onload=window.pwned=5>",
    "</td></table><iframe srcdoc='<script>parent.pwned=6</script>'>",
    "https://example.org/\u{202e}gpj.exe\u{0}\u{200b}",
];

/// A database with a finished job, every text of which is hostile.
async fn hostile(folder: &TempDir) {
    let store = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let sources = TEXTS.map(|text| JobSource::Search(text.to_owned())).to_vec();
    let mut spec = JobSpec::new(100, sources);
    spec.options.search_endpoint = Some("{}".to_owned());
    let id = store.create_job(&NewJob { key: "<b>".to_owned(), spec, origin: Origin::Operator }).await.unwrap().id();
    store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
    let rows: Vec<_> = TEXTS.iter().zip(0..).map(|(text, n)| sighting(id, text, n)).collect();
    store.insert(&rows).await.unwrap();
    let errors: Vec<_> = TEXTS.iter().zip(1..).map(|(text, n)| error(id, text, n)).collect();
    store.record_errors(&errors).await.unwrap();
    store.transition(id, &[JobStatus::Running], JobStatus::Failed, Some(TEXTS[1])).await.unwrap();
}

fn sighting(job: JobId, text: &str, n: u32) -> Sighting {
    let address = Address::parse(&format!("<img/src=x>{n}@example.org"))
        .or_else(|| Address::parse(&format!("a'b&c{n}@host.org")));
    Sighting {
        job,
        address: address.unwrap(),
        source: Arc::from(text),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    }
}

fn error(job: JobId, text: &str, n: u64) -> NewWorkerError {
    NewWorkerError {
        job,
        task: TaskId(n),
        fence: 1,
        node: NodeId("node".to_owned()),
        class: ErrorClass::Failed(FailureClass::Permanent),
        code: text.to_owned(),
        host: text.to_owned(),
        label: text.to_owned(),
        message: text.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_text_in_every_view() {
    let folder = TempDir::new().unwrap();
    hostile(&folder).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    for view in [
        "#/jobs",
        "#/jobs/1/workers",
        "#/jobs/1/errors",
        "#/jobs/1/addresses",
        "#/jobs/1/details",
        "#/errors",
        "#/addresses",
    ] {
        page.visit(view).await;
        page.until("document.querySelector('main bdi')").await;
        if view.contains("addresses") {
            page.until(&format!("document.querySelectorAll('tbody tr').length === {}", TEXTS.len())).await;
        }
        if view.contains("errors") {
            page.until(&format!("document.querySelectorAll('tbody tr').length === {}", TEXTS.len())).await;
            page.click(Locator::Css("tbody td button.link")).await;
            page.until("document.querySelector('[data-group] tbody tr')").await;
        }
        assert_eq!(page.eval("window.pwned ?? null").await, json!(null), "a script ran at {view}");
        let alien = "main :is(script, img, iframe, object, embed, style, link, svg[onload], [onerror], [onload])";
        assert_eq!(page.eval(&format!("document.querySelectorAll('{alien}').length")).await, json!(0), "{view}");
        let links = page
            .eval("[...document.querySelectorAll('main a')].filter((a) => !a.getAttribute('href').startsWith('#')).map((a) => [a.protocol, a.rel, a.target])")
            .await;
        for link in links.as_array().unwrap() {
            assert_eq!(link, &json!(["https:", "noreferrer noopener", "_blank"]), "{view}");
        }
    }
    page.visit("#/jobs/1/addresses").await;
    page.until_text("<script>window.pwned = 1</script>").await;
    // What cannot be seen is spelt out.
    page.until_text("https://example.org/\\u{202e}gpj.exe\\u{0}\\u{200b}").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_see_a_foreign_request_and_a_script_that_the_policy_stops() {
    let Some(desk) = Desk::open(quick(10)).await else { return };
    let page = &desk.page;
    page.visit("#/system").await;
    page.eval(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.pwned = 1'}))",
    )
    .await;
    page.eval("void fetch('http://127.0.0.1:9/x').catch(() => {})").await;
    page.eval("new Image().src = 'http://127.0.0.1:9/y'").await;
    assert_eq!(page.eval("window.pwned ?? null").await, json!(null), "an inline script ran");
    let complaints = page.complaints(&[]).await;
    let stopped = complaints.iter().filter(|text| text.contains("Content Security Policy")).count();
    assert!(stopped >= 2, "{complaints:#?}");
    let foreign = page.foreign_requests().await;
    assert!(foreign.iter().any(|url| url == "http://127.0.0.1:9/y"), "{foreign:?}");
    desk.page.browser.close().await;
}
