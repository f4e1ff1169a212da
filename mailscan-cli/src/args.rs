//! What can be typed. Nothing here is acted on; [`crate::config`] makes sense of it.

mod jobs;
mod limits;
mod server;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mailscan_core::class::ClassFilter;
use mailscan_core::source::http::IpNet;

pub(crate) use jobs::{Errors, ErrorsAction, ExportFormat, Job, JobChange};
pub(crate) use limits::{Constants, Leases, Planning};
pub(crate) use server::{Access, Encryption, Networks};
pub(crate) use values::{classes, count, duplicates, job_id, listen, page_url, seconds, share, size, stale};

/// Collects every e-mail address that a set of sources exposes.
#[derive(Debug, Parser)]
#[command(name = "mailscan", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = ending()
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the help ends with.
fn ending() -> String {
    let spans = if cfg!(feature = "otel") {
        "\n\nSpans of the work and of requests go to the OpenTelemetry collector in OTEL_EXPORTER_OTLP_ENDPOINT, such as \
         http://127.0.0.1:4318, if it is set."
    } else {
        ""
    };
    format!(
        "Exit codes: 0 done, 1 failed, 2 usage, 3 done with errors to look at, 130 stopped and resumable.{spans}

Example:
  mailscan demo
  mailscan run --url https://example.org/ --crawl --target 200"
    )
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say how many workers a job would get and how long it should take
    #[command(after_help = "Example:\n  mailscan plan 1000000 --json")]
    Plan(Plan),
    /// Print the addresses in files, folders, web archives and standard input
    #[command(
        after_help = "Example:\n  mailscan scan ./site backup.sql.gz --format csv > found.csv\n  mailscan scan crawl.warc.gz --format jsonl\n  mailscan scan ./mail --include message_id,placeholder\n\nRead are text in any charset, HTML and XML, source code, mail and mailboxes, calendars and address books, PDFs, old office files (.doc, .xls, .ppt, .rtf, .msg), web archives, tar and zip files (.docx, .xlsx, .odt too), and all but zip in gzip, bzip2, xz, lzma and zstd; a zip file in another file up to 256 MiB. Not read is what 7z, rar and lz4, Outlook's .pst, databases in SQLite and text in UTF-32 hold, nor office files and PDFs that ask for a password or hold no text: such files are searched as they stand and counted by kind, and the exit code is 3.\n\nIn folders, links to files are read, and links to folders are not followed but counted.\n\nWhat comes slowly on standard input or a pipe is searched a second after it came, once there are 16 KiB that were not searched, and the rest at the end or at Ctrl-C; what is compressed or an archive waits for more than that."
    )]
    Scan(Scan),
    /// Run a durable job until its target is reached
    #[command(after_help = "Example:
  mailscan run --url https://example.org/ --crawl --depth 3 --target 200 --contact https://example.org/bot
  mailscan run --search \"site:example.org contact\" --search-endpoint https://searx.example.org --target 1000
  mailscan run --job job.json --target 500
  mailscan run --resume")]
    Run(Box<Run>),
    /// List, show, pause, resume, cancel, delete and export jobs
    #[command(subcommand, after_help = "Example:\n  mailscan job export 1 --format csv --output found.csv")]
    Job(Job),
    /// Show what went wrong, grouped, or resolve it
    #[command(args_conflicts_with_subcommands = true)]
    #[command(
        after_help = "Example:\n  mailscan errors 1\n  mailscan errors resolve --job 1 --code http-404 --note gone"
    )]
    Errors(Errors),
    /// Work on every job of a database, and answer over HTTP how they stand
    #[command(after_help = "Example:
  mailscan serve --contact https://example.org/bot
  mailscan run --url https://example.org/ --crawl --target 200 --detach
  curl \"http://127.0.0.1:8025/api/v1/jobs/1/eta\"
  mailscan serve --listen 0.0.0.0:8025 --token-file tokens --tls-cert cert.pem --tls-key key.pem")]
    Serve(Serve),
    /// Work on every job of a shared database, beside any number of others, until Ctrl-C
    #[command(after_help = "Example:
  mailscan worker --db postgres://mailscan@db.example.org/mailscan?sslmode=verify-full")]
    Worker(Worker),
    /// Run the main job against a simulated web on this machine, and check the result
    #[command(after_help = "Example:\n  mailscan demo --emails 20000")]
    Demo(Demo),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  mailscan completions bash > ~/.local/share/bash-completion/completions/mailscan"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Serve a simulated search API and web until standard input ends
    #[command(hide = true)]
    Simulate(Simulate),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    /// How many e-mails are to be collected
    #[arg(value_parser = count)]
    pub(crate) emails: u64,
    #[command(flatten)]
    pub(crate) planning: Planning,
    /// Seconds between two API calls of one worker
    #[arg(long, default_value = "0.1", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) rate_limit: Duration,
    /// Seconds to fetch the pages of one call
    #[arg(long, default_value = "2", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) deep_scrape: Duration,
    /// E-mails that one API call yields
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) emails_per_call: u32,
    /// Hosts that the pages come from: tells how many pages a second can come, and what bounds that
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) hosts: Option<u64>,
    /// With --hosts: the most requests to one host at a time
    #[arg(long, value_name = "N", default_value_t = 8, requires = "hosts", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_host: u32,
    /// With --hosts: seconds between two requests to one host
    #[arg(long, value_name = "SECONDS", default_value = "0.1", requires = "hosts", value_parser = seconds)]
    pub(crate) host_interval: Duration,
    /// With --hosts: connections that one worker keeps busy
    #[arg(long, value_name = "N", default_value_t = 100, requires = "hosts", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How `scan` writes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// One address a line
    Text,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Scan {
    /// Files, folders and web archives (WARC); `-` or nothing is standard input
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to write the addresses
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ScanFormat,
    /// Sort the addresses instead of keeping the order in which they stand
    #[arg(long)]
    pub(crate) sort: bool,
    /// Find also what was hidden from collectors, such as `ann at example dot org`; it guesses, and takes longer
    #[arg(long)]
    pub(crate) deobfuscate: bool,
    /// Leave out what .gitignore files name
    #[arg(long)]
    pub(crate) gitignore: bool,
    #[command(flatten)]
    pub(crate) classes: Kept,
    #[command(flatten)]
    pub(crate) suppressed: Suppressed,
    /// Print no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Which classes of addresses are kept.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Kept {
    /// Keep addresses of these classes too: placeholder, message_id, unknown_domain, literal, machine, file_name, or all
    #[arg(long, value_name = "CLASS,...", value_parser = classes)]
    pub(crate) include: Option<ClassFilter>,
}

