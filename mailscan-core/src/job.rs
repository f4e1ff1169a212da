//! A job: what a user asked for, the state it is in, and the table of states.
//!
//! A [`JobSpec`] comes from a person (through the command line or the API), is checked once by
//! [`JobSpec::validate`], planned by [`crate::plan`], and kept by the store as a [`Job`].

mod state;

use std::time::Duration;

use crate::class::ClassFilter;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::task::{NewTask, Work, host_of};

pub use state::{JobCounts, JobState, Outline};

/// The identity of a job within its store, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a job.
///
/// | from \ to | running | paused | completed | failed | cancelled |
/// | --- | --- | --- | --- | --- | --- |
/// | queued | yes | yes | - | yes | yes |
/// | running | - | yes | yes | yes | yes |
/// | paused | yes | - | - | yes | yes |
/// | failed | yes | - | - | - | yes |
///
/// A paused, failed or completed job may also go back to queued, which leaves it to running workers. A completed one does
/// so when tasks that it gave up are retried: its sources held no more, and now they may. `cancelled` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobStatus {
    /// Waiting for workers.
    Queued,
    /// Workers are on it.
    Running,
    /// Stopped for now; nothing is lost and it can go on.
    Paused,
    /// The target was reached, or the sources hold no more.
    Completed,
    /// It could not be carried out; the reason says why.
    Failed,
    /// A person ended it.
    Cancelled,
}

impl JobStatus {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Paused, Self::Completed, Self::Failed, Self::Cancelled];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the state table lets a job in this state go to `next`.
    pub const fn can_become(self, next: Self) -> bool {
        use JobStatus::{Cancelled, Completed, Failed, Paused, Queued, Running};
        match self {
            Queued => matches!(next, Running | Paused | Failed | Cancelled),
            Running => matches!(next, Paused | Completed | Failed | Cancelled),
            // Completed where the pages that were under way when it was paused were all that it lacked.
            Paused => matches!(next, Queued | Running | Completed | Failed | Cancelled),
            // Paused where tasks came back while a paused job was being ended.
            Failed => matches!(next, Queued | Running | Paused | Cancelled),
            Completed => matches!(next, Queued | Paused),
            Cancelled => false,
        }
    }

    /// Whether a job in this state is resumed by going to `next`, after it had come to a stop.
    pub const fn is_resumed_as(self, next: Self) -> bool {
        matches!(self, Self::Paused | Self::Failed | Self::Completed) && matches!(next, Self::Queued | Self::Running)
    }

    /// Whether a job in this state can be deleted: it is settled or paused, so that nobody works on it, or is about to.
    pub const fn can_be_deleted(self) -> bool {
        self.is_settled() || matches!(self, Self::Paused)
    }

    /// Whether nothing more will happen to the job by itself.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a job looks for addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobSource {
    /// One page by its URL.
    Url(String),
    /// The pages that a sitemap lists: the one at this URL, or, where it has no path, all that the site names in its
    /// robots.txt (`/sitemap.xml` where it names none; the first 1,000). Only pages of the URL's own site count. They are one
    /// link away from the source, those of an index two.
    Sitemap(String),
    /// A local file that holds one URL a line.
    UrlList(String),
    /// A query to the job's search endpoint.
    Search(String),
    /// A local file or folder.
    Path(String),
}

/// How far a job follows links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crawl {
    /// How many links away from a source a page may be, along the way by which it was met first: one that a shorter way leads to
    /// later is not read again. A link is followed only within the host of its page.
    pub max_depth: u32,
}

impl Crawl {
    /// How many links away from the pages given a crawl goes, unless it is told.
    pub const DEPTH: u32 = 5;
}

/// The longest time that a job or an engine can be told: eleven days. Far longer ones cannot be added to the time of day.
pub const MOST_SECONDS: u64 = 1_000_000;

