//! Pages over HTTP: fetched politely, followed through redirects, read as text.
//!
//! A page task comes in; its text goes out as one document, that of a PDF as one of each page (`http/pdf.rs`), and that of a file
//! which holds others as one of each of these (`http/archive.rs`). Sitemaps list pages (`http/sitemaps.rs`). Every hop is checked
//! anew: the scheme, the network address (at connect time), robots.txt of its host (`http/robots_file.rs`), and the host's turn.
//! Nothing here finds addresses or links.

#[cfg(feature = "files")]
mod archive;
mod body;
mod charset;
mod client;
mod encodings;
mod head;
mod network;
mod outage;
mod pdf;
mod places;
mod robots_cache;
mod robots_file;
mod sitemaps;
mod sockets;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::content_type::ContentType;
use super::kind;
use super::politeness::{FIRST_BLOCK, JobLimit, Pace, Politeness, Refusal, Turn};
use crate::clock::{FAR, in_time};
use crate::error::Result;
use crate::fetch::{
    BODIES_FULL, Discovered, Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, HostLimit, Recall,
};
use crate::job::{JobId, JobOptions};
use crate::limits::Limits;
use crate::task::{Task, Work, host_of};
use crate::turns::SharedTurns;
use body::{Bodies, Body, Wanted};
use client::{Client, LARGE_HEAD, permanent};
use encodings::GZIP;
use head::{content_type, moved, redirect, refreshed, retry_after};
use outage::Outage;
use robots_cache::RobotsCache;

pub use client::ClientOptions;
pub use ipnet::IpNet;
pub use network::NetworkPolicy;

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 10;
/// The most tasks of redirects whose chains are remembered.
const MAX_HOPS_KNOWN: usize = 4_096;

/// The most bytes that are fetched of a file that holds others, such as a PDF.
const LARGEST_FILE: usize = 64 << 20;

/// Fetches pages.
#[derive(Debug)]
pub struct HttpSource {
    client: Client,
    politeness: Politeness,
    robots: RobotsCache,
    bodies: Bodies,
    outage: Outage,
    /// How many redirects led to a URL that became a task of its own on the way, by job and URL.
    hops: Mutex<AHashMap<u64, usize>>,
    /// The places for sitemaps.
    sitemaps: Arc<Semaphore>,
    /// The places for archives.
    #[cfg(feature = "files")]
    archives: Arc<Semaphore>,
    /// Whether a job's own limits for a host and its own contact count.
    heeds_jobs: bool,
}

/// What the job that a page is for wants beyond what the process does.
#[derive(Clone, Debug, Default)]
struct Wishes {
    limit: Option<JobLimit>,
    /// Headers that stand in for those of the process.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether it is asked for once more, after a try that failed.
    again: bool,
}

/// An answer that is no redirect, with the turn under which it is read.
struct Answer {
    url: Url,
    response: Response<Incoming>,
    turn: Turn,
    /// How many redirects led there from what was asked for.
    hops: usize,
}

/// Where redirects led.
enum Followed {
    To(Box<Answer>),
    /// A hop's turn is too far away, or the host of it is to be left alone; it is to be a task of its own, to which so many redirects
    /// led.
    Later(Url, usize),
}

impl HttpSource {
    /// A source with one pooled client.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the contact cannot stand in a header or a certificate
    /// cannot be read.
    pub fn new(client: &ClientOptions, pace: Pace) -> Result<Self> {
        let client = Client::new(client)?;
        Ok(Self {
            client,
            politeness: Politeness::new(pace),
            robots: RobotsCache::default(),
            bodies: Bodies::default(),
            outage: Outage::default(),
            hops: Mutex::default(),
            sitemaps: Arc::new(Semaphore::new(sitemaps::AT_ONCE)),
            #[cfg(feature = "files")]
            archives: Arc::new(Semaphore::new(archive::AT_ONCE)),
            heeds_jobs: true,
        })
    }

