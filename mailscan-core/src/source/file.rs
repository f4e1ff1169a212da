//! Local files: a path becomes documents, a folder becomes tasks, a list of URLs becomes page tasks.
//!
//! Takes [`Work::Path`] and [`Work::List`] from the engine and reads the local file system on tokio's blocking threads.
//! Small files come whole, larger and compressed ones as a stream of [`Pieces`], so that a file of any length is read
//! in constant memory. Nothing is written, and links to folders are not followed. What a job from the API may read, `reach.rs`
//! knows, and what is mailscan's own and no source, `own.rs`.

mod archive;
mod attached;
mod buffer;
mod compression;
mod decode;
mod folder;
mod held;
mod list;
mod members;
mod own;
mod pieces;
mod places;
mod reach;
mod runs;
mod tar;
mod zip;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use self::archive::InPart;
#[cfg(test)]
pub(crate) use self::archive::zipped;
pub use self::list::check_list;
pub use self::pieces::{Pause, Piece, PieceView, Pieces};
use self::reach::Reach;
use crate::fetch::{Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, IN_PART};
use crate::source::open_files::{is_out_of_files, out_of_files};
use crate::source::{kind, stream};
use crate::task::{Task, Work};

/// Up to this size a file is one document.
const WHOLE: u64 = 1 << 20;
/// How many bytes of a list one task reads.
const LIST_PART: usize = 256 << 10;
/// How many URLs one task takes from a list.
const LIST_URLS: usize = 1_000;

/// The fetcher of local files.
///
/// - A folder gives a [`Work::Path`] for each of its files and folders, in the order of their names. Links to folders
///   and special files (sockets, devices, pipes) are left out. Its entries are held in memory at once, as one list of
///   paths. A name that is not UTF-8 cannot be a task: it comes as an error in the folder's documents, beside the
///   tasks for the other names, so that it is not lost in silence.
/// - A file of up to 1 MiB that is not compressed gives one document, any other a stream. A stream has no bound but
///   the file's end: the budget's size bounds one document, and a piece is far smaller. It holds one of the runtime's blocking
///   threads while it is read, and none while nobody takes what was read.
/// - A zip file, such as a document of an office, or a tar file, compressed or not, gives the files in it, each a source of its
///   own: the path of the zip or tar file, `#`, and the name within.
/// - A PDF gives its pages, each a source of its own: the path, `#page=` and the number of the page from 1 on, as RFC 8118 has it.
///   What it says of itself (author, title, metadata) is of the path alone. So does a PDF in an archive,
///   with `#page=` behind its name there.
/// - An old document of an office (.doc, .xls, .ppt, .rtf) gives its text, under its own path, and a message of Outlook (.msg) its texts
///   and, under their names, the files that are attached. So do those in an archive.
/// - Mail gives its text, under its own path, and the files that are attached to it in base64, under their names, message by message:
///   those that are read as files of their own are, such as PDFs.
/// - A file of a kind that is not read, such as a 7z file or a PDF that asks for a password, is searched as it stands, and noted.
/// - A web archive (WARC, compressed or not) gives the pages in it, each a source of its own: the path of the archive,
///   `#`, and the address of the page. Links in them are not followed.
/// - A list gives a [`Work::Page`] for each of its URLs, up to 1,000 at a time, and itself again from where it
///   stopped. Lines that are empty or begin with `#` do not count; a line that is no URL is skipped and told of. What is
///   no plain text in UTF-8, or no file, is refused ([`check_list`]).
/// - A database of mailscan is no source: one that is in use is no part of its folder, and any other is refused.
/// - For a job from the API ([`Origin::Api`](crate::job::Origin)), what does not lie below one of its roots at the time of
///   reading is refused, whatever links lead to it.
#[derive(Clone, Debug, Default)]
pub struct FileSource {
    _private: (),
}

impl FileSource {
    /// A fetcher of local files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out a task that is a [`Work::Path`] or a [`Work::List`].
    ///
    /// # Errors
    /// [`FetchErrorClass::Permanent`] for what is not there, cannot be read or is no local work;
    /// [`FetchErrorClass::Refused`] for what the job may not read; [`FetchErrorClass::Transient`] when the system itself could not read.
    pub async fn fetch(&self, task: &Task, context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        let reach = Reach::of(context.origin);
        let work = async {
            match &task.work {
                Work::Path { path } => open(path.clone(), reach).await,
                Work::List { path, offset } => read_list(path.clone(), *offset, reach).await,
                other => Err(not_local(other)),
            }
        };
        tokio::time::timeout(context.budget.time, work).await.unwrap_or_else(|_| Err(too_slow(&task.work)))
    }
}

fn too_slow(work: &Work) -> FetchError {
    let message = format!("`{}` did not open in time: see whether its disk or server answers", work.label());
    FetchError::new(FetchErrorClass::Transient, "file-slow", message)
}

