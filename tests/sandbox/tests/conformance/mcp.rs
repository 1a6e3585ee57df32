//! The MCP servers, reached by rmcp's own client and by hand over HTTP+SSE.

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    Implementation, ReadResourceRequestParams,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::support::{DEADLINE, World};

pub(crate) type Connected = RunningService<RoleClient, ClientConfig>;

pub(crate) fn transport(world: &World, path: &str, token: &str) -> StreamableHttpClientTransport<reqwest::Client> {
    let config = StreamableHttpClientTransportConfig::with_uri(world.url(path)).auth_header(token);
    StreamableHttpClientTransport::with_client(world.http.clone(), config)
}

pub(crate) fn call(name: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone())
}

pub(crate) async fn text(client: &Connected, name: &'static str, arguments: Value) -> String {
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
pub(crate) async fn post(
    world: &World,
    path: &str,
    token: &str,
    session: Option<&str>,
    message: &Value,
) -> reqwest::Response {
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

pub(crate) fn initialize(version: &str) -> Value {
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

/// A client with a person and a model behind it.
#[derive(Clone, Default)]
struct Answering;

impl rmcp::ClientHandler for Answering {
    #[expect(deprecated, reason = "sampling is deprecated, but clients will use it for years")]
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().enable_sampling().build();
        ClientConfig::new(capabilities, Implementation::new("answering", "1"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, rmcp::ErrorData> {
        let content = json!({ "answer": "forty-two" });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    #[expect(deprecated, reason = "sampling is deprecated, but clients will use it for years")]
    async fn create_message(
        &self,
        _: rmcp::model::CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::CreateMessageResult, rmcp::ErrorData> {
        let message = rmcp::model::SamplingMessage::assistant_text("because");
        Ok(rmcp::model::CreateMessageResult::new(message, "model".to_owned()))
    }
}

#[tokio::test]
async fn the_server_asks_back_in_both_eras() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let modern = ClientLifecycleMode::Discover { preferred_versions: vec![rmcp::model::ProtocolVersion::V_2026_07_28] };
    for mode in [ClientLifecycleMode::Initialize, modern] {
        let client =
            Answering.serve_with_lifecycle(transport(&world, &path, &tokens.access), mode.clone()).await.unwrap();
        for (tool, expected) in [("elicit", "forty-two"), ("sample", "because")] {
            let result = client.call_tool(call(tool, json!({ "question": "?" }))).await.unwrap();
            let answer = &result.content[0].as_text().unwrap().text;
            assert!(answer.contains(expected), "{mode:?} {tool}: {answer}");
        }
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_stream_is_resumed_by_its_last_event() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let id = session(&world, &path, &tokens.access).await;
    let slow = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {
        "name": "progress", "arguments": { "steps": 1, "seconds": 0.3 } } });
    let mut response = post(&world, &path, &tokens.access, Some(&id), &slow).await;
    let priming = String::from_utf8(response.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let last = priming.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    assert_eq!(world.sandbox.cloud().cut_streams(), 1);
    assert!(response.chunk().await.is_err());
    let resumed = world
        .get(&path, &tokens.access)
        .header("Accept", "text/event-stream")
        .header("Mcp-Session-Id", &id)
        .header("Last-Event-ID", last);
    let mut resumed = resumed.send().await.unwrap();
    assert_eq!(resumed.status().as_u16(), 200);
    let mut received = String::new();
    while !received.contains("1 steps") {
        let piece = tokio::time::timeout(DEADLINE, resumed.chunk()).await.expect("the answer");
        received.push_str(std::str::from_utf8(&piece.unwrap().unwrap()).unwrap());
    }
    assert_eq!(world.sandbox.cloud().counts().mcp_cancellations, 0, "a cut is no cancellation");
}

#[tokio::test]
async fn in_the_stateless_era_a_closed_answer_is_a_cancellation() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "progress",
        "arguments": { "steps": 1000, "seconds": 1000.0 },
        "_meta": {
            "progressToken": "p",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "by hand", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let request = world
        .http
        .post(world.url(&path))
        .bearer_auth(&tokens.access)
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "progress")
        .json(&message);
    let mut response = request.send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(std::str::from_utf8(&first).unwrap().contains("notifications/progress"));
    drop(response);
    let counts = cloud.wait_until(|counts| counts.mcp_cancellations == 1, DEADLINE).await;
    assert!(counts.is_some());
}
