//! The list of an upstream's MCP servers, kept fresh in the background; the last good copy stays on disk.
//!
//! Nothing waits for it: without API credentials or network the daemon serves all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::alibaba::call::Api;
use crate::alibaba::catalog;
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::daemon::{Environment, catalogue_copy};
use crate::model::server::McpServer;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;

/// How often the list is read anew.
const FRESH: Duration = Duration::from_secs(600);
/// How long to wait after a failure; doubled up to [`FRESH`].
const RETRY: Duration = Duration::from_secs(15);

/// What is known of an upstream's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Nothing has been read yet.
    Pending,
    /// The list, read just now.
    Fresh(Arc<[McpServer]>),
    /// Why the list could not be read; the last good copy is still in use.
    Failed(String),
}

/// The task that keeps one list.
pub(super) struct Catalogue {
    file: PathBuf,
    upstream: UpstreamName,
    alibaba: AlibabaSettings,
    environment: Environment,
    client: ApiClient,
    clock: Clock,
    signed_in: Arc<Notify>,
    servers: watch::Sender<Arc<[McpServer]>>,
    listing: watch::Sender<Listing>,
}

impl Catalogue {
    pub(super) fn new(
        state_dir: &Path,
        upstream: UpstreamName,
        alibaba: AlibabaSettings,
        environment: Environment,
        client: ApiClient,
        clock: Clock,
        signed_in: Arc<Notify>,
    ) -> (Self, watch::Receiver<Arc<[McpServer]>>, watch::Receiver<Listing>) {
        let file = state_dir.join("catalogue").join(format!("{upstream}.{}.json", alibaba.site));
        let (servers, servers_seen) = watch::channel(catalogue_copy::read(&file));
        let (listing, listing_seen) = watch::channel(Listing::Pending);
        let catalogue = Self { file, upstream, alibaba, environment, client, clock, signed_in, servers, listing };
        (catalogue, servers_seen, listing_seen)
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let listed = tokio::select! {
                () = stop.cancelled() => return,
                listed = self.list() => listed,
            };
            let wait = match listed {
                Ok(servers) => {
                    failures = 0;
                    self.take(servers);
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
                () = self.signed_in.notified() => {}
            }
        }
    }

    async fn list(&self) -> Result<Vec<McpServer>, String> {
        let environment = self.environment.clone();
        let credentials = ApiCredentials::find(&self.alibaba, &|name: &str| environment.get(name).cloned())
            .map_err(|error| error.to_string())?;
        let endpoints = self.alibaba.endpoints.clone();
        let api = Api::new(self.client.clone(), self.clock.clone(), credentials, endpoints);
        catalog::list_servers(&api).await.map_err(|error| error.to_string())
    }

    fn take(&self, servers: Vec<McpServer>) {
        let servers: Arc<[McpServer]> = servers.into();
        if *self.servers.borrow() != servers
            && let Err(error) = catalogue_copy::write(&self.file, &servers)
        {
            tracing::debug!("the server list is not kept in {}: {error}", self.file.display());
        }
        self.servers.send_replace(servers.clone());
        self.listing.send_replace(Listing::Fresh(servers));
    }
}
