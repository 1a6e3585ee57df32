//! Layer 4: what runs. Puts the workers together, owns their tasks, and ends them in order.
//!
//! [`Daemon::start`] binds and wires, and touches no network; [`Daemon::run`] serves until it is told to stop.

mod catalogue;
mod catalogue_copy;
pub mod custody;
pub mod import;
pub mod limits;
mod listener;
pub mod neighbour;
mod port_holder;
pub mod sign_in;
pub mod signals;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::catalogue::Listing;
pub use self::listener::BindError;
use crate::auth::flow::Desk;
use crate::config::settings::Settings;
use crate::daemon::custody::GivenKeyError;
use crate::daemon::sign_in::SignIn;
use crate::daemon::wire::Wiring;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::net::tls::TlsError;
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::proxy::server::{Parts, Server, ServerError};

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
    /// No TLS configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server cannot be put together.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The key for saved logins cannot be used.
    #[error(transparent)]
    Key(#[from] GivenKeyError),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
}

/// A task ended that should have gone on.
#[derive(Debug, thiserror::Error)]
#[error("a part of the daemon ended unexpectedly ({0}); this is a fault of mcp-proxy")]
pub struct Collapsed(String);

/// A daemon that is bound and wired, and serves once it is run.
pub struct Daemon {
    address: Option<SocketAddr>,
    not_listening: Option<BindError>,
    health: Health,
    sign_ins: Vec<SignIn>,
    listings: Vec<(UpstreamName, watch::Receiver<Listing>)>,
    server: Option<Server>,
    keepers: Vec<crate::auth::keeper::Keeper>,
    catalogues: Vec<catalogue::Catalogue>,
}

impl Daemon {
    /// Binds the listener and puts everything together.
    ///
    /// # Errors
    /// When the address cannot be had, or the settings do not fit this machine.
    pub async fn start(
        settings: &Settings,
        environment: Environment,
        clock: Clock,
        purpose: Purpose,
    ) -> Result<Self, StartError> {
        let kept = custody::kept(settings, custody::key(settings, &environment)?);
        kept.iter().for_each(|kept| kept.store.encrypt_what_is_plain());
        let (listener, not_listening) = match (listener::bind(&settings.listen).await, purpose) {
            (Ok(listener), _) => (Some(listener), None),
            (Err(error), Purpose::SignInOnly) => (None, Some(error)),
            (Err(error), Purpose::Serve) => return Err(error.into()),
        };
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let redirect_uri = listener::redirect_uri(&settings.listen, address);
        let (health, desk) = (Health::new(clock.clone()), Desk::default());
        let wiring = Wiring {
            settings,
            purpose,
            environment: &environment,
            clock: &clock,
            health: &health,
            desk: &desk,
            redirect_uri: &redirect_uri,
            api: ApiClient::new(&settings.net)?,
        };
        let wired = wiring.upstreams(&kept)?;
        let mounted = if purpose == Purpose::Serve { wired.mounted } else { Vec::new() };
        let catalogues = if purpose == Purpose::Serve { wired.catalogues } else { Vec::new() };
        let parts = Parts {
            settings: settings.proxy.clone(),
            net: settings.net.clone(),
            upstreams: mounted,
            callbacks: desk.handler(),
            health: health.clone(),
            traffic: Arc::new(Traffic::default()),
            clock,
        };
        let server = listener.map(|listener: TcpListener| Server::new(listener, parts)).transpose()?;
        Ok(Self {
            address,
            not_listening,
            health,
            sign_ins: wired.sign_ins,
            listings: wired.listings,
            server,
            keepers: wired.keepers,
            catalogues,
        })
    }

    /// Where it listens; `None` for a sign-in whose port is in use.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
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

    /// Serves until `stop`; then requests may finish within the drain timeout.
    ///
    /// # Errors
    /// When a part of it ends by itself.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Collapsed> {
        let mut tasks = JoinSet::new();
        // Keepers end last: requests that finish may need a renewal.
        let (keepers_stop, mut keepers) = (CancellationToken::new(), JoinSet::new());
        for keeper in self.keepers {
            keepers.spawn(keeper.run(keepers_stop.clone()));
        }
        if let Some(server) = self.server {
            let stop = stop.clone();
            tasks.spawn(async move { server.run(stop).await });
        }
        for catalogue in self.catalogues {
            let stop = stop.clone();
            tasks.spawn(async move { catalogue.run(stop).await });
        }
        let collapsed = tokio::select! {
            // First: once told to stop, tasks return, and that is no collapse.
            biased;
            () = stop.cancelled() => None,
            Some(ended) = tasks.join_next() => Some(ended),
            Some(ended) = keepers.join_next() => Some(ended),
        };
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        keepers_stop.cancel();
        while keepers.join_next().await.is_some() {}
        match collapsed {
            None => Ok(()),
            Some(Ok(())) => Err(Collapsed("a task returned".to_owned())),
            Some(Err(error)) => Err(Collapsed(error.to_string())),
        }
    }
}
