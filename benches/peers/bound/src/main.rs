//! What a crawl costs at the least: hyper's client on one thread, links by a simple pattern, `@` and dots in references
//! decoded, what stands around an `@`, and everything in memory. No robots.txt, no pacing, no queue, no store, no checks.
//! Arguments: the first page, the file for what was found, and how many requests at a time.

use std::collections::{HashSet, VecDeque};
use std::io::Write;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use regex::bytes::Regex;
use tokio::task::JoinSet;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(crawl());
}

async fn crawl() {
    let mut arguments = std::env::args().skip(1);
    let (Some(start), Some(found), Some(most)) = (arguments.next(), arguments.next(), arguments.next()) else {
        panic!("usage: mailscan-peer-bound START FOUND REQUESTS");
    };
    let most: usize = most.parse().expect("a number of requests");
    let site = &start[..start.find("/p/").expect("a page of the site")];
    let link = Regex::new(r#"href="(/[^"]*)""#).expect("a pattern");
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(HttpConnector::new());
    let (mut met, mut waiting) = (HashSet::from([start.clone()]), VecDeque::from([start.clone()]));
    let (mut pages, mut addresses) = (JoinSet::new(), HashSet::new());
    loop {
        while pages.len() < most
            && let Some(page) = waiting.pop_front()
        {
            pages.spawn(fetch(client.clone(), page));
        }
        let Some(page) = pages.join_next().await else { break };
        let page = page.expect("no panic");
        for target in link.captures_iter(&page) {
            let url = format!("{site}{}", String::from_utf8_lossy(&target[1]));
            if met.insert(url.clone()) {
                waiting.push_back(url);
            }
        }
        read(&page, &mut addresses);
    }
    let mut file = std::io::BufWriter::new(std::fs::File::create(found).expect("a file"));
    for address in addresses {
        file.write_all(&address).and_then(|()| file.write_all(b"\n")).expect("written");
    }
}

async fn fetch(client: Client<HttpConnector, Empty<Bytes>>, page: String) -> Bytes {
    let answer = client.get(page.parse().expect("a URL")).await.expect("an answer");
    answer.into_body().collect().await.expect("a body").to_bytes()
}

/// Finds every `@`, written as it is or as a reference, and what may belong to it on both sides.
fn read(page: &[u8], addresses: &mut HashSet<Vec<u8>>) {
    let mut decoded = Vec::new();
    let mut text = page;
    while let Some(at) = memchr::memchr(b'&', text) {
        let (before, rest) = text.split_at(at);
        decoded.extend_from_slice(before);
        let known: [(&[u8], u8); 4] = [(b"&#64;", b'@'), (b"&#x40;", b'@'), (b"&commat;", b'@'), (b"&#46;", b'.')];
        let (sign, length) =
            known.iter().find(|(name, _)| rest.starts_with(name)).map_or((b'&', 1), |(name, sign)| (*sign, name.len()));
        decoded.push(sign);
        text = &rest[length..];
    }
    decoded.extend_from_slice(text);
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'%');
    for at in memchr::memchr_iter(b'@', &decoded) {
        let begin = decoded[..at].iter().rposition(|byte| !belongs(byte)).map_or(0, |before| before + 1);
        let end =
            decoded[at + 1..].iter().position(|byte| !belongs(byte)).map_or(decoded.len(), |length| at + 1 + length);
        let mut address = decoded[begin..end].trim_ascii().to_ascii_lowercase();
        while address.last() == Some(&b'.') {
            address.pop();
        }
        addresses.insert(address);
    }
}
