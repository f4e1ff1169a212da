//! What the server counts of its own work, for its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hyper::StatusCode;

/// Counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Answers by the first digit of their status, from 1.
    answers: [AtomicU64; 5],
    connections: AtomicUsize,
}

impl Traffic {
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(answers) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection until the answer is dropped.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    /// Answers by class, such as `2xx`.
    pub(crate) fn answers(&self) -> [(&'static str, u64); 5] {
        let count = |class: usize| self.answers[class].load(Ordering::Relaxed);
        [("1xx", count(0)), ("2xx", count(1)), ("3xx", count(2)), ("4xx", count(3)), ("5xx", count(4))]
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Traffic>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
