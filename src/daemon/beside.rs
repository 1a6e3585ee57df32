//! The sockets beside the port: for commands and for metrics. Both know the same of the daemon.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Settings;
use crate::daemon::catalogue::Catalogue;
use crate::daemon::control::{self, Control, Probe, Shelf, Ui, Waiting};
use crate::daemon::headline::Headline;
use crate::daemon::inherited::Socket;
use crate::daemon::metrics::{self, Metrics};
use crate::daemon::{Daemon, Listing, listener};
use crate::model::upstream::UpstreamName;
use crate::proxy::server::Server;

impl Daemon {
    /// Opens the control socket: those that the service manager passed, else that of the settings. Without any the
    /// daemon serves all the same, so what is in the way is logged, and no more.
    pub async fn open_control(&mut self, passed: Vec<Socket>, settings: &Settings) {
        let listeners = control::open(passed, settings.control.socket.as_deref()).await;
        let context = self.context(settings);
        self.control = (!listeners.is_empty()).then(|| Control::new(listeners, context));
    }

    /// Opens the socket for metrics: those that the service manager passed, else that of the settings, if any. What is in
    /// the way is a condition.
    pub fn open_metrics(&mut self, passed: Vec<Socket>, settings: &Settings) {
        let listeners = metrics::open(passed, settings.monitoring.metrics, &self.headline.health);
        for address in listeners.iter().filter_map(|listener| listener.address().ok()) {
            tracing::info!("metrics at {address}");
        }
        let context = self.context(settings);
        self.metrics = (!listeners.is_empty()).then(|| Metrics::new(listeners, context));
    }

    fn context(&mut self, settings: &Settings) -> Arc<control::Context> {
        if let Some(context) = &self.context {
            return context.clone();
        }
        let Headline { health, traffic, clock } = self.headline.clone();
        let context = control::Context {
            started: clock.now(),
            health,
            traffic,
            clock,
            listening: self.listening.clone(),
            reached_at: self.address().map(|address| listener::from_here(address).to_string()),
            server: self.server.as_ref().map(Server::reloader),
            shelves: self.shelves(),
            state_dir: settings.state_dir.clone(),
            upstreams: settings.upstreams.clone(),
            kept: self.kept.clone(),
            sign_ins: self.sign_ins.clone(),
            credentials: self.catalogues.iter().map(Catalogue::whose).collect(),
            api: self.api.clone(),
            probe: Probe::default(),
            waiting: Waiting::default(),
            ui: Ui::default(),
            finder: self.finder.clone(),
            registrar: self.registrar.clone(),
            audit: self.audit.clone(),
            incident: self.incident.clone(),
            redirect_uri: Some(self.redirect_uri.clone()),
            net: settings.net.clone(),
            max_connections: settings.proxy.max_connections,
            in_force: self.reload.as_ref().map(|reload| reload.in_force.clone()),
            looking: tokio::sync::Mutex::default(),
            stop: CancellationToken::new(),
        };
        self.context.insert(Arc::new(context)).clone()
    }

    fn shelves(&self) -> Vec<Shelf> {
        let shelf = |(upstream, listing): &(UpstreamName, watch::Receiver<Listing>)| {
            let mounted = self.mounted.iter().find(|mounted| mounted.settings.name == *upstream)?;
            Some(Shelf { upstream: upstream.clone(), servers: mounted.catalogue.clone(), listing: listing.clone() })
        };
        self.listings.iter().filter_map(shelf).collect()
    }
}
