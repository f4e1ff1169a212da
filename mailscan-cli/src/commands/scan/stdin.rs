//! Standard input, which others may write to for as long as they like: what has come is searched while nothing more does.

use std::io::{self, Cursor, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use mailscan_core::source::file::Pause;

/// How long more is waited for before what has come is searched.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much is read at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// How many chunks are read ahead.
const AHEAD: usize = 4;

/// What comes on standard input.
pub(super) fn open() -> Box<dyn Read + Send> {
    // Nobody waits for a file.
    if is_file() { Box::new(io::stdin()) } else { Box::new(Watched::start(io::stdin())) }
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
}

impl Watched {
    fn start(mut reader: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = match reader.read(&mut chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(0) => return,
                    read => read,
                };
                let failed = read.is_err();
                let chunk = read.map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        Self { chunks, chunk: Cursor::default(), since: None }
    }

    /// The next chunk, empty at the end; a pause once it is time for one.
    fn next_chunk(&mut self) -> io::Result<Vec<u8>> {
        let Some(since) = self.since else {
            let chunk = self.chunks.recv().unwrap_or_else(|_| Ok(Vec::new()));
            self.since = Some(Instant::now());
            return chunk;
        };
        match self.chunks.recv_timeout(PATIENCE.saturating_sub(since.elapsed())) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Disconnected) => Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) => {
                self.since = None;
                Err(Pause.into())
            }
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
