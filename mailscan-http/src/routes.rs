//! From method, path and query to what is asked for, or to what is wrong with it. Pure.

pub(crate) mod parse;
mod table;

use std::time::Duration;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};
use mailscan_core::desk::Change;
use mailscan_core::export::Format;
use mailscan_core::job::JobId;
use mailscan_core::store::{ErrorQuery, GroupQuery, JobQuery};

use crate::assets::Asset;
use crate::problem::Problem;
use crate::query::Query;

pub(crate) use table::RESOURCES;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Route {
    /// Which methods there are.
    Options(HeaderValue),
    /// Whether the server runs.
    Health,
    /// A file of the page.
    Asset(&'static Asset),
    /// Whether the store answers.
    Ready,
    /// Figures for a monitoring system.
    Metrics,
    /// Whatever changes about one job.
    JobEvents(JobId),
    /// Whatever changes about any job.
    Events,
    /// What can be asked.
    OpenApi,
    /// Workers and projected time for so many e-mails.
    Plan(PlanQuery),
    /// Jobs.
    Jobs(JobQuery),
    /// A new job.
    Create,
    /// One job.
    Job(JobId),
    /// Pause, resume or cancel it.
    Change(JobId, Change),
    /// Delete it with all it has.
    Delete(JobId),
    /// When it will be done.
    Eta(JobId),
    /// How fast it collected lately.
    Rates(JobId),
    /// Who works on it.
    Workers(JobId),
    /// What went wrong, in groups.
    Errors(JobId, GroupQuery),
    /// What went wrong, one by one.
    ErrorList(JobId, ErrorQuery),
    /// What went wrong with any job, one by one.
    AllErrors(ErrorQuery),
    /// Resolve errors, perhaps with another try for their tasks.
    Resolve(JobId),
    /// What it has found.
    Addresses(JobId, AddressQuery),
    /// All that it has found.
    Export(JobId, Format),
    /// Who works, on whatever job.
    Nodes,
    /// Status, workers and ETA in one answer.
    WorkerStatus(JobId),
    /// Memory and load.
    System,
}

/// What a plan is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlanQuery {
    pub(crate) emails: u64,
    /// Workers instead of those that the limits give.
    pub(crate) workers: Option<u32>,
    /// The hosts that pages come from, where they are told; what bounds how fast they come is the server's unless given.
    pub(crate) hosts: Option<u64>,
    pub(crate) connections: Option<u32>,
    pub(crate) per_host: Option<u32>,
    pub(crate) host_interval: Option<Duration>,
}

/// Which addresses to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressQuery {
    pub(crate) after: u64,
    pub(crate) limit: usize,
    pub(crate) search: Option<String>,
}

impl Route {
    /// Whether the request may have a body, which is then read before the handler is asked.
    pub(crate) const fn takes_body(&self) -> bool {
        matches!(self, Self::Create | Self::Change(..) | Self::Delete(_) | Self::Resolve(_))
    }
}

/// What is there: a path, in which `{id}` stands for the number of a job, and what can be asked of it.
pub(crate) struct Resource {
    pub(crate) path: &'static str,
    pub(crate) operations: &'static [Operation],
}

/// What can be asked of a resource by one method, as the description of the API tells it.
pub(crate) struct Operation {
    pub(crate) verb: Verb,
    /// A name for programs.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) body: Option<Body>,
    pub(crate) status: StatusCode,
    pub(crate) answer: Answer,
    parse: Parse,
}

/// The body that an operation takes.
pub(crate) struct Body {
    pub(crate) schema: &'static str,
    pub(crate) required: bool,
}

/// A parameter of the query; each may be given once.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) is: Kind,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// What the value of a parameter is.
pub(crate) enum Kind {
    /// A whole number from and to.
    Number(u64, u64),
    /// Seconds.
    Seconds,
    /// Any text.
    Text,
    /// Text of at most so many characters.
    UpTo(usize),
    /// Text of this pattern.
    Like(&'static str),
    /// `true` or `false`.
    Flag,
    /// One of these.
    One(&'static [&'static str]),
    /// Some of these, with commas between.
    Some(&'static [&'static str]),
}

/// What comes back when all is well.
pub(crate) enum Answer {
    /// Nothing.
    Nothing,
    /// JSON by this schema.
    Json(&'static str),
    /// Text of this media type.
    Text(&'static str),
    /// A stream of these events.
    Events(&'static [Event]),
    /// A description of all this, in JSON.
    OpenApi,
    /// Addresses in one of the formats of an export.
    Export,
}

/// One kind of event of a stream.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    /// What its data is: JSON by one of these schemas.
    pub(crate) data: &'static [&'static str],
    pub(crate) about: &'static str,
}

/// A method that some resource has. `HEAD` goes with `GET`, and every resource has `OPTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Delete,
}

