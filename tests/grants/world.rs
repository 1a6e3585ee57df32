//! A server, a daemon in front of it, and its one client with the rules of a test.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mcp_proxy::model::time::Clock;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::server::{Seen, Server};
use crate::support::{PATIENCE, Proxy, state_dir, whole};

/// All that is needed to ask.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// What reached the server.
    pub(crate) reached: Vec<Seen>,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The words of a refusal that did not reach the server, if it is one.
    pub(crate) fn refusal(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let error = if body.is_array() { body[0]["error"].clone() } else { body["error"].clone() };
        let words = error["message"].as_str()?.to_owned();
        assert!(self.reached.is_empty(), "refused, and it reached the server: {self:?}");
        Some(words)
    }
}

impl World {
    /// A daemon whose client has these rules, lines of its `[[client]]`.
    pub(crate) async fn new(rules: &str) -> Self {
        Self::with(rules, "", Clock::system()).await
    }

    /// The same with more configuration before the client, and another clock.
    pub(crate) async fn with(rules: &str, more: &str, clock: Clock) -> Self {
        let (server, state) = (Server::start().await, state_dir());
        let token = state.path().join("token");
        std::fs::write(&token, "a-token").unwrap();
        let text = format!(
            r#"
state_dir = "{state}"
[listen]
port = 0
unix = ["{state}/proxy.sock"]
[control]
socket = "off"
{more}
[[upstream]]
name = "lab"
mount = "/"
url = "{url}"
auth = "token-file"
token_file = "{token}"
[[client]]
name = "dify"
{rules}
"#,
            state = state.path().display(),
            url = server.url,
            token = token.display(),
        );
        let proxy = Proxy::configured(&text, BTreeMap::new(), clock, state).await;
        Self { server, proxy }
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Outcome {
        self.server.take_seen();
        let request = request.header("host", self.proxy.address.to_string());
        let response = self.proxy.send(request.body(Full::new(body.into())).unwrap()).await;
        let (status, headers, body) = whole(response).await;
        Outcome { status, headers, body, reached: self.server.take_seen() }
    }

    /// POST of a body as MCP clients send it, with more headers.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Outcome {
        let request = Request::post(path).header("accept", "application/json, text/event-stream");
        let has_type = headers.iter().any(|(name, _)| *name == "content-type");
        let request = if has_type { request } else { request.header("content-type", "application/json") };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request, body.to_owned()).await
    }

    /// POST of a body as MCP clients send it.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Outcome {
        self.post_with(path, &[], body).await
    }

    /// The same over the Unix socket.
    pub(crate) async fn post_locally(&self, path: &str, body: &str) -> Outcome {
        self.server.take_seen();
        let stream = UnixStream::connect(self.proxy.state_dir().path().join("proxy.sock")).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let request = Request::post(path).header("host", "localhost").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let asking = async {
            let answered = whole(sender.send_request(request).await.unwrap()).await;
            drop(sender);
            answered
        };
        let ((status, headers, body), _) = tokio::join!(asking, connection);
        Outcome { status, headers, body, reached: self.server.take_seen() }
    }

    /// A stream that a GET opens.
    pub(crate) async fn open(&self, path: &str) -> Stream {
        let request = Request::get(path).header("host", self.proxy.address.to_string());
        let response =
            self.proxy.send(request.header("accept", "text/event-stream").body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream { body: response.into_body(), unread: String::new() }
    }
}

/// An open event stream.
pub(crate) struct Stream {
    body: Incoming,
    unread: String,
}

impl Stream {
    /// The next event, with its empty line; `None` when the stream breaks or ends.
    pub(crate) async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                return Some(self.unread.drain(..end + 2).collect());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("an event in time");
            let bytes = frame?.ok()?.into_data().unwrap();
            self.unread.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The message in the next event.
    pub(crate) async fn message(&mut self) -> Value {
        let event = self.event().await.expect("an event");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        serde_json::from_str(data).unwrap()
    }
}

/// A call of a tool.
pub(crate) fn call(id: u32, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
}

/// A request without parameters.
pub(crate) fn request(id: u32, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)
}

/// A notification.
pub(crate) fn note(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)
}
