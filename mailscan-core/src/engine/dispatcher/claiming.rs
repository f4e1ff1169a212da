//! For which jobs a claim is, and which hosts it leaves out because enough of them is held here.
//!
//! Most jobs ask a host as often as the process does, so what is worth holding of it is one number for all of them. A job that
//! asks less often has a number of its own, and what others hold of a host is nothing to it: it would never get a task of one that
//! another keeps busy. So it is claimed for alone.

use super::super::share::HostShare;
use super::Dispatcher;
use crate::fetch::Fetcher;
use crate::job::{JobId, JobSource};
use crate::pipeline::Pipeline;
use crate::queue::Share;
use crate::task::{LOCAL_HOST, SEARCH_HOST};

/// A job that is claimed for alone, and the most tasks of a host that it may hold.
type Slow = (JobId, usize);

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
            match self.bound_of(share.job) {
                Some(most) => slow.push((share, most)),
                None => usual.push(share),
            }
        }
        let mut claimed = if usual.is_empty() { 0 } else { self.claim_fairly(usual, None).await };
        slow.sort_unstable_by_key(|(share, _)| (share.job <= self.last_slow, share.job));
        for (share, most) in slow {
            self.last_slow = share.job;
            claimed += self.claim_fairly(vec![share], Some((share.job, most))).await;
            if claimed > 0 {
                break;
            }
        }
        claimed
    }

    /// The most tasks of a host that are worth holding for a job, where that is fewer than for all.
    fn bound_of(&self, job: JobId) -> Option<usize> {
        let (run, fetcher) = (self.shared.run(job)?, self.shared.pipeline.fetcher());
        let most = fetcher.per_host_for(&run.job.spec.options).max(1);
        // There may be very many sources, and few jobs get to them.
        let has_sites = || run.job.spec.sources.iter().any(|source| !matches!(source, JobSource::Path(_)));
        (most < fetcher.per_host_at_first() && has_sites()).then_some(most)
    }

    /// Claims for these shares, or for the job that is claimed for alone, of hosts that hold less than theirs first; answers how
    /// many tasks came.
    async fn claim_fairly(&mut self, shares: Vec<Share>, slow: Option<Slow>) -> usize {
        let most = self.shared.options.per_host;
        let (fair, alone) = self.host_shares();
        let calls = HostShare::of_calls(fair, alone);
        // More of a host than it has shown to take would wait for it in places that others could have.
        let at_first = self.shared.pipeline.fetcher().per_host_at_first();
        let worth = move |host: &str, ended: usize| if is_no_site(host) { usize::MAX } else { at_first.max(ended) };
        let proven = slow.map_or_else(|| at_first.max(self.shared.leases.most_ended()), |(_, most)| most);
        let (fair, alone) = (fair.at_most(proven), alone.at_most(proven));
        let share = |host: &str| if host == SEARCH_HOST { calls.held } else { fair.held };
        let is_counted = |host: &str| slow.is_none() || is_no_site(host);
        let held = |host: &str, ended| if is_counted(host) { share(host).min(worth(host, ended)) } else { usize::MAX };
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
        let held = |host: &str, ended| if is_counted(host) { alone.held.min(worth(host, ended)) } else { usize::MAX };
        let mut stalled = self.shared.leases.stalled_hosts(held, most);
        stalled.extend(self.filled(slow, usize::MAX));
        if empty.is_empty() || stalled.len() >= held_back {
            return 0;
        }
        self.claim(empty, (alone.at_once, alone.at_once), stalled).await
    }

    /// The sites of which a job that is claimed for alone has all that it may hold, or so many tasks.
    fn filled(&self, slow: Option<Slow>, most: usize) -> Vec<String> {
        let Some((job, bound)) = slow else { return Vec::new() };
        let mut filled = self.shared.leases.filled_by(job, bound.min(most));
        filled.retain(|host| !is_no_site(host));
        filled
    }

    /// What each job could begin at once, if it had it: the one that is claimed for alone, or all others.
    fn empty_places(&self, slow: Option<Slow>) -> Vec<Share> {
        let shares = self.shared.shares().into_iter();
        let empty = shares.map(|(run, places)| Share { job: run.id(), limit: places.saturating_sub(run.holds()) });
        let is_of_part = |job| slow.map_or_else(|| self.bound_of(job).is_none(), |(slow, _)| slow == job);
        empty.filter(|share| share.limit > 0 && is_of_part(share.job)).collect()
    }
}
