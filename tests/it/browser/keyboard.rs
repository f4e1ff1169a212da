//! The page with the keyboard alone: every step by Tab, Enter, Escape and arrows, with the focus in sight.

use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::Store;
use serde_json::json;

use super::page::{DOWN, ENTER, ESCAPE, Page, RIGHT, TAB};
use super::{Desk, error, prepared, put, quick, sighting, slow};

/// What has the focus is marked.
async fn assert_focus_is_seen(page: &Page) {
    let outline = "getComputedStyle(document.activeElement).outlineStyle !== 'none' && parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2";
    assert_eq!(page.eval(outline).await, json!(true), "{}", page.eval("document.activeElement.outerHTML").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_goes_with_a_row_that_is_put_elsewhere() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Paused).await;
    let errors = [(1, "http-404"), (2, "http-404"), (3, "http-410")].map(|(task, code)| error(id, task, code));
    store.record_errors(&errors).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/errors").await;
    let order = "[...document.querySelectorAll('main tbody tr')].map((row) => row.cells[0].textContent).join()";
    page.until(&format!("{order} === 'http-404,http-410'")).await;
    page.tab_to("it.textContent === 'http-410'").await;
    let more = [4, 5].map(|task| error(id, task, "http-410"));
    store.record_errors(&more).await.unwrap();
    page.until(&format!("{order} === 'http-410,http-404'")).await;
    assert_eq!(page.eval("document.activeElement.textContent").await, json!("http-410"));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_chosen_with_the_arrow_keys_among_those_that_there_are_now() {
    let (folder, store) = prepared();
    for _ in 0..3 {
        put(&store, JobStatus::Paused).await;
    }
    store.record_errors(&[error(JobId(1), 1, "http-404")]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/errors?job=3").await;
    page.until_text("No errors").await;
    page.tab_to("it.id === 'job-choice'").await;
    for job in [2, 1] {
        page.keys(DOWN).await;
        page.until(&format!("location.hash === '#/errors?job={job}' && document.activeElement.id === 'job-choice'"))
            .await;
    }
    page.until_text("http-404").await;
    assert_eq!(page.eval("document.querySelector('.field a').hash").await, json!("#/jobs/1"));
    // What becomes of the jobs meanwhile is seen, and the choice stays.
    store.transition(JobId(2), &[JobStatus::Paused], JobStatus::Cancelled, None).await.unwrap();
    put(&store, JobStatus::Completed).await;
    let choices = "[...document.querySelectorAll('#job-choice option')].map((it) => it.textContent).join('; ')";
    page.until(&format!("{choices} === 'Job 4, completed; Job 3, paused; Job 2, cancelled; Job 1, paused'")).await;
    let chosen = "document.activeElement.id === 'job-choice' && document.activeElement.value";
    assert_eq!(page.eval(chosen).await, json!("1"));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_stays_where_a_list_is_closed_or_has_no_further_page() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Paused).await;
    let errors: Vec<_> = (0..60).map(|n| error(id, n, &format!("code-{n:02}"))).collect();
    store.record_errors(&errors).await.unwrap();
    store.insert(&(1..=80).map(|n| sighting(id, n)).collect::<Vec<_>>()).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/errors").await;
    page.press("code-30").await;
    page.until("document.activeElement.tagName === 'H3'").await;
    page.tab_to("it.textContent === 'Close'").await;
    page.keys(ENTER).await;
    page.until("document.activeElement.textContent === 'code-30'").await;
    let seen = "((box) => box.top > document.querySelector('.topbar').getBoundingClientRect().bottom && box.bottom < innerHeight)(document.activeElement.getBoundingClientRect())";
    assert_eq!(page.eval(seen).await, json!(true), "it is out of sight");

    page.visit("#/addresses").await;
    let at = "document.querySelector('[aria-label=\"Pages of addresses\"] [role=status]').textContent";
    for (button, number) in [("Next", 2), ("Previous", 1)] {
        page.tab_to("it.id === 'job-choice'").await;
        page.tab_to(&format!("it.textContent === '{button}'")).await;
        page.keys(ENTER).await;
        page.until(&format!("{at} === 'Page {number}'")).await;
        assert_eq!(page.eval("document.activeElement.textContent").await, json!(button));
        assert_eq!(page.eval("document.activeElement.ariaDisabled").await, json!("true"));
        page.keys(ENTER).await;
        assert_eq!(page.eval(at).await, json!(format!("Page {number}")), "it leads nowhere");
    }
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_from_its_form_to_its_end_by_keyboard() {
    let Some(desk) = Desk::open(slow(5_000)).await else { return };
    let page = &desk.page;
    page.visit("#/jobs").await;
    page.until_text("No job yet").await;

    // The first stop leads past the navigation.
    page.keys(TAB).await;
    assert_eq!(page.eval("document.activeElement.textContent").await, json!("Skip to content"));
    assert_focus_is_seen(page).await;
    page.keys(ENTER).await;
    assert_eq!(page.eval("document.activeElement.id").await, json!("main"));
    page.keys(TAB).await;
    assert_eq!(page.eval("document.activeElement.textContent").await, json!("All"));

    page.tab_to("it.textContent === 'Create the first job'").await;
    assert_focus_is_seen(page).await;
    page.keys(ENTER).await;
    page.until("location.hash === '#/new' && document.activeElement.id === 'main'").await;
    page.tab_to("it.id === 'target'").await;
    assert_focus_is_seen(page).await;
    page.browser.client.active_element().await.unwrap().clear().await.unwrap();
    page.tab_to("it.id === 'target'").await;
    page.keys("5000").await;
    page.tab_to("it.id === 'urls'").await;
    page.keys(&desk.web.site_url()).await;
    page.tab_to("it.textContent === 'Create job'").await;
    assert_focus_is_seen(page).await;
    page.keys(ENTER).await;
    page.until_status("running").await;

    page.tab_to("it.textContent === 'Pause'").await;
    page.keys(ENTER).await;
    page.until_status("paused").await;
    // The button is gone; the focus is on what came in its place.
    page.until("document.activeElement.textContent === 'Resume'").await;
    page.tab_to("it.textContent === 'Delete'").await;
    page.keys(ENTER).await;
    page.until("document.querySelector('dialog[open]')?.contains(document.activeElement)").await;
    page.keys(ESCAPE).await;
    page.until("!document.querySelector('dialog') && document.activeElement.textContent === 'Delete'").await;
    page.until_status("paused").await;

    // One stop for all tabs, arrows between them.
    page.tab_to("it.getAttribute('role') === 'tab'").await;
    assert_focus_is_seen(page).await;
    for tab in ["errors", "addresses", "details", "workers"] {
        page.keys(RIGHT).await;
        page.until(&format!("document.activeElement.id === 'tab-{tab}' && location.hash === '#/jobs/1/{tab}'")).await;
    }
    page.keys(TAB).await;
    assert_eq!(page.eval("document.activeElement.getAttribute('role')").await, json!(null));
    desk.page.leave(&[]).await;
}
