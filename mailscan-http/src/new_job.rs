//! The body of `POST /jobs`: what is asked for in JSON becomes a specification, or all that is wrong with it. Pure.

use std::time::Duration;

use hyper::header::HeaderValue;
use mailscan_core::class::ClassFilter;
use mailscan_core::job::{Crawl, JobOptions, JobSource, JobSpec, parse_source_url};
use mailscan_core::source::search::SearchEndpoint;
use serde_json::Value;

use crate::fields::Fields;
use crate::problem::Problem;

/// The most sources of each kind, and how long each may be, in characters.
const MAX_URLS: usize = 10_000;
const MAX_URL: usize = 8_192;
const MAX_SEARCHES: usize = 1_000;
const MAX_QUERY: usize = 1_000;
const MAX_PATHS: usize = 1_000;
const MAX_PATH: usize = 4_096;
/// The most first calls of all searches together.
const MAX_CALLS: usize = 10_000;
/// The most classes that can be named: more than there are.
const MAX_CLASSES: usize = 100;
/// The longest line for people, in characters.
pub(crate) const MAX_TEXT: usize = 1_000;
/// The largest of the small numbers.
pub(crate) const MANY: u32 = 100_000;

/// Reads the body. `paths` are taken as they are, and refused unless `rooted`.
///
/// # Errors
/// 400 with every field that is wrong.
pub(crate) fn parse(body: &[u8], rooted: bool) -> Result<JobSpec, Problem> {
    let mut fields = Fields::parse(body)?;
    let spec = read(&mut fields, rooted);
    fields.finish()?;
    // Whatever is not known by field here.
    spec.validate()?;
    Ok(spec)
}

fn read(fields: &mut Fields, rooted: bool) -> JobSpec {
    let target = fields.number("target", 1..=i64::MAX.cast_unsigned());
    if target.is_none() {
        missing(fields, "target", "say how many addresses to collect");
    }
    let defaults = JobOptions::default();
    let sources = sources(fields, rooted);
    let searches = sources.iter().filter(|source| matches!(source, JobSource::Search(_))).count();
    let (search_endpoint, search_lanes) = search_endpoint(fields, searches).unzip();
    let options = JobOptions {
        crawl: crawl(fields),
        max_tasks: fields.number("max_pages", 1..=i64::MAX.cast_unsigned()),
        workers: fields.count("workers", MANY),
        connections_per_worker: fields.count("connections", MANY).unwrap_or(defaults.connections_per_worker),
        rate_limit: fields.seconds("rate_limit").unwrap_or(defaults.rate_limit),
        weight: fields.count("weight", MANY).unwrap_or(defaults.weight),
        time_limit: time_limit(fields, defaults.time_limit),
        per_host: fields.count("per_host", MANY),
        contact: contact(fields),
        classes: classes(fields),
        search_endpoint,
        search_lanes: search_lanes.unwrap_or(1),
        ..defaults
    };
    JobSpec { target: target.unwrap_or(1), sources, options }
}

/// Notes that a field has to be given, unless something is wrong with it anyway.
fn missing(fields: &mut Fields, name: &'static str, mend: &str) {
    if !fields.is_faulty(name) {
        fields.fault(name, format!("`{name}` is missing: {mend}"));
    }
}

fn sources(fields: &mut Fields, rooted: bool) -> Vec<JobSource> {
    let mut sources = Vec::new();
    for (name, source) in [("urls", JobSource::Url as fn(String) -> JobSource), ("sitemaps", JobSource::Sitemap)] {
        for (n, text) in fields.texts(name, MAX_URLS, MAX_URL).into_iter().enumerate().filter(|(_, t)| !t.is_empty()) {
            match parse_source_url(&text) {
                Ok(url) => sources.push(source(url.into())),
                Err(error) => fields.fault(format!("{name}[{n}]"), error.message()),
            }
        }
    }
    sources.extend(fields.texts("searches", MAX_SEARCHES, MAX_QUERY).into_iter().map(JobSource::Search));
    let paths = fields.texts("paths", MAX_PATHS, MAX_PATH);
    if !paths.is_empty() && !rooted {
        fields.fault("paths", "`paths` cannot be used: the server was started without --root");
    }
    sources.extend(paths.into_iter().map(JobSource::Path));
    let none = sources.is_empty();
    if none && !["urls", "sitemaps", "searches", "paths"].into_iter().any(|name| fields.is_faulty(name)) {
        fields.fault("urls", "there is no source: give at least one of `urls`, `sitemaps`, `searches` and `paths`");
    }
    sources
}

