//! What the proxy never says of its own accord on an MCP path: 400, 401, 404 and 405, which clients take for the
//! server's word that a session is over, a sign-in is needed, or a transport is not there.

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::exchange::Step::{self, Ask, Close, Hear, HearPart, Read, Say};
use crate::exchange::play;
use crate::script::{wire, with};
use crate::{Bench, TOKEN};

const CALL: &str = r#"{"jsonrpc":"2.0","id":"call-7","method":"tools/list"}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
const BATCH: &str = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"note"}]"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

/// Everything that may be asked on an MCP path.
const ASKED: [(&str, &str); 8] = [
    ("POST", CALL),
    ("POST", NOTE),
    ("POST", BATCH),
    ("POST", ANSWER),
    ("POST", "{no json"),
    ("POST", ""),
    ("GET", ""),
    ("DELETE", ""),
];

fn request(method: &str, body: &str) -> Step {
    let head =
        format!("{method} /mcp HTTP/1.1\nHost: localhost\nMcp-Session-Id: s\nContent-Length: {}\n\n", body.len());
    Ask(with(&head, body.as_bytes()))
}

/// Asks everything while `trouble` happens at the upstream.
async fn never_misread(name: &str, mut bench: Bench, trouble: &[Step]) {
    for (method, body) in ASKED {
        let script = [&[request(method, body)], trouble, &[Read]].concat();
        judge(name, &mut bench, method, body, &script).await;
    }
}

async fn judge(name: &str, bench: &mut Bench, method: &str, body: &str, script: &[Step]) {
    let to = bench.proxy.address;
    let seen = play(&mut bench.upstream, to, script, &format!("{name}: {method} {body}")).await;
    let answer = &seen.answers[0];
    let status = answer.status();
    assert!(matches!(status, 200 | 502 | 503 | 504), "{name}: {method} {body}: {answer:?}");
    assert_eq!(answer.values("content-type"), [b"application/json"], "{name}");
    assert!(answer.values("www-authenticate").is_empty() && answer.values("mcp-session-id").is_empty());
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    match body {
        CALL => assert_eq!(said["id"], "call-7"),
        BATCH => assert!(said[0]["id"] == 1 && said.as_array().unwrap().len() == 1, "{said}"),
        _ => assert!(said["id"].is_null() && status != 200, "{name}: {method} {body}: {answer:?}"),
    }
    println!("{status}: {name}: {method} {body}");
}

/// A short wait for tokens, so that waiting in vain is short too.
const SHORT: &str = "[limits]\ntoken_wait = \"50ms\"\n";

#[tokio::test]
async fn without_a_token() {
    never_misread("no token", Bench::with_token("", SHORT).await, &[]).await;
}

#[tokio::test]
async fn without_a_login() {
    never_misread("no login", Bench::without_a_login().await, &[]).await;
}

#[tokio::test]
async fn with_a_token_that_is_refused() {
    let refused = Say(wire("HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer\nContent-Length: 0\n\n"));
    never_misread("a refused token", Bench::start(SHORT).await, &[Hear, refused.clone()]).await;

    // What refused a renewed token once is remembered, and refuses the next request at once.
    let mut bench = Bench::start("").await;
    let renewed = Step::Write(bench.token_file(), "another-token");
    let script = [request("POST", CALL), Hear, renewed, refused.clone(), Hear, refused.clone(), Read];
    judge("a renewed token is refused", &mut bench, "POST", CALL, &script).await;
    never_misread("a renewed token was refused", bench, &[Hear, refused.clone()]).await;

    let mut bench = Bench::start("[limits]\nreplay_body = \"0\"\n").await;
    let renewed = Step::Write(bench.token_file(), "another-token");
    let script = [request("POST", NOTE), Hear, renewed, refused, Read];
    judge("a body too long to be sent again", &mut bench, "POST", NOTE, &script).await;
}

#[tokio::test]
async fn without_an_upstream() {
    // Bound, so that nobody else gets the port, but nobody listens.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bench = Bench::at(&format!("http://{}", nobody.local_addr().unwrap()), TOKEN, "").await;
    never_misread("no connection", bench, &[]).await;
}

#[tokio::test]
async fn with_an_upstream_that_fails() {
    never_misread("a broken connection", Bench::start("").await, &[Hear, Close]).await;
    let nonsense = Say(wire("SSH-2.0-x\n"));
    never_misread("another protocol", Bench::start("").await, &[Hear, nonsense]).await;
    let slow = Bench::start("[network]\nfirst_byte_timeout = \"50ms\"\n").await;
    never_misread("no answer", slow, &[Hear]).await;
    for (name, status, to) in [
        ("elsewhere", 307, "https://elsewhere.example/mcp"),
        ("another method", 303, "/other"),
        ("nowhere", 308, "http://["),
    ] {
        let redirect = Say(wire(&format!("HTTP/1.1 {status} X\nLocation: {to}\nContent-Length: 0\n\n")));
        never_misread(&format!("a redirect to {name}"), Bench::start("").await, &[Hear, redirect]).await;
    }
}

#[tokio::test]
async fn with_a_client_that_breaks_off() {
    let mut bench = Bench::start("").await;
    let head = wire("POST /mcp HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n");
    let script = [Ask(head), HearPart(0), Ask(b"no chunk\r\n".to_vec()), Read];
    judge("a body that is broken", &mut bench, "POST", "", &script).await;
}
