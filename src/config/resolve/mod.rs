//! From the raw values to the legal ones: judges each value and says everything that is wrong.

mod client;
mod monitoring;
mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::alibaba::settings::{AccessTokenSettings, Safety, Settings as AlibabaSettings};
use crate::alibaba::site::{EndpointError, EndpointOverrides, Endpoints, Network, Site};
use crate::auth::settings::TokenSource;
use crate::config::Inputs;
use crate::config::layer::entry_of;
use crate::config::layers::Gathered;
use crate::config::problem::{Fault, Place, Problem};
use crate::config::raw::{self, Raw};
use crate::config::settings::{Auth, Control, Listen, Settings, Upstream};
use crate::config::text::DEFAULT_UPSTREAM;
use crate::config::{units, values};
use crate::model::upstream::{Origin, UpstreamName};
use crate::net::settings::Settings as NetSettings;
use crate::policy::servers::ServerRules;
use crate::proxy::settings::{Settings as ProxySettings, Supply, UpstreamSettings};

/// The settings; `None` if a problem stands in the way, which was then added to `problems`.
pub(crate) fn resolve(
    inputs: &Inputs,
    raw: &Raw,
    gathered: &Gathered,
    problems: &mut Vec<Problem>,
) -> Option<Settings> {
    let surroundings =
        Surroundings { inputs, home: inputs.variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute()) };
    let Gathered { places, clients, incomplete, .. } = gathered;
    Judge { places, clients, incomplete: *incomplete, problems }.settings(raw, &surroundings)
}

/// The machine, as far as defaults depend on it.
struct Surroundings<'a> {
    inputs: &'a Inputs,
    home: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// Where logins are kept when nobody says so; `None` if there is no telling.
    fn state_dir(&self) -> Option<PathBuf> {
        // systemd gives several directories separated by colons; ours is the first.
        let given = self.inputs.variable("STATE_DIRECTORY").and_then(|list| list.to_str()?.split(':').next());
        if let Some(first) = given.filter(|first| first.starts_with('/')) {
            return Some(PathBuf::from(first));
        }
        if self.inputs.uid == 0 {
            return Some(PathBuf::from("/var/lib/mcp-proxy"));
        }
        // The XDG specification: a relative path is to be ignored.
        let xdg = self.inputs.variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = xdg.or_else(|| self.home.as_ref().map(|home| home.join(".local/state")));
        base.map(|base| base.join("mcp-proxy"))
    }

    /// Where the control socket is when nobody says so.
    fn control(&self) -> Control {
        let given = self.inputs.variable("RUNTIME_DIRECTORY").and_then(|list| list.to_str()?.split(':').next());
        let xdg = self.inputs.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let socket = match (given.filter(|first| first.starts_with('/')), self.inputs.uid, xdg) {
            (Some(directory), ..) => Some(Path::new(directory).join(SOCKET_NAME)),
            (None, 0, _) => Some(PathBuf::from(SYSTEM_SOCKET)),
            (None, _, Some(directory)) => Some(directory.join("mcp-proxy").join(SOCKET_NAME)),
            (None, _, None) => None,
        };
        let mut sought: Vec<PathBuf> = socket.iter().cloned().collect();
        if !sought.iter().any(|path| path == Path::new(SYSTEM_SOCKET)) {
            sought.push(PathBuf::from(SYSTEM_SOCKET));
        }
        Control { socket, sought }
    }
}

/// The control socket of the system's daemon.
const SYSTEM_SOCKET: &str = "/run/mcp-proxy/control.sock";
/// The name of a control socket in its directory.
const SOCKET_NAME: &str = "control.sock";

/// How long a token command may take; as long as the vendor's own tools let one.
const TOKEN_COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

struct Judge<'a> {
    places: &'a BTreeMap<String, Place>,
    /// The names of the clients in their order.
    clients: &'a [String],
    incomplete: bool,
    problems: &'a mut Vec<Problem>,
}

