//! What a client may leave undone, and how much it may send: each limit, and what comes of going beyond it.

use std::time::Duration;

use mcp_proxy_sandbox::Counts;
use tokio::time::Instant;

use crate::support::{PATIENCE, Proxy, sandbox};
use crate::wire::{Raw, asked, proxy_with};

const GET: &str = "GET /lab/echo HTTP/1.1\nHost: localhost\n\n";
const HOLD: &str = "GET /lab/hold HTTP/1.1\nHost: localhost\n\n";

/// Short for heads, long for what comes between requests; or the other way round.
const SHORT: Duration = Duration::from_millis(200);
const SHORT_HEADS: &str = "[limits]\nheader_timeout = \"200ms\"\nidle_timeout = \"1h\"\n";
const SHORT_IDLE: &str = "[limits]\nheader_timeout = \"1h\"\nidle_timeout = \"200ms\"\n";

#[tokio::test]
async fn c7_a_connection_that_says_nothing_is_closed_without_a_word() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SHORT_HEADS).await;
    let began = Instant::now();
    let said = Raw::connect(proxy.address).await.rest().await;
    assert!(said.is_empty() && began.elapsed() >= SHORT, "{said:?}");
}

#[tokio::test]
async fn c7_half_a_head_is_answered_408_also_on_a_connection_that_was_of_use() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SHORT_HEADS).await;
    for half in ["P", "PRI * HT", "POST /lab/echo HTTP/1.1\nHost: lo"] {
        let began = Instant::now();
        let said = String::from_utf8(Raw::asking(proxy.address, half).await.rest().await).unwrap();
        assert!(said.starts_with("HTTP/1.1 408 ") && began.elapsed() >= SHORT, "{half:?}: {said:?}");
    }
    let mut kept = Raw::asking(proxy.address, GET).await;
    assert_eq!(kept.answer().await.0.status, 200);
    let began = Instant::now();
    kept.write(b"GET /lab").await;
    let said = String::from_utf8(kept.rest().await).unwrap();
    assert!(said.starts_with("HTTP/1.1 408 ") && began.elapsed() >= SHORT, "{said:?}");
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_time_of_its_own() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SHORT_IDLE).await;
    // Nobody here sees when the answer ends there, from where the time counts.
    let began = Instant::now();
    let mut kept = Raw::asking(proxy.address, GET).await;
    assert_eq!(kept.answer().await.0.status, 200);
    assert!(kept.rest().await.is_empty(), "it is closed without a word");
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    let half = Raw::asking(proxy.address, "GET /lab/echo HTT").await;
    let late = tokio::time::timeout(2 * SHORT, half.rest()).await;
    assert!(late.is_err(), "a head has a time of its own too");
}

#[tokio::test]
async fn c11_an_answer_that_takes_longer_than_both_is_not_cut() {
    let sandbox = sandbox().await;
    let limits = "[limits]\nheader_timeout = \"500ms\"\nidle_timeout = \"500ms\"\n";
    let proxy = proxy_with(&sandbox, limits).await;
    for path in ["/lab/slow?ms=1200", "/lab/trickle?chunks=4&gap_ms=400"] {
        assert_eq!(proxy.get(path).await.0, 200, "{path}");
    }
}

/// How many uploads have reached the upstream, and how many of them whole.
fn uploads(sandbox: &mcp_proxy_sandbox::Sandbox) -> (usize, usize) {
    let uploads = asked(&sandbox.cloud(), "/lab/upload");
    (uploads.len(), uploads.iter().filter(|upload| upload.body_sha256.is_some()).count())
}

const SMALL_BODIES: &str = "[limits]\nrequest_body = \"1000B\"\n";

#[tokio::test]
async fn c8_a_body_that_says_it_is_too_long_is_refused_before_the_upstream_is_asked() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SMALL_BODIES).await;
    let head = "POST /lab/upload HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 1001\n\n";
    let (head, body) = Raw::asking(proxy.address, head).await.answer().await;
    assert_eq!((head.status, head.header("content-type")), (413, Some("application/json")));
    assert!(body.contains("limits.request_body") && body.contains("1000 bytes"), "{body}");
    assert_eq!(uploads(&sandbox), (0, 0));
    let (status, _, body) = proxy.post("/lab/upload", &"x".repeat(1000)).await;
    assert!(status == 200 && body.contains("\"bytes\":1000"), "{body}");
}

#[tokio::test]
async fn c8_a_body_that_becomes_too_long_breaks_the_exchange_off() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SMALL_BODIES).await;
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let head = "POST /lab/upload HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n";
    for (chunks, status) in [(10, 200), (11, 413)] {
        sandbox.cloud().forget_received();
        let mut client = Raw::asking(proxy.address, head).await;
        client.write(format!("{}0\r\n\r\n", chunk.repeat(chunks)).as_bytes()).await;
        let (head, body) = client.answer().await;
        assert_eq!(head.status, status, "{body}");
    }
    assert_eq!(uploads(&sandbox).1, 0, "nothing was taken for a whole body");
    assert_eq!(proxy.post("/lab/upload", "x").await.0, 200);
}

