//! How clients begin: versions, protocols, no TLS at all, nothing at all.

use std::os::fd::AsFd;
use std::time::Instant;

use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Begins, TLS_1_2, TLS_1_3};
use crate::host::{CLIENT_CA, Host, PING, command, configure};
use crate::support::PATIENCE;
use crate::support::prerequisites::{Need, lacks};
use crate::support::systemd::start_with;

#[tokio::test(flavor = "multi_thread")]
async fn clients_speak_the_versions_that_they_want() {
    let host = Host::start("", "").await;
    for (alpn, versions) in [
        (&["http/1.1"][..], rustls::ALL_VERSIONS),
        (&[], rustls::ALL_VERSIONS),
        (&["http/1.1"], TLS_1_2),
        (&["http/1.1"], TLS_1_3),
    ] {
        let begins = Begins { alpn, versions, ..host.begins() };
        let (status, body) = begins.post(host.tls, PING).await.unwrap();
        assert_eq!((status, body.contains("\"result\"")), (StatusCode::OK, true), "{alpn:?} {versions:?}: {body}");
    }
    for versions in [TLS_1_2, TLS_1_3] {
        let begins = Begins { alpn: &["h2", "http/1.1"], versions, ..host.begins() };
        let stream = begins.connect(host.tls).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(begins.post_http_2(host.tls, PING).await.0, StatusCode::OK);
    }
    let error = Begins { alpn: &["h3"], ..host.begins() }.connect(host.tls).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    for flags in [&["--http1.1"][..], &["--http2"], &["--tls-max", "1.2"], &["--tlsv1.3"]] {
        let (status, body) = host.curl(&["env"], flags);
        assert!(status == 200 && body.contains("\"result\""), "{flags:?}: {status} {body}");
    }
    assert!(host.curl(&["env"], &["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]).0 != 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_begin_with_tls_is_told_so_and_put_down() {
    let mut host = Host::start("", "").await;
    let mut stream = TcpStream::connect(host.tls).await.unwrap();
    stream.write_all(format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n{PING}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("https://"), "{answer}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    let said = host.daemon.line("no request from 127.0.0.1:");
    assert!(said.contains("without TLS"), "{said}");
    // And TLS where none is spoken.
    assert!(host.begins().connect(host.plain).await.is_err());
    let said = host.daemon.line("no request from 127.0.0.1:");
    assert!(said.contains("no request of HTTP"), "{said}");
    assert_eq!(host.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_handshakes_that_do_not_end_holds_nobody_up() {
    let mut host = Host::start("", "[limits]\nmax_connections = 64\nheader_timeout = \"2s\"\n").await;
    let mut flood = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(host.tls).await.unwrap();
        // Nothing, or the beginning of a greeting that does not go on.
        if number % 2 == 0 {
            stream.write_all(&[0x16, 3, 1, 1, 0, 1]).await.unwrap();
        }
        flood.push(stream);
        if number % 50 == 49 {
            let began = Instant::now();
            assert_eq!(host.begins().post(host.tls, PING).await.unwrap().0, StatusCode::OK);
            assert!(began.elapsed() < PATIENCE / 2);
        }
    }
    for stream in &mut flood {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("an end in time");
        assert!(ended.is_err() || ended.is_ok_and(|read| read <= 7), "at most an alert");
    }
    assert_eq!(host.begins().post(host.tls, PING).await.unwrap().0, StatusCode::OK);
    let said = host.daemon.seen().matches("no request from").count();
    assert!(said <= 40, "{said} lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_names_and_pages_are_looked_at_over_tls_too() {
    let host = Host::start("", "").await;
    let mut kept = host.begins().http_1(host.tls).await.unwrap();
    let own = format!("localhost:{}", host.tls.port());
    let page = |scheme: &str| format!("{scheme}://{own}");
    for (name, origin, status) in [
        (own.as_str(), None, 200),
        (&own, Some(page("https")), 200),
        (&own, Some(page("http")), 403),
        (&own, Some("https://evil.example".to_owned()), 403),
        ("evil.example", None, 403),
    ] {
        let request = Request::post("/mcp").header("host", name).header("content-type", "application/json");
        let request = origin.iter().fold(request, |request, origin| request.header("origin", origin));
        let (found, body) = kept.send(request.body(PING.as_bytes().to_vec().into()).unwrap()).await.unwrap();
        assert_eq!(found.as_u16(), status, "{name} {origin:?}: {body}");
    }
    assert_eq!(host.reached(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_the_service_manager_may_be_for_tls() {
    let host = Host::start("", "").await;
    let passed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed.local_addr().unwrap();
    let mut serve = command(&host.directory, &["serve"]);
    serve.env("MCP_PROXY_CONTROL__SOCKET", "off").env("MCP_PROXY_STATE_DIR", host.directory.path().join("other"));
    let mut daemon = start_with(serve, &[passed.as_fd()], Some("tls"));
    assert_eq!(daemon.line("Listen: "), format!("Listen: {address} (TLS)"));
    assert_eq!(host.begins().post(address, PING).await.unwrap().0, StatusCode::OK);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, 0);
    // Without a certificate there is nothing to show.
    let text = std::fs::read_to_string(host.directory.path().join("main.toml")).unwrap();
    let (without, _) = text.split_once("[tls]").unwrap();
    std::fs::write(host.directory.path().join("main.toml"), without).unwrap();
    let serve = command(&host.directory, &["serve"]);
    let (code, said) = start_with(serve, &[passed.as_fd()], Some("tls")).end();
    assert!(code == 78 && said.contains("tls.certificate_file"), "{code} {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_looks_into_the_files() {
    let host = Host::start(CLIENT_CA, "").await;
    assert_eq!(host.run(&["check-config"]).code, 0);
    host.authority.server(1).write(host.directory.path(), "other");
    configure(&host.directory, &host.server, "", "");
    let file = host.directory.path().join("main.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("tls.key\"", "other.key\"");
    std::fs::write(file, text).unwrap();
    let found = host.run(&["check-config"]);
    assert!(found.code == 78 && found.stderr.contains("do not fit"), "{} {}", found.code, found.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_users_of_this_host_are_known_over_tls_too() {
    if lacks("d1_users_of_this_host_are_known_over_tls_too", Need::OtherUsers) {
        return;
    }
    const ALICE: &[&str] = &["setpriv", "--clear-groups", "--reuid=54321", "--regid=54321"];
    let mut host = Host::start("", "").await;
    for file in ["", "ca.pem"] {
        let path = host.directory.path().join(file);
        let mode = if file.is_empty() { 0o755 } else { 0o644 };
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    assert_eq!(host.curl(&["env"], &[]).0, 200);
    let (status, body) = host.curl(ALICE, &[]);
    assert!(status == 403 && body.contains("users = [\\\"54321\\\"]"), "{status} {body}");
    host.reload("", "[[client]]\nname = \"alice\"\nusers = [\"54321\"]\n");
    assert_eq!(host.curl(ALICE, &[]).0, 200);
}
