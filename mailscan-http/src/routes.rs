//! From method, path and query to what is asked for, or to what is wrong with it. Pure.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::JobQuery;

use crate::assets::{self, Asset};
use crate::problem::Problem;
use crate::query::{Query, number};

/// The most entries of a list, and how many there are when nobody says.
const MAX_LIMIT: u64 = 1_000;
const DEFAULT_LIMIT: u64 = 100;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Workers and projected time for so many e-mails.
    Plan(u64),
    /// Jobs.
    Jobs(JobQuery),
    /// One job.
    Job(JobId),
    /// When it will be done.
    Eta(JobId),
    /// Who works on it.
    Workers(JobId),
    /// What went wrong, in at most so many groups.
    Errors(JobId, usize),
    /// Status, workers and ETA in one answer.
    WorkerStatus(JobId),
    /// Memory and load.
    System,
}

impl Route {
    /// Whether the request may have a body, which is then read before the handler is asked.
    pub(crate) const fn takes_body(&self) -> bool {
        false
    }
}

/// What is there: a path, in which `{id}` stands for any text without a slash, and what can be asked of it.
struct Resource {
    path: &'static str,
    operations: &'static [(Verb, Parse)],
}

/// A method that some resource has. `HEAD` goes with `GET`, and every resource has `OPTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
}

type Parse = fn(&Asked<'_>) -> Result<Route, Problem>;

/// A request for a resource that there is.
struct Asked<'a> {
    query: Query<'a>,
    id: &'a str,
}

/// Everything that is there.
const RESOURCES: &[Resource] = {
    use Verb::Get;
    &[
        Resource { path: "/", operations: &[(Get, founding)] },
        Resource { path: "/assets/{id}", operations: &[(Get, |asked| asset(asked, ""))] },
        Resource { path: "/assets/views/{id}", operations: &[(Get, |asked| asset(asked, "views/"))] },
        Resource { path: "/healthz", operations: &[(Get, |asked| asked.query.only(&[]).map(|()| Route::Health))] },
        Resource { path: "/readyz", operations: &[(Get, |asked| asked.query.only(&[]).map(|()| Route::Ready))] },
        Resource { path: "/metrics", operations: &[(Get, |asked| asked.query.only(&[]).map(|()| Route::Metrics))] },
        Resource {
            path: "/api/v1/events",
            operations: &[(Get, |asked| asked.query.only(&[]).map(|()| Route::Events))],
        },
        Resource { path: "/api/v1/jobs/{id}/events", operations: &[(Get, |asked| about(asked, Route::JobEvents))] },
        Resource { path: "/api/v1/plan", operations: &[(Get, plan)] },
        Resource {
            path: "/api/v1/system",
            operations: &[(Get, |asked| asked.query.only(&[]).map(|()| Route::System))],
        },
        Resource { path: "/api/v1/jobs", operations: &[(Get, jobs)] },
        Resource { path: "/api/v1/jobs/{id}", operations: &[(Get, |asked| about(asked, Route::Job))] },
        Resource { path: "/api/v1/jobs/{id}/eta", operations: &[(Get, |asked| about(asked, Route::Eta))] },
        Resource { path: "/api/v1/jobs/{id}/workers", operations: &[(Get, |asked| about(asked, Route::Workers))] },
        Resource { path: "/api/v1/jobs/{id}/errors", operations: &[(Get, errors)] },
    ]
};

/// Where an id stands in a path.
const ID: &str = "{id}";

impl Resource {
    /// The text that stands for the id when the path is this resource's; empty when there is none in it.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (mut own, mut given) = (self.path.split('/'), path.split('/'));
        let mut id = "";
        loop {
            match (own.next(), given.next()) {
                (None, None) => return Some(id),
                (Some(ID), Some(segment)) => id = segment,
                (Some(one), Some(other)) if one == other => {}
                _ => return None,
            }
        }
    }

    /// The methods of the resource, as the header `Allow` lists them.
    fn allow(&self) -> HeaderValue {
        allow(self.operations.iter().map(|(verb, _)| *verb))
    }
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            _ => None,
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
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
        return Ok(Route::Options(allow([Verb::Get].into_iter())));
    }
    let found = RESOURCES.iter().find_map(|resource| Some((resource, resource.matches(path)?)));
    let Some((resource, id)) = found else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"));
    };
    if method == Method::OPTIONS {
        return Ok(Route::Options(resource.allow()));
    }
    let verb = Verb::of(method);
    match resource.operations.iter().find(|(own, _)| Some(*own) == verb) {
        Some((_, parse)) => parse(&Asked { query: Query::parse(query), id }),
        None => {
            let allow = resource.allow();
            let detail = format!("this path has no such method: use one of {}", allow.to_str().unwrap_or_default());
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header(ALLOW, allow))
        }
    }
}

