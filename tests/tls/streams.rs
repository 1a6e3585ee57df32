//! Streams over TLS: events come when they are sent, and who leaves is missed.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Begins, TLS_1_2, TLS_1_3};
use crate::host::{Host, PING};
use crate::support::PATIENCE;

const OPEN: &str = "GET /x/sse?s1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

async fn until_the_server_misses_it(host: &Host, session: &str) {
    let missed = async {
        while host.server.has_listener(session) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, missed).await.expect("the server hears that the client has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_are_sent_and_who_leaves_is_missed() {
    let host = Host::start("", "").await;
    for goodbye in ["in TLS", "of the connection", "of its side alone", "none"] {
        let mut stream = host.begins().connect(host.tls).await.unwrap();
        stream.write_all(OPEN.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let read = async |stream: &mut tokio_rustls::client::TlsStream<_>, seen: &mut Vec<u8>, wanted: &str| {
            while !String::from_utf8_lossy(seen).contains(wanted) {
                let read = tokio::time::timeout(PATIENCE, stream.read_buf(seen)).await.expect("in time").unwrap();
                assert!(read > 0, "{wanted}: {}", String::from_utf8_lossy(seen));
            }
        };
        read(&mut stream, &mut seen, "/x/messages?s1").await;
        for number in 0..3 {
            host.server.say("s1", &format!("data: {{\"n\":{number}}}\n\n"));
            read(&mut stream, &mut seen, &format!("{{\"n\":{number}}}")).await;
        }
        assert!(host.server.has_listener("s1"));
        match goodbye {
            "in TLS" => {
                stream.shutdown().await.unwrap();
                until_the_server_misses_it(&host, "s1").await;
            }
            "of the connection" => drop(stream),
            "of its side alone" => {
                // The end of TCP, and not a word of TLS.
                let (mut tcp, _session) = stream.into_inner();
                tcp.shutdown().await.unwrap();
                until_the_server_misses_it(&host, "s1").await;
            }
            _ => {
                let (tcp, _session) = stream.into_inner();
                rustix::net::sockopt::set_socket_linger(&tcp, Some(std::time::Duration::ZERO)).unwrap();
                drop(tcp);
            }
        }
        until_the_server_misses_it(&host, "s1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_request_is_answered_after_the_client_has_closed_its_side() {
    let host = Host::start("", "").await;
    for versions in [TLS_1_2, TLS_1_3] {
        let begins = Begins { versions, ..host.begins() };
        let stream = begins.connect(host.tls).await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(stream);
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{PING}",
            PING.len()
        );
        writing.write_all(request.as_bytes()).await.unwrap();
        writing.shutdown().await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(PATIENCE, reading.read_to_string(&mut answer)).await.expect("in time");
        assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{read:?} {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_bodies_pass_whole_both_ways_and_at_once() {
    let host = Host::start("", "").await;
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(3 << 20));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut kept = host.begins().http_1(host.tls).await.unwrap();
        let body = long.clone();
        asking.spawn(async move {
            for _ in 0..3 {
                let request =
                    Request::post("/long").header("host", "localhost").header("content-type", "application/json");
                let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
                let (status, answer) = kept.send(request).await.unwrap();
                assert_eq!(status, StatusCode::OK);
                assert!(answer.len() > 9 << 20 && answer.contains(&"x".repeat(3 << 20)));
            }
        });
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
    let begins = Begins { alpn: &["h2"], ..host.begins() };
    let (status, answer) = begins.post_http_2(host.tls, &long).await;
    assert!(status == StatusCode::OK && answer.contains(&"x".repeat(3 << 20)));
}

/// Some clients (curl 7.88) miss an answer that ends the stream while they still send.
#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_a_refusal_comes_after_a_short_body_and_before_a_long_one() {
    let host = Host::start("", "").await;
    let begins = Begins { alpn: &["h2"], ..host.begins() };
    let (mut client, connection) = h2::client::handshake(begins.connect(host.tls).await.unwrap()).await.unwrap();
    let driving = tokio::spawn(connection);
    let foreign = |length: usize| {
        let request = Request::post("https://evil.example/mcp").header("content-length", length);
        request.body(()).unwrap()
    };
    let (response, mut upload) = client.send_request(foreign(PING.len()), false).unwrap();
    let mut response = Box::pin(response);
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut response).await;
    assert!(early.is_err(), "answered before the body came: {early:?}");
    upload.send_data(Bytes::from(PING), true).unwrap();
    let (head, mut body) = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap().into_parts();
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    let mut text = Vec::new();
    while let Some(bytes) = body.data().await {
        text.extend_from_slice(&bytes.expect("the stream is not reset"));
    }
    assert!(String::from_utf8_lossy(&text).contains("listen.allowed_hosts"));
    let (response, _upload) = client.send_request(foreign(1 << 30), false).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap().status(), StatusCode::FORBIDDEN);
    drop(client);
    driving.abort();
    assert_eq!(host.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_back_its_own_stream_alone() {
    let host = Host::start("", "").await;
    let mut lazy = host.begins().http_1(host.tls).await.unwrap();
    let request = Request::post("/long").header("host", "localhost").header("content-type", "application/json");
    let response = lazy.sender.send_request(request.body(PING.as_bytes().to_vec().into()).unwrap()).await.unwrap();
    assert_eq!(host.begins().post(host.tls, PING).await.unwrap().0, StatusCode::OK);
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap().to_bytes();
    assert!(body.len() > 9 << 20);
}
