//! The listening socket, bound by ourselves, and the redirect URI that leads to it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;
use url::Host;

use crate::config::settings::Listen;
use crate::daemon::port_holder;

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

/// Binds the address of the settings.
pub(super) async fn bind(listen: &Listen) -> Result<TcpListener, BindError> {
    let address = resolve(listen).await?;
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, holder: port_holder::find(address) },
        _ => BindError::Refused { address, source },
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(host: &str) -> Listen {
        Listen { host: Host::parse(host).unwrap(), port: 8088 }
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
        let error = bind(&Listen { host: Host::parse("127.0.0.1").unwrap(), port }).await.unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_with_a_remedy() {
        let error = bind(&Listen { host: Host::parse("192.0.2.1").unwrap(), port: 0 }).await.unwrap_err().to_string();
        assert!(error.contains("does not have the address"), "{error}");
    }
}
