//! Claims: which ready tasks of which jobs and hosts are delivered next.
//!
//! A claim walks from host to host through the index of ready tasks, one seek a host, beginning after the host that the
//! job was served last; so its cost depends on what it takes and not on how much waits. What cannot be read here (a newer
//! version made it, or it is damaged) is leased to nobody, so that the sweep sets it aside.

use std::collections::{HashMap, HashSet};

use rusqlite::{CachedStatement, OptionalExtension, params};

use super::convert::{Stored, int, limit};
use super::failure::Failure;
use super::queue::{Moves, make_ready};
use super::writer::Session;
use crate::backend::ready::{State, due_at, due_by};
use crate::clock::Timestamp;
use crate::job::JobId;
use crate::lease::{Claimed, Lease};
use crate::queue::{ClaimRequest, QueueLimits, Share};
use crate::task::Work;

/// How many delayed tasks of a job one claim makes ready at most.
const PROMOTIONS: i64 = 4_096;
/// How many suspects of a job one claim looks at.
const SUSPECTS: usize = 4_096;

/// One claim under way.
struct Claim<'a, 's> {
    session: &'a mut Session<'s>,
    request: &'a ClaimRequest,
    busy: HashSet<&'a str>,
    end: i64,
    by_job: HashMap<JobId, usize>,
    suspects_by_host: HashMap<(JobId, String), usize>,
    moves: Moves,
    claimed: Vec<Claimed>,
}

/// Carries out a claim.
pub(super) fn claim(
    session: &mut Session<'_>,
    request: &ClaimRequest,
    limits: QueueLimits,
    now: Timestamp,
) -> Result<Vec<Claimed>, Failure> {
    let mut claim = Claim {
        session,
        request,
        busy: request.busy_hosts.iter().map(String::as_str).collect(),
        end: int(due_at(now.after(request.lease_for))),
        by_job: HashMap::new(),
        suspects_by_host: HashMap::new(),
        moves: Moves::default(),
        claimed: Vec::new(),
    };
    let jobs: HashSet<JobId> = request.shares.iter().map(|share| share.job).collect();
    for job in jobs {
        claim.promote(job, limits, now)?;
    }
    claim.take_suspects()?;
    for share in &request.shares {
        claim.take_pending(share)?;
    }
    claim.moves.write(claim.session.connection)?;
    Ok(claim.claimed)
}

impl Claim<'_, '_> {
    /// Makes the delayed tasks of a job ready whose time has come.
    fn promote(&mut self, job: JobId, limits: QueueLimits, now: Timestamp) -> Result<(), Failure> {
        let mut promote = self.session.connection.prepare_cached(sql!("task_promote"))?;
        let mut rows = promote.query(params![int(job.0), int(due_by(now)), limits.suspect_after, PROMOTIONS])?;
        while let Some(row) = rows.next()? {
            let host = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            let state = make_ready(self.session.connection, (row.get(0)?, job, row.get(1)?), host, row.get(3)?)?;
            self.moves.note(job, Some(State::Delayed), state, 1);
        }
        Ok(())
    }

    /// How many more tasks the share allows.
    fn left(&self, share: &Share) -> usize {
        share.limit.saturating_sub(self.by_job.get(&share.job).copied().unwrap_or(0))
    }

    /// Leases one task, which is taken from where it was.
    fn lease(&mut self, lease: &mut CachedStatement<'_>, stored: Stored, from: State) -> Result<(), Failure> {
        let Lease { job, task: id, fence } = stored.lease;
        let fence = fence + 1;
        // Nobody works on what cannot be read, so that is over at once.
        let end = if stored.task.is_some() { self.end } else { 0 };
        let marked = stored.task.as_ref().is_some_and(|task| matches!(task.work, Work::List { .. }));
        lease.execute(params![int(id.0), int(job.0), int(fence), end, marked])?;
        self.moves.note(job, Some(from), State::Leased as usize, 1);
        *self.by_job.entry(job).or_default() += 1;
        self.claimed.extend(stored.task.map(|task| Claimed { task, lease: Lease { job, task: id, fence } }));
        Ok(())
    }

