//! The robots.txt files of the sites that are being fetched from: each fetched once, by whoever comes first.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::{Position, Url};

use crate::fetch::{FetchError, FetchErrorClass};
use crate::source::robots::Rules;

/// How long a file is believed: RFC 9309, section 2.4.
const KEEP: Duration = Duration::from_secs(24 * 3_600);
/// How long the first failure is believed, so that a site in trouble is not asked again for every page; each after it three times
/// as long as the one before, and no longer than the second.
const KEEP_FAILURE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// How often in a row a file could not be had when its site is given up for now: pages are told so as long as the failure is
/// believed.
const GIVEN_UP: u32 = 3;
/// For how long after it is believed a failure still counts as one before the next.
const IN_A_ROW: Duration = Duration::from_secs(300);
/// The most memory that the sites which are remembered may take, and what each takes beside its name and its rules.
const MAX_BYTES: usize = 64 << 20;
const SITE: usize = 256;

/// The rules of sites, by scheme, host and port.
#[derive(Debug, Default)]
pub(super) struct RobotsCache(Mutex<Sites>);

#[derive(Debug, Default)]
struct Sites {
    by_origin: AHashMap<String, Site>,
    /// What all sites take.
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Site {
    bytes: usize,
    /// How often in a row it could not be fetched before.
    failures: u32,
    answer: Arc<OnceCell<Answer>>,
}

/// What became of fetching a file, and until when that counts.
#[derive(Debug)]
struct Answer {
    rules: Result<Arc<Rules>, FetchError>,
    until: Instant,
    /// How often in a row it could not be fetched before.
    failures: u32,
}

impl Answer {
    /// What whoever fetched it is told: the rules, or the failure with the time until it is worth asking again.
    fn fetched(&self) -> Result<Arc<Rules>, FetchError> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.rules.clone().map_err(|error| {
            let asked = error.retry_after.unwrap_or_default();
            error.retry_after(left.max(asked))
        })
    }

