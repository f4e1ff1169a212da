//! `scan` whose inputs are slow, or stop coming: nothing that was found waits for them, or is lost.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::scan::{Watched, write};
use super::signal;

/// A pipe with a name in a folder.
fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn files_before_a_pipe_are_given_before_anybody_writes_to_it() {
    let folder = TempDir::new().unwrap();
    pipe(folder.path());
    let names: Vec<_> = (0..20).map(|n| format!("{n}.txt")).collect();
    names.iter().enumerate().for_each(|(n, name)| write(folder.path(), name, format!("user{n}@host.org")));
    let mut arguments: Vec<_> = names.iter().map(String::as_str).collect();
    arguments.push("pipe");
    let scan = Watched::start(folder.path(), &arguments);
    for n in 0..20 {
        assert_eq!(scan.line(), format!("user{n}@host.org"));
    }
    signal(&scan.child, "-INT");
    let ran = scan.end();
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(ran.err.starts_with("stopped before the end: 20 addresses in 20 files"), "{}", ran.err);
}

#[test]
fn what_stands_behind_a_pipe_is_given_at_a_stop() {
    let folder = TempDir::new().unwrap();
    pipe(folder.path());
    write(folder.path(), "a.txt", "ann@a.org");
    write(folder.path(), "b.txt", "bob@b.org");
    let scan = Watched::start(folder.path(), &["a.txt", "pipe", "b.txt"]);
    assert_eq!(scan.line(), "ann@a.org");
    signal(&scan.child, "-INT");
    let ran = scan.end();
    assert_eq!((ran.code, ran.out.as_str()), (130, "bob@b.org"), "{}", ran.err);
}
