//! `run` and `job` on a database of their own, with local files as sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::clock::Timestamp;
use mailscan_core::job::JobId;
use mailscan_core::store::{Deletion, Store};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{ListAccessor, Row, RowAccessor};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{json, run_in};

/// A folder with 30 files of two addresses each, one of them in every file.
pub(super) fn sources() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    for n in 0..30 {
        fs::write(folder.path().join(format!("in/{n}.txt")), format!("user{n}@host.org, All@host.org")).unwrap();
    }
    folder
}

/// The job as it is shown.
pub(super) fn show(folder: &Path, id: &str) -> serde_json::Value {
    json(&run_in(folder, &["job", "show", id, "--json"]).out)
}

/// The rows of job 1 as they are read back from an export as Parquet; the time, which has a type of its own there, as it is in
/// JSON lines.
fn parquet(folder: &Path) -> Vec<serde_json::Value> {
    let exported = run_in(folder, &["job", "export", "1", "--format", "parquet", "--output", "out.parquet"]);
    assert_eq!((exported.code, exported.out.as_str()), (0, ""), "{}", exported.err);
    let reader = SerializedFileReader::new(fs::File::open(folder.join("out.parquet")).unwrap()).unwrap();
    let row = |row: Row| {
        let classes = row.get_list(4).unwrap();
        let classes: Vec<_> = (0..classes.len()).map(|n| classes.get_string(n).unwrap()).collect();
        let found_at = Timestamp(row.get_timestamp_millis(5).unwrap() as u64).rfc3339();
        serde_json::json!({
            "email": row.get_string(0).unwrap(), "source": row.get_string(1).unwrap(), "offset": row.get_long(2).unwrap(),
            "form": row.get_string(3).unwrap(), "classes": classes, "found_at": found_at,
        })
    };
    reader.get_row_iter(None).unwrap().map(|read| row(read.unwrap())).collect()
}

