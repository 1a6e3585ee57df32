//! An MCP server in a few lines, over plain HTTP. Paths say how it answers; it notes every request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The tools of every path, and what the server says of them.
pub(crate) const TOOLS: [(&str, Option<bool>); 6] = [
    ("DescribeThings", Some(true)),
    ("ListThings", Some(true)),
    ("DeleteThings", Some(false)),
    ("RunThings", None),
    ("écho", Some(true)),
    ("describe-secret", Some(true)),
];

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Streams = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Bytes>>>>;

/// The server.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    streams: Streams,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, streams) = (Arc::new(Mutex::new(Vec::new())), Streams::default());
        let (noted, open, mut tasks) = (seen.clone(), streams.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (noted, open) = (noted.clone(), open.clone());
                let service = service_fn(move |request| {
                    let (noted, open) = (noted.clone(), open.clone());
                    async move { Ok::<_, Infallible>(answer(request, &noted, &open).await) }
                });
                connections.spawn(async move {
                    // A connection that breaks is its client's affair.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, seen, streams, _tasks: tasks }
    }

    /// What has arrived since the last time.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// True as long as somebody reads the stream of that session.
    #[allow(dead_code, reason = "not every test that has this server asks")]
    pub(crate) fn has_listener(&self, session: &str) -> bool {
        self.streams.lock().unwrap().get(session).is_some_and(|stream| !stream.is_closed())
    }

    /// Says something in the stream of that session.
    pub(crate) fn say(&self, session: &str, text: &str) {
        self.streams.lock().unwrap()[session].send(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    }
}

/// All tools as the server lists them.
pub(crate) fn tool_list() -> String {
    let tools: Vec<String> = TOOLS
        .iter()
        .map(|(name, says)| {
            let hint = says.map_or(String::new(), |says| format!(r#", "annotations": {{"readOnlyHint": {says}}}"#));
            format!(r#"{{"name":"{name}" ,"inputSchema":{{"type":"object","x":1.50}}{hint}}}"#)
        })
        .collect();
    tools.join(" ,\n ")
}

/// The answer to one message; `None` to a notification.
fn answer_to(message: &Value) -> Option<String> {
    let (id, method) = (message.get("id")?, message["method"].as_str()?);
    let result = match method {
        "tools/list" => format!(r#"{{"tools": [ {} ],"nextCursor":"n\u0031"}}"#, tool_list()),
        "tools/call" => json!({ "content": [{ "type": "text", "text": message["params"]["name"] }] }).to_string(),
        _ => json!({ "method": method }).to_string(),
    };
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

fn answers_to(body: &[u8]) -> Option<String> {
    match serde_json::from_slice(body).unwrap_or_default() {
        Value::Array(messages) => {
            let answers: Vec<String> = messages.iter().filter_map(answer_to).collect();
            (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
        }
        message => answer_to(&message),
    }
}

type Body = BoxBody<Bytes, Infallible>;

fn text(status: u16, content_type: &str, text: impl Into<Bytes>) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", content_type);
    builder.body(Full::new(text.into()).boxed()).unwrap()
}

async fn answer(request: Request<Incoming>, seen: &Mutex<Vec<Seen>>, streams: &Streams) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let target = head.uri.to_string();
    seen.lock().unwrap().push(Seen { headers: head.headers, body: body.clone() });
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    if head.method == Method::GET && path.ends_with("/sse") {
        return stream(path, query, streams);
    }
    if path.ends_with("/messages") {
        if let (Some(answers), Some(open)) = (answers_to(&body), streams.lock().unwrap().get(query)) {
            open.send(format!("event: message\ndata: {}\n\n", answers.replace('\n', "\ndata: ")).into()).unwrap();
        }
        return text(202, "text/plain", "Accepted");
    }
    let Some(answers) = answers_to(&body) else { return text(202, "text/plain", "") };
    match path.rsplit('/').next().unwrap_or_default() {
        "stream" => {
            let events = format!(
                ": hello\n\nid: 1\nevent: message\ndata: {}\n\nid: 2\ndata: {{}}\n\n",
                answers.replace('\n', "\ndata: ")
            );
            text(200, "text/event-stream", events)
        }
        "gzip" => {
            let mut response = text(200, "application/json", answers);
            response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            response
        }
        "gzip-stream" => {
            let mut response = text(200, "text/event-stream", format!("data: {answers}\n\n"));
            response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            response
        }
        "long" => text(200, "application/json", format!("{answers}{}", " ".repeat(9 << 20))),
        "twice" => text(200, "application/json", answers.replace("\"nextCursor\"", "\"tools\":[],\"nextCursor\"")),
        "failing" => text(500, "application/json", answers),
        "moved" => {
            let mut response = text(307, "text/plain", "");
            response.headers_mut().insert("location", query.parse().unwrap());
            response
        }
        _ => {
            let mut response = text(200, "application/json", answers);
            response.headers_mut().insert("etag", "\"1\"".parse().unwrap());
            response.headers_mut().insert("x-other", "stays".parse().unwrap());
            response
        }
    }
}

/// HTTP+SSE: the endpoint is beside the stream, and the query of either names the session.
fn stream(path: &str, session: &str, streams: &Streams) -> Response<Body> {
    let (say, mut said) = mpsc::unbounded_channel();
    let endpoint = format!("event: endpoint\ndata: {}?{session}\n\n", path.replace("/sse", "/messages"));
    say.send(endpoint.into()).unwrap();
    streams.lock().unwrap().insert(session.to_owned(), say);
    let frames = futures_util::stream::poll_fn(move |context| {
        said.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    });
    let response = Response::builder().status(StatusCode::OK).header("content-type", "text/event-stream");
    response.body(BodyExt::boxed(StreamBody::new(frames))).unwrap()
}
