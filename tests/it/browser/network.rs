//! The page over a network that is slow or breaks answers off.

use std::sync::Arc;

use mailscan_core::job::{JobSource, JobSpec, JobStatus};
use mailscan_core::pipeline::Backends;
use mailscan_core::source::Sources;
use mailscan_core::store::Store;
use mailscan_http::ServeOptions;
use serde_json::json;
use tokio::net::TcpListener;

use super::chrome::Browser;
use super::page::Page;
use super::{Desk, prepared, put, put_spec, quick, sighting};

/// Whether the views that are kept fresh by asking again do so, shown by the number of their requests.
async fn assert_goes_on(page: &Page, path: &str) {
    let asked = format!("net.asked.filter((path) => path.endsWith('{path}')).length");
    page.eval(&format!("window.before = {asked}")).await;
    page.until(&format!("{asked} > window.before + 1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    for (path, garbled) in [("workers", false), ("system", true)] {
        page.visit(&format!("#/{path}")).await;
        page.until("document.querySelector('#link-state').textContent === 'Live'").await;
        page.eval(&format!("void Object.assign(net, {{broken: /./, garbled: {garbled}, broke: 0}})")).await;
        page.until_text("The server cannot be reached.").await;
        page.until("document.querySelector('#link-state').textContent === 'Offline'").await;
        // Nor can whatever stands between for the server, however often it answers.
        page.until("net.asked.filter((path) => path === '/healthz').length > 1").await;
        assert_eq!(page.eval("document.querySelector('#link-state').textContent").await, json!("Offline"));
        page.eval("net.broken = null").await;
        page.until_text("Connected again.").await;
        assert_goes_on(page, path).await;
        page.until("document.querySelector('#link-state').textContent === 'Live'").await;
    }
    // A view that had nothing yet is there as soon as answers are whole.
    let views =
        [("jobs", "tbody tr"), ("errors", "#job-choice"), ("addresses", "#job-choice"), ("jobs/1", "h1 + .badge")];
    for (view, there) in views {
        page.eval(&format!("(net.broken = /./, location.hash = '#/{view}')")).await;
        page.until_text("No connection").await;
        page.eval("net.broken = null").await;
        page.until(&format!("document.querySelectorAll('{there}').length === 1")).await;
    }
    desk.page.leave(&["events cannot be read"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_turned_one_by_one_however_slowly_they_come() {
    let (folder, store) = prepared();
    let spec = JobSpec::new(1_000, vec![JobSource::Url("https://example.org/".to_owned())]);
    let id = put_spec(&store, spec, JobStatus::Completed).await;
    store.insert(&(1..=130).map(|n| sighting(id, n)).collect::<Vec<_>>()).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.visit("#/jobs/1/addresses").await;
    let first = "document.querySelector('[role=tabpanel] tbody td').textContent";
    page.until(&format!("{first} === 'user1@host.org'")).await;
    let where_ = "document.querySelector('[aria-label=\"Pages of addresses\"] [role=status]').textContent";
    for (button, number, shown) in [("Next", 2, 51), ("Previous", 1, 1), ("Next", 2, 51), ("Next", 3, 101)] {
        page.eval("net.hold = /addresses/").await;
        for _ in 0..3 {
            page.press(button).await;
        }
        page.until(&format!("{where_} === 'Page {number}\u{2026}'")).await;
        page.eval("net.hold = null").await;
        page.until(&format!("{where_} === 'Page {number}'")).await;
        assert_eq!(page.eval(first).await, json!(format!("user{shown}@host.org")));
    }
    // One that cannot be had at first comes when it can be.
    page.eval("net.broken = /addresses/").await;
    page.press("Previous").await;
    page.until("net.broke > 0").await;
    assert_eq!(page.eval(first).await, json!("user101@host.org"));
    page.eval("net.broken = null").await;
    page.until(&format!("{where_} === 'Page 2' && {first} === 'user51@host.org'")).await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_on_until_all_was_looked_at() {
    let (folder, store) = prepared();
    let spec = JobSpec::new(1_000_000, vec![JobSource::Url("https://example.org/".to_owned())]);
    let id = put_spec(&store, spec, JobStatus::Completed).await;
    // One request looks at 200,000.
    for first in (1..=420_000).step_by(20_000) {
        store.insert(&(first..first + 20_000).map(|n| sighting(id, n)).collect::<Vec<_>>()).await.unwrap();
    }
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.visit("#/jobs/1/addresses").await;
    let rows = "[...document.querySelectorAll('[role=tabpanel] tbody tr')].map((row) => row.cells[0].textContent)";
    page.until(&format!("{rows}.length === 50")).await;
    let status = "document.querySelector('[aria-label=\"Pages of addresses\"] [role=status]').textContent";
    let pager = "document.querySelector('[aria-label=\"Pages of addresses\"]')";

    page.eval("net.hold = /after=4/").await;
    page.fill("#address-search", "user41999").await;
    page.until(&format!("{status} === 'Page 1: 1 found, searching on\u{2026}'")).await;
    assert_eq!(page.eval(rows).await, json!(["user41999@host.org"]));
    page.eval("net.hold = null").await;
    // All eleven fit one page, of which the last request brought ten.
    page.until(&format!("{rows}.length === 11 && {pager}.hidden")).await;
    // The look again begins where the last request did.
    page.eval("net.asked = []").await;
    page.until("net.asked.filter((path) => path.includes('/addresses')).length > 1").await;
    let again = page.eval("net.asked.filter((path) => path.includes('/addresses') && !path.includes('after=4'))").await;
    assert_eq!(again, json!([]));

    page.eval("net.hold = /after=2/").await;
    page.fill("#address-search", "nobody").await;
    page.until_text("Nothing that was looked at so far matches.").await;
    assert!(!page.text().await.contains("No address matches"));
    page.eval("net.hold = null").await;
    page.until_text("No address matches").await;
    // A page that is full is followed by what else there is.
    page.fill("#address-search", "user41").await;
    page.until(&format!("{rows}.length === 50 && {status} === 'Page 1'")).await;
    let first = page.eval(rows).await;
    page.press("Next").await;
    page.until(&format!("{rows}.length === 50 && {status} === 'Page 2'")).await;
    assert_ne!(page.eval(rows).await, first);
    page.press("Previous").await;
    page.until(&format!("{status} === 'Page 1'")).await;
    assert_eq!(page.eval(rows).await, first);
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_takes_nobody_away_from_another_view() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.visit("#/new").await;
    page.fill("#urls", &desk.web.site_url()).await;
    page.eval("net.hold = /./").await;
    page.press("Create job").await;
    page.until("net.asked.includes('/api/v1/jobs')").await;
    page.eval("location.hash = '#/workers'").await;
    page.until("document.querySelector('h1').textContent === 'Workers'").await;
    page.eval("net.hold = null").await;
    page.until_text("Job 2 is created.").await;
    assert_eq!(page.eval("location.hash").await, json!("#/workers"));

    page.visit("#/jobs/1").await;
    page.press("Delete").await;
    page.eval("net.hold = (path) => path === '/api/v1/jobs/1'").await;
    page.press("Delete the job").await;
    page.until("!document.querySelector('dialog')").await;
    page.eval("location.hash = '#/system'").await;
    page.until("document.querySelector('h1').textContent === 'System'").await;
    page.eval("net.hold = null").await;
    page.until_text("Job 1 is deleted.").await;
    assert_eq!(page.eval("location.hash").await, json!("#/system"));
    desk.page.leave(&[]).await;
}

/// How fresh the view says that it is.
const STATE: &str = "document.querySelector('#link-state').textContent";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_cannot_tell_anew_is_said_to_be_stale() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    // With a stream each view would be told of its end first.
    page.prepare("net.broken = /events/").await;
    for (view, fresh) in [("workers", "Live"), ("system", "Live"), ("jobs", "Polling"), ("jobs/1", "Polling")] {
        page.visit(&format!("#/{view}")).await;
        for (refused, state) in [("null", fresh), ("/./", "Stale"), ("null", fresh)] {
            page.eval(&format!("void (net.refused = {refused})")).await;
            page.until(&format!("{STATE} === '{state}'")).await;
        }
    }
    // Where nothing was shown nothing is stale.
    page.prepare("net.refused = /./").await;
    for view in ["workers", "jobs"] {
        page.visit(&format!("#/{view}")).await;
        page.until("net.refusals.length > 1").await;
        assert_eq!(page.eval(STATE).await, json!(""), "{view}");
    }
    desk.page.leave(&["events cannot be read"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_no_longer_gives_is_not_called_live() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let file = rusqlite::Connection::open(folder.path().join("mailscan.db")).unwrap();
    let Some(browser) = Browser::start().await else { return };
    // A server alone: an engine would end with its store, and the program with the engine.
    let pipeline = Arc::new(Backends { queue: store.clone(), store, fetcher: Sources::new() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = Page::new(browser, format!("http://{}", listener.local_addr().unwrap()));
    let until = std::future::pending::<()>();
    let served = tokio::spawn(mailscan_http::serve(listener, pipeline, ServeOptions::default(), until));
    for view in ["jobs", "jobs/1"] {
        page.visit(&format!("#/{view}")).await;
        for (change, state) in [("", "Live"), ("job RENAME TO away", "Stale"), ("away RENAME TO job", "Live")] {
            if !change.is_empty() {
                file.execute_batch(&format!("ALTER TABLE {change}")).unwrap();
            }
            page.until(&format!("{STATE} === '{state}'")).await;
        }
    }
    page.leave(&["500 (Internal Server Error)", "503 (Service Unavailable)"]).await;
    served.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_asked_for_less_and_less_often() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    let pauses = "net.refusals.slice(1).map((at, n) => at - net.refusals[n])";
    for (view, after) in [("workers", "null"), ("system", "'7'")] {
        page.visit(&format!("#/{view}")).await;
        page.until("document.querySelector('#link-state').textContent === 'Live'").await;
        page.eval(&format!("void Object.assign(net, {{refused: /./, after: {after}}})")).await;
        page.until("net.refusals.length > 2").await;
        let waited: Vec<f64> = serde_json::from_value(page.eval(pauses).await).unwrap();
        let least = if after == "null" { [3_900.0, 7_900.0] } else { [6_900.0, 7_900.0] };
        assert!(waited.iter().zip(least).all(|(waited, least)| *waited >= least), "{view}: {waited:?}");
        page.eval("net.refused = null").await;
    }
    assert_goes_on(page, "system").await;
    // The list asks by two ways, as its stream may be all that is refused.
    page.prepare("net.refused = /./").await;
    page.visit("#/jobs").await;
    page.until("performance.now() > 15_000").await;
    let asked = page.eval("net.refusals.length").await;
    assert!(asked.as_u64().unwrap() <= 10, "{asked} requests in 15 s");
    desk.page.leave(&[]).await;
}
