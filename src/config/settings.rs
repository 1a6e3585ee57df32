//! The high form: only legal values, in plain types. What is built from it never checks again.

use std::path::PathBuf;

use url::Host;

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::settings::TokenSource;
use crate::net::settings::Settings as NetSettings;
use crate::observe::log::Settings as LogSettings;
use crate::proxy::settings::{Settings as ProxySettings, UpstreamSettings};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen when systemd passes no socket.
    pub listen: Listen,
    /// Whether a login may open a browser.
    pub open_browser: bool,
    /// What is logged.
    pub log: LogSettings,
    /// Where logins are kept. Absolute; it need not exist yet.
    pub state_dir: PathBuf,
    /// Both HTTP clients.
    pub net: NetSettings,
    /// The data path.
    pub proxy: ProxySettings,
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

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// What the data path needs to know of it.
    pub proxy: UpstreamSettings,
    /// What supplies the credential.
    pub auth: Auth,
}

/// What supplies an upstream's credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A login at Alibaba Cloud, with the vendor's settings for this upstream.
    AlibabaOauth(Box<AlibabaSettings>),
    /// A source of tokens that needs no person.
    Source(TokenSource),
}
