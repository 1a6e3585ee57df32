//! The upstream's body on its way to the client: each piece as it comes, never collected.
//!
//! A clean end stays a clean end and a break stays a break. When the daemon stops, event streams end between
//! two events; other bodies go on until they are complete or the time is up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::proxy::sse::EventBoundary;

/// The upstream broke its answer off.
#[derive(Debug, thiserror::Error)]
#[error("the upstream broke its answer off: {0}")]
pub(super) struct RelayError(#[from] hyper::Error);

/// A body that is being relayed.
#[derive(Debug)]
pub(super) struct Relay {
    upstream: Incoming,
    events: Option<Events>,
    ended: bool,
}

#[derive(Debug)]
struct Events {
    boundary: EventBoundary,
    drain: Pin<Box<WaitForCancellationFutureOwned>>,
    draining: bool,
}

impl Relay {
    /// A body that is passed on as it is.
    pub(super) fn plain(upstream: Incoming) -> Self {
        Self { upstream, events: None, ended: false }
    }

    /// An event stream, which ends between two events once `drain` is cancelled.
    pub(super) fn event_stream(upstream: Incoming, drain: CancellationToken) -> Self {
        let drain = Box::pin(drain.cancelled_owned());
        let events = Events { boundary: EventBoundary::new(), drain, draining: false };
        Self { upstream, events: Some(events), ended: false }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(events) = &mut this.events {
            events.draining = events.draining || events.drain.as_mut().poll(context).is_ready();
            if events.draining && events.boundary.is_between() {
                this.ended = true;
                return Poll::Ready(None);
            }
        }
        let mut frame = std::task::ready!(Pin::new(&mut this.upstream).poll_frame(context));
        if let (Some(events), Some(Ok(frame))) = (&mut this.events, &mut frame)
            && let Some(bytes) = frame.data_mut()
            && let Some(whole) = events.boundary.pass(bytes)
            && events.draining
        {
            bytes.truncate(whole);
            this.ended = true;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(RelayError)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.upstream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.upstream.size_hint()
    }
}
