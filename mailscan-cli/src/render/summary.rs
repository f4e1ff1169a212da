//! The end of a run in a few lines: what was found, what failed, who refused, and where the results are.

use mailscan_core::eta::format_seconds;
use mailscan_core::job::{Job, JobId, JobStatus};
use mailscan_core::store::ErrorGroup;
use mailscan_core::task::{Depth, LOCAL_HOST, SEARCH_HOST};

use super::{counted, escape, grouped, left_out};
use crate::wire::{is_shared, shown};

/// How many hosts that refused are named.
const HOSTS: usize = 10;

/// Who refused what a job asked for.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    /// Those that are named, who refused most.
    first: Vec<ErrorGroup>,
    /// How many others there are.
    more: u64,
}

impl Blocked {
    /// Notes a group of refusals, unless somebody has looked at all of it. Those with most come first.
    pub(crate) fn note(&mut self, group: ErrorGroup) {
        match group.open {
            0 => {}
            _ if self.first.len() < HOSTS => self.first.push(group),
            _ => self.more += 1,
        }
    }
}

/// How a job goes on that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// When it is resumed.
    Resumed,
    /// When its errors are resolved with another try.
    Retried,
    /// Not any more: all was given up, and its errors are resolved.
    Never,
}

/// The summary of a job of which so many sources were read only in part, a line each.
pub(crate) fn lines((job, onward): (&Job, Onward), depth: &Depth, partial: u64, blocked: &Blocked, db: &str) -> String {
    let mut text = format!(
        "job {} {}: {} of {} in {}",
        job.id,
        job.status,
        counted(job.collected, "address", "addresses"),
        grouped(job.spec.target),
        format_seconds(job.active.as_secs()),
    );
    if let Some(reason) = &job.reason {
        text.push_str(&format!(" ({})", escape(reason)));
    }
    text.push('\n');
    text.push_str(&format!("read: {}", counted(depth.done, "page, call or file", "pages, calls and files")));
    if depth.open() > 0 {
        text.push_str(&format!("; not read: {}", grouped(depth.open())));
    }
    text.push('\n');
    if let Some(left_out) = left_out(&depth.left_out) {
        text.push_str(&format!("{left_out}, mentions all\n"));
    }
    let failed = depth.failed + depth.quarantined;
    if failed > 0 {
        text.push_str(&format!("failed: {}\n", grouped(failed)));
    }
    if partial > 0 {
        text.push_str(&format!("read only in part: {}\n", grouped(partial)));
    }
    for group in &blocked.first {
        let (host, code) = (escape(place(&group.host)), escape(&group.code));
        text.push_str(&format!(
            "blocked by {host}: {} ({code}), which says nothing of what it holds\n",
            grouped(group.open)
        ));
    }
    if blocked.more > 0 {
        let more = grouped(blocked.more);
        text.push_str(&format!("blocked by {more} more: `mailscan errors {}{}` names them\n", job.id, at(db)));
    } else if failed + depth.blocked + partial > 0 {
        text.push_str(&format!("look at what went wrong: mailscan errors {}{}\n", job.id, at(db)));
    }
    let is_unfinished = matches!(job.status, JobStatus::Paused | JobStatus::Failed | JobStatus::Running);
    match onward {
        Onward::Retried => text.push_str(&format!("try again what was given up: {}\n", again(job.id, db))),
        Onward::Resumed if is_unfinished => {
            text.push_str(&format!("go on: mailscan run --resume {}{}\n", job.id, at(db)));
        }
        Onward::Resumed | Onward::Never => {}
    }
    text.push_str(&format!(
        "results: {}; write them out: mailscan job export {}{}\n",
        escape(&shown(db)),
        job.id,
        at(db)
    ));
    text
}

/// The command that tries again what a job has given up.
pub(crate) fn again(id: JobId, db: &str) -> String {
    let at = at(db);
    let resolve = format!("mailscan errors resolve --job {id} --retry --note again{at}");
    if is_shared(db) { resolve } else { format!("{resolve} && mailscan run --resume {id}{at}") }
}

/// What a job from the API may reach that is worked on here.
pub(crate) fn from_api(id: JobId) -> String {
    format!(
        "job {id} came through the API: it reaches public addresses, networks of --allow-network, and files below the roots \
         of its server"
    )
}

/// What works on a job that only waits, in a database on which others work already or not.
pub(crate) fn queued(id: JobId, db: &str, has_workers: bool) -> String {
    let at = at(db);
    if is_shared(db) {
        return format!("job {id} is queued: `mailscan worker{at}` or `mailscan serve{at}` works on it");
    }
    // A run works on no job but its own.
    let (first, then) = if has_workers {
        ("the process that works on the database takes it up if that is `mailscan serve`; ", " once it has ended")
    } else {
        ("", "")
    };
    format!("job {id} is queued: {first}`mailscan run --resume {id}{at}` or `mailscan serve{at}` works on it{then}")
}

/// How an unfinished job in this state is left to another process.
pub(crate) fn handed_on(id: JobId, status: JobStatus, db: &str) -> String {
    // Nothing can be said to it: whoever runs jobs takes it up, or has.
    if status == JobStatus::Running {
        return "leave the job to it where that is `mailscan serve`, which takes it up by itself".to_owned();
    }
    format!("leave the job to it with `mailscan job resume {id}{}` where that is `mailscan serve`", at(db))
}

/// What to do about a job that runs by its own account, and on which nobody works.
pub(crate) fn unattended(id: JobId, db: &str) -> String {
    let at = at(db);
    let by = if is_shared(db) { format!("mailscan worker{at}") } else { format!("mailscan run --resume {id}{at}") };
    format!("no process works on it: `{by}` or `mailscan serve{at}` goes on\n")
}

/// A host as people know it: some of what a job asks is none.
fn place(host: &str) -> &str {
    match host {
        SEARCH_HOST => "the search endpoint",
        LOCAL_HOST => "local files",
        host => host,
    }
}

/// The option that names the database, where it is needed.
fn at(db: &str) -> String {
    let db = &*shown(db);
    let plain = db.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    match db {
        "mailscan.db" => String::new(),
        _ if plain => format!(" --db {db}"),
        _ => format!(" --db '{}'", escape(db).replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use mailscan_core::lease::FailureClass;
    use mailscan_core::store::{ErrorClass, ErrorGroup};
    use mailscan_core::task::Work;

    use super::{Blocked, HOSTS, place};

    #[test]
    fn what_is_no_host_is_named_in_words() {
        let search = Work::Search { query: "a".to_owned(), page: 1, stride: 1 };
        let page = Work::Page { url: "https://a.org/".to_owned() };
        for (work, named) in
            [(search, "the search endpoint"), (Work::Path { path: "/a".to_owned() }, "local files"), (page, "a.org")]
        {
            assert_eq!(place(&work.host()), named);
        }
    }

    #[test]
    fn who_refused_is_told_until_it_is_resolved() {
        let mut blocked = Blocked::default();
        for (n, open) in [(0, 0)].into_iter().chain((1..=1_012).map(|n| (n, 1))) {
            blocked.note(ErrorGroup {
                class: ErrorClass::Failed(FailureClass::Blocked),
                code: "http-403".to_owned(),
                host: format!("host{n}.org"),
                count: 2,
                open,
                samples: Vec::new(),
            });
        }
        assert_eq!((blocked.first[0].host.as_str(), blocked.first.len(), blocked.more), ("host1.org", HOSTS, 1_002));
    }
}
