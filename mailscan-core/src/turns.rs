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

/// Turns at hosts, shared by processes.
///
/// - The starts given to all processes are at least the interval apart, as long as all name the same one.
/// - The places of all processes together never pass the concurrency. A place is kept for a while after it was asked for
///   last, longer than a request may take.
/// - `Err` means that nothing may be asked now.
pub trait SharedTurns: Debug + Send + Sync + 'static {
    /// Asks for starts and places.
    fn turns(&self, request: TurnRequest) -> BoxFuture<'_, Result<TurnGrant>>;

    /// Gives no start at a host for so long, because it asked to be left alone.
    fn leave_alone(&self, host: String, time: Duration) -> BoxFuture<'_, Result<()>>;
}
