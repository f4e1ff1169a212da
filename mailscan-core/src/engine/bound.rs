//! What bounds a job: which of the limits that work together keeps a process from having more fetches in flight. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fetch::HostLimit;
use crate::job::JobId;
use crate::task::SEARCH_HOST;

/// The limit that binds. Its text is a line for people.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// No task is ready: what there is to do is being done.
    #[default]
    Tasks,
    /// All connections that the job's plan gives are busy.
    Plan {
        /// How many there are.
        connections: usize,
    },
    /// The job has its share of the places of this process; other jobs have the rest.
    Share {
        /// The share.
        places: usize,
    },
    /// The process has as many fetches in flight as it may have.
    Process {
        /// How many.
        places: usize,
        /// What keeps it from having more, if it is less than it might have.
        hold: Option<String>,
    },
    /// Hosts are asked no more than they bear, or than politeness allows.
    Hosts {
        /// The one that most requests wait for, if any is named.
        first: Option<HostLimit>,
        /// How many hosts hold work up.
        hosts: usize,
    },
}

/// What is known of a job and its process when the question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// Fetches of the job in flight, those that wait for a host's turn included.
    pub(super) in_flight: usize,
    /// The most that its plan gives.
    pub(super) planned: usize,
    /// Its share of the process's places.
    pub(super) share: usize,
    /// Whether the last claim for it found nothing, so that more of a share would bring nothing.
    pub(super) dry: bool,
    /// Fetches of all jobs in flight.
    pub(super) running: usize,
    /// Places of the process now.
    pub(super) places: usize,
    /// What holds the process back.
    pub(super) hold: Option<&'a str>,
    /// Tasks that could be claimed.
    pub(super) pending: u64,
    /// What waits for hosts.
    pub(super) held_up: &'a HeldUp,
}

/// What hosts hold up of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HeldUp {
    /// The limit that most of its requests wait for.
    first: Option<HostLimit>,
    /// How many hosts hold it up.
    hosts: usize,
    /// How many of its requests wait.
    waiting: usize,
}

impl HeldUp {
    /// What the limits hold up of a job that has so many tasks at a host: at a limit for all, others may wait as well.
    pub(super) fn of(job: JobId, limits: &[HostLimit], held: impl Fn(&str) -> usize) -> Self {
        let mut held_up = Self::default();
        // A host may be held up twice: by its own limit, and by that of a job.
        let mut hosts = BTreeSet::new();
        for limit in limits {
            let most = match limit.job {
                None if limit.calls => held(SEARCH_HOST),
                None => held(&limit.host),
                Some(of) if of == job => usize::MAX,
                Some(_) => 0,
            };
            if most == 0 {
                continue;
            }
            let waiting = limit.waiting.min(most);
            held_up.waiting += waiting;
            hosts.insert(&limit.host);
            if held_up.first.as_ref().is_none_or(|first| first.waiting < waiting) {
                held_up.first = Some(HostLimit { waiting, ..limit.clone() });
            }
        }
        Self { hosts: hosts.len(), ..held_up }
    }
}

