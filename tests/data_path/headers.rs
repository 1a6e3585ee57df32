//! Heads in both directions: what passes to the letter, and what never passes.

use http::StatusCode;

use crate::support::{Proxy, sandbox};
use crate::wire::{CALL, NOTE, Raw, Scripted, asked, proxy_to};

/// The headers a client may send and the upstream must see, to the letter.
const END_TO_END: &str = "Accept: application/json, text/event-stream
Accept-Encoding: identity
Content-Type: application/json
MCP-Protocol-Version: 2026-07-28
Mcp-Session-Id: sEsSiOn
Last-Event-ID: 7
Mcp-Method: tools/call
Mcp-Name: =?base64?5L2g?=
Mcp-Param-City: Hangzhou
traceparent: 00-1-2-00
tracestate: a=b
baggage: k=v
User-Agent: a client/1.0
X-Unknown: one
X-Unknown: two
Content-Length: 5
";

/// The headers that are the client's affair with us, or nobody's.
const NOT_PASSED: &str = "Authorization: Bearer the-clients-own
Authorization: Basic c2Vjb25k
Cookie: a=b
Referer: http://localhost/page
Sec-Fetch-Mode: cors
Connection: keep-alive, X-Hop
Connection: TE
X-Hop: 1
Keep-Alive: timeout=5
Proxy-Authorization: Basic eA==
Proxy-Connection: keep-alive
TE: gzip
Upgrade: h2c
Forwarded: for=10.0.0.1
X-Forwarded-For: 10.0.0.1
X-Forwarded-Prefix: /x
X-Real-IP: 10.0.0.1
";

/// Header lines, names in lower case, in order of their names.
fn lines<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut lines: Vec<_> = headers.map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase())).collect();
    lines.sort();
    lines
}

fn lines_of(text: &str) -> Vec<String> {
    lines(text.lines().map(|line| line.split_once(": ").unwrap()))
}

#[tokio::test]
async fn c6_the_upstream_sees_what_is_meant_for_it_and_one_authorization() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let origin = format!("Host: {0}\nOrigin: http://{0}\n", proxy.address);
    let request = format!("POST /lab/echo?c6 HTTP/1.1\n{origin}{END_TO_END}{NOT_PASSED}\nhello");
    assert_eq!(Raw::asking(proxy.address, &request).await.answer().await.0.status, 200);
    let record = asked(&sandbox.cloud(), "/lab/echo?c6").remove(0);
    let token = record.header("authorization").concat();
    assert!(sandbox.cloud().issued_secrets().contains(token.strip_prefix("Bearer ").unwrap()));
    let mut expected = lines_of(END_TO_END);
    expected.push(format!("authorization: {token}"));
    expected.push(format!("host: {}", sandbox.cloud_url().strip_prefix("https://").unwrap()));
    expected.sort();
    let seen = lines(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    assert_eq!(seen, expected);
    assert_eq!(record.body_length, 5);
}

#[tokio::test]
async fn c6_a_client_cannot_name_away_what_frames_or_addresses_a_request() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let named = "Connection: Host, Content-Length, Content-Type, Authorization";
    let request = format!("POST /lab/echo?named HTTP/1.1\nHost: localhost\n{named}\nContent-Length: 2\n\n{{}}");
    assert_eq!(Raw::asking(proxy.address, &request).await.answer().await.0.status, 200);
    let record = asked(&sandbox.cloud(), "/lab/echo?named").remove(0);
    assert_eq!(record.header("authorization").len(), 1);
    assert_eq!((record.header("content-length"), record.body_length), (vec!["2"], 2));
}

