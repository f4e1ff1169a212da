//! The body of a request: read whole, up to a bound and within a time; what is left of one that was refused is read for a
//! while longer, so that the client gets to read why.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// The most bytes of a body.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// The most bytes of a body that begins a job: as many URLs as a job may have, of more than a thousand characters each.
pub(crate) const MAX_JOB: usize = 16 << 20;
/// Up to this size a body waits for nothing: all connections together hold little of such.
const SMALL: usize = 16 << 10;
/// How many bodies may be larger than that at a time; others wait for as long as a body may take.
const MIDDLE_AT_A_TIME: usize = 64;
/// How many of these may be larger than [`MAX_BODY`].
const LARGE_AT_A_TIME: usize = 8;
/// How much of a refused body is read for nobody, for how long, and of how many requests at a time.
const DRAINED: usize = 64 << 20;
const DRAINED_FOR: Duration = Duration::from_secs(2);
const DRAINED_AT_A_TIME: usize = 64;

/// What bodies may take of the process.
#[derive(Debug)]
pub(crate) struct Bodies {
    patience: Duration,
    middle: Semaphore,
    large: Semaphore,
    drains: Arc<Semaphore>,
}

impl Bodies {
    /// Bodies that may take so long.
    pub(crate) fn new(patience: Duration) -> Self {
        let drains = Arc::new(Semaphore::new(DRAINED_AT_A_TIME));
        let (middle, large) = (Semaphore::new(MIDDLE_AT_A_TIME), Semaphore::new(LARGE_AT_A_TIME));
        Self { patience, middle, large, drains }
    }

    /// Reads a body of at most so many bytes.
    ///
    /// # Errors
    /// 413 when it is larger, 408 when it is not there in time, 400 when it breaks off, 503 when too many large ones come
    /// at the same time.
    pub(crate) async fn read(&self, body: &mut Incoming, most: usize) -> Result<Bytes, Problem> {
        // What is announced need not be waited for.
        if body.size_hint().lower() > most as u64 {
            return Err(too_large(most));
        }
        match tokio::time::timeout(self.patience, self.collect(body, most)).await {
            Ok(read) => read,
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long: send it at once")),
        }
    }

    async fn collect(&self, body: &mut Incoming, most: usize) -> Result<Bytes, Problem> {
        let (mut read, mut middle, mut large) = (BytesMut::new(), None, None);
        while let Some(frame) = body.frame().await {
            let broken = || Problem::new(StatusCode::BAD_REQUEST, "the body breaks off: send all of it");
            let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
            if data.len() > most - read.len() {
                return Err(too_large(most));
            }
            let length = read.len() + data.len();
            if middle.is_none() && length > SMALL {
                middle = Some(self.middle.acquire().await.map_err(|_| busy())?);
            }
            if large.is_none() && length > MAX_BODY {
                large = Some(self.large.try_acquire().map_err(|_| busy())?);
            }
            read.extend_from_slice(&data);
        }
        Ok(read.freeze())
    }

    /// Reads what is left of a body whose request is refused, beside the answer and for a bounded time. A client that is
    /// cut off while it still sends may never read the answer: some take the reset of a stream for the end of everything.
    pub(crate) fn drain(&self, mut body: Incoming) {
        let Ok(place) = self.drains.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let reading = async {
                let mut left = DRAINED;
                while let Some(Ok(frame)) = body.frame().await {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                    if left == 0 {
                        return;
                    }
                }
            };
            // Either way there is nothing more to be said.
            let _ = tokio::time::timeout(DRAINED_FOR, reading).await;
            drop(place);
        });
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} MiB: send less", most >> 20))
}

fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests come at the same time: try again later")
}
