//! Clients that close their side: some have left, and some have only said that they will send no more.

use std::time::Duration;

use mcp_proxy_sandbox::{Cloud, Counts};
use tokio::time::Instant;

use crate::support::{PATIENCE, Proxy, sandbox};
use crate::wire::{Raw, asked};

const SECOND: Duration = Duration::from_secs(1);

/// Asks with `text`, and lets `leave` go once the upstream has the request; how long the upstream then works on.
async fn after_leaving(cloud: &Cloud, proxy: &Proxy, text: &str, leave: impl AsyncFnOnce(Raw)) -> Option<Duration> {
    cloud.close_idle_connections();
    let number = cloud.counts().gateway_requests + 1;
    let client = Raw::asking(proxy.address, text).await;
    let open = cloud.wait_until(|counts| counts.gateway_requests == number, PATIENCE).await.unwrap();
    let began = Instant::now();
    leave(client).await;
    let gone = |counts: &Counts| counts.open_connections < open.open_connections;
    cloud.wait_until(gone, SECOND).await.map(|_| began.elapsed())
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_its_last_request_gets_the_answer() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for (request, end) in [
        ("GET /lab/slow?ms=100 HTTP/1.1\nHost: localhost\nConnection: close\n\n", "}"),
        ("GET /lab/slow?ms=100 HTTP/1.0\nHost: localhost\n\n", "}"),
        ("GET /lab/trickle?chunks=3&gap_ms=50 HTTP/1.1\nHost: localhost\nConnection: Close\n\n", "0\r\n\r\n"),
        ("POST /lab/upload HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 3\n\nabc", "}"),
        (
            "POST /lab/upload HTTP/1.1\nHost: localhost\nConnection: close\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
            "}",
        ),
    ] {
        let mut client = Raw::asking(proxy.address, request).await;
        client.close_sending().await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.contains(" 200 OK\r\n") && answer.ends_with(end), "{request}: {answer}");
    }
}

#[tokio::test]
async fn c2_a_client_that_keeps_its_connection_and_closes_its_side_has_left() {
    let sandbox = sandbox().await;
    let (cloud, proxy) = (sandbox.cloud(), Proxy::signed_in(&sandbox).await);
    let text = "GET /lab/slow?ms=600000 HTTP/1.1\nHost: localhost\n\n";
    let took = after_leaving(&cloud, &proxy, text, async |mut client| {
        client.close_sending().await;
        assert!(client.rest().await.is_empty());
    });
    println!("cancelled after {:?}", took.await.expect("the exchange is cancelled"));
}

#[tokio::test]
async fn c2_the_end_of_input_ends_an_event_stream_even_of_a_last_request() {
    let sandbox = sandbox().await;
    let (cloud, proxy) = (sandbox.cloud(), Proxy::signed_in(&sandbox).await);
    let text = "GET /lab/hold HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    let took = after_leaving(&cloud, &proxy, text, async |mut client| {
        client.head().await;
        client.close_sending().await;
    });
    assert!(took.await.is_some(), "the stream is cancelled");
    // The same when it closed its side before the stream began.
    let took = after_leaving(&cloud, &proxy, text, async |mut client| client.close_sending().await);
    assert!(took.await.is_some(), "the stream is cancelled");
}

#[tokio::test]
async fn c2_a_client_that_left_behind_a_pipelined_request_is_missed() {
    let sandbox = sandbox().await;
    let (cloud, proxy) = (sandbox.cloud(), Proxy::signed_in(&sandbox).await);
    let text = "GET /lab/slow?ms=600000 HTTP/1.1\nHost: localhost\n\nGET /lab/never HTTP/1.1\nHost: localhost\n\n";
    let took = after_leaving(&cloud, &proxy, text, async |client| drop(client)).await;
    println!("cancelled after {:?}", took.expect("the exchange is cancelled"));
    assert!(asked(&cloud, "/lab/never").is_empty());
}

#[tokio::test]
async fn an_upload_that_ends_too_early_is_broken_off_also_in_a_last_request() {
    let sandbox = sandbox().await;
    let (cloud, proxy) = (sandbox.cloud(), Proxy::signed_in(&sandbox).await);
    for framing in
        ["Content-Length: 1000\n\nabc", "Transfer-Encoding: chunked\n\n3\nabc\n3\nab", "Transfer-Encoding: chunked\n\n"]
    {
        let text = format!("POST /lab/upload HTTP/1.1\nHost: localhost\nConnection: close\n{framing}");
        let took = after_leaving(&cloud, &proxy, &text, async |mut client| client.close_sending().await);
        assert!(took.await.is_some(), "{framing}: the upstream still waits for the rest");
    }
    assert!(asked(&cloud, "/lab/upload").iter().all(|upload| upload.body_sha256.is_none()));
}
