//! HTTP/2 with prior knowledge, on the port of HTTP/1.1: the same answers, and bounds of its own.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_proxy_sandbox::Counts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, Proxy, sandbox, whole};
use crate::wire::{CALL, Raw, asked, proxy_with};

type Body = Full<Bytes>;

/// A client of HTTP/2 on one connection.
struct Client {
    sender: SendRequest<Body>,
    connection: JoinSet<hyper::Result<()>>,
    authority: String,
}

impl Client {
    async fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        Self::over(stream, proxy).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, proxy: &Proxy) -> Self {
        let (sender, serving) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let mut connection = JoinSet::new();
        connection.spawn(serving);
        Self { sender, connection, authority: proxy.address.to_string() }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let uri = format!("http://{}{path}", self.authority);
        Request::builder().method(method).uri(uri).body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
    }

    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await.expect("an answer in time")
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = self.request("GET", path, "");
        self.send(request).await.unwrap()
    }

    /// How the connection ended.
    async fn end(&mut self) -> hyper::Result<()> {
        tokio::time::timeout(PATIENCE, self.connection.join_next()).await.expect("an end in time").unwrap().unwrap()
    }
}

async fn open_streams(cloud: &mcp_proxy_sandbox::Cloud, count: u64) {
    let reached = cloud.wait_until(|counts: &Counts| counts.open_streams == count, PATIENCE).await;
    assert!(reached.is_some(), "{} streams are open, not {count}", cloud.counts().open_streams);
}

#[tokio::test]
async fn both_versions_are_answered_on_one_port() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Client::connect(&proxy).await;
    let request = client.request("POST", "/lab/upload?by=h2", CALL);
    let (status, headers, body) = whole(client.send(request).await.unwrap()).await;
    assert!(status == StatusCode::OK && body.contains(&format!("\"bytes\":{}", CALL.len())), "{body}");
    assert!(!headers.contains_key("connection") && !headers.contains_key("transfer-encoding"), "{headers:?}");
    assert_eq!(proxy.post("/lab/upload?by=h1", CALL).await.0, StatusCode::OK);
    let seen = |by: &str| {
        let record = asked(&sandbox.cloud(), &format!("/lab/upload?by={by}")).remove(0);
        let all = |name: &str| record.header(name).iter().map(|value| value.to_string()).collect::<Vec<_>>();
        (all("authorization"), all("host"), all("content-length"))
    };
    assert_eq!(seen("h2"), seen("h1"), "the upstream sees no difference");
    assert_eq!(client.get("/health").await.status(), StatusCode::OK);
    assert_eq!(client.get("/favicon.ico").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn d2_a_foreign_authority_is_refused() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Client::connect(&proxy).await;
    client.authority = "evil.example".to_owned();
    let (status, _, body) = whole(client.get("/lab/echo").await).await;
    assert!(status == StatusCode::FORBIDDEN && body.contains("listen.allowed_hosts"), "{body}");
    client.authority = "localhost".to_owned();
    let mut request = client.request("GET", "/lab/echo", "");
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(client.send(request).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(asked(&sandbox.cloud(), "/lab/echo").is_empty());
}

/// Writes one byte at a time.
struct Slowly(TcpStream);

impl AsyncRead for Slowly {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Slowly {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, &bytes[..1])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test]
async fn the_version_is_told_however_the_bytes_come() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut client = Client::over(Slowly(stream), &proxy).await;
    assert_eq!(client.get("/lab/echo").await.status(), StatusCode::OK);
    for request in ["POST /lab/echo HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n", "PRI * HTTP/1.1\nHost: x\n\n"] {
        let mut raw = Raw::connect(proxy.address).await;
        for byte in request.replace('\n', "\r\n").bytes() {
            raw.write(&[byte]).await;
        }
        assert_eq!(raw.head().await.status == 200, request.starts_with("POST"), "{request}");
    }
}

#[tokio::test]
async fn c2_a_stream_that_the_client_resets_ends_its_exchange_and_no_other() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Client::connect(&proxy).await;
    let mut holds = Vec::new();
    for _ in 0..20 {
        holds.push(client.get("/lab/hold").await.into_body());
    }
    open_streams(&cloud, 20).await;
    holds.truncate(1);
    open_streams(&cloud, 1).await;
    cloud.say_on_holds("data: x\n\n");
    assert_eq!(holds[0].frame().await.unwrap().unwrap().into_data().unwrap(), "data: x\n\n");
    drop((client, holds));
    open_streams(&cloud, 0).await;
}