/// A time that people give in seconds, to the microsecond.
///
/// # Errors
/// A line that says what may be given.
pub fn seconds(number: f64) -> std::result::Result<Duration, String> {
    let range = || format!("give seconds from 0 to {MOST_SECONDS}");
    let time = Duration::try_from_secs_f64(number).map_err(|_| range())?;
    let whole = Duration::from_micros(u64::try_from(time.as_micros()).map_err(|_| range())?);
    if time > Duration::from_secs(MOST_SECONDS) { Err(range()) } else { Ok(whole) }
}

/// What a job may take and do. [`Default`] is the contract's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOptions {
    /// Follow links; `None` fetches only what the sources name.
    pub crawl: Option<Crawl>,
    /// The most tasks that the job may have: pages, sitemaps, calls, files, folders and parts of lists of URLs. From 1.
    pub max_tasks: Option<u64>,
    /// Workers instead of the planned number.
    pub workers: Option<u32>,
    /// How many fetches one worker keeps in flight. From 1.
    pub connections_per_worker: u32,
    /// The least time between two calls of a search endpoint by one worker, and where it is longer than both the default and that
    /// of the process between two requests of the job to one host, of all processes that share turns. A process keeps it in mind of
    /// 50,000 hosts; of more, those are forgotten first that may be asked the soonest. In turn that of the process counts for calls
    /// where it is longer than both the default and this. At most [`MOST_SECONDS`].
    pub rate_limit: Duration,
    /// How long the job may be at work before it is paused, at most [`MOST_SECONDS`]; `None` for ever. Each resume starts
    /// anew; a restart of the process, or a crash, is none.
    pub time_limit: Option<Duration>,
    /// The job's share of the worker pool relative to other jobs. From 1.
    pub weight: u32,
    /// How often a task is tried before it is given up. From 1.
    pub max_attempts: u32,
    /// The description of the search endpoint (JSON), when the sources hold a search.
    pub search_endpoint: Option<String>,
    /// How many calls of one search may run side by side. From 1; those of all searches of the job together at most
    /// [`MOST_CALLS`](Self::MOST_CALLS).
    pub search_lanes: u32,
    /// The most requests to one host at a time, from 1. It counts where it is lower than that of the process that works on
    /// the job, which `None` leaves it to; among processes that share turns, it holds for all of them together.
    pub per_host: Option<u32>,
    /// A page or address at which the owner of a site can reach whoever runs the job; sent with every request
    /// instead of that of the process.
    pub contact: Option<String>,
    /// Which addresses are left out for their classes: they are neither stored nor count.
    pub classes: ClassFilter,
}

impl JobOptions {
    /// The most calls of searches that a job begins with: each is a task, and all of them are made at once.
    pub const MOST_CALLS: u64 = 100_000;
}

impl Default for JobOptions {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            crawl: None,
            max_tasks: None,
            workers: None,
            connections_per_worker: limits.connections_per_worker,
            rate_limit: limits.rate_limit,
            time_limit: Some(limits.job_time_limit),
            weight: 1,
            max_attempts: 4,
            search_endpoint: None,
            search_lanes: 1,
            per_host: None,
            contact: None,
            classes: ClassFilter::default(),
        }
    }
}

/// What a user asks for: collect `target` addresses from these sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// How many addresses to collect. From 1.
    pub target: u64,
    /// Where to look. At least one.
    pub sources: Vec<JobSource>,
    /// What the job may take and do.
    pub options: JobOptions,
}

impl JobSpec {
    /// A job with the contract's options.
    pub fn new(target: u64, sources: Vec<JobSource>) -> Self {
        Self { target, sources, options: JobOptions::default() }
    }

