//! How the views look: no sideways scrolling on a phone or a tablet, no motion for who wants none, and pictures of all of them.

use std::path::PathBuf;

use fantoccini::Locator;
use serde_json::json;

use super::page::Page;
use super::{Desk, slow};

/// Every view, and what is there once it has loaded.
pub(super) const VIEWS: [(&str, &str, &str); 9] = [
    ("jobs", "#/jobs", "main tbody tr"),
    ("job", "#/jobs/1/workers", ".chart .line[d^=M]"),
    ("job-errors", "#/jobs/1/errors", "[role=tabpanel] tbody tr"),
    ("job-addresses", "#/jobs/1/addresses", "[role=tabpanel] tbody tr"),
    ("new", "#/new", "[data-figure=workers]"),
    ("workers", "#/workers", "main tbody tr"),
    ("errors", "#/errors", "main tbody tr"),
    ("addresses", "#/addresses", "main tbody tr"),
    ("system", "#/system", ".chart .line[d^=M]"),
];

/// A desk with a running job that has errors, too.
pub(super) async fn running() -> Option<Desk> {
    let desk = Desk::open(slow(20_000)).await?;
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "20000").await;
    let site = desk.web.site_url();
    page.fill("#urls", &format!("{site}\n{site}missing\n{site}nowhere")).await;
    page.fill("#depth", "50").await;
    page.press("Create job").await;
    page.until_status("running").await;
    page.until(
        "Number(document.querySelector('[data-figure=collected]').textContent.split(' ')[0].replace(',', '')) > 100",
    )
    .await;
    Some(desk)
}

/// Shows a view and waits until it has loaded.
pub(super) async fn show(page: &Page, view: &str, there: &str) {
    page.visit(view).await;
    page.until(&format!("document.querySelector({})", json!(there))).await;
}

pub(super) async fn emulate(page: &Page, width: u32, scheme: &str) {
    let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500});
    page.browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    page.browser.devtools("Emulation.setEmulatedMedia", features).await;
}

/// Keeps a picture where somebody wants them.
async fn picture(page: &Page, name: &str) {
    let Some(folder) = std::env::var_os("MAILSCAN_SCREENSHOTS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let png = page.browser.client.screenshot().await.unwrap();
    std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_view_scrolls_sideways_at_any_width() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    // What is enlarged four times is a window of 320 (WCAG 1.4.10); those in the middle are tablets.
    for (width, scheme) in [
        (320, "light"),
        (360, "light"),
        (834, "light"),
        (900, "light"),
        (1_000, "light"),
        (1_280, "light"),
        (1_280, "dark"),
    ] {
        emulate(page, width, scheme).await;
        for (name, view, there) in VIEWS {
            show(page, view, there).await;
            if view == "#/new" {
                page.click(Locator::Css("summary")).await;
            }
            let widths =
                page.eval("[document.documentElement.scrollWidth, document.documentElement.clientWidth]").await;
            assert!(widths[0].as_u64() <= widths[1].as_u64(), "{name} at {width}: {widths}");
            let clipped = page.eval(CLIPPED).await;
            assert_eq!(clipped, json!([]), "{name} at {width}");
            picture(page, &format!("{name}-{scheme}-{width}")).await;
        }
    }
    desk.page.leave(&[]).await;
}

/// What sticks out of the window on either side.
const CLIPPED: &str = "[...document.querySelectorAll('main *, header *')].filter((node) => {
    const box = node.getBoundingClientRect();
    return node.checkVisibility() && !node.closest('.hidden, thead, svg, figcaption') && box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
}).map((node) => node.outerHTML.slice(0, 200)).slice(0, 5)";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_take_more_than_one_processor() {
    let Some(desk) = Desk::open(slow(10)).await else { return };
    let page = &desk.page;
    page.meddle().await;
    page.prepare("net.edit = (path, json) => ({ ...json, process_cpu_percentage: window.taken ?? 180 })").await;
    page.visit("#/system").await;
    for (taken, shown) in [("180", "180.0 %"), ("99.96", "100.0 %"), ("0.04", "0.0 %"), ("1234.5", "1,234.5 %")] {
        page.eval(&format!("window.taken = {taken}")).await;
        page.until_figure("cpu", shown).await;
    }
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_for_who_wants_no_motion() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    let bar = "getComputedStyle(document.querySelector('.fill')).transitionDuration";
    assert_eq!(page.eval(bar).await, json!("0.3s"));
    let features = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    page.browser.devtools("Emulation.setEmulatedMedia", features).await;
    assert_eq!(page.eval(bar).await, json!("0s"));
    desk.page.leave(&[]).await;
}
