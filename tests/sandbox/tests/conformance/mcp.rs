//! The MCP servers, reached by rmcp's own client and by hand over HTTP+SSE.

use futures_util::StreamExt;
use rmcp::model::{CallToolRequestParams, ClientConfig, ReadResourceRequestParams};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::support::{DEADLINE, World};

type Connected = RunningService<RoleClient, ClientConfig>;

fn transport(world: &World, path: &str, token: &str) -> StreamableHttpClientTransport<reqwest::Client> {
    let config = StreamableHttpClientTransportConfig::with_uri(world.url(path)).auth_header(token);
    StreamableHttpClientTransport::with_client(world.http.clone(), config)
}

fn call(name: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone())
}

async fn text(client: &Connected, name: &'static str, arguments: Value) -> String {
    let result = client.call_tool(call(name, arguments)).await.unwrap();
    result.content[0].as_text().unwrap().text.clone()
}

#[tokio::test]
async fn streamable_http_serves_sessions() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let client = ClientConfig::default().serve(transport(&world, &path, &tokens.access)).await.unwrap();
    assert_eq!(client.list_all_tools().await.unwrap().len(), 6);
    assert_eq!(text(&client, "echo", json!({ "text": "hello" })).await, "hello");
    assert_eq!(text(&client, "large", json!({ "bytes": 100_000 })).await.len(), 100_000);
    let failed = client.call_tool(call("fail", json!({}))).await.unwrap();
    assert_eq!(failed.is_error, Some(true));
    assert_eq!(client.list_all_resources().await.unwrap().len(), 1);
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 1);
    let read = ReadResourceRequestParams::new("sandbox://square/12");
    let read = serde_json::to_value(client.read_resource(read).await.unwrap()).unwrap();
    assert_eq!(read["contents"][0]["text"], "144");
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 1);
    client.cancel().await.unwrap();
    let counts = world.sandbox.cloud().counts();
    assert_eq!(counts.tool_calls("sandbox-tools/echo"), 1);
    let records = world.sandbox.cloud().received();
    assert!(records.iter().any(|record| !record.header("mcp-session-id").is_empty()));
}

#[tokio::test]
async fn every_listed_server_answers() {
    let world = World::new().await;
    world.sandbox.cloud().add_server("later");
    let (_, tokens) = world.signed_in().await;
    let mut paths: Vec<String> = world.sandbox.servers().into_iter().map(|server| server.mcp_path).collect();
    assert_eq!(paths.len(), 4);
    paths.extend(["/mcp".to_owned(), "/id/cOrE000000000001/mcp".to_owned()]);
    for path in paths {
        let client = ClientConfig::default().serve(transport(&world, &path, &tokens.access)).await.unwrap();
        assert!(!client.list_all_tools().await.unwrap().is_empty(), "{path}");
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn the_stateless_revision_is_served_beside() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-notes");
    let client = ClientConfig::default()
        .serve_with_lifecycle(
            transport(&world, &path, &tokens.access),
            ClientLifecycleMode::Discover { preferred_versions: vec![rmcp::model::ProtocolVersion::V_2026_07_28] },
        )
        .await
        .unwrap();
    assert_eq!(text(&client, "add_note", json!({ "text": "one" })).await, "note://1");
    assert_eq!(text(&client, "list_notes", json!({})).await, "one");
    client.cancel().await.unwrap();
    let records = world.sandbox.cloud().received();
    assert!(records.iter().all(|record| record.header("mcp-session-id").is_empty()));
    assert!(records.iter().any(|record| record.header("mcp-name") == ["list_notes"]));
}

/// A POST of one message by hand.
async fn post(world: &World, path: &str, token: &str, session: Option<&str>, message: &Value) -> reqwest::Response {
    let mut request = world
        .http
        .post(world.url(path))
        .bearer_auth(token)
        .header("Accept", "application/json, text/event-stream")
        .json(message);
    if let Some(session) = session {
        request = request.header("Mcp-Session-Id", session).header("MCP-Protocol-Version", "2025-06-18");
    }
    request.send().await.unwrap()
}

fn initialize(version: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version,
        "capabilities": { "elicitation": {}, "sampling": {} },
        "clientInfo": { "name": "by hand", "version": "1" },
    } })
}

async fn session(world: &World, path: &str, token: &str) -> String {
    let response = post(world, path, token, None, &initialize("2025-06-18")).await;
    assert_eq!(response.status().as_u16(), 200);
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    drop(response.text().await.unwrap());
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(world, path, token, Some(&id), &ready).await.status().as_u16(), 202);
    id
}

#[tokio::test]
async fn sessions_end_and_are_missed() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let id = session(&world, &path, &tokens.access).await;
    let delete = world.http.delete(world.url(&path)).bearer_auth(&tokens.access);
    let deleted = delete.header("Mcp-Session-Id", &id).send().await.unwrap();
    assert!(deleted.status().is_success(), "{}", deleted.status());
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let lost = post(&world, &path, &tokens.access, Some(&id), &ping).await;
    assert_eq!(lost.status().as_u16(), 404);
}

