//! Kinds of messages: answers without a body, and a whole MCP session through the daemon.

use http::StatusCode;
use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{Proxy, sandbox};
use crate::wire::Raw;

async fn ask(proxy: &Proxy, request: &str) -> (u16, Option<String>, Vec<u8>) {
    let request = format!("{request} HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    let mut client = Raw::asking(proxy.address, &request).await;
    let head = client.head().await;
    let length = head.header("content-length").map(str::to_owned);
    assert_eq!(head.header("transfer-encoding"), None, "{request}");
    (head.status, length, client.rest().await)
}

#[tokio::test]
async fn head_and_answers_without_a_body_have_none() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let length = |text: &str| Some(text.to_owned());
    assert_eq!(ask(&proxy, "HEAD /lab/bytes/1000").await, (200, length("1000"), vec![]));
    assert_eq!(ask(&proxy, "HEAD /lab/bytes/0").await, (200, length("0"), vec![]));
    assert_eq!(ask(&proxy, "HEAD /favicon.ico").await, (404, length("11"), vec![]));
    assert_eq!(ask(&proxy, "GET /lab/status/204").await, (204, None, vec![]));
    assert_eq!(ask(&proxy, "DELETE /lab/status/204").await, (204, None, vec![]));
    assert_eq!(ask(&proxy, "GET /lab/status/304").await, (304, None, vec![]));
    assert_eq!(ask(&proxy, "GET /lab/bytes/0").await, (200, length("0"), vec![]));
}

/// A message of a session; the answer's status, session and text.
async fn say(proxy: &Proxy, path: &str, session: &str, message: &Value) -> (StatusCode, String, String) {
    let text = message.to_string();
    let mut request = crate::support::post(proxy.address, path, &text);
    if !session.is_empty() {
        request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
        request.headers_mut().insert("mcp-protocol-version", "2025-06-18".parse().unwrap());
    }
    let (status, headers, body) = crate::support::whole(proxy.send(request).await).await;
    let session = headers.get("mcp-session-id").map_or(String::new(), |id| id.to_str().unwrap().to_owned());
    (status, session, body)
}

fn tools(sandbox: &Sandbox) -> String {
    sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap().mcp_path
}

#[tokio::test]
async fn a_session_runs_from_initialize_to_delete() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let path = tools(&sandbox);
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let (status, session, body) = say(&proxy, &path, "", &hello).await;
    assert!(status == StatusCode::OK && !session.is_empty() && body.contains("serverInfo"), "{status} {body}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let (status, _, body) = say(&proxy, &path, &session, &ready).await;
    assert_eq!((status, body.as_str()), (StatusCode::ACCEPTED, ""));
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": "echo", "arguments": { "text": "there and back" } } });
    let (status, _, body) = say(&proxy, &path, &session, &call).await;
    assert!(status == StatusCode::OK && body.contains("there and back"), "{status} {body}");
    let end = http::Request::delete(&path).header("host", "localhost").header("mcp-session-id", &session);
    let ended = proxy.send(end.body(http_body_util::Full::default()).unwrap()).await;
    assert!(ended.status().is_success(), "{}", ended.status());
    let (status, ..) = say(&proxy, &path, &session, &call).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the upstream's own word that the session is over");
}
