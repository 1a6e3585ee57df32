//! Starting, describing and stopping a stand-in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::watch;
use url::Url;

use crate::cloud::Cloud;
use crate::cloud::accounts::{ACCOUNT, KEY, OTHER_KEY, TEMPORARY_KEY};
use crate::cloud::settings::{Consent, Settings};
use crate::gateway::servers::listed;
use crate::oauth::authorize::{self, Refused};
use crate::server::{Kind, Services, bind, serve};
use crate::sync::OwnedTask;
use crate::wire::tls;

/// How to start. Ports of 0 are chosen by the system.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the cloud listens, with TLS.
    pub tls_listen: SocketAddr,
    /// A second listener of the cloud that can be closed alone (see [`Sandbox::token_url`]).
    pub token_listen: SocketAddr,
    /// Where the sign-in page and the admin interface listen, without TLS.
    pub http_listen: SocketAddr,
    /// Where the metadata service of a virtual machine listens, without TLS.
    pub metadata_listen: SocketAddr,
    /// What the sign-in page does.
    pub consent: Consent,
    /// Where the CA certificate is written; a file of its own in the temporary directory
    /// when not said, removed at the end.
    pub ca_file: Option<PathBuf>,
    /// The uid of the default account.
    pub account_uid: String,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            tls_listen: any,
            token_listen: any,
            http_listen: any,
            metadata_listen: any,
            consent: Consent::Ask,
            ca_file: None,
            account_uid: ACCOUNT.to_owned(),
        }
    }
}

/// An MCP server of the default account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Path of the Streamable HTTP endpoint.
    pub mcp_path: String,
    /// Path of the HTTP+SSE endpoint.
    pub sse_path: String,
}

/// A running stand-in. It ends when it is dropped; [`Sandbox::stop`] also waits for the end.
#[derive(Debug)]
pub struct Sandbox {
    cloud: Cloud,
    ca_file: PathBuf,
    remove_ca_file: bool,
    account: String,
    tls_port: u16,
    token_port: u16,
    http_address: SocketAddr,
    metadata_address: SocketAddr,
    page_gate: watch::Sender<bool>,
    tasks: Vec<OwnedTask>,
}

impl Sandbox {
    /// Makes a CA, binds the listeners and serves. The runtime of the caller runs everything.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let tls = tls::generate()?;
        let cloud = Cloud::new(Settings::new(options.consent));
        cloud.state.accounts.lock().rename_default_account(&options.account_uid);

        let (main, token, page) =
            (bind(options.tls_listen).await?, bind(options.token_listen).await?, bind(options.http_listen).await?);
        let (main_address, token_address, http_address) = (main.local_addr()?, token.local_addr()?, page.local_addr()?);
        let metadata = bind(options.metadata_listen).await?;
        let metadata_address = metadata.local_addr()?;
        let remove_ca_file = options.ca_file.is_none();
        let ca_file = options.ca_file.unwrap_or_else(|| {
            let name = format!("mcp-proxy-sandbox-{}-{}.pem", std::process::id(), main_address.port());
            std::env::temp_dir().join(name)
        });
        std::fs::write(&ca_file, &tls.ca_pem)
            .with_context(|| format!("cannot write the CA certificate to {}", ca_file.display()))?;

