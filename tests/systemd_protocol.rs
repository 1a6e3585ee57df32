//! The real program and a service manager that is played: what it says, the sockets it is passed, reloads, the watchdog
//! and the journal. What a real systemd makes of it is tested elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks of its own")]

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use http::StatusCode;
use http_body_util::BodyExt;
use mcp_proxy_sandbox::Sandbox;
use support::person::{follow, sign_in};
use support::prerequisites::{Need, lacks};
use support::program::{Program, command};
use support::systemd::{Journal, Manager, start_with};
use support::{PATIENCE, config_text, post, sandbox, send, state_dir, whole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";

/// A daemon that `manager` hears, and its address.
fn start(manager: &Manager, mut command: Command) -> (Program, SocketAddr) {
    manager.listens_to(&mut command);
    let mut program = Program::start(command);
    let address = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    (program, address)
}

fn status(message: &[String]) -> &str {
    message.iter().find_map(|line| line.strip_prefix("STATUS=")).unwrap_or_default()
}

async fn ask(address: SocketAddr) -> StatusCode {
    whole(send(address, post(address, ECHO, REQUEST)).await).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_said_once_the_port_accepts_and_needs_no_cloud() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    sandbox.cloud().refuse_connections(true);
    sandbox.cloud().refuse_token_connections(true);
    let (program, address) = start(&manager, command(&sandbox, directory.path(), "", &[]));
    let first = manager.next();
    assert_eq!(first[0], "READY=1", "nothing is said before: {first:?}");
    let said = status(&first);
    assert!(said.starts_with("ready: signed in as ") && said.contains(", token valid "), "{said}");
    assert!(said.ends_with(", 0 active"), "{said}");
    assert_eq!(follow(&format!("http://{address}/health")).await.0, StatusCode::OK);
    program.signal("TERM");
    let last = manager.wait_for("STOPPING=1");
    assert!(status(&last).starts_with("stopping: "), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_follows_the_conditions() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    let port = sign_in(&sandbox, directory.path(), &[]).await;
    let logout = |directory: &Path| support::program::finish(command(&sandbox, directory, "", &["logout"]));
    assert_eq!(logout(directory.path()).code, 0);
    let (_program, _) = start(&manager, command(&sandbox, directory.path(), "", &[]));
    let first = manager.wait_for("READY=1");
    assert!(status(&first).starts_with("degraded: login-required (alibaba), 0 active. Sign in with"), "{first:?}");
    sign_in(&sandbox, directory.path(), &["--port", &port]).await;
    manager.wait_for("STATUS=ready: signed in as ");
    assert_eq!(logout(directory.path()).code, 0);
    manager.wait_for("STATUS=degraded: login-required (alibaba)");
}

#[tokio::test(flavor = "multi_thread")]
async fn passed_sockets_are_served_and_no_other_address() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (one, two) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let path = directory.path().join("proxy.sock");
    let three = UnixListener::bind(&path).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for names in [Some("proxy:mcp-proxy-docker.socket:unknown"), None] {
        let mut command = command(&sandbox, directory.path(), "", &["--port", &free.port().to_string()]);
        manager.listens_to(&mut command);
        let mut program = start_with(command, &[one.as_fd(), two.as_fd(), three.as_fd()], names);
        manager.wait_for("READY=1");
        for listener in [&one, &two] {
            assert_eq!(ask(listener.local_addr().unwrap()).await, StatusCode::OK);
        }
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let head = format!("GET {ECHO} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(std::net::TcpStream::connect(free).is_err(), "--port is not bound");
        program.signal("TERM");
        assert_eq!(program.end().0, 0);
        assert!(path.exists(), "the file is the service manager's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_sockets_for_others_alone_the_port_is_bound() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    let control = UnixListener::bind(directory.path().join("control.sock")).unwrap();
    let mut command = command(&sandbox, directory.path(), "", &[]);
    manager.listens_to(&mut command);
    let mut program = start_with(command, &[control.as_fd()], Some("control"));
    let address = program.line("Listen: ").replace("Listen: ", "");
    assert_eq!(follow(&format!("http://{address}/robots.txt")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_ends_the_start_and_is_named() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = UnixDatagram::unbound().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(directory.path().join("for-tls.sock")).unwrap();
    let connection = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let file = tempfile::tempfile().unwrap();
    for (socket, name, says) in [
        (udp.as_fd(), "proxy", "socket 2 from the service manager (proxy) is a UDP socket"),
        (datagram.as_fd(), "x.socket", "socket 2 from the service manager (x.socket) is a Unix datagram socket"),
        (file.as_fd(), "proxy", "is no socket"),
        (unix.as_fd(), "tls", "socket 2 from the service manager (tls) is a Unix socket, on which there is no TLS"),
        (connection.as_fd(), "control", "socket 2 from the service manager (control) does not listen"),
        (
            tcp.as_fd(),
            "contol",
            "is named \"contol\"; FileDescriptorName= of its unit can be proxy, tls, control, metrics or diag",
        ),
        (tcp.as_fd(), "proxy:proxy", "passes 2 sockets and 3 names"),
    ] {
        let command = command(&sandbox, directory.path(), "", &[]);
        let mut program = start_with(command, &[tcp.as_fd(), socket], Some(&format!("proxy:{name}")));
        let (code, printed) = program.end();
        assert_eq!(code, 78, "{name}: {printed}");
        assert!(printed.contains(says), "{name}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_passed_sockets_refuses_nobody() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || {
        let mut command = command(&sandbox, directory.path(), "", &[]);
        manager.listens_to(&mut command);
        start_with(command, &[listener.as_fd()], Some("proxy"))
    };
    let mut program = start();
    manager.wait_for("READY=1");
    assert_eq!(ask(address).await, StatusCode::OK);
    program.signal("TERM");
    assert_eq!(program.end().0, 0);
    // Nobody is there to accept, and the kernel takes it all the same.
    let waiting = tokio::spawn(ask(address));
    let _program = start();
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_it_can_and_drops_nothing() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (mut program, address) = start(&manager, command(&sandbox, directory.path(), "", &[]));
    manager.wait_for("READY=1");
    let write = |more: &str| {
        let text = config_text(&sandbox, directory.path(), more);
        std::fs::write(directory.path().join("mcp-proxy.toml"), text).unwrap();
    };
    let reload = |program: &Program| {
        program.signal("HUP");
        let begins = manager.wait_for("RELOADING=1");
        assert!(begins.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{begins:?}");
        let ends = manager.wait_for("READY=1");
        assert!(status(&ends).starts_with("ready: signed in as "), "{ends:?}");
    };
    let hold = http::Request::get("/lab/hold").header("host", address.to_string());
    let stream = send(address, hold.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(ask(address).await, StatusCode::OK);

    // Bad: everything stays, everything is said.
    write("blocked_servers = [\"/lab/echo\"]\nhots = 1\n[limits]\ndrain_timeout = \"soon\"");
    reload(&program);
    program.line("upstream.alibaba.hots: unknown key");
    program.line("limits.drain_timeout:");
    program.line("The configuration stays as it was: 2 problems");
    manager.wait_for("STATUS=ready: signed in as ");
    assert_eq!(ask(address).await, StatusCode::OK);
    assert!(follow(&format!("http://{address}/health")).await.2.contains("reload-failed"));

    // Good: in force for the next request, except what needs a restart.
    write("blocked_servers = [\"/lab/echo\"]\n[log]\nlevel = \"debug\"\n[login]\nbrowser = false");
    reload(&program);
    program.line("in force: log.level, upstream.alibaba.blocked_servers");
    program.line("not in force before a restart: login.browser");
    program.line("over");
    assert_eq!(ask(address).await, StatusCode::FORBIDDEN);
    sandbox.cloud().refuse_connections(true);
    send(address, post(address, "/lab/other", REQUEST)).await;
    program.line("DEBUG");
    sandbox.cloud().clear_faults();
    let health = follow(&format!("http://{address}/health")).await.2;
    assert!(!health.contains("reload-failed") && health.contains("restart-needed"), "{health}");

    write("");
    reload(&program);
    program.line("in force: log.level, upstream.alibaba.blocked_servers");
    assert_eq!(ask(address).await, StatusCode::OK);
    assert!(!follow(&format!("http://{address}/health")).await.2.contains("restart-needed"));

    // The stream has outlived it all, and ends cleanly with the daemon.
    program.signal("TERM");
    tokio::time::timeout(PATIENCE, stream.into_body().collect()).await.expect("an end").expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_nothing_under_load_loses_no_request() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (program, address) = start(&manager, command(&sandbox, directory.path(), "", &[]));
    manager.wait_for("READY=1");
    let load = tokio::spawn(async move {
        for _ in 0..100 {
            assert_eq!(ask(address).await, StatusCode::OK);
        }
    });
    for _ in 0..5 {
        program.signal("HUP");
        manager.wait_for("RELOADING=1");
        manager.wait_for("READY=1");
    }
    load.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_hears_of_a_daemon_only_while_every_part_lives() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    for (fault, silent) in [(None, ""), (Some("keeper"), "keeper of alibaba"), (Some("listener"), "listener")] {
        let manager = Manager::new();
        let mut command = command(&sandbox, directory.path(), "", &[]);
        command.env("WATCHDOG_USEC", "600000").envs(fault.map(|fault| ("TEST_STANDS_STILL", fault)));
        let (mut program, _) = start(&manager, command);
        manager.wait_for("READY=1");
        if fault.is_none() {
            (0..5).for_each(|_| drop(manager.wait_for("WATCHDOG=1")));
        } else {
            let line = program.line("no sign of life: ");
            assert!(line.contains(silent), "{line}");
            assert!(!manager.said().iter().any(|line| line == "WATCHDOG=1"), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_takes_long_asks_for_time() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (cloud, before) = (sandbox.cloud(), sandbox.cloud().counts().gateway_requests);
    let (mut program, address) = start(&manager, command(&sandbox, directory.path(), "", &[]));
    let slow =
        tokio::spawn(async move { whole(send(address, post(address, "/lab/slow?ms=1000", REQUEST)).await).await.0 });
    cloud.wait_until(|counts| counts.gateway_requests > before, PATIENCE).await.expect("it is under way");
    program.signal("TERM");
    manager.wait_for("STOPPING=1");
    assert_eq!(manager.wait_for("EXTEND_TIMEOUT_USEC="), ["EXTEND_TIMEOUT_USEC=15000000"]);
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    assert_eq!(program.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_the_daemon_starts_cannot_speak_for_it() {
    let (sandbox, directory, manager) = (sandbox().await, state_dir(), Manager::new());
    let file = directory.path().join("environment");
    let script = format!("env > {}; echo token", file.display());
    let more = format!("auth = \"token-command\"\ntoken_command = [\"/bin/sh\", \"-c\", \"{script}\"]");
    let mut command = command(&sandbox, directory.path(), &more, &[]);
    manager.listens_to(&mut command);
    command.env("WATCHDOG_USEC", "60000000").env("KEPT", "yes");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _program = start_with(command, &[listener.as_fd()], Some("proxy"));
    manager.wait_for("STATUS=ready: ");
    let environment = std::fs::read_to_string(file).unwrap();
    assert!(environment.contains("KEPT=yes"), "{environment}");
    for name in mcp_proxy::model::service_manager::VARIABLES {
        assert!(!environment.contains(&format!("{name}=")), "{environment}");
    }
}

/// Starts a daemon in a pseudo-terminal, takes the terminal away once it listens, and ends as it does.
const HANG_UP: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"Listen: " not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_terminal_goes_away_stops() {
    if lacks("a_daemon_whose_terminal_goes_away_stops", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let daemon = command(&sandbox, directory.path(), "", &[]);
    let mut python = Command::new("python3");
    python.args(["-c", HANG_UP]).arg(daemon.get_program()).args(daemon.get_args());
    python.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(Program::start(python).end().0, 0, "an orderly end, and an end at all");
}

async fn journaled(sandbox: &Sandbox, directory: &Path, level: &str) -> (Journal, Program, SocketAddr) {
    sign_in(sandbox, directory, &[]).await;
    let journal = Journal::new();
    let mut command = command(sandbox, directory, "", &[]);
    command.env("MCP_PROXY_LOG__LEVEL", level);
    let mut program = Program::start(journal.of(&command));
    let address = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    (journal, program, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_requests_with_fields_and_never_a_secret() {
    if lacks("the_journal_gets_requests_with_fields_and_never_a_secret", Need::Mount) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (journal, mut program, address) = journaled(&sandbox, directory.path(), "trace").await;
    let mut request = post(address, "/lab/echo?key=canary-query", REQUEST);
    request.headers_mut().insert("authorization", "Bearer canary-authorization".parse().unwrap());
    request.headers_mut().insert("mcp-name", "canary-lie".parse().unwrap());
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
    assert_eq!(whole(send(address, request).await).await.0, StatusCode::OK);
    let (entry, mut all) = journal.wait_for("POST /lab/echo tools/call echo 200");
    for (name, value) in [
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "mcp-proxy"),
        ("TARGET", "mcp_proxy::access"),
        ("HTTP_METHOD", "POST"),
        ("PATH", "/lab/echo"),
        ("MCP_METHOD", "tools/call"),
        ("MCP_NAME", "echo"),
        ("UPSTREAM", "alibaba"),
        ("TRACE_ID", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("CLIENT", "127.0.0.1"),
        ("STATUS", "200"),
        ("ENDING", "complete"),
    ] {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name}: {entry:?}");
    }
    assert!(entry["DURATION_US"].parse::<u64>().unwrap() > 0 && entry["BYTES_OUT"].parse::<u64>().unwrap() > 0);
    let first = entry["REQUEST_ID"].clone();
    all.push(entry);

    follow(&format!("http://{address}/callback?code=canary-code&state=canary-state")).await;
    let (entry, more) = journal.wait_for("GET /callback");
    assert_ne!(entry["REQUEST_ID"], first);
    assert!(!entry.contains_key("UPSTREAM") && !entry.contains_key("MCP_METHOD"), "{entry:?}");
    all.extend(more.into_iter().chain([entry]));
    program.signal("TERM");
    let (entry, more) = journal.wait_for("stopping: requests may finish");
    all.extend(more.into_iter().chain([entry]));
    assert_eq!(program.end().0, 0);

    let secrets = sandbox.cloud().issued_secrets();
    assert!(secrets.len() > 3);
    for value in all.iter().flat_map(|entry| entry.values()) {
        assert!(!value.contains("canary"), "{value}");
        assert_eq!(secrets.iter().find(|secret| value.contains(&secret[..secret.len().min(16)])), None, "{value}");
    }
    let stderr = std::fs::read_to_string(journal.stderr()).unwrap();
    assert_eq!(stderr, "", "what the journal gets is not said twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_stands_still_or_goes_away_holds_up_no_request() {
    if lacks("a_journal_that_stands_still_or_goes_away_holds_up_no_request", Need::Mount) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (journal, mut program, address) = journaled(&sandbox, directory.path(), "info").await;
    // Far more than the socket holds (net.unix.max_dgram_qlen), and nobody reads it.
    for _ in 0..600 {
        assert_eq!(follow(&format!("http://{address}/robots.txt")).await.0, StatusCode::NOT_FOUND);
    }
    // Read again, it has all of it: the queue was long enough.
    for _ in 0..600 {
        journal.wait_for("GET /robots.txt 404");
    }
    drop(journal);
    assert_eq!(ask(address).await, StatusCode::OK);
    program.signal("TERM");
    assert_eq!(program.end().0, 0);
}
