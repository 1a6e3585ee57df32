//! The list of an upstream's MCP servers, kept fresh in the background; the last good copy stays on disk.
//!
//! Nothing waits for it: without API credentials or network the daemon serves all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::alibaba::call::Api;
use crate::alibaba::catalog;
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::daemon::Environment;
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
        let (servers, servers_seen) = watch::channel(copy::read(&file));
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
            && let Err(error) = copy::write(&self.file, &servers)
        {
            tracing::debug!("the server list is not kept in {}: {error}", self.file.display());
        }
        self.servers.send_replace(servers.clone());
        self.listing.send_replace(Listing::Fresh(servers));
    }
}

/// The copy on disk, so that rules by name hold from the first request after a restart.
mod copy {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io::{self, Write};
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    use super::{Arc, Deserialize, McpServer, Path, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Entry {
        id: String,
        name: String,
        description: String,
        mcp_path: Option<String>,
        sse_path: Option<String>,
    }

    pub(super) fn read(file: &Path) -> Arc<[McpServer]> {
        let entries: Vec<Entry> =
            std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let server = |entry: Entry| {
            let Entry { id, name, description, mcp_path, sse_path } = entry;
            McpServer { id, name, description, mcp_path, sse_path }
        };
        entries.into_iter().map(server).collect()
    }

    pub(super) fn write(file: &Path, servers: &[McpServer]) -> io::Result<()> {
        let entry = |server: &McpServer| {
            let McpServer { id, name, description, mcp_path, sse_path } = server.clone();
            Entry { id, name, description, mcp_path, sse_path }
        };
        let text = serde_json::to_vec_pretty(&servers.iter().map(entry).collect::<Vec<_>>())?;
        let new = file.with_extension("new");
        // The state directory may be made here first: it is as private as the logins that it will hold.
        let private = |directory: &Path| DirBuilder::new().recursive(true).mode(0o700).create(directory);
        file.parent().map_or(Ok(()), private)?;
        let mut written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(&text)?;
        std::fs::rename(new, file)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_copy_is_read_back_and_a_bad_one_is_none() {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("catalogue/alibaba.CN.json");
            assert!(read(&file).is_empty());
            let server = McpServer {
                id: "a1".into(),
                name: "ecs".into(),
                description: String::new(),
                mcp_path: Some("/x/mcp".into()),
                sse_path: None,
            };
            write(&file, std::slice::from_ref(&server)).unwrap();
            assert_eq!(read(&file).as_ref(), [server]);
            std::fs::write(&file, b"[{").unwrap();
            assert!(read(&file).is_empty());
        }
    }
}
