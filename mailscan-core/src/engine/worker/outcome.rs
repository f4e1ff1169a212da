//! What a fetched document, or a failure to fetch one, means for the job. Pure but for the extraction it calls.

use std::sync::Arc;
use std::time::Duration;

use super::super::met_links::MetLinks;
use super::super::session_ids;
use super::links;
use crate::class::{Class, ClassFilter, LeftOut};
use crate::extract::{Extractor, Media, Mention};
use crate::fetch::{Discovered, Document, Documents, FetchError, FetchErrorClass, Fetched};
use crate::job::{JobId, JobOptions};
use crate::lease::{Claimed, FailureClass, NodeId, Verdict};
use crate::pipeline::TaskOutcome;
use crate::retry::Backoff;
use crate::store::{ErrorClass, NewWorkerError, Sighting};
use crate::suppression::Suppression;
use crate::task::{NewTask, Work, same_site};

/// The longest that a task waits before it comes back, whatever its fetcher or the options say.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// What the documents of one task have brought so far and is not handed on yet.
#[derive(Debug)]
pub(super) struct Harvest<'a> {
    claimed: &'a Claimed,
    options: &'a JobOptions,
    met_links: &'a MetLinks,
    suppression: &'a Suppression,
    extractor: Extractor,
    /// What is being read, since an address may be certain only with what follows.
    source: Arc<str>,
    sightings: Vec<Sighting>,
    discovered: Vec<NewTask>,
    truncated: bool,
    /// Whether there were more links than are followed of one page.
    more_links: bool,
    /// Whether links were left alone since they lead further than the job goes.
    at_depth: bool,
    /// The mentions that the job does not want.
    left_out: LeftOut,
}

impl<'a> Harvest<'a> {
    pub(super) fn new(
        claimed: &'a Claimed,
        options: &'a JobOptions,
        met_links: &'a MetLinks,
        suppression: &'a Suppression,
    ) -> Self {
        Self {
            claimed,
            options,
            met_links,
            suppression,
            extractor: Extractor::new(),
            source: Arc::from(""),
            sightings: Vec::new(),
            discovered: Vec::new(),
            truncated: false,
            more_links: false,
            at_depth: false,
            left_out: LeftOut::NONE,
        }
    }

    /// Takes what the fetch itself has found, which is the list in `fetched` and gone afterwards.
    pub(super) fn discover(&mut self, fetched: &mut Fetched) {
        let found = std::mem::take(&mut fetched.discovered);
        if found.is_empty() {
            return;
        }
        let page = self.page(&fetched.documents);
        for Discovered { work, step } in found {
            match &work {
                Work::Page { url } if step > 0 && matches!(self.claimed.task.work, Work::Page { .. }) => {
                    let url = session_ids::without(url);
                    let is_itself = page.as_ref().is_some_and(|page| page.as_str() == url);
                    if !is_itself && self.leads_on(page.as_ref(), &url) {
                        let work = Work::Page { url: url.into_owned() };
                        self.push(work, step);
                    }
                }
                _ => self.push(work, step),
            }
        }
    }

    /// The page that links lead on from: where a source has led to, or what was asked for. `None` for no page, and for one
    /// that the crawl does not go on from.
    fn page(&self, documents: &Documents) -> Option<url::Url> {
        let base = match documents {
            Documents::One(document) => document.base.clone(),
            Documents::None | Documents::Stream(_) => None,
        };
        let Work::Page { url } = &self.claimed.task.work else { return None };
        base.or_else(|| url::Url::parse(url).ok()).filter(|page| self.stays_on_site(page))
    }

    /// Whether a link is followed that leads from `page` to `url`, as one in its text would be.
    fn leads_on(&mut self, page: Option<&url::Url>, url: &str) -> bool {
        let is_near = self.options.crawl.is_some_and(|crawl| self.claimed.task.depth < crawl.max_depth);
        self.at_depth |= self.options.crawl.is_some() && !is_near;
        is_near && page.is_some_and(|page| url::Url::parse(url).is_ok_and(|url| same_site(&url, page)))
    }

