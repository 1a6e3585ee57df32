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

    /// The OAuth client that the vendor runs itself, for tokens that API credentials are exchanged for.
    pub fn openapi_client_id(self) -> &'static str {
        match self {
            Self::Cn => "4071151845732613353",
            Self::Intl => "4195410055503316452",
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

/// The services that a daemon needs, by the name they have in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The sign-in page, opened in a browser.
    Signin,
    /// The token endpoint.
    Oauth,
    /// The API that manages OAuth applications.
    Ims,
    /// The API that gives tokens for API credentials, without a person.
    RamOauth,
    /// The MCP gateway: server list and data plane.
    Gateway,
    /// The service that gives temporary keys of a role.
    Sts,
    /// The metadata service of a virtual machine, which gives the keys of its role.
    Metadata,
}

impl Service {
    /// The name of the service in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signin => "signin",
            Self::Oauth => "oauth",
            Self::Ims => "ims",
            Self::RamOauth => "ramoauth",
            Self::Gateway => "gateway",
            Self::Sts => "sts",
            Self::Metadata => "metadata",
        }
    }

    fn built_in(self, site: Site) -> &'static str {
        match (self, site) {
            (Self::Signin, Site::Cn) => "https://signin.aliyun.com",
            (Self::Signin, Site::Intl) => "https://signin.alibabacloud.com",
            (Self::Oauth, Site::Cn) => "https://oauth.aliyun.com",
            (Self::Oauth, Site::Intl) => "https://oauth.alibabacloud.com",
            (Self::Ims, Site::Cn | Site::Intl) => "https://ims.aliyuncs.com",
            (Self::RamOauth, Site::Cn) => "https://ramoauth.aliyuncs.com",
            (Self::RamOauth, Site::Intl) => "https://ramoauth.alibabacloudcs.com",
            (Self::Gateway, site) => gateway_host(site, Network::Public),
            (Self::Sts, Site::Cn | Site::Intl) => "https://sts.aliyuncs.com",
            (Self::Metadata, Site::Cn | Site::Intl) => "http://100.100.100.200",
        }
    }
}

/// Through which of the vendor's networks MCP requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// The internet.
    #[default]
    Public,
    /// The vendor's own, from a machine in a VPC.
    Vpc,
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network: write public (the internet) or vpc (from a machine in a VPC of the site)")]
pub struct UnknownNetwork(pub String);

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        match text {
            "public" => Ok(Self::Public),
            "vpc" => Ok(Self::Vpc),
            other => Err(UnknownNetwork(other.to_owned())),
        }
    }
}

/// The host of a site's gateway in a network; a gateway serves the same paths in both.
fn gateway_host(site: Site, network: Network) -> &'static str {
    match (site, network) {
        (Site::Cn, Network::Public) => "openapi-mcp.cn-hangzhou.aliyuncs.com",
        (Site::Cn, Network::Vpc) => "openapi-mcp-cn.vpc-proxy.aliyuncs.com",
        (Site::Intl, Network::Public) => "openapi-mcp.ap-southeast-1.aliyuncs.com",
        (Site::Intl, Network::Vpc) => "openapi-mcp-intl.vpc-proxy.aliyuncs.com",
    }
}

/// Which gateway serves a URL; `None` if it is none of the vendor's. Over HTTPS on its own port only.
fn gateway_of(url: &Url) -> Option<(Site, Network)> {
    let host = url.host_str().filter(|_| url.scheme() == "https" && url.port().is_none())?;
    let all = [Site::Cn, Site::Intl].into_iter().flat_map(|site| [(site, Network::Public), (site, Network::Vpc)]);
    all.into_iter().find(|(site, network)| gateway_host(*site, *network) == host)
}

/// Where a URL of the server list leads, seen from the gateway in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To the gateway in use, though perhaps by its host in the other network: it serves the same path.
    Here,
    /// To the gateway of the other site, which knows neither this account nor its tokens.
    OtherSite(Site),
    /// To no gateway that is known.
    Elsewhere,
}

