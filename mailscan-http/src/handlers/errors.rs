//! The error desk: what went wrong, in groups and one by one, and what people do about it.

use std::collections::{BTreeMap, HashMap};

use hyper::StatusCode;
use mailscan_core::desk::{self, Resolved};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::store::{ErrorClass, ErrorQuery, ErrorSelection, GroupQuery, Store, WorkerError};

use super::{Api, page};
use crate::fields::Fields;
use crate::new_job::MAX_TEXT;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::routes::parse::group_text;
use crate::wire;

/// The most errors that can be named one by one.
const MAX_IDS: usize = 10_000;

impl<P: Pipeline> Api<P> {
    pub(super) async fn errors(&self, id: JobId, query: &GroupQuery) -> Result<Reply, Problem> {
        self.find(id).await?;
        let read = GroupQuery { limit: query.limit + 1, ..query.clone() };
        let groups = self.pipeline.store().error_groups(&read).await?;
        let (groups, next_after) = page(groups, query.limit, |group| group_text(&group.key()));
        let groups = groups.iter().map(wire::ErrorGroup::from).collect();
        Reply::json(&wire::Errors { job_id: id.0, groups, next_after })
    }

    pub(super) async fn error_list(&self, id: JobId, query: &ErrorQuery) -> Result<Reply, Problem> {
        self.find(id).await?;
        let (errors, next_after) = self.error_page(query).await?;
        let outcomes = desk::outcomes(self.pipeline.queue(), id, &errors).await?;
        let errors = errors.iter().zip(outcomes).map(|(error, outcome)| wire::ErrorRow::new(error, outcome)).collect();
        Reply::json(&wire::ErrorList { job_id: id.0, errors, next_after })
    }

    /// Errors, and after which one the next page goes on.
    async fn error_page(&self, query: &ErrorQuery) -> Result<(Vec<WorkerError>, Option<u64>), Problem> {
        let read = ErrorQuery { limit: query.limit + 1, ..query.clone() };
        Ok(page(self.pipeline.store().errors(&read).await?, query.limit, |error| error.id))
    }

    /// Errors of all jobs. What came of trying tasks again is asked of each job that has such ones on the page.
    pub(super) async fn all_errors(&self, query: &ErrorQuery) -> Result<Reply, Problem> {
        let (errors, next_after) = self.error_page(query).await?;
        let mut retried: BTreeMap<JobId, Vec<WorkerError>> = BTreeMap::new();
        for row in errors.iter().filter(|row| row.resolved.as_ref().is_some_and(|resolution| resolution.retried)) {
            retried.entry(row.error.job).or_default().push(row.clone());
        }
        let mut known = HashMap::new();
        for (job, rows) in retried {
            let outcomes = desk::outcomes(self.pipeline.queue(), job, &rows).await?;
            known.extend(rows.iter().map(|row| row.id).zip(outcomes));
        }
        let shown = |row: &WorkerError| wire::ErrorRow::new(row, known.get(&row.id).copied().flatten());
        Reply::json(&wire::AllErrors { errors: errors.iter().map(shown).collect(), next_after })
    }

    pub(super) async fn resolve(&self, id: JobId, body: &[u8]) -> Result<Reply, Problem> {
        let wanted = Wanted::parse(id, body)?;
        self.find(id).await?;
        let (queue, store) = (self.pipeline.queue(), self.pipeline.store());
        let by_id = !wanted.selection.ids.is_empty();
        let found = self.count(&wanted.selection).await?;
        if found == 0 {
            let detail = format!("job {id} has no such error: nothing was resolved");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
        let resolved = if wanted.retry {
            let Wanted { selection, note, up_to, .. } = &wanted;
            desk::retry_errors_within(queue, store, selection, note, *up_to, self.retry_for).await?
        } else {
            let errors = store.resolve_errors(&wanted.selection, &wanted.note, false).await?;
            Resolved { errors, ..Resolved::default() }
        };
        Reply::json(&wire::Resolved::new(resolved, by_id.then_some(found)))
    }

    /// How many errors there are that a selection names, resolved ones included. Only those with ids are counted one by
    /// one, since there can be any number of others: of those 1 stands for all.
    async fn count(&self, selection: &ErrorSelection) -> Result<u64, Problem> {
        let limit = if selection.ids.is_empty() { 1 } else { MAX_IDS };
        let query = ErrorQuery { after: 0, limit, open_only: false, of: selection.clone() };
        Ok(self.pipeline.store().errors(&query).await?.len() as u64)
    }
}

/// What is to be resolved.
struct Wanted {
    selection: ErrorSelection,
    note: String,
    retry: bool,
    /// The newest error that is tried again.
    up_to: Option<u64>,
}

impl Wanted {
    fn parse(id: JobId, body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::parse(body)?;
        let selection = ErrorSelection {
            ids: fields.numbers("ids", MAX_IDS),
            job: Some(id),
            class: class(&mut fields),
            code: fields.text("code", MAX_TEXT),
            host: fields.text("host", MAX_TEXT),
        };
        let note = fields.text("note", MAX_TEXT);
        if note.is_none() && !fields.is_faulty("note") {
            fields.fault("note", "`note` is missing: say what was done about them");
        }
        let retry = fields.flag("retry").unwrap_or_default();
        let up_to = fields.number("up_to", 0..=i64::MAX.unsigned_abs());
        if up_to.is_some() && !retry {
            fields.fault("up_to", "`up_to` says how far a retry goes: give it with `retry` only");
        }
        fields.finish()?;
        if selection == (ErrorSelection { job: Some(id), ..ErrorSelection::default() }) {
            let detail = "name the errors to resolve by at least one of `ids`, `class`, `code` and `host`";
            return Err(Problem::with_status(StatusCode::BAD_REQUEST, "ids", detail));
        }
        Ok(Self { selection, note: note.unwrap_or_default(), retry, up_to })
    }
}

fn class(fields: &mut Fields) -> Option<ErrorClass> {
    let name = fields.text("class", MAX_TEXT)?;
    let class = ErrorClass::parse(&name);
    if class.is_none() {
        fields.fault("class", format!("`class` is none of {}", ErrorClass::names()));
    }
    class
}
