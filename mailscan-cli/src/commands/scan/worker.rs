//! One thread's search: a file is opened, read and searched, with memory that serves one file after the other.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailscan_core::address::Address;
use mailscan_core::class::{Class, ClassFilter, Classes};
use mailscan_core::extract::{Extractor, Form, Mention};
use mailscan_core::source::file::Pieces;
use mailscan_core::suppression::Suppression;

use super::inputs::Input;
use super::stream;

/// How many addresses a thread takes on to the next file, or part of one; what it forgets is only handed over once more.
const REMEMBERED: usize = 1 << 16;
/// What leads to the file that a shell gives as standard input, where it is one and the system has such links.
const STDIN: &str = "/dev/stdin";
/// Why what is named is not searched.
const OWN: &str =
    "it is a database of mailscan or a part of one, which is no source: `mailscan job export` writes it out";
/// What is said of a file whose reader panicked; the panic itself has been told of before.
const DEFECT: &str = "whatever reads such files panicked: this is a defect";
/// How many findings of a file make a part of it.
const PART: usize = 1 << 14;

/// The first mention of an address in a file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) address: Address,
    /// The page of a web archive that it is in.
    pub(super) page: Option<Arc<str>>,
    pub(super) offset: u64,
    pub(super) form: Form,
    pub(super) classes: Classes,
}

/// A searched input, or a part of one. What was found before an error counts.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) source: String,
    /// Whether it is all, or the last part.
    pub(super) ended: bool,
    pub(super) bytes: u64,
    /// The addresses that the thread had not met in an earlier input.
    pub(super) found: Vec<Found>,
    /// The addresses of which a mention was left out, by identity, each with the class it was left out for. Other mentions
    /// of them may have been found.
    pub(super) left_out: HashMap<String, Class>,
    pub(super) error: Option<String>,
    /// What it is, if that is a kind that is not read.
    pub(super) unread: Option<&'static str>,
    /// Whether it was passed over, since it is a database of mailscan or lies beside one.
    pub(super) own: bool,
    /// Whether it is a link that was not followed.
    pub(super) link: bool,
    /// Whether it may have been stopped before its end.
    pub(super) stopped: bool,
}

impl Searched {
    /// Whether so much was found since the last part that it is one.
    pub(super) fn is_part(&self) -> bool {
        self.found.len() + self.left_out.len() >= PART
    }

    /// Whether anything was found since the last part.
    pub(super) fn holds_any(&self) -> bool {
        !self.found.is_empty() || !self.left_out.is_empty()
    }

    /// What was found since the last part.
    pub(super) fn take_part(&mut self) -> Self {
        let next = Self { source: self.source.clone(), ..Self::default() };
        std::mem::replace(self, next)
    }
}

/// Who takes what is found of an input before its end.
pub(super) trait Taker {
    /// May take a part of what was found; answers whether more is wanted.
    fn go_on(&mut self, searched: &mut Searched) -> bool;

    /// Waits for more of the input, for as long as that takes.
    fn while_waiting<T>(&mut self, searched: &mut Searched, wait: impl FnOnce() -> T) -> T;
}

/// Makes the extractor that a scan was asked for.
pub(super) type Extract = fn() -> Extractor;

/// What a scan was asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) extract: Extract,
    /// What is to be left out.
    pub(super) filter: ClassFilter,
    /// Who is to be left out.
    pub(super) suppression: Suppression,
}

/// A thread's memory, from one input to the next.
pub(super) struct Worker {
    asked: Asked,
    /// Whether nobody waits for more any longer.
    stopped: Arc<AtomicBool>,
    buffer: Vec<u8>,
    /// Addresses as they were written, of those that were handed over: whoever takes results in order has met them.
    known: HashSet<Address>,
}

impl Worker {
    pub(super) fn new(asked: Asked, stopped: Arc<AtomicBool>) -> Self {
        Self { asked, stopped, buffer: Vec::new(), known: HashSet::new() }
    }

