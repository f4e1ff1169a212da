//! Whether the network is away, as far as that can be told from here: names of several hosts cannot be looked up, or there is no
//! way to them, and nothing is heard from anybody meanwhile.
//!
//! That says nothing of the pages that were asked for, so these keep their attempts, for a time: names that nobody answers for
//! look the same, and a job that has nothing else left is to end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::fetch::FetchError;

/// How many hosts cannot be reached, with nothing heard between them, when it is the network.
const HOSTS: usize = 5;
/// For how long pages keep their attempts.
const GRACE: Duration = Duration::from_secs(180);
/// After which time they are tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The hosts that could not be reached since something was heard last.
#[derive(Debug, Default)]
pub(super) struct Outage {
    is_suspected: AtomicBool,
    unreached: Mutex<Option<Unreached>>,
}

#[derive(Debug)]
struct Unreached {
    since: Instant,
    /// The first of them.
    hosts: HashSet<String>,
}

impl Outage {
    /// Something came over the network.
    pub(super) fn heard(&self) {
        // Mostly there is nothing to forget, and every answer asks.
        if self.is_suspected.load(Ordering::Relaxed) && self.is_suspected.swap(false, Ordering::Relaxed) {
            *self.unreached() = None;
        }
    }

    /// A request was not answered. Answers when to try again, where the network seems to be away.
    pub(super) fn unanswered(&self, url: &Url, error: &FetchError) -> Option<Duration> {
        if error.code.ends_with("timeout") {
            // Nobody said anything, which may be the host's own fault.
            return None;
        }
        if error.code != "dns" && !is_no_way(&error.message) {
            // Somebody refused the connection, or broke it.
            self.heard();
            return None;
        }
        let mut unreached = self.unreached();
        self.is_suspected.store(true, Ordering::Relaxed);
        let unreached = unreached.get_or_insert_with(|| Unreached { since: Instant::now(), hosts: HashSet::new() });
        if unreached.hosts.len() < HOSTS {
            unreached.hosts.insert(url.host_str().unwrap_or_default().to_owned());
        }
        (unreached.hosts.len() >= HOSTS && unreached.since.elapsed() < GRACE).then_some(AGAIN)
    }

    fn unreached(&self) -> MutexGuard<'_, Option<Unreached>> {
        self.unreached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection failed for want of a way to the host, in the words of the system: the network is away, or the gateway
/// to it does not answer.
fn is_no_way(message: &str) -> bool {
    message.contains("unreachable") || message.contains("No route to host")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::http::client::transient;

    #[tokio::test(start_paused = true)]
    async fn many_hosts_without_a_name_are_the_network_for_a_time() {
        let outage = Outage::default();
        let ask = |n: usize, code| {
            let url = Url::parse(&format!("http://h{n}.org/")).unwrap();
            outage.unanswered(&url, &transient(code, "no".to_owned()))
        };
        assert!((0..9).all(|_| ask(0, "dns").is_none()), "one host");
        assert!((0..4).all(|n| ask(n, "dns").is_none()));
        assert_eq!(ask(9, "connect-timeout"), None, "which neither counts nor clears");
        assert_eq!(ask(4, "dns"), Some(AGAIN));
        assert_eq!(ask(5, "connect"), None, "refused by somebody");
        assert_eq!(ask(6, "dns"), None, "and so there is a network");
        assert!((0..5).any(|n| ask(n, "dns").is_some()));
        let gateway = "the connection failed: No route to host (os error 113)".to_owned();
        assert!(outage.unanswered(&Url::parse("http://h.org/").unwrap(), &transient("connect", gateway)).is_some());
        outage.heard();
        assert_eq!(ask(7, "dns"), None);
        assert!((0..5).any(|n| ask(n, "dns").is_some()));
        assert_eq!(ask(8, "dns"), Some(AGAIN));
        tokio::time::advance(GRACE).await;
        assert_eq!(ask(9, "dns"), None, "it is to end some day");
    }
}
