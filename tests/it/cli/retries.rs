//! `errors`: what failed is shown, resolved and tried again, and what becomes of its job.

use std::fs;

use tempfile::TempDir;

use super::jobs::{show, sources};
use super::{json, run_in};

/// A queued job of all sources, one of which is gone.
fn with_one_gone() -> TempDir {
    let folder = sources();
    let job = ["run", "--path", "in", "--path", "in/0.txt", "--target", "100", "--detach"];
    assert_eq!(run_in(folder.path(), &job).code, 0);
    fs::remove_file(folder.path().join("in/0.txt")).unwrap();
    folder
}

#[test]
fn what_failed_is_shown_and_resolved() {
    let folder = with_one_gone();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
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
    let folder = with_one_gone();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--resume"]).code, 3);
    let resolved = run(&["errors", "resolve", "--job", "1", "--note", "gone"]);
    let told = "1 error resolved: what was given up is not tried again, by no later --retry either\n";
    assert_eq!((resolved.code, &*resolved.err), (0, told));
    assert_eq!(run(&["errors", "resolve", "--job", "1", "--note", "again", "--retry"]).code, 1);
}

#[test]
fn what_was_given_up_is_tried_again() {
    let folder = with_one_gone();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments);
    assert_eq!(run(&["run", "--resume"]).code, 3);
    assert_eq!(
        (&show(folder.path(), "1")["status"], &show(folder.path(), "1")["collected"]),
        (&"completed".into(), &30.into())
    );
    fs::write(folder.path().join("in/0.txt"), "user0@host.org, All@host.org").unwrap();
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
