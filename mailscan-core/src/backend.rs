//! Queues and stores that come with mailscan.
//!
//! Every backend has the same files: `queue.rs` and `store.rs` implement the two contracts over what `mod.rs` opens.

pub mod memory;
mod ready;
#[cfg(feature = "sqlite")]
pub mod sqlite;
