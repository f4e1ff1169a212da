//! How many files this process may open, which bounds how many fetches it can keep in flight.
//!
//! A shell often starts programs with room for 1,024 although the system allows them many more. The rest of the program
//! only learns how many fetches there is room for.

use crate::render::grouped;

/// As many open files as are asked for.
const WANTED: u64 = 65_536;
/// What every system allows, where it does not say.
const USUAL: u64 = 256;
/// The most fetches in flight in one process, however many files it may open; the throttle has fewer where memory is short.
const MAX_IN_FLIGHT: usize = 16_384;

/// The most connections of clients, each of which takes memory however idle it is.
const MAX_CONNECTIONS: usize = 10_240;

/// Raises the limit of open files as far as the system lets it, and answers how many fetches there is room for. Says so
/// on standard error when that is fewer than planned.
pub(crate) fn room(planned: usize) -> usize {
    // Asking for more changes nothing where the limit is high enough.
    let files = rlimit::increase_nofile_limit(WANTED).unwrap_or(USUAL);
    let room = in_flight(files);
    if room < planned.min(MAX_IN_FLIGHT) {
        say!(
            "warning: at most {} of {} fetches at a time: this process may open no more than {} files (`ulimit -Hn`)",
            grouped(room as u64),
            grouped(planned as u64),
            grouped(files)
        );
    }
    room
}

/// How many idle connections to sources the files of this process are enough for, beside those in use.
pub(crate) fn idle_connections() -> usize {
    idle(rlimit::increase_nofile_limit(WANTED).unwrap_or(USUAL))
}

/// An eighth of the files: half of what fetches leave.
fn idle(files: u64) -> usize {
    usize::try_from(files / 8).unwrap_or(MAX_IN_FLIGHT).clamp(1, MAX_IN_FLIGHT)
}

/// What the files of a process that also answers clients are enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Fetches in flight.
    pub(crate) fetches: usize,
    /// Connections of clients.
    pub(crate) connections: usize,
}

/// Raises the limit of open files as far as the system lets it, and shares them out.
pub(crate) fn for_server() -> Shared {
    shared(rlimit::increase_nofile_limit(WANTED).unwrap_or(USUAL))
}

/// Up to half of the files for clients, and of the others as many for fetches as ever.
fn shared(files: u64) -> Shared {
    let connections = usize::try_from(files / 2).unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS);
    Shared { fetches: in_flight(files.saturating_sub(connections as u64)), connections }
}

/// How many fetches so many files are enough for: a quarter is left for the database, its peers and local files.
fn in_flight(files: u64) -> usize {
    usize::try_from(files / 4 * 3).unwrap_or(MAX_IN_FLIGHT).clamp(1, MAX_IN_FLIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_left_and_memory_bounds_the_rest() {
        assert_eq!((in_flight(1_024), in_flight(4_000)), (768, 3_000));
        assert_eq!(shared(65_536), Shared { fetches: MAX_IN_FLIGHT, connections: MAX_CONNECTIONS });
        assert_eq!(shared(1_024), Shared { fetches: 384, connections: 512 });
        assert_eq!((idle(1_024), idle(u64::MAX), idle(0)), (128, MAX_IN_FLIGHT, 1));
        assert_eq!((in_flight(u64::MAX), in_flight(0)), (MAX_IN_FLIGHT, 1));
    }
}
