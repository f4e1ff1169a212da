//! Search endpoints: a JSON API described by a small configuration, called page by page.
//!
//! A search task comes in; the snippets of its results go out as one document, the results' URLs as page tasks, and
//! the next call of its lane as a search task. The key of an endpoint comes from the environment when the call is made;
//! it is never stored, logged or shown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json_borrow::Value;
use url::Url;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::http::HttpSource;
use crate::error::{Error, ErrorKind, Result};
use crate::extract::Media;
use crate::fetch::{
    Discovered, Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, SEARCH_ENGINES,
};
use crate::job::{JobId, JobOptions, Origin, parse_page_url};
use crate::task::Work;

/// How the names of variables that hold keys begin.
const KEY_PREFIX: &str = "MAILSCAN_KEY";
/// The most results taken from one answer.
const MAX_RESULTS: usize = 1_000;
/// The most endpoint descriptions kept parsed.
const MAX_PARSED: usize = 64;
/// The most searches whose last page is remembered: all that one job can have under way. Each takes 25 bytes, twice that where the
/// table has just grown, so 5 MB at the most.
const MAX_SEARCHES: usize = JobOptions::MOST_CALLS as usize;
/// The most engines that are named of those which did not answer, and when they are tried again.
const MAX_ENGINES: usize = 5;
const ENGINES_AGAIN: Duration = Duration::from_secs(10);
/// The tags that endpoints put around what was searched for.
const HIGHLIGHTS: [&str; 4] = ["b", "em", "strong", "mark"];
/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a search endpoint is asked, and where its answer holds what.
///
/// ```
/// use mailscan_core::source::search::SearchEndpoint;
///
/// let endpoint = SearchEndpoint::parse(r#"{
///     "url": "https://search.example.org/v1?q={query}&start={page}&key={key}",
///     "first_page": 1,
///     "page_step": 10,
///     "results": "items",
///     "result_url": "link",
///     "snippets": ["title", "snippet"],
///     "key_env": "MAILSCAN_KEY_EXAMPLE",
///     "max_pages": 10
/// }"#)?;
/// assert_eq!(endpoint.lanes(), 1);
/// # Ok::<(), mailscan_core::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchEndpoint {
    /// The URL to ask, with `{query}`, `{page}` and `{key}` where those go.
    url: String,
    /// Where the list of results is: names of fields, separated by dots.
    results: String,
    /// Where a result holds its URL.
    result_url: String,
    /// Where a result holds text that is worth reading.
    #[serde(default)]
    snippets: Vec<String>,
    /// The environment variable that holds the key; its name begins with `MAILSCAN_KEY`, so that no description can
    /// send another secret of the environment away.
    #[serde(default)]
    key_env: Option<String>,
    /// Further headers; `{key}` may stand in a value. Those that say how a request is sent, and who sends it, are not for them.
    #[serde(default)]
    headers: HashMap<String, String>,
    /// The number of the first page.
    #[serde(default = "one")]
    first_page: u32,
    /// By how much the number of each page is larger than the one before: 1 where pages are counted, the number of results of a
    /// page where these are.
    #[serde(default = "one")]
    page_step: u32,
    /// The most pages of one query.
    #[serde(default = "most_pages")]
    max_pages: u32,
    /// How many calls of one query may run side by side.
    #[serde(default = "one")]
    lanes: u32,
}

fn one() -> u32 {
    1
}

fn most_pages() -> u32 {
    100
}

impl SearchEndpoint {
    /// The most result pages that are asked of a SearXNG, unless somebody knows better: it has seldom more.
    pub const SEARXNG_PAGES: u32 = 100;

