//! `scan` whose inputs are slow, or stop coming: nothing that was found waits for them, or is lost.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::scan::{Watched, gzip, write};
use super::signal;

/// A pipe with a name in a folder.
fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Whoever writes to a pipe, once somebody reads it.
fn writer(pipe: &Path) -> File {
    OpenOptions::new().write(true).open(pipe).unwrap()
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
fn the_little_that_has_come_is_searched_at_a_stop() {
    let packed = gzip("zoe@z.org");
    // What is compressed breaks off, which is no damage.
    for (input, found) in [(&b"bob@b.org"[..], "bob@b.org"), (&packed[..packed.len() - 1], "zoe@z.org"), (b"", "")] {
        for named in [false, true] {
            let folder = TempDir::new().unwrap();
            write(folder.path(), "a.txt", "ann@a.org");
            let pipe = pipe(folder.path());
            let mut scan = Watched::start(folder.path(), &["a.txt", if named { "pipe" } else { "-" }]);
            // Nothing ends as long as these are there.
            let mut writer = named.then(|| writer(&pipe));
            let mut stdin = scan.child.stdin.take().unwrap();
            match &mut writer {
                Some(writer) => writer.write_all(input).unwrap(),
                None => stdin.write_all(input).unwrap(),
            }
            assert_eq!(scan.line(), "ann@a.org");
            // Whoever made it may remove its name while it is read.
            std::fs::remove_file(&pipe).unwrap();
            signal(&scan.child, "-TERM");
            let ran = scan.end();
            assert_eq!((ran.code, ran.out.as_str()), (130, found), "{}", ran.err);
            let counted =
                if found.is_empty() { "1 address in 1 file (9 bytes)" } else { "2 addresses in 2 files (18 bytes)" };
            assert_eq!(ran.err, format!("stopped before the end: {counted}\n"));
        }
    }
}

#[test]
fn what_comes_slowly_by_a_pipe_is_searched_while_more_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let pipe = pipe(folder.path());
    let scan = Watched::start(folder.path(), &["pipe"]);
    let mut writer = writer(&pipe);
    // Far less than is searched at a time.
    writer.write_all(format!("ann@a.org {}", "words and words ".repeat(2_000)).as_bytes()).unwrap();
    assert_eq!(scan.line(), "ann@a.org");
    drop(writer);
    assert_eq!(scan.end().code, 0);
}