fn asset(Asked { query, id }: &Asked<'_>, folder: &str) -> Result<Route, Problem> {
    query.only(&[])?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the page has no such file");
    assets::find(folder, id).map(Route::Asset).ok_or_else(missing)
}

fn plan(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    query.only(&["emails"])?;
    query.required("emails").map(Route::Plan)
}

fn jobs(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    query.only(&["after", "limit", "status"])?;
    let after = query.number("after")?.unwrap_or(0);
    let statuses = query.text("status")?.map(statuses).transpose()?.unwrap_or_default();
    Ok(Route::Jobs(JobQuery { after, limit: limit(query)?, statuses }))
}

fn statuses(text: &str) -> Result<Vec<JobStatus>, Problem> {
    let wrong = || {
        let known = JobStatus::ALL.map(JobStatus::as_str).join(", ");
        Problem::field("status", format!("`status` is not a list of states: use {known}, with commas between"))
    };
    text.split(',').map(|name| JobStatus::parse(name).ok_or_else(wrong)).collect()
}

fn limit(query: &Query<'_>) -> Result<usize, Problem> {
    match query.number("limit")?.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit as usize),
        _ => Err(Problem::field("limit", format!("`limit` is not from 1 to {MAX_LIMIT}"))),
    }
}

fn about(Asked { query, id }: &Asked<'_>, what: fn(JobId) -> Route) -> Result<Route, Problem> {
    query.only(&[])?;
    number("id", id).map(JobId).map(what)
}

fn errors(Asked { query, id }: &Asked<'_>) -> Result<Route, Problem> {
    query.only(&["limit"])?;
    Ok(Route::Errors(JobId(number("id", id)?), limit(query)?))
}

/// The page; with a query the founding API, whose callers may add parameters of their own, such as one against caches.
fn founding(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    if query.only(&[]).is_ok() {
        return Ok(Route::Asset(&assets::INDEX));
    }
    if query.text("page")? != Some("api") {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such page: the API is at /?page=api and /api/v1"));
    }
    let job = || query.required("job_id").map(JobId);
    match query.text("action")? {
        Some("job-eta") => job().map(Route::Eta),
        Some("job-worker-status") => job().map(Route::WorkerStatus),
        Some("system-resources") => Ok(Route::System),
        _ => {
            let detail = "`action` is none of job-eta, job-worker-status and system-resources";
            Err(Problem::field("action", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Result<Route, Problem> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        route(&Method::GET, path, query)
    }

    #[test]
    fn every_route_is_found() {
        let list = |after, limit, statuses: &[_]| Route::Jobs(JobQuery { after, limit, statuses: statuses.to_vec() });
        for (target, expected) in [
            ("/", Route::Asset(&assets::INDEX)),
            ("/assets/main.js", Route::Asset(assets::find("", "main.js").unwrap())),
            ("/assets/views/jobs.js", Route::Asset(assets::find("views/", "jobs.js").unwrap())),
            ("/healthz", Route::Health),
            ("/readyz", Route::Ready),
            ("/metrics", Route::Metrics),
            ("/api/v1/events", Route::Events),
            ("/api/v1/jobs/7/events", Route::JobEvents(JobId(7))),
            ("/api/v1/plan?emails=10", Route::Plan(10)),
            ("/api/v1/jobs", list(0, 100, &[])),
            ("/api/v1/jobs?after=3&limit=1000", list(3, 1_000, &[])),
            ("/api/v1/jobs?status=running,paused", list(0, 100, &[JobStatus::Running, JobStatus::Paused])),
            ("/api/v1/jobs/7", Route::Job(JobId(7))),
            ("/api/v1/jobs/7/eta", Route::Eta(JobId(7))),
            ("/api/v1/jobs/7/workers", Route::Workers(JobId(7))),
            ("/api/v1/jobs/7/errors", Route::Errors(JobId(7), 100)),
            ("/api/v1/system", Route::System),
            ("/?page=api&action=job-eta&job_id=7", Route::Eta(JobId(7))),
            ("/?page=api&action=job-worker-status&job_id=7&_=1", Route::WorkerStatus(JobId(7))),
            ("/?action=system-resources&page=api", Route::System),
        ] {
            assert_eq!(get(target), Ok(expected), "{target}");
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
            "/?page=home",
        ] {
            assert_eq!(get(target).unwrap_err().status, StatusCode::NOT_FOUND, "{target}");
        }
        assert_eq!(route(&Method::POST, "/x", None).unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(route(&Method::POST, "/healthz", None).unwrap_err().status, StatusCode::METHOD_NOT_ALLOWED);
        let options = Ok(Route::Options(HeaderValue::from_static("GET, HEAD, OPTIONS")));
        assert_eq!(route(&Method::OPTIONS, "/healthz", None), options);
        assert_eq!(route(&Method::OPTIONS, "*", None), options);
    }
}