    /// Checks every field of a job that is to be made.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        for source in &self.sources {
            match source {
                JobSource::Url(text) | JobSource::Sitemap(text) => _ = parse_source_url(text)?,
                JobSource::Search(query) if query.trim().is_empty() => {
                    return invalid("a search is empty: say what to search for".to_owned());
                }
                JobSource::Search(_) | JobSource::UrlList(_) | JobSource::Path(_) => {}
            }
        }
        self.validate_kept()
    }

    /// Checks what an engine relies on, in a job that a store keeps. What is refused only so that people notice their slip is
    /// none of it: a job that began before that was refused goes on.
    ///
    /// # Errors
    /// As those of [`Self::validate`].
    pub(crate) fn validate_kept(&self) -> Result<()> {
        let options = &self.options;
        if self.target == 0 || i64::try_from(self.target).is_err() {
            return invalid(format!("target is {}: give a number from 1 to {}", self.target, i64::MAX));
        }
        if self.sources.is_empty() {
            return invalid("no source: give at least one URL, sitemap, list, search or path".to_owned());
        }
        for source in &self.sources {
            if let JobSource::Url(text) | JobSource::Sitemap(text) = source {
                parse_page_url(text)?;
            }
        }
        let searches = self.sources.iter().filter(|source| matches!(source, JobSource::Search(_))).count() as u64;
        if searches > 0 && options.search_endpoint.is_none() {
            return invalid("a search needs a search endpoint: describe one".to_owned());
        }
        for (name, value) in [
            ("workers", options.workers.unwrap_or(1)),
            ("connections per worker", options.connections_per_worker),
            ("weight", options.weight),
            ("attempts", options.max_attempts),
            ("search lanes", options.search_lanes),
            ("requests to one host", options.per_host.unwrap_or(1)),
            ("pages", options.max_tasks.map_or(1, |most| u32::from(most > 0))),
        ] {
            if value == 0 {
                return invalid(format!("{name} is 0: give at least 1"));
            }
        }
        let (calls, most) = (searches.saturating_mul(u64::from(options.search_lanes)), JobOptions::MOST_CALLS);
        if calls > most {
            let message = format!("the searches begin with {calls} calls: give fewer search lanes, for {most} in all");
            return invalid(message);
        }
        for (name, time) in [("rate limit", Some(options.rate_limit)), ("time limit", options.time_limit)] {
            if time.is_some_and(|time| time > Duration::from_secs(MOST_SECONDS)) {
                return invalid(format!("the {name} is too long: give at most {MOST_SECONDS} s"));
            }
        }
        if options.contact.as_deref().is_some_and(|contact| contact.trim().is_empty()) {
            return invalid("the contact is empty: give a page or an address that tells who asks".to_owned());
        }
        Ok(())
    }

    /// The tasks that the job begins with: one for each source, for a search as many as it has lanes, and none for a search for
    /// nothing. Of a job that is not [valid](Self::validate) there may be more than fit into memory.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a URL cannot be fetched.
    pub fn first_tasks(&self, job: JobId) -> Result<Vec<NewTask>> {
        let task = |work| NewTask { job, work, depth: 0, limit: self.options.max_tasks };
        let mut tasks = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            match source {
                JobSource::Url(text) => tasks.push(task(Work::Page { url: parse_page_url(text)?.into() })),
                JobSource::Sitemap(text) => {
                    let url = parse_page_url(text)?;
                    tasks.push(task(Work::Sitemap { site: host_of(&url), url: url.into() }));
                }
                JobSource::UrlList(path) => tasks.push(task(Work::List { path: path.clone(), offset: 0 })),
                JobSource::Path(path) => tasks.push(task(Work::Path { path: path.clone() })),
                JobSource::Search(query) if query.trim().is_empty() => {}
                JobSource::Search(query) => {
                    let stride = self.options.search_lanes.max(1);
                    let lane = |page| task(Work::Search { query: query.clone(), page, stride });
                    tasks.extend((1..=stride).map(lane));
                }
            }
        }
        Ok(tasks)
    }
}

fn invalid(message: String) -> Result<()> {
    Err(Error::new(ErrorKind::Invalid, "job", message))
}

