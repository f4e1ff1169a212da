//! `run`, `job` and `errors` on a database of their own, with local files as sources.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::clock::Timestamp;
use mailscan_core::job::JobId;
use mailscan_core::store::{Deletion, Store};
use mailscan_tests::at_home;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{ListAccessor, Row, RowAccessor};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{Ran, binary, json, run_in};
use crate::services::tell;

/// A folder with 30 files of two addresses each, one of them in every file.
fn sources() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    for n in 0..30 {
        fs::write(folder.path().join(format!("in/{n}.txt")), format!("user{n}@host.org, All@host.org")).unwrap();
    }
    folder
}

fn show(folder: &Path, id: &str) -> serde_json::Value {
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
fn the_database_is_no_source() {
    let folder = sources();
    for id in ["1", "2"] {
        let ran = run_in(folder.path(), &["run", "--path", ".", "--target", "1000", "--json"]);
        assert_eq!((ran.code, &json(&ran.out)["collected"]), (0, &31.into()), "{}", ran.err);
        // The folder, the one in it, and its files.
        assert_eq!(show(folder.path(), id)["queue"]["completed"], 32);
    }
    let scanned = run_in(folder.path(), &["scan", "."]);
    assert!(scanned.code == 0 && scanned.err.contains("31 addresses in 30 files"), "{}", scanned.err);
    assert!(scanned.err.contains("; passed over: 2 files of mailscan's own databases"), "{}", scanned.err);
    let named = run_in(folder.path(), &["scan", "mailscan.db"]);
    assert_eq!((named.code, named.out.as_str()), (1, ""));
    assert!(named.err.contains("cannot read `mailscan.db`: it is a database of mailscan"), "{}", named.err);
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
fn who_may_not_work_on_a_database_hears_what_else_can_be_done() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    let detach = ["run", "--path", "in", "--target", "9", "--detach"];
    let alone = "job 1 is queued: `mailscan run --resume 1` or `mailscan serve` works on it\n";
    assert_eq!(run(&detach).err, alone);
    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _lock = runtime.block_on(database.try_lock_workers()).unwrap();
    let by_server = "where that is `mailscan serve`\n";
    for (arguments, mend) in [
        (&["run", "--path", "in", "--target", "9"][..], format!("wait for it to end, or add --detach {by_server}")),
        (&["run", "--resume", "1"], format!("or leave the job to it with `mailscan job resume 1` {by_server}")),
        (&["run", "--resume"], format!("or leave the job to it with `mailscan job resume ID` {by_server}")),
        (&["serve", "--listen", "127.0.0.1:0"], "mailscan.db: wait for it to end\n".to_owned()),
    ] {
        let ran = run(arguments);
        assert!(ran.code == 1 && ran.err.ends_with(&mend), "{arguments:?}: {}", ran.err);
    }
    let told = "job 2 is queued: the process that works on the database takes it up if that is `mailscan serve`; \
                `mailscan run --resume 2` or `mailscan serve` works on it once it has ended\n";
    assert_eq!(run(&detach).err, told);
    assert_eq!(run(&["job", "pause", "2"]).code, 0);
    assert_eq!(run(&["job", "resume", "2"]).err, told);
}

#[test]
fn what_failed_is_shown_and_resolved() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--path", "in/0.txt", "--target", "100", "--detach"]).code, 0);
    fs::remove_file(folder.path().join("in/0.txt")).unwrap();
    let ran = run(&["run", "--resume"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("failed: 1") && ran.err.contains("mailscan errors 1"), "{}", ran.err);
    let groups = json(&run(&["errors", "1", "--json"]).out);
    assert_eq!((&groups[0]["code"], &groups[0]["open"]), (&"file-not-found".into(), &1.into()));
    assert!(run(&["errors", "--list"]).out.contains("in/0.txt"));
    assert_eq!(run(&["errors", "resolve", "--note", "x"]).code, 2);
    for note in ["", " "] {
        let nothing = run(&["errors", "resolve", "--job", "1", "--note", note]);
        assert_eq!(nothing.code, 2);
        assert!(nothing.err.contains("`--note` is missing: say what was done about them"), "{}", nothing.err);
    }
    for (of, why) in [(["--job", "9"], "there is no job 9"), (["--id", "99"], "no such error is open")] {
        let none = run(&["errors", "resolve", of[0], of[1], "--note", "x"]);
        assert!(none.code == 1 && none.err.contains(why), "{}", none.err);
    }
    let resolved = run(&["errors", "resolve", "--job", "1", "--code", "file-not-found", "--note", "moved", "--json"]);
    assert_eq!(json(&resolved.out), serde_json::json!({"resolved": 1, "retried": 0}), "{}", resolved.err);
    assert_eq!(run(&["errors", "1", "--list"]).out, "");
    let none = run(&["errors", "resolve", "--job", "1", "--note", "x"]);
    assert!(none.code == 1 && none.err.contains("no such error is open"), "{}", none.err);
    for all in [&["errors", "1", "--list", "--all"][..], &["errors", "1", "--all"]] {
        assert!(run(all).out.contains("resolved: moved"));
    }
}

#[test]
fn who_resolves_without_a_retry_hears_that_there_is_none_later() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--path", "in/0.txt", "--target", "100", "--detach"]).code, 0);
    fs::remove_file(folder.path().join("in/0.txt")).unwrap();
    assert_eq!(run(&["run", "--resume"]).code, 3);
    let resolved = run(&["errors", "resolve", "--job", "1", "--note", "gone"]);
    let told = "1 error resolved: what was given up is not tried again, by no later --retry either\n";
    assert_eq!((resolved.code, &*resolved.err), (0, told));
    assert_eq!(run(&["errors", "resolve", "--job", "1", "--note", "again", "--retry"]).code, 1);
}