impl Bound {
    pub(super) fn of(now: &Standing<'_>) -> Self {
        let hosts = || Self::Hosts { first: now.held_up.first.clone(), hosts: now.held_up.hosts };
        if now.hold.is_some() && now.running >= now.places {
            return Self::Process { places: now.places, hold: now.hold.map(str::to_owned) };
        }
        // Some are always between two tasks.
        let is_taken = |by: usize, limit: usize| by + limit / 10 >= limit;
        // Places that only wait for turns are no lack of places.
        if now.in_flight > 0 && now.held_up.waiting.saturating_mul(2) >= now.in_flight {
            return hosts();
        }
        if is_taken(now.in_flight, now.planned) {
            return Self::Plan { connections: now.planned };
        }
        // Where others have the rest, all places are taken as well.
        if !now.dry && is_taken(now.in_flight, now.share) && now.share < now.places {
            return Self::Share { places: now.share };
        }
        if is_taken(now.running, now.places) {
            return Self::Process { places: now.places, hold: None };
        }
        if now.pending > 0 { hosts() } else { Self::Tasks }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tasks => f.write_str("tasks: all that are ready are under way"),
            Self::Plan { connections: 1 } => f.write_str("plan: its one connection is busy"),
            Self::Plan { connections } => write!(f, "plan: its {connections} connections are busy"),
            Self::Share { places } => write!(f, "share: {places} of the places; other jobs have the rest"),
            Self::Process { places: 1, hold: Some(hold) } => write!(f, "{hold} (1 place)"),
            Self::Process { places: 1, hold: None } => f.write_str("process: its one place is taken"),
            Self::Process { places, hold: Some(hold) } => write!(f, "{hold} ({places} places)"),
            Self::Process { places, hold: None } => write!(f, "process: its {places} places are taken"),
            Self::Hosts { first: None, .. } => {
                f.write_str("hosts: those with more to do have as many tasks here as one may have, or rest")
            }
            Self::Hosts { first: Some(host), hosts } => {
                write!(f, "hosts: ")?;
                if *hosts > 1 {
                    write!(f, "{hosts} of them, first ")?;
                }
                host_line(f, host)
            }
        }
    }
}

fn host_line(f: &mut std::fmt::Formatter<'_>, host: &HostLimit) -> std::fmt::Result {
    let HostLimit { host, limit, under_way, waiting, blocked, interval, reason, job: _, calls: _ } = host;
    if *blocked > Duration::ZERO {
        let seconds = blocked.as_secs().max(1);
        return write!(f, "{host} is left alone for {seconds} s more, as it asks or does not answer");
    }
    let paced = *interval > Duration::ZERO && under_way < limit;
    if paced {
        write!(f, "{host} is asked once every {} s", figures(interval.as_secs_f64()))?;
    } else {
        let requests = if *limit == 1 { "request" } else { "requests" };
        write!(f, "{host} gets {limit} {requests} at a time, {}", reason.as_str())?;
    }
    match waiting {
        0 => Ok(()),
        1 => f.write_str("; 1 waits"),
        _ => write!(f, "; {waiting} wait"),
    }
}

