//! Searches whose inputs are listed when a test lets them be.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use mailscan_core::class::ClassFilter;
use mailscan_core::extract::Extractor;
use mailscan_core::suppression::Suppression;
use tempfile::TempDir;

use super::super::worker::Extract;
use super::*;

/// Longer than anything here takes.
const HANGS: Duration = Duration::from_secs(60);

/// Stands among what is found where the search is about to wait for threads that are to stop.
const STOPPING: &str = "(stopping)";

/// A search of what is sent to it, by a thread of its own.
struct Searching {
    inputs: Sender<Input>,
    /// One for each input that was asked for.
    asked_for: Receiver<()>,
    stop: Arc<AtomicBool>,
    found: Receiver<String>,
    ended: Receiver<Ended>,
}

impl Searching {
    fn start() -> Self {
        Self::with(Extractor::new)
    }

    fn with(extract: Extract) -> Self {
        let (inputs, listed) = channel();
        let (ask, asked_for) = channel();
        let (found_to, found) = channel();
        let (ended_to, ended) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Asked { extract, filter: ClassFilter::default(), suppression: Suppression::default() };
        let stopped = Stop::of(Arc::clone(&stop));
        thread::spawn(move || {
            let listing = std::iter::from_fn(move || {
                let _ = ask.send(());
                listed.recv().ok()
            });
            let ended = all(listing, &asked, &stopped, |told| {
                let searched = match told {
                    Told::Searched(searched) => searched,
                    Told::Pause => return Ok(()),
                    Told::Stopping => {
                        found_to.send(STOPPING.to_owned()).unwrap();
                        return Ok(());
                    }
                };
                let found = searched.found.iter().map(|found| found.address.as_str().to_owned());
                found.chain(searched.error).for_each(|told| found_to.send(told).unwrap());
                Ok(())
            });
            let _ = ended_to.send(ended.unwrap());
        });
        Self { inputs, asked_for, stop, found, ended }
    }

    fn list(&self, path: PathBuf) {
        self.inputs.send(Input::Listed(path)).unwrap();
    }

    /// Waits until one more input is asked for.
    fn is_asked(&self) {
        self.asked_for.recv_timeout(HANGS).expect("no input is asked for");
    }

    /// The next address or error, for which nothing has to be listed any more.
    fn found(&self) -> String {
        self.found.recv_timeout(HANGS).expect("nothing is found")
    }

    fn ended(&self) -> Ended {
        self.ended.recv_timeout(HANGS).expect("it does not end")
    }
}

fn write(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_file_is_searched_while_the_next_is_being_listed() {
    let folder = TempDir::new().unwrap();
    // More than a piece, and more findings than make a part.
    let lines: Vec<_> = (0..100_000).map(|n| format!("user{n}@host.org")).collect();
    let searching = Searching::start();
    searching.list(write(&folder, "large", &lines.join("\n")));
    for line in &lines {
        assert_eq!(searching.found(), *line);
    }
    drop(searching.inputs);
    assert_eq!(searching.ended.recv_timeout(HANGS), Ok(Ended::Whole));
}

#[test]
fn a_search_stops_while_files_are_being_listed() {
    let folder = TempDir::new().unwrap();
    let searching = Searching::start();
    searching.list(write(&folder, "a", "ann@a.org"));
    searching.is_asked();
    searching.is_asked();
    searching.stop.store(true, Ordering::Relaxed);
    assert_eq!(searching.ended(), Ended::Stopped);
    // Whichever comes first: the file may still be searched when the search is stopped.
    let mut told = [searching.found(), searching.found()];
    told.sort_unstable();
    assert_eq!(told, [STOPPING, "ann@a.org"]);
}

#[test]
fn a_defect_costs_the_file_that_meets_it() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let folder = TempDir::new().unwrap();
    let searching = Searching::with(|| {
        assert!(MADE.fetch_add(1, Ordering::Relaxed) > 0, "the first file meets a defect");
        Extractor::new()
    });
    searching.list(write(&folder, "a", "ann@a.org"));
    assert!(searching.found().ends_with("/a`: whatever reads such files panicked: this is a defect"));
    for _ in 0..2_000 {
        searching.list(write(&folder, "b", "ben@b.org"));
    }
    assert_eq!(searching.found(), "ben@b.org");
    drop(searching.inputs);
    assert_eq!(searching.ended.recv_timeout(HANGS), Ok(Ended::Whole));
}

#[cfg(unix)]
#[test]
fn what_stands_behind_a_pipe_is_given_at_a_stop() {
    if thread::available_parallelism().map_or(1, usize::from) == 1 {
        // Whoever waits for the pipe is alone.
        return;
    }
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let searching = Searching::start();
    searching.inputs.send(Input::Named(pipe)).unwrap();
    searching.list(write(&folder, "b", "bob@b.org"));
    // Both, and what is behind them.
    (0..3).for_each(|_| searching.is_asked());
    searching.stop.store(true, Ordering::Relaxed);
    assert_eq!(searching.ended(), Ended::Stopped);
    assert_eq!([searching.found(), searching.found()], [STOPPING, "bob@b.org"]);
}