    /// The same source for a process among others: hosts are asked as all of them have agreed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn shared(self, turns: Arc<dyn SharedTurns>) -> Self {
        Self { politeness: self.politeness.shared(turns), ..self }
    }

    /// The same source for a process that took the rate limit, the limit for a host and the contact of its one job into account
    /// already: those that the job was started with count no more. They do otherwise, where the limits are stricter.
    #[must_use]
    pub fn for_one_job(self) -> Self {
        Self { heeds_jobs: false, ..self }
    }

    /// What this source heeds of a job, for one of its tasks.
    fn wishes(&self, task: &Task, options: &JobOptions) -> Wishes {
        let Pace { interval: of_process, concurrency, .. } = self.politeness.pace();
        let limit = self.heeds_jobs.then(|| JobLimit {
            job: task.job,
            most: options.per_host.map_or(concurrency, |most| most as usize),
            interval: stricter(of_process, options.rate_limit),
        });
        Wishes { limit, headers: self.named(options), again: task.attempt > 1 }
    }

    /// The least time between two calls of a search by one worker.
    pub(crate) fn call_interval(&self, options: &JobOptions) -> Duration {
        let of_process = self.politeness.pace().interval;
        if self.heeds_jobs { stricter(options.rate_limit, of_process) } else { of_process }
    }

    /// The header by which a site's owner reaches whoever started a job, where that is not who runs the process.
    fn named(&self, options: &JobOptions) -> Vec<(HeaderName, HeaderValue)> {
        let contact = options.contact.as_ref().filter(|_| self.heeds_jobs);
        // One that no header can hold was refused when the job was created.
        contact
            .and_then(|contact| client::user_agent(contact).ok())
            .map(|agent| (USER_AGENT, agent))
            .into_iter()
            .collect()
    }

    /// Fetches one page for a job, within the budget.
    ///
    /// A PDF brings the pages in it, an archive the files in it. Anything else that is not text brings no document, which is not
    /// an error; what may hold text all the same is noted.
    pub(crate) async fn page(&self, url: &str, task: &Task, context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        let FetchContext { options, budget, recall, .. } = *context;
        let (wishes, wanted) = (self.wishes(task, options), wanted(task, options));
        let start = Url::parse(url).map_err(|error| permanent("url", format!("`{url}` is no URL: {error}")))?;
        let deadline = in_time(budget.time);
        let before = self.hops_to(task.job, &start);
        let later = |url: Url, hops| {
            self.note_hops(task.job, &url, hops);
            let work = Work::Page { url: url.into() };
            Fetched { discovered: vec![Discovered { work, step: 0 }], ..Fetched::default() }
        };
        let Answer { url, response, turn, hops } = match self.follow((start, before), &wishes, deadline, recall).await?
        {
            Followed::To(answer) => *answer,
            Followed::Later(url, hops) => return Ok(later(url, hops)),
        };
        match self.judge(&response, &turn, Some(&url)) {
            Err(error) if is_of_another(&error, &url, &task.work.host()) => return Ok(later(url, before + hops)),
            judged => judged?,
        }
        // A link that leads as far as one in the page would.
        let goes_on = options.crawl.filter(|crawl| task.depth < crawl.max_depth);
        let next = goes_on.and_then(|_| refreshed(&url, response.headers()));
        let discovered: Vec<_> =
            next.map(|url| Discovered { work: Work::Page { url: url.into() }, step: 1 }).into_iter().collect();
        let mut declared = content_type(response.headers());
        if declared.media(b"").is_none() && !declared.is_gzip() && !may_hold_others(&declared) {
            let note = kind::note_of_page(declared.essence(), b"");
            return Ok(Fetched { note, discovered, ..Fetched::default() });
        }
        let most = most_bytes(&declared, response.headers(), budget.body);
        // That the host which was led to has all the room it may have is no reason to leave the leading one alone. The page is
        // no task of its own for it, which a limit of pages might not take.
        let without_room = |error| match error {
            error if is_of_another(&error, &url, &task.work.host()) => FetchError { code: BODIES_FULL.into(), ..error },
            error => error,
        };
        let read = self.bodies.read(response, &url, most, wanted, deadline).await;
        let mut body = read.map_err(without_room)?;
        drop(turn);
        let is_packed = declared.is_gzip() || (declared.is_unknown() && body.bytes.starts_with(GZIP));
        let mut packed = None;
        if is_packed {
            packed = Some((body.bytes.clone(), body.truncated));
            body = self.bodies.unpack(body, &url, budget.body, wanted, deadline).await.map_err(without_room)?;
            // What is in it tells how to read it.
            declared = ContentType::default();
        }
        if holds_others(&declared, &body.bytes) {
            let broken = body.broken.take().map(|error| broken_off(*error));
            // Apart, as no other page needs room for it.
            let fetched = Box::pin(self.within(&url, body, packed, deadline)).await?;
            return Ok(Fetched { note: broken.or(fetched.note), discovered, ..fetched });
        }
        let fetched = document(url, &declared, body, budget.body);
        let nothing = is_packed && matches!(fetched.documents, Documents::None);
        let note = if nothing { kind::note_of_page("application/gzip", b"") } else { None };
        Ok(Fetched { note: note.or(fetched.note), discovered, ..fetched })
    }

    /// The pages of a PDF, or the files in a body that holds others. `packed` is what it was unpacked of, and whether there was more
    /// of that.
    async fn within(
        &self,
        url: &Url,
        body: Body,
        packed: Option<(Bytes, bool)>,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        if body.bytes.starts_with(super::pdf::MAGIC) {
            return pdf::pages(url, body, deadline).await;
        }
        #[cfg(feature = "files")]
        {
            let body = match packed {
                Some(packed) => body.before_unpacking(packed),
                None => body,
            };
            archive::files(url, body, &self.archives, deadline).await
        }
        #[cfg(not(feature = "files"))]
        Ok(Fetched {
            note: kind::note_of_page("", &packed.map_or(body.bytes, |(bytes, _)| bytes)),
            ..Fetched::default()
        })
    }

    /// Notes how many redirects led to a URL, for the task that is made of it.
    fn note_hops(&self, job: JobId, url: &Url, hops: usize) {
        let mut known = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_HOPS_KNOWN {
            // So their chains may be longer.
            known.clear();
        }
        known.insert(xxh3_64_with_seed(url.as_str().as_bytes(), job.0), hops);
    }

    /// How many redirects led to a URL, or none that are known of.
    fn hops_to(&self, job: JobId, url: &Url) -> usize {
        let known = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return 0;
        }
        known.get(&xxh3_64_with_seed(url.as_str().as_bytes(), job.0)).copied().unwrap_or_default()
    }

    /// Asks for a URL, and for those that it redirects to. So many redirects led to it `before`.
    async fn follow(
        &self,
        (start, before): (Url, usize),
        wishes: &Wishes,
        deadline: Instant,
        recall: Recall<'_>,
    ) -> Result<Followed, FetchError> {
        let mut visited = vec![start];
        let mut sets_cookies = false;
        loop {
            let url = visited[visited.len() - 1].clone();
            let turn = match recall.unless(self.admit(&url, wishes, deadline)).await {
                // The task would ask for the first hop again each time that it comes back, and might never get further.
                Err(error) if error.class == FetchErrorClass::Deferred && visited.len() > 1 => {
                    return Ok(Followed::Later(url, before + visited.len() - 1));
                }
                admitted => admitted?,
            };
            let response = match self.ask(&url, wishes, &turn, deadline).await {
                Err(error) if is_of_another(&error, &url, &host_of(&visited[0])) => {
                    return Ok(Followed::Later(url, before + visited.len() - 1));
                }
                answered => answered?,
            };
            let Some(next) = redirect(&url, &response).inspect_err(|_| turn.welcome())? else {
                let hops = visited.len() - 1;
                return Ok(Followed::To(Box::new(Answer { url, response, turn, hops })));
            };
            // Which is how some hosts answer everything. Within the host, the last answer is what tells how it is.
            if host_of(&next) != host_of(&url) {
                turn.led_elsewhere();
            }
            sets_cookies |= response.headers().contains_key(SET_COOKIE);
            if visited.contains(&next) {
                let why = if sets_cookies { ": it seems to want a cookie back, and none is kept" } else { "" };
                return Err(permanent("redirect-loop", format!("it redirects in a circle, back to {next}{why}")));
            }
            if before + visited.len() > MAX_REDIRECTS {
                return Err(permanent("redirect-limit", format!("it redirects more than {MAX_REDIRECTS} times")));
            }
            visited.push(next);
        }
    }

    /// Waits until a URL may be asked for: allowed by the site's robots.txt, and the host's turn.
    async fn admit(&self, url: &Url, wishes: &Wishes, deadline: Instant) -> Result<Turn, FetchError> {
        let rules = self.rules(url, wishes, deadline).await?;
        if !rules.allow(url) {
            return Err(FetchError::new(
                FetchErrorClass::Refused,
                "robots",
                format!("robots.txt of the site refuses {url}"),
            ));
        }
        self.politeness.turn(&host_of(url), wishes.limit, rules.delay, deadline).await
    }

    /// Asks for a URL under a turn; tells the gate when no answer comes.
    async fn ask(
        &self,
        url: &Url,
        wishes: &Wishes,
        turn: &Turn,
        deadline: Instant,
    ) -> Result<Response<Incoming>, FetchError> {
        let asked = self.client.get(url, &wishes.headers, wishes.again, deadline).await;
        match asked {
            Err(error)
                if error.code == LARGE_HEAD || (error.code == "tls" && error.class == FetchErrorClass::Permanent) =>
            {
                self.outage.heard();
                turn.is_there();
                Err(error)
            }
            Err(error) if error.class == FetchErrorClass::Transient => Err(self.unanswered(url, turn, error)),
            // What was refused before anything was sent says nothing.
            Err(error) if error.code != "no-such-host" => Err(error),
            answered => {
                self.outage.heard();
                if answered.is_ok() {
                    turn.answered();
                }
                answered
            }
        }
    }

    /// What a request without an answer means: nothing for the page, while its host or the network is away.
    fn unanswered(&self, url: &Url, turn: &Turn, error: FetchError) -> FetchError {
        if error.code == "dns" {
            turn.passes_over();
        }
        let of_host = turn.unanswered(matches!(&*error.code, "header-timeout" | "connection"), hash(url));
        let of_network = self.outage.unanswered(url, &error);
        spared(error, of_host.max(of_network))
    }

    /// The hosts that hold work up now.
    pub(crate) fn limits(&self) -> Vec<HostLimit> {
        self.politeness.limits()
    }

    /// How many tasks of a host that nothing is known of are worth holding.
    pub(crate) fn per_host_at_first(&self) -> usize {
        self.politeness.per_host_at_first()
    }

    /// How many tasks of a host are worth holding for a job with these options.
    pub(crate) fn per_host_for(&self, options: &JobOptions) -> usize {
        let of_job = self.heeds_jobs.then(|| stricter(self.politeness.pace().interval, options.rate_limit));
        of_job.map_or(usize::MAX, |interval| self.politeness.begun_within_patience(interval))
    }

    /// Keeps no connections for a while: each has the memory of the largest page that it brought.
    pub(crate) fn relieve(&self) {
        self.client.keep_none();
    }

    /// Gives back what other processes keep free for this one.
    pub(crate) async fn release(&self) {
        self.politeness.release().await;
    }

    /// Whether an answer brings the page; tells the gate how the host answered. `page` is what was asked for, where a host
    /// that refuses its pace may do so without using up an attempt.
    fn judge(&self, response: &Response<Incoming>, turn: &Turn, page: Option<&Url>) -> Result<(), FetchError> {
        let status = response.status();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return Err(refused(status, turn.refused(retry_after(response.headers()), page.map(hash))));
        }
        if matches!(status.as_u16(), 502 | 504) {
            let error = status_error(FetchErrorClass::Transient, status);
            return Err(spared(error, turn.unanswered(true, page.map_or(0, hash))));
        }
        turn.welcome();
        match status.as_u16() {
            200..=299 => Ok(()),
            401 | 403 | 407 | 451 => Err(status_error(FetchErrorClass::Refused, status)),
            408 | 425 | 500..=599 => Err(status_error(FetchErrorClass::Transient, status)),
            _ => Err(status_error(FetchErrorClass::Permanent, status)),
        }
    }

    /// Calls an API that the user configured: its robots.txt does not speak of us, its 429 does. Answers the body.
    pub(crate) async fn call(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        context: &FetchContext<'_>,
    ) -> Result<bytes::Bytes, FetchError> {
        let budget = context.budget;
        let deadline = in_time(budget.time);
        let turn = context.recall.unless(self.politeness.unblocked(&host_of(url), deadline)).await?;
        let headers = [&self.named(context.options)[..], headers].concat();
        let mut wishes = Wishes { headers, ..Wishes::default() };
        let response = match self.ask(url, &wishes, &turn, deadline).await {
            Err(error) if error.code == LARGE_HEAD => {
                wishes.again = true;
                self.ask(url, &wishes, &turn, deadline).await?
            }
            answered => answered?,
        };
        // A redirect is an error too: following would hand the key to whoever the endpoint points at.
        self.judge(&response, &turn, Some(url)).map_err(|error| moved(error, url, &response))?;
        let body = self.bodies.read(response, url, budget.body, Wanted::Whole, deadline).await?;
        if body.truncated {
            return Err(permanent("search-size", format!("the answer is larger than {} bytes", budget.body)));
        }
        Ok(body.bytes)
    }
}

