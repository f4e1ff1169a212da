//! Lists of many: jobs that come by pages and by events, groups of errors, errors of one group.

use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus};
use mailscan_core::lease::FailureClass;
use mailscan_core::store::{ErrorClass, ErrorSelection, NewWorkerError, Store};
use serde_json::json;

use super::{Desk, error, prepared, put, put_spec, quick};

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_that_events_tell_of_first_leave_no_gap() {
    let (folder, store) = prepared();
    for n in 0..120 {
        put(&store, if n < 30 { JobStatus::Paused } else { JobStatus::Completed }).await;
    }
    let long = JobSource::Url(format!("https://example.org/?{}", "long".repeat(2_000)));
    put_spec(&store, JobSpec::new(100, vec![long]), JobStatus::Completed).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    // The list is asked for when the open jobs, which are the oldest, have been told.
    page.prepare("net.hold = (path) => path.includes('/v1/jobs?') && !net.heard").await;
    page.visit("#/jobs").await;
    page.until_text("50 jobs shown").await;
    let rows = "[...document.querySelectorAll('tbody tr')].map((row) => Number(row.cells[0].textContent.slice(4)))";
    for (shown, counted) in [(50, "50 jobs shown"), (100, "100 jobs shown"), (121, "121 jobs")] {
        page.until_text(counted).await;
        page.until(&format!("{rows}.length === {shown}")).await;
        let listed = page.eval(rows).await;
        assert_eq!(listed, json!((122 - shown..=121).rev().collect::<Vec<_>>()));
        if shown < 121 {
            page.press("Show older jobs").await;
        }
    }
    let cell = page.eval("document.querySelector('tbody').rows[0].cells[2].textContent.length").await;
    assert!(cell.as_u64().unwrap() < 200, "a long source takes {cell} signs in the list");
    page.until("![...document.querySelectorAll('button')].some((button) => !button.hidden && button.textContent === 'Show older jobs')").await;

    // The way back leads to the same place.
    page.eval("document.querySelector('tbody').rows[110].scrollIntoView()").await;
    let top = page.eval("scrollY").await;
    assert!(top.as_f64().unwrap() > 1_000.0, "{top}");
    // Whoever opens a job beside the list has not left it.
    page.eval(
        "(addEventListener('click', (event) => event.preventDefault(), {once: true}), document.querySelector('tbody').rows[111].querySelector('a').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, ctrlKey: true})))",
    )
    .await;
    assert_eq!(page.eval("history.state").await, json!(null));
    page.press("Job 9").await;
    page.until_status("paused").await;
    page.eval("history.back()").await;
    page.until(&format!("{rows}.length === 121 && scrollY > {top} - 200")).await;
    // Whoever comes from elsewhere begins at the top.
    page.press("Workers").await;
    page.until("document.querySelector('h1').textContent === 'Workers'").await;
    page.press("Jobs").await;
    page.until(&format!("{rows}.length === 50 && scrollY === 0")).await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_groups_of_errors_are_read_on_and_said_to_be_more() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Completed).await;
    let many: Vec<_> = (10_000..13_500).map(|n| error(id, n, "http-404")).collect();
    store.record_errors(&many).await.unwrap();
    let groups: Vec<_> = (2_000..3_200).map(|n| error(id, n, &format!("code-{n}"))).collect();
    store.record_errors(&groups).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.visit("#/errors").await;
    let rows = |within: &str| format!("document.querySelectorAll('{within} tbody tr').length");
    page.until_text("The 1,000 most frequent groups are listed and filtered. There are more.").await;
    page.fill("#error-filter", "code-3199").await;
    page.until_text("None of the 1,000 groups that were read matches this filter").await;
    page.press("Read 1,000 more groups").await;
    page.until(&format!("{} === 1", rows("main"))).await;
    assert!(!page.text().await.contains("There are more."));
    page.fill("#error-filter", "http-404").await;
    page.press("http-404").await;
    let group = rows("[data-group]");
    page.until(&format!("{group} === 25")).await;
    for before in (25..3_500).step_by(500) {
        let button =
            if before > 999 { format!("{},{:03}", before / 1_000, before % 1_000) } else { before.to_string() };
        page.press(&format!("Show more than {button}")).await;
        page.until(&format!("{group} === {}", 3_500.min(before + 500))).await;
    }
    // What is far down is not asked for with each look, but is seen as it changes.
    let asked = "net.asked.filter((path) => path.includes('/errors/list')).length";
    page.eval("net.asked = []").await;
    let of = ErrorSelection { job: Some(id), ids: vec![3_500], ..ErrorSelection::default() };
    store.resolve_errors(&of, "seen", false).await.unwrap();
    let looks = "net.asked.filter((path) => path.includes('/errors/list') && !path.includes('after')).length";
    page.until(&format!("{looks} > 4")).await;
    assert!(page.eval(asked).await.as_u64().unwrap() <= 12);
    page.until("document.querySelector('[data-group]').textContent.includes('seen')").await;
    assert_eq!(page.eval(&group).await, json!(3_500));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_class_are_found_behind_many_others() {
    let (folder, store) = prepared();
    let id = put(&store, JobStatus::Completed).await;
    let others: Vec<_> = (0..2_200).map(|n| error(id, n, &format!("code-{}", n / 2))).collect();
    store.record_errors(&others).await.unwrap();
    let class = ErrorClass::Failed(FailureClass::Quarantined);
    store.record_errors(&[NewWorkerError { class, ..error(id, 3_000, "crashed") }]).await.unwrap();
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/errors").await;
    page.until_text("There are more.").await;
    let listed = "[...document.querySelectorAll('main tbody tr')].map((row) => row.cells[0].textContent)";
    let choose = async |class: &str| page.find("#error-class").await.select_by_value(class).await.unwrap();
    choose("quarantined").await;
    page.until(&format!("{listed}.join() === 'crashed'")).await;
    assert!(!page.text().await.contains("There are more."));
    choose("blocked").await;
    page.until_text("No error matches this filter").await;
    choose("permanent").await;
    page.until_text("The 1,000 most frequent groups of class permanent are listed and filtered.").await;
    page.until(&format!("{listed}.length === 1000")).await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_jobs_are_taken_in_without_a_halt_and_older_ones_opened_by_number() {
    let (folder, store) = prepared();
    for _ in 0..1_100 {
        put(&store, JobStatus::Paused).await;
    }
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.prepare("net.hold = (path) => path.endsWith('/v1/events') && !window.listen").await;
    page.visit("#/jobs").await;
    page.until_text("50 jobs shown").await;
    // All that is open is told at once, and nearly all of it is older than what is shown.
    page.eval(
        "(window.drawn = 0, new MutationObserver((all) => { drawn += all.length; }).observe(document.querySelector('h1 + span'), {childList: true}), window.listen = true)",
    )
    .await;
    page.until("net.heard").await;
    let row = "document.querySelector('tbody').rows[0].textContent";
    let newest = JobId(1_100);
    store.transition(newest, &[JobStatus::Paused], JobStatus::Cancelled, None).await.unwrap();
    page.until(&format!("{row}.includes('Job 1100cancelled')")).await;
    page.until_text("50 jobs shown").await;
    assert!(page.eval("drawn").await.as_u64().unwrap() < 50, "each event was shown by itself");

    // The list is not longer than a thousand.
    for shown in [100, 200, 400, 800, 1_000] {
        page.press("Show older jobs").await;
        page.until(&format!("document.querySelectorAll('tbody tr').length === {shown}")).await;
    }
    page.until_text("No more than 1,000 jobs are listed.").await;
    page.fill("#job-number", "7").await;
    page.press("Open").await;
    page.until("location.hash === '#/jobs/7'").await;
    page.until_status("paused").await;
    desk.page.leave(&[]).await;
}
