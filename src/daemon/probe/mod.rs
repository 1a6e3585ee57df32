//! What can be seen from where the token is used, for `mcp-proxy doctor`: names, certificates, clocks, what the cloud says
//! to the API credentials, the place on disk. A running daemon looks itself, because its environment, its user and its
//! walls are not those of whoever asks; without one the command looks. Nothing is changed by it, and no secret is in it.

pub mod call;
mod place;
mod service;
mod vendor;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

pub use self::call::Called;
pub use self::place::Disk;
pub use self::service::{Answer, Failure, Names, Proxy, Role, Service};
pub use self::vendor::{Application, Hindrance, Kind, Vendor};
use crate::alibaba::credentials::Credentials;
use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::config::settings::{Auth, Settings, Upstream};
use crate::daemon::custody::Kept;
use crate::daemon::{Environment, catalogue, sign_in};
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::net::settings::Settings as NetSettings;
use crate::net::way_out;

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// How long a connection may take, name resolution and TLS included.
const CONNECT: Duration = Duration::from_secs(4);
/// How long one question to the network may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long everything about one upstream may take.
const LIMIT: Duration = Duration::from_secs(7);

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the program that looked.
    pub program: String,
    /// Its process id.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// True if its executable was replaced or removed since it was started.
    pub replaced: bool,
    /// The most files that it may have open; `None` for no limit.
    pub open_files: Option<u64>,
    /// How many connections it may have.
    pub max_connections: u64,
    /// The variables about proxies in its environment, passwords left out.
    pub proxies: Vec<(String, String)>,
    /// Where logins are kept.
    pub disk: Disk,
    /// What of the configuration is not in force; `None` if the program that looked has just read it.
    pub stale: Option<Stale>,
    /// Why there is nobody whose certificates are trusted.
    pub authorities: Option<String>,
    /// In the order of their names.
    pub upstreams: Vec<Seen>,
}

/// How far a running daemon is behind the configuration. Keys by their dotted paths, no values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// What is wrong with the configuration as it is now.
    pub problems: Vec<String>,
    /// Keys that a reload would put in force.
    pub for_a_reload: Vec<String>,
    /// Keys that wait for a restart.
    pub for_a_restart: Vec<String>,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it takes to serve it, each once.
    pub services: Vec<Service>,
    /// What the cloud says to the API credentials; `None` for an upstream without any.
    pub vendor: Option<Vendor>,
    /// A call with the saved token. A running daemon makes none: whoever asks calls through its port.
    pub call: Option<Called>,
}

/// What to look at.
pub struct Looking<'a> {
    /// The upstreams.
    pub upstreams: &'a [Upstream],
    /// Which certificates are trusted.
    pub net: &'a NetSettings,
    /// Where logins are kept.
    pub state_dir: &'a std::path::Path,
    /// `limits.max_connections`.
    pub max_connections: usize,
    /// What time it is.
    pub clock: Clock,
    /// What a daemon does alone.
    pub whose: Whose<'a>,
}

/// Who looks.
pub enum Whose<'a> {
    /// A running daemon, with the credentials it has and the redirect URIs that it serves.
    Daemon {
        /// The API credentials, by upstream.
        credentials: &'a [(UpstreamName, Credentials)],
        /// Where browsers come back to.
        redirect_uri: Option<String>,
        /// What of the configuration is not in force.
        stale: Option<Stale>,
    },
    /// A command, because no daemon runs.
    Command {
        /// Its environment.
        environment: &'a Environment,
        /// The saved logins.
        kept: &'a [Kept],
        /// Where browsers would come back to; `None` if that is another place at each start.
        redirect_uri: Option<String>,
    },
}

