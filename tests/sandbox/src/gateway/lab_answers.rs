//! The bodies behind the lab paths.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::cloud::holds::Told;

const PIECE: u64 = 64 * 1024;

/// The bytes 0..=250 over and over: a lost or doubled piece shows, since 251 is prime.
pub(crate) struct Pattern {
    at: u64,
    length: u64,
}

impl Pattern {
    pub(crate) fn new(length: u64) -> Self {
        Self { at: 0, length }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.at == self.length {
            return Poll::Ready(None);
        }
        let end = self.length.min(self.at + PIECE);
        let piece: Vec<u8> = (self.at..end).map(|at| (at % 251) as u8).collect();
        self.at = end;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.at)
    }
}

/// Numbered lines, the first at once, the others after a gap each.
pub(crate) fn trickle(chunks: u64, gap: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream::iter(0..chunks).then(move |number| async move {
        if number > 0 {
            tokio::time::sleep(gap).await;
        }
        Ok(Bytes::from(format!("chunk {number}\n")))
    })
}

/// How lines of an event stream end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Eol {
    Lf,
    CrLf,
    Cr,
}

impl Eol {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "crlf" => Self::CrLf,
            "cr" => Self::Cr,
            _ => Self::Lf,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// What a stream of `/lab/sse` looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventShape {
    pub(crate) events: u64,
    pub(crate) gap: Duration,
    pub(crate) eol: Eol,
    /// Leaves the last event without any line end.
    pub(crate) unterminated: bool,
}

/// `id`, `event` and `data` lines; the stream ends after the last event.
pub(crate) fn events(shape: &EventShape) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let shape = *shape;
    let eol = shape.eol.text();
    stream::iter(0..shape.events).then(move |number| async move {
        if number > 0 {
            tokio::time::sleep(shape.gap).await;
        }
        let last = number + 1 == shape.events;
        let end = if last && shape.unterminated { String::new() } else { format!("{eol}{eol}") };
        let event = format!("id: {number}{eol}event: lab{eol}data: event {number}{end}");
        Ok(Bytes::from(event))
    })
}

/// An event whose only line has so many bytes of data, and which does not end.
pub(crate) fn line(length: u64) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let piece = Bytes::from(vec![b'x'; usize::try_from(PIECE).unwrap_or(usize::MAX)]);
    let data = stream::iter(0..length.div_ceil(PIECE)).map(move |_| Ok(piece.clone()));
    stream::iter([Ok(Bytes::from_static(b"data: "))]).chain(data)
}

/// Nothing, until the holds are told something.
pub(crate) fn hold(told: Receiver<Told>) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream::unfold(told, |mut told| async move {
        loop {
            match told.recv().await {
                Ok(Told::Say(bytes)) => return Some((Ok(bytes), told)),
                Err(RecvError::Lagged(_)) => {}
                Ok(Told::End) | Err(RecvError::Closed) => return None,
            }
        }
    })
    .boxed()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
