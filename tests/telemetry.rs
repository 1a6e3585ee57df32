//! Traces: the collector is played, and so is whoever began the trace; in between are the real daemon and the upstream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks of its own")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mcp_proxy_sandbox::Sandbox;
use serde_json::Value;
use support::person::sign_in;
use support::program::{Program, command};
use support::{PATIENCE, post, sandbox, send, state_dir, whole};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"s3cret-argument"}}}"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Takes traces, with whatever status it is told to answer.
struct Collector {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    bodies: mpsc::UnboundedReceiver<(String, String)>,
}

impl Collector {
    /// One that answers the first requests with these statuses, and all others with the last of them.
    async fn answering(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (give, bodies) = mpsc::unbounded_channel();
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (give, asked) = (give.clone(), counted.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let at = asked.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
                    let give = give.clone();
                    async move {
                        assert_eq!(request.headers()["content-type"], "application/json");
                        assert!(!request.headers().contains_key("authorization"));
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        if statuses[at] == 200 {
                            give.send((path, String::from_utf8(body.to_vec()).unwrap())).unwrap();
                        }
                        let answer = Response::builder().status(statuses[at]).body(Full::<Bytes>::from("{}")).unwrap();
                        Ok::<_, Infallible>(answer)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, asked, bodies }
    }

    fn setting(&self) -> String {
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", self.address)
    }

    /// Spans as they come, until there are so many.
    async fn spans(&mut self, count: usize) -> Vec<Value> {
        let mut spans = Vec::new();
        while spans.len() < count {
            let (path, body) =
                tokio::time::timeout(PATIENCE, self.bodies.recv()).await.expect("spans in time").unwrap();
            assert_eq!(path, "/v1/traces");
            assert!(!body.contains("s3cret"), "{body}");
            let body: Value = serde_json::from_str(&body).unwrap();
            let resource = body["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
            assert!(
                resource.iter().any(|one| one["key"] == "service.name" && one["value"]["stringValue"] == "mcp-proxy")
            );
            spans.extend(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone());
        }
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let found = span["attributes"].as_array().unwrap().iter().find(|one| one["key"] == key);
    let value = &found.unwrap_or_else(|| panic!("no {key}: {span:#}"))["value"];
    value["stringValue"].as_str().or_else(|| value["intValue"].as_str()).unwrap()
}

/// A daemon that is signed in, where it listens, and where its metrics are.
struct Daemon {
    program: Program,
    address: SocketAddr,
    metrics: SocketAddr,
}

impl Daemon {
    fn start(sandbox: &Sandbox, directory: &Path, more: &str) -> Self {
        let more = format!(
            "[metrics]\nlisten = \"127.0.0.1:0\"\n[log]\naudit_file = \"{}/audit\"\n{more}",
            directory.display()
        );
        let mut program = Program::start(command(sandbox, directory, &more, &["serve"]));
        let mut after = |text: &str| -> SocketAddr {
            let come = program.seen().lines().find(|line| line.contains(text)).map(str::to_owned);
            let line = come.unwrap_or_else(|| program.line(text));
            line.split_once(text).unwrap().1.trim().parse().unwrap()
        };
        let (metrics, address) = (after("metrics at "), after("Listen: "));
        Self { program, address, metrics }
    }

    /// Sends a call with these headers; answers the headers that the upstream got.
    async fn call(&self, headers: &[(&'static str, &str)]) -> Value {
        let mut request = post(self.address, "/lab/echo?token=s3cret-query", CALL);
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let (status, _, text) = whole(send(self.address, request).await).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let echo: Value = serde_json::from_str(&text).unwrap();
        echo["headers"].clone()
    }

    /// The number of a metric without labels.
    async fn metric(&self, name: &str) -> f64 {
        let request = Request::get("/metrics").header("host", self.metrics.to_string()).body(Full::<Bytes>::default());
        let (_, _, text) = whole(send(self.metrics, request.unwrap()).await).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    }

    async fn reaches(&self, name: &str, value: f64) {
        for _ in 0..1000 {
            if self.metric(name).await >= value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} is {}, not {value}", self.metric(name).await);
    }

    fn stop(&mut self) {
        self.program.signal("TERM");
        let (code, log) = self.program.end();
        assert_eq!(code, 0, "{log}");
        assert!(!log.contains("s3cret"), "{log}");
    }
}

/// The trace ids in the audit trail.
fn recorded(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("audit")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["path"] == "/lab/echo").map(|line| line["trace_id"].clone()).collect()
}

/// The value of a header that the upstream got, once or not at all.
fn got<'a>(headers: &'a Value, name: &str) -> Option<&'a str> {
    let mut values = headers.as_array().unwrap().iter().filter(|header| header["name"] == name);
    let (first, second) = (values.next(), values.next());
    assert_eq!(second, None, "{name} came twice");
    first.map(|header| header["value"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_stands_between_the_clients_and_the_upstreams() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let mut collector = Collector::answering(&[200]).await;
    let mut daemon = Daemon::start(&sandbox, directory.path(), &collector.setting());

    let sampled = format!("00-{TRACE}-{SPAN}-01");
    let seen = daemon.call(&[("traceparent", &sampled), ("tracestate", "a=b"), ("baggage", "k=v")]).await;
    let span = collector.spans(1).await.remove(0);
    assert_eq!((span["traceId"].as_str(), span["parentSpanId"].as_str()), (Some(TRACE), Some(SPAN)), "{span:#}");
    let own = span["spanId"].as_str().unwrap();
    assert_eq!(got(&seen, "traceparent"), Some(format!("00-{TRACE}-{own}-01").as_str()));
    assert_eq!((got(&seen, "tracestate"), got(&seen, "baggage")), (Some("a=b"), Some("k=v")));
    assert_eq!((span["name"].as_str(), span["kind"].as_u64()), (Some("tools/call echo"), Some(2)));
    for (key, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/lab/echo"),
        ("http.response.status_code", "200"),
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "echo"),
        ("client.address", "127.0.0.1"),
        ("mcp_proxy.upstream", "alibaba"),
        ("mcp_proxy.ending", "complete"),
    ] {
        assert_eq!(attribute(&span, key), value, "{key}");
    }
    let nanos = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos("startTimeUnixNano") > 1_600_000_000_000_000_000, "{span:#}");
    assert!(nanos("endTimeUnixNano") > nanos("startTimeUnixNano"), "{span:#}");
    assert_eq!(span["status"], serde_json::json!({}));

    // Nobody records this trace, so it passes.
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let seen = daemon.call(&[("traceparent", &unsampled), ("tracestate", "a=b")]).await;
    assert_eq!((got(&seen, "traceparent"), got(&seen, "tracestate")), (Some(unsampled.as_str()), Some("a=b")));

    // These begin traces of their own.
    let mut begun = Vec::new();
    for headers in [&[][..], &[("traceparent", "00-1-2-01"), ("tracestate", "a=b")]] {
        let seen = daemon.call(headers).await;
        assert_eq!(got(&seen, "tracestate"), None);
        begun.push(got(&seen, "traceparent").unwrap().to_owned());
    }
    let spans = collector.spans(2).await;
    for (span, traceparent) in spans.iter().zip(&begun) {
        let (trace, own) = (span["traceId"].as_str().unwrap(), span["spanId"].as_str().unwrap());
        assert_eq!(*traceparent, format!("00-{trace}-{own}-01"));
        assert_eq!(span.get("parentSpanId"), None);
    }
    // A refusal is a span too, and it says by which rule.
    let foreign = Request::get("/lab/echo").header("host", "evil.example").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(whole(send(daemon.address, foreign).await).await.0, StatusCode::FORBIDDEN);
    let span = collector.spans(1).await.remove(0);
    assert_eq!((attribute(&span, "mcp_proxy.refused_by"), &span["name"]), ("listen.allowed_hosts", &"GET".into()));
    daemon.reaches("mcp_proxy_traces_sent_total", 4.0).await;
    assert_eq!(daemon.metric("mcp_proxy_traces_lost_total").await, 0.0);

    // The last one goes out although the daemon stops.
    daemon.call(&[]).await;
    daemon.stop();
    assert_eq!(collector.spans(1).await[0]["name"], "tools/call echo");
    let recorded = recorded(directory.path());
    assert_eq!(recorded[..2], [TRACE, TRACE], "the record has the trace, whether or not it is sampled");
    assert!(begun.iter().all(|traceparent| recorded.iter().any(|id| traceparent.contains(id.as_str().unwrap()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_traces_pass_untouched_and_are_recorded() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let mut daemon = Daemon::start(&sandbox, directory.path(), "");
    for sent in [format!("00-{TRACE}-{SPAN}-01"), "00-1-2-01".to_owned()] {
        let seen = daemon.call(&[("traceparent", &sent), ("tracestate", "a=b")]).await;
        assert_eq!((got(&seen, "traceparent"), got(&seen, "tracestate")), (Some(sent.as_str()), Some("a=b")));
    }
    assert_eq!(got(&daemon.call(&[]).await, "traceparent"), None);
    daemon.stop();
    assert_eq!(recorded(directory.path()), [Value::from(TRACE), Value::Null, Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_takes_later_is_sent_again_and_what_it_refuses_is_lost() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let mut collector = Collector::answering(&[503, 200, 400]).await;
    let mut daemon = Daemon::start(&sandbox, directory.path(), &collector.setting());
    daemon.call(&[]).await;
    assert_eq!(collector.spans(1).await.len(), 1);
    daemon.reaches("mcp_proxy_traces_sent_total", 1.0).await;
    daemon.call(&[]).await;
    daemon.reaches("mcp_proxy_traces_lost_total", 1.0).await;
    assert_eq!(collector.asked.load(Ordering::SeqCst), 3, "what it refuses is not sent again");
    daemon.program.line("traces are lost (telemetry.otlp_endpoint): the collector answers 400");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_holds_up_nobody() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    // It accepts in the kernel, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!("[telemetry]\notlp_endpoint = \"http://{}/custom\"\n", silent.local_addr().unwrap());
    let mut daemon = Daemon::start(&sandbox, directory.path(), &more);
    daemon.call(&[]).await;
    silent.accept().expect("spans are sent");
    // Many more than can wait, while nobody takes them. No answer is needed for a span.
    let address = daemon.address;
    let began = Instant::now();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        asking.spawn(async move {
            for _ in 0..300 {
                let request = Request::get("/favicon.ico").header("host", address.to_string());
                whole(send(address, request.body(Full::<Bytes>::default()).unwrap()).await).await;
            }
        });
    }
    while let Some(done) = asking.join_next().await {
        done.unwrap();
    }
    assert!(began.elapsed() < 3 * PATIENCE, "{:?}", began.elapsed());
    daemon.reaches("mcp_proxy_traces_lost_total", 1.0).await;
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() < PATIENCE / 2, "the end does not wait for it: {:?}", began.elapsed());
}