/// The longest name of a host (RFC 1035, section 2.3.4, without the final dot).
const MAX_HOST: usize = 253;

/// The URL of a page that can be fetched: absolute, `http` or `https`, with a host whose name is no longer than
/// names may be, without its fragment and without credentials.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the text and the mend.
pub fn parse_page_url(text: &str) -> Result<url::Url> {
    let invalid = |why: &str| Error::new(ErrorKind::Invalid, "url", format!("`{text}` {why}"));
    let mut url = url::Url::parse(text.trim())
        .map_err(|error| invalid(&format!("is not an absolute URL ({error}): write it like https://example.org/")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("cannot be fetched: only http and https URLs with a host can"));
    }
    if url.host_str().is_some_and(|host| host.len() > MAX_HOST) {
        let host: String = url.host_str().unwrap_or_default().chars().take(40).collect();
        let message =
            format!("the URL of `{host}…` cannot be fetched: no host has a name of more than {MAX_HOST} letters");
        return Err(Error::new(ErrorKind::Invalid, "url", message));
    }
    url.set_fragment(None);
    // A URL with a host always takes both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

/// The URL of a source as a person gives it, as [`parse_page_url`] answers it.
///
/// # Errors
/// [`ErrorKind::Invalid`] as there, and when the URL names a user or a password: they are never sent, so whoever wrote them
/// would get another page than was meant.
pub fn parse_source_url(text: &str) -> Result<url::Url> {
    let named = |url: &url::Url| !url.username().is_empty() || url.password().is_some();
    if let Some(url) = url::Url::parse(text.trim()).ok().filter(named) {
        let host = url.host_str().unwrap_or_default();
        let message = format!("the URL of `{host}` names a user or a password, which is never sent: leave them out");
        return Err(Error::new(ErrorKind::Invalid, "url", message));
    }
    parse_page_url(text)
}

/// Who asked for a job, and so which files it may read and whether it may use keys of this machine. Which network addresses it may
/// reach is for the source that fetches to say (`ClientOptions::network`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Whoever runs mailscan: the job reads every file that it names and whatever files that leads to.
    #[default]
    Operator,
    /// Somebody who can use the API, and is trusted with no more.
    Api {
        /// The folders below which the job may read files, by their whole names. Without one it reads none.
        roots: Vec<String>,
    },
}

/// A job to be created. Creating it twice under one key makes one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Chosen by the caller; a repeated creation with the same key answers the same job.
    pub key: String,
    /// What is asked for.
    pub spec: JobSpec,
    /// Who asks for it.
    pub origin: Origin,
}

