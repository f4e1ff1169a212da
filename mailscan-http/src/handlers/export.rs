//! The export: all addresses of a job as they are read, a page at a time and no faster than the client takes them.

use std::sync::Arc;

use futures::stream;
use http_body_util::StreamBody;
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue, RETRY_AFTER};
use mailscan_core::export::{Export, Format};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::suppression::Suppression;
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use crate::problem::Problem;
use crate::reply::{BodyError, Reply};

/// How many addresses one look at the store brings; a piece of an answer in text holds as many.
const PAGE: usize = 500;

/// How many exports as Parquet are written at a time: each takes some 25 MB.
pub(crate) const PARQUET_AT_ONCE: usize = 4;

/// When who found no place may ask again, in seconds.
const RETRY: HeaderValue = HeaderValue::from_static("5");

impl<P: Pipeline> Api<P> {
    pub(super) async fn export(&self, id: JobId, format: Format) -> Result<Reply, Problem> {
        self.find(id).await?;
        let place = if format.is_text() { None } else { Some(self.export_place()?) };
        let export = Export::new(id, format, PAGE).map_err(|error| {
            tracing::error!(%error, "an export cannot be begun");
            Problem::internal()
        })?;
        let pipeline = self.pipeline.clone();
        let pieces = stream::try_unfold((export, pipeline, place), |(mut export, pipeline, place)| async move {
            let piece = export.next(pipeline.store(), &Suppression::default()).await.map_err(BodyError::from)?;
            Ok(piece.map(|bytes| (Frame::data(bytes.into()), (export, pipeline, place))))
        });
        let name = format!("attachment; filename=\"mailscan-job-{id}.{}\"", format.as_str());
        let reply = Reply::stream(format.media_type(), StreamBody::new(pieces));
        Ok(match HeaderValue::try_from(name) {
            Ok(name) => reply.with_header(CONTENT_DISPOSITION, name),
            Err(_) => reply,
        })
    }

    /// A place for an export that holds much at a time.
    fn export_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.exports).try_acquire_owned().map_err(|_| {
            let detail =
                format!("{PARQUET_AT_ONCE} exports as Parquet are being read: try again later, or take another format");
            let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            problem.headers.push((RETRY_AFTER, RETRY));
            problem
        })
    }
}
