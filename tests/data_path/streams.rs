//! Bodies on their way: at once, to the byte, and no longer than both sides want them.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mcp_proxy_sandbox::{Cloud, GatewayFault};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{PATIENCE, Proxy, post, sandbox};
use crate::wire::{CALL, Direct, Raw, Scripted, asked, proxy_to, proxy_with};

/// How long answers may take to finish at a stop, if nobody sets it.
const DRAIN: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// How long the upstream may go on for fifty clients that have left.
const CANCELLED: Duration = Duration::from_millis(100);
/// What the daemon may add to the time of a first byte; an idle machine shows a tenth of it.
const ADDED: Duration = Duration::from_millis(5);

pub(crate) async fn open(proxy: &Proxy, path: &str) -> Incoming {
    let request = Request::get(path).header("host", proxy.address.to_string()).header("accept", "text/event-stream");
    let response = proxy.send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

pub(crate) async fn next(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("a frame in time");
    frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

async fn open_streams(cloud: &Cloud, count: u64, limit: Duration) {
    let reached = cloud.wait_until(|counts| counts.open_streams == count, limit).await;
    assert!(reached.is_some(), "{} streams are open, not {count}", cloud.counts().open_streams);
}

async fn first_byte(request: reqwest::RequestBuilder) -> Duration {
    let began = Instant::now();
    let mut response = request.send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "chunk 0\n");
    let passed = began.elapsed();
    while response.chunk().await.unwrap().is_some() {}
    passed
}

#[tokio::test]
async fn c1_the_first_byte_of_a_trickle_is_passed_on_at_once() {
    const TRICKLE: &str = "/lab/trickle?chunks=2&gap_ms=50";
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let direct = Direct::new(&sandbox, &proxy).await;
    let through = format!("http://{}{TRICKLE}", proxy.address);
    let mut added = Vec::new();
    for _ in 0..9 {
        let alone = first_byte(direct.get(TRICKLE)).await;
        added.push(first_byte(direct.http.get(&through)).await.saturating_sub(alone));
    }
    added.sort();
    assert!(added[4] < ADDED, "{added:?}");
}

#[tokio::test]
async fn c2_clients_that_leave_take_their_streams_with_them() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut took = Vec::new();
    for round in 1..=3 {
        let streams = futures_util::future::join_all((0..50).map(|_| open(&proxy, "/lab/hold"))).await;
        open_streams(&cloud, 50, PATIENCE).await;
        let began = Instant::now();
        drop(streams);
        open_streams(&cloud, 0, SECOND).await;
        took.push(began.elapsed());
        assert_eq!(cloud.counts().cancelled_streams, 50 * round);
    }
    // The machine may be busy with other tests for a while, but not with nothing else.
    assert!(took.iter().min() < Some(&CANCELLED), "{took:?}");
}

#[tokio::test]
async fn c2_a_client_that_leaves_before_the_answer_ends_the_request() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for method in ["GET", "POST"] {
        cloud.close_idle_connections();
        let asked = cloud.counts().gateway_requests + 1;
        let text = format!("{method} /lab/slow?ms=600000 HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n");
        let client = Raw::asking(proxy.address, &text).await;
        let open = cloud.wait_until(|counts| counts.gateway_requests == asked, PATIENCE).await.unwrap();
        drop(client);
        let gone = |counts: &mcp_proxy_sandbox::Counts| counts.open_connections < open.open_connections;
        assert!(cloud.wait_until(gone, SECOND).await.is_some(), "{method}: the upstream still works on it");
    }
}

#[tokio::test]
async fn c2_a_client_that_leaves_in_the_middle_of_an_upload_ends_it() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let head = "POST /lab/upload HTTP/1.1\nHost: localhost\nContent-Length: 1000000\n\n";
    let mut client = Raw::asking(proxy.address, head).await;
    client.write(&[7; 1000]).await;
    let begun = |_: &mcp_proxy_sandbox::Counts| asked(&cloud, "/lab/upload").len() == 1;
    assert!(cloud.wait_until(begun, PATIENCE).await.is_some());
    drop(client);
    let broken = |_: &mcp_proxy_sandbox::Counts| asked(&cloud, "/lab/upload")[0].body_length > 0;
    assert!(cloud.wait_until(broken, SECOND).await.is_some(), "the upstream still waits for the rest");
    let uploads = asked(&cloud, "/lab/upload");
    assert_eq!((uploads.len(), &uploads[0].body_sha256), (1, &None), "broken off, and not tried again");
}

