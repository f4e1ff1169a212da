//! The database of the commands: new, missing, something else, in use, and in a folder that is searched.

use std::fs::{self, File};

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::Store;
use rusqlite::Connection;
use tempfile::TempDir;

use super::jobs::{show, sources};
use super::{Ran, json, mailscan, run_in};

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
fn the_database_is_no_source_on_standard_input_either() {
    let folder = sources();
    assert_eq!(run_in(folder.path(), &["run", "--path", "in", "--target", "9"]).code, 0);
    let database = Connection::open(folder.path().join("mailscan.db")).unwrap();
    database.execute_batch("CREATE TABLE more (text); INSERT INTO more VALUES ('ann@a.org')").unwrap();
    for name in ["mailscan.db", "mailscan.db-wal"] {
        let file = File::open(folder.path().join(name)).unwrap();
        let scanned: Ran = mailscan(folder.path()).args(["scan", "-"]).stdin(file).output().unwrap().into();
        assert_eq!((scanned.code, scanned.out.as_str()), (1, ""), "{name}");
        let refusal = "cannot read `(standard input)`: it is a database of mailscan or a part of one";
        assert!(scanned.err.contains(refusal), "{name}: {}", scanned.err);
    }
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
        (&["run", "--resume"], format!("or leave the job to it with `mailscan job resume 1` {by_server}")),
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
fn who_may_not_go_on_with_a_job_hears_how_it_is_left_to_whoever_works_on_its_database() {
    let folder = sources();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--path", "in", "--target", "9", "--detach"]).code, 0);
    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _lock = runtime.block_on(database.try_lock_workers()).unwrap();
    let turn = |from, to| runtime.block_on(database.transition(JobId(1), &[from], to, None)).unwrap();
    // A server has it, or is about to.
    turn(JobStatus::Queued, JobStatus::Running);
    let by_itself = "or leave the job to it where that is `mailscan serve`, which takes it up by itself\n";
    for resume in [&["run", "--resume", "1"][..], &["run", "--resume"]] {
        let refused = run(resume);
        assert!(refused.code == 1 && refused.err.ends_with(by_itself), "{}", refused.err);
    }
    turn(JobStatus::Running, JobStatus::Completed);
    let refused = run(&["run", "--resume", "1"]);
    assert!(refused.code == 1 && refused.err.contains("job 1 is completed: start a new one"), "{}", refused.err);
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
