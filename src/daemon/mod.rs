//! Layer 4: what runs. Puts the workers together, owns their tasks, and ends them in order.
//!
//! [`Daemon::start`] binds and wires, and touches no network; [`Daemon::run`] serves until it is told to stop.

mod beside;
pub mod catalogue;
mod catalogue_copy;
mod certificate;
pub mod confine;
pub mod control;
pub mod custody;
mod headline;
pub mod import;
mod in_force;
pub mod incident;
pub mod inherited;
pub mod ledger;
pub mod limits;
pub mod listener;
pub mod metrics;
mod mint;
pub mod neighbour;
mod notify;
pub mod obstacle;
pub mod port_holder;
pub mod probe;
mod reception;
mod registrar;

pub mod reload;
pub mod report;
mod run;
pub mod sign_in;
pub mod signals;
mod telemetry;
mod unix_socket;
mod watchdog;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use url::Host;

use self::catalogue::Catalogue;
pub use self::catalogue::Listing;
pub use self::listener::BindError;
use crate::auth::flow::Desk;
use crate::auth::keeper::Keeper;
use crate::config::settings::{Listen, Settings};
use crate::daemon::control::Control;
use crate::daemon::custody::{GivenKeyError, Kept};
use crate::daemon::headline::Headline;
use crate::daemon::in_force::InForce;
use crate::daemon::incident::Incident;
use crate::daemon::inherited::{Inherited, Socket};
use crate::daemon::ledger::Ledger;
use crate::daemon::metrics::Metrics;
use crate::daemon::registrar::Registrar;
use crate::daemon::reload::{Reload, Source};
use crate::daemon::sign_in::SignIn;
use crate::daemon::telemetry::Telemetry;
use crate::daemon::wire::Wiring;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::net::identity::{Acceptor, IdentityError};
use crate::net::listener::{Address, Listener};
use crate::net::owner::Finder;
use crate::net::tls::TlsError;
use crate::observe::audit::Audit;
use crate::observe::health::Health;
use crate::observe::pulse::Pulse;
use crate::observe::traffic::Traffic;
use crate::proxy::server::{Mounted, Parts, Server, ServerError};

/// The environment variables of the process, read once at the start.
pub type Environment = Arc<BTreeMap<String, String>>;

/// What a daemon is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To forward traffic.
    Serve,
    /// To receive the callback of one login; nothing is forwarded, and a port in use is no obstacle.
    SignInOnly,
}

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket from the service manager cannot be taken over.
    #[error("a socket from the service manager cannot be taken over: {0}")]
    Adopt(#[source] io::Error),
    /// No TLS configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server cannot be put together.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The key for saved logins cannot be used.
    #[error(transparent)]
    Key(#[from] GivenKeyError),
    /// The listener with TLS has nothing to show.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A socket for TLS was passed, and nothing says what to show there.
    #[error(
        "the service manager passes a socket for TLS, and the configuration has no certificate for it. Set \
         tls.certificate_file and tls.key_file, or stop the socket unit with FileDescriptorName=tls"
    )]
    NoIdentity,
    /// The system gave no thread for the audit trail.
    #[error("the audit trail cannot begin: {0}")]
    Audit(#[source] io::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
}

/// A daemon that is bound and wired, and serves once it is run.
pub struct Daemon {
    listening: Vec<Address>,
    not_listening: Option<BindError>,
    health: Health,
    sign_ins: Vec<SignIn>,
    listings: Vec<(UpstreamName, watch::Receiver<Listing>)>,
    server: Option<Server>,
    control: Option<Control>,
    metrics: Option<Metrics>,
    /// What the sockets beside the port know, once one of them is open.
    context: Option<Arc<control::Context>>,
    telemetry: Option<Telemetry>,
    audit: Option<Audit>,
    incident: Incident,
    kept: Vec<Kept>,
    keepers: Vec<(Keeper, UpstreamName)>,
    catalogues: Vec<Catalogue>,
    /// What the service manager hears, if the daemon serves.
    purpose: Purpose,
    pulse: Pulse,
    headline: Headline,
    drain_timeout: Duration,
    /// What a reload needs.
    mounted: Vec<Mounted>,
    api: ApiClient,
    reload: Option<Reload>,
    finder: Finder,
    registrar: Registrar,
    acceptor: Option<Acceptor>,
    redirect_uri: String,
}

