//! A server that answers to those with a token only.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mailscan_core::job::JobStatus;
use mailscan_core::store::Store;
use serde_json::json;
use tempfile::TempDir;

use super::{Desk, prepared, put, quick};

/// Puts a file of tokens into a folder.
fn put_tokens(folder: &TempDir) {
    fs::write(folder.path().join("tokens"), "read reading-token-0123456789\nwrite writing-token-0123456789\n").unwrap();
    fs::set_permissions(folder.path().join("tokens"), fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_for_a_token_and_keeps_it_for_the_tab() {
    let folder = TempDir::new().unwrap();
    put_tokens(&folder);
    let Some(desk) = Desk::open_over(quick(50), folder, &["--token-file", "tokens"]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs").await;
    page.until_text("Token needed").await;
    page.press("Not now").await;
    page.until_text("A token is needed").await;
    page.press("Enter a token").await;
    // The second one cannot even be sent.
    for wrong in ["wrong", "reading\u{2011}token\u{2011}0123456789"] {
        page.fill("#token", wrong).await;
        page.press("Use this token").await;
        page.until_text("The server does not know this token.").await;
        page.until("document.querySelector('#token').value === ''").await;
    }
    assert_eq!(page.eval("document.querySelector('#banner').hidden").await, json!(true), "the server is there");
    page.fill("#token", "reading-token-0123456789").await;
    page.press("Use this token").await;
    page.until_text("No job yet").await;

    // It may read and not write, until another one takes its place.
    page.press("Create the first job").await;
    page.fill("#target", "50").await;
    page.fill("#urls", &desk.web.site_url()).await;
    page.fill("#depth", "50").await;
    page.press("Create job").await;
    page.until_text("The token in use is for reading only.").await;
    page.fill("#token", "wrong").await;
    page.press("Use this token").await;
    page.until_text("The server does not know this token.").await;
    page.press("Not now").await;
    page.until("document.querySelector('form [role=alert]').innerText.includes('for reading only')").await;
    assert_eq!(
        page.eval("sessionStorage.getItem('mailscan-token')").await,
        json!("reading-token-0123456789"),
        "one that is not known takes no other's place"
    );
    page.press("Create job").await;
    page.until_text("The token in use is for reading only.").await;
    page.fill("#token", "writing-token-0123456789").await;
    page.press("Use this token").await;
    page.until_status("completed").await;
    assert_eq!(page.eval("localStorage.length").await, json!(0));
    assert_eq!(page.eval("document.cookie").await, json!(""));
    desk.page.leave(&["401 (Unauthorized)", "403 (Forbidden)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_for_a_token_is_gone_with_the_view_that_asked() {
    let (folder, store) = prepared();
    put_tokens(&folder);
    let id = put(&store, JobStatus::Paused).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &["--token-file", "tokens"]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    // A view that needs one asks anew, and the next one as well.
    page.visit("#/workers").await;
    page.until_text("Token needed").await;
    page.eval("location.hash = '#/jobs'").await;
    page.until(
        "document.querySelector('h1').textContent === 'Jobs' && document.querySelectorAll('dialog').length === 1",
    )
    .await;
    page.fill("#token", "reading-token-0123456789").await;
    page.press("Use this token").await;
    page.press("Job 1").await;
    page.until_status("paused").await;

    page.press("Delete").await;
    page.press("Delete the job").await;
    page.until_text("Another token needed").await;
    page.eval("history.back()").await;
    page.until("document.querySelector('h1').textContent === 'Jobs' && !document.querySelector('dialog')").await;
    page.until_text("Job 1 could not be deleted").await;

    // One that is entered elsewhere meanwhile does not carry it out either.
    page.press("Job 1").await;
    page.until_status("paused").await;
    page.press("Delete").await;
    page.eval("(net.asked = [], net.hold = (path) => path === '/api/v1/jobs/1')").await;
    page.press("Delete the job").await;
    page.until("net.asked.includes('/api/v1/jobs/1')").await;
    page.eval("(location.hash = '#/new', sessionStorage.setItem('mailscan-token', 'wrong'))").await;
    page.until("document.querySelector('h1').textContent === 'New job'").await;
    page.eval("(document.querySelector('#toasts').replaceChildren(), net.hold = null)").await;
    page.until("document.querySelector('#toasts').textContent.includes('Job 1 could not be deleted')").await;
    assert_eq!(store.job_states(&[id]).await.unwrap()[0].as_ref().map(|job| job.status), Some(JobStatus::Paused));
    desk.page.leave(&["401 (Unauthorized)", "403 (Forbidden)"]).await;
}
