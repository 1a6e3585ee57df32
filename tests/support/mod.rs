//! What the integration tests share: a cloud of their own, a daemon in this process or as the real program, and a
//! plain HTTP client.
//!
//! Every test has its own sandbox, state directory and ports, so tests run beside each other.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "what is skipped is printed by name")]

pub mod person;
pub mod prerequisites;
pub mod program;
pub mod systemd;
pub mod time;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mcp_proxy::config::{self, Inputs};
use mcp_proxy::daemon::{Daemon, Purpose};
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Nothing that a test waits for takes this long, unless the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a sandbox with default options.
pub async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.expect("the sandbox starts")
}

/// The configuration that leads a daemon to `sandbox`. Listens on any free port, and has no control socket: commands
/// work on the files then. Nothing answers where a virtual machine's metadata would be. `more` is appended; it may begin
/// with lines for the `[[upstream]]` table.
pub fn config_text(sandbox: &Sandbox, state_dir: &Path, more: &str) -> String {
    format!(
        r#"
state_dir = "{state}"
[listen]
port = 0
[control]
socket = "off"
[network]
extra_ca_file = "{ca}"
[alibaba]
aliyun_config_file = "{state}/aliyun.json"
[alibaba.endpoints]
signin = "{page}"
oauth = "{token}"
ims = "{cloud}"
ramoauth = "{cloud}"
sts = "{cloud}"
metadata = "http://127.0.0.1:9"
[[upstream]]
name = "alibaba"
mount = "/"
url = "{cloud}"
{more}
"#,
        state = state_dir.display(),
        ca = sandbox.ca_file().display(),
        page = sandbox.page_url(),
        token = sandbox.token_url(),
        cloud = sandbox.cloud_url(),
    )
}

/// The environment with the sandbox's API credentials.
pub fn environment(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let (id, secret) = sandbox.access_key();
    BTreeMap::from([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID".to_owned(), id),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned(), secret),
    ])
}

/// A daemon in this process.
pub struct Proxy {
    pub address: SocketAddr,
    pub daemon: Inside,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    state_dir: Arc<TempDir>,
}

/// What a test may touch inside a running daemon.
pub struct Inside {
    pub health: mcp_proxy::observe::health::Health,
    sign_in: Option<mcp_proxy::daemon::sign_in::SignIn>,
}

impl Inside {
    /// The sign-in of the first upstream that has one.
    pub fn sign_in(&self) -> &mcp_proxy::daemon::sign_in::SignIn {
        self.sign_in.as_ref().expect("an upstream with a login")
    }
}

impl Proxy {
    /// Starts a daemon that is not signed in.
    pub async fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, "", Clock::system(), state_dir()).await
    }

    /// Starts a daemon and signs in through the sandbox's page and the real callback.
    pub async fn signed_in(sandbox: &Sandbox) -> Self {
        Self::signed_in_with(sandbox, "").await
    }

    /// The same with more configuration.
    pub async fn signed_in_with(sandbox: &Sandbox, more: &str) -> Self {
        let proxy = Self::start_with(sandbox, more, Clock::system(), state_dir()).await;
        proxy.sign_in(sandbox).await;
        proxy
    }

    /// Starts a daemon with everything given: more configuration, the time, the state directory.
    pub async fn start_with(sandbox: &Sandbox, more: &str, clock: Clock, state_dir: Arc<TempDir>) -> Self {
        let text = config_text(sandbox, state_dir.path(), more);
        Self::configured(&text, environment(sandbox), clock, state_dir).await
    }

    /// Starts a daemon with a configuration of its own.
    pub async fn configured(
        text: &str,
        environment: BTreeMap<String, String>,
        clock: Clock,
        state_dir: Arc<TempDir>,
    ) -> Self {
        let main_file = state_dir.path().join("mcp-proxy.toml");
        std::fs::write(&main_file, text).unwrap();
        let inputs = Inputs { main_file, uid: 1000, ..Inputs::default() };
        let settings = config::load(&inputs).unwrap_or_else(|problems| panic!("{problems:?}")).settings;
        let daemon = Daemon::start(&settings, Arc::new(environment), clock, Purpose::Serve).await.unwrap();
        let inside = Inside { health: daemon.health().clone(), sign_in: daemon.sign_ins().first().cloned() };
        let (address, stop, mut tasks) = (daemon.address().unwrap(), CancellationToken::new(), JoinSet::new());
        let running = daemon.run(stop.clone());
        tasks.spawn(async move { running.await.expect("no part of the daemon ends by itself") });
        Self { address, daemon: inside, stop, tasks, state_dir }
    }

    /// Signs in: the person allows on the page, the browser follows to the callback.
    pub async fn sign_in(&self, sandbox: &Sandbox) {
        let mut begun = self.daemon.sign_in().begin().await.unwrap();
        let callback = sandbox.approve(begun.authorize_url()).unwrap();
        let path = callback.strip_prefix(&format!("http://{}", self.address)).expect("the callback leads here");
        let login = async {
            let delivery = begun.delivered().await.unwrap();
            begun.finish_delivered(delivery).await.unwrap()
        };
        let (page, signed_in) = tokio::join!(self.get(path), login);
        assert_eq!(page.0, StatusCode::OK, "{}", page.2);
        assert_eq!(signed_in.not_saved, None);
    }

    /// The directory of its state; kept by whoever holds it.
    pub fn state_dir(&self) -> Arc<TempDir> {
        self.state_dir.clone()
    }

    /// Stops as on SIGTERM and waits for the end.
    pub async fn stop(mut self) -> Arc<TempDir> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.state_dir.clone()
    }

    /// Sends a request on a new connection and answers as soon as the head of the response is there.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        send(self.address, request).await
    }

    /// GET; the answer as status, headers and text.
    pub async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(path).header("host", self.address.to_string()).body(Full::default()).unwrap();
        whole(self.send(request).await).await
    }

    /// POST of a JSON-RPC message; the answer as status, headers and text.
    pub async fn post(&self, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
        whole(self.send(post(self.address, path, body)).await).await
    }
}

/// A new directory for a daemon's state.
pub fn state_dir() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// A POST as MCP clients send it.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

/// Sends a request on a connection of its own. The connection ends with the response.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("the daemon listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    #[expect(clippy::disallowed_methods, reason = "the connection ends by itself when the response is dropped")]
    tokio::spawn(connection);
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time").expect("an answer")
}

/// Reads a response to its end.
pub async fn whole(response: Response<Incoming>) -> (StatusCode, HeaderMap, String) {
    let (head, body) = response.into_parts();
    let bytes = tokio::time::timeout(PATIENCE, body.collect()).await.expect("an end in time").expect("a whole body");
    (head.status, head.headers, String::from_utf8_lossy(&bytes.to_bytes()).into_owned())
}
