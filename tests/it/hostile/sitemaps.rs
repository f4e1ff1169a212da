//! Sitemaps as sites really have them, and as hostile ones would.

use std::time::Duration;

use mailscan_core::fetch::{Budget, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, Fetcher, Recall};
use mailscan_core::job::{JobId, JobOptions, JobSource, JobSpec, Origin};
use mailscan_core::source::Sources;
use mailscan_core::task::{Task, Work};

use super::encoders::gzip;
use super::server::{Server, Step, answer, page, plain, soon, task, text};

/// What a job begins with that is to read the sitemap at this URL.
fn first_task(url: &str) -> Task {
    let spec = JobSpec::new(1, vec![JobSource::Sitemap(url.to_owned())]);
    task(spec.first_tasks(JobId(1)).unwrap().remove(0).work)
}

async fn fetch_task(sources: &Sources, task: &Task) -> Result<Fetched, FetchError> {
    let context = FetchContext {
        options: &JobOptions::default(),
        budget: Budget::default(),
        recall: Recall::NEVER,
        origin: &Origin::Operator,
    };
    soon(sources.fetch(task, &context)).await
}

async fn fetch(url: &str) -> Result<Fetched, FetchError> {
    fetch_task(&plain(), &first_task(url)).await
}

/// What was discovered, and whether something was left out.
fn found(fetched: Result<Fetched, FetchError>) -> (Vec<String>, bool) {
    let mut fetched = fetched.unwrap();
    let labels = fetched.discovered.iter().map(|discovered| discovered.work.label()).collect();
    let partial = match &mut fetched.documents {
        Documents::None => false,
        Documents::Stream(documents) => {
            assert_eq!(documents.try_recv().unwrap().unwrap_err().code, "sitemap-partial");
            true
        }
        Documents::One(document) => panic!("{document:?}"),
    };
    (labels, partial)
}

fn xml(body: &str) -> Vec<Step> {
    answer("200 OK", "Content-Type: application/xml\r\n", body.as_bytes())
}

/// A sitemap that lists these pages.
fn urlset(pages: &[String]) -> String {
    let pages: String = pages.iter().map(|url| format!("<url><loc>{url}</loc></url>")).collect();
    format!("<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{pages}</urlset>")
}

#[tokio::test]
async fn a_site_tells_of_its_sitemaps_in_robots_txt() {
    let robots = "Sitemap: /a.xml\nUser-agent: *\nDisallow: /private\nsitemap:http://other.example/b.xml # ours too\n\
        Sitemap: http://robots-of-another.example/\nSitemap: mailto:ann@a.org\n";
    let site = Server::with_robots(move |_| page(robots)).await;
    let (found, _) = found(fetch(&site.url("/")).await);
    assert_eq!(found, [format!("sitemap {}", site.url("/a.xml")), "sitemap http://other.example/b.xml".to_owned()]);
    assert_eq!(site.requests().len(), 1, "robots.txt alone");
}

#[tokio::test]
async fn a_site_that_names_too_many_is_told_of() {
    let site = Server::with_robots(|_| page(&"Sitemap: /a.xml\n".repeat(1_001))).await;
    let (read, partial) = found(fetch(&site.url("/")).await);
    assert_eq!((read.len(), partial), (1_000, true));
    let site = Server::with_robots(|_| page(&"Sitemap: /a.xml\n".repeat(1_000))).await;
    assert!(!found(fetch(&site.url("/")).await).1);
}

#[tokio::test]
async fn what_few_list_is_held_at_a_time_and_others_come_back_untouched() {
    let site = Server::start(|request| xml(&urlset(&[format!("http://{}/1", request.header("host").unwrap())]))).await;
    let sources = plain();
    let task = first_task(&site.url("/s.xml"));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(fetch_task(&sources, &task).await.unwrap());
    }
    let budget = Budget { time: Duration::from_millis(300), ..Budget::default() };
    let context =
        FetchContext { options: &JobOptions::default(), budget, recall: Recall::NEVER, origin: &Origin::Operator };
    let waited = soon(sources.fetch(&task, &context)).await.unwrap_err();
    assert_eq!((waited.class, &*waited.code), (FetchErrorClass::Deferred, "sitemap-wait"));
    held.pop();
    assert_eq!(found(fetch_task(&sources, &task).await).0, [site.url("/1")]);
}

#[tokio::test]
async fn a_site_that_names_none_may_have_one_all_the_same() {
    let site = Server::start(|_| text("404 Not Found", "", b"")).await;
    let sitemap = site.url("/sitemap.xml");
    assert_eq!(found(fetch(&site.url("/")).await).0, [format!("sitemap {sitemap}")]);
    let error = fetch(&sitemap).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "http-404"));
}

#[tokio::test]
async fn only_pages_of_the_site_are_listed() {
    let site = Server::start(|request| {
        let here = format!("http://{}", request.header("host").unwrap());
        let pages = ["/1", "/2?a&amp;b"].map(|path| format!("{here}{path}"));
        let others = ["http://other.example/", "http://127.0.0.1:1/", "file:///etc/passwd"].map(str::to_owned);
        let all = urlset(&[&pages[..], &others[..]].concat());
        match request.path.as_str() {
            "/s.xml.gz" => answer("200 OK", "Content-Type: application/x-gzip\r\n", &gzip(all.as_bytes())),
            "/encoded" => answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(all.as_bytes())),
            "/moved" => text("302 Found", "Location: /s.xml\r\n", b""),
            "/lines.txt" => page(&[&pages[..1], &others[..]].concat().join("\r\n")),
            _ => xml(&all),
        }
    })
    .await;
    for path in ["/s.xml", "/s.xml.gz", "/encoded", "/moved"] {
        let found = found(fetch(&site.url(path)).await);
        assert_eq!(found, (vec![site.url("/1"), site.url("/2?a&b")], false), "{path}");
    }
    assert_eq!(found(fetch(&site.url("/lines.txt")).await).0, [site.url("/1")]);
}

