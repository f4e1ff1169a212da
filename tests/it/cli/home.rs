//! What whoever runs the tests has set for mailscan is theirs: the tests neither write to it nor go by it.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Ran, binary, json, mailscan, run_in};

#[test]
#[ignore = "the test below runs it, as somebody who works with mailscan"]
fn a_job_of_a_test() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("page.txt"), "ann@a.org bob@b.org").unwrap();
    let ran = run_in(folder.path(), &["run", "--path", "page.txt", "--target", "9", "--json"]);
    assert_eq!((ran.code, &json(&ran.out)["collected"]), (0, &2.into()), "{}", ran.err);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    assert!(folder.path().join("mailscan.db").is_file(), "the database is the test's own");
}

#[test]
fn a_variable_that_is_set_to_nothing_names_no_database_and_is_named_where_one_is_needed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("page.txt"), "ann@a.org").unwrap();
    let run = |variable: &str, arguments: &[&str]| {
        Ran::from(mailscan(folder.path()).args(arguments).env(variable, "").output().unwrap())
    };
    assert_eq!(run("MAILSCAN_DB", &["run", "--path", "page.txt", "--target", "1"]).code, 0);
    let listed = run("MAILSCAN_DB", &["job", "list"]);
    assert_eq!((listed.code, listed.out.contains("completed")), (0, true), "{}", listed.err);
    for (variable, arguments) in [("MAILSCAN_SUPPRESS", &["scan", "page.txt"][..]), ("MAILSCAN_DB", &["worker"])] {
        let refused = run(variable, arguments);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{}", refused.err);
        assert!(refused.err.contains(&format!("{variable} is set to nothing: ")), "{}", refused.err);
    }
    for arguments in [&["job", "list", "--db", ""][..], &["scan", "page.txt", "--suppress", ""]] {
        let refused = run_in(folder.path(), arguments);
        assert!(refused.code == 2 && !refused.err.contains("MAILSCAN"), "{}", refused.err);
        assert!(refused.err.contains(": name a file"), "{}", refused.err);
    }
}

#[test]
fn tests_leave_alone_what_belongs_to_who_runs_them() {
    let theirs = TempDir::new().unwrap();
    let (database, list) = (theirs.path().join("real.db"), theirs.path().join("mailscan/suppress.txt"));
    fs::create_dir(theirs.path().join("mailscan")).unwrap();
    fs::write(&list, "ann@a.org\n").unwrap();
    for named in [None, Some(&list)] {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "cli::home::a_job_of_a_test", "--ignored"]).stdin(Stdio::null());
        test.env("MAILSCAN_BINARY", binary())
            .env("MAILSCAN_DB", &database)
            .envs(named.map(|list| ("MAILSCAN_SUPPRESS", list)));
        test.env("HOME", theirs.path()).env("XDG_CONFIG_HOME", theirs.path());
        // Whoever goes by it says that it is no address of a collector.
        test.env("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere");
        let ran = test.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        assert!(!database.exists(), "it was written to");
    }
}
