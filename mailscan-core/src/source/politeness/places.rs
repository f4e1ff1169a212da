//! The places at hosts that this process has among others: kept while they are in use, and given back when they are not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Hosts, Politeness};
use crate::turns::{KEPT, SharedTurns};

/// For how long places at a host may go unused before other processes get them, and how long telling so is waited for.
pub(super) const IDLE: Duration = Duration::from_secs(1);
const TELLING: Duration = Duration::from_secs(2);

impl Politeness {
    /// Gives back the places at all hosts where nothing is under way. Does not wait for long.
    pub(crate) async fn release(&self) {
        if let Some(turns) = &self.turns {
            give_back(&self.hosts, turns, Duration::ZERO).await;
        }
    }
}

/// Gives back the places at hosts where nothing was under way for so long.
async fn give_back(hosts: &Mutex<Hosts>, turns: &Arc<dyn SharedTurns>, idle: Duration) {
    let unused: Vec<_> = {
        let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = hosts.iter().filter(|(_, host)| host.agreed.is_idle(idle));
        unused.map(|(name, host)| (name.clone(), host.clone())).collect()
    };
    if unused.is_empty() {
        return;
    }
    let turns = turns.clone();
    let told = async move {
        // Nobody asks again before these are gone, or they would go with what was given meanwhile.
        let given: Vec<_> =
            unused.iter().filter_map(|(name, host)| Some((name.clone(), host.agreed.give_back(idle)?))).collect();
        let names: Vec<_> = given.iter().map(|(name, _)| name.clone()).collect();
        if !names.is_empty()
            && let Err(error) = turns.release(names).await
        {
            tracing::warn!(%error, "places at hosts could not be given back");
        }
    };
    // To its end, also when it is not waited for. Without it the places are free a little later.
    let _ = tokio::time::timeout(TELLING, tokio::spawn(told)).await;
}

/// Says again and again at which hosts requests are under way, and where none are any more.
pub(super) async fn keep(hosts: Arc<Mutex<Hosts>>, turns: Arc<dyn SharedTurns>) {
    let mut held = Instant::now();
    loop {
        tokio::time::sleep(IDLE).await;
        give_back(&hosts, &turns, IDLE).await;
        if held.elapsed() < KEPT / 3 {
            continue;
        }
        held = Instant::now();
        let used: Vec<_> = {
            let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.iter().filter(|(_, host)| host.agreed.is_used()).map(|(name, _)| name.clone()).collect()
        };
        if !used.is_empty()
            && let Err(error) = turns.hold(used).await
        {
            tracing::warn!(%error, "places at hosts could not be kept");
        }
    }
}
