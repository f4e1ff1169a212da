//! What each operation makes of the id in its path and of its parameters, whose names are known to be its own.

use std::time::Duration;

use mailscan_core::export::Format;
use mailscan_core::job::{JobId, JobStatus, seconds};
use mailscan_core::store::{ErrorClass, ErrorQuery, ErrorSelection, GroupKey, GroupQuery, JobQuery};

use super::{AddressQuery, Asked, PlanQuery, Route};
use crate::assets;
use crate::new_job::MANY;
use crate::problem::Problem;
use crate::query::{Query, number};
use hyper::StatusCode;

/// The most entries of a list, and how many there are when nobody says.
pub(crate) const MAX_LIMIT: u64 = 1_000;
pub(crate) const DEFAULT_LIMIT: u64 = 100;
/// The most characters that are searched for: longer than any address.
pub(super) const MAX_SEARCH: usize = 320;

pub(super) fn asset(asked: &Asked<'_>, folder: &str) -> Result<Route, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the page has no such file");
    assets::find(folder, asked.id).map(Route::Asset).ok_or_else(missing)
}

pub(super) fn plan(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    let small = |name| match query.number(name)?.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(value @ 1..=MANY)) => Ok(Some(value)),
        Some(_) => Err(Problem::field(name, format!("`{name}` is not from 1 to {MANY}"))),
    };
    Ok(Route::Plan(PlanQuery {
        emails: query.required("emails")?,
        workers: small("workers")?,
        hosts: match query.number("hosts")? {
            Some(0) => return Err(Problem::field("hosts", "`hosts` is 0: no page comes from nowhere")),
            hosts => hosts,
        },
        connections: small("connections")?,
        per_host: small("per_host")?,
        host_interval: query.text("host_interval")?.map(interval).transpose()?,
    }))
}

fn interval(text: &str) -> Result<Duration, Problem> {
    let wrong = |why: String| Problem::field("host_interval", format!("`host_interval`: {why}"));
    let number = text.parse::<f64>().map_err(|_| wrong("give seconds as a number such as 0.1".to_owned()))?;
    seconds(number).map_err(wrong)
}

pub(super) fn jobs(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    let after = query.number("after")?.unwrap_or(0);
    let statuses = query.text("status")?.map(statuses).transpose()?.unwrap_or_default();
    let descending = match query.text("order")? {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Problem::field("order", "`order` is neither asc nor desc")),
    };
    Ok(Route::Jobs(JobQuery { after, descending, limit: limit(query)?, statuses }))
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

fn job(id: &str) -> Result<JobId, Problem> {
    number("id", id).map(JobId)
}

pub(super) fn about(asked: &Asked<'_>, what: fn(JobId) -> Route) -> Result<Route, Problem> {
    job(asked.id).map(what)
}

pub(super) fn errors(Asked { query, id }: &Asked<'_>) -> Result<Route, Problem> {
    let id = job(id)?;
    let after = query.text("after")?.map(group_key).transpose()?;
    Ok(Route::Errors(id, GroupQuery { of: error_selection(query, Some(id))?, after, limit: limit(query)? }))
}

/// What [`GroupKey`] is in a query.
pub(crate) fn group_text(GroupKey { count, class, code, host }: &GroupKey) -> String {
    format!("{count}.{}.{code}.{host}", class.as_str())
}

fn group_key(text: &str) -> Result<GroupKey, Problem> {
    let mut parts = text.splitn(4, '.');
    let mut next = || parts.next();
    let key = (|| {
        let (count, class) = (next()?.parse().ok()?, ErrorClass::parse(next()?)?);
        Some(GroupKey { count, class, code: next()?.to_owned(), host: next()?.to_owned() })
    })();
    key.ok_or_else(|| Problem::field("after", "`after` is no `next_after` of a page of groups"))
}

pub(super) fn error_list(Asked { query, id }: &Asked<'_>) -> Result<Route, Problem> {
    let id = job(id)?;
    Ok(Route::ErrorList(id, error_query(query, Some(id))?))
}

pub(super) fn all_errors(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    error_query(query, None).map(Route::AllErrors)
}

fn error_query(query: &Query<'_>, job: Option<JobId>) -> Result<ErrorQuery, Problem> {
    let open_only = match query.text("open")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::field("open", "`open` is neither true nor false")),
    };
    let of = error_selection(query, job)?;
    let after = query.number("after")?.unwrap_or(0);
    Ok(ErrorQuery { after, limit: limit(query)?, open_only, of })
}

fn error_selection(query: &Query<'_>, job: Option<JobId>) -> Result<ErrorSelection, Problem> {
    Ok(ErrorSelection {
        ids: Vec::new(),
        job,
        class: query.text("class")?.map(error_class).transpose()?,
        code: query.text("code")?.map(str::to_owned),
        host: query.text("host")?.map(str::to_owned),
    })
}

fn error_class(name: &str) -> Result<ErrorClass, Problem> {
    let wrong = || Problem::field("class", format!("`class` is none of {}", ErrorClass::names()));
    ErrorClass::parse(name).ok_or_else(wrong)
}

pub(super) fn addresses(Asked { query, id }: &Asked<'_>) -> Result<Route, Problem> {
    let search = query.text("search")?.filter(|text| !text.is_empty());
    if search.is_some_and(|text| text.chars().count() > MAX_SEARCH) {
        return Err(Problem::field("search", format!("`search` is longer than {MAX_SEARCH} characters")));
    }
    let after = query.number("after")?.unwrap_or(0);
    let query = AddressQuery { after, limit: limit(query)?, search: search.map(str::to_owned) };
    Ok(Route::Addresses(job(id)?, query))
}

pub(super) fn export(Asked { query, id }: &Asked<'_>) -> Result<Route, Problem> {
    let format = match query.text("format")? {
        None => Format::Csv,
        Some(name) => Format::parse(name).ok_or_else(|| {
            Problem::field("format", format!("`format` is none of {}", Format::ALL.map(Format::as_str).join(", ")))
        })?,
    };
    Ok(Route::Export(job(id)?, format))
}

pub(super) fn founding(Asked { query, .. }: &Asked<'_>) -> Result<Route, Problem> {
    if query.only(std::iter::empty()).is_ok() {
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