#[test]
fn a_job_runs_to_the_end_of_its_sources_and_is_exported() {
    let folder = sources();
    let ran = run_in(folder.path(), &["run", "--path", "in", "--target", "1000", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let job = json(&ran.out);
    assert_eq!((&job["id"], &job["status"], &job["collected"]), (&1.into(), &"completed".into(), &31.into()));
    assert!(ran.err.contains("mailscan job export 1\n"), "{}", ran.err);

    let csv = run_in(folder.path(), &["job", "export", "1"]);
    let lines: Vec<_> = csv.out.lines().collect();
    assert_eq!((lines.len(), lines[0]), (32, "email,source,offset,form,classes,found_at"));
    let exported = run_in(folder.path(), &["job", "export", "1", "--format", "jsonl", "--output", "out.jsonl"]);
    assert_eq!((exported.code, exported.out.as_str()), (0, ""));
    let file = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let mut emails: Vec<_> = file.lines().map(|line| json(line)["email"].as_str().unwrap().to_lowercase()).collect();
    emails.sort();
    let scanned = run_in(folder.path(), &["scan", "in", "--sort"]).out.to_lowercase();
    assert_eq!(emails, scanned.lines().collect::<Vec<_>>());
    assert_eq!(parquet(folder.path()), file.lines().map(json).collect::<Vec<_>>());

    let listed = json(&run_in(folder.path(), &["job", "list", "--json"]).out);
    assert_eq!((listed[0]["id"].as_u64(), listed[0]["status"].as_str()), (Some(1), Some("completed")));
    assert_eq!(show(folder.path(), "1")["queue"]["completed"], 31);
}

#[test]
fn the_workers_of_a_job_are_told_by_the_plan_of_whoever_works_on_it() {
    let folder = sources();
    let ran = run_in(folder.path(), &["run", "--path", "in", "--target", "1000", "--max-workers", "7", "--json"]);
    assert_eq!((ran.code, &json(&ran.out)["workers"]), (0, &7.into()), "{}", ran.err);
    for (plan, workers) in [(&[][..], 50), (&["--max-workers", "7"], 7), (&["--workers-per-1000", "20"], 20)] {
        let run = |command: &[&str]| run_in(folder.path(), &[command, plan].concat()).out;
        assert_eq!(json(&run(&["job", "show", "1", "--json"]))["workers"], workers, "{plan:?}");
        assert_eq!(json(&run(&["job", "list", "--json"]))[0]["workers"], workers, "{plan:?}");
        let shown = run(&["job", "show", "1"]);
        assert!(shown.contains(&format!("\nworkers    {workers}\n")), "{plan:?}: {shown}");
    }
    let wrong = run_in(folder.path(), &["job", "show", "1", "--max-workers", "0"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
}

/// A file with three addresses, two of which are left out by default: one as a placeholder, twice.
fn classes() -> TempDir {
    let folder = TempDir::new().unwrap();
    let text = "info@host.org you@example.com\nMessage-ID: <1@host.org>\nYou@example.com";
    fs::write(folder.path().join("mail.txt"), text).unwrap();
    folder
}

#[test]
fn classes_are_left_out_counted_and_brought_back() {
    let folder = classes();
    let ran = run_in(folder.path(), &["run", "--path", "mail.txt", "--target", "9", "--json"]);
    assert_eq!((ran.code, &json(&ran.out)["collected"]), (0, &1.into()), "{}", ran.err);
    assert!(ran.err.contains("left out: 2 placeholder, 1 message_id, mentions all"), "{}", ran.err);
    let left_out = serde_json::json!({"placeholder": 2, "message_id": 1});
    assert_eq!(show(folder.path(), "1")["queue"]["left_out"], left_out);
    let shown = run_in(folder.path(), &["job", "show", "1"]).out;
    assert!(shown.contains("left out: 2 placeholder, 1 message_id"), "{shown}");
    let csv = run_in(folder.path(), &["job", "export", "1"]).out;
    assert!(csv.contains("info@host.org,") && csv.contains(",plain,role,"), "{csv}");

    let all = run_in(folder.path(), &["run", "--path", "mail.txt", "--target", "9", "--include", "all", "--json"]);
    assert_eq!(json(&all.out)["collected"], 3, "{}", all.err);
    assert!(!all.err.contains("left out"), "{}", all.err);
    let rows = run_in(folder.path(), &["job", "export", "2", "--format", "jsonl"]).out;
    let classes: Vec<_> = rows.lines().map(|line| json(line)["classes"].to_string()).collect();
    assert_eq!(classes, [r#"["role"]"#, r#"["placeholder"]"#, r#"["message_id"]"#]);
}

#[test]
fn a_job_finds_nothing_that_was_hidden_from_collectors() {
    let folder = TempDir::new().unwrap();
    for name in ["a.html", "a.txt", "a.eml"] {
        fs::write(folder.path().join(name), "Subject: us\n\n<p>ann at host dot org, ann [at] host [dot] org</p>")
            .unwrap();
    }
    let names = ["--path", "a.html", "--path", "a.txt", "--path", "a.eml"];
    let ran = run_in(folder.path(), &[&["run", "--target", "9", "--include", "all", "--json"], &names[..]].concat());
    let ended = json(&ran.out);
    assert_eq!((&ended["collected"], &ended["queue"]["completed"]), (&0.into(), &3.into()), "{}", ran.err);
    assert_eq!(run_in(folder.path(), &["run", "--deobfuscate", "--path", "a.txt", "--target", "9"]).code, 2);
}

#[test]
fn a_job_comes_from_a_file_and_what_is_typed_wins() {
    let folder = classes();
    fs::create_dir(folder.path().join("jobs")).unwrap();
    let write = |text: &str| fs::write(folder.path().join("jobs/a.json"), text).unwrap();
    let run = |more: &[&str]| run_in(folder.path(), &[&["run", "--job", "jobs/a.json", "--json"], more].concat());
    write(r#"{"path": ["../mail.txt"], "target": 9, "include": ["placeholder"], "time_limit": 60, "per_host": 2}"#);
    let ran = run(&[]);
    assert_eq!((ran.code, &json(&ran.out)["collected"]), (0, &2.into()), "{}", ran.err);
    write("\u{feff}{\"path\": [\"../mail.txt\"], \"url\": null, \"crawl\": null, \"target\": 1}");
    assert_eq!(run(&[]).code, 0, "a mark of the encoding is no part of the job, and null is nothing");
    write(r#"{"path": ["../mail.txt"], "target": 9, "include": ["placeholder"], "time_limit": 60, "per_host": 2}"#);
    let ran = run(&["--include", "all", "--target", "2"]);
    assert_eq!((ran.code, &json(&ran.out)["target"]), (0, &2.into()), "{}", ran.err);
    for (text, error) in [
        (r#"{"targets": 9}"#, "cannot read the job in `jobs/a.json`: unknown field `targets`"),
        (r#"{"target": "9"}"#, "cannot read the job in `jobs/a.json`: `target`: invalid type"),
        (r#"{"target": 9, "url": 5}"#, "in `jobs/a.json`: `url`: give a text or a list of texts"),
        (r#"{"target": 9,"#, "cannot read the job in `jobs/a.json`: EOF"),
        (r#"{"target": 9, "time_limit": -1}"#, "`time_limit` in `jobs/a.json`: give seconds from 0"),
        (r#"{"target": 9, "include": "roles"}"#, "`include` in `jobs/a.json`: there is no class `roles`"),
        (r#"[["http://a.org/"]]"#, "cannot read the job in `jobs/a.json`: it is not a JSON object"),
        (r#"{"target": 9, "depth": 1, "path": ["."]}"#, "--depth is for a job that follows links: add --crawl"),
    ] {
        write(text);
        let ran = run(&[]);
        assert!(ran.code == 2 && ran.err.contains(error) && ran.err.trim().lines().count() == 1, "{text}: {}", ran.err);
    }
    write(r#"{"path": "../mail.txt", "target": 1}"#);
    assert_eq!(run(&[]).code, 0, "one text is a list of one");
}

#[test]
fn what_makes_no_sense_starts_no_job() {
    let folder = sources();
    for (arguments, why) in [
        (["--urls", "in", "--workers", "2"], "is a folder: --urls names a file"),
        (["--path", "in", "--max-pages", "0"], "pages is 0: give at least 1"),
        (["--url", "http://ann:secret@a.org/", "--workers", "2"], "names a user or a password"),
        (["--url", "http://a.org/", "--contact", " "], "the contact is empty"),
    ] {
        let ran = run_in(folder.path(), &[&["run", "--target", "9"], &arguments[..]].concat());
        assert!(ran.code != 0 && ran.err.contains(why), "{arguments:?}: {}", ran.err);
        assert!(!folder.path().join("mailscan.db").exists() || run_in(folder.path(), &["job", "list"]).out.is_empty());
    }
}

#[test]
fn what_is_no_list_of_urls_is_said_at_once() {
    let folder = sources();
    fs::write(folder.path().join("list.gz"), b"\x1f\x8b\x08\0").unwrap();
    fs::write(folder.path().join("utf16"), b"\xff\xfeh\0").unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    for (list, why) in [
        ("list.gz", "`list.gz` is compressed or a document"),
        ("utf16", "`utf16` is in UTF-16, or no text"),
        ("pipe", "`pipe` is no file"),
        ("-", "write standard input to one first"),
    ] {
        let ran = run_in(folder.path(), &["run", "--urls", list, "--target", "1"]);
        assert!(ran.code == 2 && ran.err.contains(why) && ran.err.trim().lines().count() == 1, "{list}: {}", ran.err);
    }
    assert!(!folder.path().join("mailscan.db").exists());
}

#[test]
fn a_target_is_reached_exactly() {
    let folder = sources();
    let ran = run_in(folder.path(), &["run", "--path", "in", "--target", "7", "--json"]);
    assert_eq!((ran.code, &json(&ran.out)["collected"]), (0, &7.into()), "{}", ran.err);
    assert_eq!(run_in(folder.path(), &["job", "export", "1"]).out.lines().count(), 8);
}

#[test]
fn a_detached_job_is_changed_and_then_resumed() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    fs::write(folder.path().join("suppress"), "ann@a.org").unwrap();
    for (option, value) in [
        ("--suppress", "suppress"),
        ("--memory-limit", "100M"),
        ("--min-free-disk", "1M"),
        ("--lease", "30"),
        ("--allow-network", "10.0.0.0/8"),
    ] {
        let refused = run(&["run", "--path", "in", "--target", "100", "--detach", option, value]);
        assert!(refused.code == 2 && refused.err.contains("for whoever works on a job"), "{option}: {}", refused.err);
    }
    let detached = run(&["run", "--path", "in", "--target", "100", "--detach"]);
    assert_eq!(detached.code, 0, "{}", detached.err);
    assert!(detached.err.contains("`mailscan run --resume 1` or `mailscan serve`"), "{}", detached.err);
    assert_eq!(show(folder.path(), "1")["status"], "queued");
    assert_eq!(run(&["job", "pause", "1", "--reason", "not now"]).code, 0);
    assert_eq!(show(folder.path(), "1")["reason"], "not now");
    assert_eq!(run(&["job", "resume", "1"]).code, 0);
    assert_eq!(run(&["job", "pause", "1"]).code, 0);
    let resumed = run(&["run", "--resume", "--json"]);
    assert_eq!((resumed.code, &json(&resumed.out)["collected"]), (0, &31.into()), "{}", resumed.err);
    let again = run(&["run", "--resume"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("no unfinished job"), "{}", again.err);
    let cancelled = run(&["job", "cancel", "1"]);
    assert_eq!(cancelled.code, 1);
    assert!(cancelled.err.contains("is completed"), "{}", cancelled.err);
}

#[test]
fn a_folder_counts_in_the_limit_of_what_is_read() {
    let folder = sources();
    let ran = run_in(folder.path(), &["run", "--path", "in", "--target", "100", "--max-pages", "1"]);
    let job = show(folder.path(), "1");
    assert_eq!(job["collected"], 0, "{}", ran.err);
    let reason = job["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the limit of 1 for ") && reason.contains("folders"), "{reason}");
}

#[test]
fn a_job_is_deleted_when_that_is_meant() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--target", "100"]).code, 0);
    assert_eq!(run(&["run", "--path", "in", "--target", "5", "--detach"]).code, 0);
    let asked = run(&["job", "delete", "1"]);
    assert_eq!(asked.code, 2);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    let waiting = run(&["job", "delete", "2", "--yes"]);
    assert_eq!(waiting.code, 1);
    assert!(waiting.err.contains("is queued: pause or cancel it first"), "{}", waiting.err);
    let deleted = run(&["job", "delete", "1", "--yes"]);
    assert_eq!((deleted.code, deleted.err.trim()), (0, "job 1 is deleted"));
    assert_eq!(run(&["job", "show", "1"]).code, 1);
    assert!(run(&["job", "delete", "1", "--yes"]).err.contains("there is no job 1"));
    let database = Connection::open(folder.path().join("mailscan.db")).unwrap();
    for table in ["address", "source", "entry_run", "entry_part", "task", "worker_error", "left_out"] {
        let count: i64 = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
    let resumed = run(&["run", "--resume", "2", "--json"]);
    assert_eq!((resumed.code, &json(&resumed.out)["collected"]), (0, &5.into()), "{}", resumed.err);
}

#[test]
fn a_job_that_never_was_is_not_deleted_with_what_another_has_left() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    for _ in 0..2 {
        assert_eq!(run(&["run", "--path", "in", "--target", "100"]).code, 0);
    }
    // As by a process that ended before it had removed what they have.
    let delete = async |id| {
        let store = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
        assert_eq!(store.delete_job(JobId(id)).await.unwrap(), Deletion::Applied);
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(delete(1));
    let never = run(&["job", "delete", "99", "--yes"]);
    assert_eq!(never.code, 1, "{}", never.err);
    assert!(never.err.contains("there is no job 99"), "{}", never.err);
    runtime.block_on(delete(2));
    let left = run(&["job", "delete", "2", "--yes"]);
    assert_eq!((left.code, left.err.trim()), (0, "job 2 is deleted"));
}

#[test]
fn a_source_that_is_not_there_starts_no_job() {
    let folder = TempDir::new().unwrap();
    for option in ["--path", "--urls"] {
        let ran = run_in(folder.path(), &["run", option, "nowhere", "--target", "1"]);
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("cannot read `nowhere`"), "{}", ran.err);
    }
    assert!(!folder.path().join("mailscan.db").exists());
}
