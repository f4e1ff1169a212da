//! A crawl: links by a simple pattern, and every page that they lead to.

use std::collections::{HashSet, VecDeque};

use hyper::body::Bytes;
use regex::bytes::Regex;
use tokio::task::JoinSet;

use crate::{Addresses, client, fetch, read};

/// Crawls from a page on, with so many requests at a time.
pub async fn crawl(start: &str, most: usize) -> Addresses {
    let site = &start[..start.find("/p/").expect("a page of the site")];
    let link = Regex::new(r#"href="(/[^"]*)""#).expect("a pattern");
    let client = client();
    let (mut met, mut waiting) = (HashSet::from([start.to_owned()]), VecDeque::from([start.to_owned()]));
    let (mut pages, mut addresses) = (JoinSet::<Bytes>::new(), Addresses::new());
    loop {
        while pages.len() < most
            && let Some(page) = waiting.pop_front()
        {
            let client = client.clone();
            pages.spawn(async move { fetch(&client, &page).await });
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
    addresses
}
