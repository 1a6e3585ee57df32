//! The gateway: admission, and the lab's bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::support::{DEADLINE, World, hex, tokens};

#[tokio::test]
async fn unknown_paths_answer_the_xml_of_the_cloud() {
    let world = World::new().await;
    for path in ["/", "/unknown", "/accounts", "//mcp"] {
        let response = world.http.get(world.url(path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "text/xml;charset=utf-8");
        let body = response.text().await.unwrap();
        assert!(body.starts_with("<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>"));
        assert!(body.contains("<Code>InvalidAction.NotFound</Code>"), "{body}");
    }
}

#[tokio::test]
async fn bearers_are_judged() {
    let world = World::new().await;
    let path = world.mcp_path("sandbox-tools");
    let response = world.http.post(world.url(&path)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.contains("resource_metadata=\"https://localhost:"), "{challenge}");
    let body = response.text().await.unwrap();
    assert_eq!(body, r#"{"error":"Authorization header is missing"}"#);
    for path in ["/mcp", "/id/cOrE000000000001/mcp", "/lab/echo", "/accounts/1/x"] {
        assert_eq!(world.http.get(world.url(path)).send().await.unwrap().status().as_u16(), 401);
    }

    let client_id = world.application().await;
    let url = world.authorize_url(&client_id).replace("%2Facs%2Fmcp-server", "openid");
    let code = crate::support::parameter(&world.sandbox.approve(&url).unwrap(), "code").unwrap();
    let other_kind = tokens(&world.exchange(&client_id, &code).await.1);
    let response = world.get(&path, &other_kind.access).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 403);
    assert_eq!(response.text().await.unwrap(), r#"{"error":"Access token type is not match"}"#);

    let (_, good) = world.signed_in().await;
    assert_eq!(world.status("/lab/echo", &good.refresh).await, 401, "a refresh token is no bearer");
    assert_eq!(world.status("/accounts/6543210987654321/custom/x/id/y/mcp", &good.access).await, 403);
    assert_eq!(world.status("/accounts/1234567890123456/custom/x/id/y/mcp", &good.access).await, 404);
    let two = world
        .http
        .get(world.url("/lab/echo"))
        .header("Authorization", format!("Bearer {}", good.access))
        .header("Authorization", format!("Bearer {}", good.access));
    assert_eq!(two.send().await.unwrap().status().as_u16(), 400);
    assert_eq!(world.sandbox.cloud().counts().gateway_forbidden, 2);
}

#[tokio::test]
async fn host_and_origin_must_be_the_gateway_s_own() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let ask = async |name: &'static str, value: &str| {
        let request = world.get("/lab/echo", &tokens.access).header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("Host", "127.0.0.1:8088").await, 403);
    assert_eq!(ask("Host", "evil.example").await, 403);
    assert_eq!(ask("Host", "openapi-mcp.cn-hangzhou.aliyuncs.com").await, 200);
    assert_eq!(ask("Origin", "http://127.0.0.1:8088").await, 403);
    assert_eq!(ask("Origin", "null").await, 403);
    assert_eq!(ask("Origin", &world.sandbox.cloud_url()).await, 200);
}

#[tokio::test]
async fn what_arrived_is_shown_byte_for_byte() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let raw = b"POST /lab/echo?a=%2f&&b HTTP/1.1\r\nhOsT: HOST\r\nX-Two: 1\r\nx-one: a  b\r\n\
        X-TWO: 2\r\nX-Bytes: \xe9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\
        authorization: Bearer TOKEN\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let raw = replace(&replace(raw, b"HOST", world.authority().as_bytes()), b"TOKEN", tokens.access.as_bytes());
    let answer = raw_exchange(&world, &raw).await;
    let body = answer.split(|byte| *byte == b'{').skip(1).fold(Vec::new(), |mut all, part| {
        all.push(b'{');
        all.extend_from_slice(part);
        all
    });
    let echo: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(echo["target"], "/lab/echo?a=%2f&&b");
    assert_eq!(STANDARD.decode(echo["body_base64"].as_str().unwrap()).unwrap(), b"abc");
    let names: Vec<&str> =
        echo["headers"].as_array().unwrap().iter().map(|header| header["name"].as_str().unwrap()).collect();
    let sent = ["hOsT", "X-Two", "x-one", "X-TWO", "X-Bytes", "Transfer-Encoding", "Connection", "authorization"];
    assert_eq!(names, sent);
    assert_eq!(echo["headers"][2]["value"], "a  b");
    assert_eq!(echo["headers"][4]["value_base64"], STANDARD.encode(b"\xe9"));

    let records = world.sandbox.cloud().received();
    let record = records.last().unwrap();
    assert_eq!(record.target, "/lab/echo?a=%2f&&b");
    assert_eq!(record.header("x-two"), ["1", "2"]);
    assert_eq!(record.body_length, 3);
    assert_eq!(record.body_sha256, Some(hex(&Sha256::digest(b"abc"))));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// Sends raw bytes over TLS and reads to the end.
