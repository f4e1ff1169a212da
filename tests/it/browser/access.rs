//! What people with a screen reader, a keyboard or weak eyes need: names, order, landmarks, contrast in both schemes.

use fantoccini::Locator;
use mailscan_core::job::JobStatus;
use serde_json::json;

use super::looks::{VIEWS, emulate, running, show};
use super::page::Page;
use super::{Desk, prepared, put, quick};

/// The checks; answers a list of faults.
const CHECKS: &str = include_str!("access.js");

async fn faults(page: &Page) -> Vec<String> {
    let found = page.browser.client.execute(CHECKS, Vec::new()).await.unwrap();
    found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_holds_the_rules_in_light_and_dark() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    for (scheme, width) in [("light", 1_280), ("dark", 1_280), ("light", 360)] {
        emulate(page, width, scheme).await;
        for (name, view, there) in VIEWS {
            show(page, view, there).await;
            if view == "#/new" {
                page.click(Locator::Css("summary")).await;
                page.press("Create job").await;
            }
            let found = faults(page).await;
            assert!(found.is_empty(), "{name}, {scheme}, {width}: {found:#?}");
        }
        // What is not there, too, and dialogs.
        show(page, "#/nowhere", "main .notice").await;
        let found = faults(page).await;
        assert!(found.is_empty(), "nowhere, {scheme}: {found:#?}");
        show(page, "#/jobs/1", "[data-action=cancel]").await;
        page.press("Cancel").await;
        page.until("document.querySelector('dialog[open]')").await;
        let found = faults(page).await;
        assert!(found.is_empty(), "dialog, {scheme}: {found:#?}");
    }
    desk.page.leave(&[]).await;
}

/// Keeps in `said` what a screen reader is given.
const LISTEN: &str = "(window.said = [], new MutationObserver(() => {
    const text = document.querySelector('#announcer').textContent;
    if (text) said.push(text);
}).observe(document.querySelector('#announcer'), {childList: true, characterData: true, subtree: true}))";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_at_the_same_time_is_all_said() {
    let (folder, store) = prepared();
    put(&store, JobStatus::Completed).await;
    let Some(desk) = Desk::open_over(quick(10), folder, &[]).await else { return };
    let page = &desk.page;
    page.visit("#/jobs/1").await;
    page.until_status("completed").await;
    page.eval(LISTEN).await;
    page.press("Delete").await;
    page.press("Delete the job").await;
    page.until("document.querySelector('h1').textContent === 'Jobs' && said.length > 0").await;
    page.until("said.join('. ').includes('Jobs')").await;
    assert_eq!(page.eval("said").await, json!(["Job 1 is deleted. Jobs"]));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_state_is_announced_and_a_tick_is_not() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    page.eval(LISTEN).await;
    let collected = page.eval("document.querySelector('[data-figure=collected]').textContent").await;
    page.until(&format!("document.querySelector('[data-figure=collected]').textContent !== {collected}")).await;
    assert_eq!(page.eval("said").await, json!([]), "a tick was announced");
    page.press("Pause").await;
    page.until("said.some((text) => text.includes('paused'))").await;
    let live = page.eval("[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].some((node) => node.querySelector('[data-figure], [role=progressbar]'))").await;
    assert_eq!(live, json!(false), "figures are in a live region");
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_see_what_is_wrong() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    show(page, "#/system", ".chart .line[d^=M]").await;
    assert_eq!(faults(page).await, Vec::<String>::new());
    page.eval(
        "document.querySelector('main').append(...['button', 'h5', 'p', 'input', 'table'].map((tag) => document.createElement(tag)))",
    )
    .await;
    page.eval(
        "(document.querySelector('main > h5').textContent = 'skips', document.querySelector('main > p').textContent = 'pale', \
         document.querySelector('main > p').style.color = 'color-mix(in srgb, CanvasText 30%, Canvas)', \
         document.querySelector('main > button').style.padding = '9px', document.querySelector('main > p').id = 'main')",
    )
    .await;
    let found = faults(page).await;
    for wrong in ["<button", "<h5", "contrast", "<input", "<table", "id main"] {
        assert!(found.iter().any(|fault| fault.contains(wrong)), "{wrong} is not seen: {found:#?}");
    }
    desk.page.leave(&[]).await;
}
