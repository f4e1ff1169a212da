//! Options for the constants of the contract, as far as they are no job's own.

use std::time::Duration;

use clap::Args as ClapArgs;
use mailscan_core::engine::EngineOptions;
use mailscan_core::limits::Limits;

use super::values::lease;

/// How many workers a job gets, where it is worked on and where its plan is shown.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Planning {
    /// The most workers of a job, and of a process for all of its jobs together
    #[arg(long, default_value_t = Limits::default().max_workers, value_name = "N")]
    pub(crate) max_workers: u32,
    /// Workers for every 1,000 e-mails: with fewer than the most workers, each collects 1,000 / N
    #[arg(long, default_value_t = Limits::default().workers_per_1000, value_name = "N")]
    pub(crate) workers_per_1000: u32,
}

/// How jobs are planned and kept track of by who works on them.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Constants {
    #[command(flatten)]
    pub(crate) planning: Planning,
    /// How many addresses the filter of a job is sized for at first; it grows
    #[arg(long, default_value_t = Limits::default().bloom_capacity, value_name = "N")]
    pub(crate) bloom_capacity: usize,
}

/// How long a process may be silent before others take over.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Leases {
    /// Seconds, from 3 to 86400, after which the tasks of a process that died go back to the queue. In a database file they do as
    /// soon as another process works on it
    #[arg(long, default_value = "90", value_name = "SECONDS", value_parser = lease)]
    pub(crate) lease: Duration,
}

impl Leases {
    /// Whether that is what it is where nothing is typed.
    pub(crate) fn is_default(&self) -> bool {
        self.lease == EngineOptions::default().lease_for
    }
}
