//! The two sites of the vendor, and the hosts that serve each.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Which of the vendor's two separate clouds an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Site {
    /// The Chinese site, aliyun.com.
    #[default]
    Cn,
    /// The international site, alibabacloud.com.
    Intl,
}

/// A text that names no site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a site: write CN (accounts of aliyun.com) or INTL (accounts of alibabacloud.com)")]
pub struct UnknownSite(pub String);

impl Site {
    /// The site as it is written in settings and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cn => "CN",
            Self::Intl => "INTL",
        }
    }

    /// Where a person finds the site's RAM console.
    pub fn ram_console(self) -> &'static str {
        match self {
            Self::Cn => "https://ram.console.aliyun.com",
            Self::Intl => "https://ram.console.alibabacloud.com",
        }
    }
}

impl FromStr for Site {
    type Err = UnknownSite;

    fn from_str(text: &str) -> Result<Self, UnknownSite> {
        match text {
            "CN" => Ok(Self::Cn),
            "INTL" => Ok(Self::Intl),
            other => Err(UnknownSite(other.to_owned())),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The four services that a daemon needs, by the name they have in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The sign-in page, opened in a browser.
    Signin,
    /// The token endpoint.
    Oauth,
    /// The API that manages OAuth applications.
    Ims,
    /// The MCP gateway: server list and data plane.
    Gateway,
}

impl Service {
    /// The name of the service in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signin => "signin",
            Self::Oauth => "oauth",
            Self::Ims => "ims",
            Self::Gateway => "gateway",
        }
    }

    fn built_in(self, site: Site) -> &'static str {
        match (self, site) {
            (Self::Signin, Site::Cn) => "https://signin.aliyun.com",
            (Self::Signin, Site::Intl) => "https://signin.alibabacloud.com",
            (Self::Oauth, Site::Cn) => "https://oauth.aliyun.com",
            (Self::Oauth, Site::Intl) => "https://oauth.alibabacloud.com",
            (Self::Ims, Site::Cn | Site::Intl) => "https://ims.aliyuncs.com",
            (Self::Gateway, Site::Cn) => "https://openapi-mcp.cn-hangzhou.aliyuncs.com",
            (Self::Gateway, Site::Intl) => "https://openapi-mcp.ap-southeast-1.aliyuncs.com",
        }
    }
}

/// The gateway's hosts on the public network and inside the vendor's own; each serves the same paths.
const GATEWAY_HOSTS: [&str; 4] = [
    "openapi-mcp.cn-hangzhou.aliyuncs.com",
    "openapi-mcp.ap-southeast-1.aliyuncs.com",
    "openapi-mcp-cn.vpc-proxy.aliyuncs.com",
    "openapi-mcp-intl.vpc-proxy.aliyuncs.com",
];

/// Endpoints that replace the built-in ones, as a person writes them; `https://` is assumed when no scheme is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    /// Instead of the sign-in page's origin.
    pub signin: Option<String>,
    /// Instead of the token endpoint's origin.
    pub oauth: Option<String>,
    /// Instead of the origin of the API for OAuth applications.
    pub ims: Option<String>,
    /// Instead of the MCP gateway's origin.
    pub gateway: Option<String>,
}

/// An override that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {} endpoint {text:?} cannot be used: {problem}", service.as_str())]
pub struct EndpointError {
    /// Which endpoint.
    pub service: Service,
    /// What was written.
    pub text: String,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

/// Origins of the services; each is scheme, host and port with the path `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The sign-in page.
    pub signin: Url,
    /// The token endpoint.
    pub oauth: Url,
    /// The API that manages OAuth applications.
    pub ims: Url,
    /// The MCP gateway.
    pub gateway: Url,
}

impl Endpoints {
    /// The site's own endpoints, each replaced by its override if there is one.
    ///
    /// # Errors
    /// Every override that is not the origin of an HTTPS service, or of an HTTP service on this machine.
    pub fn resolve(site: Site, overrides: &EndpointOverrides) -> Result<Self, Vec<EndpointError>> {
        let mut problems = Vec::new();
        let mut origin = |service: Service, text: &Option<String>| {
            let text = text.as_deref().unwrap_or(service.built_in(site));
            parse_origin(text)
                .map_err(|problem| problems.push(EndpointError { service, text: text.to_owned(), problem }))
                .ok()
        };
        let signin = origin(Service::Signin, &overrides.signin);
        let oauth = origin(Service::Oauth, &overrides.oauth);
        let ims = origin(Service::Ims, &overrides.ims);
        let gateway = origin(Service::Gateway, &overrides.gateway);
        match (signin, oauth, ims, gateway) {
            (Some(signin), Some(oauth), Some(ims), Some(gateway)) => Ok(Self { signin, oauth, ims, gateway }),
            _ => Err(problems),
        }
    }

    /// The page that begins an authorization (protocol: `GET /oauth2/v1/auth`).
    pub fn authorization_page(&self) -> Url {
        at(&self.signin, "/oauth2/v1/auth")
    }

    /// Where codes and refresh tokens are exchanged (`POST /v1/token`).
    pub fn token(&self) -> Url {
        at(&self.oauth, "/v1/token")
    }

    /// Where a refresh token is revoked (`POST /v1/revoke`).
    pub fn revocation(&self) -> Url {
        at(&self.oauth, "/v1/revoke")
    }