#[tokio::test]
async fn progress_is_reported_and_can_be_cancelled() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let id = session(&world, &path, &tokens.access).await;
    let progress = |id: u64, seconds: f64| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
            "name": "progress",
            "arguments": { "steps": 3, "seconds": seconds },
            "_meta": { "progressToken": "p" },
        } })
    };
    let body = post(&world, &path, &tokens.access, Some(&id), &progress(1, 0.1)).await;
    let body = body.text().await.unwrap();
    assert_eq!(body.matches("notifications/progress").count(), 3, "{body}");
    assert!(body.contains("3 steps"), "{body}");

    let endless = post(&world, &path, &tokens.access, Some(&id), &progress(2, 3600.0)).await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 2, "reason": "enough" } });
    assert_eq!(post(&world, &path, &tokens.access, Some(&id), &cancel).await.status().as_u16(), 202);
    let counts = cloud.wait_until(|counts| counts.mcp_cancellations == 1, DEADLINE).await;
    assert_eq!(counts.expect("cancelled").tool_calls("sandbox-tools/progress"), 2);
    drop(endless);
}

/// An HTTP+SSE session by hand: its message URL and its events.
struct Legacy {
    endpoint: String,
    buffer: String,
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
}

impl Legacy {
    async fn open(world: &World, path: &str, token: &str) -> Self {
        let response = world.get(path, token).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = response.bytes_stream().boxed();
        let mut own = Self { endpoint: String::new(), buffer: String::new(), body };
        let (event, data) = own.event().await;
        assert_eq!(event, "endpoint");
        own.endpoint = data;
        own
    }

    async fn event(&mut self) -> (String, String) {
        let end = loop {
            if let Some(end) = self.buffer.find("\n\n") {
                break end;
            }
            let next = tokio::time::timeout(DEADLINE, self.body.next()).await.expect("an event");
            let piece = next.expect("no end").unwrap();
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        };
        let event: String = self.buffer.drain(..end + 2).collect();
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (field("event: "), field("data: "))
    }

    async fn message(&mut self) -> Value {
        let (event, data) = self.event().await;
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap()
    }
}

#[tokio::test]
async fn the_old_transport_serves_the_same_servers() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools").replace("/mcp", "/sse");
    let mut legacy = Legacy::open(&world, &path, &tokens.access).await;
    let expected = format!("{}/message?sessionId=", path.trim_end_matches("/sse"));
    assert!(legacy.endpoint.starts_with(&expected), "{}", legacy.endpoint);
    let endpoint = legacy.endpoint.clone();
    let send = async |message: Value| post(&world, &endpoint, &tokens.access, None, &message).await.status().as_u16();
    assert_eq!(send(initialize("2024-11-05")).await, 202);
    let answer = legacy.message().await;
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    assert_eq!(send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await, 202);
    let tool = |id: u64, name: &str, arguments: Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": name, "arguments": arguments } })
    };
    assert_eq!(send(tool(1, "echo", json!({ "text": "old" }))).await, 202);
    assert_eq!(legacy.message().await["result"]["content"][0]["text"], "old");

    // The server asks the client, and gets its answer.
    assert_eq!(send(tool(2, "elicit", json!({ "question": "who?" }))).await, 202);
    let asked = legacy.message().await;
    assert_eq!(asked["method"], "elicitation/create");
    let reply = json!({ "jsonrpc": "2.0", "id": asked["id"],
        "result": { "action": "accept", "content": { "answer": "me" } } });
    assert_eq!(send(reply).await, 202);
    let answer = legacy.message().await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("\"me\""));

    assert_eq!(send(tool(3, "sample", json!({ "question": "why?" }))).await, 202);
    let asked = legacy.message().await;
    assert_eq!(asked["method"], "sampling/createMessage");
    let reply = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": {
        "role": "assistant", "model": "m", "content": { "type": "text", "text": "because" } } });
    assert_eq!(send(reply).await, 202);
    let answer = legacy.message().await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("because"));

    drop(legacy);
    let counts = cloud.wait_until(|counts| counts.cancelled_streams == 1, DEADLINE).await;
    assert_eq!(counts.expect("the stream was left").open_streams, 0);
    let lost = post(&world, &endpoint, &tokens.access, None, &tool(9, "echo", json!({}))).await;
    assert_eq!(lost.status().as_u16(), 404);
    assert_eq!(lost.text().await.unwrap(), "session not found");
}

#[tokio::test]
async fn endpoints_can_be_absolute_and_belong_to_their_server() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-notes").replace("/mcp", "/sse");
    let relative = Legacy::open(&world, &path, &tokens.access).await;
    let foreign =
        relative.endpoint.replace("sandbox-notes", "sandbox-tools").replace("sAnDb0xN0Tes0001", "sAnDb0xT00Ls0001");
    let answer = post(&world, &foreign, &tokens.access, None, &initialize("2024-11-05")).await;
    assert_eq!(answer.status().as_u16(), 404);
    world.sandbox.cloud().set_absolute_endpoint(true);
    let absolute = Legacy::open(&world, &path, &tokens.access).await;
    assert!(absolute.endpoint.starts_with(&world.url("/accounts/")), "{}", absolute.endpoint);
}
