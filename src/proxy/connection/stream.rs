//! An event stream on its way to a client of HTTP/1.1, once its head is written: chunks (RFC 9112 §7.1) and nothing else.
//!
//! hyper holds two buffers of 8 KiB for each connection, and a stream may be silent for hours. So the rest of its answer
//! is taken from hyper, which is dropped, and written here; afterwards hyper goes on with what was not read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::proxy::connection::exchange::Rest;
use crate::proxy::connection::socket::Socket;

/// What comes together is written together, up to so many bytes.
const TOGETHER: usize = 16 * 1024;

/// A stream that is being written.
pub(super) struct EventStream {
    socket: Socket,
    rest: Rest,
    /// What was not written yet, and how much of it was.
    chunks: Vec<u8>,
    written: usize,
    /// How the body ended; afterwards nothing is asked of it.
    ended: Option<End>,
    closing: bool,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it should, and the connection takes another request.
    Kept,
    /// As it should, and this was the last answer.
    Last,
    /// It broke off, or the client left: the connection is closed without a last chunk.
    Broken,
}

impl EventStream {
    /// The rest of an answer whose head was written to `socket`.
    pub(super) fn new(socket: Socket, rest: Rest) -> Self {
        socket.watch_while_writing();
        Self { socket, rest, chunks: Vec::new(), written: 0, ended: None, closing: false }
    }

    /// The stream is the last one on its connection.
    pub(super) fn close_afterwards(&mut self) {
        self.closing = true;
    }

    /// The connection, once the stream has ended.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Writes what there is; ready at the end.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let rests = self.ended.is_none() && self.gather(context).is_pending();
            while self.written < self.chunks.len() {
                match ready!(Pin::new(&mut self.socket).poll_write(context, &self.chunks[self.written..])) {
                    Ok(written @ 1..) => self.written += written,
                    Ok(0) | Err(_) => return Poll::Ready(End::Broken),
                }
            }
            (self.chunks, self.written) = (Vec::new(), 0);
            match self.ended {
                None if !rests => {}
                ended => {
                    if ready!(Pin::new(&mut self.socket).poll_flush(context)).is_err() {
                        return Poll::Ready(End::Broken);
                    }
                    return ended.map_or(Poll::Pending, Poll::Ready);
                }
            }
        }
    }

    /// Takes what there is of the body; pending if there will be more, but not now.
    fn gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.chunks.len() < TOGETHER {
            let end = match ready!(self.rest.poll_frame(context)) {
                Some(Ok(frame)) => {
                    // Trailers pass where the head has announced them, and those heads stay with hyper.
                    push_chunk(&mut self.chunks, frame.data_ref().unwrap_or(&Bytes::new()));
                    continue;
                }
                Some(Err(_)) => End::Broken,
                None => {
                    self.chunks.extend_from_slice(b"0\r\n\r\n");
                    if self.rest.is_last() || self.closing { End::Last } else { End::Kept }
                }
            };
            self.ended = Some(end);
            break;
        }
        Poll::Ready(())
    }
}

/// Appends a chunk; an empty one would be the last.
fn push_chunk(chunks: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    chunks.reserve(data.len() + 20);
    for place in (0..digits).rev() {
        chunks.push(b"0123456789abcdef"[data.len() >> (4 * place) & 0xf]);
    }
    chunks.extend_from_slice(b"\r\n");
    chunks.extend_from_slice(data);
    chunks.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_begin_with_their_length_in_hexadecimal_digits() {
        for (length, digits) in [(1, "1"), (15, "f"), (16, "10"), (255, "ff"), (256, "100"), (70_000, "11170")] {
            let mut chunks = b"before".to_vec();
            push_chunk(&mut chunks, &vec![b'x'; length]);
            let expected = format!("before{digits}\r\n{}\r\n", "x".repeat(length));
            assert!(chunks == expected.as_bytes(), "{length}");
        }
        let mut chunks = Vec::new();
        push_chunk(&mut chunks, b"");
        assert!(chunks.is_empty());
    }
}
