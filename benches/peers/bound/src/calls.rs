//! A search: calls of an API, each followed by the page that it lists, or with what it looks for in the answer itself.

use std::cell::RefCell;
use std::rc::Rc;

use memchr::memmem;
use tokio::task::LocalSet;

use crate::{Addresses, client, fetch, read};

/// Makes so many calls of a simulated API, so many at a time.
pub async fn calls(api: &str, calls: u64, most: u64) -> Addresses {
    let (client, addresses) = (client(), Rc::new(RefCell::new(Addresses::new())));
    let workers = LocalSet::new();
    for worker in 0..most {
        let (client, addresses, api) = (client.clone(), addresses.clone(), api.to_owned());
        workers.spawn_local(async move {
            for call in (worker..calls).step_by(most as usize) {
                let answer = fetch(&client, &format!("{api}?q=everything&page={}", call + 1)).await;
                let mut links = memmem::find_iter(&answer, br#""url":""#).peekable();
                if links.peek().is_none() {
                    read(&answer, &mut addresses.borrow_mut());
                }
                for at in links {
                    let url = &answer[at + 7..];
                    let url = &url[..memchr::memchr(b'"', url).expect("a whole string")];
                    let page = fetch(&client, std::str::from_utf8(url).expect("a URL")).await;
                    read(&page, &mut addresses.borrow_mut());
                }
            }
        });
    }
    workers.await;
    addresses.take()
}
