//! What changes jobs: begin, pause, resume, cancel, delete.

use std::path::{Path, PathBuf};

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use hyper::http::request::Parts;
use mailscan_core::desk::{self, Change};
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob, Origin};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::store::{Created, Deletion, Store, Transition};

use super::Api;
use crate::fields::Fields;
use crate::new_job::{self, MAX_TEXT};
use crate::problem::{Fault, Problem};
use crate::reply::Reply;
use crate::shown::Shown;
use crate::wire;

/// The header that makes a repeated creation safe.
const KEY: &str = "Idempotency-Key";
/// The longest key, in bytes.
const MAX_KEY: usize = 255;

impl<P: Pipeline> Api<P> {
    /// Begins a job: only its specification is written, whatever its size.
    pub(super) async fn create(&self, head: &Parts, body: &[u8]) -> Result<Reply, Problem> {
        let key = key(head)?;
        let spec = new_job::parse(body, !self.roots.is_empty())?;
        let (spec, origin) = self.below_roots(spec).await?;
        let new = NewJob { origin, ..NewJob::new(spec) };
        // Apart from the keys that other ways into the database make.
        let new = NewJob { key: key.map_or(new.key, |key| format!("api:{key}")), ..new };
        self.works()?;
        let created = self.pipeline.store().create_job(&new).await?;
        let Shown { state: job, outline } = self.find(created.id()).await?;
        if created == Created::Existing(job.id) && self.is_another(job.id, &new.spec).await? {
            let detail = format!("this `{KEY}` has begun job {}, which is another one: use a key of its own", job.id);
            return Err(Problem::with_status(StatusCode::UNPROCESSABLE_ENTITY, KEY, detail));
        }
        let plan = WorkerPlan::asked(job.target, outline.workers, &self.limits);
        let plan = wire::Plan::new(&plan, &self.limits);
        let answer = wire::CreatedJob { job: wire::Job::new(&job, &outline, None, &self.limits), plan };
        let reply = Reply::json(&answer)?.with_status(StatusCode::ACCEPTED);
        Ok(match HeaderValue::try_from(format!("/api/v1/jobs/{}", job.id)) {
            Ok(location) => reply.with_header(LOCATION, location),
            Err(_) => reply,
        })
    }

    /// Whether something else was asked for when the job was begun.
    async fn is_another(&self, id: JobId, spec: &JobSpec) -> Result<bool, Problem> {
        Ok(self.pipeline.store().job(id).await?.is_some_and(|job| job.spec != *spec))
    }

    /// The specification with the whole names of its paths, each below one of the roots, and those roots: whoever reads the
    /// paths later holds to them.
    async fn below_roots(&self, spec: JobSpec) -> Result<(JobSpec, Origin), Problem> {
        if !spec.sources.iter().any(|source| matches!(source, JobSource::Path(_))) {
            return Ok((spec, Origin::Api { roots: Vec::new() }));
        }
        let roots = self.roots.clone();
        let resolved = tokio::task::spawn_blocking(move || resolve(spec, &roots)).await;
        resolved.map_err(|error| {
            tracing::error!(%error, "paths could not be resolved");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        })?
    }

    pub(super) async fn change(&self, id: JobId, change: Change, body: &[u8]) -> Result<Reply, Problem> {
        let mut fields = Fields::parse(body)?;
        let reason = fields.text("reason", MAX_TEXT);
        fields.finish()?;
        let before = self.find(id).await?;
        let to = change.to();
        if change == Change::Resume && desk::would_fail_again(self.pipeline.queue(), &before.state).await? {
            let detail = format!(
                "job {id} has given up all its tasks, and would fail again: try them again by resolving its errors with `retry`"
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        if let Transition::Refused(status) =
            self.pipeline.store().transition(id, change.from(), to, reason.as_deref()).await?
        {
            let detail = format!("job {id} is {status}: it cannot become {to}");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        self.events.changed(id);
        Reply::json(&self.shown(&self.find(id).await?).await?)
    }

    pub(super) async fn delete(&self, id: JobId, body: &[u8]) -> Result<Reply, Problem> {
        Fields::parse(body)?.finish()?;
        match self.pipeline.store().delete_job(id).await? {
            Deletion::Applied => {
                self.deleted.notify_one();
                self.events.deleted(id);
                self.outlines.forget(id);
                Ok(Reply::empty())
            }
            Deletion::Missing => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no job {id}"))),
            Deletion::Refused(status) => {
                let detail = format!("job {id} is {status}: pause or cancel it first");
                Err(Problem::new(StatusCode::CONFLICT, detail))
            }
        }
    }
}

/// The key of a creation, where one is given.
fn key(head: &Parts) -> Result<Option<&str>, Problem> {
    let mut given = head.headers.get_all(KEY).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let key = first.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    match (key, given.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Problem::field(KEY, format!("`{KEY}` is not one text of 1 to {MAX_KEY} visible characters"))),
    }
}

fn resolve(mut spec: JobSpec, roots: &[PathBuf]) -> Result<(JobSpec, Origin), Problem> {
    let mut faults = Vec::new();
    let paths = spec.sources.iter_mut().filter_map(|source| match source {
        JobSource::Path(path) => Some(path),
        _ => None,
    });
    for (n, path) in paths.enumerate() {
        match below(path, roots) {
            Some(whole) => *path = whole,
            // Whether there is something outside of the roots is nobody's business.
            None => {
                let detail = format!("`paths[{n}]` is not a file or folder below a `--root` of the server");
                faults.push(Fault { field: format!("paths[{n}]").into(), detail });
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults.into());
    }
    // A root that is no text holds no path that could be told to the store.
    let roots = roots.iter().filter_map(|root| root.canonicalize().ok()?.into_os_string().into_string().ok()).collect();
    Ok((spec, Origin::Api { roots }))
}

/// The whole name of a path, symbolic links resolved, when it is below a root. One that is not absolute starts from the
/// first root.
fn below(path: &str, roots: &[PathBuf]) -> Option<String> {
    let path = roots.first()?.join(Path::new(path));
    let whole = path.canonicalize().ok()?;
    let inside = roots.iter().any(|root| root.canonicalize().is_ok_and(|root| whole.starts_with(root)));
    if inside { whole.into_os_string().into_string().ok() } else { None }
}
