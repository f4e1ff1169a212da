//! Everything that can be asked, in one table: what is routed, and what the description of the API says.

use hyper::StatusCode;
use mailscan_core::desk::Change;
use mailscan_core::export::Format;
use mailscan_core::job::JobStatus;
use mailscan_core::store::ErrorClass;

use super::parse::{self, MAX_LIMIT, MAX_SEARCH};
use super::{Answer, Asked, Body, Event, Kind, Operation, Parameter, Parse, Resource, Route, Verb};
use crate::metrics::MEDIA as METRICS;
use crate::new_job::MANY;
use crate::problem::Problem;

/// Where the founding API is.
pub(super) const FOUNDING: &str = "/";

const AFTER: Parameter =
    optional("after", Kind::Number(0, u64::MAX), "go on after this id: `next_after` of the page before");
/// The names of all values of a type, in the order of its `ALL`.
macro_rules! names {
    ($type:ty) => {
        &{
            let (mut names, mut n) = ([""; <$type>::ALL.len()], 0);
            while n < names.len() {
                names[n] = <$type>::ALL[n].as_str();
                n += 1;
            }
            names
        }
    };
}

/// The names of all classes of errors.
const ERROR_CLASSES: &[&str] = names!(ErrorClass);
/// The names of all states of jobs.
const STATUSES: &[&str] = names!(JobStatus);
/// The names of all formats of an export.
const FORMATS: &[&str] = names!(Format);
const LIMIT: Parameter = optional("limit", Kind::Number(1, MAX_LIMIT), "the most entries; 100 when it is left out");
/// The place of a group: how many errors it had, their class, code and host.
const GROUP_KEY: &str = r"^[0-9]{1,18}\.(retried|partial|blocked|permanent|exhausted|quarantined)\.[!--/-~]*\.[!-~]*$";
/// Which groups of errors are listed.
const GROUPS: &[Parameter] = &[
    optional("after", Kind::Like(GROUP_KEY), "go on after this group: `next_after` of the page before"),
    LIMIT,
    optional("class", Kind::One(ERROR_CLASSES), "only of this class"),
    optional("code", Kind::Text, "only with this code"),
    optional("host", Kind::Text, "only at this host"),
];
/// Which errors are listed.
const ERRORS: &[Parameter] = &[
    AFTER,
    LIMIT,
    optional("class", Kind::One(ERROR_CLASSES), "only of this class"),
    optional("code", Kind::Text, "only with this code"),
    optional("host", Kind::Text, "only at this host"),
    optional("open", Kind::Flag, "`true`: only what nobody has resolved"),
];

/// What is told of all jobs.
const LIST_EVENTS: &[Event] = &[
    Event {
        name: "job",
        data: &["Job"],
        about: "A job is new or has changed, its end included. Whoever comes for the first time is told those that may still \
                change. Of more than 1,024 such jobs those are followed that run, and the newest of the others. That one \
                which had failed is cancelled is told only if that was done by this server",
    },
    Event {
        name: "deleted",
        data: &["Deleted"],
        about: "A job is gone. Of one that was settled only if it was deleted by this server",
    },
    Event {
        name: "snapshot",
        data: &["Snapshot"],
        about: "What happened since `Last-Event-ID` is not known any more: all jobs that may still change are these, and \
                any other has to be looked at anew. Known are the last minute without a listener, and the last 1,024 jobs \
                that ended or are gone",
    },
];
/// What is told of one job.
const JOB_EVENTS: &[Event] = &[
    Event {
        name: "progress",
        data: &["Progress"],
        about: "How the job stands. Whoever comes, for the first time or again, is told so at once; `id` is the moment",
    },
    Event { name: "end", data: &["Job", "Gone"], about: "The job is settled or deleted; nothing comes after it" },
];

const fn optional(name: &'static str, is: Kind, about: &'static str) -> Parameter {
    Parameter { name, is, required: false, about }
}

const fn required(name: &'static str, is: Kind, about: &'static str) -> Parameter {
    Parameter { name, is, required: true, about }
}

const fn get(
    id: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    answer: Answer,
    parse: Parse,
) -> Operation {
    Operation { verb: Verb::Get, id, summary, parameters, body: None, status: StatusCode::OK, answer, parse }
}

const fn post(
    id: &'static str,
    summary: &'static str,
    body: &'static str,
    status: StatusCode,
    answer: &'static str,
    parse: Parse,
) -> Operation {
    let (body, answer) = (Some(Body { schema: body, required: true }), Answer::Json(answer));
    Operation { verb: Verb::Post, id, summary, parameters: &[], body, status, answer, parse }
}

