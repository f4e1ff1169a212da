//! Options of the commands about jobs that there are already, and about their errors.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use mailscan_core::store::ErrorClass;

use super::values::{error_class, job_id};
use super::{Database, Planning, Suppressed};

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List all jobs
    #[command(after_help = "Example:\n  mailscan job list --json")]
    List {
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        planning: Planning,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one job
    #[command(after_help = "Example:\n  mailscan job show 1")]
    Show {
        /// The job
        #[arg(value_parser = job_id)]
        id: u64,
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        planning: Planning,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Pause a job; what it has is kept
    #[command(after_help = "Example:\n  mailscan job pause 1")]
    Pause(JobChange),
    /// Let a paused or failed job go on where workers run; what it gave up, `errors resolve --retry` tries again
    #[command(after_help = "Example:\n  mailscan job resume 1")]
    Resume(JobChange),
    /// End a job for good; what it has is kept
    #[command(after_help = "Example:\n  mailscan job cancel 1")]
    Cancel(JobChange),
    /// Delete a job that is paused or has ended, with its addresses, tasks and errors
    #[command(after_help = "Example:\n  mailscan job delete 1 --yes")]
    Delete {
        /// The job
        #[arg(value_parser = job_id)]
        id: u64,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        database: Database,
    },
    /// Write the addresses of a job
    #[command(after_help = "Example:\n  mailscan job export 1 --format jsonl --output found.jsonl")]
    Export {
        /// The job
        #[arg(value_parser = job_id)]
        id: u64,
        /// How to write them
        #[arg(long, value_enum, default_value = "csv")]
        format: ExportFormat,
        /// Where to, instead of standard output; it has another name, which ends in .part, until it is whole; a link, and a file
        /// where none of the same owner can be put, is written in place
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        suppressed: Suppressed,
        #[command(flatten)]
        database: Database,
    },
}

/// How `job export` writes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Apache Parquet: columns with types, compressed
    Parquet,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct JobChange {
    /// The job
    #[arg(value_parser = job_id)]
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) database: Database,
    /// Why, for whoever looks at the job later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Errors {
    #[command(subcommand)]
    pub(crate) action: Option<ErrorsAction>,
    /// Only those of this job
    #[arg(value_parser = job_id)]
    pub(crate) id: Option<u64>,
    /// Every open error instead of groups
    #[arg(long)]
    pub(crate) list: bool,
    /// Every error, resolved ones too
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) database: Database,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ErrorsAction {
    /// Mark open errors as resolved; what is given must all match
    #[command(
        after_help = "Example:\n  mailscan errors resolve --host example.org --note \"the site has moved\"\n  mailscan errors resolve --job 1 --class exhausted --note \"it is back\" --retry"
    )]
    Resolve {
        /// Of this job
        #[arg(long, value_name = "ID")]
        job: Option<u64>,
        /// Of this class: retried, partial, blocked, permanent, exhausted or quarantined
        #[arg(long, value_parser = error_class)]
        class: Option<ErrorClass>,
        /// With this code
        #[arg(long)]
        code: Option<String>,
        /// At this host
        #[arg(long)]
        host: Option<String>,
        /// With this number
        #[arg(long, value_name = "N")]
        id: Vec<u64>,
        /// What was done about them
        #[arg(long, value_name = "TEXT")]
        note: String,
        /// Try again what was given up; a job that had come to its end goes on. Errors that were resolved without it cannot be
        /// tried again
        #[arg(long)]
        retry: bool,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: Database,
    },
}