    /// True if `url` is on the gateway: on the endpoint in use, or on a public host that serves the same paths.
    pub fn is_gateway(&self, url: &Url) -> bool {
        let known = |host: &str| GATEWAY_HOSTS.contains(&host) && url.scheme() == "https" && url.port().is_none();
        url.origin() == self.gateway.origin() || url.host_str().is_some_and(known)
    }
}

fn at(origin: &Url, path: &str) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url
}

fn parse_origin(text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| format!("{error}. Write https://HOST[:PORT]"))?;
    let this_machine = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err("it names no host. Write https://HOST[:PORT]".to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if this_machine => {}
        "http" => return Err("credentials would cross the network unencrypted. Write https://".to_owned()),
        other => return Err(format!("the scheme {other:?} is unknown. Write https://HOST[:PORT]")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries a user name or password. Leave them out".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it has a path or a query. Write only https://HOST[:PORT]".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_written_in_one_way() {
        assert_eq!("CN".parse(), Ok(Site::Cn));
        assert_eq!("INTL".parse(), Ok(Site::Intl));
        for bad in ["cn", "intl", "US", "", "CN "] {
            let says = bad.parse::<Site>().unwrap_err().to_string();
            assert!(says.contains("CN (") && says.contains("INTL ("), "{says}");
        }
    }

    #[test]
    fn every_site_has_its_hosts() {
        let cn = Endpoints::resolve(Site::Cn, &EndpointOverrides::default()).unwrap();
        assert_eq!(cn.authorization_page().as_str(), "https://signin.aliyun.com/oauth2/v1/auth");
        assert_eq!(cn.token().as_str(), "https://oauth.aliyun.com/v1/token");
        assert_eq!(cn.revocation().as_str(), "https://oauth.aliyun.com/v1/revoke");
        assert_eq!(cn.ims.as_str(), "https://ims.aliyuncs.com/");
        assert_eq!(cn.gateway.as_str(), "https://openapi-mcp.cn-hangzhou.aliyuncs.com/");
        let intl = Endpoints::resolve(Site::Intl, &EndpointOverrides::default()).unwrap();
        assert_eq!(intl.signin.as_str(), "https://signin.alibabacloud.com/");
        assert_eq!(intl.token().as_str(), "https://oauth.alibabacloud.com/v1/token");
        assert_eq!(intl.ims, cn.ims);
        assert_eq!(intl.gateway.as_str(), "https://openapi-mcp.ap-southeast-1.aliyuncs.com/");
    }

    #[test]
    fn overrides_replace_single_endpoints() {
        let overrides = EndpointOverrides {
            ims: Some("http://127.0.0.1:4001".to_owned()),
            gateway: Some("mcp.example:8443".to_owned()),
            ..EndpointOverrides::default()
        };
        let endpoints = Endpoints::resolve(Site::Cn, &overrides).unwrap();
        assert_eq!(endpoints.ims.as_str(), "http://127.0.0.1:4001/");
        assert_eq!(endpoints.gateway.as_str(), "https://mcp.example:8443/");
        assert_eq!(endpoints.signin.as_str(), "https://signin.aliyun.com/");
    }

    #[test]
    fn bad_overrides_are_all_reported_and_say_why() {
        for (text, says) in [
            ("http://10.0.0.1", "unencrypted"),
            ("http://localhost.example", "unencrypted"),
            ("ftp://x", "scheme"),
            ("https://a:b@x", "password"),
            ("https://x/path", "path"),
            ("https://x?y", "query"),
            ("https://", "empty host"),
        ] {
            let problem = parse_origin(text).unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        }
        for good in ["http://localhost:1", "http://[::1]:1", "http://127.0.0.2", "x"] {
            assert!(parse_origin(good).is_ok(), "{good}");
        }
        let bad = || Some("ftp://x".to_owned());
        let overrides = EndpointOverrides { signin: bad(), ims: bad(), ..EndpointOverrides::default() };
        let problems = Endpoints::resolve(Site::Cn, &overrides).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.service).collect::<Vec<_>>(), [Service::Signin, Service::Ims]);
        assert!(problems[0].to_string().starts_with("the signin endpoint \"ftp://x\""), "{}", problems[0]);
    }

    #[test]
    fn the_gateway_is_known_by_all_its_hosts() {
        let overrides =
            EndpointOverrides { gateway: Some("http://127.0.0.1:4001".to_owned()), ..EndpointOverrides::default() };
        let endpoints = Endpoints::resolve(Site::Cn, &overrides).unwrap();
        for (url, expected) in [
            ("http://127.0.0.1:4001/id/x/mcp", true),
            ("http://127.0.0.1:4002/id/x/mcp", false),
            ("https://openapi-mcp.cn-hangzhou.aliyuncs.com/id/x/mcp", true),
            ("https://openapi-mcp-intl.vpc-proxy.aliyuncs.com/id/x/mcp", true),
            ("http://openapi-mcp.cn-hangzhou.aliyuncs.com/id/x/mcp", false),
            ("https://openapi-mcp.cn-hangzhou.aliyuncs.com.evil.example/id/x/mcp", false),
        ] {
            assert_eq!(endpoints.is_gateway(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
