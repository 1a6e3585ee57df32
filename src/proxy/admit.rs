//! The first look at a request: is it addressed to us, by somebody who may?
//!
//! `Host` is checked against the names of the listener, so that a foreign name that resolves to this machine
//! (DNS rebinding) does not work; `Origin` against the allowed origins, so that web pages cannot call us
//! (MCP 2025-11-25, Streamable HTTP, "Security Warning"). DNS leads to no Unix socket, so there any `Host` will do; no
//! browser reaches one either, so an `Origin` there came through something else and must be an allowed one.

use std::net::IpAddr;

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};

use crate::observe::kinds::{Entry, RuleKind};

/// Names by which a container reaches its host.
const HOST_OF_A_CONTAINER: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// The listener that a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    /// A TCP socket that is bound to this address.
    Tcp(IpAddr),
    /// A TCP socket that is bound to this address, with TLS on it.
    Tls(IpAddr),
    /// A Unix socket.
    Unix,
}

impl Entrance {
    /// The word for it, by which connections are counted.
    pub(super) fn kind(self) -> Entry {
        match self {
            Self::Tcp(_) => Entry::Tcp,
            Self::Tls(_) => Entry::Tls,
            Self::Unix => Entry::Unix,
        }
    }

    /// The address that it is bound to.
    pub(super) fn bound(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(bound) | Self::Tls(bound) => Some(bound),
            Self::Unix => None,
        }
    }

    /// What the address of a page begins with that we serve there ourselves.
    fn scheme(self) -> &'static str {
        match self {
            Self::Tls(_) => "https://",
            Self::Tcp(_) | Self::Unix => "http://",
        }
    }
}

/// The names and origins that are allowed beside a listener's own.
#[derive(Debug, Clone)]
pub(super) struct Doors {
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
    /// The body has a transfer coding that is not plain `chunked`: it would have to be undone, or said to the upstream,
    /// which might read the length of the body in another way (RFC 9112 §6.1).
    TransferCoding,
    /// The request asks for a tunnel or for no resource.
    NotAResource,
    /// The request asks for itself as the answer, which would hold the token that we add (RFC 9110 §9.3.8).
    Trace,
}

impl NotAdmitted {
    /// The rule, as the audit trail names it.
    pub(super) fn rule(&self) -> &'static str {
        match self {
            Self::BadHost => "exactly one Host",
            Self::ForeignHost(_) => "listen.allowed_hosts",
            Self::ForeignOrigin(_) => "listen.allowed_origins",
            Self::TransferCoding => "no transfer codings",
            Self::NotAResource => "no tunnels",
            Self::Trace => "no TRACE",
        }
    }

    /// What kind of rule it is.
    pub(super) fn kind(&self) -> RuleKind {
        match self {
            Self::ForeignHost(_) => RuleKind::Host,
            Self::ForeignOrigin(_) => RuleKind::Origin,
            Self::BadHost | Self::TransferCoding | Self::NotAResource | Self::Trace => RuleKind::Form,
        }
    }
}

/// What the first look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The web origin that asks, if a browser does and it may.
    pub(super) origin: Option<http::HeaderValue>,
}