    /// Reads a description in JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the field and the mend.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, "search endpoint", message);
        let mut endpoint: Self = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if !endpoint.url.contains("{query}") {
            return Err(invalid("`url` has no {query}: say where the query goes".to_owned()));
        }
        parse_page_url(&endpoint.fill("query", 1, "key"))?;
        if endpoint.key_env.is_none() && endpoint.wants_key() {
            return Err(invalid("{key} is used without `key_env`: name the variable that holds the key".to_owned()));
        }
        let numbers = [("lanes", endpoint.lanes), ("max_pages", endpoint.max_pages), ("page_step", endpoint.page_step)];
        for (name, value) in numbers {
            if value == 0 {
                return Err(invalid(format!("`{name}` is 0: give at least 1")));
            }
        }
        if endpoint.key_env.as_ref().is_some_and(|name| !name.starts_with(KEY_PREFIX)) {
            return Err(invalid(format!("`key_env` must name a variable that begins with {KEY_PREFIX}")));
        }
        for name in endpoint.headers.keys() {
            let shown = name.escape_debug();
            if is_of_request(name) {
                let why = "says how a request is sent, or who sends it";
                return Err(invalid(format!("`headers` names `{shown}`, which {why}: leave it out")));
            }
        }
        endpoint.headers("key").map_err(|error| invalid(error.message))?;
        if !endpoint.url.contains("{page}") {
            // Every call would bring the same results.
            (endpoint.max_pages, endpoint.lanes) = (1, 1);
        }
        Ok(endpoint)
    }

    /// The description of a SearXNG instance, as text for [`JobOptions::search_endpoint`](crate::job::JobOptions).
    ///
    /// `lanes` is how many calls of one query may run side by side, `max_pages` how many there are at the most.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when `base` is no URL.
    pub fn searxng(base: &str, lanes: u32, max_pages: u32) -> Result<String> {
        let base = parse_page_url(base)?;
        let base = base.as_str().trim_end_matches('/');
        let description = serde_json::json!({
            "url": format!("{base}/search?q={{query}}&format=json&pageno={{page}}"),
            "results": "results",
            "result_url": "url",
            "snippets": ["url", "title", "content"],
            "lanes": lanes,
            "max_pages": max_pages,
        });
        Ok(description.to_string())
    }

    /// How many calls of one query may run side by side.
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Whether it is asked with a key of this machine.
    pub const fn has_key(&self) -> bool {
        self.key_env.is_some()
    }

    fn wants_key(&self) -> bool {
        self.url.contains("{key}") || self.headers.values().any(|value| value.contains("{key}"))
    }

    /// The URL of a call.
    fn fill(&self, query: &str, page: u32, key: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        let further = u64::from(page.saturating_sub(1)).saturating_mul(self.page_step.into());
        let number = further.saturating_add(self.first_page.into());
        // The key goes in first, so that a query which holds "{key}" cannot fetch it.
        self.url
            .replace("{key}", &encode(key))
            .replace("{page}", &number.to_string())
            .replace("{query}", &encode(query))
    }

    /// An error that says what a 403 mostly means of a SearXNG.
    fn explain(&self, error: FetchError) -> FetchError {
        if error.status != Some(403) || !self.url.contains("/search?q={query}&format=json") {
            return error;
        }
        let message =
            format!("{}: a SearXNG answers so until `search.formats` in its settings names json", error.message);
        FetchError { message, ..error }
    }

    fn key(&self) -> Result<String, FetchError> {
        let Some(name) = self.key_env.as_deref().filter(|_| self.wants_key()) else { return Ok(String::new()) };
        std::env::var(name).map_err(|_| {
            let message = format!("the environment variable {name} does not hold the key of the search endpoint");
            FetchError::new(FetchErrorClass::Permanent, "search-key", message)
        })
    }

    fn headers(&self, key: &str) -> Result<Vec<(HeaderName, HeaderValue)>, FetchError> {
        let header = |(name, value): (&String, &String)| {
            let wrong = || {
                let message = format!("the header `{}` of the search endpoint cannot be sent", name.escape_debug());
                FetchError::new(FetchErrorClass::Permanent, "search-header", message)
            };
            let mut value = HeaderValue::from_str(&value.replace("{key}", key)).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value))
        };
        self.headers.iter().map(header).collect()
    }
}

