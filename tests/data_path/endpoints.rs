//! The message endpoint of HTTP+SSE (row C4): clients post back through the daemon, wherever the server points.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use mcp_proxy_sandbox::{Cloud, Sandbox};

use crate::streams::{next, open};
use crate::support::{PATIENCE, Proxy, sandbox, whole};
use crate::wire::{CALL, Scripted, asked, proxy_to, proxy_with};

/// A daemon whose upstream is mounted at `/lab`, and is asked for streams that say what a test wants.
struct World {
    sandbox: Sandbox,
    proxy: Proxy,
}

impl World {
    async fn new(more: &str) -> Self {
        let sandbox = sandbox().await;
        let upstream = format!("[[upstream]]\nname = \"alibaba\"\nmount = \"/lab\"\n{more}");
        let proxy = proxy_with(&sandbox, &upstream).await;
        Self { sandbox, proxy }
    }

    fn cloud(&self) -> Cloud {
        self.sandbox.cloud()
    }

    async fn stream(&self, says: &str) -> Incoming {
        let stream = open(&self.proxy, "/lab/hold?stream").await;
        assert_eq!(self.cloud().say_on_holds(says.to_owned()), 1);
        stream
    }

    /// What a client hears whose server says `endpoint`, and the stream.
    async fn told(&self, endpoint: &str) -> (String, Incoming) {
        let mut stream = self.stream(&format!("event: endpoint\ndata: {endpoint}\n\n")).await;
        let mut heard = Vec::new();
        while !heard.ends_with(b"\n\n") {
            heard.extend_from_slice(&next(&mut stream).await.unwrap().unwrap());
        }
        let heard = String::from_utf8(heard).unwrap();
        let told = heard.strip_prefix("event: endpoint\ndata: ").expect("an endpoint event").trim_end();
        (told.to_owned(), stream)
    }
}

#[tokio::test]
async fn c4_an_absolute_endpoint_becomes_a_path_and_a_relative_one_stays() {
    let world = World::new("").await;
    let upstream = world.sandbox.cloud_url();
    for (endpoint, told) in [
        (format!("{upstream}/lab/echo?s=1"), "/lab/echo?s=1"),
        (format!("{}/lab/echo?s=1", upstream.strip_prefix("https:").unwrap()), "/lab/echo?s=1"),
        (format!("{upstream}/lab/../lab/echo?s=%20a b"), "/lab/echo?s=%20a%20b"),
        ("/lab/echo?s=1".to_owned(), "/lab/echo?s=1"),
        ("echo?s=1&x=%41".to_owned(), "echo?s=1&x=%41"),
        ("./echo#f".to_owned(), "./echo#f"),
    ] {
        let (heard, stream) = world.told(&endpoint).await;
        assert_eq!(heard, told, "{endpoint}");
        drop(stream);
        assert!(world.cloud().wait_until(|counts| counts.open_streams == 0, PATIENCE).await.is_some());
    }
}

#[tokio::test]
async fn c4_an_endpoint_outside_the_mount_is_reached_by_a_path_that_lives_as_long_as_its_stream() {
    let world = World::new("").await;
    for (endpoint, target) in [
        ("/elsewhere/m?s=1", "/elsewhere/m?s=1"),
        ("https://CLOUD/health?s=2", "/health?s=2"),
        ("/lab/.well-known/oauth-x", "/lab/.well-known/oauth-x"),
        ("/lab/.mcp-proxy/endpoint/x", "/lab/.mcp-proxy/endpoint/x"),
        ("https://CLOUD//other.example/m", "//other.example/m"),
    ] {
        let cloud = world.sandbox.cloud_url();
        let endpoint = endpoint.replace("https://CLOUD", &cloud);
        let (path, stream) = world.told(&endpoint).await;
        assert!(path.starts_with("/lab/.mcp-proxy/endpoint/") && !path.contains("s="), "{path}");
        world.proxy.post(&path, CALL).await;
        let posted = asked(&world.cloud(), target);
        assert_eq!(posted.len(), 1, "{endpoint}");
        assert_eq!((posted[0].method.as_str(), posted[0].header("authorization").len()), ("POST", 1));
        assert_eq!(world.proxy.get(&path).await.0, StatusCode::GONE, "for messages alone");
        drop(stream);
        assert!(world.cloud().wait_until(|counts| counts.open_streams == 0, PATIENCE).await.is_some());
        let (status, _, body) = world.proxy.post(&path, CALL).await;
        assert_eq!(status, StatusCode::GONE);
        assert!(body.contains("has ended"), "{body}");
        assert_eq!(asked(&world.cloud(), target).len(), 1, "the upstream hears nothing of it");
    }
}

