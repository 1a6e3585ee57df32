//! `mcp-proxy stdio` with a server that the test plays itself, so that everything can go wrong: sessions that end,
//! streams that break, answers that are no messages, a server that is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a task of a test ends with its runtime")]

mod support;

use std::convert::Infallible;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::PATIENCE;
use support::program::bare;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

type Body = BoxBody<Bytes, std::io::Error>;
/// What a stream says, as the test wants it.
type Sender = mpsc::UnboundedSender<Result<Bytes, std::io::Error>>;
type Receiver = mpsc::UnboundedReceiver<Result<Bytes, std::io::Error>>;

/// What came in.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    fn id(&self) -> &Value {
        &self.body["id"]
    }

    fn result(&self, result: &Value) -> String {
        json!({"jsonrpc": "2.0", "id": self.id(), "result": result}).to_string()
    }
}

type Script = dyn Fn(&Seen, usize) -> Response<Body> + Send + Sync;

/// A server that does what a script says. The script gets each request and how many there were of its kind before.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(script: impl Fn(&Seen, usize) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, Arc::new(script), Arc::default())
    }

    fn on(listener: TcpListener, script: Arc<Script>, seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let noted = seen.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (script.clone(), noted.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, seen) = (script.clone(), seen.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        let path = head.uri.to_string();
                        let now = Seen { method: head.method, path, headers: head.headers, body };
                        let before = {
                            let mut seen = seen.lock().unwrap();
                            let alike = |old: &&Seen| old.method == now.method && old.rpc() == now.rpc();
                            let before = seen.iter().filter(alike).count();
                            seen.push(now.clone());
                            before
                        };
                        Ok::<_, Infallible>(script(&now, before))
                    }
                });
                connections.spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await)
                });
            }
        });
        Self { port, seen, task }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a request came that fits.
    async fn saw(&self, fits: impl Fn(&Seen) -> bool) -> Seen {
        let looking = async {
            loop {
                if let Some(found) = self.seen().into_iter().find(|seen| fits(seen)) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = || self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.rpc())).collect::<Vec<_>>();
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("it never came: {:?}", seen()))
    }
}

fn answer(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed();
    Response::builder().status(status).header("content-type", kind).body(body).unwrap()
}

fn json_answer(body: impl Into<Bytes>) -> Response<Body> {
    answer(200, "application/json", body)
}

fn nothing(status: u16) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(Full::default().map_err(|never: Infallible| match never {}).boxed())
        .unwrap()
}

/// An event stream that says `first`, then what comes out of `more`. An error there breaks it off.
fn events(first: &str, more: Option<Receiver>) -> Response<Body> {
    let first = Bytes::copy_from_slice(first.as_bytes());
    let stream = futures_util::stream::unfold((Some(first), more), |(first, more)| async move {
        match (first, more) {
            (Some(first), more) => Some((Ok(Frame::data(first)), (None, more))),
            (None, Some(mut more)) => more.recv().await.map(|piece| (piece.map(Frame::data), (None, Some(more)))),
            (None, None) => None,
        }
    });
    let body = BodyExt::boxed(StreamBody::new(Box::pin(SyncStream(Mutex::new(Box::pin(stream))))));
    Response::builder().status(200).header("content-type", "text/event-stream").body(body).unwrap()
}

type Pieces = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>;

/// A boxed body has to be `Sync`; nobody polls it from two places.
struct SyncStream(Mutex<Pieces>);

impl futures_util::Stream for SyncStream {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.get_mut().0.get_mut().unwrap().as_mut().poll_next(context)
    }
}

fn broken() -> std::io::Error {
    std::io::Error::other("cut by the test")
}

/// The bridge and its client's side.
struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    _directory: tempfile::TempDir,
}

