//! Where it listens: Unix sockets and IPv6.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::program::{Program, command, finish};
use crate::support::{Proxy, post, sandbox, send, whole};
use crate::wire::{CALL, Raw, proxy_with};

/// What curl says: the status, and the body.
async fn curl(args: &[&str]) -> String {
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--write-out", " %{http_code}"]).args(args);
    let output = curl.stdin(Stdio::null()).output().await.expect("curl is installed");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_unix_socket_serves_like_the_port_under_any_name() {
    let sandbox = sandbox().await;
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one.sock"), directory.path().join("two.sock"));
    let more = format!("[listen]\nunix = [\"{}\", \"{}\"]\nunix_mode = \"0660\"\n", text(&one), text(&two));
    let proxy = proxy_with(&sandbox, &more).await;
    for path in [&one, &two] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        for url in ["http://localhost/lab/upload", "http://any.example/lab/upload"] {
            let said = curl(&["--unix-socket", text(path), "--data", CALL, url]).await;
            assert!(said.contains("\"bytes\":") && said.ends_with(" 200"), "{said}");
        }
        let said = curl(&["--unix-socket", text(path), "--http2-prior-knowledge", "http://x/lab/echo"]).await;
        assert!(said.ends_with(" 200"), "{said}");
        let origin = ["--header", "Origin: http://any.example"];
        let said =
            curl(&[&["--unix-socket", text(path)][..], &origin, &["http://any.example/lab/echo"]].concat()).await;
        assert!(said.contains("listen.allowed_origins") && said.ends_with(" 403"), "{said}");
    }
    assert_eq!(proxy.post("/lab/upload", CALL).await.0, StatusCode::OK, "and the port goes on");
    proxy.stop().await;
    assert!(!one.exists() && !two.exists(), "the files are removed at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_a_unix_socket_is_recorded_with_user_and_process_and_a_live_socket_is_not_taken() {
    let sandbox = sandbox().await;
    let state = Proxy::signed_in(&sandbox).await.stop().await;
    let socket = state.path().join("x.sock");
    let mut start = command(&sandbox, state.path(), "", &["serve"]);
    start.env("MCP_PROXY_LISTEN__UNIX", &socket);
    let mut program = Program::start(start);
    program.line("Listen: 127.0.0.1:");
    program.line(&format!("Listen: {}", text(&socket)));
    let said = curl(&["--unix-socket", text(&socket), "http://localhost/lab/echo?x"]).await;
    assert!(said.ends_with(" 200"), "{said}");
    let line = program.line("GET /lab/echo 200");
    assert!(line.contains("from uid ") && line.contains("(process "), "{line}");

    let mut second = command(&sandbox, state.path(), "", &["serve"]);
    second.env("MCP_PROXY_LISTEN__UNIX", &socket);
    let ended = finish(second);
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(ended.stderr.contains(text(&socket)), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("mcp-proxy (process {})", program.id())), "{}", ended.stderr);

    // Killed, it leaves its file behind, which the next one replaces.
    program.signal("KILL");
    program.wait();
    assert!(socket.exists());
    let mut start = command(&sandbox, state.path(), "", &["serve"]);
    start.env("MCP_PROXY_LISTEN__UNIX", &socket);
    let mut program = Program::start(start);
    program.line(&format!("Listen: {}", text(&socket)));
    let said = curl(&["--unix-socket", text(&socket), "http://localhost/health"]).await;
    assert!(said.ends_with(" 200"), "{said}");
    program.signal("TERM");
    program.wait();
    assert!(!socket.exists());
}

#[tokio::test]
async fn ipv6_is_listened_on_alone_or_together_with_ipv4() {
    let sandbox = sandbox().await;
    let state = Proxy::signed_in(&sandbox).await.stop().await;
    for (host, reached) in [("::1", &["[::1]"][..]), ("::", &["[::1]", "127.0.0.1"])] {
        let later = state.path().join("conf.d");
        std::fs::create_dir_all(&later).unwrap();
        std::fs::write(later.join("host.toml"), format!("listen.host = \"{host}\"\n")).unwrap();
        let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state.clone()).await;
        for host in reached {
            let address: SocketAddr = format!("{host}:{}", proxy.address.port()).parse().unwrap();
            let answer = send(address, post(address, "/lab/echo", CALL)).await;
            assert_eq!(whole(answer).await.0, StatusCode::OK, "{address}");
            let mut foreign = Raw::asking(address, "GET /lab/echo HTTP/1.1\nHost: evil.example\n\n").await;
            assert_eq!(foreign.answer().await.0.status, 403);
        }
        proxy.stop().await;
    }
}

/// What is written to a Unix socket has come at once: whoever closes afterwards could have read it.
#[tokio::test]
async fn c10_a_stop_loses_no_request_that_has_come_over_a_kept_connection() {
    let sandbox = sandbox().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let proxy = proxy_with(&sandbox, &format!("[listen]\nunix = [\"{}\"]\n", text(&path))).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(ROBOTS).await.unwrap();
        answer(&mut client).await;
        clients.push(client);
    }
    for client in &clients {
        assert_eq!(client.try_write(ROBOTS).unwrap(), ROBOTS.len());
    }
    let reading = async {
        for client in &mut clients {
            let head = answer(client).await;
            assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        }
    };
    tokio::join!(proxy.stop(), reading);
}

/// What the daemon answers by itself, so that nothing is waited for.
const ROBOTS: &[u8] = b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The head of the answer to [`ROBOTS`], whose body is read too.
async fn answer(client: &mut UnixStream) -> String {
    let mut read = Vec::new();
    loop {
        assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "closed without an answer");
        let text = String::from_utf8_lossy(&read).into_owned();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
            return text;
        }
    }
}