#[tokio::test]
async fn c6_lengths_are_kept_where_they_are_known_and_nowhere_else() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for (body, framing) in [
        ("Content-Length: 0\n\n", [vec!["0"], vec![]]),
        ("Content-Length: 2\n\nab", [vec!["2"], vec![]]),
        ("Transfer-Encoding: chunked\n\n2\nab\n0\n\n", [vec![], vec!["chunked"]]),
    ] {
        sandbox.cloud().forget_received();
        let request = format!("POST /lab/upload HTTP/1.1\nHost: localhost\n{body}");
        assert_eq!(Raw::asking(proxy.address, &request).await.answer().await.0.status, 200);
        let record = asked(&sandbox.cloud(), "/lab/upload").remove(0);
        assert_eq!([record.header("content-length"), record.header("transfer-encoding")], framing);
    }
    let without = "GET /lab/echo?none HTTP/1.1\nHost: localhost\n\n";
    assert_eq!(Raw::asking(proxy.address, without).await.answer().await.0.status, 200);
    let record = asked(&sandbox.cloud(), "/lab/echo?none").remove(0);
    assert_eq!(record.header("content-length").len() + record.header("transfer-encoding").len(), 0);

    for (path, length, encoding) in
        [("/lab/bytes/1000", Some("1000"), None), ("/lab/trickle?chunks=1", None, Some("chunked"))]
    {
        let request = format!("GET {path} HTTP/1.1\nHost: localhost\n\n");
        let head = Raw::asking(proxy.address, &request).await.head().await;
        assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (length, encoding), "{path}");
    }
}

#[tokio::test]
async fn c6_targets_reach_the_upstream_as_they_are_spelled() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    for target in [
        "//lab//echo",
        "/lab/echo?",
        "/lab/echo?a=//b&c=%E4%BD%A0&&d+e=%20;f='(!*)'",
        "/lab/echo?to=https://x/?y=1",
        "/lab/%65cho/%2F%2f%41",
        "/lab/../lab/./echo",
        "/lab/%2e%2e/%252e",
        "/a;b=c/d,e@f:g~$&+=",
        "/trailing/",
    ] {
        let request = format!("GET {target} HTTP/1.1\nHost: localhost\n\n");
        Raw::asking(proxy.address, &request).await.answer().await;
        assert_eq!(asked(&sandbox.cloud(), target).len(), 1, "{target}");
    }
}

#[tokio::test]
async fn c14_the_client_hears_nothing_of_the_upstreams_cookies_policies_and_sign_in() {
    const PASSES: &str = "Content-Type: application/json
Mcp-Session-Id: sEsSiOn
Cache-Control: no-store
Retry-After: 3
X-Unknown: one
X-Unknown: two
Content-Length: 2
Date: Sun, 22 Nov 2026 00:00:00 GMT
";
    const DOES_NOT: &str = "WWW-Authenticate: Bearer resource_metadata=\"https://up/.well-known/x\", Basic
Set-Cookie: a=b
Set-Cookie: c=d
Strict-Transport-Security: max-age=1
Alt-Svc: h3=\":443\"
Clear-Site-Data: \"*\"
Access-Control-Allow-Origin: *
Access-Control-Expose-Headers: X-Unknown
Connection: close, X-Hop
X-Hop: 1
Keep-Alive: timeout=5
Proxy-Authenticate: Basic
Upgrade: h2c
";
    let sandbox = sandbox().await;
    let upstream = Scripted::start(&format!("HTTP/1.1 200 OK\n{PASSES}{DOES_NOT}\n{{}}")).await;
    let proxy = proxy_to(&upstream.url, &sandbox).await;
    let request = "GET /x HTTP/1.1\nHost: localhost\n\n";
    let head = Raw::asking(proxy.address, request).await.head().await;
    let seen = lines(head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    assert_eq!(seen, lines_of(PASSES));
}

#[tokio::test]
async fn c14_a_401_of_the_upstream_never_reaches_the_client() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let (status, headers, body) = proxy.post("/lab/status/401", CALL).await;
    assert_eq!((status, headers.get("www-authenticate")), (StatusCode::OK, None));
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["id"], "call-7");
    assert!(answer["error"]["message"].as_str().unwrap().contains("mcp-proxy login"), "{body}");
    for (status, headers, body) in [proxy.post("/lab/status/401", NOTE).await, proxy.get("/lab/status/401").await] {
        assert_eq!((status, headers.get("www-authenticate")), (StatusCode::SERVICE_UNAVAILABLE, None));
        assert!(headers.contains_key("retry-after") && body.starts_with('{'), "{body}");
    }
}
