//! Fetchers that come with mailscan: pages and search endpoints over HTTP, local files.