impl Doors {
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        Self { hosts: hosts.to_vec(), origins: origins.to_vec() }
    }

    /// Looks at the head of a request.
    ///
    /// # Errors
    /// Why it is not admitted.
    pub(super) fn admit(&self, entrance: Entrance, head: &Parts) -> Result<Admitted, NotAdmitted> {
        if head.method == Method::CONNECT || !head.uri.path().starts_with('/') {
            return Err(NotAdmitted::NotAResource);
        }
        if head.method == Method::TRACE {
            return Err(NotAdmitted::Trace);
        }
        if !is_plainly_coded(&head.headers) {
            return Err(NotAdmitted::TransferCoding);
        }
        let host = host_of(head)?;
        if let Some(host) = &host {
            let name = name_of(host).ok_or(NotAdmitted::BadHost)?;
            if entrance.bound().is_some_and(|bound| !self.is_ours(bound, name)) {
                return Err(NotAdmitted::ForeignHost(host.as_str().to_owned()));
            }
        }
        let host = host.filter(|_| entrance != Entrance::Unix);
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        match origin {
            Some(origin) if more.is_some() || !self.is_allowed(origin, entrance, host.as_ref()) => {
                Err(NotAdmitted::ForeignOrigin(String::from_utf8_lossy(origin.as_bytes()).into_owned()))
            }
            origin => Ok(Admitted { origin: origin.cloned() }),
        }
    }

    fn is_ours(&self, bound: IpAddr, name: &str) -> bool {
        let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if let Ok(ip) = name.parse::<IpAddr>() {
            let ip = ip.to_canonical();
            return ip == bound
                || bound.is_unspecified()
                || (ip.is_loopback() && bound.is_loopback())
                || self.hosts.iter().any(|host| host.parse() == Ok(ip));
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let local = name == "localhost" && (bound.is_loopback() || bound.is_unspecified());
        let container = HOST_OF_A_CONTAINER.contains(&name.as_str()) && !bound.is_loopback();
        local || container || self.hosts.contains(&name)
    }

    fn is_allowed(&self, origin: &http::HeaderValue, entrance: Entrance, host: Option<&Authority>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let own = host.is_some_and(|host| origin.strip_prefix(entrance.scheme()) == Some(host.as_str()));
        own || self.origins.iter().any(|allowed| allowed == origin)
    }
}

/// True if the body has no transfer coding, or is `chunked` and nothing else.
fn is_plainly_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let plain = codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    plain && codings.next().is_none()
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

