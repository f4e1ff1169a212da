//! The page and a server that goes and comes back, one that hangs, and one whose events do not get through.

use mailscan_core::job::JobStatus;
use serde_json::json;

use super::served::Served;
use super::{Desk, prepared, put, quick, slow};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_said_survived_and_the_job_goes_on() {
    let Some(desk) = Desk::open(slow(400)).await else { return };
    desk.create(400).await;
    let Desk { page, served, web: _web, folder } = desk;
    page.until("document.querySelector('#link-state').textContent === 'Live'").await;
    page.until("Number(document.querySelector('[data-figure=collected]').textContent.split(' ')[0]) > 0").await;
    let address = served.address.to_string();
    tokio::task::spawn_blocking(move || served.stop()).await.unwrap();
    page.until_text("The server cannot be reached.").await;
    page.until("document.querySelector('#link-state').textContent === 'Offline'").await;
    // It is so until the server is back.
    page.until("document.querySelector('#banner-wait').textContent === 'Trying again in 2 s.'").await;
    assert_eq!(page.eval("document.querySelector('#link-state').textContent").await, json!("Offline"));
    // What was there is still there to read.
    page.until("document.querySelector('h1').textContent === 'Job 1'").await;

    let _served = Served::start(folder.path(), &address, &[]);
    page.until_text("Connected again.").await;
    page.until("document.querySelector('#link-state').textContent === 'Live' || document.querySelector('main .badge').textContent === 'completed'").await;
    page.until_status("completed").await;
    page.until_figure("collected", "400 of 400 collected").await;
    page.until("document.querySelector('#banner').hidden").await;
    page.leave(&[
        "net::ERR_CONNECTION_REFUSED",
        "net::ERR_CONNECTION_RESET",
        "net::ERR_EMPTY_RESPONSE",
        "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    ])
    .await;
}

/// Gives the page a tenth of its patience.
const HASTY: &str = "AbortSignal.timeout = ((real) => (ms) => real(ms / 10))(AbortSignal.timeout.bind(AbortSignal))";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_lost_until_it_goes_on() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.prepare(HASTY).await;
    for view in ["system", "workers", "jobs/1"] {
        page.visit(&format!("#/{view}")).await;
        page.until("document.querySelector('#link-state').textContent === 'Live'").await;
        desk.served.hang();
        page.until_text("The server cannot be reached.").await;
        page.until("document.querySelector('#link-state').textContent === 'Offline'").await;
        // What asks whether it is back is given up as well, and tried again.
        page.until("document.querySelector('#banner-wait').textContent === 'Trying again in 2 s.'").await;
        desk.served.go_on();
        page.until_text("Connected again.").await;
        // Also where a stream was open all the time.
        page.until("document.querySelector('#link-state').textContent === 'Live'").await;
    }
    // A view whose first answer does not come says so.
    page.visit("#/new").await;
    desk.served.hang();
    page.eval("location.hash = '#/addresses'").await;
    page.until_text("No connection").await;
    desk.served.go_on();
    page.until("document.querySelector('#job-choice')").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_events_the_page_asks_again_and_again() {
    let Some(desk) = Desk::open(slow(300)).await else { return };
    let page = &desk.page;
    page.browser.devtools("Network.enable", json!({})).await;
    page.browser.devtools("Network.setBlockedURLs", json!({"urls": ["*/events"]})).await;
    desk.create(300).await;
    page.until("document.querySelector('#link-state').textContent === 'Polling'").await;
    page.until_status("completed").await;
    page.until_figure("collected", "300 of 300 collected").await;
    assert_eq!(page.eval("document.querySelector('#banner').hidden").await, json!(true), "the server was there");
    desk.page.leave(&["net::ERR_BLOCKED_BY_CLIENT", "net::ERR_BLOCKED"]).await;
}