    /// Searches an input for as long as `taker` wants more, who may take parts of what was found meanwhile; the last is the
    /// answer.
    pub(super) fn search(&mut self, input: &Input, taker: &mut impl Taker) -> Searched {
        let source = match input {
            Input::Broken(reason) => {
                return Searched { error: Some(reason.clone()), ended: true, ..Searched::default() };
            }
            Input::Link => return Searched { link: true, ended: true, ..Searched::default() },
            Input::Stdin => "(standard input)".to_owned(),
            Input::Named(path) | Input::Listed(path) => path.to_string_lossy().into_owned(),
        };
        let mut searched = Searched { source, ..Searched::default() };
        // Once: a pipe may be gone by the time that it ends.
        let is_stream = is_stream(input);
        // A defect of whatever reads a kind of file costs that file, not the search of all others.
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.open(input, is_stream, &mut searched)?.map_or(Ok(()), |pieces| self.read(pieces, &mut searched, taker))
        }))
        .unwrap_or_else(|_| Err(io::Error::other(DEFECT)));
        (searched.ended, searched.stopped) = (true, self.stopped.load(Ordering::Acquire));
        searched.error = result.err().map(|error| format!("cannot read `{}`: {error}", searched.source));
        if searched.stopped && is_stream {
            // What breaks off because nobody waits for the rest is not damaged.
            (searched.error, searched.unread) = (None, None);
        }
        searched
    }

    /// Opens an input, unless it is to be passed over.
    fn open(&mut self, input: &Input, is_stream: bool, searched: &mut Searched) -> io::Result<Option<Pieces>> {
        let stopped = || Arc::clone(&self.stopped);
        let (pieces, path) = match input {
            Input::Stdin => (Pieces::from_reader(stream::stdin(stopped()), ""), Path::new(STDIN)),
            Input::Named(path) if is_stream => {
                (Pieces::from_reader(stream::pipe(path.clone(), stopped()), &searched.source), path.as_path())
            }
            Input::Named(path) => (readable(path).and_then(|()| self.open_file(path)), path.as_path()),
            Input::Listed(path) => (self.open_file(path), path.as_path()),
            Input::Broken(_) | Input::Link => return Ok(None),
        };
        let pieces = pieces?;
        if !pieces.is_own(path) {
            return Ok(Some(pieces));
        }
        if !matches!(input, Input::Listed(_)) {
            return Err(io::Error::other(OWN));
        }
        self.buffer = pieces.into_memory();
        searched.own = true;
        Ok(None)
    }

    fn open_file(&mut self, path: &Path) -> io::Result<Pieces> {
        Pieces::of_file(File::open(path)?, &path.to_string_lossy(), std::mem::take(&mut self.buffer))
    }

    fn read(&mut self, pieces: Pieces, searched: &mut Searched, taker: &mut impl Taker) -> io::Result<()> {
        let mut extractor = (self.asked.extract)();
        let mut pieces = pieces.searched_by(&extractor);
        let (mut page, mut wanted) = (None, true);
        let result = loop {
            if self.known.len() > REMEMBERED {
                self.known.clear();
            }
            // Nothing is waited for that nobody wants.
            let next = if wanted { taker.while_waiting(searched, || pieces.next_view()) } else { Ok(None) };
            let mut take = |page: &Option<Arc<str>>, mention: Mention<'_>| {
                take(&mut self.known, &self.asked, mention, page.as_ref(), searched);
            };
            match next {
                Ok(Some(piece)) => {
                    if piece.page != page.as_ref() {
                        extractor.end(|mention| take(&page, mention));
                        page = piece.page.cloned();
                    }
                    // No machine of ours has a file beyond its own addresses.
                    let offset = usize::try_from(piece.offset).unwrap_or(usize::MAX);
                    extractor.read(piece.bytes, offset, piece.media, |mention| take(&page, mention));
                    searched.bytes += piece.bytes.len() as u64;
                }
                end => {
                    extractor.end(|mention| take(&page, mention));
                    break end.map(|_| ());
                }
            }
            wanted = taker.go_on(searched);
        };
        searched.unread = pieces.unread();
        self.buffer = pieces.into_memory();
        result
    }
}

/// Notes a finding, unless the thread knows its address.
fn take(
    known: &mut HashSet<Address>,
    asked: &Asked,
    mention: Mention<'_>,
    page: Option<&Arc<str>>,
    searched: &mut Searched,
) {
    if known.contains(mention.as_bytes()) {
        return;
    }
    let finding = mention.into_finding();
    let classes = finding.classes();
    let suppressed = asked.suppression.contains(&finding.address).then_some(Class::Suppressed);
    if let Some(class) = suppressed.or_else(|| asked.filter.left_out(classes)) {
        searched.left_out.entry(finding.address.identity()).or_insert(class);
        return;
    }
    known.insert(finding.address.clone());
    let offset = finding.span.start as u64;
    searched.found.push(Found { address: finding.address, page: page.cloned(), offset, form: finding.form, classes });
}

/// Whether others may write to an input for as long as they like: standard input, and a pipe that is named on the command
/// line, as `<(command)` does in a shell.
fn is_stream(input: &Input) -> bool {
    match input {
        Input::Stdin => true,
        Input::Named(path) => std::fs::metadata(path).is_ok_and(|data| is_pipe(data.file_type())),
        Input::Listed(_) | Input::Link | Input::Broken(_) => false,
    }
}

/// Beside pipes only files are opened: a device among the paths would be waited for.
fn readable(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        Ok(())
    } else {
        Err(io::Error::other("it is neither a file nor a folder: give one of these"))
    }
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: std::fs::FileType) -> bool {
    false
}
