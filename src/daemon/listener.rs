//! The listening sockets, bound by ourselves, and the redirect URI that leads to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use url::Host;

use crate::config::settings::{Listen, Tls};
use crate::daemon::inherited::Socket;
use crate::daemon::port_holder;
use crate::daemon::unix_socket;
use crate::net::identity::Acceptor;
use crate::net::listener::Listener;

/// How many connections may wait to be accepted; the kernel allows at most `net.core.somaxconn`, 4,096 by default.
pub(super) const BACKLOG: i32 = 4096;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else listens there.
    #[error(
        "cannot listen on {address}: the port is in use{}. Stop that program, or choose another port with --port (listen.port)",
        by(holder)
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// Who holds it, when it can be found out.
        holder: Option<String>,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}. {}", remedy(source))]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The host name has no address.
    #[error("cannot listen on {host}: it has no address: {reason}. Give an IP address with --host (listen.host)")]
    NoAddress {
        /// The host.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// An address of `tls.listen` cannot be had.
    #[error("cannot listen on {address}: {source}{}. See tls.listen", by(holder))]
    Tls {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
        /// Who holds it, when it can be found out.
        holder: Option<String>,
    },
    /// Somebody listens on that Unix socket.
    #[error(
        "cannot listen on {}: the socket is in use{}. Stop that program, or choose another path (listen.unix)",
        path.display(),
        by(holder)
    )]
    SocketInUse {
        /// The path.
        path: PathBuf,
        /// Who listens, when it can be found out.
        holder: Option<String>,
    },
    /// Something else than a socket has that path.
    #[error(
        "cannot listen on {}: there is a file that is no socket, and it is left alone. Remove it, or choose another \
         path (listen.unix)",
        path.display()
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses that Unix socket.
    #[error("cannot listen on {}: {source}. {}", path.display(), remedy_at(source))]
    SocketRefused {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

fn by(holder: &Option<String>) -> String {
    holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"))
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => "This machine does not have the address (yet); see --host (listen.host)",
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need a privilege; choose another with --port (listen.port)"
        }
        _ => "See --host and --port (listen.host, listen.port)",
    }
}

fn remedy_at(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "Its directory must be there (RuntimeDirectory= of the unit makes one); see listen.unix"
        }
        io::ErrorKind::PermissionDenied => "The daemon's user needs write access to its directory; see listen.unix",
        _ => "See listen.unix",
    }
}

/// Binds everything that the settings name: the port first, then the Unix sockets.
pub(super) async fn bind_all(listen: &Listen) -> Result<Vec<Listener>, BindError> {
    let mut listeners = vec![Listener::Tcp(bind(listen).await?)];
    for path in &listen.unix {
        listeners.push(unix_socket::listen_at(path, listen.unix_mode).await?);
    }
    Ok(listeners)
}

/// Binds the addresses for TLS of the settings.
pub(super) fn bind_for_tls(tls: Option<&Tls>, acceptor: Option<&Acceptor>) -> Result<Vec<Listener>, BindError> {
    let Some((tls, acceptor)) = tls.zip(acceptor) else { return Ok(Vec::new()) };
    let bind = |address: &SocketAddr| {
        let address = *address;
        let bound = bind_address(address).map(|listener| Listener::Tls(listener, acceptor.clone()));
        bound.map_err(|source| {
            let in_use = source.kind() == io::ErrorKind::AddrInUse;
            let holder = if in_use { port_holder::find(address) } else { None };
            BindError::Tls { address, source, holder }
        })
    };
    tls.listen.iter().map(bind).collect()
}

/// Takes over what the service manager has bound for TLS.
pub(super) fn adopt_for_tls(sockets: Vec<Socket>, acceptor: Option<&Acceptor>) -> io::Result<Vec<Listener>> {
    let adopt = |(socket, acceptor): (Socket, &Acceptor)| match socket {
        Socket::Tcp(listener) => {
            TcpListener::from_std(listener).map(|listener| Listener::Tls(listener, acceptor.clone()))
        }
        Socket::Unix(_) => Err(io::Error::other("TLS needs a TCP socket")),
    };
    sockets.into_iter().filter_map(|socket| Some((socket, acceptor?))).map(adopt).collect()
}

/// Takes over what the service manager has bound.
pub(super) fn adopt(sockets: Vec<Socket>) -> io::Result<Vec<Listener>> {
    let adopt = |socket| match socket {
        Socket::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
        // Its file is the service manager's.
        Socket::Unix(listener) => UnixListener::from_std(listener).map(|listener| Listener::Unix(listener, None)),
    };
    sockets.into_iter().map(adopt).collect()
}

/// Binds the port of the settings.
pub(super) async fn bind(listen: &Listen) -> Result<TcpListener, BindError> {
    let address = resolve(listen).await?;
    bind_address(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, holder: port_holder::find(address) },
        _ => BindError::Refused { address, source },
    })
}

/// Listens there.
pub(super) fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // All IPv6 addresses are all addresses, whatever net.ipv6.bindv6only says.
        set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG.unsigned_abs())
}

async fn resolve(listen: &Listen) -> Result<SocketAddr, BindError> {
    match &listen.host {
        Host::Ipv4(ip) => Ok(SocketAddr::new(IpAddr::V4(*ip), listen.port)),
        Host::Ipv6(ip) => Ok(SocketAddr::new(IpAddr::V6(*ip), listen.port)),
        Host::Domain(name) => {
            let none = |reason: String| BindError::NoAddress { host: name.clone(), reason };
            let found = tokio::net::lookup_host((name.as_str(), listen.port)).await;
            found.map_err(|error| none(error.to_string()))?.next().ok_or_else(|| none("none was found".to_owned()))
        }
    }
}

/// The redirect URI of sign-ins: the listener as a browser on this machine reaches it. A listener on all
/// addresses is reached by the loopback one (RFC 8252 §7.3).
pub(super) fn redirect_uri(listen: &Listen, bound: Option<SocketAddr>) -> String {
    let port = bound.map_or(listen.port, |address| address.port());
    let host = match &listen.host {
        Host::Ipv4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Host::Ipv6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        host => host.to_string(),
    };
    format!("http://{host}:{port}/callback")
}

/// The address as a client on this machine reaches it.
pub fn from_here(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(host: &str) -> Listen {
        listen_on(host, 8088)
    }

    fn listen_on(host: &str, port: u16) -> Listen {
        Listen { host: Host::parse(host).unwrap(), port, unix: Vec::new(), unix_mode: 0o600 }
    }

    #[test]
    fn b6_the_redirect_uri_is_one_that_a_browser_can_reach() {
        for (host, uri) in [
            ("127.0.0.1", "http://127.0.0.1:8088/callback"),
            ("0.0.0.0", "http://127.0.0.1:8088/callback"),
            ("[::]", "http://[::1]:8088/callback"),
            ("[::1]", "http://[::1]:8088/callback"),
            ("172.17.0.1", "http://172.17.0.1:8088/callback"),
            ("localhost", "http://localhost:8088/callback"),
        ] {
            assert_eq!(redirect_uri(&listen(host), None), uri);
        }
    }

    #[tokio::test]
    async fn b8_a_port_in_use_is_named_with_who_holds_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&listen_on("127.0.0.1", port)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_with_a_remedy() {
        let error = bind(&listen_on("192.0.2.1", 0)).await.unwrap_err().to_string();
        assert!(error.contains("does not have the address"), "{error}");
    }
}