/// Endpoints that replace the built-in ones, as a person writes them; `https://` is assumed when no scheme is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    /// Instead of the sign-in page's origin.
    pub signin: Option<String>,
    /// Instead of the token endpoint's origin.
    pub oauth: Option<String>,
    /// Instead of the origin of the API for OAuth applications.
    pub ims: Option<String>,
    /// Instead of the origin of the API that gives tokens.
    pub ramoauth: Option<String>,
    /// Instead of the MCP gateway's origin.
    pub gateway: Option<String>,
    /// Instead of the origin of the service for temporary keys, whatever region a profile names.
    pub sts: Option<String>,
    /// Instead of the metadata service's origin.
    pub metadata: Option<String>,
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
    /// Whose they are.
    pub site: Site,
    /// The sign-in page.
    pub signin: Url,
    /// The token endpoint.
    pub oauth: Url,
    /// The API that manages OAuth applications.
    pub ims: Url,
    /// The API that gives tokens for API credentials.
    pub ramoauth: Url,
    /// The MCP gateway's control plane.
    pub gateway: Url,
    /// The service for temporary keys, if it is overridden; else a profile may name its region's.
    pub sts: Option<Url>,
    /// The metadata service of a virtual machine: plain HTTP.
    pub metadata: Url,
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
            parse_origin_of(service, text)
                .map_err(|problem| problems.push(EndpointError { service, text: text.to_owned(), problem }))
                .ok()
        };
        let signin = origin(Service::Signin, &overrides.signin);
        let oauth = origin(Service::Oauth, &overrides.oauth);
        let ims = origin(Service::Ims, &overrides.ims);
        let ramoauth = origin(Service::RamOauth, &overrides.ramoauth);
        let gateway = origin(Service::Gateway, &overrides.gateway);
        let sts = origin(Service::Sts, &overrides.sts).filter(|_| overrides.sts.is_some());
        let metadata = origin(Service::Metadata, &overrides.metadata);
        match (signin, oauth, ims, ramoauth, gateway, metadata) {
            (Some(signin), Some(oauth), Some(ims), Some(ramoauth), Some(gateway), Some(metadata))
                if problems.is_empty() =>
            {
                Ok(Self { site, signin, oauth, ims, ramoauth, gateway, sts, metadata })
            }
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

    /// Where MCP requests of this site go in a network, unless somebody says otherwise.
    pub fn data_plane(&self, network: Network) -> String {
        match network {
            Network::Public => self.gateway.to_string(),
            Network::Vpc => format!("https://{}", gateway_host(self.site, network)),
        }
    }

    /// Where the control plane is for traffic that goes to `data_plane`: the same host, but the public one for a host
    /// of the vendor's own network, which is documented for traffic alone.
    pub fn control_plane(data_plane: Url) -> Url {
        match gateway_of(&data_plane) {
            Some((site, Network::Vpc)) => {
                let mut public = data_plane.clone();
                // It fails for URLs without a host only, and this one has one.
                let _ = public.set_host(Some(gateway_host(site, Network::Public)));
                public
            }
            _ => data_plane,
        }
    }

    /// Where a URL of the server list leads.
    ///
    /// A gateway of somebody's own, which the list need not know of, counts as that of the site.
    pub fn leads(&self, url: &Url) -> Leads {
        let ours = gateway_of(&self.gateway).map_or(self.site, |(site, _)| site);
        match gateway_of(url) {
            _ if url.origin() == self.gateway.origin() => Leads::Here,
            Some((site, _)) if site == ours => Leads::Here,
            Some((site, _)) => Leads::OtherSite(site),
            None => Leads::Elsewhere,
        }
    }
}

fn at(origin: &Url, path: &str) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url
}

fn parse_origin_of(service: Service, text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        // The machine's own metadata service has no other form, and never leaves its host.
        Ok(url) if service == Service::Metadata && url.as_str() == "http://100.100.100.200/" => Ok(url),
        _ => parse_origin(text),
    }
}

