//! Who is at the other end of a client's connection, as the kernel says.

use std::fmt;
use std::net::SocketAddr;

/// The other end of an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address. An IPv4 address that came in over an IPv6 socket is an IPv4 address here.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix(Credentials),
}

/// The process that connected to a Unix socket, at the moment it did (unix(7), `SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id, if it is in a namespace that we can see.
    pub pid: Option<i32>,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Credentials { pid: Some(pid), uid, .. }) => write!(f, "uid {uid} (process {pid})"),
            Self::Unix(Credentials { pid: None, uid, .. }) => write!(f, "uid {uid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_named_as_a_log_needs_them() {
        assert_eq!(Peer::Tcp("[::1]:7".parse().unwrap()).to_string(), "[::1]:7");
        let process = Credentials { pid: Some(7), uid: 1000, gid: 100 };
        assert_eq!(Peer::Unix(process).to_string(), "uid 1000 (process 7)");
        assert_eq!(Peer::Unix(Credentials { pid: None, ..process }).to_string(), "uid 1000");
    }
}
