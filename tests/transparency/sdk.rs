//! The official Rust SDK plays one session straight with the sandbox and one through the proxy: every result, error
//! and notification is the same.

use std::sync::Once;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, ClientConfig, GetPromptRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, NotificationContext, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{PATIENCE, Proxy, sandbox};

/// Writes down the progress that it is told.
struct Listening(mpsc::UnboundedSender<Value>);

impl ClientHandler for Listening {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(json!(params));
    }
}

/// What was asked, and what came of it.
type Transcript = Vec<(&'static str, Value)>;

fn outcome<T: serde::Serialize>(result: Result<T, ServiceError>) -> Value {
    match result {
        Ok(result) => json!({ "result": result }),
        Err(ServiceError::McpError(error)) => json!({ "error": error }),
        Err(other) => panic!("neither a result nor an error: {other}"),
    }
}

async fn session(http: reqwest::Client, url: String, mode: ClientLifecycleMode) -> Transcript {
    let transport =
        StreamableHttpClientTransport::with_client(http, StreamableHttpClientTransportConfig::with_uri(url));
    let (sender, mut progress) = mpsc::unbounded_channel();
    let client = Listening(sender).serve_with_lifecycle(transport, mode).await.unwrap();
    let mut transcript = vec![("who is there", json!(client.peer_info().as_deref()))];
    transcript.push(("tools", outcome(client.list_all_tools().await)));
    transcript.push(("resources", outcome(client.list_all_resources().await)));
    transcript.push(("templates", outcome(client.list_all_resource_templates().await)));
    transcript.push(("prompts", outcome(client.list_all_prompts().await)));
    for (tool, arguments) in [
        ("echo", json!({ "text": "plain, \"quoted\", Zoë, 你好, 🦀, \u{0}\u{7f}\u{2028}" })),
        ("echo", json!({ "text": "" })),
        ("echo", json!({ "no text": 1 })),
        ("large", json!({ "bytes": 3_000_000 })),
        ("progress", json!({ "seconds": 0.1, "steps": 3 })),
        ("no such tool", json!({})),
    ] {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone());
        transcript.push((tool, outcome(client.call_tool(params).await)));
    }
    for _ in 0..3 {
        let told = tokio::time::timeout(PATIENCE, progress.recv()).await.expect("progress in time").unwrap();
        transcript.push(("progress", told));
    }
    for uri in ["sandbox://square/12", "sandbox://no-such/thing"] {
        transcript.push((uri, outcome(client.read_resource(ReadResourceRequestParams::new(uri)).await)));
    }
    let topic = json!({ "topic": "\u{4f60}" });
    let explain = GetPromptRequestParams::new("explain").with_arguments(topic.as_object().unwrap().clone());
    for params in [explain, GetPromptRequestParams::new("no such prompt")] {
        transcript.push(("prompt", outcome(client.get_prompt(params).await)));
    }
    client.cancel().await.unwrap();
    transcript
}

async fn both(mode: ClientLifecycleMode) {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let path = sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap().mcp_path;
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let through = session(plain, format!("http://{}{path}", proxy.address), mode.clone()).await;

    // Straight, with the token that the proxy adds, as the sandbox saw it.
    let seen = sandbox.cloud().received();
    let asked = seen.iter().filter(|record| record.target == path);
    let token = asked.flat_map(|record| record.header("authorization")).next().unwrap().to_owned();
    let ca = reqwest::Certificate::from_pem(&std::fs::read(sandbox.ca_file()).unwrap()).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(token).unwrap())]);
    let straight = reqwest::Client::builder().tls_certs_only([ca]).default_headers(headers).no_proxy().build().unwrap();
    let alone = session(straight, format!("{}{path}", sandbox.cloud_url()), mode).await;

    for ((asked, expected), (_, seen)) in alone.iter().zip(&through) {
        assert_eq!(seen, expected, "{asked}");
        let length = expected.to_string().len();
        println!("same: {asked:?}, {length} bytes of JSON");
    }
    assert_eq!(alone.len(), through.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_handshake() {
    both(ClientLifecycleMode::Initialize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_stateless_revision() {
    both(ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }).await;
}
