//! The HTTP+SSE transport of 2024-11-05, spoken by hand: no client speaks it any more.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::mcp::{initialize, post};
use crate::support::{DEADLINE, World};

/// An HTTP+SSE session by hand: its message URL and its events.
pub(crate) struct Legacy {
    pub(crate) endpoint: String,
    buffer: String,
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
}

impl Legacy {
    pub(crate) async fn open(world: &World, path: &str, token: &str) -> Self {
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

    pub(crate) async fn message(&mut self) -> Value {
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
