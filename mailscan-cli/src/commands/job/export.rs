//! `job export`: a job's addresses as CSV, JSON lines or Parquet, read page by page so that any number fits into memory.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, IsTerminal, Write};
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
            let (mut out, stop) = (&file.file, file.stop.as_mut());
            let written = tokio::select! {
                written = write(&mut export, store, &asked.suppression, &mut out) => written,
                () = asked_to_stop(stop) => {
                    file.discard();
                    let path = crate::render::escape(&path.display().to_string());
                    say!("stopped: {path} is as it was");
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
    /// Where it is written meanwhile; `None` for what is not to be replaced, such as a pipe or a link.
    part: Option<PathBuf>,
    /// Requests to stop, while there is something to remove then.
    stop: Option<Signals>,
    path: &'a Path,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let there = fs::symlink_metadata(path);
        let replaces = there.as_ref().map_or_else(|error| error.kind() == ErrorKind::NotFound, fs::Metadata::is_file);
        // Another export to the same file has one of its own.
        let part = replaces.then(|| {
            let mut name = OsString::from(path);
            name.push(format!(".{:08x}.part", rand::random::<u32>()));
            PathBuf::from(name)
        });
        // Before the file is there, so that none of them leaves it behind.
        let stop = part.as_ref().map(|_| Signals::of_terminal()).transpose()?;
        let create = || {
            let file = match &part {
                Some(part) => File::create_new(part)?,
                None => File::create(path)?,
            };
            // Who may read the file before may read this one, and nobody else.
            if let (Some(_), Ok(there)) = (&part, &there) {
                file.set_permissions(there.permissions())?;
            }
            Ok(file)
        };
        let file = create().map_err(|error| cannot_write(path, &error))?;
        Ok(Self { file, part, stop, path })
    }

    /// Puts the file in its place if all was written, else removes it.
    fn end(self, written: Result<()>) -> Result<()> {
        let placed = written.and_then(|()| self.place().map_err(Failure::Output));
        let placed = placed.map_err(|error| match error {
            Failure::Output(error) => cannot_write(self.path, &error),
            error => error,
        });
        if placed.is_err() {
            self.discard();
        }
        placed
    }

    /// Puts what is written in the place of the file before.
    fn place(&self) -> std::io::Result<()> {
        let Some(part) = &self.part else { return Ok(()) };
        // Some file systems say only now that there is no room.
        self.file.sync_all()?;
        fs::rename(part, self.path)
    }

    /// Removes what was written of it.
    fn discard(self) {
        if let Some(part) = self.part {
            // Why it is not wanted is told already.
            let _ = fs::remove_file(part);
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot write `{}`: {error}", path.display()))
}
