//! A folder: its files and folders, as tasks.

use std::collections::HashSet;
use std::fs::DirEntry;
use std::path::Path;

use super::{io_error, own};
use crate::fetch::{Discovered, Documents, FetchError, FetchErrorClass, Fetched};
use crate::task::Work;

/// The entries of the folder at `path`, by name, below `named`, which is what the task calls it: on another node its links
/// may lead elsewhere. Names that cannot be tasks come as an error beside them.
pub(super) fn list(path: &Path, named: &Path) -> Result<Fetched, FetchError> {
    let failed = |error: std::io::Error| io_error(&path.to_string_lossy(), &error);
    let mut paths = Vec::new();
    let mut unnamed = Vec::new();
    let mut own = HashSet::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_readable(&entry) {
            continue;
        }
        if let Some(database) = own::database_beside(&entry.path()) {
            own.extend(database.file_name().map(|name| named.join(name)));
            continue;
        }
        match named.join(entry.file_name()).into_os_string().into_string() {
            Ok(path) => paths.push(path),
            Err(name) => unnamed.push(name),
        }
    }
    paths.retain(|path| !own.contains(Path::new(path)));
    paths.sort_unstable();
    let discovered = paths.into_iter().map(|path| Discovered { work: Work::Path { path }, step: 0 }).collect();
    let documents = unnamed.first().map_or(Documents::None, |first| report(first, unnamed.len()));
    Ok(Fetched { documents, discovered, ..Fetched::default() })
}

/// Whether the entry is a file, a folder, or a link to a file.
fn is_readable(entry: &DirEntry) -> bool {
    let Ok(kind) = entry.file_type() else { return false };
    if kind.is_symlink() {
        return std::fs::metadata(entry.path()).is_ok_and(|target| target.is_file());
    }
    kind.is_file() || kind.is_dir()
}

/// One error for all names that cannot be used.
fn report(first: &std::ffi::OsStr, count: usize) -> Documents {
    let message = format!("{count} names here are not UTF-8, the first `{}`: rename them", first.display());
    Documents::error(FetchError::new(FetchErrorClass::Permanent, "file-name", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_use_is_no_part_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.db"), own::beginning()).unwrap();
        for name in ["a.txt", "a.db-lock", "a.db-wal", "notes-lock", "notes"] {
            std::fs::write(folder.path().join(name), "ann@a.org").unwrap();
        }
        let listed = list(folder.path(), Path::new("in")).unwrap().discovered;
        let listed: Vec<_> = listed.iter().map(|found| found.work.label()).collect();
        assert_eq!(listed, ["in/a.txt", "in/notes", "in/notes-lock"]);
    }
}
