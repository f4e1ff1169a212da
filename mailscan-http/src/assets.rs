//! The page: the files of `assets/`, which are part of the binary, and the rules a browser is given for them.
//!
//! A file is told apart from an older one by its `ETag`, a fingerprint of its content, so a browser asks each time and is
//! sent only what is new to it.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{StatusCode, http::HeaderName};
use xxhash_rust::xxh3::xxh3_64;

use crate::reply::Reply;

/// What the page may load and do: its own files and this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// Its path within `assets/`.
    name: &'static str,
    media: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($media:ident: $($name:literal)+;)+) => {
        &[$($(Asset { name: $name, media: $media, content: include_str!(concat!("../assets/", $name)) },)+)+]
    };
}

/// Where the page begins.
pub(crate) static INDEX: Asset =
    Asset { name: "index.html", media: HTML, content: include_str!("../assets/index.html") };

static ASSETS: &[Asset] = assets! {
    CSS: "base.css" "parts.css";
    SVG: "icon.svg";
    JAVASCRIPT:
        "api.js" "chart.js" "connection.js" "dialogs.js" "dom.js" "format.js" "live.js" "main.js" "parts.js" "table.js"
        "tabs.js" "views/addresses.js" "views/choose-job.js" "views/errors.js" "views/job-details.js"
        "views/job-live.js" "views/job.js" "views/jobs.js" "views/new-job-fields.js" "views/new-job-plan.js"
        "views/new-job.js" "views/system.js" "views/workers.js";
};

/// The file with this name in a folder of `assets/`, which is empty or ends with a slash.
pub(crate) fn find(folder: &str, name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name.strip_prefix(folder) == Some(name))
}

impl Asset {
    /// The file, or word that the client has it.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Reply {
        let tag = format!("\"{:016x}\"", xxh3_64(self.content.as_bytes()));
        let reply = if knows(asked, &tag) {
            Reply::empty().with_status(StatusCode::NOT_MODIFIED)
        } else {
            Reply::whole(self.media, Bytes::from_static(self.content.as_bytes()))
        };
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let reply = fixed
            .into_iter()
            .fold(reply, |reply, (name, value)| reply.with_header(name, HeaderValue::from_static(value)));
        match HeaderValue::from_str(&tag) {
            Ok(tag) => reply.with_header(header::ETAG, tag),
            Err(_) => reply,
        }
    }
}

/// Whether the client has this version.
fn knows(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut given = values.flat_map(|value| value.split(',')).map(|given| given.trim().trim_start_matches("W/"));
    given.any(|given| given == "*" || given == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_brings_everything_it_names() {
        let all: usize = ASSETS.iter().chain([&INDEX]).map(|asset| asset.content.len()).sum();
        assert!(all < 150_000, "{all} bytes");
        for asset in ASSETS.iter().chain([&INDEX]) {
            let folder = asset.name.rsplit_once('/').map_or("", |(folder, _)| folder);
            for (_, rest) in
                asset.content.match_indices("from \"").map(|(at, found)| asset.content.split_at(at + found.len()))
            {
                let named = rest.split('"').next().unwrap();
                let path = match named.strip_prefix("../") {
                    Some(path) => path.to_owned(),
                    None => format!(
                        "{folder}{}{}",
                        if folder.is_empty() { "" } else { "/" },
                        named.trim_start_matches("./")
                    ),
                };
                assert!(find("", &path).is_some(), "{} imports {named}", asset.name);
            }
            for foreign in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "<script>"] {
                assert!(!asset.content.contains(foreign), "{} has {foreign}", asset.name);
            }
        }
    }

    #[test]
    fn every_file_that_is_there_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let names = |folder: &std::path::Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            entries
                .filter(|entry| entry.path().is_file())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect()
        };
        for name in names(&folder).iter().filter(|name| *name != INDEX.name) {
            assert!(find("", name).is_some(), "{name}");
        }
        for name in names(&folder.join("views")) {
            assert!(find("views/", &name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_client_that_has_the_file_is_told_so() {
        let asked = |tag: &'static str| HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(tag))]);
        assert!(knows(&asked("\"a\", W/\"b\""), "\"b\"") && knows(&asked("*"), "\"b\""));
        assert!(!knows(&asked("\"a\""), "\"b\"") && !knows(&HeaderMap::new(), "\"b\""));
    }
}