async fn raw_exchange(world: &World, bytes: &[u8]) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.sandbox.ca_file()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(world.authority()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn bytes_and_uploads_are_exact() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let response = world.get("/lab/bytes/300001", &tokens.access).send().await.unwrap();
    assert_eq!(response.headers()["content-length"], "300001");
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len(), 300_001);
    assert!(body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251));

    let upload = world.http.post(world.url("/lab/upload")).bearer_auth(&tokens.access);
    let answer: Value = upload.body(body.clone()).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["bytes"], 300_001);
    assert_eq!(answer["sha256"], hex(&Sha256::digest(&body)));
}

#[tokio::test]
async fn a_slow_reader_holds_the_sender_back() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = "/lab/bytes/1000000000";
    let mut response = world.get(path, &tokens.access).send().await.unwrap();
    for _ in 0..100 {
        response.chunk().await.unwrap().unwrap();
    }
    let sent = world.sandbox.cloud().counts().gateway_response_bytes;
    assert!((1..100_000_000).contains(&sent), "{sent}");
}

#[tokio::test]
async fn trickles_begin_at_once() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let begun = Instant::now();
    let path = "/lab/trickle?chunks=3&gap_ms=300";
    let mut body = world.get(path, &tokens.access).send().await.unwrap().bytes_stream();
    let first = body.next().await.unwrap().unwrap();
    assert_eq!(first, "chunk 0\n");
    assert!(begun.elapsed().as_millis() < 300, "the first chunk waits for nothing");
    let rest: Vec<_> = body.collect().await;
    assert_eq!(rest.len(), 2);
    assert!(begun.elapsed().as_millis() >= 600);
}

#[tokio::test]
async fn event_streams_have_the_ends_asked_for() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let ask = async |query: &str| {
        let path = format!("/lab/sse?events=2&{query}");
        world.get(&path, &tokens.access).send().await.unwrap().text().await.unwrap()
    };
    let lf = "id: 0\nevent: lab\ndata: event 0\n\nid: 1\nevent: lab\ndata: event 1\n\n";
    assert_eq!(ask("eol=lf").await, lf);
    assert_eq!(ask("eol=crlf").await, lf.replace('\n', "\r\n"));
    assert_eq!(ask("eol=cr").await, lf.replace('\n', "\r"));
    assert_eq!(ask("unterminated=1").await, lf.trim_end());
}

#[tokio::test]
async fn held_streams_speak_when_told_and_are_missed_when_gone() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let response = world.get("/lab/hold", &tokens.access).send().await.unwrap();
    assert_eq!(cloud.counts().open_streams, 1);
    let mut body = response.bytes_stream();
    assert_eq!(cloud.say_on_holds("data: hello\n\n"), 1);
    assert_eq!(body.next().await.unwrap().unwrap(), "data: hello\n\n");
    cloud.end_holds();
    assert!(body.next().await.is_none());

    let left = world.get("/lab/hold", &tokens.access).send().await.unwrap();
    drop(left);
    let counts = cloud.wait_until(|counts| counts.cancelled_streams == 1, DEADLINE).await;
    assert_eq!(counts.expect("the stream was left").open_streams, 0);
}

#[tokio::test]
async fn statuses_and_redirects_come_as_asked() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    assert_eq!(world.status("/lab/status/101", &tokens.access).await, 404);
    for code in [204, 404, 418, 429, 503] {
        assert_eq!(world.status(&format!("/lab/status/{code}"), &tokens.access).await, code);
    }
    let path = "/lab/redirect?code=308&to=https%3A%2F%2Fevil.example%2F";
    let response = world.get(path, &tokens.access).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 308);
    assert_eq!(response.headers()["location"], "https://evil.example/");
    let early = world.http.post(world.url("/lab/early401")).bearer_auth(&tokens.access).body(vec![0_u8; 100]);
    assert_eq!(early.send().await.unwrap().status().as_u16(), 401);
    assert_eq!(world.sandbox.cloud().counts().gateway_unauthorized, 1);
}

#[tokio::test]
async fn a_server_may_have_no_stream_to_listen_on() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let path = world.mcp_path("sandbox-tools");
    world.sandbox.cloud().set_listening(false);
    let response = world.get(&path, &tokens.access).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST, DELETE".parse().unwrap()));
}
