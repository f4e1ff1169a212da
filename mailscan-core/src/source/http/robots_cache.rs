//! The robots.txt files of the sites that are being fetched from: each fetched once, by whoever comes first.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use crate::fetch::FetchError;
use crate::source::robots::Rules;

/// How long a file is believed: RFC 9309, section 2.4.
const KEEP: Duration = Duration::from_secs(24 * 3_600);
/// The most sites remembered.
const MAX_SITES: usize = 10_000;

/// The rules of sites, by scheme, host and port.
#[derive(Debug, Default)]
pub(super) struct RobotsCache(Mutex<HashMap<String, Site>>);

#[derive(Clone, Debug)]
struct Site {
    since: Instant,
    rules: Arc<OnceCell<Arc<Rules>>>,
}

/// Where a page's site keeps its robots.txt.
pub(super) fn location(page: &Url) -> Url {
    let mut url = page.clone();
    url.set_path("/robots.txt");
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl RobotsCache {
    /// The rules for a page. Of those who ask at the same time one fetches and the others wait for it; a failure is
    /// not kept, and whoever asks next tries again.
    pub(super) async fn rules<F, R>(&self, page: &Url, fetch: F) -> Result<Arc<Rules>, FetchError>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Rules, FetchError>>,
    {
        let site = self.site(page);
        site.get_or_try_init(|| async { fetch().await.map(Arc::new) }).await.cloned()
    }

    fn site(&self, page: &Url) -> Arc<OnceCell<Arc<Rules>>> {
        let origin = page.origin().ascii_serialization();
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(site) = sites.get(&origin).filter(|site| now - site.since < KEEP) {
            return site.rules.clone();
        }
        if sites.len() >= MAX_SITES {
            forget_oldest(&mut sites);
        }
        let rules = Arc::new(OnceCell::new());
        sites.insert(origin, Site { since: now, rules: rules.clone() });
        rules
    }
}

/// Forgets the older half, so that room is made once for many sites to come.
fn forget_oldest(sites: &mut HashMap<String, Site>) {
    let mut ages: Vec<Instant> = sites.values().map(|site| site.since).collect();
    let middle = ages.len() / 2;
    let (_, median, _) = ages.select_nth_unstable(middle);
    let median = *median;
    sites.retain(|_, site| site.since > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_a_site_for_a_day_and_failures_are_not_kept() {
        let cache = RobotsCache::default();
        let page = Url::parse("http://a.org/x?y").unwrap();
        let failure = || async { Err(FetchError::new(crate::fetch::FetchErrorClass::Transient, "x", "x")) };
        let rules = || async { Ok(Rules::parse(b"User-agent: *\nDisallow: /x")) };
        assert!(cache.rules(&page, failure).await.is_err());
        assert!(!cache.rules(&page, rules).await.unwrap().allow(&page));
        tokio::time::advance(KEEP - Duration::from_secs(1)).await;
        assert!(!cache.rules(&page, failure).await.unwrap().allow(&page));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.rules(&page, failure).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_sites_is_bounded() {
        let cache = RobotsCache::default();
        for n in 0..MAX_SITES + 10 {
            let page = Url::parse(&format!("http://site{n}.org/")).unwrap();
            cache.rules(&page, || async { Ok(Rules::default()) }).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(cache.0.lock().unwrap().len() <= MAX_SITES);
    }

    #[test]
    fn the_file_is_at_the_root_of_the_site() {
        let page = Url::parse("https://a.org:8443/x/y?z#f").unwrap();
        assert_eq!(location(&page).as_str(), "https://a.org:8443/robots.txt");
    }
}
