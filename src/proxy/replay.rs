//! A request body that can be sent twice, as long as it is short enough to be kept.
//!
//! The body streams to the upstream while it arrives; what has passed is kept up to a limit. A second sending
//! begins with what was kept and goes on with what has not arrived yet.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

/// The body of one request, kept while it is sent.
#[derive(Debug)]
pub(super) struct Kept {
    shared: Option<Arc<Mutex<Shared>>>,
    length: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    incoming: Incoming,
    chunks: Vec<Bytes>,
    bytes: usize,
    limit: usize,
    /// More than `limit` bytes have passed, so the beginning is gone.
    overflowed: bool,
    ended: bool,
    /// When a part of it last passed.
    passed: Instant,
    /// Which sending may read; an earlier one is over.
    sending: u32,
}

/// One sending of the body.
#[derive(Debug)]
pub(super) struct Sending {
    shared: Option<Arc<Mutex<Shared>>>,
    length: Option<u64>,
    next: usize,
    number: u32,
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client's side failed.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// A later sending took over.
    #[error("the request is being sent again")]
    SentAgain,
}

impl Kept {
    pub(super) fn new(incoming: Incoming, limit: usize) -> Self {
        if incoming.is_end_stream() {
            return Self { shared: None, length: Some(0) };
        }
        let length = incoming.size_hint().exact();
        let shared = Shared {
            incoming,
            chunks: Vec::new(),
            bytes: 0,
            limit,
            overflowed: false,
            ended: false,
            passed: Instant::now(),
            sending: 0,
        };
        Self { shared: Some(Arc::new(Mutex::new(shared))), length }
    }

    /// A body to send from the beginning; `None` if the beginning is gone. An earlier sending ends.
    pub(super) fn send(&self) -> Option<Sending> {
        let Some(shared) = &self.shared else {
            return Some(Sending { shared: None, length: Some(0), next: 0, number: 0 });
        };
        let mut locked = lock(shared);
        if locked.overflowed {
            return None;
        }
        locked.sending += 1;
        Some(Sending { shared: Some(shared.clone()), length: self.length, next: 0, number: locked.sending })
    }

    /// The whole body, if it fits into the limit; what has not arrived yet is waited for.
    pub(super) async fn whole(&self) -> Option<Bytes> {
        let mut sending = self.send()?;
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut sending).poll_frame(context)).await {
            frame.ok()?;
        }
        self.passed()
    }

    /// Waits until no part of the body has passed for `limit`.
    pub(super) async fn rests_for(&self, limit: Duration) {
        let mut end = Instant::now() + limit;
        loop {
            tokio::time::sleep_until(end).await;
            let later = self.shared.as_ref().map_or(end, |shared| lock(shared).passed + limit);
            if later <= end {
                return;
            }
            end = later;
        }
    }

    /// What has arrived so far; `None` if the beginning is gone.
    pub(super) fn passed(&self) -> Option<Bytes> {
        let Some(shared) = &self.shared else { return Some(Bytes::new()) };
        let locked = lock(shared);
        if locked.overflowed {
            return None;
        }
        match locked.chunks.as_slice() {
            [one] => Some(one.clone()),
            chunks => {
                let mut whole = BytesMut::with_capacity(locked.bytes);
                chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                Some(whole.freeze())
            }
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn keep(&mut self, chunk: &Bytes) {
        self.passed = Instant::now();
        self.bytes += chunk.len();
        if self.bytes > self.limit {
            self.overflowed = true;
            self.chunks = Vec::new();
        }
        if !self.overflowed {
            self.chunks.push(chunk.clone());
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(shared) = self.shared.clone() else { return Poll::Ready(None) };
        let mut shared = lock(&shared);
        if shared.sending != self.number {
            return Poll::Ready(Some(Err(BodyError::SentAgain)));
        }
        if let Some(chunk) = shared.chunks.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut shared.incoming).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                shared.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(chunk) = frame.data_ref() {
                    shared.keep(chunk);
                    self.next = shared.chunks.len();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.shared.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
