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
    walk.build().filter_map(|entry| match entry {
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
        Err(error) => Some(Input::Broken(format!("cannot list {error}"))),
    })
}