/// Looks at everything at once.
pub async fn look(looking: Looking<'_>) -> Probe {
    let net = NetSettings { connect_timeout: CONNECT, api_timeout: ANSWER, ..looking.net.clone() };
    let (api, authorities) = match ApiClient::new(&net) {
        Ok(api) => (Some(api), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let mut tasks = JoinSet::new();
    for (index, upstream) in looking.upstreams.iter().enumerate() {
        let one = looking.one(upstream, api.clone());
        tasks.spawn(async move { (index, one.look().await) });
    }
    let mut seen = Vec::new();
    while let Some(done) = tasks.join_next().await {
        seen.extend(done.ok());
    }
    seen.sort_by_key(|(index, _)| *index);
    let variables = way_out::VARIABLES.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    Probe {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        replaced: std::env::current_exe().is_ok_and(|path| path.to_string_lossy().ends_with(" (deleted)")),
        open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
        max_connections: looking.max_connections.try_into().unwrap_or(u64::MAX),
        proxies: variables.map(|(name, value)| (name.to_owned(), way_out::without_password(&value))).collect(),
        disk: Disk::look(looking.state_dir),
        stale: match looking.whose {
            Whose::Daemon { stale, .. } => stale,
            Whose::Command { .. } => None,
        },
        authorities,
        upstreams: seen.into_iter().map(|(_, seen)| seen).collect(),
    }
}

/// All that it takes to look at one upstream.
struct One {
    upstream: Upstream,
    api: Option<ApiClient>,
    credentials: Option<Credentials>,
    redirect_uri: Option<String>,
    kept: Option<Kept>,
    calls: bool,
    state_dir: std::path::PathBuf,
    clock: Clock,
}

impl Looking<'_> {
    fn one(&self, upstream: &Upstream, api: Option<ApiClient>) -> One {
        let name = &upstream.proxy.name;
        let alibaba = vendor_of(upstream);
        let (credentials, redirect_uri, kept, calls) = match &self.whose {
            Whose::Daemon { credentials, redirect_uri, .. } => {
                let own = credentials.iter().find(|(whose, _)| whose == name).map(|(_, own)| own.clone());
                (own, redirect_uri.clone(), None, false)
            }
            Whose::Command { environment, kept, redirect_uri } => {
                let of = |(alibaba, api): (&AlibabaSettings, ApiClient)| {
                    sign_in::credentials(alibaba, environment, api, self.clock.clone())
                };
                let kept = kept.iter().find(|kept| kept.upstream == *name).cloned();
                (alibaba.zip(api.clone()).map(of), redirect_uri.clone(), kept, true)
            }
        };
        let (upstream, state_dir, clock) = (upstream.clone(), self.state_dir.to_owned(), self.clock.clone());
        One { upstream, api, credentials, redirect_uri, kept, calls, state_dir, clock }
    }
}

fn vendor_of(upstream: &Upstream) -> Option<&AlibabaSettings> {
    match &upstream.auth {
        Auth::AlibabaOauth(alibaba) | Auth::AccessKey { alibaba, .. } => Some(alibaba),
        Auth::Source(_) => None,
    }
}

impl One {
    async fn look(self) -> Seen {
        let name = self.upstream.proxy.name.to_string();
        let Some(api) = &self.api else {
            return Seen { name, services: Vec::new(), vendor: None, call: None };
        };
        let services = service::of(&self.upstream, api, &self.clock);
        let (services, vendor, call) = tokio::join!(services, self.vendor(), self.call(api));
        Seen { name, services, vendor, call }
    }

    async fn vendor(&self) -> Option<Vendor> {
        let (alibaba, credentials) = (vendor_of(&self.upstream)?, self.credentials.as_ref()?);
        let signs_in = matches!(self.upstream.auth, Auth::AlibabaOauth(_));
        let looking = vendor::look(alibaba, credentials, signs_in, self.redirect_uri.as_deref());
        Some(tokio::time::timeout(LIMIT, looking).await.unwrap_or_else(|_| Vendor::late(credentials)))
    }

    /// A call with the token at hand, as far as one is.
    async fn call(&self, api: &ApiClient) -> Option<Called> {
        if !self.calls {
            return None;
        }
        let path = async {
            let (alibaba, credentials) = (vendor_of(&self.upstream)?, self.credentials.clone()?);
            let name = self.upstream.proxy.name.clone();
            let known = catalogue::look(&self.state_dir, name, alibaba.site, credentials);
            let (servers, _) = tokio::time::timeout(ANSWER, known).await.ok()?;
            servers.iter().find_map(|server| server.mcp_path.clone())
        };
        let calling = call::with_what_is_at_hand(&self.upstream, self.kept.as_ref(), api, &self.clock, path);
        Some(tokio::time::timeout(LIMIT, calling).await.unwrap_or_else(|_| Called::late()))
    }
}

/// Where browsers come back to after a sign-in at a daemon that is not running yet; `None` if its port is not fixed.
pub fn redirect_uri(settings: &Settings) -> Option<String> {
    (settings.listen.port != 0).then(|| crate::daemon::listener::redirect_uri(&settings.listen, None))
}
