//! The sockets that the service manager passes (sd_listen_fds(3)), sorted by what they are for.
//!
//! `FileDescriptorName=` of the socket unit says that: `proxy` for MCP clients, `tls` for those that begin with TLS,
//! `control` for commands, `metrics` for Prometheus, `diag` for questions about who calls. A socket without a name of its own
//! is for MCP clients: systemd then passes the
//! socket unit's name.

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::{io, process};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// No service has more sockets; a larger number is a slip of whoever set it.
const MOST: usize = 1024;

/// netlink(7): its address family, and the type of socket that systemd opens of it.
const AF_NETLINK: i32 = 16;
const SOCK_RAW: i32 = 3;

/// A listening socket that somebody else bound. It does not block.
#[derive(Debug)]
pub enum Socket {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

impl Socket {
    /// The address of a TCP socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// What was passed, each kind in the order in which it came.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For MCP clients.
    pub proxy: Vec<Socket>,
    /// For MCP clients that begin with TLS.
    pub tls: Vec<Socket>,
    /// For commands to the daemon.
    pub control: Vec<Socket>,
    /// For those who read metrics.
    pub metrics: Vec<Socket>,
    /// A netlink socket for questions about who calls (sock_diag(7)).
    pub diag: Option<OwnedFd>,
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Proxy,
    Tls,
    Control,
    Metrics,
    Diag,
}

/// Why the passed sockets cannot be used. The remedy is in the socket unit.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// `LISTEN_FDS` is no number of sockets.
    #[error("the service manager announces {0:?} sockets (LISTEN_FDS): it should be a number up to {MOST}")]
    Count(String),
    /// There are more or fewer names than sockets.
    #[error("the service manager passes {sockets} sockets and {names} names (LISTEN_FDNAMES)")]
    Names {
        /// How many sockets.
        sockets: usize,
        /// How many names.
        names: usize,
    },
    /// A name that says nothing to us.
    #[error(
        "socket {number} from the service manager is named {name:?}; FileDescriptorName= of its unit can be proxy, tls, \
         control, metrics or diag"
    )]
    Name {
        /// Which of the sockets, counted from 1.
        number: usize,
        /// Its name.
        name: String,
    },
    /// A socket of another kind.
    #[error(
        "socket {number} from the service manager ({name}) is {kind}; a TCP or Unix stream socket is needed: \
         ListenStream= in its unit"
    )]
    Kind {
        /// Which of the sockets, counted from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A connection, or a socket that nobody made listen.
    #[error("socket {number} from the service manager ({name}) does not listen; its unit needs Accept=no")]
    NotListening {
        /// Which of the sockets, counted from 1.
        number: usize,
        /// Its name.
        name: String,
    },
    /// The system refuses.
    #[error("socket {number} from the service manager ({name}) cannot be used: {source}")]
    Refused {
        /// Which of the sockets, counted from 1.
        number: usize,
        /// Its name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Inherited {
    /// Takes what was passed to this process; nothing, if nothing was.
    ///
    /// To be called once, and before there is another thread: it takes `LISTEN_FDS` and `LISTEN_PID` out of the
    /// environment.
    ///
    /// # Errors
    /// When something was passed that cannot be used: the unit has to be mended.
    pub fn take() -> Result<Self, InheritedError> {
        // `ListenFd` would take sockets that no process id is written on, any number of them, and knows no names.
        let variable = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let (count, pid) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
        let count = announced(count.as_deref(), pid.as_deref(), process::id())?;
        if count == 0 {
            return Ok(Self::default());
        }
        let names = names(variable("LISTEN_FDNAMES").as_deref(), count)?;
        let mut descriptors = ListenFd::from_env();
        let mut inherited = Self::default();
        for (index, name) in names.into_iter().enumerate() {
            let number = index + 1;
            let Some(role) = role(&name) else { return Err(InheritedError::Name { number, name }) };
            match role {
                Role::Proxy => inherited.proxy.push(socket(&mut descriptors, index, &name)?),
                Role::Tls => inherited.tls.push(tcp(socket(&mut descriptors, index, &name)?, number)?),
                Role::Control => inherited.control.push(socket(&mut descriptors, index, &name)?),
                Role::Metrics => inherited.metrics.push(socket(&mut descriptors, index, &name)?),
                Role::Diag => inherited.diag = diag(&mut descriptors, index),
            }
        }
        Ok(inherited)
    }
}

/// How many sockets were passed to the process `own`. What was passed to another one is left alone.
fn announced(count: Option<&str>, pid: Option<&str>, own: u32) -> Result<usize, InheritedError> {
    let Some(count) = count.filter(|_| pid.and_then(|pid| pid.parse().ok()) == Some(own)) else { return Ok(0) };
    count.parse().ok().filter(|count| *count <= MOST).ok_or_else(|| InheritedError::Count(count.to_owned()))
}

/// A name for each socket; empty names if there are none at all.
fn names(names: Option<&str>, sockets: usize) -> Result<Vec<String>, InheritedError> {
    let Some(names) = names else { return Ok(vec![String::new(); sockets]) };
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    if names.len() == sockets { Ok(names) } else { Err(InheritedError::Names { sockets, names: names.len() }) }
}

fn role(name: &str) -> Option<Role> {
    match name {
        "proxy" => Some(Role::Proxy),
        "tls" => Some(Role::Tls),
        "control" => Some(Role::Control),
        "metrics" => Some(Role::Metrics),
        "diag" => Some(Role::Diag),
        // sd_listen_fds(3): this is what a socket without a name is called.
        "" | "unknown" => Some(Role::Proxy),
        // systemd.socket(5): without FileDescriptorName= the unit's name is passed.
        unit if unit.ends_with(".socket") => Some(Role::Proxy),
        _ => None,
    }
}

/// A netlink socket. What is none is not used: who calls is then unknown, and a condition says so.
fn diag(descriptors: &mut ListenFd, index: usize) -> Option<OwnedFd> {
    descriptors.take_custom(index, AF_NETLINK, SOCK_RAW, "netlink socket").ok().flatten()
}

fn socket(descriptors: &mut ListenFd, index: usize, name: &str) -> Result<Socket, InheritedError> {
    let (number, name) = (index + 1, name.to_owned());
    let socket = if let Ok(Some(listener)) = descriptors.take_tcp_listener(index) {
        Socket::Tcp(listener)
    } else if let Ok(Some(listener)) = descriptors.take_unix_listener(index) {
        Socket::Unix(listener)
    } else {
        return Err(InheritedError::Kind { number, name, kind: kind(descriptors, index) });
    };
    let (listens, unblocked) = match &socket {
        Socket::Tcp(listener) => (socket_acceptconn(listener.as_fd()), listener.set_nonblocking(true)),
        Socket::Unix(listener) => (socket_acceptconn(listener.as_fd()), listener.set_nonblocking(true)),
    };
    match (listens.map_err(io::Error::from), unblocked) {
        (Ok(true), Ok(())) => Ok(socket),
        (Ok(false), _) => Err(InheritedError::NotListening { number, name }),
        (Err(source), _) | (_, Err(source)) => Err(InheritedError::Refused { number, name, source }),
    }
}

/// TLS says who is at the other end of a network; a Unix socket has no such end.
fn tcp(socket: Socket, number: usize) -> Result<Socket, InheritedError> {
    match socket {
        Socket::Tcp(_) => Ok(socket),
        Socket::Unix(_) => Err(InheritedError::Kind {
            number,
            name: "tls".to_owned(),
            kind: "a Unix socket, on which there is no TLS",
        }),
    }
}

/// What a descriptor is that is no stream socket.
fn kind(descriptors: &mut ListenFd, index: usize) -> &'static str {
    if descriptors.take_udp_socket(index).is_ok() {
        "a UDP socket"
    } else if descriptors.take_unix_datagram(index).is_ok() {
        "a Unix datagram socket"
    } else {
        "no socket, or one of another kind"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_ours_only_if_our_process_id_is_written_on_them() {
        assert_eq!(announced(Some("2"), Some("7"), 7).unwrap(), 2);
        for (count, pid) in [(None, None), (Some("2"), None), (Some("2"), Some("8")), (Some("x"), Some("8"))] {
            assert_eq!(announced(count, pid, 7).unwrap(), 0, "{count:?} {pid:?}");
        }
        for count in ["x", "-1", "", "99999999999"] {
            assert!(announced(Some(count), Some("7"), 7).unwrap_err().to_string().contains("LISTEN_FDS"), "{count}");
        }
    }

    #[test]
    fn names_say_what_sockets_are_for() {
        assert_eq!(names(None, 2).unwrap(), ["", ""]);
        assert_eq!(names(Some("proxy:control"), 2).unwrap(), ["proxy", "control"]);
        assert!(names(Some("proxy"), 2).unwrap_err().to_string().contains("2 sockets and 1 names"));
        for (name, expected) in [
            ("proxy", Some(Role::Proxy)),
            ("control", Some(Role::Control)),
            ("metrics", Some(Role::Metrics)),
            ("tls", Some(Role::Tls)),
            ("diag", Some(Role::Diag)),
            ("unknown", Some(Role::Proxy)),
            ("", Some(Role::Proxy)),
            ("mcp-proxy-docker.socket", Some(Role::Proxy)),
            ("contol", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
