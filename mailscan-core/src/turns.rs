//! The contract of turns at hosts: what the processes of a cluster agree on before any of them asks a host.
//!
//! The gate of a process ([`crate::source`]) keeps rate and concurrency by itself; where several processes share the
//! work, it asks here for starts and places in batches, so that the limits of a host hold for all of them together.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::error::Result;

/// What a process wants at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRequest {
    /// The host.
    pub host: String,
    /// The least time between the starts of two requests, of whichever processes.
    pub interval: Duration,
    /// How many starts are wanted, from 1.
    pub starts: u32,
    /// The most requests at a time of all processes together, from 1.
    pub concurrency: usize,
    /// How many this process has under way.
    pub under_way: usize,
    /// Starts further away than this are not wanted.
    pub patience: Duration,
}

/// What a process may do at a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnGrant {
    /// How far away the first start is; the others follow at the interval.
    pub first: Duration,
    /// How many starts were given; none when the first is too far away, or when there is no place.
    pub starts: u32,
    /// The most requests that this process may have under way until it asks again. Never fewer than it said to have.
    pub places: usize,
}

/// How long places are kept without a word. Whoever has requests under way says so more often.
pub const KEPT: Duration = Duration::from_secs(15);

/// Turns at hosts, shared by processes.
///
/// - The starts given to all processes are at least the interval apart, as long as all name the same one.
/// - The places of all processes together never pass the concurrency. They are kept until they are
///   [given back](Self::release), and for [`KEPT`] after they were asked for or [held](Self::hold) last, so a process that
///   dies takes them along for no longer.
/// - `Err` means that nothing may be asked now.
pub trait SharedTurns: Debug + Send + Sync + 'static {
    /// Asks for starts and places.
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>>;

    /// Keeps the places of this process at hosts where it has requests under way.
    fn hold(&self, hosts: Vec<String>) -> BoxFuture<'_, Result<()>>;

    /// Gives back the places of this process at hosts where it has nothing under way: others may have them at once.
    fn release(&self, hosts: Vec<String>) -> BoxFuture<'_, Result<()>>;

    /// Gives no start at a host for so long, because it asked to be left alone.
    fn leave_alone(&self, host: String, time: Duration) -> BoxFuture<'_, Result<()>>;

    /// How long a host is still to be [left alone](Self::leave_alone), whichever process it asked for that: for requests
    /// that take no starts. What was promised to others does not count.
    fn left_alone(&self, host: String) -> BoxFuture<'_, Result<Duration>>;
}
