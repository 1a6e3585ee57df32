//! Through which proxy the environment sends a connection, for those who have to explain it. No password is in it.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// The variables that name proxies, as both clients read them; lower case goes first.
pub const VARIABLES: [&str; 8] =
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// As people write it, without user name and password.
    pub shown: String,
    /// Its host.
    pub host: String,
    /// Its port, or that of its scheme.
    pub port: u16,
}

/// The proxy on the way to `target`; `None` if the way is direct.
pub fn proxy_to(target: &Url) -> Option<Proxy> {
    through(&Matcher::from_env(), target)
}

fn through(proxies: &Matcher, target: &Url) -> Option<Proxy> {
    let target: Uri = target.as_str().parse().ok()?;
    let found = proxies.intercept(&target)?;
    let (uri, scheme) = (found.uri(), found.uri().scheme_str().unwrap_or("http"));
    let host = uri.host()?.to_owned();
    let port = uri.port_u16().unwrap_or(match scheme {
        "https" => 443,
        "socks5" | "socks5h" => 1080,
        _ => 80,
    });
    Some(Proxy { shown: format!("{scheme}://{host}:{port}"), host: bare(&host).to_owned(), port })
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The value of a variable without what may be a user name and a password.
pub fn without_password(value: &str) -> String {
    match value.rsplit_once('@') {
        None => value.to_owned(),
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{host}"),
            None => format!("***@{host}"),
        },
    }
}

/// True if the value names a proxy that can be used.
pub fn is_proxy(value: &str) -> bool {
    let with_scheme = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    Url::parse(&with_scheme)
        .is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let proxies = Matcher::builder().https("http://me:hunter2@proxy.example:3128").no("near.example").build();
        let far = Url::parse("https://gw.example/x").unwrap();
        let found = through(&proxies, &far).unwrap();
        assert_eq!(
            (found.shown.as_str(), found.host.as_str(), found.port),
            ("http://proxy.example:3128", "proxy.example", 3128)
        );
        assert_eq!(through(&proxies, &Url::parse("https://near.example/").unwrap()), None);
        assert_eq!(through(&Matcher::builder().build(), &far), None);
        for (value, shown) in [
            ("http://me:hunter2@proxy.example:3128", "http://***@proxy.example:3128"),
            ("me:hunter2@proxy.example", "***@proxy.example"),
            ("http://a:p@ss@proxy.example", "http://***@proxy.example"),
            ("proxy.example:3128", "proxy.example:3128"),
        ] {
            assert_eq!(without_password(value), shown);
        }
    }

    #[test]
    fn what_names_no_proxy_is_told() {
        for value in ["http://proxy.example:3128", "proxy.example", "socks5://127.0.0.1:1080"] {
            assert!(is_proxy(value), "{value}");
        }
        for value in ["http://", "ftp://x", "http://proxy.example:port", "http:// "] {
            assert!(!is_proxy(value), "{value}");
        }
    }
}
