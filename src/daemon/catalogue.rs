//! The list of an upstream's MCP servers, kept fresh in the background; the last good copy stays on disk.
//!
//! Nothing waits for it: without API credentials or network the daemon serves all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alibaba::catalog::{self, CatalogError, Listed};
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::credentials::Credentials;
use crate::alibaba::site::Site;
use crate::daemon::catalogue_copy;
use crate::model::server::McpServer;
use crate::model::upstream::UpstreamName;

/// How often the list is read anew.
const FRESH: Duration = Duration::from_secs(600);
/// How long to wait after a failure; doubled up to [`FRESH`].
const RETRY: Duration = Duration::from_secs(15);

/// The list is not read again sooner than this because a request named a server that is not in it.
const FOR_REQUESTS: Duration = Duration::from_secs(30);

/// What is known of an upstream's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Nothing has been read yet.
    Pending,
    /// The list, as it was last read, and whatever is not in it.
    Fresh {
        /// The servers.
        servers: Arc<[McpServer]>,
        /// Why those of the Core edition are not among them, if the cloud does not tell.
        without_cores: Option<String>,
    },
    /// Why the list could not be read; the last good copy is still in use.
    Failed(String),
}

/// What is known of the servers of an upstream without a daemon: the list, read now, or else the last good copy.
pub async fn look(
    state_dir: &Path,
    upstream: UpstreamName,
    site: Site,
    credentials: Credentials,
) -> (Arc<[McpServer]>, Listing) {
    let (catalogue, saved, _) = Catalogue::new(state_dir, upstream, site, credentials, Arc::default());
    match catalogue.list().await {
        Ok(Listed { servers, without_cores }) => {
            let servers: Arc<[McpServer]> = servers.into();
            (servers.clone(), Listing::Fresh { servers, without_cores })
        }
        Err(reason) => (saved.borrow().clone(), Listing::Failed(reason)),
    }
}

/// The task that keeps one list.
pub(super) struct Catalogue {
    file: PathBuf,
    upstream: UpstreamName,
    credentials: Credentials,
    asked: Arc<Notify>,
    unknown: Arc<Notify>,
    servers: watch::Sender<Arc<[McpServer]>>,
    listing: watch::Sender<Listing>,
}

impl Catalogue {
    pub(super) fn new(
        state_dir: &Path,
        upstream: UpstreamName,
        site: Site,
        credentials: Credentials,
        asked: Arc<Notify>,
    ) -> (Self, watch::Receiver<Arc<[McpServer]>>, watch::Receiver<Listing>) {
        let file = state_dir.join("catalogue").join(format!("{upstream}.{site}.json"));
        let (servers, servers_seen) = watch::channel(catalogue_copy::read(&file));
        let (listing, listing_seen) = watch::channel(Listing::Pending);
        let catalogue = Self { file, upstream, credentials, asked, unknown: Arc::default(), servers, listing };
        (catalogue, servers_seen, listing_seen)
    }

    /// Asks for the list at once: after a sign-in, and when the configuration is read anew.
    pub(super) fn asked(&self) -> Arc<Notify> {
        self.asked.clone()
    }

    /// Asks for the list before long: a request named a server that is not in it.
    pub(super) fn unknown(&self) -> Arc<Notify> {
        self.unknown.clone()
    }

    /// The upstream, and the API credentials that its list is read with.
    pub(super) fn whose(&self) -> (UpstreamName, Credentials) {
        (self.upstream.clone(), self.credentials.clone())
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let listed = tokio::select! {
                () = stop.cancelled() => return,
                listed = self.list() => listed,
            };
            let read_at = Instant::now();
            let wait = match listed {
                Ok(listed) => {
                    failures = 0;
                    self.take(listed);
                    FRESH
                }
                Err(reason) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::info!(upstream = %self.upstream, "the server list cannot be read: {reason}");
                    }
                    self.listing.send_replace(Listing::Failed(reason));
                    RETRY.saturating_mul(1 << failures.min(6)).min(FRESH)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = self.asked.notified() => {}
                () = self.wanted(read_at) => {}
            }
        }
    }

    /// Waits until a request needs to know more than was read at `read_at`, and it is time to ask.
    async fn wanted(&self, read_at: Instant) {
        self.unknown.notified().await;
        tokio::time::sleep_until(read_at + FOR_REQUESTS).await;
    }

    async fn list(&self) -> Result<Listed, String> {
        let api = self.credentials.api().await.map_err(|error| error.to_string())?;
        let listed = match catalog::list_servers(&api).await {
            // The keys were taken back before their end: others may do.
            Err(CatalogError::Call(error))
                if error.kind() == Some(Kind::StaleToken) && self.credentials.forget().await =>
            {
                let api = self.credentials.api().await.map_err(|error| error.to_string())?;
                catalog::list_servers(&api).await
            }
            listed => listed,
        };
        listed.map_err(|error| error.to_string())
    }

    fn take(&self, listed: Listed) {
        let Listed { servers, without_cores } = listed;
        let servers: Arc<[McpServer]> = servers.into();
        self.report(&servers, without_cores.as_deref());
        if *self.servers.borrow() != servers
            && let Err(error) = catalogue_copy::write(&self.file, &servers)
        {
            tracing::debug!("the server list is not kept in {}: {error}", self.file.display());
        }
        self.servers.send_replace(servers.clone());
        self.listing.send_replace(Listing::Fresh { servers, without_cores });
    }

    /// Says once what is new about servers that cannot be used.
    fn report(&self, servers: &[McpServer], without_cores: Option<&str>) {
        let before = self.servers.borrow();
        for server in servers.iter().filter(|server| !before.contains(server)) {
            if let Some(reason) = &server.out_of_reach {
                tracing::warn!(upstream = %self.upstream, server = server.name, "a listed server is out of reach: {reason}");
            }
        }
        let said = matches!(&*self.listing.borrow(), Listing::Fresh { without_cores: said, .. } if said.as_deref() == without_cores);
        if let Some(reason) = without_cores.filter(|_| !said) {
            tracing::info!(upstream = %self.upstream, "the server of the Core edition is not listed: {reason}");
        }
    }
}
