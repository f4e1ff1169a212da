//! The robots.txt of a site, fetched as a page is, in its host's turn, and what it means where it cannot be had (RFC 9309). What is
//! fetched is kept in `robots_cache.rs`.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::Instant;
use url::Url;

use super::body::Wanted;
use super::client::LARGE_HEAD;
use super::head::redirect;
use super::{HttpSource, Wishes, robots_cache};
use crate::fetch::{FetchError, FetchErrorClass};
use crate::source::robots::{MAX_BYTES, Rules};
use crate::task::host_of;

impl HttpSource {
    /// The rules of a URL's site, fetched unless they are known.
    pub(super) async fn rules(&self, url: &Url, wishes: &Wishes, deadline: Instant) -> Result<Arc<Rules>, FetchError> {
        self.robots.rules(url, deadline, || self.fetch_robots(url, wishes, deadline)).await
    }

    /// Fetches a site's robots.txt: 4xx allows everything, what cannot be reached allows nothing for now (RFC 9309,
    /// section 2.3.1).
    async fn fetch_robots(&self, page: &Url, wishes: &Wishes, deadline: Instant) -> Result<Rules, FetchError> {
        let mut url = robots_cache::location(page);
        // Five hops, as section 2.3.1.2 asks for; robots.txt files of the hosts passed through do not apply to it.
        let (mut wishes, mut hops) = (Cow::Borrowed(wishes), 0);
        while hops <= 5 {
            // Other jobs wait for the file as well, so one job's limit is none for it.
            let turn = self.politeness.turn(&host_of(&url), None, None, deadline).await?;
            // A small file tells nothing of how pages are answered.
            turn.passes_over();
            let response = match self.ask(&url, &wishes, &turn, deadline).await {
                // Mostly another task would ask the next time, with no more room than this one.
                Err(error) if error.code == LARGE_HEAD && !wishes.again => {
                    wishes.to_mut().again = true;
                    continue;
                }
                answered => answered.map_err(unreachable_robots)?,
            };
            match redirect(&url, &response) {
                Ok(Some(next)) => {
                    if host_of(&next) != host_of(&url) {
                        turn.led_elsewhere();
                    }
                    url = next;
                    hops += 1;
                    continue;
                }
                Ok(None) => {}
                // A file that is nowhere is no file, as with too many redirects.
                Err(_) => return Ok(Rules::default()),
            }
            return match self.judge(&response, &turn, None) {
                Ok(()) => {
                    let body = self.bodies.read(response, &url, MAX_BYTES, Wanted::Whole, deadline).await;
                    let body = body.map_err(unreachable_robots)?;
                    Ok(if body.truncated { Rules::parse_beginning(&body.bytes) } else { Rules::parse(&body.bytes) })
                }
                Err(error) if matches!(error.class, FetchErrorClass::Transient | FetchErrorClass::Deferred) => {
                    Err(unreachable_robots(error))
                }
                Err(_) => Ok(Rules::default()),
            };
        }
        Ok(Rules::default())
    }
}

/// A robots.txt that cannot be had keeps us out for now, whatever the reason; a time-out is not the page's.
fn unreachable_robots(error: FetchError) -> FetchError {
    match error.class {
        FetchErrorClass::Deferred | FetchErrorClass::Refused => error,
        // What keeps the file from us keeps the page from us too, today and tomorrow.
        FetchErrorClass::Permanent if matches!(&*error.code, "tls" | "no-such-host") => error,
        FetchErrorClass::Transient | FetchErrorClass::Permanent => {
            let message = format!("robots.txt of the site cannot be read, so nothing is fetched: {}", error.message);
            FetchError { class: FetchErrorClass::Transient, message, ..error }
        }
    }
}
