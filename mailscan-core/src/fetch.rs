//! The contract of a fetcher: a task goes in, documents and discovered work come out.
//!
//! The engine's workers call it; [`crate::source`] holds the fetchers for pages, search endpoints and local files.
//! What a fetcher brings is hostile: it must bound sizes, time, decompression and redirects itself.
//!
//! # What a fetcher of one's own has to do
//!
//! | what | who sees to it |
//! | --- | --- |
//! | [`Budget::time`] | the fetcher; the engine drops a fetch that takes five seconds more |
//! | [`Budget::body`] | the fetcher |
//! | pace and number of requests of a host, [`JobOptions::per_host`] | the fetcher; the engine only holds no more tasks of a host than its [`per_host`](crate::engine::EngineOptions::per_host) |
//! | robots.txt, [`JobOptions::contact`] | the fetcher |
//! | what the job may reach, by its [`Origin`] and the network it is in | the fetcher |
//! | [`JobOptions::rate_limit`] | the engine, between the calls of a search by one worker, as [`Fetcher::call_interval`] says; the fetcher between the pages of a host |
//! | how far links are followed, [`JobOptions::max_tasks`] | the engine |
//! | tries, and the wait before the next | the engine, by the class of a [`FetchError`] |
//!
//! What [`crate::source`] holds does its part of all of this, and may be wrapped.

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// What a fetcher takes and brings that is of other crates.
pub use bytes::Bytes;
pub use tokio_util::sync::CancellationToken;
pub use url::Url;

use crate::extract::Media;
use crate::job::{JobId, JobOptions, Origin};
use crate::limiter::Reason;
use crate::task::{Task, Work};

/// Brings what a task asks for.
pub trait Fetcher: Debug + Send + Sync + 'static {
    /// Carries out one task.
    ///
    /// - Ends within [`Budget::time`], as an error when need be, and holds at most [`Budget::body`] bytes of a document.
    /// - Dropping the future stops the work and leaves nothing behind; the same task may be fetched again.
    /// - While it merely waits for its turn, it listens to [`FetchContext::recall`] and answers [`FetchError::recalled`].
    ///   What is under way already may end.
    /// - What it discovers need not be filtered by the job's depth: a step of 1 counts as one link. Of a page, the engine takes
    ///   pages that are a step away as it takes the links in its text: where the job follows links, no further than it does,
    ///   and on the site of the page. All else is taken as it is: what a sitemap, a list or a search names, and a page without
    ///   a step, such as the one that a redirect leads to.
    ///
    /// # Errors
    /// [`FetchError`], classed by what is to be done next.
    fn fetch(
        &self,
        task: &Task,
        context: &FetchContext<'_>,
    ) -> impl Future<Output = Result<Fetched, FetchError>> + Send;

    /// The hosts that hold work up now: those that are asked less than they might be for their own sake, or that have
    /// requests wait for a turn, those with most waiting first. A fetcher without hosts has none.
    fn limits(&self) -> Vec<HostLimit> {
        Vec::new()
    }

    /// How many tasks of one host are worth holding before any of them has ended: those that it would begin, and as many that
    /// wait. More would only keep places from other hosts. A fetcher without hosts has no such bound.
    fn per_host_at_first(&self) -> usize {
        usize::MAX
    }

    /// The most tasks of one host that are worth holding for a job with these options, from 1, whatever has ended of the host: where
    /// the job lets so few of its requests begin while others wait for their turn that all above would wait in vain. Where that is
    /// no fewer than [`per_host_at_first`](Self::per_host_at_first), the job has no bound of its own.
    fn per_host_for(&self, _options: &JobOptions) -> usize {
        usize::MAX
    }

    /// The least time between two calls of a search by one worker, of a job with these options. A fetcher without a rate limit of
    /// its own leaves it to the job.
    fn call_interval(&self, options: &JobOptions) -> Duration {
        options.rate_limit
    }

    /// Lets go of memory that it keeps only to be quicker later, since memory is short. Waits for nothing.
    fn relieve(&self) {}

    /// Gives back what it keeps from other processes, because nothing is fetched any more for now. Ends in a few seconds,
    /// whether or not that could be told.
    fn release(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The code of a [`FetchErrorClass::Deferred`] that is for the job's own sake: others may ask the host.
pub const JOB_TURN: &str = "job-turn";

/// The code of a [`FetchErrorClass::Deferred`] of who waited in vain for one of the places at a host: the host goes on as before, and
/// others may come to wait for it.
pub const HOST_FULL: &str = "host-full";

/// The code of a [`FetchErrorClass::Deferred`] of an answer for whose rest there was no room in time, which large bodies of other hosts
/// took: the host goes on as before.
pub const BODIES_FULL: &str = "bodies-full";

/// The code of an error that ends a stream and is only a note: the source, or a part of it, is of a kind that is not read.
pub const NOT_READ: &str = "file-kind";

/// The code of an error of engines that a search endpoint asked in vain: they kept it out.
pub const SEARCH_ENGINES: &str = "search-engines";

/// The code of an error that ends a stream and is only a note: a part of the source could not be read, such as one file of an
/// archive, and no other try would change that.
pub const IN_PART: &str = "file-in-part";

/// How many requests one host gets at a time, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimit {
    /// The host.
    pub host: String,
    /// The job whose own limit it is; none for a limit that is for all.
    pub job: Option<JobId>,
    /// Whether it is for the calls of searches, and not for pages.
    pub calls: bool,
    /// The most requests under way now.
    pub limit: usize,
    /// Requests that are under way.
    pub under_way: usize,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// How long the host is left alone from now on, because it asked for that or does not answer.
    pub blocked: Duration,
    /// The least time between the starts of two requests.
    pub interval: Duration,
    /// Why the limit is what it is.
    pub reason: Reason,
}