impl Daemon {
    /// Binds the addresses of the settings and puts everything together.
    ///
    /// # Errors
    /// When an address cannot be had, or the settings do not fit this machine.
    pub async fn start(
        settings: &Settings,
        environment: Environment,
        clock: Clock,
        purpose: Purpose,
    ) -> Result<Self, StartError> {
        Self::start_on(Inherited::default(), settings, environment, clock, purpose).await
    }

    /// The same with what was passed, apart from the sockets for commands and metrics. With sockets for clients, nothing that the settings say about addresses is bound.
    ///
    /// # Errors
    /// When a socket cannot be taken over or an address not be had, or the settings do not fit this machine.
    pub async fn start_on(
        inherited: Inherited,
        settings: &Settings,
        environment: Environment,
        clock: Clock,
        purpose: Purpose,
    ) -> Result<Self, StartError> {
        let Inherited { proxy: passed, tls: passed_for_tls, diag, .. } = inherited;
        let at = reached_at(&passed, &settings.listen);
        let kept = custody::kept(settings, custody::key(settings, &environment)?);
        kept.iter().for_each(|kept| kept.store.encrypt_what_is_plain());
        let acceptor = match purpose {
            Purpose::Serve if !passed.is_empty() || !passed_for_tls.is_empty() => {
                certificate::acceptor(settings.tls.as_ref(), !passed_for_tls.is_empty())?
            }
            Purpose::Serve => {
                let needed = settings.tls.as_ref().is_some_and(|tls| !tls.listen.is_empty());
                certificate::acceptor(settings.tls.as_ref(), needed)?
            }
            Purpose::SignInOnly => None,
        };
        let (listeners, not_listening) = match purpose {
            Purpose::Serve if !passed.is_empty() || !passed_for_tls.is_empty() => {
                let listeners = listener::adopt(passed).and_then(|mut listeners| {
                    listeners.extend(listener::adopt_for_tls(passed_for_tls, acceptor.as_ref())?);
                    Ok(listeners)
                });
                (listeners.map_err(StartError::Adopt)?, None)
            }
            Purpose::Serve => {
                let mut listeners = listener::bind_all(&settings.listen).await?;
                listeners.extend(listener::bind_for_tls(settings.tls.as_ref(), acceptor.as_ref())?);
                (listeners, None)
            }
            Purpose::SignInOnly => match listener::bind(&settings.listen).await {
                Ok(listener) => (vec![Listener::Tcp(listener)], None),
                Err(error) => (Vec::new(), Some(error)),
            },
        };
        let listening: Vec<Address> = listeners.iter().filter_map(|listener| listener.address().ok()).collect();
        let bound = if at == settings.listen { first_tcp(&listening) } else { None };
        let redirect_uri = listener::redirect_uri(&at, bound);
        let (health, desk) = (Health::new(clock.clone()), Desk::default());
        let api = ApiClient::new(&settings.net)?;
        let wiring = Wiring {
            settings,
            purpose,
            environment: &environment,
            clock: &clock,
            health: &health,
            desk: &desk,
            redirect_uri: &redirect_uri,
            api: api.clone(),
        };
        let wired = wiring.upstreams(&kept)?;
        let mounted = if purpose == Purpose::Serve { wired.mounted } else { Vec::new() };
        let catalogues = if purpose == Purpose::Serve { wired.catalogues } else { Vec::new() };
        let (finder, ledger) = (Finder::new(diag), Ledger::new(&settings.state_dir));
        let registrar = Registrar::new(ledger, health.clone());
        if purpose == Purpose::Serve {
            registrar::judge(&settings.proxy.clients, &finder, &health);
        }
        let endpoint = settings.monitoring.traces.clone().filter(|_| purpose == Purpose::Serve);
        let (tracer, telemetry) = endpoint.map(|endpoint| Telemetry::new(endpoint, api.clone())).unzip();
        let traffic = Arc::new(Traffic::traced(tracer));
        traffic.routine.allow(settings.log.routine_per_second);
        let audit = settings.log.audit_file.as_ref().filter(|_| purpose == Purpose::Serve);
        let audit = audit.map(|file| Audit::begin(file, clock.clone(), health.clone()));
        let audit = audit.transpose().map_err(StartError::Audit)?;
        let incident = Incident::as_noted(&settings.state_dir, health.clone(), clock.clone());
        let headline = Headline { health: health.clone(), traffic: traffic.clone(), clock: clock.clone() };
        let parts = Parts {
            settings: settings.proxy.clone(),
            net: settings.net.clone(),
            upstreams: mounted.clone(),
            callbacks: desk.handler(),
            finder: finder.clone(),
            register: registrar.subscribe(),
            health: health.clone(),
            traffic,
            audit: audit.clone(),
            gate: incident.gate(),
            clock,
        };
        let server = if listeners.is_empty() { None } else { Some(Server::new(listeners, parts)?) };
        Ok(Self {
            listening,
            not_listening,
            health,
            sign_ins: wired.sign_ins,
            listings: wired.listings,
            server,
            control: None,
            metrics: None,
            context: None,
            telemetry,
            audit,
            incident,
            kept,
            keepers: wired.keepers,
            catalogues,
            purpose,
            pulse: watchdog::pulse(&environment),
            headline,
            drain_timeout: settings.proxy.drain_timeout,
            mounted,
            api,
            reload: None,
            finder,
            registrar,
            acceptor,
            redirect_uri,
        })
    }

