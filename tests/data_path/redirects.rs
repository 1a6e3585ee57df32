//! Redirects (row C5): the token goes nowhere else, and the client is never sent anywhere.

use http::StatusCode;
use mcp_proxy_sandbox::Sandbox;

use crate::support::{Proxy, sandbox};
use crate::wire::{CALL, Scripted, asked, proxy_to, proxy_with};

/// A path whose answer redirects to `to`.
fn redirecting(code: u16, to: &str) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("/lab/redirect?code={code}&to={to}")
}

fn port(sandbox: &Sandbox) -> String {
    sandbox.cloud_url().rsplit_once(':').unwrap().1.to_owned()
}

/// A redirect that is not followed: 502 with the id, the client is not told to go there. Answers the message.
async fn refused(proxy: &Proxy, path: &str) -> String {
    let (status, headers, body) = proxy.post(path, CALL).await;
    assert_eq!((status, headers.get("location")), (StatusCode::BAD_GATEWAY, None), "{path}: {body}");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["id"], "call-7");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn c5_a_redirect_that_stays_is_followed_with_method_and_body() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let absolute = format!("{}/lab/echo?absolute", sandbox.cloud_url());
    for (code, to, target) in [
        (307, "/lab/echo?a=//b&c=%20", "/lab/echo?a=//b&c=%20"),
        (308, "echo?relative", "/lab/echo?relative"),
        (307, &absolute, "/lab/echo?absolute"),
    ] {
        let (status, _, body) = proxy.post(&redirecting(code, to), CALL).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let record = asked(&sandbox.cloud(), target).remove(0);
        assert_eq!((record.method.as_str(), record.body_length), ("POST", CALL.len() as u64));
        assert_eq!(record.header("authorization").len(), 1);
        assert_eq!(record.header("host"), [sandbox.cloud_url().strip_prefix("https://").unwrap()]);
    }
}

#[tokio::test]
async fn c5_a_redirect_that_changes_the_method_is_refused_and_named_without_its_query() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for code in [301, 302, 303] {
        let message = refused(&proxy, &redirecting(code, "/lab/echo?secret=hunter2#secret")).await;
        assert!(message.contains("/lab/echo") && !message.contains("secret"), "{message}");
    }
    assert!(asked(&sandbox.cloud(), "/lab/echo?secret=hunter2").is_empty());
}

#[tokio::test]
async fn c5_a_redirect_that_leaves_is_refused_and_the_token_is_not_sent() {
    let sandbox = sandbox().await;
    let elsewhere = Scripted::start("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let same_port = port(&sandbox);
    for (to, named) in [
        (format!("{}/steal?secret=1", elsewhere.url), format!("{}/steal", elsewhere.url)),
        // The same server by another name, and by another scheme, is another origin.
        (format!("https://127.0.0.1:{same_port}/x"), format!("https://127.0.0.1:{same_port}/x")),
        (format!("http://localhost:{same_port}/x"), format!("http://localhost:{same_port}/x")),
        ("https://user:secret@evil.example/x#secret".to_owned(), "https://evil.example/x".to_owned()),
        ("//evil.example/x".to_owned(), "https://evil.example/x".to_owned()),
    ] {
        for code in [302, 307, 308] {
            let message = refused(&proxy, &redirecting(code, &to)).await;
            assert!(message.contains(&format!("redirects to {named},")) && !message.contains("secret"), "{message}");
        }
    }
    assert!(elsewhere.heads().is_empty());
}

#[tokio::test]
async fn c5_redirects_in_a_circle_end() {
    let sandbox = sandbox().await;
    let upstream = Scripted::start("HTTP/1.1 307 Go\nLocation: /again\nContent-Length: 0\nConnection: close\n\n").await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    refused(&proxy, "/start").await;
    // The catalogue asks the upstream too; only requests of the data path are counted.
    let sent = upstream.heads().iter().filter(|head| head.starts_with("POST")).count();
    assert!((2..=5).contains(&sent), "{sent}");
}

#[tokio::test]
async fn c5_a_body_too_long_to_be_sent_again_is_not_redirected() {
    let sandbox = sandbox().await;
    let proxy = proxy_with(&sandbox, "[limits]\nreplay_body = \"16B\"\n").await;
    let (status, headers, _) = proxy.post(&redirecting(307, "/lab/echo?again"), CALL).await;
    assert_eq!((status, headers.get("location")), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert!(asked(&sandbox.cloud(), "/lab/echo?again").is_empty());
}

#[tokio::test]
async fn a_redirect_does_not_lead_around_the_server_lists() {
    let sandbox = sandbox().await;
    let blocked = "[[upstream]]\nname = \"alibaba\"\nblocked_servers = [\"/lab/echo\"]\n";
    let proxy = proxy_with(&sandbox, blocked).await;
    assert_eq!(proxy.get("/lab/echo").await.0, StatusCode::FORBIDDEN);
    refused(&proxy, &redirecting(307, "/lab/echo?around")).await;
    assert!(asked(&sandbox.cloud(), "/lab/echo?around").is_empty());
}