/// What a fetcher may take, and what the job allows.
#[derive(Clone, Copy, Debug)]
pub struct FetchContext<'a> {
    /// The job's options.
    pub options: &'a JobOptions,
    /// Who asked for the job, which decides what a fetcher may reach for it.
    pub origin: &'a Origin,
    /// The bounds of this fetch.
    pub budget: Budget,
    /// Says when nothing more is to be begun for the job.
    pub recall: Recall<'a>,
}

/// Says when a task that has begun nothing is wanted back, because its job stops or the process does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recall<'a>(Option<&'a CancellationToken>);

impl<'a> Recall<'a> {
    /// For whoever fetches without a job.
    pub const NEVER: Self = Self(None);

    /// Recalls when the token is cancelled.
    pub const fn on(token: &'a CancellationToken) -> Self {
        Self(Some(token))
    }

    /// Waits for a turn, and for nothing once the task is wanted back. The wait must be cancel-safe.
    ///
    /// # Errors
    /// Those of the wait; [`FetchError::recalled`] when it was given up.
    pub async fn unless<T>(self, wait: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
        let Some(token) = self.0 else { return wait.await };
        if token.is_cancelled() {
            return Err(FetchError::recalled());
        }
        tokio::select! {
            biased;
            // First, since most turns come at once, and to wait for the token takes a lock that all tasks of the job share.
            turn = wait => turn,
            () = token.cancelled() => Err(FetchError::recalled()),
        }
    }
}

/// The bounds of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most time, waiting for the host's turn included. In an engine more than 0 and at most
    /// [`MOST_SECONDS`](crate::job::MOST_SECONDS).
    pub time: Duration,
    /// The most bytes of one decoded document; the rest is dropped and noted. In an engine from 1 to
    /// [`MOST_BODY`](Self::MOST_BODY).
    pub body: usize,
}

impl Budget {
    /// The most that [`body`](Self::body) may be in an engine: 1 GiB, which each fetch may hold.
    pub const MOST_BODY: usize = 1 << 30;
}

impl Default for Budget {
    /// 60 seconds and 8 MiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(60), body: 8 << 20 }
    }
}

