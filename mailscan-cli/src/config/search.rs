//! The search endpoint as typed: a base URL of a SearXNG, or a file that describes any endpoint.

use mailscan_core::source::search::SearchEndpoint;

use crate::exit::{Failure, Result};

/// The description of the endpoint as JSON, and how many calls of one search may run side by side.
pub(super) fn endpoint(text: &str, lanes: Option<u32>) -> Result<(String, u32)> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let lanes = lanes.unwrap_or(1);
        return Ok((SearchEndpoint::searxng(text, lanes, SearchEndpoint::SEARXNG_PAGES)?, lanes));
    }
    let description = std::fs::read_to_string(text).map_err(|error| {
        let mend = "give the base URL of a SearXNG or a file that describes an endpoint";
        Failure::Failed(format!("cannot read the search endpoint `{text}`: {error}: {mend}"))
    })?;
    let endpoint = SearchEndpoint::parse(&description)?;
    Ok((description, lanes.unwrap_or(endpoint.lanes())))
}
