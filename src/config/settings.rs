//! The high form: only legal values, in plain types. What is built from it never checks again.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use crate::alibaba::settings::{AccessTokenSettings, Settings as AlibabaSettings};
use crate::auth::settings::TokenSource;
use crate::net::settings::{Settings as NetSettings, TlsSettings};
use crate::observe::log::Settings as LogSettings;
use crate::proxy::settings::{Settings as ProxySettings, UpstreamSettings};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen when systemd passes no socket.
    pub listen: Listen,
    /// Where and how to listen for clients that begin with TLS; `None`: nowhere.
    pub tls: Option<Tls>,
    /// Where status, login and logout are asked for.
    pub control: Control,
    /// Whether a login may open a browser.
    pub open_browser: bool,
    /// The file with the key for saved logins.
    pub key_file: Option<PathBuf>,
    /// What is logged.
    pub log: LogSettings,
    /// Where logins are kept. Absolute; it need not exist yet.
    pub state_dir: PathBuf,
    /// Both HTTP clients.
    pub net: NetSettings,
    /// What can be watched from elsewhere.
    pub monitoring: Monitoring,
    /// The data path.
    pub proxy: ProxySettings,
    /// At least one; names and mounts are unique; in the order of their names.
    pub upstreams: Vec<Upstream>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An address, or a name yet to be resolved.
    pub host: Host,
    /// The TCP port; 0 takes any free one.
    pub port: u16,
    /// Unix sockets beside it: absolute paths that fit into an address.
    pub unix: Vec<PathBuf>,
    /// The mode of their files.
    pub unix_mode: u32,
}

/// Where and how to listen for clients that begin with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where, when systemd passes no sockets.
    pub listen: Vec<SocketAddr>,
    /// What is shown and asked for there.
    pub identity: TlsSettings,
}

/// The control socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Where a daemon listens when systemd passes no socket for it; `None`: nowhere.
    pub socket: Option<PathBuf>,
    /// Where a command looks for a running daemon, in this order.
    pub sought: Vec<PathBuf>,
}

/// What can be watched from elsewhere. Nothing of it is on by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Where metrics are shown when systemd passes no socket for it; `None`: on the control socket alone.
    pub metrics: Option<SocketAddr>,
    /// Where traces are sent: the whole address, with its path.
    pub traces: Option<Url>,
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
    /// Tokens that API credentials are exchanged for, without a person.
    AccessKey {
        /// The vendor's settings for this upstream.
        alibaba: Box<AlibabaSettings>,
        /// What is asked for.
        token: AccessTokenSettings,
    },
    /// A source of tokens that needs no person.
    Source(TokenSource),
}
