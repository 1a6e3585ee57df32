//! An I/O wrapper that notes the request heads that pass through it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sync::Guarded;
use crate::wire::head::{Head, HeadReader};

/// The heads read from a connection and not yet matched with a request.
pub(crate) type Heads = Arc<Guarded<VecDeque<Head>>>;

/// A stream whose incoming bytes are also given to a [`HeadReader`].
#[derive(Debug)]
pub(crate) struct Tap<S> {
    inner: S,
    reader: HeadReader,
    heads: Heads,
}

impl<S> Tap<S> {
    pub(crate) fn new(inner: S) -> (Self, Heads) {
        let heads = Heads::default();
        (Self { inner, reader: HeadReader::default(), heads: Arc::clone(&heads) }, heads)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = &polled {
            let found = this.reader.feed(&buffer.filled()[before..]);
            this.heads.lock().extend(found);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