/// The rate limit that is kept where a job and its process have one each: one's own, or the other's where that is longer. One that
/// is no longer than the default was perhaps told by nobody, and keeps nobody from being quicker.
fn stricter(own: Duration, other: Duration) -> Duration {
    let other = if other > Limits::default().rate_limit { other } else { Duration::ZERO };
    own.max(other).min(FAR)
}

/// The error of a page that keeps its attempts, where its host is to be left alone for so long.
fn spared(error: FetchError, wait: Option<Duration>) -> FetchError {
    match wait {
        Some(wait) => FetchError { class: FetchErrorClass::Deferred, ..error }.retry_after(wait.max(FIRST_BLOCK)),
        None => error,
    }
}

/// By what a page is remembered.
fn hash(url: &Url) -> u64 {
    xxh3_64(url.as_str().as_bytes())
}

/// What a refusal means for what was asked for.
fn refused(status: StatusCode, refusal: Refusal) -> FetchError {
    match refusal.of_pace {
        // A host that asks for no time at all is asked no sooner than one that says nothing.
        true => status_error(FetchErrorClass::Deferred, status).retry_after(refusal.wait.max(FIRST_BLOCK)),
        false => status_error(FetchErrorClass::Transient, status).retry_after(refusal.wait),
    }
}

fn status_error(class: FetchErrorClass, status: StatusCode) -> FetchError {
    let reason = status.canonical_reason().unwrap_or("no reason given");
    FetchError::new(
        class,
        format!("http-{}", status.as_u16()),
        format!("the server answered {} ({reason})", status.as_u16()),
    )
    .status(status.as_u16())
}

