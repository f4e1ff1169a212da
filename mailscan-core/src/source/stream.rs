//! Documents that a blocking thread reads one after the other, and that somebody takes when they can.
//!
//! Whoever takes them may have to wait for the store, and the store may need a blocking thread of the runtime, of which there
//! are only so many. So a thread that is not rid of a document for a moment is given back until somebody takes it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinError;

use crate::fetch::{Document, FetchError};

/// For how long a thread waits to be rid of a document: far longer than it takes to get another one.
const PATIENCE: Duration = Duration::from_millis(20);

type Read = Result<Document, FetchError>;

/// Reads for as long as somebody receives, and says with `stopped` that the reader died: that must not look like the end.
pub(super) fn of<R>(documents: R, stopped: fn(&JoinError) -> FetchError) -> mpsc::Receiver<Read>
where
    R: Iterator<Item = Read> + Send + 'static,
{
    // One document being searched, one waiting, one being read.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut documents = documents;
        loop {
            let to = sender.clone();
            let reading = tokio::task::spawn_blocking(move || {
                let waiting = read(&mut documents, &to);
                (documents, waiting)
            });
            match reading.await {
                Ok((_, None)) => return,
                Ok((rest, Some(waiting))) => {
                    if sender.send(waiting).await.is_err() {
                        return;
                    }
                    documents = rest;
                }
                Err(error) => {
                    // Whoever is gone hears no note.
                    let _ = sender.send(Err(stopped(&error))).await;
                    return;
                }
            }
        }
    });
    receiver
}

/// Reads to the end, or to what nobody takes for now, which is answered.
fn read(documents: &mut impl Iterator<Item = Read>, to: &mpsc::Sender<Read>) -> Option<Read> {
    for document in documents {
        match in_time(to.reserve()) {
            Some(Ok(place)) => place.send(document),
            Some(Err(_)) => return None,
            None => return Some(document),
        }
    }
    None
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What is answered within patience. The runtime may be ending, so its timers are of no use here.
fn in_time<T>(answer: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut context, begun) = (Context::from_waker(&waker), Instant::now());
    let mut answer = pin!(answer);
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return Some(answer);
        }
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Media;
    use crate::fetch::{Bytes, FetchErrorClass};

    fn numbered(number: usize) -> Document {
        let source = number.to_string().into();
        Document {
            source,
            base: None,
            media: Media::Text,
            charset: None,
            body: Bytes::new(),
            offset: 0,
            truncated: false,
        }
    }

    fn died(error: &JoinError) -> FetchError {
        FetchError::new(FetchErrorClass::Transient, "died", error.to_string())
    }

    #[test]
    fn who_is_not_listened_to_holds_no_thread_and_loses_nothing() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        let read = runtime.block_on(async {
            let mut documents = of((0..9).map(|number| Ok(numbered(number))), died);
            let only_thread = tokio::task::spawn_blocking(|| ());
            tokio::time::timeout(Duration::from_secs(60), only_thread).await.ok()?.ok()?;
            let mut read = Vec::new();
            while let Some(document) = documents.recv().await {
                read.push(document.ok()?.source.to_string());
            }
            Some(read)
        });
        // A thread that is held is not waited for.
        runtime.shutdown_background();
        assert_eq!(read.expect("the only thread is free"), (0..9).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_reader_that_dies_is_told_of() {
        let mut documents = of((0..2).map(|n| if n == 0 { Ok(numbered(n)) } else { panic!("it dies") }), died);
        assert!(documents.recv().await.unwrap().is_ok());
        assert_eq!(documents.recv().await.unwrap().unwrap_err().code, "died");
        assert!(documents.recv().await.is_none());
    }
}