fn not_local(work: &Work) -> FetchError {
    FetchError::new(FetchErrorClass::Permanent, "not-local", format!("{} is no local work", work.kind()))
}

async fn read_list(path: String, offset: u64, reach: Reach) -> Result<Fetched, FetchError> {
    blocking(move || list::read(&path, offset, &reach)).await
}

async fn open(path: String, reach: Reach) -> Result<Fetched, FetchError> {
    let (documents, note) = match blocking(move || Opened::at(&path, &reach)).await? {
        Opened::Folder(fetched) => return Ok(fetched),
        Opened::Whole(document, note) => (document.map_or(Documents::None, Documents::One), note),
        Opened::Long(pieces, name) => {
            (Documents::Stream(stream::of(Reading { pieces, source: name, ended: false }, stopped)), None)
        }
    };
    Ok(Fetched { documents, note, ..Fetched::default() })
}

/// What a path turned out to be.
enum Opened {
    Folder(Fetched),
    /// With what is noted of it.
    Whole(Option<Document>, Option<FetchError>),
    Long(Pieces, Arc<str>),
}

impl Opened {
    fn at(path: &str, reach: &Reach) -> Result<Self, FetchError> {
        let failed = |error: std::io::Error| io_error(path, &error);
        let whole = reach.follow(path)?;
        let kind = std::fs::metadata(&whole).map_err(failed)?;
        if kind.is_dir() {
            return folder::list(&whole, Path::new(path)).map(Self::Folder);
        }
        if !kind.is_file() {
            return Err(FetchError::new(
                FetchErrorClass::Permanent,
                "file-special",
                format!("`{path}` is neither a file nor a folder: give one of these"),
            ));
        }
        let name: Arc<str> = path.into();
        let open = || Pieces::of_file(reach.open(path)?, path, Vec::new()).map_err(failed);
        let mut pieces = open()?;
        if pieces.is_compressed() || kind.len() > WHOLE {
            return Ok(Self::Long(pieces, name));
        }
        // A file may have grown since; what is more than one piece long is a stream after all.
        match pieces.next_piece().map_err(failed)? {
            Some((piece, true)) => {
                let note = pieces.unread().map(|kind| kind::note(path, kind));
                Ok(Self::Whole(Some(document(piece, &name)), note))
            }
            Some((_, false)) => Ok(Self::Long(open()?, name)),
            None => Ok(Self::Whole(None, None)),
        }
    }
}

fn document(piece: Piece, file: &Arc<str>) -> Document {
    let source = piece.page.map_or_else(|| Arc::clone(file), |page| page_of_archive(file, &page).into());
    Document {
        source,
        base: None,
        media: piece.media,
        charset: None,
        body: Bytes::from(piece.bytes),
        offset: piece.offset,
        truncated: false,
    }
}

/// How a page of a web archive is called: by the archive and by its own address.
pub fn page_of_archive(file: &str, page: &str) -> String {
    format!("{file}#{page}")
}

/// What is left to read of a file that is given in pieces.
struct Reading {
    pieces: Pieces,
    source: Arc<str>,
    ended: bool,
}

impl Iterator for Reading {
    type Item = Result<Document, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = self.pieces.next();
        self.ended = !matches!(piece, Some(Ok(_)));
        match piece {
            Some(Ok(piece)) => Some(Ok(document(piece, &self.source))),
            Some(Err(error)) => Some(Err(io_error(&self.source, &error))),
            None => self.pieces.unread().map(|kind| Err(kind::note(&self.source, kind))),
        }
    }
}

fn stopped(error: &tokio::task::JoinError) -> FetchError {
    FetchError::new(FetchErrorClass::Transient, "file-reader", format!("the reader stopped: {error}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(stopped(&error)))
}

/// An error of the system, classed by whether the same call may succeed later.
fn io_error(path: &str, error: &std::io::Error) -> FetchError {
    use std::io::ErrorKind;
    if is_out_of_files(error) {
        return out_of_files();
    }
    let is_in_part = error.get_ref().and_then(|inner| inner.downcast_ref::<InPart>()).is_some();
    let (class, code) = match error.kind() {
        _ if is_in_part => (FetchErrorClass::Permanent, IN_PART),
        ErrorKind::NotFound | ErrorKind::NotADirectory => (FetchErrorClass::Permanent, "file-not-found"),
        ErrorKind::IsADirectory => (FetchErrorClass::Permanent, "file-is-folder"),
        ErrorKind::PermissionDenied => (FetchErrorClass::Permanent, "file-permission"),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
            (FetchErrorClass::Permanent, "file-damaged")
        }
        _ => (FetchErrorClass::Transient, "file-io"),
    };
    FetchError::new(class, code, format!("cannot read `{path}`: {error}"))
}
