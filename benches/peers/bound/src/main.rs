//! What the work costs at the least: hyper's client on one thread, `@` and dots in references decoded, what stands around an
//! `@`, and everything in memory. No robots.txt, no pacing, no queue, no store, no checks.
//! Arguments: `crawl` and the first page, or `calls`, the address of the API and the number of calls; then the file for what
//! was found, and how many requests at a time.

mod calls;
mod crawl;

use std::collections::HashSet;
use std::io::Write;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// What was found.
pub type Addresses = HashSet<Vec<u8>>;
type Web = Client<HttpConnector, Empty<Bytes>>;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (addresses, found) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crawl", start, found, most] => (runtime.block_on(crawl::crawl(start, number(most) as usize)), *found),
        ["calls", api, count, found, most] => {
            (runtime.block_on(calls::calls(api, number(count), number(most))), *found)
        }
        _ => panic!("usage: mailscan-peer-bound crawl START FOUND REQUESTS | calls API CALLS FOUND REQUESTS"),
    };
    let mut file = std::io::BufWriter::new(std::fs::File::create(found).expect("a file"));
    for address in addresses {
        file.write_all(&address).and_then(|()| file.write_all(b"\n")).expect("written");
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn client() -> Web {
    Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(HttpConnector::new())
}

async fn fetch(client: &Web, page: &str) -> Bytes {
    let answer = client.get(page.parse().expect("a URL")).await.expect("an answer");
    answer.into_body().collect().await.expect("a body").to_bytes()
}

/// Finds every `@`, written as it is or as a reference, and what may belong to it on both sides.
fn read(page: &[u8], addresses: &mut Addresses) {
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