    /// Extracts the addresses of a document, and its links when the job follows them.
    pub(super) fn read(&mut self, document: &Document) {
        self.truncated |= document.truncated;
        if self.source != document.source {
            self.end();
            self.source = Arc::clone(&document.source);
        }
        let offset = usize::try_from(document.offset).unwrap_or(usize::MAX);
        let mut sieve = Sieve {
            job: self.claimed.task.job,
            filter: self.options.classes,
            suppression: self.suppression,
            source: &self.source,
            sightings: &mut self.sightings,
            left_out: &mut self.left_out,
        };
        self.extractor.read(&document.body, offset, document.media, |finding| sieve.take(finding));
        if let (Some(base), Media::Html, Some(crawl)) = (&document.base, document.media, self.options.crawl)
            && self.stays_on_site(base)
        {
            match self.claimed.task.depth < crawl.max_depth {
                true => self.follow(document, base),
                false => self.at_depth = true,
            }
        }
    }

    /// Extracts what might have gone on in a further document, when there is none.
    fn end(&mut self) {
        let mut sieve = Sieve {
            job: self.claimed.task.job,
            filter: self.options.classes,
            suppression: self.suppression,
            source: &self.source,
            sightings: &mut self.sightings,
            left_out: &mut self.left_out,
        };
        self.extractor.end(|finding| sieve.take(finding));
    }

    /// Whether a page is on the site of the link that led to it. A source may redirect to where it lives now; a link
    /// further on that redirects elsewhere would lead the crawl away.
    fn stays_on_site(&self, base: &url::Url) -> bool {
        let task = &self.claimed.task;
        let Work::Page { url } = &task.work else { return true };
        task.depth == 0 || url == base.as_str() || url::Url::parse(url).is_ok_and(|url| same_site(&url, base))
    }

    fn follow(&mut self, document: &Document, base: &url::Url) {
        let (task, limit) = (&self.claimed.task, self.options.max_tasks);
        let depth = task.depth.saturating_add(1);
        // They stay on the site of a page that does, so none needs another look.
        self.more_links |= links::follow(document, base, self.met_links, |url| {
            self.discovered.push(NewTask { job: task.job, work: Work::Page { url }, depth, limit });
        });
    }

    fn push(&mut self, work: Work, step: u32) {
        let task = &self.claimed.task;
        let limit = self.options.max_tasks;
        let mut depth = task.depth.saturating_add(step);
        // A redirect that became a task of its own is read like any other, and followed no further if it leads away.
        if let (Work::Page { url }, Some(crawl)) = (&work, self.options.crawl)
            && !url::Url::parse(url).is_ok_and(|url| self.stays_on_site(&url))
        {
            depth = depth.max(crawl.max_depth);
        }
        self.discovered.push(NewTask { job: task.job, work, depth, limit });
    }

    /// What is to be noted of a task that is done all the same.
    pub(super) fn note(&self) -> Option<FetchError> {
        let truncated = "it holds more than is read of one page: what stands after that was left out";
        let links =
            "it links to more pages than are followed of one: links behind the first 10,000 new ones were left out";
        let (code, message) = match (self.truncated, self.more_links) {
            (true, true) => ("truncated", format!("{truncated}; {links}")),
            (true, false) => ("truncated", truncated.to_owned()),
            (false, true) => ("links", links.to_owned()),
            (false, false) => return None,
        };
        Some(FetchError::new(FetchErrorClass::Permanent, code, message))
    }

    /// Whether a page was read whose links, if it has any, lead further than the job goes.
    pub(super) fn is_at_depth(&self) -> bool {
        self.at_depth
    }

    /// How many sightings and discovered tasks are not handed on yet.
    pub(super) fn waiting(&self) -> usize {
        self.sightings.len() + self.discovered.len()
    }

    /// The first `most` sightings and, as far as these are fewer, discovered tasks, to be handed on while the task goes on.
    pub(super) fn part(&mut self, most: usize) -> Box<TaskOutcome> {
        let sightings = split_front(&mut self.sightings, most);
        let discovered = split_front(&mut self.discovered, most - sightings.len());
        Box::new(TaskOutcome { sightings, discovered, ..TaskOutcome::default() })
    }

