//! How the durable backends write down the specification of a job and the state of workers: JSON, with a default for
//! every field that an older version did not write.

use std::time::Duration;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::class::ClassFilter;
use crate::job::{Crawl, JobId, JobOptions, JobSource, JobSpec, Origin, Outline};
use crate::store::{ErrorSample, JobBound, WorkerState};

/// Text that cannot be read or written as what it is said to be.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// What it is said to be.
    pub(super) what: &'static str,
    /// The text, or why there is none.
    pub(super) text: String,
}

impl Unreadable {
    fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
struct SpecJson {
    target: u64,
    sources: Vec<SourceJson>,
    #[serde(default)]
    options: OptionsJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceJson {
    Url(String),
    Sitemap(String),
    UrlList(String),
    Search(String),
    Path(String),
}

impl From<SourceJson> for JobSource {
    fn from(json: SourceJson) -> Self {
        match json {
            SourceJson::Url(text) => Self::Url(text),
            SourceJson::UrlList(text) => Self::UrlList(text),
            SourceJson::Sitemap(text) => Self::Sitemap(text),
            SourceJson::Search(text) => Self::Search(text),
            SourceJson::Path(text) => Self::Path(text),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct OptionsJson {
    crawl_depth: Option<u32>,
    max_tasks: Option<u64>,
    workers: Option<u32>,
    connections_per_worker: u32,
    rate_limit_us: u64,
    time_limit_ms: Option<u64>,
    weight: u32,
    max_attempts: u32,
    search_endpoint: Option<String>,
    search_lanes: u32,
    per_host: Option<u32>,
    contact: Option<String>,
    /// What [`ClassFilter::parse`] reads.
    include: String,
}

impl Default for OptionsJson {
    fn default() -> Self {
        Self::from(&JobOptions::default())
    }
}

impl From<&JobOptions> for OptionsJson {
    fn from(options: &JobOptions) -> Self {
        let number = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        Self {
            crawl_depth: options.crawl.map(|crawl| crawl.max_depth),
            max_tasks: options.max_tasks,
            workers: options.workers,
            connections_per_worker: options.connections_per_worker,
            rate_limit_us: number(options.rate_limit.as_micros()),
            time_limit_ms: options.time_limit.map(|limit| number(limit.as_millis())),
            weight: options.weight,
            max_attempts: options.max_attempts,
            search_endpoint: options.search_endpoint.clone(),
            search_lanes: options.search_lanes,
            per_host: options.per_host,
            contact: options.contact.clone(),
            include: options.classes.to_string(),
        }
    }
}

impl From<OptionsJson> for JobOptions {
    fn from(json: OptionsJson) -> Self {
        Self {
            crawl: json.crawl_depth.map(|max_depth| Crawl { max_depth }),
            max_tasks: json.max_tasks,
            workers: json.workers,
            connections_per_worker: json.connections_per_worker,
            rate_limit: Duration::from_micros(json.rate_limit_us),
            time_limit: json.time_limit_ms.map(Duration::from_millis),
            weight: json.weight,
            max_attempts: json.max_attempts,
            search_endpoint: json.search_endpoint,
            search_lanes: json.search_lanes,
            per_host: json.per_host,
            contact: json.contact,
            classes: classes(&json.include),
        }
    }
}

/// The classes that are named, without those that only a newer version knows: they are none that this one could bring back.
fn classes(include: &str) -> ClassFilter {
    let known = include.split(',').filter(|name| ClassFilter::parse(name).is_ok());
    ClassFilter::parse(&known.collect::<Vec<_>>().join(",")).unwrap_or_default()
}

/// The specification as JSON.
pub(super) fn encode(spec: &JobSpec) -> Result<String, Unreadable> {
    let source = |source: &JobSource| match source {
        JobSource::Url(text) => SourceJson::Url(text.clone()),
        JobSource::UrlList(text) => SourceJson::UrlList(text.clone()),
        JobSource::Sitemap(text) => SourceJson::Sitemap(text.clone()),
        JobSource::Search(text) => SourceJson::Search(text.clone()),
        JobSource::Path(text) => SourceJson::Path(text.clone()),
    };
    let sources = spec.sources.iter().map(source).collect();
    json(&SpecJson { target: spec.target, sources, options: OptionsJson::from(&spec.options) })
}

/// The specification that [`encode`] wrote, by this version or an older one.
pub(super) fn decode(text: &str) -> Result<JobSpec, Unreadable> {
    let spec: SpecJson = serde_json::from_str(text).map_err(|_| Unreadable::new("job specification", text))?;
    let sources = spec.sources.into_iter().map(JobSource::from).collect();
    Ok(JobSpec { target: spec.target, sources, options: spec.options.into() })
}

/// What lists show of a specification.
#[derive(Deserialize)]
struct OutlineJson {
    sources: FirstSources,
    #[serde(default)]
    options: OptionsJson,
}

/// The first sources, and how many there are: the others are passed over unread.
struct FirstSources {
    first: Vec<JobSource>,
    total: usize,
}

impl<'de> Deserialize<'de> for FirstSources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;

        impl<'de> Visitor<'de> for First {
            type Value = FirstSources;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("a list of sources")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<FirstSources, A::Error> {
                let mut first = Vec::new();
                while first.len() < Outline::SOURCES
                    && let Some(source) = all.next_element::<SourceJson>()?
                {
                    first.push(source.into());
                }
                let mut total = first.len();
                // Where the list is shorter it has ended, and must not be asked again.
                if total == Outline::SOURCES {
                    while all.next_element::<IgnoredAny>()?.is_some() {
                        total += 1;
                    }
                }
                Ok(FirstSources { first, total })
            }
        }

        deserializer.deserialize_seq(First)
    }
}

/// The outline of the specification that [`encode`] wrote, by this version or an older one. That of any other is empty: a list
/// shows the job all the same, and those around it.
pub(super) fn outline(text: &str) -> Outline {
    let Ok(spec) = serde_json::from_str::<OutlineJson>(text) else { return Outline::default() };
    let FirstSources { first, total } = spec.sources;
    Outline { workers: spec.options.workers, sources: first, sources_total: total }
}

/// Who asked for a job: for the API the roots as JSON, and nothing for the operator, as in older databases.
pub(super) fn encode_origin(origin: &Origin) -> Result<Option<String>, Unreadable> {
    match origin {
        Origin::Operator => Ok(None),
        Origin::Api { roots } => json(roots).map(Some),
    }
}

/// The origin that [`encode_origin`] wrote.
pub(super) fn decode_origin(text: Option<&str>) -> Result<Origin, Unreadable> {
    let Some(text) = text else { return Ok(Origin::Operator) };
    let roots = serde_json::from_str(text).map_err(|_| Unreadable::new("roots of a job", text))?;
    Ok(Origin::Api { roots })
}

/// A worker as an array: number, fetches in flight, job, task.
type WorkerJson = (u32, u32, Option<u64>, Option<String>);

/// The workers of a process as JSON.
pub(super) fn encode_workers(workers: &[WorkerState]) -> Result<String, Unreadable> {
    let worker = |w: &WorkerState| (w.worker, w.in_flight, w.job.map(|job| job.0), w.task.clone());
    json(&workers.iter().map(worker).collect::<Vec<WorkerJson>>())
}

/// The workers that [`encode_workers`] wrote.
pub(super) fn decode_workers(text: &str) -> Result<Vec<WorkerState>, Unreadable> {
    let workers: Vec<WorkerJson> = serde_json::from_str(text).map_err(|_| Unreadable::new("list of workers", text))?;
    let worker =
        |(worker, in_flight, job, task): WorkerJson| WorkerState { worker, in_flight, job: job.map(JobId), task };
    Ok(workers.into_iter().map(worker).collect())
}

/// A bound as an array: job, fetches in flight, what bounds them.
type BoundJson = (u64, usize, String);

/// What bounds the jobs of a process as JSON.
pub(super) fn encode_bounds(bounds: &[JobBound]) -> Result<String, Unreadable> {
    let bound = |bound: &JobBound| (bound.job.0, bound.in_flight, bound.bound.clone());
    json(&bounds.iter().map(bound).collect::<Vec<BoundJson>>())
}

/// The bounds that [`encode_bounds`] wrote.
pub(super) fn decode_bounds(text: &str) -> Result<Vec<JobBound>, Unreadable> {
    let bounds: Vec<BoundJson> = serde_json::from_str(text).map_err(|_| Unreadable::new("list of bounds", text))?;
    Ok(bounds.into_iter().map(|(job, in_flight, bound)| JobBound { job: JobId(job), in_flight, bound }).collect())
}

/// A sample of a group of errors as an array: id, label, message.
type SampleJson = (u64, String, String);

/// The samples of a group of errors, as a backend lists them.
pub(super) fn decode_samples(text: &str) -> Result<Vec<ErrorSample>, Unreadable> {
    let samples: Vec<SampleJson> =
        serde_json::from_str(text).map_err(|_| Unreadable::new("samples of errors", text))?;
    Ok(samples.into_iter().map(|(id, label, message)| ErrorSample { id, label, message }).collect())
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Unreadable> {
    serde_json::to_string(value).map_err(|error| Unreadable::new("value to store", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_that_of_the_whole_specification() {
        for sources in [1, Outline::SOURCES - 1, Outline::SOURCES, Outline::SOURCES + 1, 10_000] {
            let url = |n| JobSource::Url(format!("https://a.org/\"{n}\""));
            let mut spec = JobSpec::new(5, (0..sources).map(url).collect());
            spec.options.workers = Some(7);
            let text = encode(&spec).unwrap();
            assert_eq!(outline(&text), spec.outline(), "{sources}");
            assert_eq!(outline(&text), decode(&text).unwrap().outline(), "{sources}");
        }
        for wrong in ["", "{}", r#"{"target": 1}"#, r#"{"target": 1, "sources": 2}"#, r#"{"sources": [{"url": "x"}"#] {
            assert!(decode(wrong).is_err(), "{wrong}");
            assert_eq!(outline(wrong), Outline::default(), "{wrong}");
        }
    }

    #[test]
    fn a_class_that_only_a_newer_version_knows_takes_no_other_with_it() {
        let included = |include: &str| {
            let options = format!(r#"{{"include": "{include}"}}"#);
            decode(&format!(r#"{{"target": 5, "sources": [], "options": {options}}}"#)).unwrap().options.classes
        };
        let role = ClassFilter::parse("role").unwrap();
        assert_eq!(["role", "role,quantum", "quantum, role"].map(included), [role; 3]);
        assert_eq!(included("quantum"), ClassFilter::default());
        assert_eq!(included("all"), ClassFilter::all());
    }

    #[test]
    fn what_an_older_version_left_out_gets_its_default() {
        let spec =
            decode(r#"{"target": 5, "sources": [{"url": "https://a.org/"}], "options": {"weight": 3}}"#).unwrap();
        let expected = JobOptions { weight: 3, ..JobOptions::default() };
        assert_eq!(spec.options, expected);
        assert_eq!(spec.sources, [JobSource::Url("https://a.org/".into())]);
    }
}
