//! `job export`: a job's addresses as CSV, JSON lines or Parquet, read page by page so that any number fits into memory.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use mailscan_core::export::{Export, ExportError, Format};
use mailscan_core::job::JobId;
use mailscan_core::store::Store;
use mailscan_core::suppression::Suppression;

use crate::args::ExportFormat;
use crate::exit::{Exit, Failure, Result};
use crate::render::{counted, grouped};
use crate::signals::Signals;

/// How many addresses one look at the store brings.
const PAGE: usize = 10_000;

/// What to export, and whom to leave out although they were collected before they were on the list.
pub(super) struct Asked<'a> {
    pub(super) id: JobId,
    pub(super) format: ExportFormat,
    pub(super) output: Option<&'a Path>,
    pub(super) suppression: Suppression,
}

pub(super) async fn run(store: &impl Store, asked: &Asked<'_>) -> Result<Exit> {
    let format = match asked.format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Jsonl => Format::Jsonl,
        ExportFormat::Parquet => Format::Parquet,
    };
    if asked.output.is_none() && !format.is_text() && std::io::stdout().is_terminal() {
        let name = format.as_str();
        return Err(Failure::Usage(format!("{name} is no text that a terminal can show: add --output FILE")));
    }
    super::find(store, asked.id).await?;
    let mut export = Export::new(asked.id, format, PAGE)?;
    match asked.output {
        None => write(&mut export, store, &asked.suppression, &mut std::io::stdout()).await.map_err(
            |error| match error {
                // Nobody has seen enough of a file whose end says what is in it.
                Failure::Output(error) if error.kind() == ErrorKind::BrokenPipe && !format.is_text() => {
                    Failure::Failed("whoever read the results did not read them to the end".to_owned())
                }
                error => error,
            },
        )?,
        Some(path) => {
            let mut file = NewFile::create(path)?;
            let mut stop = file.stop.take();
            let written = tokio::select! {
                written = write(&mut export, store, &asked.suppression, &mut file) => written,
                () = asked_to_stop(stop.as_mut()) => {
                    let left = if file.holds_a_part() { "has a part of them" } else { "is as it was" };
                    file.discard();
                    let path = crate::render::escape(&path.display().to_string());
                    say!("stopped: {path} {left}");
                    return Ok(Exit::Interrupted);
                }
            };
            file.end(written)?;
        }
    }
    let (count, suppressed) = export.counts();
    if let Some(path) = asked.output {
        let path = crate::render::escape(&path.display().to_string());
        say!("{} written to {path}", counted(count, "address", "addresses"));
    }
    if suppressed > 0 {
        say!("left out: {} suppressed", grouped(suppressed));
    }
    Ok(Exit::Done)
}

/// Writes what the store holds.
async fn write(
    export: &mut Export,
    store: &impl Store,
    suppression: &Suppression,
    out: &mut (impl Write + Send),
) -> Result<()> {
    while let Some(bytes) = export.next(store, suppression).await.map_err(failure)? {
        out.write_all(&bytes)?;
    }
    Ok(out.flush()?)
}

fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Store(error) => Failure::Core(error),
        error => Failure::Failed(error.to_string()),
    }
}