/// Whether an error says to come back later to another host than the one that a task is for: it is that one which is to be left
/// alone, and not the host that led there.
fn is_of_another(error: &FetchError, url: &Url, host: &str) -> bool {
    error.class == FetchErrorClass::Deferred && host_of(url) != host
}

/// What a task wants of a body that does not end as it should: on its last attempt whatever there is.
fn wanted(task: &Task, options: &JobOptions) -> Wanted {
    if task.attempt < options.max_attempts { Wanted::Whole } else { Wanted::WhatComes }
}

/// How many bytes are read of a body: more where it is a file of which far more is drawings than text, such as a PDF, and says
/// how large it is.
fn most_bytes(declared: &ContentType, headers: &HeaderMap, cap: usize) -> usize {
    let length = announced(headers).filter(|_| may_hold_others(declared) || declared.is_gzip());
    length.map_or(cap, |length| length.clamp(cap, cap.max(LARGEST_FILE)))
}

/// How many bytes of a body a server announces, where these are what the body says.
fn announced(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(CONTENT_ENCODING))?;
    length.to_str().ok()?.trim().parse().ok()
}

/// Whether a body of this type may be a file that is read and holds others, such as a PDF.
fn may_hold_others(declared: &ContentType) -> bool {
    #[cfg(feature = "files")]
    if declared.may_be_packed() {
        return true;
    }
    declared.is_pdf()
}