/// Reads the origin of a service: `https`, or `http` on this machine; `https://` is assumed when no scheme is given.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub(crate) fn parse_origin(text: &str) -> Result<Url, String> {
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
        assert_eq!(cn.ramoauth.as_str(), "https://ramoauth.aliyuncs.com/");
        assert_eq!(intl.ramoauth.as_str(), "https://ramoauth.alibabacloudcs.com/");
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
    fn e5_a_gateway_is_known_by_its_hosts_and_no_host_is_taken_for_another() {
        const CN: &str = "https://openapi-mcp.cn-hangzhou.aliyuncs.com";
        const INTL: &str = "https://openapi-mcp.ap-southeast-1.aliyuncs.com";
        let (cn_vpc, intl_vpc) =
            ("https://openapi-mcp-cn.vpc-proxy.aliyuncs.com", "https://openapi-mcp-intl.vpc-proxy.aliyuncs.com");
        let of = |site, gateway: Option<&str>| {
            let overrides = EndpointOverrides { gateway: gateway.map(str::to_owned), ..EndpointOverrides::default() };
            Endpoints::resolve(site, &overrides).unwrap()
        };
        let (here, elsewhere) = (Leads::Here, Leads::Elsewhere);
        for (endpoints, expected) in [
            (of(Site::Cn, None), [here, here, Leads::OtherSite(Site::Intl), Leads::OtherSite(Site::Intl)]),
            (of(Site::Intl, None), [Leads::OtherSite(Site::Cn), Leads::OtherSite(Site::Cn), here, here]),
            // The host says more than the setting.
            (of(Site::Cn, Some(intl_vpc)), [Leads::OtherSite(Site::Cn), Leads::OtherSite(Site::Cn), here, here]),
            (of(Site::Intl, Some("mcp.example")), [Leads::OtherSite(Site::Cn), Leads::OtherSite(Site::Cn), here, here]),
        ] {
            for (host, expected) in [CN, cn_vpc, INTL, intl_vpc].into_iter().zip(expected) {
                let url = Url::parse(&format!("{host}/id/x/mcp")).unwrap();
                assert_eq!(endpoints.leads(&url), expected, "{url} from {}", endpoints.gateway);
            }
        }
        let own = of(Site::Cn, Some("http://127.0.0.1:4001"));
        for (url, expected) in [
            ("http://127.0.0.1:4001/id/x/mcp", here),
            ("http://127.0.0.1:4002/id/x/mcp", elsewhere),
            ("http://openapi-mcp.cn-hangzhou.aliyuncs.com/id/x/mcp", elsewhere),
            ("https://openapi-mcp.cn-hangzhou.aliyuncs.com:8443/id/x/mcp", elsewhere),
            ("https://openapi-mcp.cn-hangzhou.aliyuncs.com.evil.example/id/x/mcp", elsewhere),
            ("https://evil.example/openapi-mcp.cn-hangzhou.aliyuncs.com/id/x/mcp", elsewhere),
            ("https://openapi-mcp.cn-hangzhou.aliyuncs.com@evil.example/id/x/mcp", elsewhere),
            ("data:text/plain,x", elsewhere),
        ] {
            assert_eq!(own.leads(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn traffic_may_go_through_the_vendors_network_and_the_control_plane_stays_public() {
        for (site, vpc, public) in [
            (Site::Cn, "https://openapi-mcp-cn.vpc-proxy.aliyuncs.com", "openapi-mcp.cn-hangzhou.aliyuncs.com"),
            (Site::Intl, "https://openapi-mcp-intl.vpc-proxy.aliyuncs.com", "openapi-mcp.ap-southeast-1.aliyuncs.com"),
        ] {
            let endpoints = Endpoints::resolve(site, &EndpointOverrides::default()).unwrap();
            assert_eq!(endpoints.data_plane(Network::Vpc), vpc);
            assert_eq!(endpoints.data_plane(Network::Public), format!("https://{public}/"));
            assert_eq!(Endpoints::control_plane(Url::parse(vpc).unwrap()), endpoints.gateway);
            assert_eq!(Endpoints::control_plane(endpoints.gateway.clone()), endpoints.gateway);
        }
        let own = Url::parse("https://mcp.example:8443").unwrap();
        assert_eq!(Endpoints::control_plane(own.clone()), own);
        assert_eq!(("public".parse(), "vpc".parse()), (Ok(Network::Public), Ok(Network::Vpc)));
        assert!("VPC".parse::<Network>().unwrap_err().to_string().contains("public (the internet) or vpc"));
    }
}
