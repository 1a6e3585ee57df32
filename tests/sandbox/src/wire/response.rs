//! The body of a gateway response: counted while it flows, and cut where a fault says so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;

use crate::cloud::Cloud;
use crate::wire::connection::{Busy, Connection};

/// Bytes already written need a moment to leave before the connection is cut.
const LEAVE: Duration = Duration::from_millis(20);

/// A response body under observation.
pub(crate) struct Observed {
    inner: Body,
    cloud: Cloud,
    connection: Arc<Connection>,
    _busy: Busy,
    is_stream: bool,
    ended: bool,
    left: Option<u64>,
    cutting: Option<Pin<Box<Sleep>>>,
}

impl Observed {
    /// Observes a body; `is_stream` for event streams, `cut_after` for an injected fault.
    pub(crate) fn new(
        inner: Body,
        cloud: Cloud,
        connection: Arc<Connection>,
        is_stream: bool,
        cut_after: Option<u64>,
    ) -> Self {
        if is_stream {
            cloud.count(|counts| {
                counts.streams += 1;
                counts.open_streams += 1;
            });
        }
        let ended = inner.is_end_stream();
        Self {
            inner,
            cloud,
            _busy: Busy::new(&connection),
            connection,
            is_stream,
            ended,
            left: cut_after,
            cutting: None,
        }
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let timer = self.cutting.get_or_insert_with(|| Box::pin(tokio::time::sleep(LEAVE)));
        ready!(timer.as_mut().poll(context));
        self.connection.cut();
        Poll::Pending // the connection's task ends everything
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.left == Some(0) {
            return this.poll_cut(context);
        }
        let mut frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {
                this.ended = true;
                return Poll::Ready(None);
            }
        };
        if let Some(left) = &mut this.left
            && let Some(data) = frame.data_mut()
        {
            let allowed = usize::try_from(*left).unwrap_or(usize::MAX);
            data.truncate(allowed);
            *left -= data.len() as u64;
        }
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            this.cloud.count(|counts| counts.gateway_response_bytes += length);
        }
        this.ended = this.inner.is_end_stream() && this.left.is_none();
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if self.is_stream {
            let cancelled = !self.ended && !self.connection.is_cut();
            self.cloud.count(|counts| {
                counts.open_streams -= 1;
                counts.cancelled_streams += u64::from(cancelled);
            });
        }
    }
}