impl NewJob {
    /// A job of the operator's own under a random key: creating it again makes another one.
    pub fn new(spec: JobSpec) -> Self {
        Self { key: format!("{:032x}", rand::random::<u128>()), spec, origin: Origin::Operator }
    }
}

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// The key it was created under.
    pub key: String,
    /// What is asked for.
    pub spec: JobSpec,
    /// Who asked for it.
    pub origin: Origin,
    /// Its state.
    pub status: JobStatus,
    /// Why it is in this state, for a person, when there is something to say.
    pub reason: Option<String>,
    /// Whether its first tasks are all on the queue.
    pub seeded: bool,
    /// How many different addresses are stored: the number of rows. Never more than the target.
    pub collected: u64,
    /// How long it has been at work: without pauses, and without the time in which nothing could be stored or processes stood
    /// still.
    pub active: Duration,
    /// How much of that was over when it was last resumed; its time limit counts from there.
    pub active_before: Duration,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it was completed, failed or cancelled.
    pub finished_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_more_letters_than_names_may_have() {
        let url = |letters: usize| format!("https://{}.org/", "a".repeat(letters - 4));
        assert!(parse_page_url(&url(253)).is_ok());
        let error = parse_page_url(&url(254)).unwrap_err().to_string();
        assert!(error.contains("more than 253 letters") && error.len() < 200, "{error}");
    }

    #[test]
    fn final_states_stay() {
        for next in JobStatus::ALL {
            assert_eq!(
                JobStatus::Completed.can_become(next),
                matches!(next, JobStatus::Queued | JobStatus::Paused),
                "to try again what was given up"
            );
            assert!(!JobStatus::Cancelled.can_become(next));
        }
    }

    #[test]
    fn no_state_becomes_itself_and_names_parse_back() {
        for status in JobStatus::ALL {
            assert!(!status.can_become(status));
            assert_eq!(JobStatus::parse(status.as_str()), Some(status));
        }
    }

    type Change = fn(&mut JobOptions);

    /// What a job of two searches cannot have, each with what its error says.
    const UNKEEPABLE: [(&str, Change); 4] = [
        ("begin with 100002 calls", |options| options.search_lanes = 50_001),
        ("begin with 8589934590 calls", |options| options.search_lanes = u32::MAX),
        ("the rate limit is too long", |options| options.rate_limit = Duration::MAX),
        ("the time limit is too long", |options| options.time_limit = Some(Duration::MAX)),
    ];

    #[test]
    fn bad_specs_name_the_field() {
        let url = || vec![JobSource::Url("https://a.org/".into())];
        let message = |spec: &JobSpec| spec.validate().unwrap_err().to_string();
        assert!(message(&JobSpec::new(0, url())).contains("target is 0"));
        assert!(message(&JobSpec::new(1, vec![])).contains("no source"));
        assert!(message(&JobSpec::new(1, vec![JobSource::Url("ftp://a.org".into())])).contains("only http"));
        assert!(message(&JobSpec::new(1, vec![JobSource::Search("q".into())])).contains("search endpoint"));
        for blank in ["", " \t"] {
            assert!(message(&JobSpec::new(1, vec![JobSource::Search(blank.into())])).contains("a search is empty"));
        }
        let mut spec = JobSpec::new(1, url());
        spec.options.workers = Some(0);
        assert!(message(&spec).contains("workers is 0"));
        for (part, change) in UNKEEPABLE {
            let mut spec = JobSpec::new(1, vec![JobSource::Search("a".into()), JobSource::Search("b".into())]);
            spec.options.search_endpoint = Some("described".to_owned());
            assert!(spec.validate().is_ok());
            change(&mut spec.options);
            assert!(message(&spec).contains(part), "{}", message(&spec));
        }
        assert!(JobSpec::new(1, url()).validate().is_ok());
    }

    #[test]
    fn a_kept_job_is_not_refused_for_what_is_asked_of_new_ones() {
        let page = JobSource::Url("https://u:p@a.org/".into());
        let mut spec = JobSpec::new(1, vec![page, JobSource::Search(" ".into()), JobSource::Search("q".into())]);
        spec.options.search_endpoint = Some("described".to_owned());
        assert!(spec.validate().is_err() && spec.validate_kept().is_ok());
        let tasks = spec.first_tasks(JobId(1)).unwrap();
        let begins: Vec<_> = tasks.iter().map(|task| task.work.locator()).collect();
        assert_eq!(begins, ["https://a.org/", "1+1 q"], "nothing is asked for nothing");
        spec.target = 0;
        assert!(spec.validate_kept().is_err());
    }

    #[test]
    fn page_urls_lose_fragment_and_credentials() {
        assert_eq!(parse_page_url(" https://u:p@A.org/x#y ").unwrap().as_str(), "https://a.org/x");
    }

    #[test]
    fn a_search_starts_all_its_lanes() {
        let mut spec = JobSpec::new(1, vec![JobSource::Search("q".into())]);
        spec.options.search_lanes = 3;
        let tasks = spec.first_tasks(JobId(1)).unwrap();
        let pages: Vec<_> = tasks.iter().map(|task| task.work.locator()).collect();
        assert_eq!(pages, ["1+3 q", "2+3 q", "3+3 q"]);
    }
}
