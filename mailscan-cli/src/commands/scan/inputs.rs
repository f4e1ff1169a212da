//! What a scan reads: paths become files in a fixed order, listed while others are searched already.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// Something to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Standard input.
    Stdin,
    /// A path as it was given; whatever is wrong with it shows when it is opened.
    Named(PathBuf),
    /// A file of a folder.
    Listed(PathBuf),
    /// A link in a folder to another folder, which is not followed, or to nothing.
    Link,
    /// What could not be listed, and why.
    Broken(String),
}

/// What the paths name, in the order of the paths and of names within folders.
pub(super) fn each(paths: &[PathBuf], gitignore: bool) -> impl Iterator<Item = Input> + Send + use<> {
    let paths = if paths.is_empty() { vec![PathBuf::from("-")] } else { paths.to_vec() };
    paths.into_iter().flat_map(move |path| -> Box<dyn Iterator<Item = Input> + Send> {
        if path.as_os_str() == "-" {
            Box::new(std::iter::once(Input::Stdin))
        } else if path.is_dir() {
            Box::new(walk(&path, gitignore))
        } else {
            Box::new(std::iter::once(Input::Named(path)))
        }
    })
}

fn walk(folder: &Path, gitignore: bool) -> impl Iterator<Item = Input> + Send + use<> {
    // Hidden files are files: nothing is left out unless asked for.
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).sort_by_file_name(std::ffi::OsStr::cmp);
    if gitignore {
        walk.git_ignore(true).git_exclude(true).git_global(true).parents(true).require_git(false);
    }
    let folder = folder.to_owned();
    walk.build().filter_map(move |entry| match entry {
        Ok(entry) => {
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            // The folder itself may be named by a link.
            if is_file || !entry.path_is_symlink() || entry.depth() == 0 {
                return is_file.then(|| Input::Listed(entry.into_path()));
            }
            // A link is read as what it points to when that is a file; links to folders may lead round.
            let target = entry.path().metadata();
            match target.map(|target| (target.is_file(), target.is_dir())) {
                Ok((true, _)) => Some(Input::Listed(entry.into_path())),
                Ok((_, true)) | Err(_) => Some(Input::Link),
                Ok(_) => None,
            }
        }
        Err(error) => Some(Input::Broken(unlisted(&folder, &error))),
    })
}

/// What could not be listed, which is the folder itself where the error does not say, and why.
fn unlisted(folder: &Path, error: &ignore::Error) -> String {
    let path = path_of(error).unwrap_or(folder).display();
    let Some(failed) = error.io_error() else { return format!("cannot list `{path}`: {error}") };
    // What the walk says of it names the path again.
    match failed.get_ref().and_then(|told| told.source()) {
        Some(cause) => format!("cannot list `{path}`: {cause}"),
        None => format!("cannot list `{path}`: {failed}"),
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_listed_is_named_once() {
        let missing = Path::new("no/such/folder");
        let told = "cannot list `no/such/folder`: No such file or directory (os error 2)".to_owned();
        assert_eq!(walk(missing, false).collect::<Vec<_>>(), [Input::Broken(told)]);
        let nameless = ignore::Error::Io(std::io::Error::from_raw_os_error(13));
        assert_eq!(unlisted(missing, &nameless), "cannot list `no/such/folder`: Permission denied (os error 13)");
    }
}
