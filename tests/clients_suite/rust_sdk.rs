//! The official Rust SDK, in this process.

use std::sync::Once;

use mcp_proxy_sandbox::Sandbox;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientConfig, ClientRequest, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::drivers::Transport;
use crate::support::{PATIENCE, Proxy, sandbox};

/// Passes on the progress that it is told.
struct Listening(mpsc::UnboundedSender<f64>);

impl ClientHandler for Listening {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(params.progress);
    }
}

struct Connected {
    client: RunningService<RoleClient, Listening>,
    progress: mpsc::UnboundedReceiver<f64>,
}

fn transport(proxy: &Proxy, sandbox: &Sandbox) -> StreamableHttpClientTransport<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = crate::url(proxy, sandbox, Transport::Streamable);
    StreamableHttpClientTransport::with_client(http, StreamableHttpClientTransportConfig::with_uri(url))
}

async fn connect(proxy: &Proxy, sandbox: &Sandbox, mode: &ClientLifecycleMode) -> Connected {
    let (sender, progress) = mpsc::unbounded_channel();
    let client = Listening(sender).serve_with_lifecycle(transport(proxy, sandbox), mode.clone()).await.unwrap();
    Connected { client, progress }
}

fn call(name: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone())
}

async fn echo(connected: &Connected, text: &str) {
    let result = connected.client.call_tool(call("echo", &json!({ "text": text }))).await.unwrap();
    assert_eq!(result.content[0].as_text().unwrap().text, text);
}

async fn everything_works(mode: ClientLifecycleMode) {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut connected = connect(&proxy, &sandbox, &mode).await;
    assert_eq!(connected.client.list_all_tools().await.unwrap().len(), 6);
    echo(&connected, "plain, \"quoted\", Zoë, 你好, 🦀").await;
    let read = ReadResourceRequestParams::new("sandbox://square/12");
    let read = serde_json::to_value(connected.client.read_resource(read).await.unwrap()).unwrap();
    assert_eq!(read["contents"][0]["text"], "144");
    connected.client.call_tool(call("progress", &json!({ "seconds": 0.3, "steps": 3 }))).await.unwrap();
    for step in 1..=3 {
        assert_eq!(told(&mut connected).await, f64::from(step));
    }
    cancel(&mut connected, &sandbox).await;
    echo(&connected, "still works").await;
    connected.client.cancel().await.unwrap();
    let again = connect(&proxy, &sandbox, &mode).await;
    echo(&again, "connected anew").await;
    again.client.cancel().await.unwrap();
}

async fn told(connected: &mut Connected) -> f64 {
    tokio::time::timeout(PATIENCE, connected.progress.recv()).await.expect("progress in time").unwrap()
}

/// Gives up a call once it has begun; the server hears of it.
async fn cancel(connected: &mut Connected, sandbox: &Sandbox) {
    let request = CallToolRequest::new(call("progress", &json!({ "seconds": 600, "steps": 6000 })));
    let request = ClientRequest::CallToolRequest(request);
    let handle = connected.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    told(connected).await;
    handle.cancel(Some("enough".to_owned())).await.unwrap();
    let cancelled = sandbox.cloud().wait_until(|counts| counts.mcp_cancellations == 1, PATIENCE).await;
    assert!(cancelled.is_some(), "the server goes on");
    while connected.progress.try_recv().is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_with_a_handshake() {
    everything_works(ClientLifecycleMode::Initialize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_of_the_stateless_revision() {
    everything_works(ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_without_a_login() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let (sender, _progress) = mpsc::unbounded_channel();
    let refused = Listening(sender).serve_with_lifecycle(transport(&proxy, &sandbox), ClientLifecycleMode::Initialize);
    let error = refused.await.err().expect("no session without a login").to_string();
    assert!(error.contains("mcp-proxy login"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_does_not_notice_revocations() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let connected = connect(&proxy, &sandbox, &ClientLifecycleMode::Initialize).await;
    for round in 1..=5 {
        sandbox.cloud().revoke_access_tokens();
        echo(&connected, &format!("round {round}")).await;
        assert_eq!(sandbox.cloud().counts().refreshes, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_is_told_when_the_sign_in_itself_is_taken_away() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let connected = connect(&proxy, &sandbox, &ClientLifecycleMode::Initialize).await;
    sandbox.cloud().revoke_grants();
    let error = connected.client.list_all_tools().await.unwrap_err();
    assert!(matches!(&error, ServiceError::McpError(error) if error.message.contains("mcp-proxy login")), "{error}");
    proxy.sign_in(&sandbox).await;
    echo(&connected, "the session goes on").await;
}