#[tokio::test]
async fn a_sitemap_that_robots_txt_refuses_is_not_asked_for() {
    let site = Server::with_robots(|_| page("User-agent: *\nDisallow: /s.xml\n")).await;
    assert_eq!(fetch(&site.url("/s.xml")).await.unwrap_err().code, "robots");
    assert_eq!(site.count("/s.xml"), 0);
}

#[tokio::test]
async fn an_index_of_indexes_comes_to_an_end() {
    let site = Server::start(|request| {
        let next = format!("http://{}{}x", request.header("host").unwrap(), request.path);
        xml(&format!("<sitemapindex><sitemap><loc>{next}</loc></sitemap></sitemapindex>"))
    })
    .await;
    let (sources, mut task, mut read) = (plain(), first_task(&site.url("/s")), 0);
    loop {
        read += 1;
        let fetched = fetch_task(&sources, &task).await.unwrap();
        let Some(next) = fetched.discovered.into_iter().next() else { break };
        assert!(matches!(next.work, Work::Sitemap { .. }) && read < 10, "{read}: {:?}", next.work);
        task = Task { work: next.work, depth: task.depth + next.step, ..task };
    }
    assert_eq!(read, 3);
}

#[tokio::test]
async fn an_index_on_another_host_that_lists_too_many_there_is_told_of() {
    let site = Server::start(|_| page("x")).await;
    let index = |count: usize| {
        move |request: &super::server::Request| {
            let here = request.header("host").unwrap();
            // What is nobody's of both takes no room.
            let other = "<sitemap><loc>http://other.example/s.xml</loc></sitemap>".repeat(50);
            let list: String =
                (0..count).map(|n| format!("<sitemap><loc>http://{here}/{n}.xml</loc></sitemap>")).collect();
            xml(&format!("<sitemapindex>{other}{list}</sitemapindex>"))
        }
    };
    for (count, is_partial) in [(1_000, false), (1_001, true)] {
        let host = Server::start(index(count)).await;
        let work = Work::Sitemap { site: site.address.to_string(), url: host.url("/index.xml") };
        let (listed, partial) = found(fetch_task(&plain(), &task(work)).await);
        assert_eq!((listed.len(), partial), (1_000, is_partial), "{count}");
    }
}

#[tokio::test]
async fn what_is_no_sitemap_is_an_error_and_a_damaged_one_is_read_as_far_as_it_goes() {
    let site = Server::start(|request| {
        let first = format!("http://{}/1", request.header("host").unwrap());
        let whole = urlset(std::slice::from_ref(&first));
        match request.path.as_str() {
            "/html" => answer("200 OK", "Content-Type: text/html\r\n", b"<!doctype html><html><p>Not here</p></html>"),
            "/json" => page("{\"not\": \"here\"}"),
            "/cut" => xml(&whole[..whole.len() - 12]),
            "/packed-and-cut" => {
                let packed = gzip(whole.as_bytes());
                answer("200 OK", "", &packed[..packed.len() - 9])
            }
            // An entity of an entity, a thousand million times over.
            _ => xml(&format!(
                "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>{}",
                whole.replace("/1<", "/1&b;<")
            )),
        }
    })
    .await;
    for path in ["/html", "/json"] {
        let error = fetch(&site.url(path)).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "sitemap-format"), "{path}");
    }
    assert_eq!(found(fetch(&site.url("/cut")).await), (vec![site.url("/1")], true));
    assert!(found(fetch(&site.url("/packed-and-cut")).await).1);
    assert_eq!(found(fetch(&site.url("/entities")).await).0, [site.url("/1&b;")]);
}

#[tokio::test]
async fn members_without_text_cost_little_and_other_sites_pages_are_told_of() {
    let empty = gzip(b"").repeat(100_000);
    let site = Server::start(move |request| match request.path.as_str() {
        "/empty" => answer("200 OK", "", &empty),
        _ => xml(&urlset(&["http://other.example/1".to_owned(), "http://other.example/2".to_owned()])),
    })
    .await;
    assert_eq!(found(fetch(&site.url("/empty")).await), (Vec::new(), true));
    let error = fetch(&site.url("/moved")).await.unwrap_err();
    assert!(error.code == "sitemap-elsewhere" && error.message.contains("none of the 2 URLs"), "{error}");
}

#[tokio::test]
async fn a_bomb_is_cut_and_said_to_be() {
    let site = Server::start(|request| {
        let page = format!("http://{}/1\n", request.header("host").unwrap());
        // 64 MiB of text in 64 KiB or so.
        let member = gzip(page.repeat((1 << 20) / page.len()).as_bytes());
        answer("200 OK", "", &member.repeat(64))
    })
    .await;
    let (found, cut) = found(fetch(&site.url("/bomb")).await);
    assert!(found.len() <= 50_000 && cut, "{}", found.len());
}
