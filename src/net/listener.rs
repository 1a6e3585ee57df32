//! The sockets that clients come in by: TCP and Unix, accepted from alike.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::model::peer::{Credentials, Peer};
use crate::net::identity::{Acceptor, Presented};
use crate::net::watched::{has_nothing_to_read, peek};

/// Silence after which the kernel asks whether the other end is there, how often, and how often in vain.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// The first byte of a client that begins TLS: a record of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// A socket that accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A TCP socket on which clients begin with TLS.
    Tls(TcpListener, Acceptor),
    /// A Unix stream socket, with its file if that is ours to remove.
    Unix(UnixListener, Option<SocketFile>),
}

/// A connection that was accepted.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TLS. It needs more room than the others.
    Tls(Box<TlsStream<TcpStream>>),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// A connection as it was accepted: nothing has been read from it.
#[derive(Debug)]
pub struct Arrival {
    stream: Stream,
    acceptor: Option<Acceptor>,
}

/// Why a connection did not begin.
#[derive(Debug)]
pub enum Unopened {
    /// The client speaks, and not TLS. It can be told so, without TLS.
    NotTls(Stream),
    /// The handshake failed, and the client was told why. The connection is to be closed.
    Handshake(io::Error, Stream),
    /// The client left before it said anything.
    Left,
}

/// What reading would find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Something to read.
    Bytes,
    /// The other end has closed its side.
    End,
    /// The connection is broken.
    Broken,
}

/// Where a listener can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// An address and a port, for TLS alone.
    Tls(SocketAddr),
    /// A file; `None` for a socket that has no name in the file system.
    Unix(Option<PathBuf>),
}

impl Arrival {
    /// The connection, for questions about who is at its other end.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The bytes of the connection as they come, without TLS.
    pub fn as_it_comes(self) -> Stream {
        self.stream
    }

    /// Begins TLS where that is needed; answers with the certificate that the client has shown. It takes as long as the
    /// client lets it take.
    ///
    /// # Errors
    /// Why it does not begin.
    pub async fn opened(self) -> Result<(Stream, Option<Presented>), Unopened> {
        let (stream, acceptor) = match (self.stream, self.acceptor) {
            (Stream::Tcp(stream), Some(acceptor)) => (stream, acceptor),
            (stream, _) => return Ok((stream, None)),
        };
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1..) if first[0] == HANDSHAKE => {}
            Ok(1..) => return Err(Unopened::NotTls(Stream::Tcp(stream))),
            Ok(0) | Err(_) => return Err(Unopened::Left),
        }
        match acceptor.handshake(stream).await {
            Ok((stream, presented)) => Ok((Stream::Tls(Box::new(stream)), presented)),
            Err((error, stream)) => Err(Unopened::Handshake(error, Stream::Tcp(stream))),
        }
    }
}

impl Stream {
    /// Our end of a TCP connection. An IPv4 address that came in over an IPv6 socket is an IPv4 address here.
    pub fn local_address(&self) -> Option<SocketAddr> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Unix(_) => return None,
        };
        stream.local_addr().ok().map(|mut address| {
            address.set_ip(address.ip().to_canonical());
            address
        })
    }

    /// True if what was written may wait here until it is flushed.
    pub fn keeps_what_is_written(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// True if the kernel has something that reading would find, though perhaps nobody was told of it yet.
    pub fn has_input(&self) -> bool {
        match self {
            Self::Tcp(stream) => !has_nothing_to_read(stream),
            Self::Tls(stream) => !has_nothing_to_read(stream.get_ref().0),
            Self::Unix(stream) => !has_nothing_to_read(stream),
        }
    }

    /// What the kernel tells a Unix socket from others by.
    pub fn inode(&self) -> Option<u64> {
        match self {
            Self::Tcp(_) | Self::Tls(_) => None,
            Self::Unix(stream) => rustix::fs::fstat(stream).ok().map(|found| found.st_ino),
        }
    }

    /// What reading would find, without reading: pending while the other end is silent.
    pub fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Look> {
        loop {
            let peeked = match &mut *self {
                Self::Tcp(stream) => match ready!(stream.poll_read_ready(context)) {
                    Ok(()) => stream.try_io(Interest::READABLE, || peek(&*stream)),
                    Err(error) => Err(error),
                },
                Self::Unix(stream) => match ready!(stream.poll_read_ready(context)) {
                    Ok(()) => stream.try_io(Interest::READABLE, || peek(&*stream)),
                    Err(error) => Err(error),
                },
                // What is on the wire says nothing before it is deciphered. It stays where the next read finds it.
                Self::Tls(stream) => match ready!(Pin::new(stream).poll_fill_buf(context)) {
                    Ok(bytes) => Ok(bytes.len()),
                    Err(error) => without_goodbye(error).map(|()| 0),
                },
            };
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Look::Broken),
                Ok(0) => return Poll::Ready(Look::End),
                Ok(_) => return Poll::Ready(Look::Bytes),
            }
        }
    }
}