impl Bridge {
    fn to(port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mcp-proxy.toml");
        std::fs::write(&file, format!("[listen]\nport = {port}\n[control]\nsocket = \"off\"\n")).unwrap();
        let mut command = bare(&["stdio", "--server", "/mcp?x=1"]);
        command.arg("--config").arg(file);
        let mut command = Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, lines, _directory: directory }
    }

    async fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    async fn request(&mut self, id: impl Into<Value>, method: &str) {
        self.send(&json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {}})).await;
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time");
        serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
    }

    async fn ask(&mut self, id: impl Into<Value>, method: &str) -> Value {
        let id = id.into();
        self.request(id.clone(), method).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn begin(&mut self) {
        let answer = self.ask(0, "initialize").await;
        assert!(answer.get("result").is_some(), "{answer}");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }

    async fn end(&mut self) -> i32 {
        drop(self.input.take());
        let mut rest = String::new();
        self.lines.get_mut().read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "");
        self.child.wait().await.unwrap().code().unwrap_or(-1)
    }
}

fn session(number: usize, seen: &Seen) -> Response<Body> {
    let result = seen.result(&json!({"protocolVersion": "2025-06-18", "capabilities": {}}));
    let mut response = json_answer(result);
    response.headers_mut().insert("mcp-session-id", format!("session-{number}").parse().unwrap());
    response
}

/// The usual: sessions without streams of their own; `or` for everything else.
fn usual(seen: &Seen, before: usize, or: impl Fn() -> Response<Body>) -> Response<Body> {
    match (seen.method.as_str(), seen.rpc()) {
        ("POST", "initialize") => session(before + 1, seen),
        ("POST", method) if method.starts_with("notifications/") => nothing(202),
        ("GET", _) => nothing(405),
        ("DELETE", _) => nothing(200),
        _ => or(),
    }
}

