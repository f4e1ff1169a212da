//! Lists of many: jobs that come by pages and by events, groups of errors, errors of one group.

use mailscan_core::job::JobStatus;
use serde_json::json;

use super::{Desk, prepared, put, quick};

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_that_events_tell_of_first_leave_no_gap() {
    let (folder, store) = prepared();
    for n in 0..120 {
        put(&store, if n < 30 { JobStatus::Paused } else { JobStatus::Completed }).await;
    }
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.meddle().await;
    // The list is asked for when the open jobs, which are the oldest, have been told.
    page.prepare("net.hold = (path) => path.includes('/v1/jobs?') && !net.heard").await;
    page.visit("#/jobs").await;
    page.until_text("50 jobs shown").await;
    let rows = "[...document.querySelectorAll('tbody tr')].map((row) => Number(row.cells[0].textContent.slice(4)))";
    for (shown, counted) in [(50, "50 jobs shown"), (100, "100 jobs shown"), (120, "120 jobs")] {
        page.until_text(counted).await;
        page.until(&format!("{rows}.length === {shown}")).await;
        let listed = page.eval(rows).await;
        assert_eq!(listed, json!((121 - shown..=120).rev().collect::<Vec<_>>()));
        if shown < 120 {
            page.press("Show older jobs").await;
        }
    }
    page.until("![...document.querySelectorAll('button')].some((button) => !button.hidden && button.textContent === 'Show older jobs')").await;
    desk.page.leave(&[]).await;
}
