//! The pool: the workers of one engine, and which of them work on which job.
//!
//! The dispatcher hands tasks over; each goes to the worker that its lane of the job stands for. Where the jobs ask for more
//! workers than there are, a worker has lanes of several jobs.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::dispatcher::Assigned;
use super::job_run::JobRun;
use crate::job::JobId;

/// The workers of one engine.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<Member>,
    /// For each job at work, the member that each of its lanes stands for.
    teams: HashMap<JobId, Vec<usize>>,
    running: JoinSet<()>,
}

#[derive(Debug)]
struct Member {
    tasks: mpsc::Sender<Box<Assigned>>,
    /// How many lanes stand for it.
    lanes: usize,
}

impl Pool {
    /// Starts workers until there are so many; each is to have as many tasks at most.
    pub(super) fn grow<W>(&mut self, wanted: usize, most: usize, start: impl Fn(mpsc::Receiver<Box<Assigned>>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        while self.members.len() < wanted {
            let (tasks, receiver) = mpsc::channel(most.max(1));
            self.members.push(Member { tasks, lanes: 0 });
            self.running.spawn(start(receiver));
        }
    }

    /// Gives every job as many workers as its plan has, those with the least to do, and forgets jobs that are over. The jobs
    /// come in the order of their ids.
    pub(super) fn assign(&mut self, runs: &[Arc<JobRun>]) {
        let members = &mut self.members;
        self.teams.retain(|job, team| {
            let goes_on = runs.binary_search_by_key(job, |run| run.id()).is_ok();
            if !goes_on {
                team.iter().for_each(|member| members[*member].lanes -= 1);
            }
            goes_on
        });
        for run in runs {
            self.teams.entry(run.id()).or_insert_with(|| team(members, run.plan.workers as usize, run.id()));
        }
    }

    /// Sends a task to the worker of its lane. Answers false where that takes none: it has room for as many as may run in all,
    /// so this is a defect.
    pub(super) fn send(&self, assigned: Assigned) -> bool {
        let lane = assigned.lane as usize;
        let member = self.teams.get(&assigned.run.id()).and_then(|team| team.get(lane % team.len().max(1)));
        member.is_some_and(|member| self.members[*member].tasks.try_send(Box::new(assigned)).is_ok())
    }

    /// Takes no more tasks, and waits until those that were sent have ended.
    pub(super) async fn finish(mut self) {
        self.members.clear();
        while self.running.join_next().await.is_some() {}
    }
}

/// So many members, those with the fewest lanes. Each job begins with another of them: a job with few tasks uses few of its
/// lanes, always the same, and they are not to be those of another one.
fn team(members: &mut [Member], size: usize, job: JobId) -> Vec<usize> {
    let mut team: Vec<usize> = (0..members.len()).collect();
    team.sort_by_key(|member| members[*member].lanes);
    team.truncate(size);
    // By the golden ratio, so that jobs of numbers that follow each other are far apart.
    let part = job.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let first = (part * team.len() as u64) >> 32;
    team.rotate_left(first as usize);
    team.iter().for_each(|member| members[*member].lanes += 1);
    team
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_get_the_members_with_fewest_lanes_and_begin_with_different_ones() {
        let mut members: Vec<_> = (0..100).map(|_| Member { tasks: mpsc::channel(1).0, lanes: 0 }).collect();
        let teams: Vec<_> = (1..=8).map(|job| team(&mut members, 50, JobId(job))).collect();
        assert!(members.iter().all(|member| member.lanes == 4), "eight teams of fifty, a hundred members");
        let mut first: Vec<_> = teams.iter().map(|team| team[0]).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 8, "{teams:?}");
    }
}
