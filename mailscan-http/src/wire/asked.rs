//! What can be sent, for the description of the API. What is sent is read field by field elsewhere, so that everything that
//! is wrong with it is told at once; tests hold the two together.

use std::collections::HashMap;

use mailscan_core::class::{Class, ClassFilter};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, Schema};

/// A job to begin: at least one of `urls`, `sitemaps`, `searches` and `paths`.
#[derive(Debug, ToSchema)]
pub struct NewJob {
    /// How many addresses to collect.
    #[schema(minimum = 1, maximum = 9223372036854775807i64)]
    pub target: u64,
    /// Pages to read.
    #[schema(schema_with = urls)]
    pub urls: Option<Vec<String>>,
    /// Sitemaps whose pages to read. A site's address without a path stands for all that its robots.txt names.
    #[schema(schema_with = sitemaps)]
    pub sitemaps: Option<Vec<String>>,
    /// What to search for at the endpoint.
    #[schema(max_items = 1000)]
    pub searches: Option<Vec<String>>,
    /// The base URL of a SearXNG, or a description of another endpoint. Needed for a search.
    #[schema(schema_with = search_endpoint)]
    pub search_endpoint: Option<Value>,
    /// Files and folders of the server below one of its `--root` folders. A link in them that leads elsewhere is not read: it
    /// is an error of the job (`file-outside`).
    #[schema(max_items = 1000)]
    pub paths: Option<Vec<String>>,
    /// Follow links within the hosts of the pages given; false when it is left out.
    pub crawl: Option<bool>,
    /// How many links away from the pages given to go; 5 when it is left out. Only with `crawl`. The pages of a sitemap are
    /// one link away, those of an index two.
    pub depth: Option<u32>,
    /// The most pages, sitemaps, calls, files and folders to read.
    #[schema(minimum = 1, maximum = 9223372036854775807i64)]
    pub max_pages: Option<u64>,
    /// Workers instead of the planned number.
    #[schema(minimum = 1, maximum = 100000)]
    pub workers: Option<u32>,
    /// Connections that one worker keeps busy; 100 when it is left out.
    #[schema(minimum = 1, maximum = 100000)]
    pub connections: Option<u32>,
    /// Seconds between two calls of a search by one worker, unless the server's own are longer and more than 0.1; and, where they
    /// are more than 0.1 and longer than the server's own, between two requests to one host. 0.1 when it is left out.
    #[schema(minimum = 0, maximum = 1000000)]
    pub rate_limit: Option<f64>,
    /// The share of the worker pool, relative to other jobs; 1 when it is left out.
    #[schema(minimum = 1, maximum = 100000)]
    pub weight: Option<u32>,
    /// Seconds at work after which the job is paused; 0 for never, 600 when it is left out. They begin anew when it is resumed,
    /// not when the server is restarted.
    #[schema(minimum = 0, maximum = 1000000)]
    pub time_limit: Option<f64>,
    /// The most requests to one host at a time, where that is fewer than the server itself allows.
    #[schema(minimum = 1, maximum = 100000)]
    pub per_host: Option<u32>,
    /// A page or address at which the owner of a site can reach whoever runs the job.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub contact: Option<String>,
    /// Classes of addresses to keep that are left out otherwise, or `all`.
    #[schema(schema_with = include)]
    pub include: Option<Vec<String>>,
}

/// A list, or nothing.
fn list(items: ObjectBuilder, most: usize, about: &str) -> Schema {
    let types = SchemaType::from_iter([Type::Array, Type::Null]);
    let list = ArrayBuilder::new().schema_type(types).items(items.schema_type(SchemaType::new(Type::String)).build());
    list.max_items(Some(most)).description(Some(about)).build().into()
}

fn urls() -> Schema {
    url_list("https://example.org/", "Pages to read.")
}

fn sitemaps() -> Schema {
    let about =
        "Sitemaps whose pages to read. A site's address without a path stands for all that its robots.txt names.";
    url_list("https://example.org/sitemap.xml", about)
}

fn url_list(example: &str, about: &str) -> Schema {
    let url = ObjectBuilder::new().pattern(Some("^[hH][tT][tT][pP][sS]?://"));
    list(url.examples([example]), 10_000, about)
}

fn include() -> Schema {
    let names = ClassFilter::CLASSES.iter().map(Class::as_str).chain(["all"]);
    let about = "Classes of addresses to keep that are left out otherwise, or `all`.";
    list(ObjectBuilder::new().enum_values(Some(names)), 100, about)
}

fn search_endpoint() -> Schema {
    let about = "The base URL of a SearXNG, or a description of another endpoint. Needed for a search.";
    let of = |is: Type| ObjectBuilder::new().schema_type(SchemaType::new(is));
    let base = of(Type::String).examples(["https://searx.example.org"]);
    let described = Ref::from_schema_name("SearchEndpoint");
    OneOfBuilder::new().item(base).item(described).item(of(Type::Null)).description(Some(about)).build().into()
}

/// An endpoint that answers a search in JSON: how it is asked, and where its answer holds what.
#[derive(Debug, ToSchema)]
pub struct SearchEndpoint {
    /// The URL to ask, with `{query}` where the query goes and `{page}` where the number of the page does; without that one page
    /// is asked.
    #[schema(pattern = r"\{query\}", example = "https://search.example.org/v1?q={query}&start={page}")]
    pub url: String,
    /// Where the answer holds the list of results: names of fields, or numbers of items, with dots between them.
    #[schema(example = "data.items")]
    pub results: String,
    /// Where a result holds its URL, written likewise.
    #[schema(example = "link")]
    pub result_url: String,
    /// Where a result holds text that is worth reading.
    #[schema(required = false)]
    pub snippets: Vec<String>,
    /// Further headers. None that say how a request is sent, or who sends it.
    #[schema(required = false)]
    pub headers: HashMap<String, String>,
    /// The number of the first page; 1 when it is left out.
    #[schema(required = false, maximum = 4294967295i64)]
    pub first_page: u32,
    /// By how much each page's number is larger than the one before: 1, as when it is left out, where pages are counted, as many
    /// as a page has results where these are.
    #[schema(required = false, minimum = 1, maximum = 4294967295i64)]
    pub page_step: u32,
    /// The most pages of one query; 100 when it is left out.
    #[schema(required = false, minimum = 1, maximum = 4294967295i64)]
    pub max_pages: u32,
    /// How many calls of one query may run side by side; 1 when it is left out. Times the searches at most 10,000.
    #[schema(required = false, minimum = 1, maximum = 4294967295i64)]
    pub lanes: u32,
}

/// Why something is done, for whoever looks at the job later.
#[derive(Debug, ToSchema)]
pub struct Reason {
    /// In a line.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub reason: Option<String>,
}

/// Which errors to resolve: those that match everything given, of `ids`, `class`, `code` and `host` at least one.
#[derive(Debug, ToSchema)]
pub struct Resolve {
    /// The errors with these ids.
    #[schema(max_items = 10000)]
    pub ids: Option<Vec<u64>>,
    /// Of this class.
    #[schema(schema_with = super::names::maybe_error_class)]
    pub class: Option<String>,
    /// With this code.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub code: Option<String>,
    /// At this host.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub host: Option<String>,
    /// What was done about them.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub note: String,
    /// Try again what was given up; a job that had come to its end goes on. False when it is left out.
    pub retry: Option<bool>,
    /// With `retry`: only the errors up to this id, as the answer before told it. What has failed since is left alone.
    #[schema(maximum = 9223372036854775807_u64)]
    pub up_to: Option<u64>,
}