#[test]
fn what_was_given_up_is_tried_again() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--path", "in/0.txt", "--target", "100", "--detach"]).code, 0);
    let file = folder.path().join("in/0.txt");
    let text = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(run(&["run", "--resume"]).code, 3);
    assert_eq!(
        (&show(folder.path(), "1")["status"], &show(folder.path(), "1")["collected"]),
        (&"completed".into(), &30.into())
    );
    fs::write(&file, text).unwrap();
    let retried = run(&["errors", "resolve", "--job", "1", "--class", "permanent", "--note", "it is back", "--retry"]);
    assert!(retried.err.contains("1 error resolved, 1 task tried again"), "{}", retried.err);
    let resumed = run(&["run", "--resume", "--json"]);
    assert_eq!((resumed.code, &json(&resumed.out)["collected"]), (0, &31.into()), "{}", resumed.err);
    let wrong = run(&["errors", "resolve", "--class", "lost", "--note", "x"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("quarantined"), "{}", wrong.err);
}

#[test]
fn a_job_that_gave_up_everything_says_how_to_try_again() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in/0.txt", "--target", "100", "--detach"]).code, 0);
    let (file, away) = (folder.path().join("in/0.txt"), folder.path().join("away.txt"));
    fs::rename(&file, &away).unwrap();
    let again = "mailscan errors resolve --job 1 --retry --note again && mailscan run --resume 1";
    let ran = run(&["run", "--resume", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains(&format!("try again what was given up: {again}\n")), "{}", ran.err);
    for resume in [["run", "--resume", "1"], ["job", "resume", "1"]] {
        let ran = run(&resume);
        assert!(ran.code == 1 && ran.err.contains(&format!("`{again}`")), "{}", ran.err);
        assert_eq!(show(folder.path(), "1")["status"], "failed");
    }
    fs::rename(&away, &file).unwrap();
    for command in again.split(" && ") {
        let words: Vec<_> = command.split(' ').skip(1).collect();
        assert_eq!(run(&words).code, 0);
    }
    assert_eq!(show(folder.path(), "1")["collected"], 2);
}

#[test]
fn a_job_whose_errors_were_resolved_without_a_retry_is_told_to_be_over() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in/0.txt", "--target", "100", "--detach"]).code, 0);
    fs::remove_file(folder.path().join("in/0.txt")).unwrap();
    assert_eq!(run(&["run", "--resume"]).code, 1);
    assert_eq!(run(&["errors", "resolve", "--job", "1", "--note", "gone"]).code, 0);
    for resume in [["run", "--resume", "1"], ["job", "resume", "1"]] {
        let ran = run(&resume);
        let told = "job 1 has given up all its tasks: their errors were resolved without a retry, so start a new one\n";
        assert!(ran.code == 1 && ran.err.ends_with(told), "{}", ran.err);
    }
}

