//! The backend in memory: for tests, for embedding, and for jobs that need not outlive their process.
//!
//! [`MemoryQueue`] and [`MemoryStore`] keep everything in ordinary collections behind one lock each. Nothing is
//! durable, and nothing is bounded but by the job: a job of many millions belongs into a database.

mod queue;
mod store;

pub use queue::MemoryQueue;
pub use store::MemoryStore;