#[tokio::test]
async fn c4_the_server_lists_hold_for_where_a_message_really_goes() {
    let world = World::new("allowed_servers = [\"/lab\", \"/open\"]\nblocked_servers = [\"/lab/secret\"]\n").await;
    for (endpoint, target, passes) in [
        ("/open/m", "/open/m", true),
        ("/closed/m", "/closed/m", false),
        ("/lab/echo", "/lab/echo", true),
        ("/lab/secret", "/lab/secret", false),
    ] {
        let (path, stream) = world.told(endpoint).await;
        let (status, _, body) = world.proxy.post(&path, CALL).await;
        assert_eq!(status != StatusCode::FORBIDDEN, passes, "{endpoint}: {body}");
        assert_eq!(asked(&world.cloud(), target).len(), usize::from(passes));
        drop(stream);
        assert!(world.cloud().wait_until(|counts| counts.open_streams == 0, PATIENCE).await.is_some());
    }
}

#[tokio::test]
async fn c4_an_endpoint_elsewhere_does_not_reach_the_client_and_breaks_its_stream() {
    let world = World::new("").await;
    let other_port = world.sandbox.token_url();
    for endpoint in [
        "https://elsewhere.example/lab/echo?s=1",
        "//elsewhere.example/lab/echo",
        "/\\elsewhere.example/lab/echo",
        &format!("{other_port}/lab/echo"),
        &world.sandbox.cloud_url().replace("https:", "http:"),
        &world.sandbox.cloud_url().replace("https://", "https://elsewhere.example@127.0.0.1.nip.example/?"),
        "javascript:alert(1)",
        "ht\ndata: tps://elsewhere.example/",
    ] {
        let mut stream = world.stream(&format!(": hello\n\nevent: endpoint\ndata: {endpoint}\n\ndata: 1\n\n")).await;
        let mut heard = Vec::new();
        let ended = loop {
            match next(&mut stream).await {
                Some(Ok(bytes)) => heard.extend_from_slice(&bytes),
                ended => break ended,
            }
        };
        assert!(matches!(ended, Some(Err(_))), "a break, not an end: {endpoint}");
        let heard = String::from_utf8(heard).unwrap();
        assert!(!heard.contains("data:"), "{heard}");
        assert!(world.cloud().wait_until(|counts| counts.open_streams == 0, PATIENCE).await.is_some());
    }
}

#[tokio::test]
async fn c4_what_was_held_back_passes_when_the_stream_ends_or_breaks() {
    let world = World::new("").await;
    for clean in [true, false] {
        let mut stream = world.stream("event: endpoint\ndata: https://elsewhere.example/").await;
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "event: endpoint\n");
        let ended = if clean { world.cloud().end_holds() } else { world.cloud().cut_streams() };
        assert_eq!(ended, 1);
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "data: https://elsewhere.example/");
        match next(&mut stream).await {
            None => assert!(clean, "a broken stream must not look complete"),
            Some(Err(_)) => assert!(!clean, "a complete stream must not look broken"),
            Some(Ok(more)) => panic!("{more:?}"),
        }
    }
}

