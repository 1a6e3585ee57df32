//! Request bodies: to the byte, once, and again only where that is safe.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use mcp_proxy_sandbox::{GatewayFault, Sandbox};
use sha2::{Digest, Sha256};

use crate::support::{Proxy, sandbox, whole};
use crate::wire::{Raw, asked, proxy_with};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn upload(proxy: &Proxy, body: Vec<u8>) -> (StatusCode, http::HeaderMap, String) {
    let request = Request::post("/lab/upload").header("host", "localhost").body(Full::new(Bytes::from(body)));
    whole(proxy.send(request.unwrap()).await).await
}

/// How the uploads ended that reached the sandbox: complete, or broken off.
fn complete(sandbox: &Sandbox) -> Vec<bool> {
    asked(&sandbox.cloud(), "/lab/upload").iter().map(|record| record.body_sha256.is_some()).collect()
}

#[tokio::test]
async fn an_upload_arrives_to_the_byte() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for length in [0, 1, 100_000, 3_000_000] {
        let (status, _, body) = upload(&proxy, bytes(length)).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(&hash(&bytes(length))), "{length}: {body}");
    }
}

#[tokio::test]
async fn a_401_during_an_upload_renews_the_token_and_sends_the_body_again() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for (round, length) in [(1, 10), (2, 64_000), (3, 1_000_000)] {
        cloud.forget_received();
        cloud.revoke_access_tokens();
        let (status, _, body) = upload(&proxy, bytes(length)).await;
        assert_eq!(status, StatusCode::OK, "{length}: {body}");
        assert!(body.contains(&hash(&bytes(length))), "{length}: {body}");
        assert_eq!(cloud.counts().refreshes, round);
        assert_eq!(asked(&cloud, "/lab/upload").len(), 2);
    }
}

#[tokio::test]
async fn a_401_before_the_rest_of_an_upload_came_is_repeated_with_all_of_it() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    cloud.revoke_access_tokens();
    let mut client =
        Raw::asking(proxy.address, "POST /lab/upload HTTP/1.1\nHost: localhost\nContent-Length: 2000\n\n").await;
    client.write(&bytes(1000)).await;
    let again = cloud.wait_until(|_| asked(&cloud, "/lab/upload").len() == 2, crate::support::PATIENCE).await;
    assert!(again.is_some(), "the renewal does not wait for the rest of the body");
    client.write(&bytes(2000)[1000..]).await;
    let (head, body) = client.answer().await;
    assert_eq!(head.status, 200);
    assert!(body.contains(&hash(&bytes(2000))), "{body}");
}

#[tokio::test]
async fn a_401_during_an_upload_too_long_to_be_kept_is_a_503_and_the_next_one_passes() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = proxy_with(&sandbox, "[limits]\nreplay_body = \"1KiB\"\n").await;
    cloud.revoke_access_tokens();
    for length in [1025, 1_000_000] {
        cloud.forget_received();
        cloud.revoke_access_tokens();
        let (status, headers, body) = upload(&proxy, bytes(length)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(headers.contains_key("retry-after") && body.contains("limits.replay_body"), "{body}");
        assert_eq!(complete(&sandbox).iter().filter(|complete| **complete).count(), 0);
        assert_eq!(upload(&proxy, bytes(length)).await.0, StatusCode::OK, "the token was renewed meanwhile");
    }
    cloud.revoke_access_tokens();
    assert_eq!(upload(&proxy, bytes(1024)).await.0, StatusCode::OK, "the limit itself is kept");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_reaches_the_client() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for length in [100, 10_000, 100_000, 5_000_000] {
        cloud.fail_gateway(GatewayFault::Status { status: 413, retry_after: None }, Some(1));
        let (status, _, body) = upload(&proxy, bytes(length)).await;
        assert_eq!((status.as_u16(), body.as_str()), (413, "injected fault"), "{length}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let head = "POST /lab/upload HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 5\n\n";
    let mut client = Raw::asking(proxy.address, head).await;
    assert_eq!(client.head().await.status, 100);
    client.write(b"hello").await;
    let (head, body) = client.answer().await;
    assert_eq!(head.status, 200);
    assert!(body.contains(&hash(b"hello")), "{body}");
    assert_eq!(asked(&sandbox.cloud(), "/lab/upload")[0].header("expect"), ["100-continue"]);
}

#[tokio::test]
async fn an_upload_may_take_longer_than_the_upstream_may_take_to_answer() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[network]\nfirst_byte_timeout = \"2s\"\n").await;
    let mut client =
        Raw::asking(proxy.address, "POST /lab/upload HTTP/1.1\nHost: localhost\nContent-Length: 500\n\n").await;
    for piece in bytes(500).chunks(100) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.write(piece).await;
    }
    let (head, body) = client.answer().await;
    assert_eq!(head.status, 200, "{body}");
    assert!(body.contains(&hash(&bytes(500))), "{body}");
}