#[test]
fn resume_passes_by_a_job_that_gave_up_everything() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    for path in ["in", "in/0.txt", "in/1.txt"] {
        assert_eq!(run(&["run", "--path", path, "--target", "100", "--detach"]).code, 0);
    }
    for (id, file) in [("2", "in/0.txt"), ("3", "in/1.txt")] {
        fs::remove_file(folder.path().join(file)).unwrap();
        assert_eq!(run(&["run", "--resume", id]).code, 1);
    }
    let resumed = run(&["run", "--resume", "--json"]);
    assert_eq!((resumed.code, &json(&resumed.out)["id"]), (0, &1.into()), "{}", resumed.err);
    let dead = run(&["run", "--resume"]);
    assert!(dead.code == 1 && dead.err.contains("job 3 has given up all its tasks: "), "{}", dead.err);
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
fn a_new_database_is_empty_and_a_missing_one_is_said_so() {
    let folder = TempDir::new().unwrap();
    let missing = run_in(folder.path(), &["job", "list"]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("there is no database `mailscan.db`"), "{}", missing.err);
    assert!(!folder.path().join("mailscan.db").exists());
    Connection::open(folder.path().join("empty.db")).unwrap().execute_batch("pragma user_version = 0").unwrap();
    let listed = run_in(folder.path(), &["job", "list", "--json", "--db", "empty.db"]);
    assert_eq!((listed.code, listed.out.as_str()), (0, "[]\n"), "{}", listed.err);
    assert_eq!(run_in(folder.path(), &["errors", "--json", "--db", "empty.db"]).out, "[]\n");
    let unknown = run_in(folder.path(), &["job", "show", "7", "--db", "empty.db"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no job 7"), "{}", unknown.err);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = "just some text, longer than a header of a database would be ".repeat(10);
    fs::write(folder.path().join("notes.txt"), &text).unwrap();
    let ran = run_in(folder.path(), &["run", "--path", ".", "--target", "1", "--db", "notes.txt"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("not a database"), "{}", ran.err);
    assert_eq!(fs::read_to_string(folder.path().join("notes.txt")).unwrap(), text);
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

#[test]
fn an_export_takes_the_place_of_a_file_only_once_it_is_whole() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--target", "1000"]).code, 0);
    let out = folder.path().join("out.csv");
    fs::write(&out, "before").unwrap();
    let export = ["job", "export", "1", "--output", "out.csv"];
    let missing = run(&["job", "export", "9", "--output", "out.csv"]);
    assert_eq!((missing.code, fs::read_to_string(&out).unwrap().as_str()), (1, "before"), "{}", missing.err);
    // As long as a name may be.
    let long = "n".repeat(255);
    assert_eq!(run(&["job", "export", "1", "--output", &long]).code, 0);
    assert_eq!(fs::read_to_string(folder.path().join(&long)).unwrap().lines().count(), 32);
    let longer = run(&["job", "export", "1", "--output", &"n".repeat(256)]);
    assert!(longer.code == 1 && longer.err.contains("cannot write `nnn"), "{}", longer.err);
    // Of another export, or of somebody who calls files so.
    fs::write(folder.path().join("out.csv.part"), "theirs").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run(&export).code, 0);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600, "it is as private as it was");
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 32);
    assert_eq!(fs::read_to_string(folder.path().join("out.csv.part")).unwrap(), "theirs");
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.filter(|name| name.contains(".part")).collect::<Vec<_>>(),
        ["out.csv.part"],
        "nothing is left over"
    );
    let full = run(&["job", "export", "1", "--format", "parquet", "--output", "/dev/full"]);
    assert!(full.code == 1 && full.err.contains("cannot write `/dev/full`"), "{}", full.err);
}

