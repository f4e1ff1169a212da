//! The databases of mailscan itself, which are no sources: what they hold came from sources, and other jobs' rows are not for
//! whoever may read a folder.
//!
//! The content of a file decides, and for what lies beside a database that of the database. No name is configured, so
//! databases that other processes use are told as well.

use std::fs::File;
use std::io::{Read, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What every SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Where the number of the program stands that a SQLite file belongs to.
const PROGRAM: Range<usize> = 68..72;
/// Mailscan's number there, big-endian: `mscn`.
const OURS: &[u8] = b"mscn";
/// The endings of the files beside a database.
const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", "-lock"];
/// What those begin with that hold rows: a journal that is written ahead, in both orders of bytes, and one for going back.
const JOURNALS: [&[u8]; 3] = [b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9"];

/// Whether the file at `path`, which begins with these bytes, is a database of mailscan or lies beside one.
pub(super) fn is_own(path: &Path, start: &[u8]) -> bool {
    // A link may give any name to what holds rows.
    let holds_rows = start.starts_with(SQLITE) || JOURNALS.iter().any(|mark| start.starts_with(mark));
    let real = holds_rows.then(|| path.canonicalize().ok()).flatten();
    let path = real.as_deref().unwrap_or(path);
    is_database(path, start) || database_beside(path).is_some()
}

/// The database of mailscan that a file of this name lies beside.
pub(super) fn database_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let database = path.with_file_name(BESIDE.iter().find_map(|ending| name.strip_suffix(ending))?);
    let start = begin(&mut File::open(&database).ok()?).ok()?;
    is_database(&database, &start).then_some(database)
}

fn is_database(path: &Path, start: &[u8]) -> bool {
    let Some(program) = start.get(PROGRAM).filter(|_| start.starts_with(SQLITE)) else { return false };
    // The first change to a new database is in its journal until that is moved; whoever works on it has locked it.
    program == OURS || (program == [0; 4] && is_locked(path))
}

/// Whether there is the file by which mailscan's workers keep each other from a database.
fn is_locked(database: &Path) -> bool {
    let mut lock = database.as_os_str().to_owned();
    lock.push("-lock");
    Path::new(&lock).is_file()
}

/// The first bytes of a file, as many as [`is_own`] looks at.
pub(super) fn begin(file: &mut File) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(PROGRAM.end);
    file.take(PROGRAM.end as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// A file that begins as a database of mailscan does.
#[cfg(test)]
pub(super) fn beginning() -> Vec<u8> {
    [SQLITE, &[0; 52][..], OURS, &[0; 28][..]].concat()
}

#[cfg(test)]
mod tests {
    use std::fs::write;

    use super::*;

    fn is_own(path: &Path) -> bool {
        super::is_own(path, &begin(&mut File::open(path).unwrap()).unwrap())
    }

    #[test]
    fn databases_are_told_with_what_lies_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.db", "copy.txt"] {
            write(path(name), beginning()).unwrap();
        }
        for name in ["a.db-wal", "a.db-shm", "a.db-journal", "a.db-lock"] {
            write(path(name), "").unwrap();
        }
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db-journal", "a.db-lock", "copy.txt"] {
            assert!(is_own(&path(name)), "{name}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_new_database_is_told_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let database = rusqlite::Connection::open(path("a.db")).unwrap();
        database.pragma_update(None, "journal_mode", "wal").unwrap();
        database.pragma_update(None, "application_id", i32::from_be_bytes(*b"mscn")).unwrap();
        assert!(!is_own(&path("a.db")) && !is_own(&path("a.db-wal")), "its number is in its journal");
        write(path("a.db-lock"), "").unwrap();
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db-lock"] {
            assert!(is_own(&path(name)), "{name}");
        }
        drop(database);
        std::fs::remove_file(path("a.db-lock")).unwrap();
        assert!(is_own(&path("a.db")));
    }

    #[cfg(unix)]
    #[test]
    fn links_give_no_other_name_to_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(path("a.db"), beginning()).unwrap();
        write(path("a.db-wal"), JOURNALS[0]).unwrap();
        std::os::unix::fs::symlink("a.db-wal", path("notes.txt")).unwrap();
        assert!(is_own(&path("notes.txt")));
    }

    #[test]
    fn files_of_others_are_sources() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(path("b.db"), [SQLITE, &[0; 84]].concat()).unwrap();
        write(path("b.db-wal"), JOURNALS[1]).unwrap();
        for name in ["yarn-lock", "yarn", "empty", "empty-wal"] {
            write(path(name), if name.starts_with("yarn") { "ann@a.org" } else { "" }).unwrap();
        }
        for name in ["b.db", "b.db-wal", "yarn-lock", "yarn", "empty", "empty-wal"] {
            assert!(!is_own(&path(name)), "{name}");
        }
    }
}
