//! For which jobs a claim is, and which hosts it leaves out because enough of them is held here.
//!
//! Most jobs ask a host as often as the process does, so what is worth holding of it is one number for all of them. A job that
//! asks less often has a number of its own, and what others hold of a host is nothing to it: it would never get a task of one that
//! another keeps busy. So it is claimed for alone, and what it holds is nothing to the others either: it mostly waits.

use super::super::job_run::JobRun;
use super::super::share::HostShare;
use super::Dispatcher;
use crate::fetch::Fetcher;
use crate::job::{JobId, JobSource};
use crate::pipeline::Pipeline;
use crate::queue::Share;
use crate::task::{LOCAL_HOST, SEARCH_HOST};

/// A job that is claimed for alone.
#[derive(Clone, Copy, Debug)]
struct Slow {
    job: JobId,
    /// The most tasks of a host that are worth holding for it: further ones would wait for their turn in vain.
    most: usize,
}

impl Slow {
    /// With so many tasks of a host it has enough of it for now. Few less than it may hold: also those under way count, so that a
    /// host which takes its time would otherwise be asked less often than its limit allows.
    fn filled_at(self) -> usize {
        self.most - self.most / 8
    }

    /// So many of a host it may claim where it has not enough.
    fn at_once(self) -> usize {
        self.most - self.filled_at() + 1
    }
}

/// Whether what goes by this name is no site, and so no matter of pace.
fn is_no_site(host: &str) -> bool {
    matches!(host, SEARCH_HOST | LOCAL_HOST)
}

impl<P: Pipeline> Dispatcher<P> {
    /// Claims for these shares; answers how many tasks came. Of the jobs that are claimed for alone one has its turn after the
    /// others, so that these do not wait for many claims; further ones only while nothing comes.
    pub(super) async fn claim_in_parts(&mut self, shares: Vec<Share>) -> usize {
        let (mut slow, mut usual) = (Vec::new(), Vec::new());
        for share in shares {
            match self.shared.run(share.job).and_then(|run| self.bound_of(&run)) {
                Some(most) => slow.push((share, Slow { job: share.job, most })),
                None => usual.push(share),
            }
        }
        let of_host = self.host_shares();
        let mut claimed = if usual.is_empty() { 0 } else { self.claim_fairly(usual, of_host, None).await };
        slow.sort_unstable_by_key(|(share, _)| (share.job <= self.last_slow, share.job));
        for (share, slow) in slow {
            self.last_slow = share.job;
            claimed += self.claim_fairly(vec![share], of_host, Some(slow)).await;
            // What ended meanwhile left places, and the others come first again.
            if claimed > 0 || self.woken {
                break;
            }
        }
        claimed
    }

    /// Whether what a job holds of a host is a matter of what others may have of it.
    pub(super) fn is_counted(&self, run: &JobRun, host: &str) -> bool {
        is_no_site(host) || self.bound_of(run).is_none()
    }

    /// The most tasks of a host that are worth holding for a job, where that is fewer than for all.
    fn bound_of(&self, run: &JobRun) -> Option<usize> {
        let fetcher = self.shared.pipeline.fetcher();
        let most = fetcher.per_host_for(&run.job.spec.options).max(1);
        // There may be very many sources, and few jobs get to them.
        let has_sites = || run.job.spec.sources.iter().any(|source| !matches!(source, JobSource::Path(_)));
        (most < fetcher.per_host_at_first() && has_sites()).then_some(most)
    }

    /// Claims for these shares, or for the job that is claimed for alone, of hosts that hold less than theirs first: so much of
    /// one, beside others and alone. Answers how many tasks came.
    async fn claim_fairly(
        &mut self,
        shares: Vec<Share>,
        (fair, alone): (HostShare, HostShare),
        slow: Option<Slow>,
    ) -> usize {
        let most = self.shared.options.per_host;
        let (calls, calls_alone) = (HostShare::of_calls(fair, alone), alone.at_once);
        // More of a host than it has shown to take would wait for it in places that others could have.
        let at_first = self.shared.pipeline.fetcher().per_host_at_first();
        let worth = move |host: &str, ended: usize| if is_no_site(host) { usize::MAX } else { at_first.max(ended) };
        let proven = slow.map_or_else(|| at_first.max(self.shared.leases.most_ended()), Slow::at_once);
        let (fair, alone) = (fair.at_most(proven), alone.at_most(proven));
        let share = |host: &str| if host == SEARCH_HOST { calls.held } else { fair.held };
        let counts = |host: &str| slow.is_none() || is_no_site(host);
        let held = |host: &str, ended| if counts(host) { share(host).min(worth(host, ended)) } else { usize::MAX };
        let mut busy = self.shared.leases.busy_hosts(held);
        busy.extend(self.filled(slow, fair.held));
        let held_back = busy.len();
        let claimed = self.claim(shares.clone(), (fair.at_once, calls.at_once), busy).await;
        if claimed > 0 {
            return claimed;
        }
        // Those below their share have nothing to do, and places would stand empty for the sake of fairness: whoever
        // gives places back may have more.
        let mut stalled = self.shared.leases.stalled_hosts(held, most);
        stalled.extend(self.filled(slow, usize::MAX));
        if stalled.len() < held_back {
            let claimed = self.claim(shares, (fair.at_once, calls.at_once), stalled).await;
            if claimed > 0 {
                return claimed;
            }
        }
        // Then whoever does not, but only where a place is empty now.
        let empty = self.empty_places(slow);
        let held = |host: &str, ended| if counts(host) { alone.held.min(worth(host, ended)) } else { usize::MAX };
        let mut stalled = self.shared.leases.stalled_hosts(held, most);
        stalled.extend(self.filled(slow, usize::MAX));
        if empty.is_empty() || stalled.len() >= held_back {
            return 0;
        }
        self.claim(empty, (alone.at_once, calls_alone), stalled).await
    }

    /// The sites of which a job that is claimed for alone has enough, or so many tasks.
    fn filled(&self, slow: Option<Slow>, most: usize) -> Vec<String> {
        let Some(slow) = slow else { return Vec::new() };
        let mut filled = self.shared.leases.filled_by(slow.job, slow.filled_at().min(most));
        filled.retain(|host| !is_no_site(host));
        filled
    }

    /// What each job could begin at once, if it had it: the one that is claimed for alone, or all others.
    fn empty_places(&self, slow: Option<Slow>) -> Vec<Share> {
        let shares = self.shared.shares().into_iter();
        let is_of_part = |run: &JobRun| slow.map_or_else(|| self.bound_of(run).is_none(), |slow| slow.job == run.id());
        let empty = shares.filter(|(run, _)| is_of_part(run));
        let empty = empty.map(|(run, places)| Share { job: run.id(), limit: places.saturating_sub(run.holds()) });
        empty.filter(|share| share.limit > 0).collect()
    }
}