impl Judge<'_> {
    fn settings(mut self, raw: &Raw, surroundings: &Surroundings<'_>) -> Option<Settings> {
        let home = surroundings.home.as_deref();
        // All parts are judged before the first `?`: one look finds every problem.
        let listen = self.listen(&raw.listen, home);
        let tls = self.tls(raw, surroundings);
        let log = self.log(&raw.log, home);
        let state_dir = match &raw.state_dir {
            Some(text) => self.take("state_dir", values::path(text, home)),
            None => self.take("state_dir", surroundings.state_dir().ok_or_else(no_state_dir)),
        };
        let control = match &raw.control.socket {
            Some(text) => self.take("control.socket", values::socket(text, home)).map(|socket| {
                let sought = socket.iter().cloned().collect();
                Control { socket, sought }
            }),
            None => Some(surroundings.control()),
        };
        let path = |text: &str| values::path(text, home);
        let key_file = self.take_some("login.key_file", raw.login.key_file.as_deref(), path);
        let net = self.net(&raw.network, home);
        let proxy = self.proxy(raw);
        let monitoring = self.monitoring(raw);
        let network = self.take("alibaba.network", values::network(&raw.alibaba.network)).unwrap_or_default();
        let alibaba = self.alibaba(&raw.alibaba, home).map(|alibaba| (alibaba, network));
        let upstreams = self.upstreams(&raw.upstream, alibaba.as_ref(), surroundings);
        Some(Settings {
            listen: listen?,
            tls: tls?,
            control: control?,
            open_browser: raw.login.browser,
            key_file: key_file?,
            log: log?,
            state_dir: state_dir?,
            net: net?,
            monitoring: monitoring?,
            proxy: proxy?,
            upstreams: upstreams?,
        })
    }

    fn listen(&mut self, raw: &raw::Listen, home: Option<&Path>) -> Option<Listen> {
        let host = self.take("listen.host", values::host(&raw.host));
        let port = self.take("listen.port", values::port(raw.port));
        let unix = self.take("listen.unix", values::socket_paths(&raw.unix, home));
        let unix_mode = self.take("listen.unix_mode", values::mode(&raw.unix_mode));
        Some(Listen { host: host?, port: port?, unix: unix?, unix_mode: unix_mode? })
    }

    fn net(&mut self, raw: &raw::Network, home: Option<&Path>) -> Option<NetSettings> {
        let path = |text: &str| values::path(text, home);
        let extra_ca_file = self.take_some("network.extra_ca_file", raw.extra_ca_file.as_deref(), path);
        let connect_timeout = self.take("network.connect_timeout", values::some_time(&raw.connect_timeout));
        let api_timeout = self.take("network.api_timeout", values::some_time(&raw.api_timeout));
        Some(NetSettings {
            extra_ca_file: extra_ca_file?,
            connect_timeout: connect_timeout?,
            api_timeout: api_timeout?,
        })
    }

    fn proxy(&mut self, raw: &Raw) -> Option<ProxySettings> {
        let Raw { listen, network, limits, .. } = raw;
        let allowed_hosts = self.take("listen.allowed_hosts", values::hosts(&listen.allowed_hosts));
        let allowed_origins = self.take("listen.allowed_origins", values::origins(&listen.allowed_origins));
        let first_byte_timeout = self.take("network.first_byte_timeout", values::limit(&network.first_byte_timeout));
        let replay_limit = self.take("limits.replay_body", units::size(&limits.replay_body));
        let header_timeout = self.take("limits.header_timeout", values::some_time(&limits.header_timeout));
        let idle_timeout = self.take("limits.idle_timeout", values::some_time(&limits.idle_timeout));
        let request_body_limit = self.take("limits.request_body", values::size_limit(&limits.request_body));
        let token_wait = self.take("limits.token_wait", values::some_time(&limits.token_wait));
        let max_connections = self.take("limits.max_connections", values::count(limits.max_connections));
        let sse_keep_alive = self.take("limits.sse_keep_alive", values::limit(&limits.sse_keep_alive));
        let drain_timeout = self.take("limits.drain_timeout", units::duration(&limits.drain_timeout));
        let clients = self.clients(&raw.client, &raw.access);
        Some(ProxySettings {
            clients: clients?,
            allowed_hosts: allowed_hosts?,
            allowed_origins: allowed_origins?,
            header_timeout: header_timeout?,
            idle_timeout: idle_timeout?,
            max_connections: max_connections?,
            request_body_limit: request_body_limit?,
            replay_limit: replay_limit?,
            first_byte_timeout: first_byte_timeout?,
            token_wait: token_wait?,
            sse_keep_alive: sse_keep_alive?,
            drain_timeout: drain_timeout?,
        })
    }

    fn alibaba(&mut self, raw: &raw::Alibaba, home: Option<&Path>) -> Option<AlibabaSettings> {
        let site = self.take("alibaba.region_type", values::site(&raw.region_type));
        let app = self.take_some("alibaba.oauth_app_name", raw.oauth_app_name.as_deref(), values::app_name);
        let scope = self.take("alibaba.scope", values::scope(&raw.scope));
        let profile = self.take_some("alibaba.profile", raw.profile.as_deref(), values::name);
        let path = |text: &str| values::path(text, home);
        let file = self.take_some("alibaba.aliyun_config_file", raw.aliyun_config_file.as_deref(), path);
        let endpoints = self.endpoints(&raw.endpoints, site.unwrap_or_default());
        Some(AlibabaSettings {
            site: site?,
            endpoints: endpoints?,
            oauth_app_name: app?,
            scope: scope?,
            profile: profile?,
            aliyun_config_file: file?.or_else(|| home.map(|home| home.join(".aliyun/config.json"))),
        })
    }

    fn endpoints(&mut self, raw: &raw::Endpoints, site: Site) -> Option<Endpoints> {
        let overrides = EndpointOverrides {
            signin: raw.signin.clone(),
            oauth: raw.oauth.clone(),
            ims: raw.ims.clone(),
            ramoauth: raw.ramoauth.clone(),
            gateway: None,
            sts: raw.sts.clone(),
            metadata: raw.metadata.clone(),
        };
        let report = |error: &EndpointError| {
            let EndpointError { service, text, problem } = error;
            // What may carry a password is not repeated.
            let text = if text.contains('@') { "it".to_owned() } else { format!("{text:?}") };
            let fault = Fault::new(format!("{text} cannot be used: {problem}"));
            self.report(&format!("alibaba.endpoints.{}", service.as_str()), fault);
        };
        Endpoints::resolve(site, &overrides).map_err(|errors| errors.iter().for_each(report)).ok()
    }

    fn upstreams(
        &mut self,
        raw: &BTreeMap<String, raw::Upstream>,
        alibaba: Option<&(AlibabaSettings, Network)>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Vec<Upstream>> {
        let judged: Vec<Option<Upstream>> = raw.values().map(|raw| self.upstream(raw, alibaba, surroundings)).collect();
        // An upstream takes its mount even when something else is wrong with it.
        let mut mounts: BTreeMap<&str, &str> = BTreeMap::new();
        for (upstream, mount) in raw.values().filter_map(|raw| Some((&raw.name, mount_of(raw)?))) {
            if let Some(other) = mounts.insert(mount, upstream) {
                let fault = Fault::new(format!("{mount:?} is the mount of the upstream {other} as well"));
                self.report(&format!("upstream.{upstream}.mount"), fault.hint("give each upstream its own path"));
            }
        }
        judged.into_iter().collect()
    }

    fn upstream(
        &mut self,
        raw: &raw::Upstream,
        alibaba: Option<&(AlibabaSettings, Network)>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Upstream> {
        let key = |name: &str| format!("upstream.{}.{name}", raw.name);
        let name =
            self.take(&key("name"), UpstreamName::parse(&raw.name).ok_or_else(|| Fault::new("not a legal name")));
        let mount = match mount_of(raw) {
            Some(text) => self.take(&key("mount"), values::mount(text)),
            None => self.missing(&key("mount"), "for example mount = \"/github\""),
        };
        let data_plane = alibaba.map(|(alibaba, network)| alibaba.endpoints.data_plane(*network));
        let gateway = self.gateway(raw, data_plane.as_deref());
        let auth = self.take_some(&key("auth"), raw.auth.as_deref(), values::auth);
        let allowed = self.take(&key("allowed_servers"), values::servers(&raw.allowed_servers));
        let blocked = self.take(&key("blocked_servers"), values::servers(&raw.blocked_servers));
        let auth = auth.map(|auth| auth.unwrap_or(values::Auth::AlibabaOauth));
        let auth = self.auth(raw, auth?, alibaba.map(|(alibaba, _)| alibaba), surroundings);
        let (origin, gateway) = gateway?;
        let (supply, auth) = match auth? {
            Auth::AlibabaOauth(mut alibaba) => {
                alibaba.endpoints.gateway = gateway;
                (Supply::Login, Auth::AlibabaOauth(alibaba))
            }
            Auth::AccessKey { mut alibaba, token } => {
                alibaba.endpoints.gateway = gateway;
                (Supply::Credentials, Auth::AccessKey { alibaba, token })
            }
            Auth::Source(source) => (Supply::Source, Auth::Source(source)),
        };
        let rules = ServerRules { allowed: allowed?, blocked: blocked? };
        let proxy = UpstreamSettings { name: name?, mount: mount?, origin, supply, rules };
        Some(Upstream { proxy, auth })
    }

    /// What supplies the credential.
    fn auth(
        &mut self,
        raw: &raw::Upstream,
        auth: values::Auth,
        alibaba: Option<&AlibabaSettings>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Auth> {
        let key = |name: &str| format!("upstream.{}.{name}", raw.name);
        // A key that another kind of login would read: one of the two is a slip, and there is no telling which.
        let of_another = [
            ("client_id", raw.client_id.is_some(), values::Auth::AccessKey),
            ("scope", raw.scope.is_some(), values::Auth::AccessKey),
            ("boundary_policy", raw.boundary_policy.is_some(), values::Auth::AccessKey),
            ("safety_policy", raw.safety_policy.is_some(), values::Auth::AccessKey),
            ("allowed_tools", !raw.allowed_tools.is_empty(), values::Auth::AccessKey),
            ("token_file", raw.token_file.is_some(), values::Auth::TokenFile),
            ("token_command", !raw.token_command.is_empty(), values::Auth::TokenCommand),
        ];
        for (name, is_set, reader) in of_another {
            if is_set && auth != reader {
                let (set, wanted) = (auth.as_str(), reader.as_str());
                let fault = Fault::new(format!("is not read with auth = \"{set}\""));
                self.report(&key(name), fault.hint(format!("leave it out, or set auth = \"{wanted}\"")));
            }
        }
        let home = surroundings.home.as_deref();
        match (auth, &raw.token_file) {
            (values::Auth::AlibabaOauth, _) => Some(Auth::AlibabaOauth(Box::new(alibaba?.clone()))),
            (values::Auth::AccessKey, _) => {
                let client_id = self.take_some(&key("client_id"), raw.client_id.as_deref(), values::client_id);
                let scope = self.take_some(&key("scope"), raw.scope.as_deref(), values::scope);
                let boundary = |text: &str| values::boundary(text, home);
                let boundary = self.take_some(&key("boundary_policy"), raw.boundary_policy.as_deref(), boundary);
                let rules = self.take_some(&key("safety_policy"), raw.safety_policy.as_deref(), values::safety_rules);
                let tools = self.take(&key("allowed_tools"), values::tools(&raw.allowed_tools));
                let usual = AccessTokenSettings::of(alibaba?.site);
                let client_id = client_id?.unwrap_or(usual.client_id);
                let (scope, boundary) = (scope?.unwrap_or(usual.scope), boundary?);
                let safety = Safety { rules: rules?, tools: tools? };
                let token = AccessTokenSettings { client_id, scope, boundary, safety };
                Some(Auth::AccessKey { alibaba: Box::new(alibaba?.clone()), token })
            }
            (values::Auth::TokenFile, None) => {
                self.missing(&key("token_file"), "for example token_file = \"/etc/mcp-proxy/github.token\"")
            }
            (values::Auth::TokenFile, Some(text)) => {
                let credentials = surroundings.inputs.variable("CREDENTIALS_DIRECTORY").map(Path::new);
                let file = self.take(&key("token_file"), values::credential_or_path(text, credentials, home));
                Some(Auth::Source(TokenSource::File(file?)))
            }
            (values::Auth::TokenCommand, _) => {
                let line = self.take(&key("token_command"), values::command(&raw.token_command));
                Some(Auth::Source(TokenSource::Command { line: line?, timeout: TOKEN_COMMAND_TIMEOUT }))
            }
        }
    }

    /// Where the upstream is. The vendor's own calls to the gateway go where the traffic goes, if it takes them there.
    fn gateway(&mut self, raw: &raw::Upstream, data_plane: Option<&str>) -> Option<(Origin, Url)> {
        let key = format!("upstream.{}.url", raw.name);
        let origin = match &raw.url {
            Some(text) => self.take(&key, values::origin(text, raw.allow_cleartext))?,
            None if raw.name == DEFAULT_UPSTREAM => {
                // Without endpoints there is a problem already.
                self.take(&key, Origin::parse(data_plane?).map_err(Fault::new))?
            }
            None => return self.missing(&key, "for example url = \"https://mcp.example.com\""),
        };
        let url = Url::parse(&origin.to_string()).map_err(|error| Fault::new(format!("{origin} is no URL: {error}")));
        self.take(&key, url).map(|url| (origin, Endpoints::control_plane(url)))
    }

    fn take<T>(&mut self, key: &str, judged: Result<T, Fault>) -> Option<T> {
        judged.map_err(|fault| self.report(key, fault)).ok()
    }

    /// The outer `None`: there is a problem; the inner one: nobody set it.
    fn take_some<V, T>(
        &mut self,
        key: &str,
        given: Option<V>,
        judge: impl Fn(V) -> Result<T, Fault>,
    ) -> Option<Option<T>> {
        given.map_or(Some(None), |value| self.take(key, judge(value)).map(Some))
    }

    fn missing<T>(&mut self, key: &str, hint: &str) -> Option<T> {
        // What has a wrong type or stands in an unreadable file is not missing.
        let set_but_wrong = self.problems.iter().any(|problem| problem.key == key);
        if !self.incomplete && !set_but_wrong {
            self.report(key, Fault::new("is required").hint(hint));
        }
        None
    }

    fn report(&mut self, key: &str, fault: Fault) {
        let whole = || self.places.iter().find(|(path, _)| entry_of(path).is_some() && entry_of(path) == entry_of(key));
        let place = self.places.get(key).or_else(|| whole().map(|(_, place)| place)).cloned().unwrap_or(Place::BuiltIn);
        self.problems.push(Problem::new(place, key, fault));
    }
}

/// The mount, given or implied; not judged.
fn mount_of(raw: &raw::Upstream) -> Option<&str> {
    raw.mount.as_deref().or((raw.name == DEFAULT_UPSTREAM).then_some("/"))
}

fn no_state_dir() -> Fault {
    Fault::new("there is no telling where to keep logins: HOME is not set").hint("set state_dir or MCP_PROXY_STATE_DIR")
}