    /// Everything that is left, and the mentions that were left out for their classes in all documents.
    pub(super) fn rest(mut self) -> (Box<TaskOutcome>, LeftOut) {
        self.end();
        let rest = TaskOutcome { sightings: self.sightings, discovered: self.discovered, ..TaskOutcome::default() };
        (Box::new(rest), self.left_out)
    }
}

/// Takes the first `most` of a list.
fn split_front<T>(list: &mut Vec<T>, most: usize) -> Vec<T> {
    let rest = list.split_off(most.min(list.len()));
    std::mem::replace(list, rest)
}

/// What takes findings: those that the job wants become sightings, the others are counted.
struct Sieve<'a> {
    job: JobId,
    filter: ClassFilter,
    suppression: &'a Suppression,
    source: &'a Arc<str>,
    sightings: &'a mut Vec<Sighting>,
    left_out: &'a mut LeftOut,
}

impl Sieve<'_> {
    fn take(&mut self, mention: Mention<'_>) {
        let finding = mention.into_finding();
        if self.suppression.contains(&finding.address) {
            self.left_out.add(Class::Suppressed, 1);
            return;
        }
        let classes = finding.classes();
        if let Some(class) = self.filter.left_out(classes) {
            self.left_out.add(class, 1);
            return;
        }
        self.sightings.push(Sighting {
            job: self.job,
            address: finding.address,
            source: Arc::clone(self.source),
            offset: finding.span.start as u64,
            form: finding.form,
            classes,
        });
    }
}

/// What becomes of a failed delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    /// How the error is recorded; `None` when nothing went wrong.
    pub(super) class: Option<ErrorClass>,
}

/// Decides about a failed delivery: transient errors are retried while attempts are left, deferred ones come back
/// untouched, and what kept us out is called blocked.
pub(super) fn failure(
    claimed: &Claimed,
    error: &FetchError,
    max_attempts: u32,
    backoff: Backoff,
    random: f64,
) -> Failure {
    let attempt = claimed.task.attempt;
    let class = match error.class {
        FetchErrorClass::Deferred => {
            let after = error.retry_after.unwrap_or(backoff.base).min(LONGEST_WAIT);
            return Failure { verdict: Verdict::Release { after }, class: None };
        }
        FetchErrorClass::Transient if attempt < max_attempts => {
            let after = backoff.delay(attempt, random, error.retry_after).min(LONGEST_WAIT);
            return Failure { verdict: Verdict::Retry { after }, class: Some(ErrorClass::Retried) };
        }
        FetchErrorClass::Transient if error.is_blocked() => FailureClass::Blocked,
        FetchErrorClass::Transient if error.code == "panic" => FailureClass::Quarantined,
        FetchErrorClass::Transient => FailureClass::Exhausted,
        FetchErrorClass::Permanent => FailureClass::Permanent,
        FetchErrorClass::Refused => FailureClass::Blocked,
    };
    Failure {
        verdict: Verdict::Failed { class, message: error.message.clone() },
        class: Some(ErrorClass::Failed(class)),
    }
}