/// A number above 0 with its first three figures, and all that stand before the point.
fn figures(number: f64) -> String {
    // The cast saturates, and what is asked once in a nanosecond is not asked politely.
    let places = (2.0 - number.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{number:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::Reason;

    const JOB: JobId = JobId(1);
    const NOTHING: HeldUp = HeldUp { first: None, hosts: 0, waiting: 0 };
    const BUSY: Standing<'_> = Standing {
        in_flight: 10,
        planned: 50,
        share: 50,
        dry: false,
        running: 10,
        places: 50,
        hold: None,
        pending: 0,
        held_up: &NOTHING,
    };

    fn host(waiting: usize) -> HostLimit {
        HostLimit {
            job: None,
            calls: false,
            host: "a.org".to_owned(),
            limit: 8,
            under_way: 8,
            waiting,
            blocked: Duration::ZERO,
            interval: Duration::ZERO,
            reason: Reason::Best,
        }
    }

    fn line(now: Standing<'_>) -> String {
        Bound::of(&now).to_string()
    }

    #[test]
    fn the_limit_that_binds_is_named() {
        assert_eq!(line(BUSY), "tasks: all that are ready are under way");
        assert_eq!(line(Standing { in_flight: 50, ..BUSY }), "plan: its 50 connections are busy");
        assert_eq!(
            line(Standing { in_flight: 20, share: 20, ..BUSY }),
            "share: 20 of the places; other jobs have the rest"
        );
        let last_pages = Standing { in_flight: 20, share: 20, dry: true, ..BUSY };
        assert_eq!(line(last_pages), "tasks: all that are ready are under way");
        assert_eq!(line(Standing { running: 50, ..BUSY }), "process: its 50 places are taken");
        assert_eq!(
            line(Standing { in_flight: 20, share: 20, running: 50, ..BUSY }),
            "share: 20 of the places; other jobs have the rest"
        );
        assert_eq!(
            line(Standing { pending: 9, ..BUSY }),
            "hosts: those with more to do have as many tasks here as one may have, or rest"
        );
        let hold = Standing { running: 5, places: 0, hold: Some("memory: 96 % of it is in use"), ..BUSY };
        assert_eq!(line(hold), "memory: 96 % of it is in use (0 places)");
        assert_eq!(line(Standing { places: 1, ..hold }), "memory: 96 % of it is in use (1 place)");
        assert_eq!(line(Standing { running: 1, places: 1, ..BUSY }), "process: its one place is taken");
        assert_eq!(line(Standing { in_flight: 1, planned: 1, ..BUSY }), "plan: its one connection is busy");
    }

    #[test]
    fn seconds_have_three_figures() {
        for (seconds, text) in [
            (0.017_716_848, "0.0177"),
            (0.999_9, "1"),
            (1.234_5, "1.23"),
            (2.5, "2.5"),
            (3.0, "3"),
            (100.0, "100"),
            (86_400.4, "86400"),
        ] {
            assert_eq!(figures(seconds), text);
        }
    }

    #[test]
    fn hosts_bind_when_what_is_in_flight_waits_for_them() {
        let held = |limits: &[HostLimit]| HeldUp::of(JOB, limits, |_| usize::MAX);
        let line = |limits: &[HostLimit]| Bound::of(&Standing { held_up: &held(limits), ..BUSY }).to_string();
        assert_eq!(
            line(&[host(6)]),
            "hosts: a.org gets 8 requests at a time, more at a time brought no more answers; 6 wait"
        );
        let twice = [HostLimit { limit: 1, ..host(6) }, HostLimit { job: Some(JOB), ..host(1) }];
        let one = "hosts: a.org gets 1 request at a time, more at a time brought no more answers; 6 wait";
        assert_eq!(line(&twice), one);
        let other = HostLimit { host: "b.org".to_owned(), ..host(1) };
        let blocked = [HostLimit { blocked: Duration::from_secs(7), ..host(6) }, other];
        assert_eq!(
            line(&blocked),
            "hosts: 2 of them, first a.org is left alone for 7 s more, as it asks or does not answer"
        );
        let paced = [HostLimit { interval: Duration::from_secs(3), under_way: 1, ..host(9) }];
        assert_eq!(line(&paced), "hosts: a.org is asked once every 3 s; 9 wait");
        let busy = Standing { held_up: &held(&[host(6)]), in_flight: 50, ..BUSY };
        assert_eq!(Bound::of(&busy).to_string(), "plan: its 50 connections are busy");
    }

    #[test]
    fn many_hosts_bind_together() {
        let limits: Vec<_> = (0..100).map(|n| HostLimit { host: format!("h{n}.org"), limit: 1, ..host(1) }).collect();
        let held_up = HeldUp::of(JOB, &limits, |_| usize::MAX);
        let all = Standing { in_flight: 150, planned: 150, running: 150, held_up: &held_up, ..BUSY };
        let line = Bound::of(&all).to_string();
        assert!(line.starts_with("hosts: 100 of them, first h0.org gets 1 request at a time"), "{line}");
    }

    #[test]
    fn a_job_is_held_up_only_by_hosts_that_it_has_tasks_of() {
        let limits = [host(56), HostLimit { host: "b.org".to_owned(), job: Some(JobId(2)), ..host(9) }];
        let held_up = |tasks| HeldUp::of(JOB, &limits, move |host| if host == "a.org" { tasks } else { 0 });
        assert_eq!(held_up(0), HeldUp::default(), "others wait there");
        let calls = HeldUp::of(JOB, &[HostLimit { calls: true, ..host(9) }], |host| usize::from(host == SEARCH_HOST));
        assert_eq!((calls.hosts, calls.waiting), (1, 1), "the calls of searches go by one name");
        let HeldUp { first, hosts, waiting } = held_up(2);
        assert_eq!((first.map(|first| (first.host, first.waiting)), hosts, waiting), (Some(("a.org".into(), 2)), 1, 2));
    }
}
