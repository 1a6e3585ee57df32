//! HTTP/2 through the daemon: limits, refusals, farewells, cancelling, slow readers.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::http2::{Order, Upstream};
use crate::support::{PATIENCE, Proxy, whole};
use crate::tls::proxy_to;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn get(proxy: &Proxy, path: &str) -> Response<Incoming> {
    proxy.send(Request::get(path).header("host", "localhost").body(Full::default()).unwrap()).await
}

async fn post_all(proxy: &Proxy, targets: &[String]) -> Vec<(StatusCode, String)> {
    let calls = join_all(targets.iter().map(|target| proxy.post(target, CALL))).await;
    calls.into_iter().map(|(status, _, body)| (status, body)).collect()
}

fn all_ok(answers: &[(StatusCode, String)]) {
    let wrong: Vec<_> = answers.iter().filter(|(status, _)| *status != StatusCode::OK).collect();
    assert!(wrong.is_empty(), "{} of {}: {:?}", wrong.len(), answers.len(), wrong.first());
}

fn targets(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("/{name}?{at}")).collect()
}

/// Many long streams and small calls together: nobody waits for anybody.
async fn long_streams_and_calls(limit: u32, long: usize) -> Upstream {
    let upstream = Upstream::allowing(limit).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let streams = join_all((0..long).map(|_| get(&proxy, "/hold"))).await;
    assert!(streams.iter().all(|stream| stream.status() == StatusCode::OK));
    all_ok(&post_all(&proxy, &targets("call", 50)).await);
    assert_eq!(upstream.held(), long);
    let fewest = long.div_ceil(limit as usize);
    let most = if limit == 1 { long + 50 + 5 } else { fewest + 3 };
    assert!((fewest..=most).contains(&upstream.connections()), "{} connections", upstream.connections());
    drop(streams);
    until("every stream is cancelled", || upstream.held() == 0).await;
    all_ok(&post_all(&proxy, &targets("after", 5)).await);
    upstream
}

#[tokio::test]
async fn c12_long_streams_beyond_the_limit_block_no_other_request() {
    long_streams_and_calls(100, 300).await;
}

#[tokio::test]
async fn c12_also_where_a_connection_takes_one_stream_only() {
    long_streams_and_calls(1, 100).await;
}

#[tokio::test]
async fn a_request_is_what_http2_wants_and_says_where_it_goes() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let request = Request::post("/mcp/a%2Fb?x=%20y")
        .header("host", "127.0.0.1")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("te", "gzip")
        .header("mcp-session-id", "S");
    let answer = whole(proxy.send(request.body(Full::from("hello")).unwrap()).await).await;
    let length = answer.1.get("content-length").cloned();
    let lines: Vec<&str> = answer.2.lines().collect();
    assert_eq!(lines[0], format!("POST {}/mcp/a%2Fb?x=%20y", upstream.url), "`:scheme`, `:authority` and `:path`");
    let mut headers = lines[1..lines.len() - 1].to_vec();
    headers.sort_unstable();
    assert_eq!(headers, ["authorization: Bearer a-token", "content-length: 5", "mcp-session-id: S"]);
    assert_eq!(lines.last(), Some(&"5 bytes"));
    assert_eq!(length.unwrap(), answer.2.len().to_string());
}

#[tokio::test]
async fn large_bodies_and_trailers_pass() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let body = Full::from(Bytes::from(vec![b'x'; 3_000_000]));
    let answer = whole(proxy.send(Request::post("/up").header("host", "localhost").body(body).unwrap()).await).await;
    assert!(answer.2.ends_with("3000000 bytes\n"), "{}", answer.2);
    let request = Request::get("/trailers").header("host", "localhost").header("te", "trailers");
    let answer = proxy.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "body");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_its_method_but_not_for_ever() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let (status, _, body) = proxy.post("/refuse?2", CALL).await;
    assert_eq!((status, upstream.refused("/refuse?2"), upstream.processed("/refuse?2")), (StatusCode::OK, 3, 1));
    assert!(body.contains(&format!("{} bytes", CALL.len())), "the body too: {body}");
    let (status, headers, body) = proxy.post("/refuse?9", CALL).await;
    assert_eq!((status, upstream.refused("/refuse?9")), (StatusCode::SERVICE_UNAVAILABLE, 3));
    assert!(headers.contains_key("retry-after") && body.contains("not processed"), "{body}");
}