type Parse = fn(&Asked<'_>) -> Result<Route, Problem>;

/// A request for a resource that there is.
struct Asked<'a> {
    query: Query<'a>,
    id: &'a str,
}

/// Where the number of a job stands in a path.
pub(crate) const ID: &str = "{id}";

impl Resource {
    /// The text that stands for the id when the path is this resource's; empty when there is none in it.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (mut own, mut given) = (self.path.split('/'), path.split('/'));
        let mut id = "";
        loop {
            match (own.next(), given.next()) {
                (None, None) => return Some(id),
                (Some(ID), Some(segment)) if !segment.is_empty() => id = segment,
                (Some(one), Some(other)) if one == other => {}
                _ => return None,
            }
        }
    }

    /// The methods of the resource, as the header `Allow` lists them.
    fn allow(&self) -> HeaderValue {
        allow(self.operations.iter().map(|operation| operation.verb))
    }
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

fn allow(verbs: impl Iterator<Item = Verb>) -> HeaderValue {
    let names: Vec<_> = verbs.map(Verb::methods).chain(["OPTIONS"]).collect();
    // Names of methods may always stand in a header.
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// What a request asks for.
pub(crate) fn route(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Problem> {
    // `OPTIONS *` asks about the server as a whole.
    if path == "*" && method == Method::OPTIONS {
        return Ok(Route::Options(allow([Verb::Get, Verb::Post, Verb::Delete].into_iter())));
    }
    let found = RESOURCES.iter().chain(table::PAGE).find_map(|resource| Some((resource, resource.matches(path)?)));
    let Some((resource, id)) = found else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"));
    };
    if method == Method::OPTIONS {
        return Ok(Route::Options(resource.allow()));
    }
    let verb = Verb::of(method);
    match resource.operations.iter().find(|operation| Some(operation.verb) == verb) {
        Some(operation) => {
            let query = Query::parse(query);
            // The callers of the founding API may add parameters of their own, such as one against caches.
            if resource.path != table::FOUNDING {
                query.only(operation.parameters.iter().map(|parameter| parameter.name))?;
            }
            (operation.parse)(&Asked { query, id })
        }
        None => {
            let allow = resource.allow();
            let detail = format!("this path has no such method: use one of {}", allow.to_str().unwrap_or_default());
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header(ALLOW, allow))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets;
    use mailscan_core::job::JobStatus;
    use mailscan_core::store::{ErrorClass, ErrorSelection, GroupKey};

    fn asked(method: &Method, target: &str) -> Result<Route, Problem> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        route(method, path, query)
    }

    #[test]
    fn every_route_is_found() {
        let id = JobId(7);
        let jobs = |query: JobQuery| Route::Jobs(JobQuery { limit: query.limit.max(1), ..query });
        let list = |after, limit, statuses: &[_]| {
            jobs(JobQuery { after, limit, statuses: statuses.to_vec(), descending: false })
        };
        let plain = PlanQuery { emails: 10, ..PlanQuery::default() };
        let fully = PlanQuery {
            emails: 10,
            workers: Some(3),
            hosts: Some(2),
            connections: Some(4),
            per_host: Some(5),
            host_interval: Some(Duration::from_millis(500)),
        };
        let class = ErrorClass::parse("permanent").unwrap();
        let key = GroupKey { count: 12, class, code: "http-404".to_owned(), host: "a.org".to_owned() };
        let groups = |host: Option<&str>, after| {
            let of = ErrorSelection { job: Some(id), host: host.map(str::to_owned), ..ErrorSelection::default() };
            GroupQuery { of, after, limit: 100 }
        };
        let of = ErrorSelection { job: Some(id), host: Some("a.org".to_owned()), ..ErrorSelection::default() };
        let all = ErrorSelection { job: None, ..of.clone() };
        let addresses = AddressQuery { after: 3, limit: 9, search: Some("ann".to_owned()) };
        for (target, expected) in [
            ("/", Route::Asset(&assets::INDEX)),
            ("/assets/main.js", Route::Asset(assets::find("", "main.js").unwrap())),
            ("/assets/views/jobs.js", Route::Asset(assets::find("views/", "jobs.js").unwrap())),
            ("/healthz", Route::Health),
            ("/readyz", Route::Ready),
            ("/metrics", Route::Metrics),
            ("/api/v1/events", Route::Events),
            ("/api/v1/jobs/7/events", Route::JobEvents(JobId(7))),
            ("/openapi.json", Route::OpenApi),
            ("/api/v1/plan?emails=10", Route::Plan(plain)),
            ("/api/v1/plan?emails=10&workers=3&hosts=2&connections=4&per_host=5&host_interval=0.5", Route::Plan(fully)),
            ("/api/v1/jobs", list(0, 100, &[])),
            ("/api/v1/jobs?after=3&limit=1000", list(3, 1_000, &[])),
            ("/api/v1/jobs?status=running,paused", list(0, 100, &[JobStatus::Running, JobStatus::Paused])),
            ("/api/v1/jobs?order=desc", jobs(JobQuery { limit: 100, descending: true, ..JobQuery::default() })),
            ("/api/v1/jobs/7", Route::Job(id)),
            ("/api/v1/jobs/7/eta", Route::Eta(id)),
            ("/api/v1/jobs/7/rates", Route::Rates(id)),
            ("/api/v1/jobs/7/workers", Route::Workers(id)),
            ("/api/v1/jobs/7/errors", Route::Errors(id, groups(None, None))),
            (
                "/api/v1/jobs/7/errors?after=12.permanent.http-404.a.org&host=a.org",
                Route::Errors(id, groups(Some("a.org"), Some(key))),
            ),
            (
                "/api/v1/jobs/7/errors/list?open=true&host=a.org&limit=5",
                Route::ErrorList(id, ErrorQuery { after: 0, limit: 5, open_only: true, of }),
            ),
            ("/api/v1/errors", Route::AllErrors(ErrorQuery { limit: 100, ..ErrorQuery::default() })),
            (
                "/api/v1/errors?host=a.org&after=3",
                Route::AllErrors(ErrorQuery { after: 3, limit: 100, open_only: false, of: all }),
            ),
            ("/api/v1/jobs/7/addresses?search=ann&after=3&limit=9", Route::Addresses(id, addresses)),
            ("/api/v1/jobs/7/export", Route::Export(id, Format::Csv)),
            ("/api/v1/jobs/7/export?format=jsonl", Route::Export(id, Format::Jsonl)),
            ("/api/v1/workers", Route::Nodes),
            ("/api/v1/system", Route::System),
            ("/?page=api&action=job-eta&job_id=7", Route::Eta(id)),
            ("/?page=api&action=job-worker-status&job_id=7&_=1", Route::WorkerStatus(id)),
            ("/?action=system-resources&page=api", Route::System),
        ] {
            assert_eq!(asked(&Method::GET, target), Ok(expected), "{target}");
        }
        for (method, target, expected) in [
            (Method::POST, "/api/v1/jobs", Route::Create),
            (Method::DELETE, "/api/v1/jobs/7", Route::Delete(id)),
            (Method::POST, "/api/v1/jobs/7/pause", Route::Change(id, Change::Pause)),
            (Method::POST, "/api/v1/jobs/7/resume", Route::Change(id, Change::Resume)),
            (Method::POST, "/api/v1/jobs/7/cancel", Route::Change(id, Change::Cancel)),
            (Method::POST, "/api/v1/jobs/7/errors/resolve", Route::Resolve(id)),
        ] {
            assert_eq!(asked(&method, target), Ok(expected), "{target}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_whatever_the_method() {
        for target in [
            "/x",
            "/assets/x.js",
            "/assets/jobs.js",
            "/assets/..",
            "/api/v1/jobs/7/x",
            "/api/v1/jobs/7/eta/x",
            "/api/v1/plan/",
            "/api/v1/jobs/",
            "/api/v1/jobs//eta",
            "/?page=home",
        ] {
            assert_eq!(asked(&Method::GET, target).unwrap_err().status, StatusCode::NOT_FOUND, "{target}");
        }
        assert_eq!(asked(&Method::POST, "/x").unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(asked(&Method::GET, "/api/v1/jobs/7/pause").unwrap_err().status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn every_path_says_which_methods_it_has() {
        let methods = |target: &str| match asked(&Method::OPTIONS, target) {
            Ok(Route::Options(methods)) => methods.to_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(methods("/healthz"), "GET, HEAD, OPTIONS");
        assert_eq!(methods("/api/v1/jobs"), "GET, HEAD, POST, OPTIONS");
        assert_eq!(methods("/api/v1/jobs/7"), "GET, HEAD, DELETE, OPTIONS");
        assert_eq!(methods("/api/v1/jobs/7/cancel"), "POST, OPTIONS");
        assert_eq!(methods("*"), "GET, HEAD, POST, DELETE, OPTIONS");
    }
}