/// Whether whoever runs the tests is root, whom no folder is closed to.
fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn an_export_leaves_a_file_to_its_owner() {
    if !is_root() {
        return tell("only root has files of others to replace, so none was: run the tests as root");
    }
    let folder = sources();
    assert_eq!(run_in(folder.path(), &["run", "--path", "in", "--target", "1000"]).code, 0);
    let out = folder.path().join("out.csv");
    fs::write(&out, "before").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&out, Some(65_534), Some(65_533)).unwrap();
    let exported = run_in(folder.path(), &["job", "export", "1", "--output", "out.csv"]);
    assert_eq!((exported.code, exported.err.as_str()), (0, "31 addresses written to out.csv\n"));
    let now = fs::metadata(&out).unwrap();
    assert_eq!((now.uid(), now.gid(), now.permissions().mode() & 0o777), (65_534, 65_533, 0o600));
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 32);
}

#[test]
fn an_export_is_written_in_place_where_no_file_can_be_put_beside_it() {
    let folder = sources();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(run_in(folder.path(), &["run", "--path", "in", "--target", "1000"]).code, 0);
    // One folder is closed, and in the other the file is somebody else's who lets all write to it.
    for name in ["closed", "theirs"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("out.csv"), "before and longer ".repeat(1_000)).unwrap();
        fs::set_permissions(at(name).join("out.csv"), fs::Permissions::from_mode(0o666)).unwrap();
    }
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    if is_root() {
        // As nobody, to whom all belongs but that file.
        fs::copy(binary(), at("mailscan")).unwrap();
        assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(folder.path()).status().unwrap().success());
        chown(at("theirs/out.csv"), Some(0), Some(0)).unwrap();
    }
    for name in if is_root() { &["closed", "theirs"][..] } else { &["closed"] } {
        let mut command = at_home(if is_root() { Path::new("setpriv") } else { binary() }, folder.path());
        if is_root() {
            command.args(nobody).arg(at("mailscan"));
        }
        let out = format!("{name}/out.csv");
        let exported = Ran::from(command.args(["job", "export", "1", "--output", &out]).output().unwrap());
        assert_eq!(exported.code, 0, "{}", exported.err);
        assert!(exported.err.starts_with(&format!("{out} is written in place: ")), "{}", exported.err);
        assert_eq!(fs::read_to_string(at(&out)).unwrap().lines().count(), 32);
        assert_eq!(fs::read_dir(at(name)).unwrap().count(), 1, "nothing is left over");
    }
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    for asked in ["--help", "--version", "run --help"] {
        for (line, code) in [(format!("$MAILSCAN {asked} > /dev/full"), 1), (format!("$MAILSCAN {asked} | true"), 0)] {
            let mut command = at_home("bash", Path::new("."));
            let script = format!("{line}; exit ${{PIPESTATUS[0]}}");
            let ran = Ran::from(command.args(["-c", &script]).env("MAILSCAN", binary()).output().unwrap());
            assert_eq!(
                (ran.code, ran.err.contains("cannot write the answer")),
                (code, code == 1),
                "{line}: {}",
                ran.err
            );
        }
    }
}

#[test]
fn what_nobody_can_be_told_ends_nothing() {
    let folder = sources();
    let shell = |line: &str| {
        let script = format!("{line}; exit ${{PIPESTATUS[0]}}");
        let mut command = at_home("bash", folder.path());
        Ran::from(command.args(["-c", &script]).env("MAILSCAN", binary()).output().unwrap())
    };
    for line in [
        "$MAILSCAN run --path in --target 1000 --json 2> /dev/full",
        "$MAILSCAN scan in 2> /dev/full",
        "$MAILSCAN job export 1 --output out.csv 2> /dev/full",
        "$MAILSCAN run --path in --target 1000 2>&1 | true",
    ] {
        assert_eq!(shell(line).code, 0, "{line}");
    }
    assert!(fs::read_to_string(folder.path().join("out.csv")).unwrap().lines().count() > 30);
    // How the job ended does not depend on who hears its answer.
    for line in ["$MAILSCAN run --path /dev/null --target 5 --json", "$MAILSCAN run --path in/none --target 5 --json"] {
        assert_eq!(shell(&format!("{line} | true")).code, 1, "{line}");
    }
}