    /// Leases the suspects with the fewest crashes of all shares.
    fn take_suspects(&mut self) -> Result<(), Failure> {
        if self.request.suspects == 0 {
            return Ok(());
        }
        let mut candidates = Vec::new();
        for share in &self.request.shares {
            let mut select = self.session.connection.prepare_cached(sql!("task_suspects"))?;
            let mut rows = select.query([int(share.job.0)])?;
            let (mut seen, mut found) = (0, 0);
            while let Some(row) = rows.next()?.filter(|_| seen < SUSPECTS && found < self.request.suspects) {
                seen += 1;
                let host: String = row.get(8)?;
                if self.busy.contains(host.as_str()) {
                    continue;
                }
                let of_host = self.suspects_by_host.entry((share.job, host.clone())).or_default();
                if *of_host < self.request.most_of(&host) {
                    *of_host += 1;
                    found += 1;
                    candidates.push((Stored::read(row)?, row.get::<_, i64>(9)?, host, share));
                }
            }
        }
        self.suspects_by_host.clear();
        candidates.sort_by_key(|(stored, due, ..)| (stored.crashes, *due));
        let mut taken = HashSet::new();
        let mut take = self.session.connection.prepare_cached(sql!("task_suspect_take"))?;
        let mut lease = self.session.connection.prepare_cached(sql!("task_lease"))?;
        for (stored, _, host, share) in candidates {
            let id = stored.lease.task;
            // A job that has several shares has its suspects in each.
            if !taken.contains(&id) && taken.len() < self.request.suspects && self.left(share) > 0 {
                take.execute([int(id.0)])?;
                self.lease(&mut lease, stored, State::Suspect)?;
                taken.insert(id);
                *self.suspects_by_host.entry((share.job, host)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Leases ready tasks for one share, host after host, once around at most.
    fn take_pending(&mut self, share: &Share) -> Result<(), Failure> {
        let start = self.session.memory.cursors.get(&share.job).cloned();
        let mut last = None;
        let mut host = match &start {
            Some(start) => self.host_after(share.job, Some(start))?,
            None => None,
        };
        let mut wrapped = false;
        while self.left(share) > 0 {
            let Some(at) = host.take() else {
                if wrapped {
                    break;
                }
                wrapped = true;
                host = self.host_after(share.job, None)?;
                if host.is_none() {
                    break;
                }
                continue;
            };
            if wrapped && start.as_ref().is_some_and(|start| at > *start) {
                break;
            }
            if self.take_of_host(share, &at)? > 0 {
                last = Some(at.clone());
            }
            host = self.host_after(share.job, Some(&at))?;
        }
        if let Some(last) = last {
            self.session.memory.cursors.insert(share.job, last);
        }
        Ok(())
    }

    fn host_after(&self, job: JobId, host: Option<&str>) -> Result<Option<String>, Failure> {
        let connection = self.session.connection;
        let found = match host {
            Some(host) => connection
                .prepare_cached(sql!("task_next_host"))?
                .query_row(params![int(job.0), host], |row| row.get(0))
                .optional()?,
            None => connection
                .prepare_cached(sql!("task_first_host"))?
                .query_row([int(job.0)], |row| row.get(0))
                .optional()?,
        };
        Ok(found)
    }

    /// Leases ready tasks of one host, and answers how many.
    fn take_of_host(&mut self, share: &Share, host: &str) -> Result<usize, Failure> {
        if self.busy.contains(host) {
            return Ok(0);
        }
        let suspects = self.suspects_by_host.get(&(share.job, host.to_owned())).copied().unwrap_or(0);
        let most = self.request.most_of(host).saturating_sub(suspects).min(self.left(share));
        let connection = self.session.connection;
        let mut select = connection.prepare_cached(sql!("task_of_host"))?;
        let mut lease = connection.prepare_cached(sql!("task_lease"))?;
        let mut rows = select.query(params![int(share.job.0), host, limit(most)])?;
        let (mut count, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let stored = Stored::read(row)?;
            last = Some((row.get::<_, i64>(8)?, int(stored.lease.task.0)));
            self.lease(&mut lease, stored, State::Pending)?;
            count += 1;
        }
        drop(rows);
        if let Some((due, task)) = last {
            connection.prepare_cached(sql!("task_take"))?.execute(params![int(share.job.0), host, due, task])?;
        }
        Ok(count)
    }
}
