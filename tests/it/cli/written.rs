//! What is written: exports beside and over other files, and answers that nobody takes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use mailscan_tests::at_home;
use rusqlite::Connection;
use tempfile::TempDir;

use super::jobs::sources;
use super::{Ran, binary, run_in};
use crate::services::tell;

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
fn an_export_in_place_leaves_a_file_as_it_was_until_there_is_something_to_write() {
    let folder = TempDir::new().unwrap();
    // More than one look at the store brings.
    let many: String = (0..10_001).map(|n| format!("user{n}@host.org\n")).collect();
    fs::write(folder.path().join("many.txt"), many).unwrap();
    assert_eq!(run_in(folder.path(), &["run", "--path", "many.txt", "--target", "100000"]).code, 0);
    let (out, link) = (folder.path().join("out.csv"), folder.path().join("link.csv"));
    fs::write(&out, "before").unwrap();
    symlink("out.csv", &link).unwrap();
    let export = || run_in(folder.path(), &["job", "export", "1", "--output", "link.csv"]);
    let file = Connection::open(folder.path().join("mailscan.db")).unwrap();

    file.execute_batch("ALTER TABLE address RENAME TO away").unwrap();
    let none = export();
    assert!(none.code == 1 && !none.err.contains("link.csv"), "{}", none.err);
    assert_eq!(fs::read_to_string(&out).unwrap(), "before");

    file.execute_batch("ALTER TABLE away RENAME TO address").unwrap();
    let last = "(SELECT max(id) FROM address)";
    file.execute_batch(&format!("UPDATE address SET form = 'unheard-of' WHERE id = {last}")).unwrap();
    let some = export();
    assert_eq!(some.code, 1, "{}", some.err);
    assert!(some.err.ends_with(", and `link.csv` has a part of the addresses\n"), "{}", some.err);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 10_001);

    file.execute_batch("DELETE FROM address").unwrap();
    let whole = run_in(folder.path(), &["job", "export", "1", "--format", "jsonl", "--output", "link.csv"]);
    assert_eq!((whole.code, fs::read_to_string(&out).unwrap().as_str()), (0, ""), "{}", whole.err);
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
