//! Who may come in from a browser, and what is answered at the door.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use mcp_proxy_sandbox::Sandbox;

use crate::support::{Proxy, sandbox, whole};
use crate::wire::{CALL, Scripted, asked, proxy_to, proxy_with};

const APP: &str = "https://app.example";

async fn ask(proxy: &Proxy, method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", proxy.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    whole(proxy.send(request.body(Full::from(CALL)).unwrap()).await).await
}

fn nothing_forwarded(sandbox: &Sandbox) {
    assert_eq!(sandbox.cloud().counts().gateway_requests, 0);
}

async fn with_app(sandbox: &Sandbox) -> Proxy {
    proxy_with(sandbox, &format!("[listen]\nallowed_origins = [\"{APP}\"]\n")).await
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_read_the_answer() {
    let sandbox = sandbox().await;
    let proxy = with_app(&sandbox).await;
    for (path, status) in [("/lab/echo", 200), ("/lab/status/409", 409), ("/register", 404), ("/lab/status/401", 200)] {
        let (seen, headers, _) = ask(&proxy, Method::POST, path, &[("origin", APP)]).await;
        assert_eq!(seen.as_u16(), status, "{path}");
        assert_eq!(headers["access-control-allow-origin"], APP);
        assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("mcp-session-id"));
        assert!(headers.get_all("vary").iter().any(|vary| vary == "origin"));
        assert_eq!(headers.get("access-control-allow-credentials"), None);
    }
    let record = asked(&sandbox.cloud(), "/lab/echo").remove(0);
    assert_eq!(record.header("origin").len(), 0, "upstreams refuse origins of pages");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask_beforehand() {
    let sandbox = sandbox().await;
    let proxy = with_app(&sandbox).await;
    let asks = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,mcp-session-id,mcp-protocol-version"),
    ];
    let (status, headers, body) = ask(&proxy, Method::OPTIONS, "/lab/echo", &asks).await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(headers["access-control-allow-origin"], APP);
    assert_eq!(headers["access-control-allow-headers"], asks[2].1);
    for method in ["GET", "POST", "DELETE"] {
        assert!(headers["access-control-allow-methods"].to_str().unwrap().contains(method));
    }
    nothing_forwarded(&sandbox);
}

#[tokio::test]
async fn d2_pages_of_other_origins_are_refused_and_hear_nothing() {
    let sandbox = sandbox().await;
    let proxy = with_app(&sandbox).await;
    for origin in ["https://evil.example", "https://app.example.evil", "http://app.example", "null"] {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        for (method, headers) in [(Method::OPTIONS, &asks[..]), (Method::POST, &asks[..1]), (Method::GET, &asks[..1])] {
            let (status, headers, body) = ask(&proxy, method, "/lab/echo", headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{origin}");
            assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{headers:?}");
            assert!(body.contains("listen.allowed_origins"), "{body}");
        }
    }
    let (status, ..) = ask(&proxy, Method::POST, "/lab/echo", &[("origin", APP), ("origin", APP)]).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "two origins are none");
    nothing_forwarded(&sandbox);
}

#[tokio::test]
async fn d2_foreign_names_for_this_machine_are_refused() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"] {
        let request = Request::post("/lab/echo").header("host", host).body(Full::from(CALL)).unwrap();
        let (status, _, body) = whole(proxy.send(request).await).await;
        assert!(status == StatusCode::FORBIDDEN && body.contains("listen.allowed_hosts"), "{host}: {body}");
    }
    nothing_forwarded(&sandbox);
}

#[tokio::test]
async fn what_the_upstream_tells_browsers_is_not_passed_on() {
    let sandbox = sandbox().await;
    let answer = "HTTP/1.1 200 OK\nAccess-Control-Allow-Origin: *\nAccess-Control-Allow-Credentials: true\n";
    let upstream = Scripted::start(&format!("{answer}Vary: accept\nContent-Length: 0\nConnection: close\n\n")).await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    let own = format!("http://{}", proxy.address);
    let (_, headers, _) = ask(&proxy, Method::POST, "/x", &[("origin", &own)]).await;
    assert_eq!(headers.get_all("access-control-allow-origin").iter().collect::<Vec<_>>(), [&own]);
    assert_eq!(headers.get("access-control-allow-credentials"), None);
    assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["accept", "origin"]);
    let (_, headers, _) = ask(&proxy, Method::POST, "/x", &[]).await;
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{headers:?}");
}

#[tokio::test]
async fn discovery_of_a_sign_in_is_answered_here_with_json_and_404() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let server = sandbox.servers().remove(0).mcp_path;
    let mut paths: Vec<String> = ["/register", "/authorize", "/authorize?client_id=x", "/token"].map(Into::into).into();
    for document in ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"] {
        paths.push(format!("/.well-known/{document}"));
        paths.push(format!("/.well-known/{document}?x=/mcp"));
        paths.push(format!("/.well-known/{document}{server}"));
        paths.push(format!("{server}/.well-known/{document}"));
        paths.push(format!("//.well-known/{document}/"));
    }
    for path in &paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let (status, headers, body) = ask(&proxy, method, path, &[]).await;
            assert_eq!(
                (status, &headers["content-type"]),
                (StatusCode::NOT_FOUND, &"application/json".parse().unwrap())
            );
            let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(answer["error"] == "not_found" && answer["error_description"].is_string(), "{body}");
        }
    }
    nothing_forwarded(&sandbox);
}

#[tokio::test]
async fn what_browsers_and_crawlers_look_for_is_not_forwarded() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for path in ["/favicon.ico", "/robots.txt", "/apple-touch-icon.png", "/favicon.ico?v=2"] {
        let (status, _, body) = ask(&proxy, Method::GET, path, &[]).await;
        assert!(status == StatusCode::NOT_FOUND && !body.contains("<Error>"), "{body}");
    }
    nothing_forwarded(&sandbox);
}