/// What a task brought.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The documents to search for addresses.
    pub documents: Documents,
    /// Further work that the fetch itself found, such as search results or the files of a folder. Links in a page are
    /// the engine's to find.
    pub discovered: Vec<Discovered>,
    /// The most pages of a search that its endpoint is asked for, where it has more than were asked for.
    pub most_pages: Option<u32>,
    /// What of the source could not be read, although nothing went wrong: it is recorded beside what was.
    pub note: Option<FetchError>,
    /// A place that is kept until all of this is handed on, where a fetcher lets only so many fetches hold much at a time.
    pub place: Option<OwnedSemaphorePermit>,
}

/// Documents, at once or as they come.
#[derive(Debug, Default)]
pub enum Documents {
    /// Nothing to search.
    #[default]
    None,
    /// One document, the usual case.
    One(Document),
    /// Pieces of something that may be larger than memory, cut where no address can stand. Those of
    /// [`Media::Mail`] may be cut anywhere and follow each other without a gap. An error with the code [`NOT_READ`] or
    /// [`IN_PART`] is a note of the whole, as in [`Fetched::note`], where only reading it shows that. Whoever sends bounds how
    /// long that takes: a stream that is open is waited for, by a drain too, since a large archive may hold no text for minutes.
    Stream(mpsc::Receiver<Result<Document, FetchError>>),
}

#[cfg(any(feature = "http", feature = "files"))]
impl Documents {
    /// None, and an error to be told of beside what was discovered.
    pub(crate) fn error(error: FetchError) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        // The channel is empty and open.
        let _ = sender.try_send(Err(error));
        Self::Stream(receiver)
    }
}

/// Text to search for addresses.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it came from, as people know it: the final URL, or the path.
    pub source: Arc<str>,
    /// What relative links in it are relative to; `None` where links have no meaning.
    pub base: Option<Url>,
    /// How to read it.
    pub media: Media,
    /// The charset that a page was written in, as the WHATWG Encoding Standard names it, where that is not UTF-8: what is asked of a
    /// site in links is written in it. `None` for UTF-8, and where nobody knows.
    pub charset: Option<&'static str>,
    /// The text, decoded to UTF-8 where the charset was known. May hold invalid UTF-8.
    pub body: Bytes,
    /// Where in the source the body begins, in bytes.
    pub offset: u64,
    /// Whether the source held more than the budget allowed.
    pub truncated: bool,
}

/// Work found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// What to do.
    pub work: Work,
    /// How many links further away from the sources it is: 0, or 1 for what is a link in a page.
    pub step: u32,
}

/// What is to be done about a failed fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchErrorClass {
    /// Try again later; uses up one attempt.
    Transient,
    /// Come back later; nothing was tried, or the host refused to be asked so often: no attempt is used up. Unless its code is
    /// [`JOB_TURN`], [`HOST_FULL`] or [`BODIES_FULL`], the engine claims no task of the host for as long as
    /// [`FetchError::retry_after`] says, whatever the job, at most for the length of a lease.
    Deferred,
    /// It will not work however often it is tried.
    Permanent,
    /// The source refuses: robots.txt, 401, 403, or policy.
    Refused,
}

/// A fetch that brought nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// What is to be done.
    pub class: FetchErrorClass,
    /// A short stable code to group by, such as `http-404`, `robots` or `connect-timeout`.
    pub code: Cow<'static, str>,
    /// One line for a person.
    pub message: String,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// How long the source asked to be left alone, or how long until the host's turn. The engine waits for a day at most, and
    /// SQLite for two hours at most after whoever worked on it has been started anew.
    pub retry_after: Option<Duration>,
}

impl FetchError {
    /// An error of `class` with a code and a line for a person.
    pub fn new(class: FetchErrorClass, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into(), status: None, retry_after: None }
    }

    /// The task goes back at once, with nothing begun.
    pub fn recalled() -> Self {
        Self::new(FetchErrorClass::Deferred, "recalled", "it was given back before its turn")
            .retry_after(Duration::ZERO)
    }

    /// The same error with the time after which to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same error with the status of the answer.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether the source kept us out, so that its silence must not be read as "nothing found": a refusal, a 429, or
    /// a time-out.
    pub fn is_blocked(&self) -> bool {
        self.class == FetchErrorClass::Refused
            || self.status == Some(429)
            || self.code.contains("timeout")
            || self.code == SEARCH_ENGINES
    }
}
