//! The library of mailscan: collect every e-mail address that a set of sources exposes.
//!
//! The way of the data:
//!
//! ```text
//! JobSpec --plan--> WorkerPlan
//!    |  create the job, push its first tasks
//!    v
//!  Queue --claim(batch)--> dispatcher --bounded channel--> workers: fetch -> extract
//!    ^                                                        |  TaskOutcome
//!    |        push(discovered), settle                        v
//!    +------------------------------------ committer: dedup, batches, watermarks
//!                                             |  insert(batch)
//!                                             v
//!                                           Store --> Progress --> Eta
//! ```

pub mod address;
pub mod backend;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dedup;
pub mod engine;
pub mod error;
pub mod eta;
pub mod extract;
pub mod fetch;
pub mod forecast;
pub mod job;
pub mod lease;
pub mod limits;
pub mod pipeline;
pub mod plan;
pub mod queue;
pub mod resources;
pub mod retry;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod source;
pub mod store;
pub mod task;

pub use address::Address;
pub use error::{Error, ErrorKind, Result};