#[tokio::test]
async fn a_farewell_costs_no_request_and_no_stream() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let held = get(&proxy, "/hold").await;
    for round in 0..20 {
        let calls = targets(&format!("round-{round}"), 10);
        let (answers, ()) = tokio::join!(post_all(&proxy, &calls), async { upstream.order(Order::GoAway) });
        all_ok(&answers);
        for call in &calls {
            assert_eq!(upstream.processed(call), 1, "{call}");
        }
    }
    assert_eq!(upstream.held(), 1, "what was in progress goes on");
    assert!(upstream.connections() > 5, "{}", upstream.connections());
    drop(held);
    until("it is cancelled", || upstream.held() == 0).await;
    until("old connections are closed", || upstream.open_connections() <= 2).await;
}

#[tokio::test]
async fn c13_a_connection_that_breaks_costs_what_was_on_it_alone() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    for round in 0..10 {
        all_ok(&post_all(&proxy, &targets(&format!("round-{round}"), 3)).await);
        upstream.order(Order::Break);
        until("it is closed", || upstream.open_connections() == 0).await;
    }
    let (silent, ()) = tokio::join!(proxy.post("/silent", CALL), async {
        until("it is there", || upstream.held() == 1).await;
        upstream.order(Order::Break);
    });
    assert_eq!(silent.0, StatusCode::BAD_GATEWAY);
    assert!(silent.2.contains("whether it acted is not known"), "{}", silent.2);
    assert_eq!(upstream.processed("/silent"), 1, "what may have been processed is not sent again");
}

#[tokio::test]
async fn c13_a_safe_request_is_sent_again_when_a_kept_connection_breaks() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    all_ok(&post_all(&proxy, &targets("first", 1)).await);
    let (answer, ()) = tokio::join!(get(&proxy, "/silent"), async {
        until("it is there", || upstream.held() == 1).await;
        upstream.order(Order::Break);
        until("it is there again", || upstream.processed("/silent") == 2).await;
        upstream.order(Order::Break);
    });
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "the second connection was new");
    assert_eq!(upstream.processed("/silent"), 2);
}

#[tokio::test]
async fn c2_a_client_that_leaves_cancels_its_stream_and_no_other() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let stays = get(&proxy, "/hold").await;
    let leaves = get(&proxy, "/hold").await;
    let waits = tokio::time::timeout(std::time::Duration::from_millis(300), get(&proxy, "/silent"));
    assert!(waits.await.is_err());
    drop(leaves);
    until("both are cancelled", || upstream.held() == 1).await;
    assert_eq!(upstream.open_connections(), 1);
    drop(stays);
    until("all are", || upstream.held() == 0).await;
}

#[tokio::test]
async fn an_answer_before_the_whole_request_reaches_the_client() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    for length in [100, 100_000, 5_000_000] {
        let body = Full::from(Bytes::from(vec![b'x'; length]));
        let request = Request::post("/early").header("host", "localhost").body(body).unwrap();
        let (status, _, body) = whole(proxy.send(request).await).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "enough"), "{length}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_is_broken_off_and_not_complete() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    let held = get(&proxy, "/hold").await;
    upstream.order(Order::Break);
    assert!(held.into_body().collect().await.is_err());
    all_ok(&post_all(&proxy, &targets("call", 1)).await);
}

#[tokio::test]
async fn readers_who_do_not_read_hold_up_nobody() {
    let upstream = Upstream::allowing(100).await;
    let proxy = proxy_to(&upstream.url, &upstream.identity).await;
    // Together with the calls beside them not so many that another connection is made: all are on one.
    let unread = join_all((0..20).map(|_| get(&proxy, "/flood"))).await;
    for round in 0..5 {
        all_ok(&post_all(&proxy, &targets(&format!("round-{round}"), 10)).await);
    }
    assert_eq!((upstream.held(), upstream.connections()), (20, 1));
    drop(unread);
    until("all are cancelled", || upstream.held() == 0).await;
}
