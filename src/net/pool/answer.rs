//! The body of a response on its way in. It holds its place on the connection: when it ends, the connection serves
//! somebody else; when it is dropped before, the exchange ends at the upstream at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};

use crate::net::pool::h2::Place;
use crate::net::pool::upload::End;

/// A response's body.
pub struct Incoming {
    kind: Kind,
}

/// The body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// On an HTTP/1.1 connection.
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    /// On an HTTP/2 stream.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

/// An HTTP/1.1 connection that waits for the end of the answer.
pub(super) trait Connection: Send {
    /// The whole answer was read.
    fn finished(self: Box<Self>);
}

enum Kind {
    Http1 { body: hyper::body::Incoming, connection: Option<Box<dyn Connection>> },
    Http2(Stream),
}

struct Stream {
    data: RecvStream,
    /// Bytes that are still to come, if the response's head tells.
    left: Option<u64>,
    /// Nothing but trailers can follow.
    data_ended: bool,
    /// `None` once the body has ended.
    held: Option<(Arc<Place>, Option<End>)>,
}

impl Incoming {
    pub(super) fn http1(body: hyper::body::Incoming, connection: Box<dyn Connection>) -> Self {
        let mut incoming = Self { kind: Kind::Http1 { body, connection: Some(connection) } };
        incoming.give_back_at_end();
        incoming
    }

    /// `length` is what the head of the response says; `upload` ends the one that may still be under way.
    pub(super) fn http2(data: RecvStream, length: Option<u64>, place: Arc<Place>, upload: Option<End>) -> Self {
        let mut stream = Stream { left: length, data_ended: false, held: Some((place, upload)), data };
        if stream.data.is_end_stream() {
            // A HEAD's answer tells the length of another one.
            stream.left = Some(0);
            stream.complete();
        }
        Self { kind: Kind::Http2(stream) }
    }

    fn give_back_at_end(&mut self) {
        if let Kind::Http1 { body, connection } = &mut self.kind
            && body.is_end_stream()
            && let Some(connection) = connection.take()
        {
            connection.finished();
        }
    }
}

impl Stream {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.held.is_none() {
            return Poll::Ready(None);
        }
        if !self.data_ended {
            match ready!(self.data.poll_data(context)) {
                Some(Ok(bytes)) => {
                    // What is passed on makes room for as much. A stream that ended meanwhile needs none.
                    let _ = self.data.flow_control().release_capacity(bytes.len());
                    self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    if self.data.is_end_stream() {
                        self.complete();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return self.breaks(error),
                None => self.data_ended = true,
            }
        }
        match ready!(self.data.poll_trailers(context)) {
            Ok(trailers) => {
                self.complete();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Err(error) => self.breaks(error),
        }
    }

    fn complete(&mut self) {
        if let Some((_place, Some(upload))) = self.held.take() {
            // It is over if it does not listen.
            let _ = upload.send(());
        }
    }

    fn breaks<T>(&mut self, error: h2::Error) -> Poll<Option<Result<T, BodyError>>> {
        self.held = None;
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Http1 { body, connection } => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                match &frame {
                    Some(Ok(_)) => self.give_back_at_end(),
                    Some(Err(_)) => drop(connection.take()),
                    None => {
                        if let Some(connection) = connection.take() {
                            connection.finished();
                        }
                    }
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
            }
            Kind::Http2(stream) => stream.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Http1 { body, .. } => body.is_end_stream(),
            Kind::Http2(stream) => stream.held.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Http1 { body, .. } => body.size_hint(),
            Kind::Http2(stream) => stream.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("ended", &self.is_end_stream()).finish_non_exhaustive()
    }
}
