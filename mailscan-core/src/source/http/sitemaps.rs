//! Sitemaps over HTTP: which ones a site has, and what they list.
//!
//! The address of a whole site is that of its robots.txt, which names the site's sitemaps; each of them becomes a task, and
//! what it lists becomes tasks as well. They are asked for as pages are: allowed by robots.txt, in the host's turn.

use std::time::Duration;

use tokio::time::timeout_at;
use url::Url;

use super::client::permanent;
use super::{Answer, Followed, HttpSource, announced, is_of_another, wanted};
use crate::clock::in_time;
use crate::fetch::{Discovered, Documents, FetchContext, FetchError, FetchErrorClass, Fetched};
use crate::source::robots::MAX_SITEMAPS;
use crate::source::sitemap::{MAX_BYTES, Sitemap, named_url};
use crate::task::{Task, Work, host_of, is_of_site};

/// How many sitemaps are read at a time, once they have come, until what they list is handed on.
pub(super) const AT_ONCE: usize = 4;
/// When one that found no place comes back.
const COMES_BACK: Duration = Duration::from_secs(5);
/// How many links away from the source a sitemap may be. The protocol knows one level of indexes.
const MAX_NESTING: u32 = 2;
/// The most further sitemaps of an index that are on another host than the site.
const MAX_ELSEWHERE: usize = 1_000;

impl HttpSource {
    /// Reads what a sitemap lists of `site`; for the address of a whole site, which sitemaps it has.
    pub(crate) async fn sitemap(
        &self,
        (site, url): (&str, &str),
        task: &Task,
        context: &FetchContext<'_>,
    ) -> Result<Fetched, FetchError> {
        let start = Url::parse(url).map_err(|error| permanent("url", format!("`{url}` is no URL: {error}")))?;
        let (deadline, wishes) = (in_time(context.budget.time), self.wishes(task, context.options));
        let of_site =
            |url: Url, step| Discovered { work: Work::Sitemap { site: site.to_owned(), url: url.into() }, step };
        if is_whole_site(&start) {
            let rules = context.recall.unless(self.rules(&start, &wishes, deadline)).await?;
            let named = rules.sitemaps().filter_map(|text| named_url(&start, text));
            // Else one site's robots.txt could lead to another's, and so on without an end.
            let mut named: Vec<Url> = named.filter(|url| !is_whole_site(url)).collect();
            if named.is_empty() {
                named.extend(named_url(&start, "/sitemap.xml"));
            }
            let discovered = named.into_iter().map(|url| of_site(url, 0)).collect();
            let documents = if rules.names_more_sitemaps() {
                partial(format!("robots.txt names more than {MAX_SITEMAPS} sitemaps: the others are not read"))
            } else {
                Documents::None
            };
            return Ok(Fetched { documents, discovered, ..Fetched::default() });
        }
        let (before, host) = (self.hops_to(task.job, &start), host_of(&start));
        let later = |url: Url, hops| {
            if is_whole_site(&url) {
                return Err(no_sitemap());
            }
            self.note_hops(task.job, &url, hops);
            Ok(Fetched { discovered: vec![of_site(url, 0)], ..Fetched::default() })
        };
        let followed = self.follow((start, before), &wishes, deadline, context.recall).await?;
        let Answer { url, response, turn, hops } = match followed {
            Followed::To(answer) => *answer,
            Followed::Later(url, hops) => return later(url, hops),
        };
        // Such a file does not tell how pages are answered.
        turn.passes_over();
        match self.judge(&response, &turn, Some(&url)) {
            Err(error) if is_of_another(&error, &url, &host) => return later(url, before + hops),
            judged => judged?,
        }
        let most = announced(response.headers()).map_or(MAX_BYTES, |length| length.min(MAX_BYTES));
        let body = match self.bodies.read(response, &url, most, wanted(task, context.options), deadline).await {
            Err(error) if is_of_another(&error, &url, &host) => return later(url, before + hops),
            read => read?,
        };
        drop(turn);
        let Ok(Ok(place)) = timeout_at(deadline, self.sitemaps.clone().acquire_owned()).await else {
            let message = "other sitemaps were being read for so long";
            return Err(FetchError::new(FetchErrorClass::Deferred, "sitemap-wait", message).retry_after(COMES_BACK));
        };
        let base = url.clone();
        let read = move || Sitemap::read(&body.bytes, &base).map(|sitemap| (sitemap, body.truncated));
        let read = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let (sitemap, truncated) = read.ok_or_else(no_sitemap)?;
        let listed = sitemap.pages.len() + sitemap.sitemaps.len();
        let page = |url: Url| Discovered { work: Work::Page { url: url.into() }, step: 1 };
        let mut discovered: Vec<_> =
            sitemap.pages.into_iter().filter(|page| is_of_site(page, site)).map(page).collect();
        let mut left_out = sitemap.is_cut || truncated;
        if task.depth < MAX_NESTING {
            // A site may keep its sitemaps elsewhere, which its robots.txt says.
            let (here, mut elsewhere) = (host_of(&url), 0);
            let near = sitemap.sitemaps.into_iter().filter(|url| {
                if is_whole_site(url) {
                    return false;
                }
                if is_of_site(url, site) {
                    return true;
                }
                elsewhere += usize::from(is_of_site(url, &here));
                is_of_site(url, &here) && elsewhere <= MAX_ELSEWHERE
            });
            discovered.extend(near.map(|url| of_site(url, 1)));
            left_out |= elsewhere > MAX_ELSEWHERE;
        } else {
            left_out |= !sitemap.sitemaps.is_empty();
        }
        if discovered.is_empty() && listed > 0 && !left_out {
            let message = format!(
                "none of the {listed} URLs that it lists is of {site}, and those of other sites are passed over"
            );
            return Err(permanent("sitemap-elsewhere", message));
        }
        let documents = if left_out { partial(NOT_ALL.to_owned()) } else { Documents::None };
        Ok(Fetched { documents, discovered, place: Some(place), ..Fetched::default() })
    }
}

fn no_sitemap() -> FetchError {
    let message = "it is no sitemap: neither XML with a `urlset` or `sitemapindex`, nor a text with a URL a line";
    permanent("sitemap-format", message.to_owned())
}

/// What is said of a sitemap of which not all was read.
const NOT_ALL: &str = "not all of it was read: it is damaged, or holds more than a sitemap may (50,000 URLs of 2,047 bytes, 16 MB \
    of them in all, 50 MB of text), or lists sitemaps of sitemaps of sitemaps, or more than 1,000 on another host than the site's";

/// Says why something is missing.
fn partial(message: String) -> Documents {
    Documents::error(permanent("sitemap-partial", message))
}

/// Whether a URL is that of a whole site, whose robots.txt names its sitemaps.
fn is_whole_site(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none()
}
