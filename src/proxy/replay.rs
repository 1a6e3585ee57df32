//! A request body that can be sent twice, as long as it is short enough to be kept.
//!
//! The body streams to the upstream while it arrives; what has passed is kept up to a limit. A second sending
//! begins with what was kept and goes on with what has not arrived yet.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::proxy::intake::{Intake, IntakeError};
use crate::proxy::trailers;

/// As much of a body is looked at to say what it calls.
const BEGINNING: usize = 64 * 1024;

/// The body of one request, kept while it is sent.
#[derive(Debug)]
pub(super) struct Kept {
    shared: Option<Arc<Mutex<Shared>>>,
    length: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    intake: Intake,
    chunks: Vec<Bytes>,
    /// The fields that followed it, if any.
    trailers: Option<HeaderMap>,
    bytes: usize,
    limit: usize,
    /// More than `limit` bytes have passed: only the first piece is still there.
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
    /// The trailers were sent too.
    trailed: bool,
    number: u32,
    /// All of it was given, and no trailers follow.
    ended: bool,
}

/// Why a body cannot be read before it is sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ungathered {
    /// It is longer than what may be read.
    #[error("the body is longer than what may be read of it")]
    TooLong,
    /// The client's side failed, or sends too much.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client's side failed, or sends too much.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A later sending took over.
    #[error("the request is being sent again")]
    SentAgain,
}

impl Kept {
    pub(super) fn new(intake: Intake, limit: usize) -> Self {
        if intake.is_end_stream() {
            return Self { shared: None, length: Some(0) };
        }
        let length = intake.size_hint().exact();
        let shared = Shared {
            intake,
            chunks: Vec::new(),
            trailers: None,
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
            return Some(Sending { shared: None, length: Some(0), next: 0, trailed: false, number: 0, ended: true });
        };
        let mut locked = lock(shared);
        if !locked.may_be_sent() {
            return None;
        }
        locked.sending += 1;
        let (shared, number) = (Some(shared.clone()), locked.sending);
        Some(Sending { shared, length: self.length, next: 0, trailed: false, number, ended: false })
    }

    /// True if the body can be sent from the beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| lock(shared).may_be_sent())
    }

    /// True if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_none()
    }

    /// Waits for the whole body before any of it is sent, and keeps it as one piece, without trailers.
    ///
    /// # Errors
    /// When it breaks off, or is longer than `longest` bytes. Then it cannot be sent.
    pub(super) async fn gathered(&self, longest: usize) -> Result<Bytes, Ungathered> {
        let Some(shared) = &self.shared else { return Ok(Bytes::new()) };
        if self.length.is_some_and(|length| length > longest as u64) {
            return Err(Ungathered::TooLong);
        }
        let capacity = self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        poll_fn(|context| {
            let mut locked = lock(shared);
            if locked.overflowed {
                return Poll::Ready(Err(Ungathered::TooLong));
            }
            if let ([one], true) = (locked.chunks.as_slice(), locked.ended) {
                return Poll::Ready(Ok(one.clone()));
            }
            while !locked.ended {
                match ready!(Pin::new(&mut locked.intake).poll_frame(context)).transpose()? {
                    None => locked.ended = true,
                    Some(frame) => match frame.into_data() {
                        Ok(piece) if locked.bytes + piece.len() > longest => {
                            locked.overflowed = true;
                            return Poll::Ready(Err(Ungathered::TooLong));
                        }
                        Ok(piece) => {
                            locked.passed = Instant::now();
                            locked.bytes += piece.len();
                            locked.ended = locked.intake.is_end_stream();
                            if first.is_empty() {
                                first = piece;
                            } else {
                                if whole.is_empty() {
                                    whole.reserve(capacity.max(first.len() + piece.len()));
                                    whole.extend_from_slice(&first);
                                }
                                whole.extend_from_slice(&piece);
                            }
                        }
                        // Fields after the body could say something else than those that were looked at.
                        Err(_) => locked.ended = true,
                    },
                }
            }
            let one = if whole.is_empty() { first.clone() } else { whole.split().freeze() };
            locked.chunks = vec![one.clone()];
            Poll::Ready(Ok(one))
        })
        .await
    }

    /// True if it is longer than a client may send.
    pub(super) fn is_too_long(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| lock(shared).intake.is_too_long())
    }

    /// The whole body, if it fits into the limit; what has not arrived yet is waited for.
    pub(super) async fn whole(&self) -> Option<Bytes> {
        let mut sending = self.send()?;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut sending).poll_frame(context)).await {
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

    /// The first piece of the body that has arrived: all of it, if it is short.
    pub(super) fn beginning(&self) -> Bytes {
        let first = self.shared.as_ref().and_then(|shared| lock(shared).chunks.first().cloned());
        first.map_or_else(Bytes::new, |first| first.slice(..first.len().min(BEGINNING)))
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
    /// True if it can be sent from the beginning. What was gathered can be sent once, however long it is.
    fn may_be_sent(&self) -> bool {
        !self.overflowed && (self.sending == 0 || self.bytes <= self.limit)
    }

    fn keep(&mut self, chunk: &Bytes) {
        self.passed = Instant::now();
        self.bytes += chunk.len();
        if self.bytes > self.limit {
            self.overflowed = true;
            self.chunks.truncate(1);
        }
        // The first piece stays in any case: it says what the request calls.
        if !self.overflowed || self.chunks.is_empty() {
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
            self.ended = shared.ended && shared.trailers.is_none() && self.next == shared.chunks.len();
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        if shared.ended {
            let trailers = if self.trailed { None } else { shared.trailers.clone() };
            self.trailed = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        match Pin::new(&mut shared.intake).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                shared.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                let frame = trailers::for_upstream(frame);
                if let Some(chunk) = frame.data_ref() {
                    shared.keep(chunk);
                    self.next = shared.chunks.len();
                    shared.ended = shared.intake.is_end_stream();
                    self.ended = shared.ended;
                } else if let Some(trailers) = frame.trailers_ref() {
                    shared.trailers = Some(trailers.clone());
                    shared.ended = true;
                    self.trailed = true;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