#[tokio::test]
async fn c8_a_client_that_sends_all_the_same_can_read_why_it_was_refused() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, SMALL_BODIES).await;
    for _ in 0..5 {
        let head = "POST /lab/upload HTTP/1.1\nHost: localhost\nContent-Length: 8000000\n\n";
        let mut client = Raw::asking(proxy.address, head).await;
        client.write(&vec![7; 8_000_000]).await;
        assert_eq!(client.answer().await.0.status, 413);
    }
}

#[tokio::test]
async fn a_target_too_long_is_414_and_a_head_too_long_is_431() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let target = |length: usize| format!("GET /lab/echo?{} HTTP/1.1\nHost: localhost\n\n", "x".repeat(length - 10));
    let headers = |count: usize| {
        let headers: String = (1..count).map(|at| format!("X-{at}: y\n")).collect();
        format!("GET /lab/echo HTTP/1.1\nHost: localhost\n{headers}\n")
    };
    let header = |length: usize| format!("GET /lab/echo HTTP/1.1\nHost: localhost\nX: {}\n\n", "y".repeat(length));
    for (request, status) in [
        (target(32 * 1024), 200),
        (target(32 * 1024 + 1), 414),
        (headers(99), 200),
        (headers(101), 431),
        (header(60 * 1024), 200),
        (header(70 * 1024), 431),
    ] {
        let mut client = Raw::asking(proxy.address, &request).await;
        assert_eq!(client.head().await.status, status, "{} bytes", request.len());
    }
}

async fn hold(proxy: &Proxy) -> Raw {
    let mut holder = Raw::asking(proxy.address, HOLD).await;
    assert_eq!(holder.head().await.status, 200);
    holder
}

#[tokio::test]
async fn at_the_limit_the_silent_make_room_first_and_then_the_idle() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nmax_connections = 3\n").await;
    let mut idle = Raw::asking(proxy.address, GET).await;
    assert_eq!(idle.answer().await.0.status, 200);
    let silent = Raw::connect(proxy.address).await;
    let half = Raw::asking(proxy.address, "GET /lab/echo HTT").await;
    for gone in [silent, half, idle] {
        let _busy = std::mem::ManuallyDrop::new(hold(&proxy).await);
        gone.rest().await;
    }
}

#[tokio::test]
async fn at_the_limit_a_busy_connection_is_never_closed_and_a_newcomer_waits_for_its_end() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = proxy_with(&sandbox, "[limits]\nmax_connections = 2\n").await;
    let (mut first, second) = (hold(&proxy).await, hold(&proxy).await);
    let mut newcomer = Raw::asking(proxy.address, GET).await;
    let answer = tokio::time::timeout(Duration::from_millis(300), newcomer.head()).await;
    assert!(answer.is_err(), "there is no room");
    cloud.say_on_holds("data: x\n\n");
    assert_eq!(first.take(3).await.len(), 3, "both go on");
    drop(second);
    assert_eq!(newcomer.head().await.status, 200);
    let one_left = |counts: &Counts| counts.open_streams == 1;
    assert!(cloud.wait_until(one_left, PATIENCE).await.is_some());
}

#[tokio::test]
async fn at_the_limit_a_connection_that_becomes_idle_makes_room_at_once() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nmax_connections = 1\n").await;
    let mut busy = Raw::asking(proxy.address, &GET.replace("echo", "slow?ms=300")).await;
    sandbox.cloud().wait_until(|_| asked(&sandbox.cloud(), "/lab/slow?ms=300").len() == 1, PATIENCE).await.unwrap();
    let mut newcomer = Raw::asking(proxy.address, GET).await;
    let (first, second) = tokio::join!(busy.answer(), newcomer.answer());
    assert_eq!((first.0.status, second.0.status), (200, 200));
    assert!(busy.rest().await.is_empty());
}

#[tokio::test]
async fn one_client_that_opens_connections_and_says_nothing_keeps_nobody_out() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nmax_connections = 20\nheader_timeout = \"1h\"\n").await;
    let mut good = Raw::asking(proxy.address, HOLD).await;
    assert_eq!(good.head().await.status, 200);
    let silent = futures_util::future::join_all((0..200).map(|_| Raw::connect(proxy.address))).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("/lab/echo").await.0, 200);
    }
    sandbox.cloud().say_on_holds("data: x\n\n");
    assert_eq!(good.take(3).await.len(), 3, "and the busy one went on");
    drop(silent);
}
