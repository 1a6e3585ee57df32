//! A request's body on its way out over an HTTP/2 stream, as fast as the peer takes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use tokio::sync::oneshot;

use crate::net::pool::h2::Place;

/// Ends the upload. Dropped: nobody waits for the answer any more. Sent: the answer is complete.
pub(super) type End = oneshot::Sender<()>;

/// The upload. It ends by itself when the body is sent, when it fails, or when the peer wants no more of it.
///
/// An answer may be complete before the request is (RFC 9113 §8.1). The rest of the body then goes nowhere: to read it
/// is what lets a client that writes before it reads come to the answer.
pub(super) struct Upload<B> {
    body: B,
    /// The stream, and its place: it counts as open until both messages are complete. `None` once nobody wants more.
    to: Option<(SendStream<Bytes>, Arc<Place>)>,
    /// What the body gave and the peer has no room for yet, and whether it is the last piece.
    waiting: Option<(Bytes, bool)>,
    /// A piece was handed over.
    begun: bool,
    /// `None` until the answer has come, and once it is complete.
    end: Option<oneshot::Receiver<()>>,
}

impl<B> Upload<B> {
    pub(super) fn new(body: B, stream: SendStream<Bytes>, place: Arc<Place>) -> Self {
        Self { body, to: Some((stream, place)), waiting: None, begun: false, end: None }
    }

    /// What ends it from now on.
    pub(super) fn end(&mut self) -> End {
        let (tell, end) = oneshot::channel();
        self.end = Some(end);
        tell
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    fn poll_send(&mut self, stream: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Some((piece, last)) = self.waiting.take() {
                // A stream has no capacity before its head was written. What is there by then goes out with the head: one
                // write instead of two, and for a small call that is all there is.
                if self.begun && !piece.is_empty() && stream.capacity() == 0 {
                    match stream.poll_capacity(context) {
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                        Poll::Ready(None) => return Poll::Ready(Ok(())),
                        Poll::Pending => {
                            self.waiting = Some((piece, last));
                            return Poll::Pending;
                        }
                    }
                }
                self.begun = true;
                stream.send_data(piece, last)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => self.waiting = Some((Bytes::new(), true)),
                Some(Err(_)) => {
                    stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => {
                        // A little is asked for only when there is something to send, so that a body which pauses
                        // holds back none of the connection's window; `send_data` asks for the rest.
                        stream.reserve_capacity(1.min(piece.len()));
                        self.waiting = Some((piece, self.body.is_end_stream()));
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Poll::Ready(stream.send_trailers(trailers));
                        }
                    }
                },
            }
        }
    }

    /// Ready if the body has ended.
    fn poll_nowhere(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.waiting = None;
        while let Some(Ok(_)) = ready!(Pin::new(&mut self.body).poll_frame(context)) {}
        Poll::Ready(())
    }
}

impl<B> Future for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(end) = &mut this.end
            && let Poll::Ready(complete) = Pin::new(end).poll(context)
        {
            if let Some((mut stream, _place)) = this.to.take() {
                stream.send_reset(Reason::CANCEL);
            }
            if complete.is_err() {
                return Poll::Ready(());
            }
            this.end = None;
        }
        if let Some((mut stream, place)) = this.to.take() {
            match stream.poll_reset(context) {
                Poll::Ready(Ok(Reason::NO_ERROR)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    // Why sending failed is told by the response.
                    let sent = this.poll_send(&mut stream, context).map(drop);
                    if sent.is_pending() {
                        this.to = Some((stream, place));
                    }
                    return sent;
                }
            }
        }
        this.poll_nowhere(context)
    }
}
