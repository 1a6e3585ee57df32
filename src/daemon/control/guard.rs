//! What a browser may have been led to: a web page that names this socket's tunnel, or whose own name points there.
//!
//! No browser reaches a Unix socket, but it reaches a tunnel to one (`ssh -L 8089:/run/mcp-proxy/control.sock`). So a name
//! that DNS could lead here is refused (DNS rebinding), and so is every page but our own: it would act with the rights of
//! whoever made the tunnel.

use std::net::IpAddr;

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, Method};

use crate::daemon::control::ui;

/// By what browsers say of themselves where a request comes from (W3C Fetch Metadata §2.4).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Judges the head of a request.
///
/// # Errors
/// Why it is refused, in words.
pub(super) fn admit(head: &Parts) -> Result<(), &'static str> {
    let host = only(&head.headers, header::HOST).map_err(|()| "it names more than one Host")?;
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let is_page = ui::is_page(head.uri.path());
    match &host {
        Some(host) if is_loopback(host) => {}
        // Tools make up a name, for the socket has none; no public name is without a dot.
        None if !is_page => {}
        Some(host) if !is_page && !host.host().contains(['.', ':']) => {}
        _ => return Err("its Host is no name of this machine: use localhost or 127.0.0.1"),
    }
    let origin = only(&head.headers, header::ORIGIN).map_err(|()| "it names more than one Origin")?;
    let own = host.as_ref().filter(|host| is_loopback(host)).map(|host| format!("http://{host}"));
    match origin {
        Some(origin) if own.as_deref() != Some(origin) => return Err("it comes from another web page (Origin)"),
        None if is_page && head.method == Method::POST => return Err("it comes from no web page (Origin)"),
        _ => {}
    }
    let site = only(&head.headers, FETCH_SITE).map_err(|()| "it names more than one Sec-Fetch-Site")?;
    match site {
        Some("same-origin" | "none") | None => Ok(()),
        // A link that leads to the page is followed; it can do nothing.
        Some(_) if is_page && head.method == Method::GET => Ok(()),
        Some(_) => Err("it comes from another web page (Sec-Fetch-Site)"),
    }
}

/// The one value of a header, if it is there.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // What is no text is nobody's name.
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or("?"))),
        (Some(_), Some(_)) => Err(()),
    }
}

/// True for a name that leads to this machine wherever it is asked for (RFC 6761 §6.3), with any port.
fn is_loopback(host: &Authority) -> bool {
    if host.as_str().contains('@') {
        return false;
    }
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn judged(method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_lead_to_the_page() {
        for (host, page, other) in [
            ("localhost", true, true),
            ("localhost:8089", true, true),
            ("LocalHost.:8089", true, true),
            ("proxy.localhost:1", true, true),
            ("127.0.0.1:8089", true, true),
            ("127.9.9.9", true, true),
            ("[::1]:8089", true, true),
            ("[::ffff:127.0.0.1]:8089", true, true),
            ("mcp-proxy", false, true),
            ("evil.example:8089", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("user@localhost", false, true),
            ("192.0.2.1:8089", false, false),
            ("0.0.0.0:8089", false, false),
            ("[2001:db8::1]", false, false),
        ] {
            assert_eq!(judged("GET", "/ui", &[("host", host)]), page, "{host}");
            assert_eq!(judged("GET", "/status", &[("host", host)]), other, "{host}");
        }
        assert!(judged("GET", "/status", &[]) && !judged("GET", "/ui", &[]) && !judged("GET", "/", &[]));
        assert!(!judged("GET", "/status", &[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn no_other_web_page_does_anything_here() {
        let own = ("host", "localhost:8089");
        for (method, path, origin, expected) in [
            ("POST", "/ui/login", Some("http://localhost:8089"), true),
            ("POST", "/ui/login", None, false),
            ("POST", "/ui/login", Some("null"), false),
            ("POST", "/ui/login", Some("http://localhost:8090"), false),
            ("POST", "/ui/login", Some("https://localhost:8089"), false),
            ("POST", "/ui/login", Some("http://127.0.0.1:8089"), false),
            ("POST", "/logout", None, true),
            ("POST", "/logout", Some("http://evil.example"), false),
            ("POST", "/logout", Some("null"), false),
            ("GET", "/status", Some("http://evil.example"), false),
        ] {
            let mut headers = vec![own];
            headers.extend(origin.map(|origin| ("origin", origin)));
            assert_eq!(judged(method, path, &headers), expected, "{method} {path} {origin:?}");
        }
        // A page whose name was led here is of the same origin as its own requests.
        let rebound = [("host", "evil.example:8089"), ("origin", "http://evil.example:8089")];
        assert!(!judged("POST", "/logout", &rebound) && !judged("GET", "/status", &rebound));
        let made_up = [("host", "proxy"), ("origin", "http://proxy")];
        assert!(!judged("POST", "/logout", &made_up));
    }

    #[test]
    fn what_browsers_say_of_the_site_counts() {
        for (method, path, site, expected) in [
            ("GET", "/ui", "cross-site", true),
            ("GET", "/ui", "none", true),
            ("POST", "/ui/login", "same-origin", true),
            ("POST", "/ui/login", "same-site", false),
            ("POST", "/ui/login", "cross-site", false),
            ("GET", "/status", "cross-site", false),
            ("POST", "/logout", "cross-site", false),
        ] {
            let headers = [("host", "localhost"), ("origin", "http://localhost"), ("sec-fetch-site", site)];
            assert_eq!(judged(method, path, &headers), expected, "{method} {path} {site}");
        }
    }
}
