//! From method, path and query to what is asked for, or to what is wrong with it. Pure.

use hyper::{Method, StatusCode};
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::JobQuery;

use crate::problem::Problem;
use crate::query::{Query, number};

/// The most entries of a list, and how many there are when nobody says.
const MAX_LIMIT: u64 = 1_000;
const DEFAULT_LIMIT: u64 = 100;

/// The methods that every resource has.
pub(crate) const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Which methods there are.
    Options,
    /// Whether the server runs.
    Health,
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

/// What a request asks for.
pub(crate) fn route(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Problem> {
    // `OPTIONS *` asks about the server as a whole.
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let query = Query::parse(query);
    let resource: fn(&Query<'_>, &str) -> Result<Route, Problem> = match segments[..] {
        [""] => founding,
        ["healthz"] => |query, _| query.only(&[]).map(|()| Route::Health),
        ["api", "v1", "plan"] => plan,
        ["api", "v1", "system"] => |query, _| query.only(&[]).map(|()| Route::System),
        ["api", "v1", "jobs"] => jobs,
        ["api", "v1", "jobs", _] => |query, id| about(query, id, Route::Job),
        ["api", "v1", "jobs", _, "eta"] => |query, id| about(query, id, Route::Eta),
        ["api", "v1", "jobs", _, "workers"] => |query, id| about(query, id, Route::Workers),
        ["api", "v1", "jobs", _, "errors"] => errors,
        ["*"] if method == Method::OPTIONS => return Ok(Route::Options),
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")),
    };
    match *method {
        Method::OPTIONS => Ok(Route::Options),
        Method::GET | Method::HEAD => resource(&query, segments.get(3).copied().unwrap_or_default()),
        _ => {
            let detail = format!("this can only be read: use one of {ALLOW}");
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail))
        }
    }
}

fn plan(query: &Query<'_>, _: &str) -> Result<Route, Problem> {
    query.only(&["emails"])?;
    query.required("emails").map(Route::Plan)
}

fn jobs(query: &Query<'_>, _: &str) -> Result<Route, Problem> {
    query.only(&["after", "limit", "status"])?;
    let after = query.number("after")?.unwrap_or(0);
    let statuses = query.text("status")?.map(statuses).transpose()?.unwrap_or_default();
    Ok(Route::Jobs(JobQuery { after, limit: limit(query)?, statuses }))
}

fn statuses(text: &str) -> Result<Vec<JobStatus>, Problem> {
    let wrong = || {
        let known = JobStatus::ALL.map(JobStatus::as_str).join(", ");
        Problem::parameter("status", format!("`status` is not a list of states: use {known}, with commas between"))
    };
    text.split(',').map(|name| JobStatus::parse(name).ok_or_else(wrong)).collect()
}

fn limit(query: &Query<'_>) -> Result<usize, Problem> {
    match query.number("limit")?.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit as usize),
        _ => Err(Problem::parameter("limit", format!("`limit` is not from 1 to {MAX_LIMIT}"))),
    }
}

fn about(query: &Query<'_>, id: &str, what: fn(JobId) -> Route) -> Result<Route, Problem> {
    query.only(&[])?;
    number("id", id).map(JobId).map(what)
}

fn errors(query: &Query<'_>, id: &str) -> Result<Route, Problem> {
    query.only(&["limit"])?;
    Ok(Route::Errors(JobId(number("id", id)?), limit(query)?))
}

/// The founding API, whose callers may add parameters of their own, such as one against caches.
fn founding(query: &Query<'_>, _: &str) -> Result<Route, Problem> {
    if query.text("page")? != Some("api") {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no page here: the API is at /?page=api and /api/v1"));
    }
    let job = || query.required("job_id").map(JobId);
    match query.text("action")? {
        Some("job-eta") => job().map(Route::Eta),
        Some("job-worker-status") => job().map(Route::WorkerStatus),
        Some("system-resources") => Ok(Route::System),
        _ => {
            let detail = "`action` is none of job-eta, job-worker-status and system-resources";
            Err(Problem::parameter("action", detail))
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
            ("/healthz", Route::Health),
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
        for target in ["/", "/x", "/api/v1/jobs/7/x", "/api/v1/jobs/7/eta/x", "/api/v1/plan/", "/?page=home"] {
            assert_eq!(get(target).unwrap_err().status, StatusCode::NOT_FOUND, "{target}");
        }
        assert_eq!(route(&Method::POST, "/x", None).unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(route(&Method::POST, "/healthz", None).unwrap_err().status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(route(&Method::OPTIONS, "/healthz", None), Ok(Route::Options));
        assert_eq!(route(&Method::OPTIONS, "*", None), Ok(Route::Options));
    }
}