/// Who does not want to be collected.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Suppressed {
    /// A list of addresses and domains that are left out whatever is asked for, one a line [default: suppress.txt in the
    /// folder mailscan of your configuration, such as ~/.config, if it is there]
    #[arg(long, value_name = "FILE", env = "MAILSCAN_SUPPRESS", hide_env_values = true, value_parser = values::suppression())]
    pub(crate) suppress: Option<PathBuf>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Database {
    /// The database: a file, or postgres://USER@HOST/NAME to share one between machines
    #[arg(long, default_value = values::DATABASE, value_name = "FILE|URL", env = "MAILSCAN_DB", hide_env_values = true,
        value_parser = values::database)]
    pub(crate) db: String,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Run {
    /// A JSON file with a job: its sources, its target and how it is done, by the names of these options with `_` for `-`; paths
    /// in it start from its folder, and what is typed as well wins
    #[arg(long, value_name = "FILE")]
    pub(crate) job: Option<PathBuf>,
    /// A page to read
    #[arg(long, value_name = "URL", value_parser = page_url)]
    pub(crate) url: Vec<String>,
    /// The pages that a sitemap lists. The address of a site, without a path, stands for all sitemaps that its robots.txt
    /// names, or else for its /sitemap.xml
    #[arg(long, value_name = "URL", value_parser = page_url)]
    pub(crate) sitemap: Vec<String>,
    /// A file with one URL a line, as plain text in UTF-8; a name such as example.org/contact is asked over https, a tab ends the
    /// URL, and lines that begin with # are remarks
    #[arg(long, value_name = "FILE")]
    pub(crate) urls: Vec<PathBuf>,
    /// What to search for
    #[arg(long, value_name = "QUERY")]
    pub(crate) search: Vec<String>,
    /// The search endpoint: the base URL of a SearXNG, of which 100 pages are asked, or a JSON file that describes another: `url`
    /// with {query} and {page}, `results`, `result_url`, and more that docs/search.md explains
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) search_endpoint: Option<String>,
    /// How many calls of one search run side by side, instead of what the endpoint's description says
    #[arg(long, value_name = "N")]
    pub(crate) search_lanes: Option<u32>,
    /// A local file or folder to read
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
    /// Follow links within the hosts of the pages given
    #[arg(long)]
    pub(crate) crawl: bool,
    /// How many links away from the pages given to go; those of a sitemap are one link away, of an index two [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// The most pages, sitemaps, calls, files, folders and parts of lists (1,000 URLs or 256 KiB of one) to read
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) max_pages: Option<u64>,
    /// How many addresses to collect
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) target: Option<u64>,
    #[command(flatten)]
    pub(crate) database: Database,
    /// Workers instead of the planned number
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// Connections that one worker keeps busy [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<u32>,
    /// The share of the workers and connections that the job gets where others are worked on beside it: twice as much as one with
    /// half the weight [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) weight: Option<u32>,
    #[command(flatten)]
    pub(crate) politeness: Politeness,
    #[command(flatten)]
    pub(crate) constants: Constants,
    #[command(flatten)]
    pub(crate) leases: Leases,
    #[command(flatten)]
    pub(crate) machine: Machine,
    #[command(flatten)]
    pub(crate) classes: Kept,
    #[command(flatten)]
    pub(crate) suppressed: Suppressed,
    /// Seconds at work after which the job is paused; 0 for never. They begin anew when a paused job is resumed, not after a
    /// restart or a crash [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) time_limit: Option<Duration>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on with an unfinished job: this one, or the newest
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = FIXED, value_parser = job_id)]
    pub(crate) resume: Option<Option<u64>>,
    /// With --resume: let a job that came through the API fetch from this network although it is not public, as with `serve`;
    /// may be given again
    #[arg(long, value_name = "CIDR", value_parser = values::network)]
    pub(crate) allow_network: Vec<IpNet>,
    /// Only put the job into the database and leave it to running workers, which reach public addresses and the networks of
    /// their --allow-network; what else is theirs is refused here: --suppress, --memory-limit, --min-free-disk, --max-workers,
    /// --workers-per-1000, --bloom-capacity and --lease
    #[arg(long)]
    pub(crate) detach: bool,
}

