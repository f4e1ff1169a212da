//! The page: the files of `assets/`, which are part of the binary, and the rules a browser is given for them.
//!
//! A file is told apart from an older one by its `ETag`, a fingerprint of its content, so a browser asks each time and is
//! sent only what is new to it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

/// What the page may load and do: its own files and this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug)]
pub(crate) struct Asset {
    path: &'static str,
    media: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($media:ident: $($name:literal)+;)+) => {
        &[$($(Asset { path: concat!("/assets/", $name), media: $media, content: include_str!(concat!("../assets/", $name)) },)+)+]
    };
}

const INDEX: Asset = Asset { path: "/", media: HTML, content: include_str!("../assets/index.html") };

const ASSETS: &[Asset] = assets! {
    CSS: "base.css" "parts.css";
    SVG: "icon.svg";
    JAVASCRIPT:
        "api.js" "chart.js" "connection.js" "dialogs.js" "dom.js" "format.js" "live.js" "main.js" "parts.js" "table.js" "tabs.js"
        "views/addresses.js" "views/choose-job.js" "views/errors.js" "views/job-details.js" "views/job-live.js" "views/job.js"
        "views/jobs.js" "views/new-job-fields.js" "views/new-job-plan.js" "views/new-job.js" "views/system.js" "views/workers.js";
};

/// The file of the page that is at this path, if there is one.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    std::iter::once(&INDEX).chain(ASSETS).find(|asset| asset.path == path)
}

/// The answer to a request for a file of the page; `None` when it is for something else.
pub(crate) fn answer(head: &Parts) -> Option<Response<Full<Bytes>>> {
    if !matches!(head.method, Method::GET | Method::HEAD) || head.uri.query().is_some() {
        return None;
    }
    let asset = find(head.uri.path())?;
    let tag = asset.tag();
    let known = knows(&head.headers, &tag);
    let body = if known { Bytes::new() } else { Bytes::from_static(asset.content.as_bytes()) };
    let mut response = Response::new(Full::new(body));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

impl Asset {
    fn tag(&self) -> String {
        format!("\"{:016x}\"", xxh3_64(self.content.as_bytes()))
    }
}

/// Whether the client has this version.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.trim_start_matches("W/") == tag)
}
