//! The library of mailscan: collect every e-mail address that a set of sources exposes.
//!
//! A job names its sources and how many addresses it wants. The engine expands the sources through a durable queue,
//! fetches politely with as many workers as the plan gives, extracts addresses, and stores each once:
//!
//! ```text
//! JobSpec --plan--> WorkerPlan
//!    |  create the job, push its first tasks
//!    v
//!  Queue --claim(batch)--> dispatcher --bounded channels--> workers: fetch -> extract
//!    ^                                                        |  TaskOutcome
//!    |        push(discovered), settle                        v
//!    +------------------------------------ committer: Bloom front, batches, watermarks
//!                                             |  insert(batch)
//!                                             v
//!                                           Store --> Progress --> Eta
//! ```
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
//! use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
//! use mailscan_core::job::{JobSource, JobSpec, NewJob};
//! use mailscan_core::pipeline::Backends;
//! use mailscan_core::queue::QueueLimits;
//! use mailscan_core::source::{Sources, file::FileSource};
//! use mailscan_core::store::Store;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let page = folder.path().join("contact.html");
//! std::fs::write(&page, "write to <a href='mailto:ann%40a.org'>us</a> or Ann@A.org")?;
//!
//! let pipeline = Arc::new(Backends {
//!     queue: MemoryQueue::new(QueueLimits::default()),
//!     store: MemoryStore::new(),
//!     fetcher: Sources::new().with_files(FileSource::new()),
//! });
//! let spec = JobSpec::new(100, vec![JobSource::Path(page.display().to_string())]);
//! let job = pipeline.store.create_job(&NewJob::new(spec)).await?.id();
//!
//! let options = EngineOptions { jobs: JobFilter::Only(job), ..EngineOptions::default() };
//! let engine = Engine::start(pipeline.clone(), options);
//! let last = engine.finished(job).await?;
//! engine.drain().await?;
//! assert_eq!(last.collected, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! - [`plan`], [`eta`], [`forecast`], [`retry`] and [`extract`] are pure functions, useful alone.
//! - [`queue`], [`store`], [`fetch`] and [`pipeline`] are the contracts; each method lists the behaviour it owes, and
//!   `conformance` (feature `conformance`) holds a backend of your own to it, case by case.
//! - [`backend`] and [`source`] are what comes with mailscan; [`engine`] drives any pipeline.
//!
//! # What may come to be more
//!
//! Most enums that a later version may add to are `#[non_exhaustive]`, and their `ALL` is a list of any length. Those that are not
//! are mostly answers and orders that a backend or a fetcher has to understand in full, such as [`lease::Verdict`], [`job::JobStatus`],
//! [`job::Origin`] and [`queue::Settled`]: whoever matches them is to hear of a new one from the compiler.
//!
//! # What always holds
//!
//! - Sightings are committed before discovered tasks, and those before the task that found them is settled. A process
//!   may be killed at any instant: work is repeated, never lost, and repeating it changes nothing.
//! - The store decides what is new; the Bloom front only spares it look-ups.
//! - A job's count is the number of its stored addresses, and never passes its target.
//! - Memory does not grow with the job, but in the store and the filter.

pub mod address;
pub mod backend;
pub mod class;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dedup;
pub mod desk;
pub mod engine;
pub mod error;
pub mod eta;
#[cfg(feature = "export")]
pub mod export;
pub mod extract;
pub mod fetch;
pub mod forecast;
pub mod job;
pub mod lease;
pub mod limiter;
pub mod limits;
pub mod pipeline;
pub mod plan;
pub mod queue;
mod recent;
pub mod resources;
pub mod retry;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod source;
pub mod store;
pub mod suppression;
pub mod task;
pub mod turns;

pub use address::Address;
pub use error::{Error, ErrorKind, Result};

/// The README's example, so that it runs with the tests.
#[cfg(all(doctest, feature = "sqlite", feature = "files"))]
#[doc = include_str!("../../README.md")]
struct Readme;