fn crawl(fields: &mut Fields) -> Option<Crawl> {
    let crawl = fields.flag("crawl").unwrap_or_default();
    let depth = fields.number("depth", 0..=u64::from(u32::MAX)).and_then(|depth| u32::try_from(depth).ok());
    if depth.is_some() && !crawl {
        fields.fault("depth", "`depth` is for a job that follows links: set `crawl` as well");
    }
    crawl.then_some(Crawl { max_depth: depth.unwrap_or(Crawl::DEPTH) })
}

/// As stores keep it: in whole milliseconds, and none instead of nothing.
fn time_limit(fields: &mut Fields, default: Option<Duration>) -> Option<Duration> {
    let whole = |limit: Duration| Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    fields.seconds("time_limit").map(whole).or(default).filter(|limit| !limit.is_zero())
}

fn contact(fields: &mut Fields) -> Option<String> {
    let contact = fields.text("contact", MAX_TEXT)?;
    if HeaderValue::from_str(&contact).is_err() {
        fields.fault("contact", "`contact` cannot stand in a header: give a page or an address");
    }
    Some(contact)
}

fn classes(fields: &mut Fields) -> ClassFilter {
    let names = fields.texts("include", MAX_CLASSES, MAX_TEXT);
    for (n, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Err(why) = ClassFilter::parse(name) {
            fields.fault(format!("include[{n}]"), why);
        }
    }
    if names.is_empty() { ClassFilter::default() } else { ClassFilter::parse(&names.join(",")).unwrap_or_default() }
}

