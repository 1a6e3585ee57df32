//! Fields that follow a body, in both directions (RFC 9110 §6.5).

use crate::support::{Proxy, sandbox};
use crate::wire::{Raw, Scripted, proxy_to};

const FORBIDDEN: &str = "Set-Cookie: a=b\nContent-Length: 3\nTransfer-Encoding: x\nAuthorization: x\nHost: x\n";
const NAMED: &str = "X-Sum, Set-Cookie, Content-Length, Transfer-Encoding, Authorization, Host";

#[tokio::test]
async fn trailers_of_an_answer_reach_a_client_that_asks_for_them() {
    let sandbox = sandbox().await;
    let upstream = Scripted::start(&format!(
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: {NAMED}\n\n2\nab\n0\n{FORBIDDEN}X-Sum: 7\n\n"
    ))
    .await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    for (asks, trailers) in [
        ("TE: gzip;q=0.5, trailers\nConnection: TE, close\n", "x-sum: 7\r\n"),
        ("TE: gzip\nConnection: TE, close\n", ""),
        ("Connection: close\n", ""),
    ] {
        let client = Raw::asking(proxy.address, &format!("GET /x HTTP/1.1\nHost: localhost\n{asks}\n")).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("trailer: {NAMED}")), "{head}");
        assert_eq!(body, format!("2\r\nab\r\n0\r\n{trailers}\r\n"), "{asks}");
        let asked = requests(&upstream).pop().unwrap().to_ascii_lowercase();
        assert_eq!(asked.contains("\r\nte: trailers\r\n"), asks.contains("trailers"), "{asked}");
        assert!(!asked.contains("gzip"), "codings are agreed on for one connection: {asked}");
    }
}

#[tokio::test]
async fn trailers_of_an_event_stream_pass_too() {
    let sandbox = sandbox().await;
    let upstream = Scripted::start(
        "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n\
         7\ndata: x\n0\nX-Sum: 7\n\n",
    )
    .await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    let request = "GET /x HTTP/1.1\nHost: localhost\nTE: trailers\nConnection: TE, close\n\n";
    let answer = String::from_utf8(Raw::asking(proxy.address, request).await.rest().await).unwrap();
    assert!(answer.ends_with("\r\n\r\n7\r\ndata: x\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_upstream() {
    let sandbox = sandbox().await;
    let upstream = Scripted::with("0\nx-sum: 7\n\n", &["HTTP/1.1 200 OK\nContent-Length: 0\n\n"]).await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    assert_eq!(send_with_trailers(&proxy).await, 200);
    let asked = requests(&upstream).pop().unwrap();
    assert!(asked.contains(&format!("trailer: {NAMED}\r\n")), "{asked}");
    assert!(asked.ends_with("\r\n2\r\n{}\r\n0\r\nx-sum: 7\r\n\r\n"), "{asked}");
}

/// A request that is sent again after a 401 has its trailers again.
#[tokio::test]
async fn trailers_of_a_request_are_sent_again_with_it() {
    let sandbox = sandbox().await;
    let refused = "HTTP/1.1 401 Unauthorized\nContent-Length: 0\n\n";
    let upstream = Scripted::with("0\nx-sum: 7\n\n", &[refused]).await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    assert_eq!(send_with_trailers(&proxy).await, 503);
    let asked = requests(&upstream);
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.ends_with("\r\n{}\r\n0\r\nx-sum: 7\r\n\r\n")), "{asked:?}");
}

/// What reached the upstream, but for what the daemon asks by itself.
fn requests(upstream: &Scripted) -> Vec<String> {
    upstream.heads().into_iter().filter(|request| request.contains(" /x HTTP/1.1\r\n")).collect()
}

async fn send_with_trailers(proxy: &Proxy) -> u16 {
    let head = format!("POST /x HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nTrailer: {NAMED}\n");
    let body = format!("2\n{{}}\n0\n{FORBIDDEN}X-Sum: 7\n\n");
    Raw::asking(proxy.address, &format!("{head}\n{body}")).await.head().await.status
}
