//! Connections on both sides: slow heads, reuse, stale ones, old clients.

use http::StatusCode;

use crate::support::{Proxy, sandbox};
use crate::wire::{CALL, Raw, asked, proxy_with};

/// How many connections to the cloud may come beside those of the data path: the server list, and one that is opened
/// while another becomes free.
const BESIDE: u64 = 5;

async fn get(client: &mut Raw, path: &str) -> u16 {
    client.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    client.answer().await.0.status
}

#[tokio::test]
async fn c7_half_a_head_is_cut_after_its_time_while_others_go_on() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nheader_timeout = \"2s\"\n").await;
    let mut good = Raw::connect(proxy.address).await;
    let halves = (0..100).map(|_| Raw::asking(proxy.address, "POST /lab/echo HTTP/1.1\nHost: loc"));
    let halves = futures_util::future::join_all(halves).await;
    assert_eq!(get(&mut good, "/lab/echo").await, 200);
    let mut cut = std::pin::pin!(futures_util::future::join_all(halves.into_iter().map(Raw::rest)));
    let mut served = 0;
    loop {
        tokio::select! {
            _ = &mut cut => break,
            status = get(&mut good, "/lab/echo") => {
                assert_eq!(status, 200);
                served += 1;
            }
        }
    }
    assert!(served > 0, "the good client went on all the while");
}

#[tokio::test]
async fn c7_a_head_that_comes_in_small_pieces_but_in_time_is_served() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut client = Raw::connect(proxy.address).await;
    for byte in b"GET /lab/echo HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        client.write(&[*byte]).await;
    }
    assert_eq!(client.answer().await.0.status, 200);
}

#[tokio::test]
async fn c9_sequential_requests_share_connections_to_the_upstream() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let before = cloud.counts().connections;
    let mut kept = Raw::connect(proxy.address).await;
    for round in 0..100 {
        assert_eq!(get(&mut kept, "/lab/bytes/5000").await, 200);
        // The same from clients that connect anew each time, and with each kind of body.
        let path = ["/lab/echo", "/lab/trickle?chunks=2&gap_ms=1", "/lab/status/202", "/lab/status/204"][round % 4];
        assert!(proxy.post(path, CALL).await.0.is_success());
    }
    let used = cloud.counts().connections - before;
    assert!(used <= BESIDE, "{used} connections for 200 requests");
}

#[tokio::test]
async fn c9_answers_without_a_body_leave_the_connections_usable() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let before = cloud.counts().connections;
    let mut client = Raw::connect(proxy.address).await;
    for _ in 0..10 {
        for head in ["HEAD /lab/bytes/1000", "GET /lab/status/304", "DELETE /lab/status/204"] {
            client.write(format!("{head} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
            client.head().await;
        }
        assert_eq!(get(&mut client, "/lab/bytes/10").await, 200);
    }
    let used = cloud.counts().connections - before;
    assert!(used <= BESIDE, "{used} connections for 40 requests");
}

#[tokio::test]
async fn c13_a_connection_that_the_upstream_closed_while_idle_costs_no_request() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for round in 0..20 {
        let path = format!("/lab/echo?round={round}");
        let calls = futures_util::future::join_all((0..5).map(|_| proxy.post(&path, CALL))).await;
        assert!(calls.iter().all(|(status, ..)| *status == StatusCode::OK), "{calls:?}");
        assert_eq!(asked(&cloud, &path).len(), 5, "each was sent once");
        let open = cloud.counts().open_connections;
        assert!(cloud.close_idle_connections() > 0);
        cloud.wait_until(|counts| counts.open_connections < open, crate::support::PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut text = String::new();
    for target in ["/lab/slow?ms=50", "/lab/status/202", "/favicon.ico", "/lab/bytes/3"] {
        text.push_str(&format!("GET {target} HTTP/1.1\nHost: localhost\n\n"));
    }
    text.push_str("POST /lab/upload HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabcGET /lab/status/409 HTTP/1.1\n");
    text.push_str("Host: localhost\n\n");
    let mut client = Raw::asking(proxy.address, &text).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(client.answer().await.0.status);
    }
    assert_eq!(statuses, [200, 202, 404, 200, 200, 409]);
}

#[tokio::test]
async fn clients_of_http_1_0_get_bodies_that_they_can_read() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for (request, end) in [
        ("GET /lab/trickle?chunks=2&gap_ms=1 HTTP/1.0\n\n", "\r\n\r\nchunk 0\nchunk 1\n"),
        ("GET /lab/status/409 HTTP/1.0\nHost: localhost\n\n", "\r\n\r\n{\"status\":409}"),
    ] {
        let answer = String::from_utf8(Raw::asking(proxy.address, request).await.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.0 ") || answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(answer.ends_with(end), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    }
    let keeping = "GET /lab/bytes/3 HTTP/1.0\nConnection: keep-alive\n\n";
    let mut client = Raw::asking(proxy.address, &keeping.repeat(2)).await;
    for _ in 0..2 {
        assert_eq!(client.answer().await.0.status, 200, "the connection is kept when it was asked for");
    }
}

/// Requests that are none, or that two servers could read in two ways, never reach the upstream.
#[tokio::test]
async fn what_two_servers_could_read_in_two_ways_is_not_forwarded() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for request in [
        "POST /lab/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /lab/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        "POST /lab/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET /lab/x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /lab/x HTTP/1.1\r\n\r\n",
        "GET /lab/x HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
        "CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut client = Raw::connect(proxy.address).await;
        client.write(request.as_bytes()).await;
        let status = client.head().await.status;
        assert!(matches!(status, 400 | 501), "{request:?}: {status}");
    }
    assert!(sandbox.cloud().received().iter().all(|record| !record.target.starts_with("/lab/")));
}
