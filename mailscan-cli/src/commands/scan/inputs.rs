//! What a scan reads: paths become a list of files in a fixed order.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// Something to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The files that these paths name, in the order of the paths and of names within folders, and why others are not
/// among them.
pub(super) fn list(paths: &[PathBuf], gitignore: bool) -> (Vec<Input>, Vec<String>) {
    let (mut inputs, mut broken) = (Vec::new(), Vec::new());
    if paths.is_empty() {
        inputs.push(Input::Stdin);
    }
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            walk(path, gitignore, &mut inputs, &mut broken);
        } else {
            // Whatever is wrong with a path shows when it is opened.
            inputs.push(Input::File(path.clone()));
        }
    }
    (inputs, broken)
}

fn walk(folder: &Path, gitignore: bool, inputs: &mut Vec<Input>, broken: &mut Vec<String>) {
    // Hidden files are files: nothing is left out unless asked for.
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).sort_by_file_name(std::ffi::OsStr::cmp);
    if gitignore {
        walk.git_ignore(true).git_exclude(true).git_global(true).parents(true);
    }
    for entry in walk.build() {
        match entry {
            Ok(entry) => {
                // A link is read as what it points to when that is a file; links to folders are not followed.
                let file = entry.file_type().is_some_and(|kind| kind.is_file())
                    || (entry.path_is_symlink() && entry.path().is_file());
                if file {
                    inputs.push(Input::File(entry.into_path()));
                }
            }
            Err(error) => broken.push(format!("cannot list {error}")),
        }
    }
}
