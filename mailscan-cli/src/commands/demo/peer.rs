//! The process that serves the simulated web: this same program, started with another command.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::args::Simulated;
use crate::commands::simulate::{Listening, Served};
use crate::exit::{Failure, Result};

/// The simulation's process. It ends when its standard input does, so also when this process dies.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    answers: Option<BufReader<ChildStdout>>,
    listening: Listening,
}

impl Peer {
    /// Starts the simulation and waits until it listens.
    pub(super) async fn start(typed: &Simulated) -> Result<Self> {
        let arguments = arguments(typed);
        blocking(move || {
            let program = std::env::current_exe().map_err(|error| failed(&error))?;
            let mut child = Command::new(program)
                .arg("simulate")
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| failed(&error))?;
            let stdout = child.stdout.take().ok_or_else(|| failed(&"it has no output"))?;
            let mut answers = BufReader::new(stdout);
            let listening = read(&mut answers)?;
            Ok(Self { child, answers: Some(answers), listening })
        })
        .await
    }

    pub(super) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Ends the simulation and answers what it served.
    pub(super) async fn end(mut self) -> Result<Served> {
        blocking(move || {
            drop(self.child.stdin.take());
            let mut answers = self.answers.take().ok_or_else(|| failed(&"it has no output"))?;
            let served = read(&mut answers)?;
            // That is the last it does; what may be written of it as it exits (a profile) is not to be cut off.
            let _ = self.child.wait();
            Ok(served)
        })
        .await
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(typed: &Simulated) -> Vec<String> {
    let seconds = |duration: std::time::Duration| duration.as_secs_f64().to_string();
    [
        ("--emails", typed.emails.to_string()),
        ("--call-delay", seconds(typed.call_delay)),
        ("--page-delay", seconds(typed.page_delay)),
        ("--page-bytes", typed.page_bytes.to_string()),
        ("--pages-per-call", typed.pages_per_call.to_string()),
        ("--duplicates", typed.duplicates.to_string()),
        ("--failures", typed.failures.to_string()),
        ("--seed", typed.seed.to_string()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect()
}

fn read<T: serde::de::DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line).map_err(|error| failed(&error))?;
    if line.is_empty() {
        return Err(failed(&"it ended early"));
    }
    serde_json::from_str(&line).map_err(|error| failed(&error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(&error)))
}

fn failed(why: &impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("the simulated web does not work: {why}"))
}