/// What a job keeps from its start: typing it again could only be ignored.
const FIXED: [&str; 18] = [
    "job",
    "url",
    "sitemap",
    "urls",
    "search",
    "search_endpoint",
    "search_lanes",
    "path",
    "crawl",
    "depth",
    "max_pages",
    "target",
    "workers",
    "connections",
    "weight",
    "time_limit",
    "include",
    "detach",
];

/// How hosts are treated. What is not typed is what the job began with, or the default.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Politeness {
    /// Seconds between two requests to one host, and between two calls of a search by one worker; in `serve` and `worker`
    /// the longer of theirs and the job's, if that is longer than the default [default: 0.1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) rate_limit: Option<Duration>,
    /// The most requests to one host at a time [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_host: Option<u32>,
    /// A page or address at which the owner of a site can reach you; sent with every request
    #[arg(long, value_name = "URL")]
    pub(crate) contact: Option<String>,
}

/// How much memory a process may use.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Memory {
    /// The most memory to use, such as 512M; fewer pages are fetched at a time as it fills [default: the container's or
    /// the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory_limit: Option<u64>,
}

/// What of the machine a process may use that keeps its database in a file.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Machine {
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// Begin nothing once the disk with the file of the database has less room than this, until it has twice as much; the disk
    /// of a database server is not watched [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) min_free_disk: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Where to listen; an address that other machines can reach needs --token-file
    #[arg(long, default_value = "127.0.0.1:8025", value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// A folder below which jobs that are created over HTTP may read files, and no links that lead out of it. A job keeps
    /// the folders that there were when it was created
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) encryption: Encryption,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) politeness: Politeness,
    #[command(flatten)]
    pub(crate) constants: Constants,
    #[command(flatten)]
    pub(crate) leases: Leases,
    /// Seconds, from 10 to 3600, after which the workers of a process that says nothing any more are shown as stale
    #[arg(long, default_value = "300", value_name = "SECONDS", value_parser = stale)]
    pub(crate) stale_after: Duration,
    #[command(flatten)]
    pub(crate) machine: Machine,
    #[command(flatten)]
    pub(crate) suppressed: Suppressed,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// The database server that the jobs are on: postgres://USER@HOST/NAME
    #[arg(long, value_name = "URL", env = "MAILSCAN_DB", hide_env_values = true, value_parser = values::server)]
    pub(crate) db: String,
    #[command(flatten)]
    pub(crate) constants: Constants,
    #[command(flatten)]
    pub(crate) leases: Leases,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) politeness: Politeness,
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) suppressed: Suppressed,
}

