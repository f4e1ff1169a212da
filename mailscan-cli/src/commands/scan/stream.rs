//! Standard input and pipes, which others may write to for as long as they like: what has come is searched while nothing more
//! does, and once nobody wants to wait any more.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use mailscan_core::source::file::Pause;

/// How long more is waited for before what has come is searched.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often whoever waits looks whether that is still wanted.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How much is read at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// How many chunks are read ahead.
const AHEAD: usize = 4;

/// What comes on standard input, until this says that nobody waits any more.
pub(super) fn stdin(stopped: Arc<AtomicBool>) -> Box<dyn Read + Send> {
    // Nobody waits for a file.
    if is_file() { Box::new(io::stdin()) } else { Box::new(Watched::start(|| Ok(io::stdin()), stopped)) }
}

/// The same of a pipe, which is waited for as soon as it is opened.
pub(super) fn pipe(path: PathBuf, stopped: Arc<AtomicBool>) -> impl Read + Send {
    Watched::start(|| File::open(path), stopped)
}

#[cfg(unix)]
fn is_file() -> bool {
    use std::os::fd::AsFd;
    let input = io::stdin().as_fd().try_clone_to_owned().map(std::fs::File::from);
    input.and_then(|file| file.metadata()).is_ok_and(|data| data.is_file())
}

#[cfg(not(unix))]
fn is_file() -> bool {
    false
}

/// A reader that a thread of its own waits for, so that whoever reads it need not.
struct Watched {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    /// When the first came of what was read since the last pause.
    since: Option<Instant>,
    stopped: Arc<AtomicBool>,
}

impl Watched {
    fn start<R: Read>(open: impl FnOnce() -> io::Result<R> + Send + 'static, stopped: Arc<AtomicBool>) -> Self {
        let (sender, chunks) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            let read = open().and_then(|reader| pass_on(reader, |chunk| sender.send(Ok(chunk)).is_ok()));
            if let Err(error) = read {
                // Nobody hears of it who has stopped reading.
                let _ = sender.send(Err(error));
            }
        });
        Self { chunks, chunk: Cursor::default(), since: None, stopped }
    }

    /// The next chunk, empty at the end and where nobody waits for it any more; a pause once it is time for one.
    fn next_chunk(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let left = self.since.map_or(LOOK_UP, |since| PATIENCE.saturating_sub(since.elapsed()));
            match self.chunks.recv_timeout(left.min(LOOK_UP)) {
                Ok(chunk) => {
                    self.since.get_or_insert_with(Instant::now);
                    return chunk;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Timeout) if self.stopped.load(Ordering::Acquire) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Timeout) if self.since.is_some_and(|since| since.elapsed() >= PATIENCE) => {
                    self.since = None;
                    return Err(Pause.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Reads to the end, or for as long as somebody takes what comes.
fn pass_on(mut reader: impl Read, mut take: impl FnMut(Vec<u8>) -> bool) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = match reader.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        chunk.truncate(count);
        if count == 0 || !take(chunk) {
            return Ok(());
        }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            self.chunk = Cursor::new(self.next_chunk()?);
        }
        self.chunk.read(buffer)
    }
}