/// Calls search endpoints.
#[derive(Debug, Default)]
pub(crate) struct SearchSource {
    /// Parsed descriptions by their text.
    parsed: Mutex<HashMap<String, Arc<SearchEndpoint>>>,
    /// The page that was answered last of a query, by job and query.
    last: Mutex<AHashMap<u64, LastPage>>,
}

/// What is remembered of a page of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastPage {
    number: u32,
    /// The hash of what is taken of its results: their URLs, and their snippets, since only these may differ.
    results: u64,
}

impl SearchSource {
    /// Carries out one call of a search.
    pub(crate) async fn search(
        &self,
        http: &HttpSource,
        (query, page, stride): (&str, u32, u32),
        job: JobId,
        context: &FetchContext<'_>,
    ) -> Result<Fetched, FetchError> {
        let endpoint = self.endpoint(context.options.search_endpoint.as_deref())?;
        if page > endpoint.max_pages {
            return Ok(Fetched::default());
        }
        if endpoint.has_key() && *context.origin != Origin::Operator {
            let message = "a key of this machine goes only where a job of its operator says: leave `key_env` out";
            return Err(FetchError::new(FetchErrorClass::Permanent, "search-key", message));
        }
        let key = endpoint.key()?;
        let asked = endpoint.fill(query, page, &key);
        let url = Url::parse(&asked).map_err(|_| wrong_answer("its URL cannot be built"))?;
        let headers = endpoint.headers(&key)?;
        let body = http.call(&url, &headers, context).await.map_err(|error| hide(endpoint.explain(error), &key))?;
        let answer: Value<'_> =
            serde_json::from_slice(without_mark(&body)).map_err(|_| wrong_answer("its answer is not JSON"))?;
        let results = match find(&answer, &endpoint.results) {
            Some(Value::Array(results)) => results.as_slice(),
            // Some leave the list out where it would be empty. On the first pages that may as well be a wrong path.
            None | Some(Value::Null) if answer.is_object() && page > stride => &[],
            _ => return Err(wrong_answer(&format!("its answer has no list at `{}`", endpoint.results))),
        };
        let silent = silent_engines(&answer);
        if let Some(silent) = silent.as_ref().filter(|_| results.is_empty() && page == 1) {
            return Err(silent.clone());
        }
        let source = if key.is_empty() { asked } else { endpoint.fill(query, page, "KEY") };
        let mut fetched = gather(&endpoint, results, &source);
        // At the beginning of a query, and where it may have ended for that.
        fetched.note = silent.filter(|_| page == 1 || results.is_empty()).or(fetched.note);
        let next = page.saturating_add(stride.max(1));
        if !results.is_empty() && !self.repeats((job, query), page, (&fetched, results.len().min(MAX_RESULTS))) {
            if next <= endpoint.max_pages {
                let work = Work::Search { query: query.to_owned(), page: next, stride };
                fetched.discovered.push(Discovered { work, step: 0 });
            } else {
                fetched.most_pages = endpoint.url.contains("{page}").then_some(endpoint.max_pages);
            }
        }
        Ok(fetched)
    }

    /// Whether a page of results is the one before it once more, as of an endpoint that does not heed the number: every
    /// further call would bring the same. The same call once more, after a crash, repeats nothing.
    fn repeats(&self, search: (JobId, &str), number: u32, (found, results): (&Fetched, usize)) -> bool {
        let snippets = match &found.documents {
            Documents::One(document) => &document.body[..],
            Documents::None | Documents::Stream(_) => &[],
        };
        // Results of which nothing is taken cannot be told apart.
        if found.discovered.is_empty() && snippets.is_empty() {
            return false;
        }
        let mut hasher = Xxh3::new();
        for result in &found.discovered {
            hasher.update(result.work.locator().as_bytes());
            hasher.update(b"\n");
        }
        // Those of results that are told by their URLs may change from call to call, as where they say how long ago that was.
        if found.discovered.len() < results {
            hasher.update(snippets);
        }
        let page = LastPage { number, results: hasher.digest() };
        let key = xxh3_64_with_seed(search.1.as_bytes(), search.0.0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MAX_SEARCHES && !last.contains_key(&key) {
            // Costs a call of each of them at the most.
            last.clear();
        }
        last.insert(key, page).is_some_and(|before| before.number != number && before.results == page.results)
    }

    fn endpoint(&self, text: Option<&str>) -> Result<Arc<SearchEndpoint>, FetchError> {
        let text = text.ok_or_else(|| wrong_answer("the job does not describe it"))?;
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = parsed.get(text) {
            return Ok(endpoint.clone());
        }
        let endpoint = SearchEndpoint::parse(text).map_err(|error| wrong_answer(error.message()))?;
        if parsed.len() >= MAX_PARSED {
            parsed.clear();
        }
        let endpoint = Arc::new(endpoint);
        parsed.insert(text.to_owned(), endpoint.clone());
        Ok(endpoint)
    }
}

/// Whether a header says how a request is sent, or who sends it: requests of others may follow on the same connection.
fn is_of_request(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    ];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || name.starts_with("proxy-")
}