/// Waits for a request to stop; for ever where the system heeds it by itself.
async fn asked_to_stop(stop: Option<&mut Signals>) {
    match stop {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

/// A file that takes the place of the one before only once it is whole.
struct NewFile<'a> {
    file: File,
    /// Where it is written meanwhile; `None` for what is not to be replaced, such as a pipe or a link, or cannot be.
    part: Option<PathBuf>,
    /// Whether it is one on a disk.
    is_regular: bool,
    /// Whether what the file before held is in it still: it goes only once there is something to write in its place.
    is_old: bool,
    /// Requests to stop, where there may be something to remove then.
    stop: Option<Signals>,
    path: &'a Path,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let there = fs::symlink_metadata(path);
        let replaces = there.as_ref().map_or_else(|error| error.kind() == ErrorKind::NotFound, fs::Metadata::is_file);
        // Before the file is there, so that none of them leaves it behind.
        let stop = if replaces { Some(Signals::of_terminal()?) } else { None };
        let opened = if replaces { open(path, there.ok().as_ref()) } else { in_place(path) };
        let known = opened.and_then(|(file, place)| Ok((file.metadata()?.is_file(), file, place)));
        let (is_regular, file, place) = known.map_err(|error| cannot_write(path, &error))?;
        let is_old = is_regular && matches!(place, Place::There);
        let part = if let Place::Beside(part) = place { Some(part) } else { None };
        // What is no file on a disk, such as a pipe, has nobody to tell what stands in it.
        let stop = if is_regular && stop.is_none() { Some(Signals::of_terminal()?) } else { stop };
        Ok(Self { file, part, is_regular, is_old, stop, path })
    }

    /// Whether a part of what is written stands where all of it is to be.
    fn holds_a_part(&self) -> bool {
        self.is_regular && self.part.is_none() && !self.is_old
    }

    /// Puts the file in its place if all was written, else removes it.
    fn end(mut self, written: Result<()>) -> Result<()> {
        let placed = written.and_then(|()| self.place().map_err(Failure::Output));
        let placed = placed.map_err(|error| match error {
            Failure::Output(error) => cannot_write(self.path, &error),
            error => error,
        });
        placed.map_err(|error| {
            let error = if self.holds_a_part() {
                Failure::Failed(format!("{error}, and `{}` has a part of the addresses", self.path.display()))
            } else {
                error
            };
            self.discard();
            error
        })
    }

    /// Puts what is written in the place of the file before.
    fn place(&mut self) -> io::Result<()> {
        self.clear()?;
        if self.is_regular {
            // Some file systems say only now that there is no room.
            self.file.sync_all()?;
        }
        self.part.as_ref().map_or(Ok(()), |part| fs::rename(part, self.path))
    }

    /// Removes what the file before held.
    fn clear(&mut self) -> io::Result<()> {
        if self.is_old {
            self.file.set_len(0)?;
            self.is_old = false;
        }
        Ok(())
    }

    /// Removes what was written of it.
    fn discard(self) {
        if let Some(part) = self.part {
            // Why it is not wanted is told already.
            let _ = fs::remove_file(part);
        }
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.clear()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Where a file stands that is to be written.
enum Place {
    /// Beside the place where it is to be, under this name.
    Beside(PathBuf),
    /// It was there before.
    There,
    /// It was made where a link leads to.
    Made,
}

/// Opens a new file beside the one that is there, to take its place; or that one itself where the new one could not be put there,
/// or would not be its owner's.
fn open(path: &Path, there: Option<&Metadata>) -> io::Result<(File, Place)> {
    let new = beside(path);
    let Some(there) = there else { return new.map(|(file, part)| (file, Place::Beside(part))) };
    let refused = match &new {
        Ok((file, part)) => take_over(file, there).inspect_err(|_| drop(fs::remove_file(part)))?,
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => true,
        Err(_) => false,
    };
    if refused && let Ok(opened) = in_place(path) {
        if let Ok((_, part)) = new {
            // Nothing stands in it.
            let _ = fs::remove_file(part);
        }
        let path = crate::render::escape(&path.display().to_string());
        say!("{path} is written in place: no file of the same owner can be put there");
        return Ok(opened);
    }
    // Whoever may not write to a file but may remove it from its folder may put another there.
    new.map(|(file, part)| (file, Place::Beside(part)))
}

/// Opens what is there itself, with all that it holds; makes it where a link leads to nothing.
fn in_place(path: &Path) -> io::Result<(File, Place)> {
    // In a folder for all, Linux lets nobody ask for the file of another to be made, whoever may write to it (fs.protected_regular).
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((File::create(path)?, Place::Made)),
        opened => Ok((opened?, Place::There)),
    }
}

/// A new file in the folder of another. Its name does not grow with that one's: folders take none of any length.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    // Another export to the same file has one of its own.
    let part = path.with_file_name(format!("mailscan-{:08x}.part", rand::random::<u32>()));
    Ok((File::create_new(&part)?, part))
}

/// Lets those read and write a file who may the other, and nobody else; answers whether its owner or group could not be had.
#[cfg(unix)]
fn take_over(file: &File, there: &Metadata) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let ours = file.metadata()?;
    let is_theirs = (ours.uid(), ours.gid()) == (there.uid(), there.gid())
        || fchown(file, Some(there.uid()), Some(there.gid())).is_ok();
    file.set_permissions(there.permissions())?;
    Ok(!is_theirs)
}

#[cfg(not(unix))]
fn take_over(file: &File, there: &Metadata) -> io::Result<bool> {
    file.set_permissions(there.permissions()).map(|()| false)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot write `{}`: {error}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_made_behind_a_link_is_not_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("old"), "before").unwrap();
        for (target, holds_a_part) in [("old", false), ("new", true)] {
            let link = path(&format!("link-to-{target}"));
            std::os::unix::fs::symlink(target, &link).unwrap();
            let file = NewFile::create(&link).unwrap();
            assert_eq!((file.holds_a_part(), path(target).exists()), (holds_a_part, true), "{target}");
        }
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "before");
    }
}
