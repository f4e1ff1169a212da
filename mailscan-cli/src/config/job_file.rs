//! A job in a file: the options of `run`, read from JSON and put under what was typed.
//!
//! An option that is typed replaces the file's. Names in the file that are paths start from the file's folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailscan_core::class::ClassFilter;
use serde::Deserialize;

use crate::args;
use crate::exit::{Failure, Result};

/// The most bytes of a job file: a list of URLs has a file of its own.
const MOST_BYTES: u64 = 16 << 20;

/// What a file may hold.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct JobFile {
    url: Option<Names>,
    sitemap: Option<Names>,
    urls: Option<Names>,
    search: Option<Names>,
    search_endpoint: Option<String>,
    search_lanes: Option<u32>,
    path: Option<Names>,
    crawl: Option<bool>,
    depth: Option<u32>,
    max_pages: Option<u64>,
    target: Option<u64>,
    workers: Option<u32>,
    connections: Option<u32>,
    weight: Option<u32>,
    rate_limit: Option<f64>,
    per_host: Option<u32>,
    contact: Option<String>,
    time_limit: Option<f64>,
    include: Option<Names>,
}

/// Names in a list, or in one text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "give a text or a list of texts")]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

/// What was typed, with the rest from the file that it names.
pub(super) fn merged(typed: &args::Run) -> Result<args::Run> {
    let mut run = typed.clone();
    let Some(path) = &typed.job else { return Ok(run) };
    let file = read(path)?;
    let wrong = |name: &str, why: String| Failure::Usage(format!("`{name}` in `{}`: {why}", path.display()));
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = |paths: Option<Names>| -> Option<Vec<PathBuf>> {
        paths.map(|paths| paths.list().into_iter().map(|path| folder.join(path)).collect())
    };
    let seconds = |name: &str, number: Option<f64>| -> Result<Option<Duration>> {
        number.map(|number| args::seconds(&number.to_string()).map_err(|why| wrong(name, why))).transpose()
    };
    or_list(&mut run.url, file.url.map(Names::list));
    or_list(&mut run.sitemap, file.sitemap.map(Names::list));
    or_list(&mut run.urls, beside(file.urls));
    or_list(&mut run.search, file.search.map(Names::list));
    or_list(&mut run.path, beside(file.path));
    // A description of an endpoint is a file; its base URL stands as it is.
    let endpoint = file.search_endpoint.map(|text| match text.contains("://") {
        true => text,
        false => folder.join(text).to_string_lossy().into_owned(),
    });
    or(&mut run.search_endpoint, endpoint);
    or(&mut run.search_lanes, file.search_lanes);
    run.crawl |= file.crawl.unwrap_or_default();
    or(&mut run.depth, file.depth);
    or(&mut run.max_pages, file.max_pages);
    or(&mut run.target, file.target);
    or(&mut run.workers, file.workers);
    or(&mut run.connections, file.connections);
    or(&mut run.weight, file.weight);
    or(&mut run.politeness.rate_limit, seconds("rate_limit", file.rate_limit)?);
    or(&mut run.politeness.per_host, file.per_host);
    or(&mut run.politeness.contact, file.contact);
    or(&mut run.time_limit, seconds("time_limit", file.time_limit)?);
    let include = file.include.map(|names| names.list().join(","));
    let include = include.map(|names| ClassFilter::parse(&names).map_err(|why| wrong("include", why)));
    or(&mut run.classes.include, include.transpose()?);
    Ok(run)
}

fn or<T>(typed: &mut Option<T>, file: Option<T>) {
    *typed = typed.take().or(file);
}

fn or_list<T>(typed: &mut Vec<T>, file: Option<Vec<T>>) {
    if typed.is_empty() {
        *typed = file.unwrap_or_default();
    }
}

fn read(path: &Path) -> Result<JobFile> {
    let told = |why: String| format!("cannot read the job in `{}`: {why}", path.display());
    let failed = |error: std::io::Error| Failure::Failed(told(error.to_string()));
    let wrong = |why: String| Failure::Usage(told(why));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(wrong(format!("it is larger than {} MiB: put URLs into a file of their own", MOST_BYTES >> 20)));
    }
    // Editors of Windows begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // Of a list, serde would take the values for the options in their order.
    if !text.trim_start().starts_with('{') {
        return Err(wrong(
            "it is not a JSON object, such as {\"url\": [\"https://example.org/\"], \"target\": 100}".to_owned(),
        ));
    }
    serde_json::from_str(text).map_err(|error| wrong(faulty(text).unwrap_or_else(|| error.to_string())))
}

/// The first option that cannot be what it is, and why, where the text as such can be read.
fn faulty(text: &str) -> Option<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    fields.into_iter().find_map(|(name, value)| {
        let alone = serde_json::Map::from_iter([(name.clone(), value)]);
        let why = serde_json::from_value::<JobFile>(alone.into()).err()?.to_string();
        Some(if why.starts_with("unknown field") { why } else { format!("`{name}`: {why}") })
    })
}