/// What a simulated web is like.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Simulated {
    /// How many different addresses it holds
    #[arg(long, default_value_t = 10_000, value_parser = count, value_name = "N")]
    pub(crate) emails: u64,
    /// Seconds that a search call takes
    #[arg(long, default_value = "0.1", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) call_delay: Duration,
    /// Seconds that a page takes
    #[arg(long, default_value = "2", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) page_delay: Duration,
    /// The median size of a page
    #[arg(long, default_value_t = 20_000, value_name = "BYTES")]
    pub(crate) page_bytes: usize,
    /// Pages that one search call lists; with 0 its answer holds the addresses itself
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) pages_per_call: u32,
    /// The share of mentions that repeat an earlier address, at most 0.95
    #[arg(long, default_value = "0.1", value_parser = duplicates, value_name = "SHARE")]
    pub(crate) duplicates: f64,
    /// The share of calls and pages that fail at first
    #[arg(long, default_value = "0", value_parser = share, value_name = "SHARE")]
    pub(crate) failures: f64,
    /// What the content is derived from
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) simulated: Simulated,
    /// Workers instead of the planned number
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// Connections that one worker keeps busy
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) connections: u32,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Keep the database in this file instead of a temporary one
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Write what happened over time into this folder: report.json and report.svg
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Simulate {
    #[command(flatten)]
    pub(crate) simulated: Simulated,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind::ArgumentConflict;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        Args::command().debug_assert();
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example:"), "{}", command.get_name());
        }
    }

    #[test]
    fn the_help_of_scan_names_the_old_office_files_that_are_read() {
        let all = Args::command();
        let help = all.find_subcommand("scan").unwrap().get_after_help().unwrap().to_string();
        for ending in [".doc", ".xls", ".ppt", ".rtf", ".msg"] {
            assert!(help.contains(ending), "{ending}: {help}");
        }
    }

    #[test]
    fn resume_takes_a_job_or_none() {
        let resume = |words: &[&str]| match Args::try_parse_from(words).unwrap().command {
            Command::Run(run) => run.resume,
            other => panic!("{other:?}"),
        };
        assert_eq!(resume(&["mailscan", "run", "--resume"]), Some(None));
        assert_eq!(resume(&["mailscan", "run", "--resume", "7"]), Some(Some(7)));
        assert_eq!(resume(&["mailscan", "run", "--url", "https://a.org/"]), None);
    }

    #[test]
    fn every_option_of_run_is_kept_by_a_job_or_may_be_typed_again() {
        let again = [
            "resume",
            "db",
            "rate_limit",
            "per_host",
            "contact",
            "max_workers",
            "workers_per_1000",
            "bloom_capacity",
            "lease",
            "memory_limit",
            "min_free_disk",
            "suppress",
            "allow_network",
            "json",
        ];
        let all = Args::command();
        let run = all.find_subcommand("run").unwrap();
        for option in run.get_arguments() {
            let (id, name) = (option.get_id().as_str(), option.get_long().unwrap());
            assert!(FIXED.contains(&id) != again.contains(&id), "say whether --{name} may be typed with --resume");
            let value = match id {
                "url" | "sitemap" => Some("https://a.org/"),
                "include" => Some("all"),
                _ => option.get_action().takes_values().then_some("9"),
            };
            let typed = format!("--{name}");
            let words = ["mailscan", "run", "--resume", "1", &typed];
            let refused = Args::try_parse_from(words.into_iter().chain(value))
                .is_err_and(|error| error.kind() == ArgumentConflict);
            assert!(refused || !FIXED.contains(&id), "--{name} is taken with --resume");
        }
        assert!(FIXED.iter().all(|id| run.get_arguments().any(|option| option.get_id() == id)));
    }

    #[test]
    fn errors_takes_a_job_or_an_action() {
        let errors = |words: &[&str]| match Args::try_parse_from(words).unwrap().command {
            Command::Errors(errors) => errors,
            other => panic!("{other:?}"),
        };
        assert_eq!(errors(&["mailscan", "errors", "7", "--list"]).id, Some(7));
        assert!(errors(&["mailscan", "errors", "resolve", "--code", "http-404", "--note", "gone"]).action.is_some());
    }
}