/// The record of an error.
pub(super) fn record(claimed: &Claimed, error: &FetchError, class: ErrorClass, node: &NodeId) -> NewWorkerError {
    NewWorkerError {
        job: claimed.lease.job,
        task: claimed.lease.task,
        fence: claimed.lease.fence,
        node: node.clone(),
        class,
        code: error.code.clone().into_owned(),
        host: claimed.task.work.host(),
        label: claimed.task.work.label(),
        message: error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobId;
    use crate::lease::Lease;
    use crate::task::{Task, TaskId};

    fn claimed(attempt: u32) -> Claimed {
        let work = Work::Page { url: "https://a.org/".into() };
        let task = Task { id: TaskId(1), job: JobId(1), work, depth: 0, attempt, crashes: 0 };
        Claimed { task, lease: Lease { job: JobId(1), task: TaskId(1), fence: 1 } }
    }

    fn verdict(attempt: u32, error: &FetchError) -> Verdict {
        failure(&claimed(attempt), error, 4, Backoff::default(), 1.0).verdict
    }

    #[test]
    fn transient_errors_use_up_their_attempts() {
        let reset = FetchError::new(FetchErrorClass::Transient, "reset", "reset");
        assert_eq!(verdict(3, &reset), Verdict::Retry { after: Duration::from_secs(4) });
        assert!(matches!(verdict(4, &reset), Verdict::Failed { class: FailureClass::Exhausted, .. }));
    }

    #[test]
    fn what_kept_us_out_is_blocked_and_not_empty() {
        let busy = FetchError::new(FetchErrorClass::Transient, "http-429", "busy").status(429);
        let slow = FetchError::new(FetchErrorClass::Transient, "header-timeout", "slow");
        let robots = FetchError::new(FetchErrorClass::Refused, "robots", "robots.txt");
        for (attempt, error) in [(4, &busy), (4, &slow), (1, &robots)] {
            assert!(matches!(verdict(attempt, error), Verdict::Failed { class: FailureClass::Blocked, .. }), "{error}");
        }
    }

    #[test]
    fn a_deferred_task_is_no_error() {
        let later = FetchError::new(FetchErrorClass::Deferred, "turn", "later").retry_after(Duration::from_secs(9));
        let failure = failure(&claimed(1), &later, 4, Backoff::default(), 1.0);
        assert_eq!(failure, Failure { verdict: Verdict::Release { after: Duration::from_secs(9) }, class: None });
    }

    #[test]
    fn no_task_waits_for_ever() {
        for class in [FetchErrorClass::Deferred, FetchErrorClass::Transient] {
            let never = FetchError::new(class, "never", "never again").retry_after(Duration::MAX);
            let (Verdict::Release { after } | Verdict::Retry { after }) = verdict(1, &never) else {
                panic!("{class:?}")
            };
            assert_eq!(after, Duration::from_secs(86_400));
        }
    }

    /// The page at the root of a site.
    fn page(body: String, truncated: bool) -> Document {
        let (source, base) = ("https://a.org/", url::Url::parse("https://a.org/").unwrap());
        let (media, body) = (Media::Html, body.into());
        Document { source: source.into(), base: Some(base), media, charset: None, body, offset: 0, truncated }
    }

    #[test]
    fn a_page_with_a_fresh_session_id_in_every_link_leads_to_the_pages_it_had() {
        let options = JobOptions { crawl: Some(crate::job::Crawl { max_depth: 5 }), ..JobOptions::default() };
        let (claimed, met_links, nobody) = (claimed(1), MetLinks::new(), Suppression::default());
        let links_with = |id: &str| {
            let body =
                format!("<a href='/b;jsessionid={id}'>b</a> <a href='/c?PHPSESSID={id}&n=1'>c</a> <a href=/b>b</a>");
            let mut harvest = Harvest::new(&claimed, &options, &met_links, &nobody);
            harvest.read(&page(body, false));
            let discovered = harvest.rest().0.discovered;
            discovered.iter().map(|task| task.work.label()).collect::<Vec<_>>()
        };
        let pages = ["https://a.org/b", "https://a.org/c?n=1"];
        for id in ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"] {
            assert_eq!(links_with(id), pages, "{id}");
        }
    }

    #[test]
    fn what_was_left_out_of_a_page_is_noted() {
        let options = JobOptions { crawl: Some(crate::job::Crawl { max_depth: 5 }), ..JobOptions::default() };
        let (claimed, met_links, nobody) = (claimed(1), MetLinks::new(), Suppression::default());
        let note_of = |links: usize, truncated: bool| {
            let mut harvest = Harvest::new(&claimed, &options, &met_links, &nobody);
            harvest.read(&page((0..links).map(|n| format!("<a href=/{n}>")).collect::<String>(), truncated));
            harvest.note().map(|note| (note.code.into_owned(), note.message.contains("links behind the first 10,000")))
        };
        assert_eq!(note_of(10_000, false), None);
        assert_eq!(note_of(10_001, false), Some(("links".to_owned(), true)));
        assert_eq!(note_of(10_000, true), Some(("truncated".to_owned(), false)));
        assert_eq!(note_of(10_001, true), Some(("truncated".to_owned(), true)));
    }

    #[test]
    fn a_redirect_that_leads_away_is_read_and_not_followed() {
        let options = JobOptions { crawl: Some(crate::job::Crawl { max_depth: 5 }), ..JobOptions::default() };
        let depth_of = |depth: u32, url: &str| {
            let mut claimed = claimed(1);
            claimed.task.depth = depth;
            let work = Work::Page { url: url.to_owned() };
            let met_links = MetLinks::new();
            let nobody = Suppression::default();
            let mut harvest = Harvest::new(&claimed, &options, &met_links, &nobody);
            let discovered = vec![Discovered { work, step: 0 }];
            harvest.discover(&mut Fetched { discovered, ..Fetched::default() });
            harvest.rest().0.discovered[0].depth
        };
        assert_eq!(depth_of(2, "https://a.org/next"), 2);
        assert_eq!(depth_of(2, "https://b.org/"), 5);
        assert_eq!(depth_of(0, "https://b.org/"), 0, "a source may have moved");
    }

    /// What of these is followed that a fetcher found in a task at this depth, with a step of 1 each, and whether links were
    /// left alone for the depth.
    fn followed(work: Work, depth: u32, base: Option<&str>, crawl: Option<u32>, found: &[&str]) -> (Vec<String>, bool) {
        let options =
            JobOptions { crawl: crawl.map(|max_depth| crate::job::Crawl { max_depth }), ..JobOptions::default() };
        let (mut claimed, met_links, nobody) = (claimed(1), MetLinks::new(), Suppression::default());
        (claimed.task.work, claimed.task.depth) = (work, depth);
        let page = |url: &&str| Discovered { work: Work::Page { url: (*url).to_owned() }, step: 1 };
        let document = base.map(|base| Document {
            source: base.into(),
            base: url::Url::parse(base).ok(),
            media: Media::Text,
            charset: None,
            body: crate::fetch::Bytes::new(),
            offset: 0,
            truncated: false,
        });
        let documents = document.map_or(Documents::None, Documents::One);
        let mut harvest = Harvest::new(&claimed, &options, &met_links, &nobody);
        let discovered = found.iter().map(page).collect();
        harvest.discover(&mut Fetched { documents, discovered, ..Fetched::default() });
        let left = harvest.is_at_depth();
        (harvest.rest().0.discovered.iter().map(|task| task.work.label()).collect(), left)
    }

    #[test]
    fn what_a_fetcher_finds_in_a_page_is_followed_as_links_are() {
        let a = || Work::Page { url: "https://a.org/".to_owned() };
        let found = ["https://www.a.org/x", "https://b.org/x"];
        let on_a = vec![found[0].to_owned()];
        assert_eq!(followed(a(), 4, None, Some(5), &found), (on_a.clone(), false), "within the depth and the site");
        assert_eq!(followed(a(), 5, None, Some(5), &found), (vec![], true), "further than the job goes");
        assert_eq!(followed(a(), 0, None, None, &found), (vec![], false), "no links are followed");
        // A source may have moved; a page further on that leads away ends there.
        let moved = Some("https://b.org/");
        assert_eq!(followed(a(), 0, moved, Some(5), &found), (vec![found[1].to_owned()], false));
        assert_eq!(followed(a(), 1, moved, Some(5), &found), (vec![], false));
        // The same page with an id in its address is that page.
        let ids = ["/x;jsessionid=0123456789abcdef0123456789abcdef", "/?PHPSESSID=0123456789abcdef0123456789abcdef"];
        let ids = ids.map(|path| format!("https://a.org{path}"));
        let without = (vec!["https://a.org/x".to_owned()], false);
        assert_eq!(followed(a(), 0, None, Some(5), &ids.each_ref().map(String::as_str)), without);
        // What a sitemap lists was asked for.
        let sitemap = Work::Sitemap { site: "a.org".to_owned(), url: "https://a.org/sitemap.xml".to_owned() };
        assert_eq!(followed(sitemap, 0, None, None, &found), (found.map(str::to_owned).to_vec(), false));
    }
}
