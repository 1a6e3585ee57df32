//! The high form: only legal values, in plain types. What is built from it never checks again.

use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::model::upstream::{Origin, UpstreamName};
use crate::net::settings::Settings as NetSettings;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen when systemd passes no socket.
    pub listen: Listen,
    /// Whether a login may open a browser.
    pub open_browser: bool,
    /// What is logged: levels, or `target=level`, separated by commas.
    pub log_filter: String,
    /// Where logins are kept. Absolute; it need not exist yet.
    pub state_dir: PathBuf,
    /// Both HTTP clients.
    pub net: NetSettings,
    /// How long an upstream may take to begin its answer; `None`: for ever.
    pub first_byte_timeout: Option<Duration>,
    /// What clients may take.
    pub limits: Limits,
    /// The vendor's part.
    pub alibaba: Alibaba,
    /// At least one; names and mounts are unique; in the order of their names.
    pub upstreams: Vec<Upstream>,
}

/// The listening address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An address, or a name yet to be resolved.
    pub host: Host,
    /// The TCP port; 0 takes any free one.
    pub port: u16,
}

/// What clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body that is kept for a second attempt, in bytes; 0: no second attempt.
    pub replay_body: usize,
    /// How long the head of a request may take. More than zero.
    pub header_timeout: Duration,
    /// How many client connections may be open at once. At least 1.
    pub max_connections: usize,
    /// How long open requests may take to finish at the end; zero: no wait.
    pub drain_timeout: Duration,
}

/// Settings of the Alibaba Cloud adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alibaba {
    /// The site.
    pub region: Region,
    /// An existing OAuth application; `None`: the usual one, created if missing.
    pub oauth_app_name: Option<String>,
    /// The OAuth scope. Not empty, no blanks.
    pub scope: String,
    /// The aliyun CLI profile; `None`: as the aliyun CLI picks it.
    pub profile: Option<String>,
    /// The aliyun CLI's configuration file, absolute; `None` when it is not set and there is no home directory.
    pub aliyun_config_file: Option<PathBuf>,
    /// Where the cloud is.
    pub endpoints: Endpoints,
}

/// A site of Alibaba Cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// China.
    Cn,
    /// International.
    Intl,
}

/// Addresses of the cloud's own services; `None`: by region. Scheme and host only, never cleartext to another machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where the browser signs in.
    pub signin: Option<Url>,
    /// The token endpoint's host.
    pub oauth: Option<Url>,
    /// Where OAuth applications are managed.
    pub ims: Option<Url>,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// The path under which clients reach it: `/`, or whole segments without a slash at the end.
    pub mount: String,
    /// Where requests go; `None`: the vendor's gateway by region.
    pub origin: Option<Origin>,
    /// What supplies the credential.
    pub auth: Auth,
    /// The only MCP servers that may be reached (names, ids, path prefixes); empty: all.
    pub allowed_servers: Vec<String>,
    /// MCP servers that may not be reached, even if allowed.
    pub blocked_servers: Vec<String>,
}

/// What supplies an upstream's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// A login at Alibaba Cloud.
    AlibabaOauth,
}