#[tokio::test]
async fn c3_event_streams_are_the_same_to_the_byte() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let direct = Direct::new(&sandbox, &proxy).await;
    for eol in ["lf", "crlf", "cr"] {
        for unterminated in [0, 1] {
            let path = format!("/lab/sse?events=5&gap_ms=2&eol={eol}&unterminated={unterminated}");
            let alone = direct.get(&path).send().await.unwrap().bytes().await.unwrap();
            let through = open(&proxy, &path).await.collect().await.unwrap().to_bytes();
            assert!(alone.len() > 100);
            assert_eq!(through, alone, "{path}");
        }
    }
}

#[tokio::test]
async fn c3_an_event_is_passed_on_while_it_is_not_complete() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut stream = open(&proxy, "/lab/hold").await;
    // Of the first event, only what may be the data of an endpoint waits (row C4).
    let first = [":\n", "id: 1\nretry", ": 5\n", "event: message\nda", "ta: ", "x", "\n\n"];
    for piece in
        first.into_iter().chain(["da", "ta: endless", "\r", "\n", "\n\nretry: 5\n\n", ":\n\n", "id: 1\ndata:\n\n"])
    {
        assert_eq!(cloud.say_on_holds(piece), 1);
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), piece);
    }
}

#[tokio::test]
async fn c3_a_stream_without_lines_and_an_event_of_many_megabytes_are_the_same_to_the_byte() {
    for event in [format!("data: {}\n\n", "x".repeat(4 << 20)), "x".repeat(4 << 20), "\r".repeat(1 << 20)] {
        let sandbox = sandbox().await;
        // Without a length and without chunks: the body ends when the connection does.
        let upstream = Scripted::start(&format!("HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n{event}")).await;
        let proxy = proxy_to(&upstream.url, &sandbox).await;
        let through = open(&proxy, "/mcp").await.collect().await.unwrap().to_bytes();
        let sent = event.replace('\n', "\r\n");
        assert!(through == sent, "{} bytes, not {}", through.len(), sent.len());
    }
}

#[tokio::test]
async fn c3_a_silent_stream_gets_comments_between_events_and_nowhere_else() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = proxy_with(&sandbox, "[limits]\nsse_keep_alive = \"20ms\"\n").await;
    let mut between = open(&proxy, "/lab/hold").await;
    assert_eq!(next(&mut between).await.unwrap().unwrap(), ":\n\n", "from the beginning on");
    let mut inside = open(&proxy, "/lab/hold").await;
    assert_eq!(next(&mut inside).await.unwrap().unwrap(), ":\n\n");
    let call = post(proxy.address, "/lab/hold", CALL);
    let mut called = proxy.send(call).await.into_body();
    cloud.say_on_holds("data: {");
    let spoken = |body: Vec<u8>| String::from_utf8(body).unwrap().replace(":\n\n", "");
    // One of the streams is left inside its event; the others end it, and are silent again.
    let mut heard = Vec::new();
    while !heard.ends_with(b"data: {") {
        heard.extend_from_slice(&next(&mut inside).await.unwrap().unwrap());
    }
    assert_eq!(spoken(heard), "data: {");
    let silent = tokio::time::timeout(Duration::from_millis(200), inside.frame()).await;
    assert!(silent.is_err(), "inside an event: {silent:?}");
    cloud.say_on_holds("}\n\n");
    for stream in [&mut between, &mut inside, &mut called] {
        let mut heard = Vec::new();
        while !heard.ends_with(b"}\n\n:\n\n:\n\n") {
            heard.extend_from_slice(&next(stream).await.unwrap().unwrap());
        }
    }
}

#[tokio::test]
async fn c3_streams_of_a_length_and_encoded_ones_get_no_comments() {
    for head in ["Content-Length: 11", "Content-Encoding: gzip"] {
        let sandbox = sandbox().await;
        let answer = format!("HTTP/1.1 200 OK\nContent-Type: text/event-stream\n{head}\n\n");
        let upstream = Scripted::with("\n\n", &[&answer, "data: ", "{1}\n"]).await;
        let to = format!("[[upstream]]\nname = \"alibaba\"\nurl = \"{}\"\n", upstream.url);
        let proxy = proxy_with(&sandbox, &format!("[limits]\nsse_keep_alive = \"1ms\"\n{to}")).await;
        let through = open(&proxy, "/mcp").await.collect().await.unwrap().to_bytes();
        assert_eq!(through, "data: {1}\r\n", "{head}");
    }
}

