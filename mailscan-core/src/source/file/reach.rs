//! Which files a task may read: all of them for the operator, for a job from the API those below its roots, and for nobody
//! the databases of mailscan.
//!
//! A path is judged when it is read and by where it leads then: links may have come in, or have been turned elsewhere,
//! since the job was made or the folder listed. Whatever opens a local file does it here.

use std::borrow::Cow;
use std::fs::File;
use std::io::Seek;
use std::path::Path;

use super::{io_error, own};
use crate::fetch::{FetchError, FetchErrorClass};
use crate::job::Origin;

/// What may be read for the job of this origin.
#[derive(Clone, Debug)]
pub(super) struct Reach(Origin);

impl Reach {
    pub(super) fn of(origin: &Origin) -> Self {
        Self(origin.clone())
    }

    /// Where a path leads, when that may be read.
    ///
    /// # Errors
    /// [`FetchErrorClass::Refused`] for what lies elsewhere; those of the system.
    pub(super) fn follow<'a>(&self, path: &'a str) -> Result<Cow<'a, Path>, FetchError> {
        let Origin::Api { roots } = &self.0 else { return Ok(Cow::Borrowed(Path::new(path))) };
        let whole = Path::new(path).canonicalize().map_err(|error| io_error(path, &error))?;
        if is_below(&whole, roots) { Ok(Cow::Owned(whole)) } else { Err(outside(path)) }
    }

    /// Opens a file that may be read.
    ///
    /// # Errors
    /// As of [`follow`](Self::follow); [`FetchErrorClass::Permanent`] for a database of mailscan.
    pub(super) fn open(&self, path: &str) -> Result<File, FetchError> {
        let failed = |error: std::io::Error| io_error(path, &error);
        let whole = self.follow(path)?;
        let mut file = File::open(&whole).map_err(failed)?;
        self.confirm(path, &file)?;
        if own::is_own(&whole, &own::begin(&mut file).map_err(failed)?) {
            return Err(FetchError::new(FetchErrorClass::Permanent, "file-own", own_database(path)));
        }
        file.rewind().map_err(failed)?;
        Ok(file)
    }

    /// Asks the system which file was opened: a link may have come in between the look and the opening.
    fn confirm(&self, path: &str, file: &File) -> Result<(), FetchError> {
        let Origin::Api { roots } = &self.0 else { return Ok(()) };
        match opened(file) {
            Some(whole) if !is_below(&whole, roots) => Err(outside(path)),
            _ => Ok(()),
        }
    }
}

/// The whole name of an open file, where the system tells.
#[cfg(target_os = "linux")]
fn opened(file: &File) -> Option<std::path::PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn opened(_: &File) -> Option<std::path::PathBuf> {
    None
}

/// Whether a whole name is that of a root or below one. Roots are resolved each time: on another node they may be links.
fn is_below(whole: &Path, roots: &[String]) -> bool {
    roots.iter().any(|root| Path::new(root).canonicalize().is_ok_and(|root| whole.starts_with(root)))
}

/// What is said of a file that is no source.
pub(super) fn own_database(path: &str) -> String {
    format!(
        "`{path}` is a database of mailscan or a part of one, which is no source: `mailscan job export` writes it out"
    )
}

/// Does not say where it leads, nor whether there is anything: that is nobody's business.
fn outside(path: &str) -> FetchError {
    let message = format!(
        "`{path}` leads out of the folders that jobs from the API may read (`serve --root`): put the file itself below one"
    );
    FetchError::new(FetchErrorClass::Refused, "file-outside", message)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A folder with the files `root/in.txt` and `out.txt`, and what may be read below its `root`.
    fn rooted() -> (tempfile::TempDir, PathBuf, Reach) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        for file in ["root/in.txt", "out.txt"] {
            std::fs::write(folder.path().join(file), file).unwrap();
        }
        let reach = Reach(Origin::Api { roots: vec![root.to_str().unwrap().to_owned()] });
        (folder, root, reach)
    }

    fn code<T: std::fmt::Debug>(read: Result<T, FetchError>) -> String {
        read.unwrap_err().code.into_owned()
    }

    #[test]
    fn links_count_by_where_they_lead() {
        let (folder, root, reach) = rooted();
        let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
        symlink("in.txt", path("inside")).unwrap();
        symlink("../out.txt", path("outside")).unwrap();
        symlink(folder.path(), path("up")).unwrap();
        symlink(&root, folder.path().join("root2")).unwrap();
        for name in ["in.txt", "inside", "up/root/in.txt", "../root2/in.txt"] {
            reach.open(&path(name)).unwrap();
        }
        for name in ["outside", "up/out.txt", "../out.txt"] {
            assert_eq!(code(reach.open(&path(name))), "file-outside", "{name}");
            Reach(Origin::Operator).open(&path(name)).unwrap();
        }
        assert_eq!(code(reach.follow(&path("up"))), "file-outside");
        assert_eq!(code(reach.open(&path("nothing"))), "file-not-found");
        assert_eq!(code(Reach(Origin::Api { roots: Vec::new() }).open(&path("in.txt"))), "file-outside");
        // A name that merely begins as the root's does.
        std::fs::write(folder.path().join("root.txt"), "").unwrap();
        assert_eq!(code(reach.open(&path("../root.txt"))), "file-outside");
    }

    #[test]
    fn a_database_of_mailscan_is_read_for_nobody() {
        let (_folder, root, reach) = rooted();
        let database = root.join("x.db");
        std::fs::write(&database, own::beginning()).unwrap();
        for reach in [reach, Reach(Origin::Operator)] {
            assert_eq!(code(reach.open(database.to_str().unwrap())), "file-own");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_opened_decides_in_the_end() {
        let (folder, root, reach) = rooted();
        let open = |path: PathBuf| File::open(path).unwrap();
        assert_eq!(code(reach.confirm("x", &open(folder.path().join("out.txt")))), "file-outside");
        reach.confirm("x", &open(root.join("in.txt"))).unwrap();
    }
}
