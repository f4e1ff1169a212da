//! The suppression list: obeyed by every command that collects or hands out.

use std::fs;

use tempfile::TempDir;

use super::{json, run_in};

const PAGE: &str = "Ann@a.org ann+shop@a.org bob@b.org carl@mail.b.org dan@d.org info@example.org";
const LIST: &str = "# who asked us\nann@a.org\n@b.org\n";

/// A folder with a page and a list.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/page.txt"), PAGE).unwrap();
    fs::write(folder.path().join("list"), LIST).unwrap();
    folder
}

#[test]
fn a_scan_leaves_out_who_is_on_the_list_whatever_is_included() {
    let folder = folder();
    let ran = run_in(folder.path(), &["scan", "in", "--suppress", "list"]);
    assert_eq!((ran.out.as_str(), ran.code), ("dan@d.org\n", 0), "{}", ran.err);
    assert!(
        ran.err.contains("left out: 1 placeholder, 4 suppressed; --include CLASS,... keeps all but"),
        "{}",
        ran.err
    );
    let all = run_in(folder.path(), &["scan", "in", "--suppress", "list", "--include", "all"]);
    assert_eq!(all.out, "dan@d.org\ninfo@example.org\n");
    assert!(all.err.ends_with("left out: 4 suppressed\n"), "{}", all.err);
    let named = run_in(folder.path(), &["scan", "in", "--include", "suppressed"]);
    assert_eq!(named.code, 2);
    assert!(named.err.contains("there is no class `suppressed`"), "{}", named.err);
}

#[cfg(target_os = "linux")]
#[test]
fn the_list_in_the_configuration_is_obeyed_unasked() {
    let folder = folder();
    fs::create_dir(folder.path().join("mailscan")).unwrap();
    fs::write(folder.path().join("mailscan/suppress.txt"), LIST).unwrap();
    assert_eq!(run_in(folder.path(), &["scan", "in"]).out, "dan@d.org\n");
    fs::write(folder.path().join("other"), "d.org").unwrap();
    let named = run_in(folder.path(), &["scan", "in", "--suppress", "other"]);
    assert_eq!(named.out.lines().count(), 4, "the one that is named counts: {}", named.out);
}

#[test]
fn a_list_that_cannot_be_read_collects_nothing() {
    let folder = folder();
    fs::write(folder.path().join("broken"), "a.org\nann lee@b.org").unwrap();
    for (list, why) in [("none", "No such file"), ("broken", "line 2 is `ann lee@b.org`")] {
        for command in
            [&["scan", "in"][..], &["run", "--path", "in", "--target", "9"], &["serve"], &["job", "export", "1"]]
        {
            let ran = run_in(folder.path(), &[command, &["--suppress", list]].concat());
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command:?}");
            let expected = format!("cannot obey the suppression list `{list}`: {why}");
            assert!(ran.err.contains(&expected), "{command:?}: {}", ran.err);
        }
    }
    assert!(!folder.path().join("mailscan.db").exists(), "no job was begun");
}

#[test]
fn a_job_stores_nobody_on_the_list_and_an_export_leaves_out_who_was_stored_before() {
    let folder = folder();
    let run = |more: &[&str]| run_in(folder.path(), &[&["run", "--path", "in", "--target", "99"], more].concat());
    let ran = run(&["--suppress", "list"]);
    assert!(ran.err.contains("4 suppressed"), "{}", ran.err);
    let job = json(&run_in(folder.path(), &["job", "show", "1", "--json"]).out);
    assert_eq!((&job["collected"], &job["queue"]["left_out"]["suppressed"]), (&1.into(), &4.into()), "{job}");
    assert_eq!(run(&[]).code, 0);
    let emails = |more: &[&str]| {
        let ran = run_in(folder.path(), &[&["job", "export", "2"], more].concat());
        let emails = ran.out.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
        (emails.collect::<Vec<_>>(), ran.err)
    };
    assert_eq!(emails(&[]).0.len(), 5);
    assert_eq!(emails(&["--suppress", "list"]), (vec!["dan@d.org".to_owned()], "left out: 4 suppressed\n".to_owned()));
}
