//! Troubles between us and the upstream, and what the client sees of them: never a statement about sessions,
//! transports or sign-ins (400, 401, 404, 405) that the upstream did not make.

use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use mcp_proxy_sandbox::{GatewayFault, Sandbox, TokenFault};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Proxy, sandbox, whole};
use crate::wire::{CALL, Direct, NOTE, Scripted, asked, proxy_to, proxy_with};

/// A call gets an error with its own id, and everything else an error without; both of this status.
async fn everything_fails_with(proxy: &Proxy, status: u16, says: &str) {
    for (method, body) in [("POST", CALL), ("POST", NOTE), ("POST", "{no json"), ("GET", ""), ("DELETE", "")] {
        let (seen, headers, text) = ask(proxy, method, "/lab/echo", body).await;
        assert_eq!(seen.as_u16(), status, "{method} {body}: {text}");
        assert_eq!(headers["content-type"], "application/json");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["id"], if body == CALL { "call-7".into() } else { Value::Null }, "{text}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{text}");
    }
}

async fn ask(proxy: &Proxy, method: &str, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    whole(proxy.send(request.body(Full::from(body.to_owned())).unwrap()).await).await
}

#[tokio::test]
async fn an_upstream_that_refuses_connections_is_a_502_until_it_is_back() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    assert_eq!(proxy.post("/lab/echo", CALL).await.0, StatusCode::OK);
    cloud.refuse_connections(true);
    cloud.cut_connections();
    assert!(cloud.wait_until(|counts| counts.open_connections == 0, crate::support::PATIENCE).await.is_some());
    everything_fails_with(&proxy, 502, "cannot reach alibaba").await;
    cloud.refuse_connections(false);
    while tokio::net::TcpStream::connect(sandbox.cloud_url().strip_prefix("https://").unwrap()).await.is_err() {}
    assert_eq!(proxy.post("/lab/echo", CALL).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_upstream_that_does_not_shake_hands_is_a_502_in_time() {
    let sandbox = sandbox().await;
    // The kernel takes the connections; nobody ever says anything on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[network]\nconnect_timeout = \"100ms\"\n[[upstream]]\nname = \"alibaba\"\nurl = \"https://{}\"\n",
        silent.local_addr().unwrap()
    );
    let proxy = proxy_with(&sandbox, &more).await;
    everything_fails_with(&proxy, 502, "no connection within").await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504_in_time() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[network]\nfirst_byte_timeout = \"100ms\"\n").await;
    sandbox.cloud().fail_gateway(GatewayFault::Hang, None);
    everything_fails_with(&proxy, 504, "did not begin to answer").await;
}

#[tokio::test]
async fn c13_a_request_that_was_cut_after_it_was_sent_is_a_502_and_not_repeated() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    // On a kept connection and on a new one.
    for kept in [true, false] {
        proxy.post("/lab/echo", CALL).await;
        if !kept {
            cloud.close_idle_connections();
        }
        cloud.forget_received();
        cloud.fail_gateway(GatewayFault::CutBefore, Some(1));
        let (status, _, body) = proxy.post("/lab/echo?once", CALL).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "{body}");
        assert!(body.contains("whether it acted is not known") && body.contains("call-7"), "{body}");
        assert_eq!(asked(&cloud, "/lab/echo?once").len(), 1);
    }
    cloud.fail_gateway(GatewayFault::CutBefore, None);
    everything_fails_with(&proxy, 502, "broke the connection").await;
}

#[tokio::test]
async fn an_upstream_that_speaks_something_else_is_a_502() {
    for answer in ["SSH-2.0-x\n", "HTTP/1.1 nonsense\n\n", "HTTP/1.1 200 OK\nContent-Length: x\n\n", ""] {
        let sandbox = sandbox().await;
        let upstream = Scripted::start(answer).await;
        let proxy = proxy_to(&upstream.url, &sandbox).await;
        everything_fails_with(&proxy, 502, "broke the connection").await;
    }
}

#[tokio::test]
async fn without_a_login_a_call_is_told_so_and_everything_else_is_a_503() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    for (method, body) in [("POST", CALL), ("POST", NOTE), ("GET", ""), ("DELETE", "")] {
        let (status, _, text) = ask(&proxy, method, "/lab/echo", body).await;
        assert_eq!(status.as_u16(), if body == CALL { 200 } else { 503 }, "{method} {body}: {text}");
        assert!(text.contains("mcp-proxy login"), "{text}");
    }
    assert_eq!(sandbox.cloud().counts().gateway_requests, 0);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_just_now_is_a_503_to_try_again() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = proxy_with(&sandbox, "[limits]\ntoken_wait = \"100ms\"\n").await;
    cloud.fail_token(TokenFault::Status { status: 503, retry_after: None }, None);
    cloud.revoke_access_tokens();
    for (method, body) in [("POST", CALL), ("POST", NOTE), ("GET", "")] {
        let (status, headers, text) = ask(&proxy, method, "/lab/echo", body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {body}: {text}");
        assert!(headers.contains_key("retry-after"));
        assert!(!text.contains("mcp-proxy login"), "nobody has to sign in: {text}");
    }
}

#[tokio::test]
async fn the_upstreams_own_answers_pass_to_the_byte() {
    let sandbox: Sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let direct = Direct::new(&sandbox, &proxy).await;
    for code in [200, 202, 400, 403, 404, 405, 406, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504] {
        let path = format!("/lab/status/{code}");
        let alone = direct.get(&path).send().await.unwrap();
        let (status, headers, body) = proxy.get(&path).await;
        assert_eq!((status.as_u16(), alone.status().as_u16()), (code, code));
        assert_eq!(headers["content-type"], alone.headers()["content-type"]);
        assert_eq!(body, alone.text().await.unwrap());
    }
    let root = proxy.get("/").await;
    assert!(root.0 == StatusCode::NOT_FOUND && root.2.contains("InvalidAction.NotFound"), "{root:?}");
    sandbox.cloud().fail_gateway(GatewayFault::Status { status: 503, retry_after: Some(7) }, Some(1));
    let (status, headers, body) = proxy.post("/lab/echo", CALL).await;
    assert_eq!(
        (status.as_u16(), &headers["retry-after"], body.as_str()),
        (503, &"7".parse().unwrap(), "injected fault")
    );
}
