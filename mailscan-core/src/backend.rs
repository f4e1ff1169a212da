//! Queues and stores that come with mailscan.
//!
//! Every backend has the same files: `queue.rs` and `store.rs` implement the two contracts over what `mod.rs` opens.

pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
mod ready;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod spec;
#[cfg(feature = "sqlite")]
pub mod sqlite;
