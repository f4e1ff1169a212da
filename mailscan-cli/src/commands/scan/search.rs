//! The search itself: files side by side on all cores, results in the order of the files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};

use mailscan_core::address::Address;
use mailscan_core::class::{Class, ClassFilter, Classes};
use mailscan_core::extract::{Extractor, Finding, Form};
use mailscan_core::source::file::Pieces;

use super::inputs::Input;
use crate::exit::Result;

/// How many files may be searched ahead of the one whose turn it is; it bounds the results that wait.
const AHEAD: usize = 1_024;

/// The first mention of an address in a file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) address: Address,
    pub(super) offset: u64,
    pub(super) form: Form,
    pub(super) classes: Classes,
}

/// A searched file. What was found before an error counts.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) source: String,
    pub(super) bytes: u64,
    pub(super) found: Vec<Found>,
    /// The addresses, by identity, that have no mention but those left out, each with the class it is left out for.
    pub(super) left_out: HashMap<String, Class>,
    pub(super) error: Option<String>,
}

/// Makes the extractor that a scan was asked for.
pub(super) type Extract = fn() -> Extractor;

/// What a scan was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) extract: Extract,
    /// What is to be left out.
    pub(super) filter: ClassFilter,
}

/// Searches all inputs and hands the results over in the order of the inputs.
pub(super) fn all(inputs: &[Input], asked: Asked, mut take: impl FnMut(Searched) -> Result<()>) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    if threads <= 1 {
        return inputs.iter().try_for_each(|input| take(search(input, asked)));
    }
    let turns = Turns::default();
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        for _ in 0..threads {
            let (turns, sender) = (&turns, sender.clone());
            scope.spawn(move || work(inputs, asked, turns, &sender));
        }
        drop(sender);
        let result = in_order(&receiver, &turns, &mut take);
        // Whoever still waits for a turn or to hand over a result must not wait for ever.
        turns.stop();
        drop(receiver);
        result
    })
}

fn work(inputs: &[Input], asked: Asked, turns: &Turns, results: &SyncSender<(usize, Searched)>) {
    while let Some(number) = turns.next(inputs.len()) {
        if results.send((number, search(&inputs[number], asked))).is_err() {
            return;
        }
    }
}

fn in_order(
    results: &Receiver<(usize, Searched)>,
    turns: &Turns,
    take: &mut impl FnMut(Searched) -> Result<()>,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut turn = 0;
    for (number, searched) in results {
        waiting.insert(number, searched);
        while let Some(searched) = waiting.remove(&turn) {
            take(searched)?;
            turn += 1;
            turns.taken(turn);
        }
    }
    Ok(())
}

/// Which file is next, and how far the results have been taken.
#[derive(Debug, Default)]
struct Turns {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: usize,
    taken: usize,
    stopped: bool,
}

impl Turns {
    /// The number of the next file, once it is near enough to the one whose turn it is.
    fn next(&self, inputs: usize) -> Option<usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let too_far = |state: &mut State| !state.stopped && state.next < inputs && state.next >= state.taken + AHEAD;
        let mut state = self.moved.wait_while(state, too_far).unwrap_or_else(PoisonError::into_inner);
        if state.stopped || state.next >= inputs {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn taken(&self, taken: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).taken = taken;
        self.moved.notify_all();
    }

    fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.moved.notify_all();
    }
}

fn search(input: &Input, asked: Asked) -> Searched {
    let (source, opened) = match input {
        Input::Stdin => ("(standard input)".to_owned(), Pieces::from_reader(io::stdin(), "")),
        Input::File(path) => (path.to_string_lossy().into_owned(), open(path)),
    };
    let mut searched = Searched { source, ..Searched::default() };
    let mut seen = HashSet::new();
    let mut take = |searched: &mut Searched, finding: Finding| {
        let identity = finding.address.identity();
        if seen.contains(&identity) {
            return;
        }
        let classes = finding.classes();
        if let Some(class) = asked.filter.left_out(classes) {
            searched.left_out.entry(identity).or_insert(class);
            return;
        }
        searched.left_out.remove(&identity);
        seen.insert(identity);
        let offset = finding.span.start as u64;
        searched.found.push(Found { address: finding.address, offset, form: finding.form, classes });
    };
    let mut extractor = (asked.extract)();
    let result = opened.and_then(|pieces| {
        for piece in pieces {
            let piece = piece?;
            searched.bytes += piece.bytes.len() as u64;
            let offset = usize::try_from(piece.offset).map_err(io::Error::other)?;
            extractor.read(&piece.bytes, offset, piece.media, |finding| take(&mut searched, finding));
        }
        Ok(())
    });
    // What was found before an error counts.
    extractor.end(|finding| take(&mut searched, finding));
    searched.error = result.err().map(|error: io::Error| format!("cannot read `{}`: {error}", searched.source));
    searched
}

/// Only regular files are opened: a pipe or a device among the paths would be waited for.
fn open(path: &Path) -> io::Result<Pieces> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind_is_readable_stream(&kind) {
        Pieces::open(path)
    } else {
        Err(io::Error::other("it is neither a file nor a folder: give one of these"))
    }
}

/// A pipe that is named on the command line, as `<(command)` does in a shell.
#[cfg(unix)]
fn kind_is_readable_stream(kind: &std::fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(kind)
}

#[cfg(not(unix))]
fn kind_is_readable_stream(_: &std::fs::FileType) -> bool {
    false
}
