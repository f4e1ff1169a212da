//! What is asked of jobs again and again: how they stand, and what lists show of what was asked for.
//!
//! A specification may name ten thousand pages, so whoever looks at jobs four times a second reads none: what moves is a
//! [`JobState`]. An [`Outline`] never changes, so it is read once by whoever shows it.

use std::time::Duration;

use super::{Job, JobId, JobSource, JobSpec, JobStatus};
use crate::clock::Timestamp;

/// How a job stands: all of a [`Job`] that moves, and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Its identity.
    pub id: JobId,
    /// Its state.
    pub status: JobStatus,
    /// Why it is in this state, for a person, when there is something to say.
    pub reason: Option<String>,
    /// How many different addresses are stored.
    pub collected: u64,
    /// How many addresses to collect.
    pub target: u64,
    /// How long it has been at work, pauses excluded.
    pub active: Duration,
    /// How long it had been at work when it was resumed last.
    pub active_before: Duration,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it was completed, failed or cancelled.
    pub finished_at: Option<Timestamp>,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts([u64; JobStatus::ALL.len()]);

impl JobCounts {
    /// How many jobs are in this state.
    pub const fn of(&self, status: JobStatus) -> u64 {
        self.0[status as usize]
    }

    /// Counts so many more jobs in this state.
    pub const fn add(&mut self, status: JobStatus, jobs: u64) {
        self.0[status as usize] += jobs;
    }
}

/// What lists show of a specification, which may have any number of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Workers instead of the planned number.
    pub workers: Option<u32>,
    /// The first [`SOURCES`](Self::SOURCES) sources.
    pub sources: Vec<JobSource>,
    /// How many sources there are.
    pub sources_total: usize,
}

impl Outline {
    /// How many sources an outline has at most.
    pub const SOURCES: usize = 20;
}

impl Job {
    /// How it stands.
    pub fn state(&self) -> JobState {
        JobState {
            id: self.id,
            status: self.status,
            reason: self.reason.clone(),
            collected: self.collected,
            target: self.spec.target,
            active: self.active,
            active_before: self.active_before,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

impl JobSpec {
    /// What lists show of it.
    pub fn outline(&self) -> Outline {
        let sources = self.sources.iter().take(Outline::SOURCES).cloned().collect();
        Outline { workers: self.options.workers, sources, sources_total: self.sources.len() }
    }
}
