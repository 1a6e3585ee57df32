//! The bytes of a connection: which HTTP they are, and what is told of their end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::net::listener::{Look, Stream};
use crate::proxy::connection::standing::Standing;

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most heads fit into this, so that hyper need not read again.
const FIRST_READ: usize = 1024;

/// A version of HTTP that is told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// A client's connection, as hyper sees it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    standing: Arc<Standing>,
    /// What was read to tell the version, and how much of it hyper has got.
    first: Vec<u8>,
    taken: usize,
    ended: bool,
    write_blocked: bool,
}

impl Socket {
    pub(super) fn new(stream: Stream, standing: Arc<Standing>) -> Self {
        Self { stream, standing, first: Vec::new(), taken: 0, ended: false, write_blocked: false }
    }

    /// Reads until the version is told; `None` if the client left before.
    pub(super) async fn version(&mut self) -> io::Result<Option<Version>> {
        self.first.reserve_exact(FIRST_READ);
        loop {
            if self.stream.read_buf(&mut self.first).await? == 0 {
                return Ok(None);
            }
            self.standing.received();
            if let Some(version) = version_of(&self.first) {
                return Ok(Some(version));
            }
        }
    }

    /// What was read and not used comes first again.
    pub(super) fn put_back(&mut self, unused: &[u8]) {
        if !unused.is_empty() {
            self.first = [unused, &self.first[self.taken..]].concat();
            self.taken = 0;
        }
    }

    /// From now on an end of the input is looked for wherever something is written.
    pub(super) fn watch_while_writing(&self) {
        self.standing.read_by_nobody();
    }

    /// True if something of a request has come.
    pub(super) fn has_received(&self) -> bool {
        !self.first.is_empty()
    }

    /// Tells the other end that nothing more comes. Without it the connection is closed all the same, a moment later:
    /// nobody waits for who takes nothing.
    pub(super) async fn close(&mut self) {
        poll_fn(|context| {
            let _ = Pin::new(&mut self.stream).poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Writes what fits at once; who does not read that gets nothing.
    pub(super) async fn say(&mut self, bytes: &[u8]) {
        let written = poll_fn(|context| match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => Poll::Ready(false),
            Poll::Ready(written) => Poll::Ready(written.is_ok()),
        });
        if written.await {
            self.close().await;
        }
    }

    /// Reads what still comes and forgets it, until the client has closed its side.
    pub(super) async fn use_up(&mut self) {
        let mut waste = vec![0; 16 * 1024];
        while self.stream.read(&mut waste).await.is_ok_and(|read| read > 0) {}
    }
}

fn version_of(first: &[u8]) -> Option<Version> {
    if !HTTP_2_PREFACE.starts_with(&first[..first.len().min(HTTP_2_PREFACE.len())]) {
        return Some(Version::Http1);
    }
    (first.len() >= HTTP_2_PREFACE.len()).then_some(Version::Http2)
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken < this.first.len() {
            let rest = &this.first[this.taken..];
            let fits = rest.len().min(into.remaining());
            into.put_slice(&rest[..fits]);
            this.taken += fits;
            if this.taken == this.first.len() {
                (this.first, this.taken) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        if !this.ended {
            let before = into.filled().len();
            match Pin::new(&mut this.stream).poll_read(context, into) {
                Poll::Pending => {
                    this.standing.waits_for_input(|| this.stream.has_input());
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if into.filled().len() > before || into.remaining() == 0 => {
                    this.standing.received();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => this.ended = true,
            }
        }
        this.standing.poll_end_of_input(context.waker()).map(Ok)
    }
}

impl Socket {
    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() != self.write_blocked {
            self.write_blocked = written.is_pending();
            self.standing.write_blocked(self.write_blocked);
        }
        written
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes at every turn, and does not read while a request is answered: so this is where a client is missed
    /// that has left.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(end_means_gone) = self.standing.is_unwatched() {
            match self.stream.poll_look(context) {
                Poll::Ready(Look::Broken) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Poll::Ready(Look::End) if end_means_gone => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Poll::Ready(Look::End | Look::Bytes) | Poll::Pending => {}
            }
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // Else only a write can find out that the other end does not take it.
        if self.stream.keeps_what_is_written() { self.written(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_as_few_bytes_as_possible() {
        for text in ["G", "POST /", "PO", "\r\n", "PRI * HTTP/1.1", "\u{16}\u{3}"] {
            assert_eq!(version_of(text.as_bytes()), Some(Version::Http1), "{text:?}");
        }
        for length in 0..HTTP_2_PREFACE.len() {
            assert_eq!(version_of(&HTTP_2_PREFACE[..length]), None, "{length}");
        }
        assert_eq!(version_of(HTTP_2_PREFACE), Some(Version::Http2));
        assert_eq!(version_of(&[HTTP_2_PREFACE, b"\0\0\0\x04"].concat()), Some(Version::Http2));
    }
}