/// A client that closes its side and does not say so within TLS has closed it all the same: HTTP itself says where a
/// request ends.
fn without_goodbye(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "{address} (TLS)"),
            Self::Unix(Some(path)) => path.display().fmt(f),
            Self::Unix(None) => f.write_str("a socket without a name"),
        }
    }
}

impl Listener {
    /// Where it can be reached.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Tls(listener, _) => listener.local_addr().map(Address::Tls),
            Self::Unix(listener, _) => {
                listener.local_addr().map(|address| Address::Unix(address.as_pathname().map(Path::to_owned)))
            }
        }
    }

    /// Sets what the connections of a TCP socket inherit (tcp(7)): small answers do not wait for more, and a client that
    /// is no longer there is found out after two minutes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn tune(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => tune(listener),
            Self::Unix(..) => Ok(()),
        }
    }

    /// The next connection and who is at its other end.
    ///
    /// # Errors
    /// What accept(2) says.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Arrival, Peer)>> {
        let over_tcp = |(stream, mut address): (TcpStream, SocketAddr), acceptor: Option<&Acceptor>| {
            address.set_ip(address.ip().to_canonical());
            // A client that came before the listener was tuned, while the daemon was starting, has inherited nothing.
            if sockopt::tcp_nodelay(&stream).is_ok_and(|set| !set) {
                // If that fails, the connection is over or slow, and the next read or write says so.
                let _ = tune(&stream);
            }
            (Arrival { stream: Stream::Tcp(stream), acceptor: acceptor.cloned() }, Peer::Tcp(address))
        };
        Poll::Ready(match self {
            Self::Tcp(listener) => ready!(listener.poll_accept(context)).map(|accepted| over_tcp(accepted, None)),
            Self::Tls(listener, acceptor) => {
                ready!(listener.poll_accept(context)).map(|accepted| over_tcp(accepted, Some(acceptor)))
            }
            Self::Unix(listener, _) => ready!(listener.poll_accept(context)).and_then(|(stream, _)| {
                let theirs = stream.peer_cred()?;
                let credentials = Credentials { pid: theirs.pid(), uid: theirs.uid(), gid: theirs.gid() };
                Ok((Arrival { stream: Stream::Unix(stream), acceptor: None }, Peer::Unix(credentials)))
            }),
        })
    }
}

fn tune(socket: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_EVERY)?;
    Ok(sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_PROBES)?)
}

/// The file of a Unix socket of ours. Removed when dropped, unless another one stands in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl SocketFile {
    /// The file that `bind` has made at `path`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn made(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), device_and_inode: device_and_inode(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if device_and_inode(&self.path).is_ok_and(|now| now == self.device_and_inode) {
            // A file that cannot be removed is taken for stale by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into).map(|read| read.or_else(without_goodbye)),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn is_tuned(tuned_before: bool) {
        let listener = Listener::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let Ok(Address::Tcp(address)) = listener.address() else { panic!("{listener:?}") };
        if tuned_before {
            listener.tune().unwrap();
        }
        let client = TcpStream::connect(address).await.unwrap();
        if !tuned_before {
            listener.tune().unwrap();
        }
        let (arrival, peer) = poll_fn(|context| listener.poll_accept(context)).await.unwrap();
        assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
        let Stream::Tcp(stream) = arrival.stream else { panic!("it came over TCP") };
        assert!(sockopt::tcp_nodelay(&stream).unwrap() && sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_AFTER);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), KEEPALIVE_EVERY);
        assert_eq!(sockopt::tcp_keepcnt(&stream).unwrap(), KEEPALIVE_PROBES);
    }

    #[tokio::test]
    async fn connections_inherit_what_the_listener_was_told() {
        is_tuned(true).await;
    }

    /// Passed sockets hold clients that came while the daemon was away; their small writes once waited 40 ms each.
    #[tokio::test]
    async fn connections_from_before_the_listener_was_told_are_told_themselves() {
        is_tuned(false).await;
    }

    #[tokio::test]
    async fn the_end_of_the_other_side_is_seen_without_reading() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Stream::Unix(near);
        let looked = poll_fn(|context| Poll::Ready(near.poll_look(context))).await;
        assert_eq!(looked, Poll::Pending, "it is silent");
        far.write_all(b"x").await.unwrap();
        assert_eq!(poll_fn(|context| near.poll_look(context)).await, Look::Bytes);
        let (near, far) = UnixStream::pair().unwrap();
        let mut near = Stream::Unix(near);
        drop(far);
        assert_eq!(poll_fn(|context| near.poll_look(context)).await, Look::End);
    }
}