/// Whether a body that begins so, of this type, is one.
fn holds_others(declared: &ContentType, start: &[u8]) -> bool {
    #[cfg(feature = "files")]
    if archive::is_one(declared, start) {
        return true;
    }
    pdf::is_one(declared, start)
}

/// What is noted of a page whose body did not end as it should.
fn broken_off(error: FetchError) -> FetchError {
    let message = format!("{}; what had come of it was read", error.message);
    FetchError { class: FetchErrorClass::Permanent, message, ..error }
}

/// The text of a page; nothing when a body without a type turns out to be no text.
fn document(url: Url, declared: &ContentType, mut body: Body, cap: usize) -> Fetched {
    let Some(media) = declared.media(&body.bytes) else {
        return Fetched { note: kind::note_of_page(declared.essence(), &body.bytes), ..Fetched::default() };
    };
    let top = url.domain().and_then(|domain| domain.rsplit('.').next()).filter(|top| !top.is_empty());
    let (text, charset) = charset::to_utf8(body.bytes.clone(), declared, media, top);
    // Decoded text may be longer than the bytes it came in.
    let truncated = body.truncated || text.len() > cap;
    let note = body.broken.take().map(|error| broken_off(*error));
    let text = if truncated { charset::cut(&text, cap) } else { text };
    let document = Document {
        source: url.as_str().into(),
        base: Some(url),
        media,
        charset,
        body: body.holding(text),
        offset: 0,
        truncated,
    };
    Fetched { documents: Documents::One(document), note, ..Fetched::default() }
}

#[cfg(test)]
mod tests;
