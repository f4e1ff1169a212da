//! Requests to stop: Ctrl-C, and the system's request to terminate; and those to read files again.
//!
//! One listener lasts as long as its command, so that no signal falls between two waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailscan_core::engine::Engine;
use mailscan_core::pipeline::Pipeline;

use crate::exit::{Exit, Failure, Result};

/// Listens for requests to stop. While it lives, and after, they no longer end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals(system::Signals);

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        let cannot = |error: io::Error| Failure::Failed(format!("cannot listen for Ctrl-C: {error}"));
        system::Signals::listen().map(Self).map_err(cannot)
    }

    /// The same for a command that goes with its terminal: one that is closed asks to stop as well.
    pub(crate) fn of_terminal() -> Result<Self> {
        let mut signals = Self::listen()?;
        let cannot = |error: io::Error| Failure::Failed(format!("cannot listen for SIGHUP: {error}"));
        signals.0.heed_hangup().map_err(cannot)?;
        Ok(signals)
    }

    /// Waits for the next request. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        self.0.next().await;
    }

    /// Stops an engine well; a further request stops it at once, and one more ends the process.
    pub(crate) async fn wind_down<P: Pipeline>(
        &mut self,
        engine: &Engine<P>,
        say: impl Fn(&str),
    ) -> mailscan_core::Result<()> {
        tokio::select! {
            result = engine.drain() => return result,
            () = self.next() => {}
        }
        say("stopping at once: what was not read to its end is read again later");
        tokio::select! {
            result = engine.abort() => result,
            () = self.next() => exit(say),
        }
    }
}

/// Notes requests to stop for a command that looks for them at times of its own; the second ends the process, whatever that
/// command waits for.
#[derive(Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn listen() -> Result<Self> {
        let cannot = |error: io::Error| Failure::Failed(format!("cannot listen for Ctrl-C: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let mut signals = {
            let _within = runtime.enter();
            Signals::of_terminal()?
        };
        let asked = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&asked);
        let listen = async move {
            signals.next().await;
            noted.store(true, Ordering::Relaxed);
            signals.next().await;
            exit(|text| say!("{text}"));
        };
        std::thread::Builder::new().spawn(move || runtime.block_on(listen)).map_err(cannot)?;
        Ok(Self(asked))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Requests that come from this flag.
    #[cfg(test)]
    pub(crate) fn of(asked: Arc<AtomicBool>) -> Self {
        Self(asked)
    }
}

/// Listens for requests to read files again, which is SIGHUP. While it lives, and after, that no longer ends the process:
/// a server stays when the terminal goes that it was started from.
#[derive(Debug)]
pub(crate) struct Reloads(system::Reloads);

impl Reloads {
    pub(crate) fn listen() -> Result<Self> {
        let cannot = |error: io::Error| Failure::Failed(format!("cannot listen for SIGHUP: {error}"));
        system::Reloads::listen().map(Self).map_err(cannot)
    }

    /// Waits for the next request; for ever where the system has none. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        self.0.next().await;
    }
}

/// Ends the process. The queue and the store take that at any instant.
fn exit(say: impl Fn(&str)) -> ! {
    say("stopped");
    std::process::exit(Exit::Interrupted as i32)
}

#[cfg(unix)]
mod system {
    use std::io;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    #[derive(Debug)]
    pub(super) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        hangup: Option<Signal>,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            let [interrupt, terminate] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
            Ok(Self { interrupt: interrupt?, terminate: terminate?, hangup: None })
        }

        /// Unless whoever started the process has it ignored, as `nohup` does.
        pub(super) fn heed_hangup(&mut self) -> io::Result<()> {
            if !is_hangup_ignored() {
                self.hangup = Some(signal(SignalKind::hangup())?);
            }
            Ok(())
        }

        pub(super) async fn next(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                Some(_) = async { self.hangup.as_mut()?.recv().await } => {}
            }
        }
    }

    /// Whether SIGHUP is ignored, as far as the system tells (proc(5), `SigIgn`).
    fn is_hangup_ignored() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        // Signals count from 1, and this is the first.
        ignored.is_some_and(|set| set & 1 != 0)
    }

    #[derive(Debug)]
    pub(super) struct Reloads(Signal);

    impl Reloads {
        pub(super) fn listen() -> io::Result<Self> {
            signal(SignalKind::hangup()).map(Self)
        }

        pub(super) async fn next(&mut self) {
            self.0.recv().await;
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    #[derive(Debug)]
    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) fn heed_hangup(&mut self) -> io::Result<()> {
            Ok(())
        }

        pub(super) async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler the system's own way to stop still works.
                std::future::pending::<()>().await;
            }
        }
    }

    #[derive(Debug)]
    pub(super) struct Reloads;

    impl Reloads {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) {
            std::future::pending::<()>().await;
        }
    }
}
