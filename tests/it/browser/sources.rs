//! Where jobs come from and how the page is served: files below a root, searches, TLS.

use std::fs;
use std::time::Duration;

use fantoccini::Locator;
use mailscan_core::job::JobId;
use mailscan_core::store::Store;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;

use super::{Desk, quick};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_over_tls() {
    let folder = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.path().join("cert.pem"), cert.pem()).unwrap();
    let arguments = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let Some(desk) = Desk::open_over(quick(60), folder, &arguments).await else { return };
    let page = &desk.page;
    assert!(page.origin.starts_with("https://"), "{}", page.origin);
    desk.create(60).await;
    page.until_status("completed").await;
    page.until_figure("collected", "60 of 60 collected").await;
    let spoken = page.eval("performance.getEntriesByType('navigation')[0].nextHopProtocol").await;
    assert_eq!(spoken, json!("h2"));
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_below_the_root_are_read_and_no_others() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("in/more")).unwrap();
    fs::write(folder.path().join("outside.txt"), "eve@host.org").unwrap();
    for (name, text) in [("1.txt", "ann@host.org"), ("2.txt", "bob@host.org"), ("more/3.txt", "cem@host.org")] {
        fs::write(folder.path().join("in").join(name), text).unwrap();
    }
    let Some(desk) = Desk::open_over(quick(10), folder, &["--root", "in"]).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "20").await;
    page.click(Locator::Css("details.card > summary")).await;
    page.fill("#paths", "1.txt\n../outside.txt").await;
    page.press("Create job").await;
    page.until("document.querySelector('#paths-error').innerText.includes('Line 2:')").await;
    page.fill("#paths", ".").await;
    page.press("Create job").await;
    page.until_status("completed").await;
    page.until_figure("collected", "Sources exhausted: 3 of 20 collected").await;
    page.until("document.querySelector('main .badge').classList.contains('short')").await;
    page.click(Locator::Id("tab-addresses")).await;
    for found in ["ann@host.org", "bob@host.org", "cem@host.org"] {
        page.until_text(found).await;
    }
    assert!(!page.text().await.contains("eve@host.org"));
    desk.page.leave(&["422", "400 (Bad Request)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sitemaps_of_a_site_are_read() {
    let Some(desk) = Desk::open(quick(200)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "1000").await;
    page.fill("#sitemaps", "https://example.org/\nexample.org").await;
    page.press("Create job").await;
    page.until("document.querySelector('#sitemaps-error').innerText.includes('Line 2:')").await;
    let site = format!("http://{}/", desk.web.local_addr());
    page.fill("#sitemaps", &site).await;
    page.press("Create job").await;
    page.until_status("completed").await;
    page.until_figure("collected", "Sources exhausted: 200 of 1,000 collected").await;
    page.until_text(&format!("sitemap {site}")).await;
    desk.page.leave(&["422", "400 (Bad Request)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_is_read_can_be_limited_where_no_links_are_followed() {
    let Some(desk) = Desk::open(quick(200)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "1000").await;
    page.fill("#sitemaps", &format!("http://{}/", desk.web.local_addr())).await;
    page.click(Locator::Id("crawl")).await;
    page.until("document.querySelector('#depth').disabled").await;
    page.fill("#max_pages", "5").await;
    page.press("Create job").await;
    page.until_status("completed").await;
    page.until_text("the limit of 5 for pages").await;
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_followed_to_its_pages() {
    let Some(desk) = Desk::open(quick(200)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "200").await;
    page.fill("#searches", "everything").await;
    page.press("Create job").await;
    page.until("document.querySelector('#search_endpoint-error').innerText.length > 0").await;
    let place = desk.web.search_url();
    let endpoint = json!({
        "url": format!("{place}?q={{query}}&page={{page}}"), "results": "results", "result_url": "url",
        "snippets": ["title", "content"], "lanes": 5, "max_pages": 1_000,
    });
    page.fill("#search_endpoint", &endpoint.to_string()).await;
    page.press("Create job").await;
    page.until_status("completed").await;
    page.until_figure("collected", "200 of 200 collected").await;
    desk.page.leave(&["422", "400 (Bad Request)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comma_is_between_thousands_where_there_can_be_no_fraction() {
    let Some(desk) = Desk::open(quick(10)).await else { return };
    let page = &desk.page;
    page.visit("#/new").await;
    page.fill("#target", "1,000").await;
    page.until_figure("workers", "50").await;
    page.fill("#urls", &desk.web.site_url()).await;
    page.click(Locator::Css("details.card > summary")).await;
    for (field, typed) in [("rate_limit", "0,125"), ("time_limit", "1,000"), ("rate_limit", "0,5")] {
        page.fill(&format!("#{field}"), typed).await;
        page.press("Create job").await;
        page.until(&format!("document.querySelector('#{field}-error').innerText.includes('such as')")).await;
        page.fill(&format!("#{field}"), "0.125").await;
    }
    page.fill("#time_limit", "1 000.5").await;
    page.press("Create job").await;
    page.until("location.hash === '#/jobs/1'").await;
    let options = super::stored(&desk.folder).job(JobId(1)).await.unwrap().unwrap().spec.options;
    assert_eq!(options.rate_limit, Duration::from_millis(125));
    assert_eq!(options.time_limit, Some(Duration::from_millis(1_000_500)));
    desk.page.leave(&[]).await;
}