    /// What everybody else is told. No task uses an attempt up on what is only remembered, nor is it an error of its own;
    /// until the site is given up, when each of its pages ends with one.
    fn remembered(&self) -> Result<Arc<Rules>, FetchError> {
        let class = if self.failures < GIVEN_UP { FetchErrorClass::Deferred } else { FetchErrorClass::Permanent };
        self.fetched().map_err(|error| match error.class {
            FetchErrorClass::Transient => FetchError { class, ..error },
            _ => error,
        })
    }
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
    /// The rules for a page. Of those who ask at the same time one fetches and the others wait for it, no longer than
    /// until `deadline`. A failure is kept for up to a minute; that it was not the host's turn is not kept at all.
    pub(super) async fn rules<F, R>(&self, page: &Url, deadline: Instant, fetch: F) -> Result<Arc<Rules>, FetchError>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Rules, FetchError>>,
    {
        // As it stands in the URL, since this is asked for every page.
        let origin = &page[..Position::BeforePath];
        let (answer, failures) = self.answer(origin);
        // Mostly: without all that waiting for it takes.
        if let Some(answer) = answer.get() {
            return answer.remembered();
        }
        let mut is_asker = false;
        let asking = answer.get_or_try_init(|| async {
            is_asker = true;
            // Boxed, since it is seldom done and large.
            let rules = Box::pin(fetch()).await.map(Arc::new);
            let keep = match &rules {
                Ok(rules) => {
                    self.weigh(origin, &answer, rules.bytes());
                    KEEP
                }
                Err(error) if error.class == FetchErrorClass::Deferred => return Err(error.clone()),
                Err(_) => KEEP_FAILURE[0].saturating_mul(3_u32.saturating_pow(failures)).min(KEEP_FAILURE[1]),
            };
            Ok(Answer { rules, until: Instant::now() + keep, failures })
        });
        match tokio::time::timeout_at(deadline, asking).await {
            Ok(answer) => {
                let answer = answer?;
                if is_asker { answer.fetched() } else { answer.remembered() }
            }
            Err(_) => Err(FetchError::new(
                FetchErrorClass::Deferred,
                "robots-wait",
                "robots.txt of the site is still being fetched",
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a site's answer: the one that is there while it counts, else a new one; and how often in a row there was none
    /// before.
    fn answer(&self, origin: &str) -> (Arc<OnceCell<Answer>>, u32) {
        let mut sites = self.lock();
        let now = Instant::now();
        let counts = |site: &&Site| site.answer.get().is_none_or(|answer| now < answer.until);
        if let Some(site) = sites.by_origin.get(origin).filter(counts) {
            return (site.answer.clone(), site.failures);
        }
        let failed = |site: &Site| {
            site.answer.get().is_some_and(|answer| answer.rules.is_err() && now < answer.until + IN_A_ROW)
        };
        let before = sites.by_origin.get(origin).filter(|site| failed(site));
        let failures = before.map_or(0, |site| site.failures.saturating_add(1));
        let answer = Arc::new(OnceCell::new());
        let bytes = SITE + origin.len();
        sites.make_room(bytes);
        let site = Site { bytes, failures, answer: answer.clone() };
        sites.bytes += bytes;
        if let Some(old) = sites.by_origin.insert(origin.to_owned(), site) {
            sites.bytes -= old.bytes;
        }
        (answer, failures)
    }

    /// Counts what a site's rules take, unless the site was forgotten meanwhile.
    fn weigh(&self, origin: &str, answer: &Arc<OnceCell<Answer>>, bytes: usize) {
        let mut sites = self.lock();
        let Some(site) = sites.by_origin.get_mut(origin).filter(|site| Arc::ptr_eq(&site.answer, answer)) else {
            return;
        };
        site.bytes += bytes;
        sites.bytes += bytes;
        sites.make_room(0);
    }
}

impl Sites {
    /// Forgets about every other site where there is no room for so much more. By chance: those that were asked for least lately
    /// are those that come next, where the sites of a job come in turn.
    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > MAX_BYTES && !self.by_origin.is_empty() {
            self.by_origin.retain(|_, _| rand::random());
            self.bytes = self.by_origin.values().map(|site| site.bytes).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kept_failure_says_when_to_come_back() {
        let cache = RobotsCache::default();
        let page = Url::parse("http://a.org/").unwrap();
        let far = Instant::now() + Duration::from_secs(600);
        let fail = || async { Err(FetchError::new(FetchErrorClass::Transient, "http-500", "no")) };
        for seconds in [5, 15, 45, 60, 60] {
            let asked = cache.rules(&page, far, fail).await.unwrap_err();
            assert_eq!(
                (asked.class, asked.retry_after),
                (FetchErrorClass::Transient, Some(Duration::from_secs(seconds)))
            );
            tokio::time::advance(Duration::from_secs(seconds - 1)).await;
            let other = cache.rules(&page, far, unasked).await.unwrap_err();
            // Three were given to it, and so it is told to all.
            let class = if seconds < 60 { FetchErrorClass::Deferred } else { FetchErrorClass::Permanent };
            assert_eq!((other.class, other.retry_after), (class, Some(Duration::from_secs(1))));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        tokio::time::advance(IN_A_ROW).await;
        assert!(cache.rules(&page, far, fail).await.is_err());
        let other = cache.rules(&page, far, unasked).await.unwrap_err();
        assert_eq!(other.class, FetchErrorClass::Deferred, "what was long ago says nothing");
    }

    const FILE: &[u8] = b"User-agent: *\nDisallow: /x";

    fn page(host: &str) -> Url {
        Url::parse(&format!("http://{host}/x?y")).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    async fn failure(class: FetchErrorClass) -> Result<Rules, FetchError> {
        Err(FetchError::new(class, "x", "x"))
    }

    async fn unasked() -> Result<Rules, FetchError> {
        panic!("the file was asked for again")
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_a_site_for_a_day() {
        let (cache, page) = (RobotsCache::default(), page("a.org"));
        let rules = || async { Ok(Rules::parse(FILE)) };
        assert!(!cache.rules(&page, soon(), rules).await.unwrap().allow(&page));
        tokio::time::advance(KEEP - Duration::from_secs(1)).await;
        assert!(!cache.rules(&page, soon(), unasked).await.unwrap().allow(&page));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.rules(&page, soon(), || failure(FetchErrorClass::Transient)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_for_a_time_and_a_missed_turn_not_at_all() {
        let (cache, page) = (RobotsCache::default(), page("a.org"));
        assert!(cache.rules(&page, soon(), || failure(FetchErrorClass::Deferred)).await.is_err());
        assert!(cache.rules(&page, soon(), || failure(FetchErrorClass::Transient)).await.is_err());
        let kept = cache.rules(&page, soon(), unasked).await.unwrap_err();
        assert_eq!(kept.class, FetchErrorClass::Deferred, "it was not asked");
        tokio::time::advance(KEEP_FAILURE[0]).await;
        assert!(cache.rules(&page, soon(), || async { Ok(Rules::parse(FILE)) }).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline_for_another() {
        let (cache, page) = (RobotsCache::default(), page("a.org"));
        let first = cache.rules(&page, Instant::now() + Duration::from_secs(60), std::future::pending);
        let second = async {
            let begin = Instant::now();
            let error = cache.rules(&page, soon(), unasked).await.unwrap_err();
            (error.class, begin.elapsed())
        };
        let (_, waited) = tokio::join!(first, second);
        assert_eq!(waited, (FetchErrorClass::Deferred, Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_sites_is_bounded_by_what_they_take() {
        let (cache, most) = (RobotsCache::default(), MAX_BYTES / SITE);
        let name = "a".repeat(99);
        for n in 0..most {
            cache.rules(&page(&format!("{name}{n}")), soon(), || async { Ok(Rules::default()) }).await.unwrap();
        }
        let sites = cache.lock();
        assert!((most / 4..most).contains(&sites.by_origin.len()) && sites.bytes <= MAX_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_rules_is_bounded() {
        let cache = RobotsCache::default();
        let rules = Rules::parse(format!("User-agent: *\n{}", "Disallow: /a\n".repeat(30_000)).as_bytes());
        assert!(rules.bytes() > 900_000);
        for n in 0..100 {
            let rules = rules.clone();
            cache.rules(&page(&format!("site{n}.org")), soon(), || async { Ok(rules) }).await.unwrap();
        }
        let sites = cache.lock();
        let held: usize = sites.by_origin.values().map(|site| site.bytes).sum();
        assert!(held == sites.bytes && held <= MAX_BYTES && held > 0);
    }

    #[test]
    fn the_file_is_at_the_root_of_the_site() {
        let page = Url::parse("https://a.org:8443/x/y?z#f").unwrap();
        assert_eq!(location(&page).as_str(), "https://a.org:8443/robots.txt");
    }
}
