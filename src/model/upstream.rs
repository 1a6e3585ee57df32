//! An upstream: the remote service behind one mount path, and its name.

use std::fmt;

use http::uri::Authority;
use url::Url;

/// The name of an upstream: 1 to 32 lower-case letters, digits and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName(String);

impl UpstreamName {
    /// Reads a name; `None` if it is not a legal one.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        (starts && text.len() <= 32 && text.chars().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scheme and authority of an upstream. Requests keep their own path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    url: Url,
    authority: Authority,
}

impl Origin {
    /// Reads an upstream URL as a person writes it; `https://` is assumed when no scheme is given.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&with_scheme).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("{text:?} has the scheme {:?}; only https and http are possible", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL carries a user name or password; put credentials elsewhere".to_owned());
        }
        let host = url.host_str().ok_or_else(|| format!("{text:?} names no host"))?;
        let text_authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let authority = text_authority.parse().map_err(|error| format!("{text:?} has a bad host: {error}"))?;
        Ok(Self { url, authority })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> http::uri::Scheme {
        if self.url.scheme() == "https" { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP }
    }

    /// Host, and port if it is not the scheme's own.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// True if the credential would cross a network in the clear: plain HTTP to another machine.
    pub fn is_cleartext_to_another_machine(&self) -> bool {
        if self.url.scheme() == "https" {
            return false;
        }
        match self.url.host() {
            Some(url::Host::Ipv4(ip)) => !ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => !ip.is_loopback(),
            Some(url::Host::Domain(name)) => name != "localhost",
            None => true,
        }
    }

    /// True if `other` has the same scheme, host and port.
    pub fn is_same_origin(&self, other: &Url) -> bool {
        self.url.origin() == other.origin()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_assumed_and_paths_are_dropped() {
        let origin = Origin::parse("gw.example:8443/ignored?x=1").unwrap();
        assert_eq!(origin.to_string(), "https://gw.example:8443");
        assert_eq!(Origin::parse("https://gw.example:443").unwrap().authority().as_str(), "gw.example");
    }

    #[test]
    fn what_cannot_be_an_upstream_is_named() {
        for (text, says) in [
            ("ftp://x", "scheme"),
            ("https://a:b@x", "user name"),
            ("https://", "not a URL"),
            ("ht tp://x", "not a URL"),
        ] {
            assert!(Origin::parse(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn cleartext_is_for_this_machine_only() {
        assert!(Origin::parse("http://10.0.0.1").unwrap().is_cleartext_to_another_machine());
        for local in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://gw.example"] {
            assert!(!Origin::parse(local).unwrap().is_cleartext_to_another_machine(), "{local}");
        }
    }

    #[test]
    fn names() {
        assert!(UpstreamName::parse("alibaba").is_some());
        for bad in ["", "-a", "A", "a b", "a/b", &"a".repeat(33)] {
            assert!(UpstreamName::parse(bad).is_none(), "{bad}");
        }
    }
}
