//! Sitemaps over HTTP: which ones a site has, and what they list.
//!
//! The address of a whole site is that of its robots.txt, which names the site's sitemaps; each of them becomes a task, and
//! what it lists becomes tasks as well. They are asked for as pages are: allowed by robots.txt, in the host's turn.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use url::Url;

use super::client::permanent;
use super::{Answer, Followed, HttpSource};
use crate::extract::Media;
use crate::fetch::{Discovered, Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched};
use crate::source::sitemap::{MAX_BYTES, Sitemap};
use crate::task::{Task, Work, host_of};

/// How many sitemaps are held at a time: they may be larger than pages.
pub(super) const AT_ONCE: usize = 4;
/// How many links away from the source a sitemap may be that lists further ones. The protocol knows one such level.
const MAX_NESTING: u32 = 2;
/// When to come back where others are held meanwhile.
const WAIT: Duration = Duration::from_secs(1);

impl HttpSource {
    /// Reads what a sitemap lists of `site`; for the address of a whole site, which sitemaps it has.
    pub(crate) async fn sitemap(
        &self,
        (site, url): (&str, &str),
        task: &Task,
        context: &FetchContext<'_>,
    ) -> Result<Fetched, FetchError> {
        let start = Url::parse(url).map_err(|error| permanent("url", format!("`{url}` is no URL: {error}")))?;
        let (deadline, wishes) = (Instant::now() + context.budget.time, self.wishes(task.job, context.options));
        let of_site =
            |url: Url, step| Discovered { work: Work::Sitemap { site: site.to_owned(), url: url.into() }, step };
        if is_whole_site(&start) {
            let rules = context.recall.unless(self.rules(&start, &wishes, deadline)).await?;
            let mut named: Vec<Url> = rules.sitemaps().filter_map(|text| page_url(&start, text)).collect();
            if named.is_empty() {
                named.extend(page_url(&start, "/sitemap.xml"));
            }
            // Else one site's robots.txt could lead to another's, and so on without an end.
            let discovered = named.into_iter().filter(|url| !is_whole_site(url)).map(|url| of_site(url, 0)).collect();
            return Ok(Fetched { discovered, ..Fetched::default() });
        }
        let Answer { url, response, turn } = match self.follow(start, &wishes, deadline, context.recall).await? {
            Followed::To(answer) => *answer,
            Followed::Later(url) => return Ok(Fetched { discovered: vec![of_site(url, 0)], ..Fetched::default() }),
        };
        // Such a file does not tell how pages are answered.
        turn.passes_over();
        self.judge(&response, &turn)?;
        let Ok(Ok(_place)) = timeout_at(deadline, self.sitemaps.acquire()).await else {
            let message = "other sitemaps are being read";
            return Err(FetchError::new(FetchErrorClass::Deferred, "sitemap-wait", message).retry_after(WAIT));
        };
        let body = self.bodies.read(response, MAX_BYTES, deadline).await?;
        drop(turn);
        let body = body.ungzipped(MAX_BYTES).await?;
        let base = url.clone();
        let read = move || Sitemap::parse(&body.bytes, &base).map(|sitemap| (sitemap, body.truncated));
        let read = tokio::task::spawn_blocking(read).await;
        let Some((sitemap, truncated)) =
            read.map_err(|_| permanent("sitemap-format", "it cannot be read".to_owned()))?
        else {
            let message =
                "it is no sitemap: neither XML with a `urlset` or `sitemapindex`, nor a text with a URL a line";
            return Err(permanent("sitemap-format", message.to_owned()));
        };
        let page = |url: Url| Discovered { work: Work::Page { url: url.into() }, step: 1 };
        let mut discovered: Vec<_> = sitemap.pages.into_iter().filter(|page| is_of(page, site)).map(page).collect();
        if task.depth < MAX_NESTING {
            // A site may keep its sitemaps elsewhere, which its robots.txt says.
            let here = host_of(&url);
            let near = sitemap.sitemaps.into_iter().filter(|url| is_of(url, site) || is_of(url, &here));
            let near = near.filter(|url| !is_whole_site(url));
            discovered.extend(near.map(|url| of_site(url, 1)));
        }
        let documents = if sitemap.is_cut || truncated { Documents::One(cut(&url)) } else { Documents::None };
        Ok(Fetched { documents, discovered })
    }
}

/// Whether a URL is that of a whole site, whose robots.txt names its sitemaps.
fn is_whole_site(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none()
}

/// The URL of a page or sitemap that a site names.
fn page_url(site: &Url, text: &str) -> Option<Url> {
    site.join(text).ok().and_then(|url| crate::job::parse_page_url(url.as_str()).ok())
}

/// Whether a URL is of a site, by host and port; `www.` makes no difference.
fn is_of(url: &Url, site: &str) -> bool {
    fn bare(host: &str) -> &str {
        host.strip_prefix("www.").unwrap_or(host)
    }
    bare(&host_of(url)) == bare(site)
}

/// Says that not all of a sitemap was read.
fn cut(url: &Url) -> Document {
    Document {
        source: url.as_str().into(),
        base: None,
        media: Media::Text,
        body: bytes::Bytes::new(),
        offset: 0,
        truncated: true,
    }
}