#[tokio::test]
async fn requests_at_once_on_one_connection_are_bounded_and_the_next_one_waits() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.get("/lab/echo").await.status(), StatusCode::OK, "the settings have come");
    let mut holds = Vec::new();
    for _ in 0..128 {
        holds.push(client.get("/lab/hold").await);
    }
    open_streams(&cloud, 128).await;
    let request = client.request("GET", "/lab/echo", "");
    let mut next = Box::pin(client.sender.send_request(request));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut next).await;
    assert!(early.is_err(), "there is no place");
    holds.pop();
    let answer = tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut other = Client::connect(&proxy).await;
    assert_eq!(other.get("/lab/echo").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_flood_of_resets_hurts_nobody_else() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut good = Client::connect(&proxy).await;
    assert_eq!(good.get("/lab/echo").await.status(), StatusCode::OK);
    for _ in 0..10 {
        let mut flood = Client::connect(&proxy).await;
        for _ in 0..500 {
            if flood.sender.ready().await.is_err() {
                break;
            }
            let request = flood.request("GET", "/lab/hold", "");
            // Polled once, so that it is sent; dropped, so that it is reset.
            let sent = flood.sender.send_request(request);
            let _ = tokio::time::timeout(Duration::ZERO, sent).await;
        }
        assert_eq!(good.get("/lab/echo").await.status(), StatusCode::OK);
    }
    open_streams(&cloud, 0).await;
}

#[tokio::test]
async fn heads_bodies_and_targets_have_the_limits_of_http_1() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nrequest_body = \"1000B\"\n").await;
    let mut client = Client::connect(&proxy).await;
    for (length, status) in [(60 * 1024, 200), (70 * 1024, 431)] {
        let mut request = client.request("GET", "/lab/echo", "");
        request.headers_mut().insert("x", "y".repeat(length).parse().unwrap());
        assert_eq!(client.send(request).await.unwrap().status(), status, "{length}");
    }
    let target = format!("/lab/echo?{}", "x".repeat(33 * 1024));
    assert_eq!(client.get(&target).await.status(), StatusCode::URI_TOO_LONG);
    for (length, status) in [(1000, 200), (1001, 413), (100_000, 413)] {
        let request = client.request("POST", "/lab/upload", &"x".repeat(length));
        assert_eq!(client.send(request).await.unwrap().status(), status, "{length}");
    }
}

#[tokio::test]
async fn c8_an_upload_without_a_length_is_refused_once_it_is_too_long() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nrequest_body = \"1000B\"\n").await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, serving) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut connection = JoinSet::new();
    connection.spawn(serving);
    for (pieces, status) in [(10, 200), (11, 413)] {
        let pieces = (0..pieces).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; 100]))));
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        let request = Request::post("http://localhost/lab/upload").body(body).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status);
    }
    assert_eq!(asked(&sandbox.cloud(), "/lab/upload").iter().filter(|upload| upload.body_sha256.is_some()).count(), 1);
}

#[tokio::test]
async fn a_connection_without_requests_is_told_to_go_after_its_time() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nidle_timeout = \"200ms\"\n").await;
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.get("/lab/slow?ms=500").await.status(), StatusCode::OK, "an answer is no idle time");
    client.end().await.expect("a graceful end");
}

#[tokio::test]
async fn c10_a_stop_ends_streams_that_listen_and_lets_answers_finish() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Client::connect(&proxy).await;
    let listening = client.get("/lab/hold").await;
    open_streams(&cloud, 1).await;
    let request = client.request("GET", "/lab/slow?ms=300", "");
    let slow = client.sender.send_request(request);
    let mut answering = JoinSet::new();
    answering.spawn(slow);
    let reached = |_: &Counts| !asked(&cloud, "/lab/slow?ms=300").is_empty();
    cloud.wait_until(reached, PATIENCE).await.expect("it is under way");
    tokio::time::timeout(PATIENCE, proxy.stop()).await.expect("it ends in time");
    listening.into_body().collect().await.expect("a clean end of the stream");
    let answer = answering.join_next().await.unwrap().unwrap().expect("the answer");
    assert_eq!(answer.status(), StatusCode::OK);
    client.end().await.expect("a graceful end");
}

#[tokio::test]
async fn curl_speaks_both() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for (flag, version) in [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1"), ("--http1.0", "1")] {
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"]);
        curl.args([flag, "--noproxy", "*", "--data", CALL, &format!("http://{}/lab/upload", proxy.address)]);
        let output = curl.stdin(Stdio::null()).output().await.expect("curl is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("{version} 200"), "{flag}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
