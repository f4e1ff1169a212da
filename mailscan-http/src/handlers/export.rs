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
use crate::export::Format;
use crate::problem::Problem;
use crate::reply::{BodyError, Reply};

/// How many addresses one look at the store brings, and one piece of the answer holds.
const PAGE: usize = 500;

/// Where an export is.
enum At {
    Heading,
    After(u64),
}

impl<P: Pipeline> Api<P> {
    pub(super) async fn export(&self, id: JobId, format: Format) -> Result<Reply, Problem> {
        self.find(id).await?;
        let pipeline = self.pipeline.clone();
        let pieces = stream::try_unfold(At::Heading, move |at| {
            let pipeline = pipeline.clone();
            async move { piece(&pipeline, id, format, at).await }
        });
        let name = format!("attachment; filename=\"mailscan-job-{id}.{}\"", format.as_str());
        let reply = Reply::stream(format.media_type(), StreamBody::new(pieces));
        Ok(match HeaderValue::try_from(name) {
            Ok(name) => reply.with_header(CONTENT_DISPOSITION, name),
            Err(_) => reply,
        })
    }
}

/// The next piece; `None` when there is no more.
async fn piece<P: Pipeline>(
    pipeline: &Arc<P>,
    id: JobId,
    format: Format,
    at: At,
) -> Result<Option<(Frame<Bytes>, At)>, BodyError> {
    let At::After(after) = at else {
        return Ok(Some((Frame::data(format.heading().into()), At::After(0))));
    };
    let page = pipeline.store().addresses(id, after, PAGE).await?;
    let Some(last) = page.last() else {
        // A job that is deleted meanwhile has no more addresses either, but this is not its end.
        let there = pipeline.store().job(id).await?.is_some();
        return if there { Ok(None) } else { Err(format!("job {id} was deleted while it was exported").into()) };
    };
    Ok(Some((Frame::data(format.lines(&page)?.into()), At::After(last.id))))
}
