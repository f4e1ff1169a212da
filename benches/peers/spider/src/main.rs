//! The crawl of `benches/peers/crawl` by the `spider` crate: links followed, 100 requests at a time, addresses by a simple
//! pattern. Arguments: the first page, and the file for what was found.

use std::collections::BTreeSet;
use std::io::Write;

use regex::bytes::Regex;
use spider::website::Website;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(start), Some(found)) = (arguments.next(), arguments.next()) else {
        panic!("usage: mailscan-peer-spider START FOUND");
    };
    let mut site = Website::new(&start);
    site.with_concurrency_limit(Some(100)).with_respect_robots_txt(false).with_delay(0);
    // Room for the whole site: a reader that falls behind loses pages.
    let mut pages = site.subscribe(32_768);
    let reader = tokio::spawn(async move {
        let address = Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}").expect("a pattern");
        let (mut addresses, mut read) = (BTreeSet::new(), 0);
        while let Ok(page) = pages.recv().await {
            read += 1;
            let found = address.find_iter(page.get_html_bytes_u8());
            addresses.extend(found.map(|found| found.as_bytes().to_ascii_lowercase()));
        }
        (addresses, read)
    });
    site.crawl().await;
    site.unsubscribe();
    drop(site);
    let (addresses, read) = reader.await.expect("the reader ends");
    eprintln!("{read} pages");
    let mut file = std::fs::File::create(found).expect("a file");
    for address in addresses {
        file.write_all(&address).and_then(|()| file.write_all(b"\n")).expect("written");
    }
}
