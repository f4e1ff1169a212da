//! Writes: one thread owns the one connection that writes, and commits in groups.
//!
//! The thread takes everything that waits, runs it in one transaction with a savepoint around each operation but the first,
//! and answers after the commit. An operation whose caller has gone is carried out all the same. The channel is bounded,
//! so callers wait where the disk is slower than they are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::Sqlite;

use super::failure::Failure;
use super::filters::Filters;
use crate::backend::ready::ReadyOrder;
use crate::error::{Error, ErrorKind, Result};
use crate::job::JobId;

/// How many operations may wait.
const WAITING: usize = 1_024;
/// The most operations of one transaction.
const GROUP: usize = 256;

/// What an operation works on.
#[derive(Debug)]
pub(super) struct Session<'a> {
    /// The connection, inside a transaction.
    pub(super) connection: &'a Connection,
    /// What the writer keeps in memory.
    pub(super) memory: &'a mut Memory,
}

/// What the writer knows that need not be durable.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The order in which tasks become ready.
    pub(super) order: ReadyOrder,
    /// The host that each job was served last.
    pub(super) cursors: HashMap<JobId, String>,
    /// Which addresses and tasks are surely new.
    pub(super) filters: Filters,
}

/// One operation, with the way back to its caller.
trait Operation: Send {
    /// Runs it inside its savepoint; answers whether that may be kept.
    fn run(&mut self, session: &mut Session<'_>) -> bool;
    /// Answers its caller; `failure` is why the transaction around it failed.
    fn answer(self: Box<Self>, failure: Option<&Failure>);
}

struct Waiting<T, F> {
    name: &'static str,
    body: Option<F>,
    result: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send> Operation for Waiting<T, F> {
    fn run(&mut self, session: &mut Session<'_>) -> bool {
        self.result = self.body.take().map(|body| body(session));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, failure: Option<&Failure>) {
        let unrun = || Err(Failure::Own(ErrorKind::Internal, "the operation was not carried out".to_owned()));
        let answer = match (failure, self.result) {
            // What the operation itself complained of says more than that the transaction is gone.
            (_, Some(Err(own))) => Err(own.named(self.name)),
            (Some(failure), _) => Err(failure.named(self.name)),
            (None, result) => result.unwrap_or_else(unrun).map_err(|failure| failure.named(self.name)),
        };
        // A caller that has gone needs no answer.
        let _ = self.reply.send(answer);
    }
}

/// The way to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<mpsc::Sender<Box<dyn Operation>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for dyn Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operation")
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("mailscan-sqlite".to_owned())
            .spawn(move || serve(&connection, receiver))
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "open database", "no thread for the writer could be started")
                    .with_source(error)
            })?;
        Ok(Self { sender: Some(sender), thread: Mutex::new(Some(thread)) })
    }
}

impl Drop for Writer {
    /// Waits for the writer, so that the file is closed and a checkpoint made when the last handle is gone.
    fn drop(&mut self) {
        self.sender = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the database ended in a panic");
        }
    }
}

impl Sqlite {
    /// Runs a write; the answer comes after its commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        body: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let stopped = || Error::new(ErrorKind::Internal, name, "the writer of the database has stopped");
        let (reply, answer) = oneshot::channel();
        let operation = Box::new(Waiting { name, body: Some(body), result: None, reply });
        let sender = self.shared.writer.sender.as_ref().ok_or_else(stopped)?;
        sender.send(operation).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn serve(connection: &Connection, mut receiver: mpsc::Receiver<Box<dyn Operation>>) {
    let mut memory = Memory::default();
    let mut group = Vec::with_capacity(GROUP);
    while receiver.blocking_recv_many(&mut group, GROUP) > 0 {
        let mut session = Session { connection, memory: &mut memory };
        let failure = commit_group(&mut session, &mut group).err();
        if failure.is_some() {
            memory.filters.clear();
            if !connection.is_autocommit() {
                // The operations are answered with the first failure; this one could only repeat it.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        for operation in group.drain(..) {
            operation.answer(failure.as_ref());
        }
    }
}

/// Runs a group in one transaction, an operation that fails undone by itself.
fn commit_group(session: &mut Session<'_>, group: &mut [Box<dyn Operation>]) -> Result<(), Failure> {
    let execute = |sql: &str| -> Result<(), Failure> {
        session.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    execute("BEGIN IMMEDIATE")?;
    for (place, operation) in group.iter_mut().enumerate() {
        // A savepoint makes SQLite keep a copy of every page that is written. Nothing comes before the first operation,
        // which is mostly the only one, so undoing it is undoing the transaction.
        let first = place == 0;
        if !first {
            execute("SAVEPOINT operation")?;
        }
        let mut session = Session { connection: session.connection, memory: session.memory };
        if !operation.run(&mut session) {
            session.memory.filters.clear();
            if session.connection.is_autocommit() {
                // SQLite has undone the whole transaction, as it does when the disk is full.
                let lost = "the transaction was undone because another operation of its group failed: try again";
                return Err(Failure::Own(ErrorKind::Unavailable, lost.to_owned()));
            }
            if first {
                execute("ROLLBACK")?;
                execute("BEGIN IMMEDIATE")?;
            } else {
                execute("ROLLBACK TO operation")?;
            }
        }
        if !first {
            execute("RELEASE operation")?;
        }
    }
    execute("COMMIT")
}
