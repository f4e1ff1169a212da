//! The export: all addresses of a job as they are read, a page at a time and no faster than the client takes them.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::store::Store;

use super::Api;
use crate::export::{Format, Writer};
use crate::problem::Problem;
use crate::reply::{BodyError, Reply};

/// How many addresses one look at the store brings; a piece of an answer in text holds as many.
const PAGE: usize = 500;

/// Where an export is: the addresses up to `after` are with the writer.
struct At {
    writer: Writer,
    after: u64,
}

impl<P: Pipeline> Api<P> {
    pub(super) async fn export(&self, id: JobId, format: Format) -> Result<Reply, Problem> {
        self.find(id).await?;
        let writer = Writer::new(format).map_err(|_| Problem::internal())?;
        let pipeline = self.pipeline.clone();
        let pieces = stream::try_unfold(Some(At { writer, after: 0 }), move |at| {
            let pipeline = pipeline.clone();
            async move {
                match at {
                    Some(at) => piece(&pipeline, id, at).await,
                    None => Ok(None),
                }
            }
        });
        let name = format!("attachment; filename=\"mailscan-job-{id}.{}\"", format.as_str());
        let reply = Reply::stream(format.media_type(), StreamBody::new(pieces));
        Ok(match HeaderValue::try_from(name) {
            Ok(name) => reply.with_header(CONTENT_DISPOSITION, name),
            Err(_) => reply,
        })
    }
}

/// The next piece, and where the export goes on, if it does; no piece when nothing is left to be written.
async fn piece<P: Pipeline>(
    pipeline: &Arc<P>,
    id: JobId,
    mut at: At,
) -> Result<Option<(Frame<Bytes>, Option<At>)>, BodyError> {
    loop {
        let page = pipeline.store().addresses(id, at.after, PAGE).await?;
        let Some(last) = page.last() else {
            // A job that is deleted meanwhile has no more addresses either, but this is not its end.
            if pipeline.store().job(id).await?.is_none() {
                return Err(format!("job {id} was deleted while it was exported").into());
            }
            let end = tokio::task::spawn_blocking(|| at.writer.finish()).await??;
            return Ok((!end.is_empty()).then(|| (Frame::data(end.into()), None)));
        };
        at.after = last.id;
        // A group of Parquet takes some ten milliseconds to write, for which the runtime's threads have no time.
        let written = tokio::task::spawn_blocking(move || (at.writer.rows(page), at)).await?;
        at = written.1;
        let bytes = written.0?;
        if !bytes.is_empty() {
            return Ok(Some((Frame::data(bytes.into()), Some(at))));
        }
    }
}