#[tokio::test]
async fn a_clean_end_stays_a_clean_end_and_a_break_stays_a_break() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for clean in [true, false] {
        let mut stream = open(&proxy, "/lab/hold").await;
        cloud.say_on_holds("data: 1\n\n");
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "data: 1\n\n");
        let ended = if clean { cloud.end_holds() } else { cloud.cut_streams() };
        assert_eq!(ended, 1);
        match next(&mut stream).await {
            None => assert!(clean, "a broken stream must not look complete"),
            Some(Err(_)) => assert!(!clean, "a complete stream must not look broken"),
            Some(Ok(more)) => panic!("{more:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_the_upstream_cuts_is_cut_for_the_client() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for path in ["/lab/bytes/100000", "/lab/trickle?chunks=9&gap_ms=1"] {
        cloud.fail_gateway(GatewayFault::CutAfter { bytes: 20 }, Some(1));
        assert!(open(&proxy, path).await.collect().await.is_err(), "{path}");
    }
}

/// Waits until the daemon has taken notice of its stop: it listens no more.
async fn stopping(proxy: std::net::SocketAddr) {
    while TcpStream::connect(proxy).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn c10_a_stop_ends_idle_streams_at_once_and_cleanly() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let (mut said, mut silent) = (open(&proxy, "/lab/hold").await, open(&proxy, "/lab/hold").await);
    cloud.say_on_holds("data: 1\n\n");
    for stream in [&mut said, &mut silent] {
        assert_eq!(next(stream).await.unwrap().unwrap(), "data: 1\n\n");
    }
    let began = Instant::now();
    proxy.stop().await;
    assert!(began.elapsed() < DRAIN / 2, "{:?}", began.elapsed());
    assert!(next(&mut said).await.is_none() && next(&mut silent).await.is_none(), "a clean end");
}

#[tokio::test]
async fn c10_a_stop_lets_a_client_that_has_just_connected_be_served() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let address = proxy.address;
    let mut client = Raw::connect(address).await;
    // The next one is answered, so the one before it was accepted.
    assert_eq!(proxy.get("/lab/echo").await.0, 200);
    let asking = async {
        stopping(address).await;
        client.write(b"GET /lab/echo HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        client.answer().await.0.status
    };
    let (_, status) = tokio::join!(proxy.stop(), asking);
    assert_eq!(status, 200);
}

#[tokio::test]
async fn c10_a_stop_ends_a_stream_after_the_event_that_is_being_sent() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut stream = open(&proxy, "/lab/hold").await;
    cloud.say_on_holds("data: {ha");
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "data: {ha");
    let began = Instant::now();
    let address = proxy.address;
    let reading = async {
        stopping(address).await;
        // The rest of the event, and the beginning of another one in the same piece.
        cloud.say_on_holds("lf}\n\ndata: ne");
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "lf}\n\n");
        assert!(next(&mut stream).await.is_none(), "a clean end");
    };
    tokio::join!(proxy.stop(), reading);
    assert!(began.elapsed() < DRAIN / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn c10_a_stop_lets_a_call_that_streams_its_answer_finish() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let call = post(proxy.address, "/lab/sse?events=3&gap_ms=100", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#);
    let mut body = proxy.send(call).await.into_body();
    let first = next(&mut body).await.unwrap().unwrap();
    let (rest, _) = tokio::join!(body.collect(), proxy.stop());
    let rest = rest.unwrap().to_bytes();
    assert_eq!([&first[..], &rest].concat().windows(2).filter(|end| end == b"\n\n").count(), 3, "{rest:?}");
}

#[tokio::test]
async fn c10_a_stop_lets_other_answers_finish() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut body = open(&proxy, "/lab/trickle?chunks=3&gap_ms=100").await;
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "chunk 0\n");
    let (rest, _) = tokio::join!(body.collect(), proxy.stop());
    assert_eq!(rest.unwrap().to_bytes(), "chunk 1\nchunk 2\n");
}

#[tokio::test]
async fn c11_streams_outlive_the_time_limits_of_heads() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let limits = "[limits]\nheader_timeout = \"1s\"\n[network]\nfirst_byte_timeout = \"1s\"\n";
    let proxy = proxy_with(&sandbox, limits).await;
    let mut stream = open(&proxy, "/lab/hold").await;
    // A connection that says nothing is closed when the limit has passed: by then the stream has lasted as long.
    assert!(Raw::connect(proxy.address).await.rest().await.is_empty());
    assert!(Raw::connect(proxy.address).await.rest().await.is_empty());
    cloud.say_on_holds("data: late\n\n");
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "data: late\n\n");
}

#[tokio::test]
async fn c12_two_hundred_idle_streams_hold_up_nobody() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let streams = futures_util::future::join_all((0..200).map(|_| open(&proxy, "/lab/hold"))).await;
    open_streams(&cloud, 200, PATIENCE).await;
    let calls = futures_util::future::join_all((0..20).map(|_| proxy.post("/lab/echo", CALL))).await;
    assert!(calls.iter().all(|(status, ..)| *status == StatusCode::OK));
    assert_eq!(cloud.say_on_holds("data: all\n\n"), 200);
    for mut stream in streams {
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "data: all\n\n");
    }
}
