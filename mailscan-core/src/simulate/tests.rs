//! The simulation as its users rely on it: distinct addresses, every one of them served, failures only once.

use std::collections::BTreeSet;

use super::layout::Layout;
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options(emails: u64) -> SimulationOptions {
    SimulationOptions { emails, page_bytes: 2_000, ..SimulationOptions::default() }
}

/// Asks on a connection of its own; `None` when it is dropped without an answer.
async fn get(web: &SimulatedWeb, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(web.local_addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    (!answer.is_empty()).then_some(answer)
}

#[test]
fn addresses_are_distinct_and_depend_on_the_seed() {
    let identities: BTreeSet<_> = addresses(7, 20_000).map(|address| address.identity()).collect();
    assert_eq!(identities.len(), 20_000);
    assert_eq!(address(7, 5), address(7, 5));
    assert_ne!(address(7, 5), address(8, 5));
    let domains: BTreeSet<_> = addresses(7, 20_000).map(|address| address.domain().to_owned()).collect();
    assert!(domains.len() > 5_000, "{} domains", domains.len());
}

#[test]
fn pages_mention_every_address_first_exactly_once() {
    for (emails, per_call, pages) in [(0, 10, 1), (1, 10, 3), (95, 10, 1), (100, 7, 3), (64, 10, 20)] {
        let layout =
            Layout::new(SimulationOptions { emails_per_call: per_call, pages_per_call: pages, ..options(emails) });
        let firsts: Vec<_> = (0..layout.pages()).flat_map(|page| layout.first_mentions(page)).collect();
        assert_eq!(firsts, (0..emails).collect::<Vec<_>>());
    }
}

#[test]
fn the_share_of_repeats_is_as_asked() {
    for share in [0.0, 0.1, 0.5, 0.75] {
        let layout = Layout::new(SimulationOptions { duplicate_share: share, ..options(20_000) });
        let mentions: Vec<_> = (0..layout.pages()).flat_map(|page| layout.mentions(page)).collect();
        let repeats = mentions.iter().filter(|mention| mention.repeat).count();
        let measured = repeats as f64 / mentions.len() as f64;
        assert!((measured - share).abs() < 0.01, "{measured} for {share}");
    }
}

#[test]
fn the_site_tree_reaches_every_page_once() {
    let layout = Layout::new(options(9_990));
    let mut reached: Vec<_> = (0..layout.pages()).flat_map(|page| layout.children(page)).collect();
    reached.sort_unstable();
    assert_eq!(reached, (1..layout.pages()).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_lead_to_pages_and_the_last_is_empty() {
    let web = SimulatedWeb::start(SimulationOptions { pages_per_call: 2, ..options(25) }).await.unwrap();
    let first = get(&web, "/search?q=x&format=json&pageno=1").await.unwrap();
    assert!(first.contains(&web.page_url(0)) && first.contains(&web.page_url(1)), "{first}");
    let third = get(&web, "/search?q=x&page=3").await.unwrap();
    assert!(third.contains(&web.page_url(5)), "{third}");
    let after = get(&web, "/search?q=x&page=4").await.unwrap();
    assert!(after.ends_with("\"results\":[]}"), "{after}");
    assert!(get(&web, "/search?page=0").await.unwrap().starts_with("HTTP/1.1 400"));
    assert!(get(&web, &format!("/p/{}", web.pages())).await.unwrap().starts_with("HTTP/1.1 404"));
    assert_eq!((web.stats().requests, web.stats().calls), (5, 2));
}

#[tokio::test]
async fn answers_hold_the_addresses_where_no_pages_are_listed() {
    let web = SimulatedWeb::start(SimulationOptions { pages_per_call: 0, ..options(25) }).await.unwrap();
    let second = get(&web, "/search?q=x&page=2").await.unwrap();
    assert!((10..20).all(|i| second.contains(web.address(i).as_str())), "{second}");
    assert!(!second.contains(web.address(9).as_str()) && !second.contains("/p/"), "{second}");
    let third = get(&web, "/search?q=x&page=3").await.unwrap();
    assert!((20..25).all(|i| third.contains(web.address(i).as_str())), "{third}");
    assert!(get(&web, "/search?q=x&page=4").await.unwrap().ends_with("\"results\":[]}"));
    assert!(web.stats().mentions >= 15, "{:?}", web.stats());
    assert!(get(&web, "/p/0").await.unwrap().starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn pages_are_the_same_each_time_and_the_tree_holds_the_same_mentions() {
    let web =
        SimulatedWeb::start(SimulationOptions { encoded_share: 0.0, decoy_share: 1.0, ..options(400) }).await.unwrap();
    let page = get(&web, "/p/3").await.unwrap();
    let again = get(&web, "/p/3").await.unwrap();
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&page), body(&again));
    let in_tree = get(&web, "/site/3").await.unwrap();
    for i in 30..40 {
        let address = web.address(i);
        assert!(page.contains(address.as_str()) && in_tree.contains(address.as_str()), "{address}");
    }
    assert!(page.contains("@2x.png"));
}

#[tokio::test]
async fn failures_come_once() {
    let web = SimulatedWeb::start(SimulationOptions { failure_share: 1.0, ..options(100) }).await.unwrap();
    let mut dropped = 0;
    for n in 0..web.pages() {
        match get(&web, &format!("/p/{n}")).await {
            Some(answer) => assert!(answer.starts_with("HTTP/1.1 500"), "{answer}"),
            None => dropped += 1,
        }
        assert!(get(&web, &format!("/p/{n}")).await.unwrap().starts_with("HTTP/1.1 200"));
    }
    assert!(dropped > 0 && dropped < web.pages());
    assert_eq!(web.stats().failures, web.pages());
}

#[tokio::test]
async fn holds_a_thousand_connections() {
    let web = SimulatedWeb::start(SimulationOptions { page_delay: Duration::from_millis(200), ..options(10_000) })
        .await
        .unwrap();
    let paths: Vec<_> = (0..1_000).map(|n| format!("/p/{n}")).collect();
    let answers = futures::future::join_all(paths.iter().map(|path| get(&web, path))).await;
    assert!(answers.iter().flatten().filter(|answer| answer.starts_with("HTTP/1.1 200")).count() == 1_000);
    assert_eq!(web.stats().connections, 1_000);
}

#[tokio::test]
async fn only_loopback_and_only_sound_options() {
    let public = "0.0.0.0:0".parse().unwrap();
    let error = SimulatedWeb::start_on(public, options(1)).await.unwrap_err();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
    let error = SimulatedWeb::start(SimulationOptions { duplicate_share: 1.0, ..options(1) }).await.unwrap_err();
    assert!(error.to_string().contains("share of duplicates"), "{error}");
}