/// The error that a SearXNG makes of engines which did not answer it, such as one that asks for a CAPTCHA: it tells of them beside
/// the results of the others.
fn silent_engines(answer: &Value<'_>) -> Option<FetchError> {
    let Value::Array(engines) = find(answer, "unresponsive_engines")? else { return None };
    let names = engines.iter().take(MAX_ENGINES).filter_map(|engine| {
        let part = |at| find(engine, at).and_then(Value::as_str).map(|text| text.chars().take(60).collect::<String>());
        Some(format!("{}: {}", part("0")?, part("1").unwrap_or_default()))
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let message = format!("engines behind the search endpoint did not answer ({names}): see to its settings");
    let error = FetchError::new(FetchErrorClass::Transient, SEARCH_ENGINES, message).retry_after(ENGINES_AGAIN);
    (!names.is_empty()).then_some(error)
}

/// What one answer holds: its snippets as a document, its URLs as pages.
fn gather(endpoint: &SearchEndpoint, results: &[Value<'_>], source: &str) -> Fetched {
    let mut snippets = String::new();
    let mut fetched = Fetched::default();
    for result in results.iter().take(MAX_RESULTS) {
        for path in &endpoint.snippets {
            if let Some(snippet) = find(result, path).and_then(Value::as_str) {
                push_without_highlights(&mut snippets, snippet);
                snippets.push('\n');
            }
        }
        let link = find(result, &endpoint.result_url).and_then(Value::as_str);
        if let Some(url) = link.and_then(|link| parse_page_url(link).ok()) {
            fetched.discovered.push(Discovered { work: Work::Page { url: url.into() }, step: 0 });
        }
    }
    if results.len() > MAX_RESULTS {
        let message = format!(
            "the search endpoint gave {} results in one answer: those behind the first 1,000 were left out, so ask it for fewer",
            results.len()
        );
        fetched.note = Some(FetchError::new(FetchErrorClass::Permanent, "search-results", message));
    }
    if !snippets.is_empty() {
        fetched.documents = Documents::One(Document {
            source: source.into(),
            base: None,
            media: Media::Text,
            charset: None,
            body: snippets.into(),
            offset: 0,
            truncated: false,
        });
    }
    fetched
}

/// Adds a snippet without the tags that show what was searched for, which may stand in the middle of an address.
fn push_without_highlights(text: &mut String, snippet: &str) {
    let mut rest = snippet;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        text.push_str(before);
        rest = match tag.split_once('>') {
            Some((name, after)) if is_highlight(name) => after,
            _ => {
                text.push('<');
                &tag[1..]
            }
        };
    }
    text.push_str(rest);
}

/// Whether it is such a tag or its end, without what closes it.
fn is_highlight(tag: &str) -> bool {
    let name = tag.trim_start_matches('<').trim_start_matches('/').split_ascii_whitespace().next().unwrap_or_default();
    HIGHLIGHTS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// JSON without the mark that some write before it (RFC 8259, section 8.1, lets readers pass over it).
fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// The value at a path of field names; a number picks an item of a list.
fn find<'a, 'b>(value: &'a Value<'b>, path: &str) -> Option<&'a Value<'b>> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(name),
        _ => None,
    })
}

