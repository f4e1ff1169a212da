//! The command line as a user meets it: the built binary, its output, its errors and its exit codes.

mod archives;
mod databases;
mod demo;
mod errors;
mod home;
mod jobs;
mod plan;
mod retries;
mod scan;
mod signals;
mod sitemaps;
#[cfg(unix)]
mod stopped;
mod suppression;
mod written;

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::OnceLock;

use mailscan_tests::at_home;
use tempfile::TempDir;

/// The binary that `MAILSCAN_BINARY` names, or one that is built once with the profile of this test.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("MAILSCAN_BINARY") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "MAILSCAN_BINARY names no file: {}", path.display());
            return path;
        }
        // This test is `<target>/<profile>/deps/it-<hash>`.
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap();
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "mailscan-cli", "--profile", profile, "--target-dir"])
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success(), "the binary could not be built");
        folder.join(format!("mailscan{}", std::env::consts::EXE_SUFFIX))
    })
}

/// The binary in a folder, for which whoever runs the tests has set nothing.
pub(crate) fn mailscan(folder: &Path) -> Command {
    at_home(binary(), folder)
}

/// What a run of the binary gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Starts the binary in a folder, and reads what it says.
pub(crate) fn start_in(folder: &Path, arguments: &[&str]) -> (Child, BufReader<ChildStderr>) {
    start_logging_in(folder, arguments, "error")
}

/// Starts the binary in a folder with a log of this level, and reads what it says.
pub(crate) fn start_logging_in(folder: &Path, arguments: &[&str], level: &str) -> (Child, BufReader<ChildStderr>) {
    let mut child = mailscan(folder)
        .args(arguments)
        .env("MAILSCAN_LOG", level)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let err = BufReader::new(child.stderr.take().unwrap());
    (child, err)
}

/// Does what Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Does what the end of a terminal does, and who wants files to be read again.
pub(crate) fn hang_up(child: &Child) {
    signal(child, "-HUP");
}

/// Sends a signal by its name, such as `-INT`.
pub(crate) fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Runs the binary in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    mailscan(folder).args(arguments).output().unwrap().into()
}

/// Runs the binary in a folder that is gone afterwards.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_in(TempDir::new().unwrap().path(), arguments)
}

/// Runs the binary with this on its standard input.
fn run_with_input(arguments: &[&str], input: &[u8]) -> Ran {
    let folder = TempDir::new().unwrap();
    let mut child = mailscan(folder.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().into()
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn mistakes_get_a_suggestion_and_exit_code_2() {
    for (arguments, hint) in [
        (&["plan", "--jsn", "1"][..], "'--json'"),
        (&["scna"], "'scan'"),
        (&["scan", "--format", "jsnl"], "'jsonl'"),
        (&["plan", "many"], "whole number"),
        (&["plan", "1", "--rate-limit=-1"], "give seconds"),
        (&["run", "--url", "example.org", "--target", "1"], "https://example.org/"),
        (&["run", "--url", "ftp://example.org", "--target", "1"], "http"),
        (&["run", "--target", "1"], "at least one URL"),
        (&["run", "--url", "https://example.org/"], "--target"),
        (&["run", "--url", "https://example.org/", "--target", "0"], "target is 0"),
        (&["run", "--search", "x", "--target", "1"], "--search-endpoint"),
        (&["run", "--search", " ", "--search-endpoint", "https://a.org", "--target", "1"], "a search is empty"),
        (&["run", "--path", ".", "--target", "1", "--db", "mysql://host/db"], "mailscan.db"),
        (&["plan", "1", "--rate-limit", "1e19"], "from 0 to 1000000"),
        (&["run", "--url", "https://example.org/", "--target", "1", "--rate-limit", "1e19"], "from 0 to 1000000"),
        (&["run", "--url", "https://example.org/", "--target", "1", "--time-limit", "1e300"], "from 0 to 1000000"),
        (&["demo", "--emails", "1", "--page-delay", "1e19"], "from 0 to 1000000"),
        (&["demo", "--duplicates", "0.99"], "from 0 to 0.95"),
        (&["run", "--path", ".", "--target", "1", "--per-host", "0"], "1.."),
        (&["run", "--path", ".", "--target", "1", "--weight", "0"], "1.."),
        (&["job", "show", "first"], "the number of a job"),
        (&["run", "--resume", "99999999999999999999"], "the number of a job"),
        (&["serve", "--listen", "localhost:8110"], "an IP address and a port"),
        (&["run", "--path", ".", "--target", "1", "--contact", "two\nlines"], "cannot stand in a header"),
        (&["run", "--path", ".", "--target", "1", "--detach", "--contact", "two\nlines"], "cannot stand in a header"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(hint), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn what_a_job_keeps_from_its_start_cannot_be_typed_with_resume() {
    for fixed in [
        &["--job", "job.json"][..],
        &["--url", "https://example.org/"],
        &["--sitemap", "https://example.org/"],
        &["--urls", "list.txt"],
        &["--search", "x"],
        &["--search-endpoint", "https://searx.example.org"],
        &["--search-lanes", "2"],
        &["--path", "."],
        &["--crawl"],
        &["--depth", "2"],
        &["--max-pages", "9"],
        &["--target", "1"],
        &["--workers", "2"],
        &["--connections", "2"],
        &["--weight", "2"],
        &["--time-limit", "5"],
        &["--include", "all"],
        &["--detach"],
    ] {
        let ran = run(&[&["run", "--resume", "1"], fixed].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{fixed:?}: {}", ran.err);
        assert!(ran.err.contains("--resume") && ran.err.contains("cannot be used with"), "{fixed:?}: {}", ran.err);
        assert!(ran.err.contains(fixed[0]), "{fixed:?}: {}", ran.err);
    }
}

#[test]
fn every_command_helps_with_an_example() {
    for command in [
        &["plan"][..],
        &["scan"],
        &["run"],
        &["job"],
        &["job", "list"],
        &["job", "show"],
        &["job", "pause"],
        &["job", "resume"],
        &["job", "cancel"],
        &["job", "delete"],
        &["job", "export"],
        &["errors"],
        &["errors", "resolve"],
        &["serve"],
        &["demo"],
        &["completions"],
    ] {
        let ran = run(&[command, &["--help"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let example = format!("Example:\n  mailscan {}", command.join(" "));
        assert!(ran.out.contains(&example), "{command:?}: {}", ran.out);
    }
}

#[test]
fn completions_know_the_commands_and_hide_the_hidden_one() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        for offered in ["search-endpoint", "stale-after", "completions", "resolve", "version"] {
            assert!(ran.out.contains(offered), "{shell} does not know `{offered}`");
        }
        let mut words = ran.out.split(|c: char| !c.is_alphanumeric());
        assert!(!words.any(|word| word == "simulate"), "{shell} offers what is hidden");
    }
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn the_simulation_says_where_it_listens_and_ends_with_its_input() {
    let ran = run_with_input(&["simulate", "--emails", "25"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut lines = ran.out.lines();
    let listening = json(lines.next().unwrap());
    assert!(listening["search_url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!((listening["calls"].as_u64(), listening["pages"].as_u64()), (Some(3), Some(3)));
    assert_eq!(json(lines.next().unwrap())["requests"], 0);
}
