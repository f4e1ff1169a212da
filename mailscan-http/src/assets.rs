//! The page: the files of `assets/`, which are part of the binary, and what a browser may do with them.
//!
//! Like every lasting answer they have an `ETag` ([`crate::sealed`]): a browser asks each time, and is sent what is new
//! to it.

use bytes::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};

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
    /// The file, with what it may do.
    pub(crate) fn reply(&self) -> Reply {
        let content = Bytes::from_static(self.content.as_bytes());
        Reply::whole(self.media, content).with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
    }
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
}
