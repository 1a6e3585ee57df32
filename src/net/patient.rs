//! A TCP connection on which the peer's last word counts, and from which much is read at once.
//!
//! A server may answer before it has read the whole request, and close (RFC 9112 §9.6). Writing then fails while
//! its answer waits to be read. Here such writing goes nowhere instead, and reading tells how it ended.
//!
//! TLS asks for 4 KiB at a time, which is a system call for each 4 KiB of a long answer. When one of them was filled
//! there is more: then so much is read ahead as is there, up to [`AHEAD`]. An idle connection holds nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::net::watched::{Rests, Watched};

/// The most that is read ahead, in bytes: two TLS records.
const AHEAD: usize = 32 * 1024;

/// The connection.
#[derive(Debug)]
pub(super) struct Patient {
    tcp: Watched<TcpStream>,
    /// What was read ahead.
    ahead: BytesMut,
    /// The last read filled what it was given.
    filled: bool,
    /// Why nothing can be written any more.
    closed: Option<io::ErrorKind>,
}

impl Patient {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp: Watched::new(tcp), ahead: BytesMut::new(), filled: false, closed: None }
    }

    /// Looks at it from now on, while others read and write.
    pub(super) fn watch(&self) -> Rests {
        self.tcp.watch()
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
        let this = &mut *self;
        if this.ahead.is_empty() && this.filled {
            this.ahead.reserve(AHEAD);
            let read = poll_read_buf(Pin::new(&mut this.tcp), context, &mut this.ahead);
            this.filled = matches!(read, Poll::Ready(Ok(AHEAD..)));
            if this.ahead.is_empty() {
                this.ahead = BytesMut::new();
            }
            // At the end of the input, the reading below finds it again.
            std::task::ready!(read)?;
        }
        if !this.ahead.is_empty() {
            let fits = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(&this.ahead.split_to(fits));
            if this.ahead.is_empty() {
                this.ahead = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut this.tcp).poll_read(context, buffer));
        this.filled = buffer.remaining() == 0 && buffer.filled().len() > before;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_comes_is_read_whole_and_in_order_however_little_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = Patient::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut theirs, _) = listener.accept().await.unwrap();
        let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        let all = sent.clone();
        let writing = async move {
            theirs.write_all(&all).await.unwrap();
            drop(theirs);
        };
        let reading = async {
            let (mut read, mut piece) = (Vec::new(), [0; 4096]);
            loop {
                match ours.read(&mut piece).await.unwrap() {
                    0 => break read,
                    length => read.extend_from_slice(&piece[..length]),
                }
            }
        };
        let ((), read) = tokio::join!(writing, reading);
        assert!(read == sent, "{} bytes", read.len());
        assert_eq!(ours.ahead.capacity(), 0, "nothing is held");
    }

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
