//! Fetchers that come with mailscan: pages and search endpoints over HTTP, local files.

#[cfg(feature = "files")]
pub mod file;
