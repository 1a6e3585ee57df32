//! The first look at a request: is it addressed to us, by somebody who may?
//!
//! `Host` is checked against the names of the listener, so that a foreign name that resolves to this machine
//! (DNS rebinding) does not work; `Origin` against the allowed origins, so that web pages cannot call us
//! (MCP 2025-11-25, Streamable HTTP, "Security Warning").

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};

/// Names by which a container reaches its host.
const HOST_OF_A_CONTAINER: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// The names and origins under which a listener may be addressed.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    bound: IpAddr,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// No `Host`, or more than one (RFC 9112 §3.2).
    BadHost,
    /// `Host` is not a name of this listener.
    ForeignHost(String),
    /// `Origin` is not allowed.
    ForeignOrigin(String),
    /// The request asks for a tunnel or for no resource.
    NotAResource,
}

/// What the first look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The web origin that asks, if a browser does and it may.
    pub(super) origin: Option<http::HeaderValue>,
}

impl Doors {
    pub(super) fn new(bound: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        Self { bound: bound.ip().to_canonical(), hosts: hosts.to_vec(), origins: origins.to_vec() }
    }

    /// Looks at the head of a request.
    ///
    /// # Errors
    /// Why it is not admitted.
    pub(super) fn admit(&self, head: &Parts) -> Result<Admitted, NotAdmitted> {
        if head.method == Method::CONNECT || !head.uri.path().starts_with('/') {
            return Err(NotAdmitted::NotAResource);
        }
        let host = host_of(head)?;
        if let Some(host) = &host
            && !self.is_ours(host)
        {
            return Err(NotAdmitted::ForeignHost(host.as_str().to_owned()));
        }
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        match origin {
            Some(origin) if more.is_some() || !self.is_allowed(origin, host.as_ref()) => {
                Err(NotAdmitted::ForeignOrigin(String::from_utf8_lossy(origin.as_bytes()).into_owned()))
            }
            origin => Ok(Admitted { origin: origin.cloned() }),
        }
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = name.parse::<IpAddr>() {
            let ip = ip.to_canonical();
            return ip == self.bound
                || self.bound.is_unspecified()
                || (ip.is_loopback() && self.bound.is_loopback())
                || self.hosts.iter().any(|host| host.parse() == Ok(ip));
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let local = name == "localhost" && (self.bound.is_loopback() || self.bound.is_unspecified());
        let container = HOST_OF_A_CONTAINER.contains(&name.as_str()) && !self.bound.is_loopback();
        local || container || self.hosts.contains(&name)
    }

    fn is_allowed(&self, origin: &http::HeaderValue, host: Option<&Authority>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let own = host.is_some_and(|host| origin.strip_prefix("http://") == Some(host.as_str()));
        own || self.origins.iter().any(|allowed| allowed == origin)
    }
}

/// Who the request is addressed to: the authority of the URI if it has one, else the one `Host` header.
fn host_of(head: &Parts) -> Result<Option<Authority>, NotAdmitted> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).map_err(|_| NotAdmitted::BadHost)?),
        (None, None) => None,
        _ => return Err(NotAdmitted::BadHost),
    };
    match (head.uri.authority(), header) {
        (Some(authority), _) => Ok(Some(authority.clone())),
        (None, Some(header)) => Ok(Some(header)),
        (None, None) if head.version <= Version::HTTP_10 => Ok(None),
        (None, None) => Err(NotAdmitted::BadHost),
    }
}

/// True if the headers ask whether a web page may call (CORS preflight).
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(bound: &str) -> Doors {
        Doors::new(
            bound.parse().unwrap(),
            &["mcp.internal".to_owned(), "10.1.1.1".to_owned()],
            &["https://app.example".to_owned()],
        )
    }

    fn admit(bound: &str, host: &str, origin: Option<&str>) -> Result<Admitted, NotAdmitted> {
        let mut request = http::Request::get("/x").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        doors(bound).admit(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn d2_only_names_of_the_listener_are_admitted() {
        for (bound, host) in [
            ("127.0.0.1:8088", "127.0.0.1:8088"),
            ("127.0.0.1:8088", "localhost:8088"),
            ("127.0.0.1:8088", "LOCALHOST"),
            ("127.0.0.1:8088", "[::1]:9"),
            ("127.0.0.1:8088", "mcp.internal"),
            ("127.0.0.1:8088", "10.1.1.1"),
            ("[::1]:8088", "[::1]:8088"),
            ("172.17.0.1:8088", "172.17.0.1:8088"),
            ("172.17.0.1:8088", "host.docker.internal:8088"),
            ("0.0.0.0:8088", "192.168.1.7:8088"),
            ("0.0.0.0:8088", "localhost:8088"),
        ] {
            assert!(admit(bound, host, None).is_ok(), "{bound} {host}");
        }
        for (bound, host) in [
            ("127.0.0.1:8088", "evil.example"),
            ("127.0.0.1:8088", "evil.example:8088"),
            ("127.0.0.1:8088", "172.17.0.1:8088"),
            ("127.0.0.1:8088", "127.0.0.1.evil.example"),
            ("127.0.0.1:8088", "host.docker.internal"),
            ("172.17.0.1:8088", "localhost"),
            ("0.0.0.0:8088", "evil.example"),
        ] {
            assert_eq!(admit(bound, host, None), Err(NotAdmitted::ForeignHost(host.into())), "{bound} {host}");
        }
    }

    #[test]
    fn d2_only_allowed_origins_are_admitted() {
        for origin in ["http://127.0.0.1:8088", "https://app.example"] {
            assert!(admit("127.0.0.1:8088", "127.0.0.1:8088", Some(origin)).is_ok(), "{origin}");
        }
        for origin in ["https://evil.example", "null", "", "http://127.0.0.1:9", "https://app.example.evil"] {
            let refused = Err(NotAdmitted::ForeignOrigin(origin.into()));
            assert_eq!(admit("127.0.0.1:8088", "127.0.0.1:8088", Some(origin)), refused, "{origin}");
        }
    }

    #[test]
    fn host_must_be_there_once() {
        let two = http::Request::get("/").header("host", "localhost").header("host", "localhost").body(()).unwrap();
        assert_eq!(doors("127.0.0.1:1").admit(&two.into_parts().0), Err(NotAdmitted::BadHost));
        let none = http::Request::get("/").body(()).unwrap();
        assert_eq!(doors("127.0.0.1:1").admit(&none.into_parts().0), Err(NotAdmitted::BadHost));
    }

    #[test]
    fn the_uri_counts_more_than_the_header() {
        let request = http::Request::get("http://evil.example/").header("host", "localhost").body(()).unwrap();
        let refused = Err(NotAdmitted::ForeignHost("evil.example".into()));
        assert_eq!(doors("127.0.0.1:1").admit(&request.into_parts().0), refused);
    }
}
