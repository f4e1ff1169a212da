//! The search endpoint as typed: a base URL of a SearXNG, or a file that describes any endpoint.

use mailscan_core::job::parse_page_url;

use crate::exit::{Failure, Result};

/// The description of the endpoint as JSON.
pub(super) fn endpoint(text: &str) -> Result<String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return searxng(text);
    }
    std::fs::read_to_string(text).map_err(|error| {
        let message = "give the base URL of a SearXNG or a file that describes an endpoint";
        Failure::Failed(format!("cannot read the search endpoint `{text}`: {error}: {message}"))
    })
}

/// The description of a SearXNG at this URL, with or without the `/search` at its end.
pub(crate) fn searxng(base: &str) -> Result<String> {
    let url = parse_page_url(base)?;
    let base = url.as_str().trim_end_matches('/');
    let base = base.strip_suffix("/search").unwrap_or(base);
    let description = serde_json::json!({
        "url": format!("{base}/search?q={{query}}&format=json&pageno={{page}}"),
        "results": "/results",
        "result_url": "/url",
        "snippets": ["/title", "/content"],
    });
    Ok(description.to_string())
}