    /// Lets the configuration be read anew while the daemon runs.
    pub fn reload_from(&mut self, source: Source) {
        let Some(server) = self.server.as_ref().map(Server::reloader) else { return };
        let (mounted, api, headline) = (self.mounted.clone(), self.api.clone(), self.headline.clone());
        let audit = self.audit.clone();
        let in_force = InForce::new(source.inputs.clone(), source.loaded.clone());
        let listings = self.catalogues.iter().map(Catalogue::asked).collect();
        let (finder, acceptor) = (self.finder.clone(), self.acceptor.clone());
        self.reload =
            Some(Reload { source, in_force, server, mounted, listings, api, audit, headline, finder, acceptor });
    }

    /// Where it listens; nowhere for a sign-in whose port is in use.
    pub fn listening(&self) -> &[Address] {
        &self.listening
    }

    /// The TCP address where it listens, if there is one; of several the first.
    pub fn address(&self) -> Option<SocketAddr> {
        first_tcp(&self.listening)
    }

    /// Why it does not listen, if it does not.
    pub fn not_listening(&self) -> Option<&BindError> {
        self.not_listening.as_ref()
    }

    /// The conditions.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The sign-ins, one for each upstream that has logins.
    pub fn sign_ins(&self) -> &[SignIn] {
        &self.sign_ins
    }

    /// What is known of the servers of each upstream that lists them.
    pub fn listings(&self) -> &[(UpstreamName, watch::Receiver<Listing>)] {
        &self.listings
    }
}

/// Where a browser on this machine reaches the daemon: at a passed TCP socket, if there is one, best by the loopback
/// address, else where the settings say.
fn reached_at(passed: &[Socket], settings: &Listen) -> Listen {
    let is_elsewhere = |address: &SocketAddr| !(address.ip().is_loopback() || address.ip().is_unspecified());
    match passed.iter().filter_map(Socket::tcp_address).min_by_key(is_elsewhere) {
        None => settings.clone(),
        Some(address) => {
            let host = match address.ip().to_canonical() {
                IpAddr::V4(ip) => Host::Ipv4(ip),
                IpAddr::V6(ip) => Host::Ipv6(ip),
            };
            Listen { host, port: address.port(), ..settings.clone() }
        }
    }
}

fn first_tcp(listening: &[Address]) -> Option<SocketAddr> {
    listening.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        // No browser is led there: what a sign-in comes back to is known to the cloud without TLS.
        Address::Tls(_) | Address::Unix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sign_ins_lead_to_a_passed_tcp_socket() {
        let settings =
            Listen { host: Host::parse("127.0.0.1").unwrap(), port: 8088, unix: Vec::new(), unix_mode: 0o600 };
        let directory = tempfile::tempdir().unwrap();
        let unix = || Socket::Unix(UnixListener::bind(directory.path().join("socket")).unwrap());
        assert_eq!(reached_at(&[], &settings), settings);
        assert_eq!(reached_at(&[unix()], &settings), settings, "no browser reaches a Unix socket");

        let tcp = |address: &str| Socket::Tcp(TcpListener::bind(address).unwrap());
        let port = |socket: &Socket| socket.tcp_address().unwrap().port();
        let uri = |passed: &[Socket]| listener::redirect_uri(&reached_at(passed, &settings), None);
        let (one, two) = (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"));
        let expected = format!("http://127.0.0.1:{}/callback", port(&one));
        assert_eq!(uri(&[one, two]), expected, "the first of those that are as good");
        let everywhere = tcp("0.0.0.0:0");
        let expected = format!("http://127.0.0.1:{}/callback", port(&everywhere));
        assert_eq!(uri(&[everywhere]), expected);
    }
}