/// The name in a host that has perhaps a port, and nothing else (RFC 9110 §4.2.4, §7.2): what stands before or behind
/// them may be the name for somebody else.
fn name_of(authority: &Authority) -> Option<&str> {
    let name = authority.host();
    let rest = authority.as_str().strip_prefix(name)?;
    let port = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
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

    fn doors() -> Doors {
        Doors::new(&["mcp.internal".to_owned(), "10.1.1.1".to_owned()], &["https://app.example".to_owned()])
    }

    fn loopback() -> Entrance {
        Entrance::Tcp(IpAddr::from([127, 0, 0, 1]))
    }

    fn admit(bound: &str, host: &str, origin: Option<&str>) -> Result<Admitted, NotAdmitted> {
        admit_by(Entrance::Tcp(bound.parse().unwrap()), host, origin)
    }

    fn admit_by(entrance: Entrance, host: &str, origin: Option<&str>) -> Result<Admitted, NotAdmitted> {
        let mut request = http::Request::get("/x").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        doors().admit(entrance, &request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn d2_only_names_of_the_listener_are_admitted() {
        for (bound, host) in [
            ("127.0.0.1", "127.0.0.1:8088"),
            ("127.0.0.1", "localhost:8088"),
            ("127.0.0.1", "LOCALHOST"),
            ("127.0.0.1", "[::1]:9"),
            ("127.0.0.1", "mcp.internal"),
            ("127.0.0.1", "10.1.1.1"),
            ("::1", "[::1]:8088"),
            ("172.17.0.1", "172.17.0.1:8088"),
            ("172.17.0.1", "host.docker.internal:8088"),
            ("0.0.0.0", "192.168.1.7:8088"),
            ("0.0.0.0", "localhost:8088"),
        ] {
            assert!(admit(bound, host, None).is_ok(), "{bound} {host}");
        }
        for (bound, host) in [
            ("127.0.0.1", "evil.example"),
            ("127.0.0.1", "evil.example:8088"),
            ("127.0.0.1", "172.17.0.1:8088"),
            ("127.0.0.1", "127.0.0.1.evil.example"),
            ("127.0.0.1", "host.docker.internal"),
            ("172.17.0.1", "localhost"),
            ("0.0.0.0", "evil.example"),
        ] {
            assert_eq!(admit(bound, host, None), Err(NotAdmitted::ForeignHost(host.into())), "{bound} {host}");
        }
    }

    #[test]
    fn d2_only_allowed_origins_are_admitted() {
        for origin in ["http://127.0.0.1:8088", "https://app.example"] {
            assert!(admit("127.0.0.1", "127.0.0.1:8088", Some(origin)).is_ok(), "{origin}");
        }
        for origin in ["https://evil.example", "null", "", "http://127.0.0.1:9", "https://app.example.evil"] {
            let refused = Err(NotAdmitted::ForeignOrigin(origin.into()));
            assert_eq!(admit("127.0.0.1", "127.0.0.1:8088", Some(origin)), refused, "{origin}");
        }
    }

    #[test]
    fn d2_over_tls_the_same_holds_and_our_own_pages_are_those_with_tls() {
        let tls = Entrance::Tls(IpAddr::from([127, 0, 0, 1]));
        for origin in [None, Some("https://localhost:8443"), Some("https://app.example")] {
            assert!(admit_by(tls, "localhost:8443", origin).is_ok(), "{origin:?}");
        }
        for origin in ["http://localhost:8443", "https://localhost", "https://evil.example", "null"] {
            let refused = Err(NotAdmitted::ForeignOrigin(origin.into()));
            assert_eq!(admit_by(tls, "localhost:8443", Some(origin)), refused, "{origin}");
        }
        let refused = Err(NotAdmitted::ForeignHost("evil.example".into()));
        assert_eq!(admit_by(tls, "evil.example", None), refused);
        let refused = Err(NotAdmitted::ForeignOrigin("https://localhost:8088".into()));
        assert_eq!(admit("127.0.0.1", "localhost:8088", Some("https://localhost:8088")), refused);
    }

    #[test]
    fn a_unix_socket_is_reached_under_any_name_but_by_no_web_page() {
        assert!(admit_by(Entrance::Unix, "evil.example", None).is_ok());
        assert!(admit_by(Entrance::Unix, "x", Some("https://app.example")).is_ok());
        let refused = Err(NotAdmitted::ForeignOrigin("http://evil.example".into()));
        assert_eq!(admit_by(Entrance::Unix, "evil.example", Some("http://evil.example")), refused);
    }

    #[test]
    fn d2_host_is_a_name_and_a_port_and_nothing_else() {
        for host in ["evil.example@localhost:8088", "localhost:80.evil.example", "localhost:8088:80", "a@[::1]"] {
            assert_eq!(admit("127.0.0.1", host, None), Err(NotAdmitted::BadHost), "{host}");
        }
        assert!(admit("127.0.0.1", "localhost:", None).is_ok(), "an empty port is that of the scheme");
        let request = http::Request::get("http://user@localhost/").body(()).unwrap();
        assert_eq!(doors().admit(loopback(), &request.into_parts().0), Err(NotAdmitted::BadHost));
    }

    #[test]
    fn a_transfer_coding_is_chunked_alone() {
        let admitted = |codings: &[&str]| {
            let mut request = http::Request::post("/x").header("host", "localhost");
            for coding in codings {
                request = request.header("transfer-encoding", *coding);
            }
            doors().admit(loopback(), &request.body(()).unwrap().into_parts().0)
        };
        assert!(admitted(&[]).is_ok() && admitted(&["Chunked"]).is_ok());
        for codings in [&["gzip, chunked"][..], &["identity"], &["chunked", "chunked"], &[""]] {
            assert_eq!(admitted(codings), Err(NotAdmitted::TransferCoding), "{codings:?}");
        }
    }

    #[test]
    fn host_must_be_there_once() {
        let two = http::Request::get("/").header("host", "localhost").header("host", "localhost").body(()).unwrap();
        assert_eq!(doors().admit(loopback(), &two.into_parts().0), Err(NotAdmitted::BadHost));
        let none = http::Request::get("/").body(()).unwrap();
        assert_eq!(doors().admit(loopback(), &none.into_parts().0), Err(NotAdmitted::BadHost));
    }

    #[test]
    fn the_uri_counts_more_than_the_header() {
        let request = http::Request::get("http://evil.example/").header("host", "localhost").body(()).unwrap();
        let refused = Err(NotAdmitted::ForeignHost("evil.example".into()));
        assert_eq!(doors().admit(loopback(), &request.into_parts().0), refused);
    }
}