        let services = Services::new(&cloud);
        let connections = &cloud.state.connections;
        let (main_gate, token_gate) = (connections.cloud_refuses(), connections.token_refuses());
        // Nobody ever closes the page; the sender is kept so that its gate stays in order.
        let page_gate = watch::Sender::new(false);
        let kind = Kind::Cloud(tls.config);
        let start = |listener, address, kind, gate| {
            OwnedTask::spawn(serve(listener, address, kind, cloud.clone(), services.clone(), gate))
        };
        let tasks = vec![
            start(main, main_address, kind.clone(), main_gate),
            start(token, token_address, kind, token_gate),
            start(page, http_address, Kind::Page, page_gate.subscribe()),
            start(metadata, metadata_address, Kind::Metadata, page_gate.subscribe()),
        ];
        let sandbox = Self {
            cloud,
            ca_file,
            remove_ca_file,
            account: options.account_uid,
            tls_port: main_address.port(),
            token_port: token_address.port(),
            http_address,
            metadata_address,
            page_gate,
            tasks,
        };
        let mut settings = sandbox.cloud.state.settings.lock();
        settings.cloud_url = sandbox.cloud_url();
        settings.public_base = sandbox.cloud_url();
        settings.page_url = sandbox.page_url();
        drop(settings);
        Ok(sandbox)
    }

    /// The CA certificate (PEM) that signs the TLS certificate.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The base of every cloud host: API, token endpoint, gateway.
    pub fn cloud_url(&self) -> String {
        format!("https://localhost:{}", self.tls_port)
    }

    /// The same services on a listener of its own, for tests in which the token endpoint alone
    /// refuses connections ([`Cloud::refuse_token_connections`]).
    pub fn token_url(&self) -> String {
        format!("https://localhost:{}", self.token_port)
    }

    /// The base of the sign-in page and of the admin interface.
    pub fn page_url(&self) -> String {
        format!("http://{}", self.http_address)
    }

    /// The base of the metadata service.
    pub fn metadata_url(&self) -> String {
        format!("http://{}", self.metadata_address)
    }

    /// The handle for faults, time, counters and records.
    pub fn cloud(&self) -> Cloud {
        self.cloud.clone()
    }

    /// Id and secret of the default account's access key.
    pub fn access_key(&self) -> (String, String) {
        self.key(KEY)
    }

    /// Id and secret of the access key of another account.
    pub fn other_access_key(&self) -> (String, String) {
        self.key(OTHER_KEY)
    }

    /// Id, secret and security token of a temporary key of the default account.
    pub fn temporary_access_key(&self) -> (String, String, String) {
        let (id, secret) = self.key(TEMPORARY_KEY);
        let accounts = self.cloud.state.accounts.lock();
        let session = accounts.get(&id).and_then(|key| key.session.as_ref());
        (id, secret, session.map(|session| session.token.clone()).unwrap_or_default())
    }

    fn key(&self, id: &str) -> (String, String) {
        let accounts = self.cloud.state.accounts.lock();
        let secret = accounts.get(id).map(|key| key.secret.clone());
        (id.to_owned(), secret.unwrap_or_default())
    }

    /// The uid of the default account.
    pub fn account_uid(&self) -> &str {
        &self.account
    }

    /// The MCP servers of the default account, as the control plane lists them.
    pub fn servers(&self) -> Vec<Server> {
        listed(&self.cloud, &self.account)
            .into_iter()
            .filter(|server| server.entry.source != "core")
            .map(|server| Server {
                name: server.entry.name,
                id: server.entry.id,
                mcp_path: format!("{}/mcp", server.path),
                sse_path: format!("{}/sse", server.path),
            })
            .collect()
    }

    /// What a person does who opens this authorization URL and presses Allow: the same checks
    /// as on the page; the URL the browser is sent to.
    pub fn approve(&self, authorize_url: &str) -> anyhow::Result<String> {
        let request = self.authorization_request(authorize_url)?;
        Ok(authorize::allow(&self.cloud, request).into())
    }

    /// The same with Deny.
    pub fn deny(&self, authorize_url: &str) -> anyhow::Result<String> {
        let request = self.authorization_request(authorize_url)?;
        Ok(authorize::deny(&self.cloud, &request).into())
    }

    fn authorization_request(&self, text: &str) -> anyhow::Result<authorize::Request> {
        let url = Url::parse(text).context("not a URL")?;
        let origin = url.origin().ascii_serialization();
        let own = [self.cloud_url(), self.token_url(), self.page_url()];
        let real = ["https://signin.aliyun.com", "https://signin.alibabacloud.com"];
        if !own.contains(&origin) && !real.contains(&origin.as_str()) {
            bail!("{origin} is not the sign-in host");
        }
        if url.path() != "/oauth2/v1/auth" {
            bail!("{} is not the sign-in page", url.path());
        }
        authorize::check(&self.cloud, url.query().unwrap_or_default()).map_err(|refused| match refused {
            Refused::Page(why) => anyhow::anyhow!("the sign-in page refuses: {why}"),
            Refused::Redirect(to) => anyhow::anyhow!("the sign-in page redirects to {to}"),
        })
    }

    /// Closes all listeners and connections and waits until they are gone.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.stop().await;
        }
        debug_assert!(self.page_gate.is_closed(), "the page's task is gone");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.remove_ca_file {
            // Left behind at worst: a certificate that signs nothing any more.
            let _ = std::fs::remove_file(&self.ca_file);
        }
    }
}