/// The description of the endpoint, and how many calls of one search may run side by side. Never the name of a file.
fn search_endpoint(fields: &mut Fields, searches: usize) -> Option<(String, u32)> {
    const NAME: &str = "search_endpoint";
    let described = match fields.take(NAME) {
        None => {
            if searches > 0 {
                missing(fields, NAME, "a search needs an endpoint, such as the base URL of a SearXNG");
            }
            return None;
        }
        Some(Value::String(base)) => SearchEndpoint::searxng(&base, 1, SearchEndpoint::SEARXNG_PAGES),
        Some(Value::Object(description)) => Ok(Value::Object(description).to_string()),
        Some(_) => {
            fields.fault(NAME, "`search_endpoint` is neither the base URL of a SearXNG nor an object");
            return None;
        }
    };
    let parsed = described.and_then(|text| SearchEndpoint::parse(&text).map(|endpoint| (text, endpoint)));
    match parsed {
        Ok((_, endpoint)) if endpoint.has_key() => {
            fields
                .fault(NAME, "`key_env`: a key of this machine goes only where `mailscan run --detach` says: use that");
            None
        }
        Ok((_, endpoint)) if searches.saturating_mul(endpoint.lanes() as usize) > MAX_CALLS => {
            fields.fault(NAME, format!("`lanes` times searches is more than {MAX_CALLS}: give fewer"));
            None
        }
        Ok((text, endpoint)) => Some((text, endpoint.lanes())),
        Err(error) => {
            fields.fault(NAME, error.message());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
    use utoipa::PartialSchema;
    use utoipa::openapi::{RefOr, Schema};

    fn wrong(body: &str) -> Vec<String> {
        let problem = parse(body.as_bytes(), false).unwrap_err();
        let body: Value = serde_json::from_slice(&problem.body()).unwrap();
        let fields = body["errors"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap().to_owned());
        fields.collect()
    }

    #[test]
    fn a_job_as_people_ask_for_it() {
        let body = r#"{"target": 9, "urls": ["https://A.org"], "sitemaps": ["https://b.org"], "searches": ["q"],
            "search_endpoint": "https://s.org/", "crawl": true, "rate_limit": 0.25, "time_limit": 0,
            "include": ["role", "literal"], "workers": null}"#;
        let spec = parse(body.as_bytes(), false).unwrap();
        let (url, sitemap) = ("https://a.org/".into(), "https://b.org/".into());
        assert_eq!(spec.sources, [JobSource::Url(url), JobSource::Sitemap(sitemap), JobSource::Search("q".into())]);
        assert_eq!((spec.target, spec.options.crawl), (9, Some(Crawl { max_depth: 5 })));
        assert_eq!((spec.options.rate_limit, spec.options.time_limit), (Duration::from_millis(250), None));
        assert_eq!(spec.options.classes, ClassFilter::parse("role,literal").unwrap());
        assert!(spec.options.search_endpoint.unwrap().contains("https://s.org/search?q={query}"));
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(wrong("{}"), ["target", "urls"]);
        let body = r#"{"target": 0, "urls": ["https://a.org", "ftp://a.org", 3], "sitemaps": ["b.org"], "paths": ["/etc"],
            "depth": 3, "x": 1, "include": ["nobody"], "contact": "a\nb", "searches": ["q"], "weight": 0, "rate_limit": -1}"#;
        let mut found = wrong(body);
        found.sort();
        let expected = [
            "contact",
            "depth",
            "include[0]",
            "paths",
            "rate_limit",
            "search_endpoint",
            "sitemaps[0]",
            "target",
            "urls[1]",
            "urls[2]",
            "weight",
            "x",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn no_file_and_no_key_of_this_machine_can_be_named() {
        let endpoint = |value: &str| format!(r#"{{"target": 1, "searches": ["q"], "search_endpoint": {value}}}"#);
        assert_eq!(wrong(&endpoint(r#""/etc/passwd""#)), ["search_endpoint"]);
        assert_eq!(wrong(&endpoint("7")), ["search_endpoint"]);
        let described =
            r#"{"url": "https://evil.example/?q={query}&p={page}&key={key}", "results": "r", "result_url": "u"}"#;
        let with_key = format!("{}, \"key_env\": \"MAILSCAN_KEY\"}}", described.trim_end_matches('}'));
        assert_eq!(wrong(&endpoint(&with_key)), ["search_endpoint"]);
        let lanes =
            r#"{"url": "https://a.org/?q={query}&p={page}", "results": "r", "result_url": "u", "lanes": 4000000000}"#;
        assert_eq!(wrong(&endpoint(lanes)), ["search_endpoint"]);
    }

    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        let RefOr::T(Schema::Object(schema)) = wire::NewJob::schema() else { panic!("an object") };
        let mut fields = Fields::parse(b"{}").unwrap();
        read(&mut fields, true);
        let mut read: Vec<_> = fields.known().to_vec();
        let mut described: Vec<_> = schema.properties.keys().map(String::as_str).collect();
        read.sort_unstable();
        described.sort_unstable();
        assert_eq!(read, described);
        assert_eq!(schema.required, ["target"]);
    }

    #[test]
    fn the_schema_of_an_endpoint_has_the_fields_that_are_read() {
        let RefOr::T(Schema::Object(schema)) = wire::SearchEndpoint::schema() else { panic!("an object") };
        let unknown = SearchEndpoint::parse(r#"{"?": 1}"#).unwrap_err().to_string();
        let (_, known) = unknown.split_once("expected one of ").expect("the names of all fields");
        // A key of this machine is refused here.
        let mut known: Vec<_> = known.split('`').skip(1).step_by(2).filter(|name| *name != "key_env").collect();
        let mut described: Vec<_> = schema.properties.keys().map(String::as_str).collect();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described);
        let least = r#"{"url": "https://a.org/?q={query}", "results": "r", "result_url": "u"}"#;
        assert!(SearchEndpoint::parse(least).is_ok());
        assert_eq!(schema.required, ["url", "results", "result_url"]);
    }
}
