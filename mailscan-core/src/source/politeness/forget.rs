//! How many hosts are remembered, and which of them are forgotten first.

use std::sync::Arc;

use tokio::time::Instant;

use super::Hosts;

/// So many hosts are remembered in any case. Of more, those stay that are in use or are not to be asked yet.
pub(super) const MANY: usize = 10_000;
/// The most hosts remembered that are not in use.
pub(super) const MOST: usize = 50_000;
/// After how many further hosts it is looked again which are to be forgotten, since all are looked at for it.
const STEP: usize = MANY / 2;

/// Makes room for another host, where it is time to.
pub(super) fn make_room(hosts: &mut Hosts) {
    if hosts.len() >= MANY && hosts.len().is_multiple_of(STEP) {
        forget(hosts, Instant::now());
    }
}

/// The hosts that may be asked the soonest go first: those that may be asked now, down to a step less than there are to be, and
/// where that leaves too many, others as well.
fn forget(hosts: &mut Hosts, now: Instant) {
    let idle = hosts.values().filter(|host| Arc::strong_count(host) == 1);
    let mut free: Vec<Instant> = idle.map(|host| host.schedule().free()).collect();
    free.sort_unstable();
    let may_be_asked = free.partition_point(|free| *free <= now);
    let beyond = |most: usize| (hosts.len() + STEP).saturating_sub(most);
    let too_many = beyond(MANY).min(may_be_asked).max(beyond(MOST)).min(free.len());
    let Some(last) = too_many.checked_sub(1).map(|at| free[at]) else { return };
    hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.schedule().free() > last);
}
