//! Who has the other end of a connection: the user, and the control group, of the process that made the socket there.
//!
//! The kernel is asked through a netlink socket (sock_diag(7)), which answers before the request returns: there is
//! nothing to wait for. It says who *made* a socket. A process can pass a socket on, and whoever gets it then counts as
//! its maker; a socket that was closed before the question has no owner any more.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use crate::net::diag::{self, Answer};

/// What the kernel says for users that the user namespace of whoever opened the socket does not know
/// (user_namespaces(7)): two of them need not be the same one.
const UNKNOWN: u32 = 65_534;
/// The longest answer, in bytes. It is one message about one socket.
const LONGEST: usize = 4096;
/// How many answers to other questions are read over.
const MOST_STALE: usize = 256;

/// What was found out about the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A process that this user started has it.
    Owner {
        /// The user who made the socket.
        uid: u32,
        /// The id of the control group in which that was, where the kernel says so.
        cgroup: Option<u64>,
    },
    /// There is no such socket in our network namespace.
    Absent,
    /// There is one, and no telling whose; or there is no telling at all.
    Unknown,
}

/// Asks the kernel. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Finder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: Result<OwnedFd, String>,
    /// The number of the last question; held while one is under way.
    sequence: Mutex<u32>,
}

impl Finder {
    /// Asks through `passed`, a netlink socket that somebody else opened, else through one of its own.
    pub fn new(passed: Option<OwnedFd>) -> Self {
        let open = || {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))
        };
        let socket = passed.map_or_else(|| open().map_err(|error| io::Error::from(error).to_string()), Ok);
        // Answers to an earlier process may lie in a socket that was passed: with a beginning of our own, none of them
        // has the number of a question of ours.
        let mut beginning = [0; 4];
        let _ = getrandom::fill(&mut beginning);
        Self(Arc::new(Inner { socket, sequence: Mutex::new(u32::from_ne_bytes(beginning)) }))
    }

    /// Whether it gets answers.
    ///
    /// # Errors
    /// Why not.
    pub fn works(&self) -> Result<(), String> {
        // No connection has the port 0.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
        match self.ask(|sequence| diag::tcp_request(sequence, nobody, nobody)) {
            Ok(Answer::Refused(error)) => Err(io::Error::from_raw_os_error(error).to_string()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who has the TCP socket at `near` that is connected to `far`.
    pub fn tcp(&self, near: SocketAddr, far: SocketAddr) -> Found {
        match self.ask(|sequence| diag::tcp_request(sequence, near, far)) {
            Ok(Answer::Tcp(socket)) => match socket.owner(near, far) {
                Some((uid, cgroup)) if uid != UNKNOWN => Found::Owner { uid, cgroup },
                _ => Found::Unknown,
            },
            Ok(Answer::Absent) => Found::Absent,
            Ok(_) => Found::Unknown,
            Err(error) => {
                tracing::debug!("who has {near} cannot be found out: {error}");
                Found::Unknown
            }
        }
    }

    /// The user who made the socket at the other end of the Unix socket with this inode.
    pub fn unix(&self, inode: u64) -> Option<u32> {
        let about = |inode: u32| match self.ask(|sequence| Some(diag::unix_request(sequence, inode))) {
            Ok(Answer::Unix(socket)) if socket.inode == inode => Some(socket),
            _ => None,
        };
        let own = u32::try_from(inode).ok()?;
        let peer = about(own)?.peer.filter(|peer| *peer != 0)?;
        let theirs = about(peer)?;
        // The number of a socket that has gone may belong to another one by now.
        (theirs.peer == Some(own)).then_some(theirs.uid).flatten().filter(|uid| *uid != UNKNOWN)
    }

    fn ask(&self, question: impl FnOnce(u32) -> Option<Vec<u8>>) -> Result<Answer, String> {
        let socket = self.0.socket.as_ref().map_err(Clone::clone)?.as_fd();
        let mut sequence = self.0.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *sequence = sequence.wrapping_add(1);
        let question = question(*sequence).ok_or("there can be no such connection")?;
        let words = |error: rustix::io::Errno| io::Error::from(error).to_string();
        send(socket, &question, SendFlags::DONTWAIT).map_err(words)?;
        let mut datagram = [0; LONGEST];
        for _ in 0..MOST_STALE {
            match recv(socket, &mut datagram, RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    if let Some(answer) = diag::answer(datagram.get(..length).unwrap_or_default(), *sequence) {
                        return Ok(answer);
                    }
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::NOBUFS) => {}
                Err(error) => return Err(words(error)),
            }
        }
        Err("the kernel answers other questions alone".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn pair(listen: &str, connect: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(listen).unwrap();
        let to = format!("{connect}:{}", listener.local_addr().unwrap().port());
        let client = TcpStream::connect(to).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn found(finder: &Finder, accepted: &TcpStream) -> Found {
        finder.tcp(accepted.peer_addr().unwrap(), accepted.local_addr().unwrap())
    }

    #[test]
    fn the_user_at_the_other_end_is_found_over_ipv4_ipv6_and_a_mix_of_both() {
        let finder = Finder::new(None);
        finder.works().unwrap();
        for (listen, connect) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "[::1]"),
            ("[::]:0", "127.0.0.1"),
            ("[::]:0", "[::ffff:127.0.0.1]"),
        ] {
            let (client, accepted) = pair(listen, connect);
            assert!(
                matches!(found(&finder, &accepted), Found::Owner { uid, .. } if uid == own()),
                "{listen} {connect}"
            );
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(matches!(found(&finder, &accepted), Found::Owner { uid, .. } if uid == own()), "half-closed");
        }
        let nowhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(finder.tcp(nowhere, nowhere), Found::Absent);
    }

    #[test]
    fn d1_a_client_that_has_closed_its_socket_is_nobody_and_not_root() {
        let finder = Finder::new(None);
        let (client, accepted) = pair("127.0.0.1:0", "127.0.0.1");
        let (near, far) = (accepted.peer_addr().unwrap(), accepted.local_addr().unwrap());
        drop(client);
        assert_eq!(finder.tcp(near, far), Found::Unknown, "it waits for our end");
        drop(accepted);
        assert!(!matches!(finder.tcp(near, far), Found::Owner { .. }), "it has timed out or gone");
    }

    #[test]
    fn d1_who_listens_on_the_port_of_a_client_that_is_gone_is_not_that_client() {
        let finder = Finder::new(None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The kernel falls back to a listening socket on the same address.
        let far = "127.0.0.1:9".parse().unwrap();
        assert_eq!(finder.tcp(listener.local_addr().unwrap(), far), Found::Unknown);
    }

    #[test]
    fn the_user_at_the_other_end_of_a_unix_socket_is_found_until_it_has_gone() {
        let finder = Finder::new(None);
        let (near, far) = UnixStream::pair().unwrap();
        let inode = rustix::fs::fstat(&near).unwrap().st_ino;
        assert_eq!(finder.unix(inode), Some(own()));
        drop(far);
        assert_eq!(finder.unix(inode), None);
        assert_eq!(finder.unix(std::fs::metadata("/").unwrap().ino()), None, "no socket");
    }

    #[test]
    fn without_answers_nobody_is_known() {
        let (near, far) = UnixStream::pair().unwrap();
        let finder = Finder::new(Some(near.into()));
        assert!(finder.works().is_err());
        let (_client, accepted) = pair("127.0.0.1:0", "127.0.0.1");
        assert_eq!(found(&finder, &accepted), Found::Unknown);
        drop(far);
        assert_eq!(found(&finder, &accepted), Found::Unknown);
    }

    #[test]
    fn answers_to_an_earlier_process_do_no_harm() {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))
                .unwrap();
        let nobody = "127.0.0.1:1".parse().unwrap();
        for sequence in 0..20 {
            send(&socket, &diag::tcp_request(sequence, nobody, nobody).unwrap(), SendFlags::empty()).unwrap();
        }
        let finder = Finder::new(Some(socket));
        let (_client, accepted) = pair("127.0.0.1:0", "127.0.0.1");
        assert!(matches!(found(&finder, &accepted), Found::Owner { .. }));
    }
}
