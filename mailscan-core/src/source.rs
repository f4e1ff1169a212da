//! Fetchers that come with mailscan: pages, sitemaps and search endpoints over HTTP, local files.
//!
//! [`Sources`] carries out every kind of work by handing it to the part that can.

#[cfg(feature = "http")]
mod agreed;
#[cfg(feature = "files")]
mod attachment;
#[cfg(any(feature = "http", feature = "files"))]
mod content_type;
#[cfg(feature = "http")]
mod crowd;
#[cfg(any(feature = "http", feature = "files"))]
mod declared;
#[cfg(feature = "files")]
pub mod file;
#[cfg(all(feature = "http", feature = "oracle"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "http", feature = "files"))]
mod kind;
#[cfg(any(feature = "http", feature = "files"))]
mod media;
#[cfg(feature = "files")]
mod ole;
#[cfg(any(feature = "http", feature = "files"))]
mod open_files;
#[cfg(any(feature = "http", feature = "files"))]
mod pdf;
#[cfg(feature = "http")]
mod politeness;
#[cfg(feature = "http")]
mod robots;
#[cfg(feature = "files")]
mod rtf;
#[cfg(feature = "http")]
pub mod search;
#[cfg(feature = "http")]
mod sitemap;
#[cfg(feature = "files")]
mod stream;

#[cfg(feature = "http")]
use std::time::Duration;

#[cfg(feature = "http")]
use crate::fetch::HostLimit;
#[cfg(any(feature = "http", feature = "files"))]
use crate::fetch::{FetchContext, FetchError, FetchErrorClass, Fetched, Fetcher};
#[cfg(feature = "http")]
use crate::job::JobOptions;
#[cfg(any(feature = "http", feature = "files"))]
use crate::task::{Task, Work};

#[cfg(feature = "http")]
pub use politeness::Pace;

/// Carries out every kind of work that it was given a source for.
#[cfg(any(feature = "http", feature = "files"))]
#[derive(Debug, Default)]
pub struct Sources {
    #[cfg(feature = "http")]
    http: Option<http::HttpSource>,
    #[cfg(feature = "http")]
    search: search::SearchSource,
    #[cfg(feature = "files")]
    files: Option<file::FileSource>,
}

#[cfg(any(feature = "http", feature = "files"))]
impl Sources {
    /// Sources that can carry out nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With pages and search endpoints.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_http(mut self, http: http::HttpSource) -> Self {
        self.http = Some(http);
        self
    }

    /// With local files, folders and lists.
    #[cfg(feature = "files")]
    #[must_use]
    pub fn with_files(mut self, files: file::FileSource) -> Self {
        self.files = Some(files);
        self
    }
}

#[cfg(any(feature = "http", feature = "files"))]
impl Fetcher for Sources {
    async fn fetch(&self, task: &Task, context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        match &task.work {
            #[cfg(feature = "http")]
            Work::Page { url } if let Some(http) = &self.http => http.page(url, task, context).await,
            #[cfg(feature = "http")]
            Work::Sitemap { site, url } if let Some(http) = &self.http => {
                http.sitemap((site, url), task, context).await
            }
            #[cfg(feature = "http")]
            Work::Search { query, page, stride } if let Some(http) = &self.http => {
                self.search.search(http, (query, *page, *stride), task.job, context).await
            }
            #[cfg(feature = "files")]
            Work::Path { .. } | Work::List { .. } if let Some(files) = &self.files => files.fetch(task, context).await,
            work => {
                let message = format!("this process has no source for work of the kind `{}`", work.kind());
                Err(FetchError::new(FetchErrorClass::Permanent, "no-source", message))
            }
        }
    }

    #[cfg(feature = "http")]
    fn limits(&self) -> Vec<HostLimit> {
        self.http.as_ref().map(http::HttpSource::limits).unwrap_or_default()
    }

    #[cfg(feature = "http")]
    fn per_host_at_first(&self) -> usize {
        self.http.as_ref().map_or(usize::MAX, http::HttpSource::per_host_at_first)
    }

    #[cfg(feature = "http")]
    fn per_host_for(&self, options: &JobOptions) -> usize {
        self.http.as_ref().map_or(usize::MAX, |http| http.per_host_for(options))
    }

    #[cfg(feature = "http")]
    fn call_interval(&self, options: &JobOptions) -> Duration {
        self.http.as_ref().map_or(options.rate_limit, |http| http.call_interval(options))
    }

    #[cfg(feature = "http")]
    fn relieve(&self) {
        if let Some(http) = &self.http {
            http.relieve();
        }
    }

    #[cfg(feature = "http")]
    async fn release(&self) {
        if let Some(http) = &self.http {
            http.release().await;
        }
    }
}
