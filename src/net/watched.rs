//! A connection that can be looked at from outside, while somebody else reads and writes.
//!
//! A peer may close a kept connection at any time, and what is sent then is lost (RFC 9112 §9.3.1). The task that reads
//! finds the end as soon as it runs, which may be too late for a request that is about to be sent; the kernel knows
//! before.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Answers whether a connection rests: it is open, and nothing has come that nobody read.
pub(super) type Rests = Box<dyn Fn() -> bool + Send + Sync>;

/// The connection.
#[derive(Debug)]
pub(super) struct Watched<S>(Arc<Mutex<S>>);

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        lock(&self.0)
    }
}

impl<S: AsFd + Send + 'static> Watched<S> {
    /// Looks at it from now on, for as long as it is there.
    pub(super) fn watch(&self) -> Rests {
        let stream = Arc::downgrade(&self.0);
        Box::new(move || stream.upgrade().is_some_and(|stream| has_nothing_to_read(&*lock(&stream))))
    }
}

fn lock<S>(stream: &Mutex<S>) -> MutexGuard<'_, S> {
    // A stream that panicked in one of its functions is not used any more.
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Neither bytes nor the end, as the kernel knows it now.
pub(super) fn has_nothing_to_read(stream: impl AsFd) -> bool {
    peek(stream).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// How many bytes a read for one would give now; 0 at the end. It takes none, and does not wait.
///
/// # Errors
/// `WouldBlock` if there is nothing, and whatever broke the connection.
pub(super) fn peek(stream: impl AsFd) -> io::Result<usize> {
    let (_, length) = recv(stream, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(length)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_has_come_and_the_end_are_seen_at_once_and_taken_from_nobody() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = Watched::new(ours);
        let rests = ours.watch();
        assert!(rests());
        theirs.write_all(b"x").unwrap();
        assert!(!rests() && !rests());
        assert_eq!(recv(&*ours.lock(), &mut [0; 9][..], RecvFlags::empty()).unwrap().0, 1);
        assert!(rests());
        drop(theirs);
        assert!(!rests());
    }

    #[test]
    fn a_connection_that_is_gone_does_not_rest() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let ours = Watched::new(ours);
        let rests = ours.watch();
        drop(ours);
        assert!(!rests());
    }
}