/// What a client is told by whoever took the place of the upstream must not have it send its messages there.
#[tokio::test]
async fn c4_a_stream_with_a_length_is_judged_too_and_its_beginning_is_not_collected() {
    for (event, passes) in [
        ("event: endpoint\ndata: https://elsewhere.example/\n\n".to_owned(), false),
        (format!("data: {}\n\n", "x".repeat(1 << 20)), true),
        (format!(": {}\n\n", "x".repeat(1 << 20)), true),
    ] {
        let (sandbox, length) = (sandbox().await, event.replace('\n', "\r\n").len());
        let head = format!("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nContent-Length: {length}\n\n");
        let upstream = Scripted::start(&format!("{head}{event}")).await;
        let proxy = proxy_to(&upstream.url, &sandbox).await;
        let seen = open(&proxy, "/sse").await.collect().await.map(|body| body.to_bytes().len());
        assert_eq!(seen.ok(), passes.then_some(length));
    }
}

#[tokio::test]
async fn c4_only_the_first_event_is_looked_at_and_encoded_streams_and_calls_are_not() {
    let world = World::new("").await;
    let absolute = format!("event: endpoint\ndata: {}/lab/echo\n\n", world.sandbox.cloud_url());
    let says = format!("event: message\ndata: x\n\n{absolute}");
    let mut stream = world.stream(&says).await;
    let mut heard = Vec::new();
    while heard.len() < says.len() {
        heard.extend_from_slice(&next(&mut stream).await.unwrap().unwrap());
    }
    assert_eq!(String::from_utf8(heard).unwrap(), says);

    let event = "event: endpoint\ndata: http://elsewhere.example/\n\n";
    for (method, header) in [("GET", "Content-Encoding: gzip\n"), ("POST", "")] {
        let length = event.replace('\n', "\r\n").len().to_string();
        let head = "HTTP/1.1 200 OK\nContent-Type: text/event-stream";
        let answer = format!("{head}\n{header}Content-Length: {length}\n\n{event}");
        let (sandbox, upstream) = (sandbox().await, Scripted::start(&answer).await);
        let proxy = proxy_to(&upstream.url, &sandbox).await;
        let request = Request::builder().method(method).uri("/sse").header("host", "localhost");
        let (_, headers, body) = whole(proxy.send(request.body(Full::<Bytes>::default()).unwrap()).await).await;
        assert_eq!(
            (body, &headers["content-length"]),
            (event.replace('\n', "\r\n"), &length.parse().unwrap()),
            "{method}"
        );
    }
}

#[tokio::test]
async fn c4_a_length_is_said_only_if_it_is_still_true() {
    // Whether it is true is known before the head passes; where that takes too long, nothing is claimed.
    for (pieces, keeps, body) in [
        (["event: endpoint\ndata: /", "m\n\ndata: 1\n\n"], true, "event: endpoint\ndata: /m\n\ndata: 1\n\n"),
        (["event: endpoint\ndata: /", "m \n\ndata: 1\n\n"], false, "event: endpoint\ndata: /m\n\ndata: 1\n\n"),
        (["event: endpoint\nda", "ta: /m \n"], true, "event: endpoint\ndata: /m \n"),
    ] {
        let length = pieces.concat().replace('\n', "\r\n").len();
        let head = format!("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nContent-Length: {length}\n\n");
        let sandbox = sandbox().await;
        let upstream = Scripted::with("\n\n", &[&head, pieces[0], pieces[1]]).await;
        let proxy = proxy_to(&upstream.url, &sandbox).await;
        let (_, headers, seen) = proxy.get("/sse").await;
        let said = headers.get("content-length").map(|said| said.to_str().unwrap().to_owned());
        assert_eq!(said, keeps.then(|| length.to_string()), "{pieces:?}");
        assert_eq!(seen, body.replace('\n', "\r\n"), "{pieces:?}");
    }
}