/// Everything that is there.
pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        path: FOUNDING,
        operations: &[get(
            "founding",
            "The founding API: an estimate, the workers of a job, or the resources of this process",
            &[
                required("page", Kind::One(&["api"]), "always `api`"),
                required(
                    "action",
                    Kind::One(&["job-eta", "job-worker-status", "system-resources"]),
                    "what is asked for; both of `job` need `job_id`",
                ),
                optional("job_id", Kind::Number(0, u64::MAX), "the job"),
            ],
            Answer::Json("Founding"),
            parse::founding,
        )],
    },
    Resource {
        path: "/healthz",
        operations: &[get("health", "Whether the server runs", &[], Answer::Json("Health"), |_| Ok(Route::Health))],
    },
    Resource {
        path: "/readyz",
        operations: &[get(
            "ready",
            "Whether the store answers, takes what is written, and the engine of this process works",
            &[],
            Answer::Json("Health"),
            |_| Ok(Route::Ready),
        )],
    },
    Resource {
        path: "/metrics",
        operations: &[get(
            "metrics",
            "Figures for Prometheus; while the database does not answer (`mailscan_database_up 0`) those of this process alone",
            &[],
            Answer::Text(METRICS),
            |_| Ok(Route::Metrics),
        )],
    },
    Resource {
        path: "/api/v1/events",
        operations: &[get(
            "events",
            "Live events of all jobs; `Last-Event-ID` asks for those since that one",
            &[],
            Answer::Events(LIST_EVENTS),
            |_| Ok(Route::Events),
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/events",
        operations: &[get("jobEvents", "Live events of one job", &[], Answer::Events(JOB_EVENTS), |asked| {
            parse::about(asked, Route::JobEvents)
        })],
    },
    Resource {
        path: "/openapi.json",
        operations: &[get("openapi", "What can be asked", &[], Answer::OpenApi, |_| Ok(Route::OpenApi))],
    },
    Resource {
        path: "/api/v1/plan",
        operations: &[get(
            "plan",
            "Workers and projected time for a number of e-mails",
            &[
                required("emails", Kind::Number(0, u64::MAX), "how many e-mails are to be collected"),
                optional("workers", Kind::Number(1, MANY as u64), "workers instead of the planned number"),
                optional(
                    "hosts",
                    Kind::Number(1, u64::MAX),
                    "hosts that the pages come from: tells the pages a second, where each takes as long as the projection says",
                ),
                optional(
                    "per_host",
                    Kind::Number(1, MANY as u64),
                    "the most requests to one host at a time; as the server was started (8) when it is left out",
                ),
                optional(
                    "host_interval",
                    Kind::Seconds,
                    "seconds between two requests to one host; as the server was started (0.1) when it is left out",
                ),
                optional("connections", Kind::Number(1, MANY as u64), "connections of one worker; 100"),
            ],
            Answer::Json("Plan"),
            parse::plan,
        )],
    },
    Resource {
        path: "/api/v1/system",
        operations: &[get("system", "Memory and load", &[], Answer::Json("System"), |_| Ok(Route::System))],
    },
    Resource {
        path: "/api/v1/workers",
        operations: &[get("nodes", "Every process and its workers", &[], Answer::Json("Nodes"), |_| Ok(Route::Nodes))],
    },
    Resource {
        path: "/api/v1/jobs",
        operations: &[
            get(
                "listJobs",
                "Jobs by id",
                &[
                    AFTER,
                    LIMIT,
                    optional("status", Kind::Some(STATUSES), "only these states, with commas between"),
                    optional(
                        "order",
                        Kind::One(&["asc", "desc"]),
                        "`desc` is the newest first, and `after` is then below",
                    ),
                ],
                Answer::Json("Jobs"),
                parse::jobs,
            ),
            post("createJob", "Begin a job", "NewJob", StatusCode::ACCEPTED, "CreatedJob", |_| Ok(Route::Create)),
        ],
    },
    Resource {
        path: "/api/v1/jobs/{id}",
        operations: &[
            get("job", "One job with its queue", &[], Answer::Json("Job"), |asked| parse::about(asked, Route::Job)),
            Operation {
                verb: Verb::Delete,
                id: "deleteJob",
                summary: "Delete a job that is settled or paused, with all that it has found",
                parameters: &[],
                body: None,
                status: StatusCode::NO_CONTENT,
                answer: Answer::Nothing,
                parse: |asked| parse::about(asked, Route::Delete),
            },
        ],
    },
    change("/api/v1/jobs/{id}/pause", &[change_by("pauseJob", "Stop a job for now", pause)]),
    change(
        "/api/v1/jobs/{id}/resume",
        &[change_by(
            "resumeJob",
            "Leave a job to running workers again, unless all that is left of it was given up",
            resume,
        )],
    ),
    change("/api/v1/jobs/{id}/cancel", &[change_by("cancelJob", "End a job for good; what it has is kept", cancel)]),
    Resource {
        path: "/api/v1/jobs/{id}/eta",
        operations: &[get("eta", "When a job will be done", &[], Answer::Json("Eta"), |asked| {
            parse::about(asked, Route::Eta)
        })],
    },
    Resource {
        path: "/api/v1/jobs/{id}/rates",
        operations: &[get(
            "rates",
            "How fast a job collected in the last ten minutes",
            &[],
            Answer::Json("Rates"),
            |asked| parse::about(asked, Route::Rates),
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/workers",
        operations: &[get("workers", "Who works on a job", &[], Answer::Json("Workers"), |asked| {
            parse::about(asked, Route::Workers)
        })],
    },
    Resource {
        path: "/api/v1/jobs/{id}/errors",
        operations: &[get(
            "errorGroups",
            "What went wrong, by class, code and host, the most frequent first",
            GROUPS,
            Answer::Json("Errors"),
            parse::errors,
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/errors/list",
        operations: &[get(
            "listErrors",
            "What went wrong, one by one",
            ERRORS,
            Answer::Json("ErrorList"),
            parse::error_list,
        )],
    },
    Resource {
        path: "/api/v1/errors",
        operations: &[get(
            "listAllErrors",
            "What went wrong with any job, one by one",
            ERRORS,
            Answer::Json("AllErrors"),
            parse::all_errors,
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/errors/resolve",
        operations: &[post(
            "resolveErrors",
            "Mark open errors as resolved, perhaps with another try for what was given up",
            "Resolve",
            StatusCode::OK,
            "Resolved",
            |asked| parse::about(asked, Route::Resolve),
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/addresses",
        operations: &[get(
            "addresses",
            "What a job has found, in the order in which it was found",
            &[
                AFTER,
                LIMIT,
                optional(
                    "search",
                    Kind::UpTo(MAX_SEARCH),
                    "only what contains this text, letter case aside; whole labels of a domain may be in any script",
                ),
            ],
            Answer::Json("Addresses"),
            parse::addresses,
        )],
    },
    Resource {
        path: "/api/v1/jobs/{id}/export",
        operations: &[get(
            "export",
            "All that a job has found; in CSV, cells that a spreadsheet would run are marked as text",
            &[optional("format", Kind::One(FORMATS), "`csv` when it is left out")],
            Answer::Export,
            parse::export,
        )],
    },
];

/// The files of the page, which are for people and no part of what is described. The page itself is at [`FOUNDING`].
pub(crate) const PAGE: &[Resource] = &[
    Resource { path: "/assets/{id}", operations: &[file(|asked| parse::asset(asked, ""))] },
    Resource { path: "/assets/views/{id}", operations: &[file(|asked| parse::asset(asked, "views/"))] },
];

const fn file(parse: Parse) -> Operation {
    get("file", "A file of the page", &[], Answer::Text("text/*"), parse)
}

const fn change(path: &'static str, operations: &'static [Operation]) -> Resource {
    Resource { path, operations }
}

const fn change_by(id: &'static str, summary: &'static str, parse: Parse) -> Operation {
    let body = Some(Body { schema: "Reason", required: false });
    Operation { body, ..post(id, summary, "Reason", StatusCode::OK, "Job", parse) }
}

fn pause(asked: &Asked<'_>) -> Result<Route, Problem> {
    parse::about(asked, |id| Route::Change(id, Change::Pause))
}

fn resume(asked: &Asked<'_>) -> Result<Route, Problem> {
    parse::about(asked, |id| Route::Change(id, Change::Resume))
}

fn cancel(asked: &Asked<'_>) -> Result<Route, Problem> {
    parse::about(asked, |id| Route::Change(id, Change::Cancel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_group_may_be_of_any_class() {
        assert!(GROUP_KEY.contains(&format!("({})", ERROR_CLASSES.join("|"))), "{GROUP_KEY}");
    }
}
