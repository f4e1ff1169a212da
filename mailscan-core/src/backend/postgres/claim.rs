//! Claims: which ready tasks of which jobs and hosts are delivered next.
//!
//! A claim walks from host to host through the index of ready tasks, one seek a host, beginning behind the host that
//! this process served last for the job; so its cost depends on what it takes and not on how much waits. Rows that
//! another process is about to claim are passed over, and so are tasks of kinds that only a newer version knows: its nodes
//! take them. What cannot be read for another reason is leased to nobody, until a sweep sets it aside.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::convert::{claimed, int, limit, owned, seconds, small};
use super::failure::Failure;
use super::transaction::{Operation, Statement, Transaction};
use super::{Postgres, slot};
use crate::error::Result;
use crate::job::JobId;
use crate::lease::Claimed;
use crate::queue::{ClaimRequest, QueueLimits};
use crate::task::Work;

/// The most jobs whose places are remembered; beyond that they begin anew.
const MAX_JOBS: usize = 4_096;

/// The host that each job was served last by this process.
#[derive(Debug, Default)]
pub(super) struct Cursors(Mutex<HashMap<JobId, String>>);

impl Cursors {
    fn of(&self, jobs: impl Iterator<Item = JobId>) -> HashMap<JobId, String> {
        let cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.filter_map(|job| Some((job, cursors.get(&job)?.clone()))).collect()
    }

    fn note(&self, served: HashMap<JobId, String>) {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() + served.len() > MAX_JOBS {
            cursors.clear();
        }
        cursors.extend(served);
    }
}

/// One claim.
struct Claim {
    request: ClaimRequest,
    /// The most tasks of each job.
    shares: BTreeMap<JobId, usize>,
    cursors: HashMap<JobId, String>,
    limits: QueueLimits,
    /// The row that all of it counts in.
    slot: i16,
}

/// What was claimed, and the host that each job was served last.
type Served = (Vec<Claimed>, HashMap<JobId, String>);

impl Operation for Claim {
    type Output = Served;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Served, Failure> {
        let (mut taken, mut of_suspects) = (Vec::new(), HashMap::<JobId, Vec<String>>::new());
        // Seldom is there anything to do before the walks, and to look for it costs less than to plan it.
        let looked = transaction.run(&[self.look()]).await?;
        let (delayed, suspects) = match looked.first().and_then(|rows| rows.first()) {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (false, false),
        };
        // In statements of their own, so that the claim sees what they did. What becomes ready may be a suspect.
        if delayed || (suspects && self.request.suspects > 0) {
            for row in transaction.run(&self.first()).await?.into_iter().skip(2).flatten() {
                let Some(task) = claimed(&row)? else { continue };
                of_suspects.entry(task.task.job).or_default().push(row.try_get(8)?);
                taken.push(task);
            }
        }
        let walks: Vec<_> = self.shares.iter().filter_map(|(job, most)| self.walk(*job, *most, &of_suspects)).collect();
        let mut served = HashMap::new();
        for row in transaction.finish(&walks).await?.into_iter().flatten() {
            let Some(task) = claimed(&row)? else { continue };
            served.insert(task.task.job, row.try_get(8)?);
            taken.push(task);
        }
        Ok((taken, served))
    }
}

impl Claim {
    fn jobs(&self) -> Vec<i64> {
        self.shares.keys().map(|job| int(job.0)).collect()
    }

    /// Whether something comes before ready tasks.
    fn look(&self) -> Statement {
        Statement::new(sql!("task_waiting")).ints(self.jobs())
    }

    /// What comes before ready tasks: delayed ones become ready, and suspects are leased. That counts in rows of any of
    /// the jobs before the walks begin at the first again, so all rows are taken in their order before.
    fn first(&self) -> Vec<Statement> {
        let lock = Statement::new(sql!("count_lock")).ints(self.jobs()).slot(self.slot);
        let promote = Statement::new(sql!("task_promote"));
        let mut first = vec![lock, promote.ints(self.jobs()).small(small(self.limits.suspect_after)).slot(self.slot)];
        if self.request.suspects > 0 {
            let most = self.shares.values().map(|most| limit(*most)).collect();
            let suspects = Statement::new(sql!("task_claim_suspects")).ints(self.jobs()).ints(most);
            let suspects = suspects.int(limit(self.request.per_host)).texts(self.request.busy_hosts.clone());
            let suspects = suspects.int(limit(self.request.suspects)).float(seconds(self.request.lease_for));
            first.push(suspects.slot(self.slot).int(limit(self.request.calls)).names(Work::KINDS.to_vec()));
        }
        first
    }

    /// The walk for one job. A host that gave a suspect gives nothing else in the same claim.
    fn walk(&self, job: JobId, most: usize, of_suspects: &HashMap<JobId, Vec<String>>) -> Option<Statement> {
        let suspects = of_suspects.get(&job).map_or(&[][..], Vec::as_slice);
        let most = most.checked_sub(suspects.len()).filter(|most| *most > 0)?;
        let busy: Vec<_> = self.request.busy_hosts.iter().chain(suspects).map(|host| owned(host)).collect();
        // Each host on the way yields a task or is busy; the few that others empty meanwhile wait for the next claim.
        let hosts = limit(most.saturating_add(busy.len()));
        let cursor = self.cursors.get(&job).cloned().unwrap_or_default();
        let walk = Statement::new(sql!("task_claim")).int(int(job.0)).text(cursor).int(limit(most));
        let walk = walk.int(limit(self.request.per_host)).texts(busy).int(hosts);
        let walk = walk.float(seconds(self.request.lease_for)).slot(self.slot).int(limit(self.request.calls));
        Some(walk.names(Work::KINDS.to_vec()))
    }
}

impl Postgres {
    pub(super) async fn claim_tasks(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let mut shares = BTreeMap::new();
        for share in request.shares.iter().filter(|share| share.limit > 0) {
            let most = shares.entry(share.job).or_insert(0);
            *most = share.limit.max(*most);
        }
        if shares.is_empty() || request.per_host.max(request.calls) == 0 {
            return Ok(Vec::new());
        }
        self.shared.longest_lease.note(request.lease_for);
        let cursors = self.shared.cursors.of(shares.keys().copied());
        let claim = Claim { request: request.clone(), shares, cursors, limits: self.shared.limits, slot: slot() };
        let (claimed, served) = self.run("claim", claim).await?;
        self.shared.cursors.note(served);
        Ok(claimed)
    }
}
