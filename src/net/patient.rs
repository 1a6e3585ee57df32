//! A TCP connection on which the peer's last word counts.
//!
//! A server may answer before it has read the whole request, and close (RFC 9112 §9.6). Writing then fails while
//! its answer waits to be read. Here such writing goes nowhere instead, and reading tells how it ended.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The connection.
#[derive(Debug)]
pub(super) struct Patient {
    tcp: TcpStream,
    /// Why nothing can be written any more.
    closed: Option<io::ErrorKind>,
}

impl Patient {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, closed: None }
    }

    fn written(&mut self, wrote: io::Result<usize>, length: usize) -> io::Result<usize> {
        match wrote {
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                self.closed = Some(error.kind());
                Ok(length)
            }
            wrote => wrote,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.tcp).poll_read(context, buffer));
        match self.closed {
            // The kernel reports a reset once, and writing got the report: this is no clean end.
            Some(kind) if read.is_ok() && buffer.filled().len() == before => Poll::Ready(Err(kind.into())),
            _ => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.closed.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let wrote = std::task::ready!(Pin::new(&mut self.tcp).poll_write(context, bytes));
        Poll::Ready(self.written(wrote, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if self.closed.is_some() {
            return Poll::Ready(Ok(length));
        }
        let wrote = std::task::ready!(Pin::new(&mut self.tcp).poll_write_vectored(context, pieces));
        Poll::Ready(self.written(wrote, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl Connection for Patient {
    fn connected(&self) -> Connected {
        self.tcp.connected()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_although_nothing_can_be_written_and_then_the_end_is_no_clean_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = Patient::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut theirs, _) = listener.accept().await.unwrap();
        ours.write_all(b"begin").await.unwrap();
        theirs.readable().await.unwrap();
        theirs.write_all(b"enough").await.unwrap();
        drop(theirs); // with bytes unread, so the connection is reset
        while ours.closed.is_none() {
            ours.write_all(&[0; 1000]).await.unwrap();
        }
        let mut answer = Vec::new();
        assert!(ours.read_to_end(&mut answer).await.is_err());
        assert_eq!(answer, b"enough");
    }
}