#[tokio::test]
async fn requests_carry_session_and_revision_and_the_end_is_told() {
    let server = Server::start(|seen, before| usual(seen, before, || json_answer(seen.result(&json!({}))))).await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    bridge.ask(1, "ping").await;
    assert_eq!(bridge.end().await, 0);
    let seen = server.seen();
    let first = &seen[0];
    assert_eq!((first.path.as_str(), first.header("host")), ("/mcp?x=1", &*format!("127.0.0.1:{}", server.port)));
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), ("", ""));
    assert_eq!(first.header("accept"), "application/json, text/event-stream");
    assert_eq!(first.header("content-type"), "application/json");
    for seen in &seen[1..] {
        let carried = (seen.header("mcp-session-id"), seen.header("mcp-protocol-version"));
        assert_eq!(carried, ("session-1", "2025-06-18"), "{seen:?}");
    }
    assert_eq!(seen[1].rpc(), "notifications/initialized", "it is there before what follows it");
    assert_eq!(seen.last().unwrap().method, Method::DELETE);
    assert!(seen.iter().any(|seen| seen.method == Method::GET), "it listened");
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_begun_anew_once_for_all() {
    let server = Server::start(|seen, before| {
        usual(seen, before, || match seen.header("mcp-session-id") {
            "session-1" if seen.rpc() == "tools/call" => nothing(404),
            _ => json_answer(seen.result(&json!({"session": seen.header("mcp-session-id")}))),
        })
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    bridge.ask(1, "ping").await;
    for id in 2..6 {
        bridge.request(id, "tools/call").await;
    }
    for _ in 2..6 {
        let answer = bridge.next().await;
        assert_eq!(answer["result"]["session"], "session-2", "{answer}");
    }
    assert_eq!(bridge.end().await, 0);
    let seen = server.seen();
    let count = |method: &str| seen.iter().filter(|seen| seen.rpc() == method).count();
    assert_eq!((count("initialize"), count("notifications/initialized")), (2, 2));
    assert_eq!(seen.last().unwrap().header("mcp-session-id"), "session-2");
}

#[tokio::test]
async fn what_the_client_has_set_holds_in_the_new_session() {
    let server = Server::start(|seen, before| {
        usual(seen, before, || match (seen.header("mcp-session-id"), seen.rpc()) {
            ("session-1", "ping") => nothing(404),
            _ => json_answer(seen.result(&json!({}))),
        })
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    for (id, method, params) in [
        (1, "logging/setLevel", json!({"level": "debug"})),
        (2, "logging/setLevel", json!({"level": "error"})),
        (3, "resources/subscribe", json!({"uri": "a://1"})),
        (4, "resources/subscribe", json!({"uri": "a://2"})),
        (5, "resources/unsubscribe", json!({"uri": "a://1"})),
    ] {
        bridge.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        assert_eq!(bridge.next().await["id"], id);
    }
    bridge.ask(6, "ping").await;
    let seen = server.seen();
    let again = seen.iter().filter(|seen| seen.header("mcp-session-id") == "session-2" && !seen.id().is_null());
    let again: Vec<_> = again.map(|seen| seen.body["params"].to_string()).collect();
    assert_eq!(again, ["{\"level\":\"error\"}", "{\"uri\":\"a://2\"}", "{}"]);
    assert_eq!(bridge.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_the_server_and_costs_no_memory() {
    let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = made.clone();
    let server = Server::start(move |seen, before| match seen.method.as_str() {
        "GET" => {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": "x".repeat(64 * 1024)});
            let event = Bytes::from(format!("data: {note}\n\n"));
            let count = count.clone();
            let stream = futures_util::stream::unfold((event, count), |(event, count)| async move {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Some((Ok(Frame::data(event.clone())), (event, count)))
            });
            let body = BodyExt::boxed(StreamBody::new(Box::pin(SyncStream(Mutex::new(Box::pin(stream))))));
            Response::builder().status(200).header("content-type", "text/event-stream").body(body).unwrap()
        }
        _ => usual(seen, before, || nothing(500)),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    server.saw(|seen| seen.method == Method::GET).await;
    // It stands still once pipe, queue and sockets are full.
    let stands_still = async {
        let mut last = usize::MAX;
        loop {
            let now = made.load(std::sync::atomic::Ordering::SeqCst);
            if now == last {
                return now;
            }
            last = now;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let stood = tokio::time::timeout(PATIENCE, stands_still).await.expect("it is held up");
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.child.id().unwrap())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(stood > 0 && resident < 100 * 1024, "{stood} events of 64 KiB, {resident} KiB resident");
    // And goes on when it reads.
    for _ in 0..200 {
        assert_eq!(bridge.next().await["method"], "notifications/message");
    }
}

#[tokio::test]
async fn a_session_that_does_not_come_back_is_said() {
    let server = Server::start(|seen, before| match (seen.rpc(), before) {
        ("initialize", 1..) => answer(500, "text/plain", "out of order"),
        _ => usual(seen, before, || nothing(404)),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    let answer = bridge.ask(1, "tools/list").await;
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("has ended the session") && words.contains("out of order"), "{words}");
}

#[tokio::test]
async fn a_stream_that_breaks_is_resumed_behind_its_last_event() {
    let stream: Arc<Mutex<Option<Sender>>> = Arc::default();
    let kept = stream.clone();
    let server =
        Server::start(move |seen, before| match (seen.method.as_str(), seen.rpc(), seen.header("last-event-id")) {
            ("POST", "tools/call", _) => {
                let (sender, more) = mpsc::unbounded_channel();
                *kept.lock().unwrap() = Some(sender);
                let note = json!({"jsonrpc": "2.0", "method": "notifications/progress"});
                events(&format!("retry: 60\nid: a1\ndata: {note}\n\nid: a2\ndata:\n\ndata: {{\"half\":"), Some(more))
            }
            ("GET", _, "a2") => match before {
                // The first is the one that listens.
                0 | 1 => answer(503, "text/plain", "not now"),
                _ => {
                    let id = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
                    events(&format!("id: a3\ndata: {id}\n\n"), None)
                }
            },
            _ => usual(seen, before, || nothing(500)),
        })
        .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    bridge.request(1, "tools/call").await;
    assert_eq!(bridge.next().await["method"], "notifications/progress");
    stream.lock().unwrap().take().unwrap().send(Err(broken())).unwrap();
    assert_eq!(bridge.next().await, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(bridge.end().await, 0);
}

#[tokio::test]
async fn what_breaks_without_a_way_back_is_an_error_and_is_not_sent_again() {
    let server = Server::start(|seen, before| {
        usual(seen, before, || {
            let (sender, more) = mpsc::unbounded_channel();
            sender.send(Err(broken())).unwrap();
            events("data: {\"half\":", Some(more))
        })
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    let answer = bridge.ask("x", "tools/call").await;
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("whether the server acted is not known"), "{words}");
    assert_eq!(bridge.end().await, 0);
    assert_eq!(server.seen().iter().filter(|seen| seen.rpc() == "tools/call").count(), 1);
}

#[tokio::test]
async fn answers_that_are_none_become_errors_for_the_right_request() {
    let server = Server::start(|seen, before| {
        usual(seen, before, || match seen.rpc() {
            "html" => answer(200, "text/html", "<html>"),
            "gateway" => answer(502, "text/html", "<html>\n<h1>Bad Gateway</h1>\n</html>"),
            "accepted" => nothing(202),
            "garbage" => json_answer("{\"jsonrpc\": oops"),
            "other" => json_answer(r#"{"jsonrpc":"2.0","id":"other","result":{}}"#),
            "empty" => events("", None),
            "own" => {
                answer(400, "application/json", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-7,"message":"mine"}}"#)
            }
            "pretty" => json_answer(
                serde_json::to_string_pretty(&json!({"jsonrpc":"2.0","id":seen.id(),"result":{"a":["\u{2028}"]}}))
                    .unwrap(),
            ),
            "crlf" => events(
                &format!(
                    "data: {{\"jsonrpc\":\"2.0\",\r\ndata: \"id\":{},\rdata: \"result\":{{}}}}\r\n\r\n",
                    seen.id()
                ),
                None,
            ),
            _ => nothing(500),
        })
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    for (method, says) in [
        ("html", "neither JSON nor an event stream"),
        ("gateway", "502 Bad Gateway: <html> <h1>Bad Gateway</h1> </html>"),
        ("accepted", "ended its answer before it had answered"),
        ("garbage", "ended its answer before it had answered"),
        ("empty", "ended its answer before it had answered"),
        ("own", "mine"),
    ] {
        let answer = bridge.ask(method, method).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{method}: {answer}");
    }
    bridge.request("mine", "other").await;
    assert_eq!(bridge.next().await["id"], "other", "a message of the server passes");
    assert_eq!(bridge.next().await["error"]["code"], -31502);
    assert_eq!(bridge.ask("p", "pretty").await["result"]["a"][0], "\u{2028}");
    assert_eq!(bridge.ask("c", "crlf").await["result"], json!({}));
    assert_eq!(bridge.end().await, 0);
}

#[tokio::test]
async fn what_the_server_says_by_itself_arrives_and_its_stream_is_opened_again() {
    let server = Server::start(|seen, before| match (seen.method.as_str(), before) {
        ("GET", 0) => {
            events("retry: 50\nid: 7\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"roots/list\"}\n\n", None)
        }
        ("GET", 1) => {
            let id = seen.header("last-event-id");
            events(&format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/after-{id}\"}}\n\n"), None)
        }
        ("GET", _) => nothing(405),
        _ if seen.body.get("result").is_some() => nothing(202),
        _ => usual(seen, before, || nothing(500)),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    assert_eq!(bridge.next().await["method"], "roots/list");
    bridge.send(&json!({"jsonrpc": "2.0", "id": "s", "result": {"roots": []}})).await;
    assert_eq!(bridge.next().await["method"], "notifications/after-7");
    let told = server.saw(|seen| seen.body.get("result").is_some()).await;
    assert_eq!((told.id(), told.header("mcp-session-id")), (&json!("s"), "session-1"));
    assert_eq!(bridge.end().await, 0);
}

#[tokio::test]
async fn a_batch_is_answered_whole_also_when_it_fails() {
    let server = Server::start(|seen, before| {
        usual(seen, before, || match seen.body.as_array() {
            Some(batch) if before == 0 => {
                let answers = batch.iter().filter(|part| part.get("id").is_some());
                let answers: Vec<_> =
                    answers.map(|part| json!({"jsonrpc":"2.0","id":part["id"],"result":{}})).collect();
                json_answer(Value::from(answers).to_string())
            }
            _ => nothing(500),
        })
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    let batch = json!([{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","id":2,"method":"c"}]);
    bridge.send(&batch).await;
    assert_eq!(bridge.next().await.as_array().unwrap().len(), 2);
    bridge.send(&batch).await;
    let (one, two) = (bridge.next().await, bridge.next().await);
    let mut ids = [one["id"].as_u64().unwrap(), two["id"].as_u64().unwrap()];
    ids.sort_unstable();
    assert_eq!((ids, &one["error"]["code"]), ([1, 2], &json!(-31500)));
}

#[tokio::test]
async fn the_first_transport_is_fallen_back_to_and_survives_a_break() {
    let streams: Arc<Mutex<Vec<Sender>>> = Arc::default();
    let kept = streams.clone();
    let server = Server::start(move |seen, before| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/mcp?x=1") => answer(405, "text/plain", "use GET"),
        ("GET", "/mcp?x=1") => {
            let (sender, more) = mpsc::unbounded_channel();
            kept.lock().unwrap().push(sender);
            events(&format!("event: endpoint\ndata: /post?stream={}\n\n", before + 1), Some(more))
        }
        ("POST", path) => {
            let number: usize = path.rsplit('=').next().unwrap().parse().unwrap();
            let streams = kept.lock().unwrap();
            if number != streams.len() {
                return nothing(404);
            }
            if !seen.id().is_null() {
                let result = match seen.rpc() {
                    "initialize" => json!({"protocolVersion": "2024-11-05"}),
                    _ => json!({"stream": number}),
                };
                streams[number - 1].send(Ok(format!("data: {}\n\n", seen.result(&result)).into())).unwrap();
            }
            nothing(202)
        }
        _ => nothing(500),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    assert_eq!(bridge.ask(1, "ping").await["result"]["stream"], 1);
    streams.lock().unwrap()[0].send(Err(broken())).unwrap();
    server.saw(|seen| seen.path == "/post?stream=2" && seen.rpc() == "notifications/initialized").await;
    assert_eq!(bridge.ask(2, "ping").await["result"]["stream"], 2);
    assert_eq!(bridge.end().await, 0);
}

#[tokio::test]
async fn an_endpoint_elsewhere_is_not_believed() {
    let server = Server::start(|seen, _| match seen.method.as_str() {
        "GET" => events("event: endpoint\ndata: http://192.0.2.1/post\n\n", None),
        _ => nothing(405),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    let answer = bridge.ask(1, "initialize").await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("405"), "{answer}");
}

#[tokio::test]
async fn a_daemon_that_comes_late_is_waited_for() {
    // The port is known before anybody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut bridge = Bridge::to(address.port());
    bridge.request(0, "initialize").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let script: Arc<Script> = Arc::new(|seen, before| usual(seen, before, || nothing(500)));
    let server = Server::on(listener, script, Arc::default());
    assert_eq!(bridge.next().await["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(server.seen().len(), 1);
    server.task.abort();
}

#[tokio::test]
async fn a_signal_ends_it_and_the_session() {
    let server = Server::start(|seen, before| match seen.rpc() {
        "tools/call" => events("", Some(mpsc::unbounded_channel().1)),
        _ => usual(seen, before, || nothing(500)),
    })
    .await;
    let mut bridge = Bridge::to(server.port);
    bridge.begin().await;
    bridge.request(1, "subscriptions/listen").await;
    let pid = bridge.child.id().unwrap().to_string();
    server.saw(|seen| seen.method == Method::GET).await;
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, bridge.child.wait()).await.expect("an end in time").unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(server.seen().iter().any(|seen| seen.method == Method::DELETE));
}