fn wrong_answer(what: &str) -> FetchError {
    FetchError::new(
        FetchErrorClass::Permanent,
        "search-endpoint",
        format!("the search endpoint cannot be used: {what}"),
    )
}

/// An error that may quote the URL, without the key in it.
fn hide(mut error: FetchError, key: &str) -> FetchError {
    if !key.is_empty() {
        let encoded = utf8_percent_encode(key, RESERVED).to_string();
        error.message = error.message.replace(key, "KEY").replace(&encoded, "KEY");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> SearchEndpoint {
        SearchEndpoint::parse(&SearchEndpoint::searxng("http://localhost:8888/", 4, 20).unwrap()).unwrap()
    }

    #[test]
    fn urls_are_filled_and_encoded() {
        let url = endpoint().fill("a&b c@d", 3, "");
        assert_eq!(url, "http://localhost:8888/search?q=a%26b%20c%40d&format=json&pageno=3");
    }

    #[test]
    fn a_query_cannot_fetch_the_key() {
        let text = r#"{"url": "http://a.org/?k={key}&q={query}", "results": "r", "result_url": "u", "key_env": "MAILSCAN_KEY"}"#;
        let url = SearchEndpoint::parse(text).unwrap().fill("{key}", 1, "secret");
        assert_eq!(url.matches("secret").count(), 1);
    }

    #[test]
    fn results_become_pages_and_their_snippets_text() {
        let answer = r#"{"results": [
            {"url": "http:\/\/a.org\/1", "title": "Ann", "content": "ann@a.org, <b>ben</b>@<EM class=\"x\">b</em>.org, <c>a<b</c>"},
            {"url": "ftp://a.org/2", "title": "no page", "content": 7}
        ]}"#;
        let answer = serde_json::from_str(answer).unwrap();
        let Some(Value::Array(results)) = find(&answer, "results") else { panic!("no results: {answer}") };
        let fetched = gather(&endpoint(), results, "source");
        assert_eq!(fetched.discovered.len(), 1);
        let Documents::One(document) = fetched.documents else { panic!("no document") };
        let text = std::str::from_utf8(&document.body).unwrap();
        assert!(text.contains("ann@a.org, ben@b.org, <c>a<b</c>\n"), "{text}");
    }

    #[test]
    fn as_many_searches_as_a_job_may_have_are_told_from_each_other() {
        let source = SearchSource::default();
        let result = serde_json::from_str(r#"{"url": "http://a.org/"}"#).unwrap();
        let page = gather(&endpoint(), &[result], "source");
        let searches = |number| {
            let repeats = |n: u64| source.repeats((JobId(1), &n.to_string()), number, (&page, 1));
            (0..JobOptions::MOST_CALLS).filter(|n| repeats(*n)).count() as u64
        };
        assert_eq!((searches(1), searches(1), searches(2)), (0, 0, JobOptions::MOST_CALLS));
    }

    #[test]
    fn descriptions_are_checked() {
        let message = |text: &str| SearchEndpoint::parse(text).unwrap_err().to_string();
        assert!(message("{").contains("search endpoint"));
        assert!(message(r#"{"url": "http://a.org/", "results": "r", "result_url": "u"}"#).contains("{query}"));
        let keyed = r#"{"url": "http://a.org/?q={query}&k={key}", "results": "r", "result_url": "u"}"#;
        assert!(message(keyed).contains("key_env"));
        let paged = r#"{"url": "http://a.org/?q={query}", "results": "r", "result_url": "u", "lanes": 3}"#;
        let endpoint = SearchEndpoint::parse(paged).unwrap();
        assert_eq!((endpoint.max_pages, endpoint.lanes()), (1, 1), "one page is all there is");
        let unknown = r#"{"url": "http://a.org/?q={query}", "results": "r", "result_url": "u", "lames": 3}"#;
        assert!(message(unknown).contains("lames"));
    }
}
