//! The control socket, with the real program at both of its ends, and with curl: status, login and logout beside a
//! running daemon; who may; and what comes of requests that nobody should send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use mcp_proxy_sandbox::{Consent, Sandbox};
use serde_json::{Value, json};
use support::person::{authorize_url, follow, logins};
use support::prerequisites::{Need, clients, lacks};
use support::program::{Finished, Program, bare, command, finish};
use support::systemd::start_with;
use support::{PATIENCE, environment, sandbox, state_dir};
use tempfile::TempDir;

/// A daemon of its own with a control socket, and the person's side of it.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    daemon: Program,
    /// `127.0.0.1:PORT`, for clients.
    address: String,
}

impl Machine {
    /// A daemon that has no API credentials, as the system's daemon has none.
    async fn start() -> Self {
        Self::start_with("", false).await
    }

    async fn start_with(more: &str, credentials: bool) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let daemon = serve(&sandbox, directory.path(), more, credentials);
        let mut machine = Self { sandbox, directory, daemon, address: String::new() };
        machine.address = machine.daemon.line("Listen: ").replace("Listen: ", "");
        machine
    }

    async fn signed_in() -> Self {
        let mut machine = Self::start().await;
        let mut login = machine.login();
        let callback = machine.sandbox.approve(&authorize_url(&mut login)).unwrap();
        let (status, _, page) = follow(&callback).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert_eq!(login.end().0, 0);
        machine.daemon.line("signed in");
        machine
    }

    fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// A command of a person who has API credentials.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.sandbox, self.directory.path(), "", args);
        command.env("MCP_PROXY_CONTROL__SOCKET", self.socket());
        command
    }

    fn run(&self, args: &[&str]) -> Finished {
        let finished = finish(self.command(args));
        self.holds_no_secret(&finished.stdout);
        self.holds_no_secret(&finished.stderr);
        finished
    }

    /// The status of somebody who has neither credentials nor the daemon's files.
    fn status(&self) -> (i32, Value) {
        let mut command = bare(&["status", "--json"]);
        command.env("MCP_PROXY_CONTROL__SOCKET", self.socket()).env("HOME", "/nonexistent");
        let finished = finish(command);
        self.holds_no_secret(&finished.stdout);
        (finished.code, serde_json::from_str(&finished.stdout).expect(&finished.stderr))
    }

    fn login(&self) -> Program {
        Program::start(self.command(&["login", "--no-browser"]))
    }

    /// What curl shows of a path: status and body.
    fn curl(&self, path: &str, options: &[&str]) -> (u16, String) {
        let output = curl(&self.socket(), path, options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("the status stands at the end");
        self.holds_no_secret(body);
        (status.parse().unwrap(), body.to_owned())
    }

    fn holds_no_secret(&self, text: &str) {
        for secret in self.sandbox.cloud().issued_secrets() {
            assert!(!text.contains(&secret), "a secret got out");
        }
        assert!(!text.contains(&self.sandbox.access_key().1), "an API secret got out");
    }

    /// Stops the daemon and answers its log.
    fn stop(&mut self) -> String {
        self.daemon.signal("TERM");
        let (code, log) = self.daemon.end();
        assert_eq!(code, 0, "{log}");
        self.holds_no_secret(&log);
        log
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

fn serve(sandbox: &Sandbox, directory: &Path, more: &str, credentials: bool) -> Program {
    let mut serve = command(sandbox, directory, more, &["serve"]);
    serve.env("MCP_PROXY_CONTROL__SOCKET", socket(directory));
    if !credentials {
        environment(sandbox).keys().for_each(|name| {
            serve.env_remove(name);
        });
    }
    Program::start(serve)
}

fn curl(socket: &Path, path: &str, options: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}", "--unix-socket"]).arg(socket);
    curl.args(options).arg(format!("http://localhost{path}"));
    curl
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_beside_the_daemon_and_the_browser_arrives_there() {
    let mut machine = Machine::start().await;
    let (code, before) = machine.status();
    assert_eq!((code, &before["daemon"]["health"]["status"]), (77, &json!("degraded")), "{before}");
    assert_eq!(before["daemon"]["health"]["conditions"][0]["subject"], "alibaba");

    let mut login = machine.login();
    let url = authorize_url(&mut login);
    assert!(url.contains(&format!("redirect_uri=http%3A%2F%2F127.0.0.1%3A{}", port(&machine.address))), "{url}");
    let (status, _, page) = follow(&machine.sandbox.approve(&url).unwrap()).await;
    assert!(status == StatusCode::OK && page.contains("Signed in"), "{page}");
    let (code, printed) = login.end();
    assert_eq!(code, 0, "{printed}");
    for says in ["OAuth login successful!", "Signed in to alibaba with", "uses it; its token is valid for 2 h 59 min"] {
        assert!(printed.contains(says), "{says}: {printed}");
    }

    let (code, after) = machine.status();
    assert_eq!((code, &after["daemon"]["health"]["status"]), (0, &json!("healthy")), "{after}");
    assert_eq!(after["upstreams"][0]["state"], "signed-in");
    assert_eq!(after["daemon"]["control"], machine.socket().to_str().unwrap());
    assert_eq!(after["daemon"]["address"], machine.address.as_str());
    assert_eq!(logins(machine.directory.path()).len(), 1, "the daemon keeps it");
    let words = machine.run(&["status"]);
    assert!(words.code == 0 && words.stdout.contains("alibaba: signed in"), "{}", words.stdout);
    assert!(words.stdout.contains(&format!("daemon: {} is healthy", machine.address)), "{}", words.stdout);
    let log = machine.stop();
    assert!(log.contains("control: POST /login") && log.contains("uid 0 (process "), "{log}");
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

/// `tests/clients/terminal/paste.py` plays the person at a terminal of its own.
fn paste(machine: &Machine, options: &[&str]) -> Output {
    machine.sandbox.cloud().set_consent(Consent::Allow);
    let login = machine.command(&["login", "--no-browser"]);
    let mut person = Command::new("python3");
    person.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in login.get_envs() {
        person.env(name, value.unwrap());
    }
    person.arg(clients().join("terminal/paste.py")).args(options).args(["--success", "OAuth login successful!", "--"]);
    person.arg(login.get_program()).args(login.get_args()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pastes_the_code_or_the_address_and_nobody_fetches_the_redirect() {
    if lacks("a_person_pastes_the_code_or_the_address_and_nobody_fetches_the_redirect", Need::Python) {
        return;
    }
    let mut machine = Machine::start().await;
    let answer = "neither a code nor an address with one[^$]*Enter authorization code or address:";
    for options in [
        &["--paste", "code", "--blanks"][..],
        &["--paste", "url", "--wrap", "40"],
        &["--paste", "url", "--first", "what now?", "--first-answer", answer],
    ] {
        let output = paste(&machine, options);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(machine.sandbox.cloud().counts().code_exchanges, 3);
    assert_eq!(machine.status().0, 0);
    machine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_its_person_gives_up_waits_for_nothing_any_more() {
    let mut machine = Machine::start().await;
    for signal in ["INT", "KILL"] {
        let mut login = machine.login();
        let callback = machine.sandbox.approve(&authorize_url(&mut login)).unwrap();
        login.signal(signal);
        let (code, printed) = login.end();
        assert_eq!(code, if signal == "INT" { 75 } else { -1 }, "{printed}");
        // The daemon hears of it from the kernel, and the browser may be as fast.
        let deadline = Instant::now() + PATIENCE;
        while machine.curl("/login/1/paste", &["-d", "abc123xyz"]).0 != 404 {
            assert!(Instant::now() < deadline, "it waits still");
        }
        let (_, _, page) = follow(&callback).await;
        assert!(page.contains("No login is waiting"), "{page}");
    }
    assert_eq!(machine.sandbox.cloud().counts().code_exchanges, 0);
    machine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_logins_the_newer_one_wins_and_the_older_one_is_told() {
    let mut machine = Machine::start().await;
    let mut older = machine.login();
    authorize_url(&mut older);
    let mut newer = machine.login();
    let url = authorize_url(&mut newer);
    let (code, printed) = older.end();
    assert!(code == 75 && printed.contains("another login was begun"), "{code}: {printed}");
    assert_eq!(machine.curl("/login/1/paste", &["-d", "abc123xyz"]).0, 404);
    follow(&machine.sandbox.approve(&url).unwrap()).await;
    assert_eq!(newer.end().0, 0);
    machine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_elsewhere_takes_over_from_a_start_in_a_terminal_which_goes_on() {
    if lacks("a_login_elsewhere_takes_over_from_a_start_in_a_terminal_which_goes_on", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let serve = command(&sandbox, directory.path(), "", &["--no-browser"]);
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"]).arg(serve.get_program()).args(serve.get_args());
    terminal.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(environment(&sandbox));
    terminal.env("MCP_PROXY_CONTROL__SOCKET", socket(directory.path())).stdin(Stdio::piped());
    let mut daemon = Program::start(terminal);
    let address = daemon.line("Listen: ").replace("Listen: ", "").trim().to_owned();
    daemon.line("Enter authorization code");
    let mut machine = Machine { sandbox, directory, daemon, address };
    let mut login = machine.login();
    let url = authorize_url(&mut login);
    machine.daemon.line("another login was begun meanwhile");
    follow(&machine.sandbox.approve(&url).unwrap()).await;
    assert_eq!(login.end().0, 0);
    machine.daemon.line("Available Servers:");
    assert_eq!(machine.status().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_stop_of_the_daemon_are_said_to_who_waits() {
    let mut machine = Machine::start().await;
    let mut login = machine.login();
    follow(&machine.sandbox.deny(&authorize_url(&mut login)).unwrap()).await;
    let (code, printed) = login.end();
    assert!(code == 77 && printed.contains("the sign-in was refused: access_denied"), "{code}: {printed}");

    let mut login = machine.login();
    authorize_url(&mut login);
    machine.stop();
    let (code, printed) = login.end();
    assert!(code == 75 && printed.contains("the daemon is stopping"), "{code}: {printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_credentials_are_the_daemons_or_the_persons_and_stay_where_they_are() {
    // Its own are used without those of the person, who has none here.
    let mut machine = Machine::start_with("", true).await;
    let mut poor = machine.command(&["login", "--no-browser"]);
    environment(&machine.sandbox).keys().for_each(|name| {
        poor.env_remove(name);
    });
    let mut login = Program::start(poor);
    follow(&machine.sandbox.approve(&authorize_url(&mut login)).unwrap()).await;
    assert_eq!(login.end().0, 0);
    machine.stop();

    let mut machine = Machine::start().await;
    let mut poor = machine.command(&["login", "--no-browser"]);
    environment(&machine.sandbox).keys().for_each(|name| {
        poor.env_remove(name);
    });
    let refused = finish(poor);
    assert_eq!(refused.code, 78, "{}", refused.stderr);
    assert!(refused.stderr.contains("The running mcp-proxy has none either"), "{}", refused.stderr);
    // A flag that the daemon would not follow.
    let refused = machine.run(&["login", "--no-browser", "--oauth-app-name", "another"]);
    assert_eq!(refused.code, 64, "{}", refused.stderr);
    assert!(refused.stderr.contains("--oauth-app-name: the running mcp-proxy"), "{}", refused.stderr);
    // What somebody else brings is judged.
    for application in [
        json!({"client_id": "1&x=y", "name": "aliyun-cli-mcp-proxy"}),
        json!({"client_id": "1", "name": "another"}),
        json!({"client_id": "1"}),
    ] {
        let body = json!({"application": application}).to_string();
        assert_eq!(machine.curl("/login", &["-d", &body]).0, 400, "{body}");
    }
    let log = machine.stop();
    assert!(!log.contains("x=y"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_is_in_force_when_it_has_answered() {
    let mut machine = Machine::signed_in().await;
    let cloud = machine.sandbox.cloud();
    cloud.refuse_token_connections(true);
    cloud.cut_connections();
    let kept = machine.run(&["logout", "--revoke"]);
    assert_eq!(kept.code, 69, "{}", kept.stdout);
    assert!(kept.stderr.contains("login is kept"), "{}", kept.stderr);
    assert_eq!(machine.status().0, 0, "it is in use as before");
    cloud.refuse_token_connections(false);

    let done = machine.run(&["logout", "--revoke"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("revoked at the server") && done.stdout.contains("does not use"), "{}", done.stdout);
    assert_eq!(cloud.counts().revocations, 1);
    let (code, status) = machine.status();
    assert_eq!((code, &status["upstreams"][0]["state"]), (77, &json!("sign-in-needed")), "{status}");
    assert!(logins(machine.directory.path()).is_empty());
    let again = machine.run(&["logout"]);
    assert!(again.code == 0 && again.stdout.contains("there is no saved login"), "{}", again.stdout);
    let log = machine.stop();
    assert!(log.contains("control: POST /logout") && log.contains("signed out"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_status_readiness_and_metrics() {
    let mut machine = Machine::start().await;
    let (status, body) = machine.curl("/ready", &[]);
    assert_eq!((status, body.contains("login-required")), (503, true), "{body}");
    machine.stop();

    let mut machine = Machine::signed_in().await;
    for _ in 0..3 {
        follow(&format!("http://{}/lab/echo", machine.address)).await;
    }
    follow(&format!("http://{}/favicon.ico", machine.address)).await;
    assert_eq!(machine.curl("/ready", &[]).0, 200);
    let (code, text) = machine.curl("/status", &[]);
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &status["version"], &status["ready"]), (200, &json!(1), &json!(true)), "{text}");
    assert_eq!(status["pid"], machine.daemon.id());
    assert_eq!(status["upstreams"][0]["source"], "login");
    assert_eq!(status["upstreams"][0]["login"]["account"], machine.sandbox.account_uid());
    assert_eq!(status["upstreams"][0]["sign_in"]["api_credentials"], Value::Null);

    let (code, metrics) = machine.curl("/metrics", &["-i"]);
    assert_eq!(code, 200);
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{metrics}");
    let sample = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {metrics}")).parse::<f64>().unwrap()
    };
    let requests = |upstream: &str, status: &str| {
        let labels = format!("upstream=\"{upstream}\",server=\"none\",method=\"none\",status=\"{status}\"");
        sample(&format!("mcp_proxy_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("none", "4xx"), 1.0);
    assert!(requests("alibaba", "2xx") >= 3.0);
    assert!(sample("mcp_proxy_response_body_bytes_total{upstream=\"alibaba\"}") > 0.0);
    assert_eq!(sample("mcp_proxy_upstream_serves{upstream=\"alibaba\"}"), 1.0);
    let end = sample("mcp_proxy_token_expiry_timestamp_seconds{upstream=\"alibaba\"}");
    let started = sample("process_start_time_seconds");
    assert!(end - started > 10_000.0 && end - started < 10_900.0, "{started} {end}");

    let (code, text) = machine.curl("/recent", &[]);
    let recent: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &recent["version"]), (200, &json!(1)), "{text}");
    let (last, before) = (&recent["calls"][0], &recent["calls"][1]);
    assert_eq!(
        (&last["path"], &last["status"], &last["upstream"]),
        (&json!("/favicon.ico"), &json!(404), &Value::Null)
    );
    assert_eq!(
        (&before["path"], &before["status"], &before["upstream"]),
        (&json!("/lab/echo"), &json!(200), &json!("alibaba"))
    );
    assert_eq!((&recent["clients"][0]["last"], &recent["clients"][0]["refused"]), (last, &json!(0)));
    // Nothing of it is on the data port.
    for path in ["/status", "/recent", "/metrics", "/ready"] {
        let (_, _, text) = follow(&format!("http://{}{path}", machine.address)).await;
        assert!(!text.contains("mcp_proxy_") && !text.contains("state_dir"), "{path}: {text}");
    }
    machine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_signs_in_line_by_line() {
    let mut machine = Machine::start_with("", true).await;
    let mut curl = curl(&machine.socket(), "/login", &["-N", "-X", "POST"]);
    curl.arg("--max-time").arg("20");
    let mut login = Program::start(curl);
    let waiting: Value = serde_json::from_str(&login.line("\"event\":\"waiting\"")).unwrap();
    let callback = machine.sandbox.approve(waiting["url"].as_str().unwrap()).unwrap();
    let paste = format!("/login/{}/paste", waiting["id"]);
    let (status, body) = machine.curl(&paste, &["-d", "what now?"]);
    assert_eq!((status, body.contains("neither a code")), (422, true), "{body}");
    assert_eq!(machine.curl(&paste, &["-d", &callback]).0, 200);
    let done: Value = serde_json::from_str(&login.line("\"event\":")).unwrap();
    assert_eq!((&done["event"], &done["account"]), (&json!("done"), &json!(machine.sandbox.account_uid())));
    assert_eq!(login.end().0, 0);
    assert_eq!(machine.curl(&paste, &["-d", &callback]).0, 404);
    machine.stop();
}

/// The program as another user can run it.
fn copied(directory: &Path) -> PathBuf {
    let copy = directory.join("mcp-proxy");
    std::fs::copy(bare(&[]).get_program(), &copy).unwrap();
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_of_the_socket_says_who_may_look_and_who_may_sign_in() {
    if lacks("the_mode_of_the_socket_says_who_may_look_and_who_may_sign_in", Need::OtherUsers) {
        return;
    }
    const STRANGER: u32 = 54_321;
    let mut machine = Machine::start().await;
    let (program, socket) = (copied(machine.directory.path()), machine.socket());
    let as_stranger = |group: u32, command: Command| {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--clear-groups", &format!("--reuid={STRANGER}"), &format!("--regid={group}")]);
        setpriv.arg(command.get_program()).args(command.get_args());
        setpriv.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        setpriv.env("MCP_PROXY_CONTROL__SOCKET", &socket).env("HOME", "/nonexistent");
        setpriv.output().unwrap()
    };
    let typed = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.args(args);
        command
    };
    let mode = |mode: u32| std::fs::set_permissions(&socket, PermissionsExt::from_mode(mode)).unwrap();

    // As it is: the kernel lets nobody else in.
    for args in [["login"], ["logout"], ["status"]] {
        let refused = as_stranger(STRANGER, typed(&args));
        assert_eq!(refused.status.code(), Some(77), "{args:?}: {}", said(&refused));
        assert!(said(&refused).contains("sudo") && said(&refused).contains("join the group"), "{}", said(&refused));
    }
    // In its group, one may do all.
    chown(&socket, None, Some(STRANGER)).unwrap();
    let out = as_stranger(STRANGER, typed(&["logout"]));
    assert!(out.status.success() && said(&out).contains("there is no saved login"), "{}", said(&out));
    // Open to all, others may look.
    chown(&socket, None, Some(0)).unwrap();
    mode(0o666);
    let look = as_stranger(STRANGER, curl(&socket, "/status", &[]));
    assert!(said(&look).ends_with("\n200"), "{}", said(&look));
    let refused = as_stranger(STRANGER, curl(&socket, "/recent", &[]));
    assert!(said(&refused).ends_with("\n403") && said(&refused).contains("who calls what"), "{}", said(&refused));
    for path in ["/login", "/logout", "/login/1/paste", "/incident", "/resume"] {
        let refused = as_stranger(STRANGER, curl(&socket, path, &["-d", "{}"]));
        assert!(said(&refused).ends_with("\n403") && said(&refused).contains("sudo"), "{path}: {}", said(&refused));
    }
    let refused = as_stranger(STRANGER, typed(&["logout", "--revoke"]));
    assert_eq!(refused.status.code(), Some(77), "{}", said(&refused));
    let log = machine.stop();
    let refusals = log.lines().filter(|line| line.contains("refused with 403") && line.contains("uid 54321 (process "));
    assert_eq!(refusals.count(), 7, "{log}");
}

/// What comes back for bytes that are sent as they are.
fn sent(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other end may close before it has read all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_should_send_are_refused_and_change_nothing() {
    let mut machine = Machine::signed_in().await;
    let large = "x".repeat(65 * 1024);
    for (path, options, status) in [
        ("/nothing", &[][..], 404),
        ("/statuses", &[], 404),
        ("/login/x/paste", &["-d", "abc123xyz"], 404),
        ("/login/18446744073709551616/paste", &["-d", "abc123xyz"], 404),
        ("/status", &["-d", "x"], 405),
        ("/login", &[], 405),
        ("/logout", &["-X", "DELETE"], 405),
        ("/logout", &["-d", "{"], 400),
        ("/logout", &["-d", "[]"], 400),
        ("/logout", &["-d", "{\"revoke\":\"yes\"}"], 400),
        ("/logout", &["-d", "{\"revok\":true}"], 400),
        ("/logout", &["-d", &large], 413),
        ("/login", &["-d", "{\"upstream\":\"nobody\"}"], 400),
        ("/login/1/paste", &["-d", "abc123xyz"], 404),
    ] {
        let (got, body) = machine.curl(path, options);
        assert_eq!(got, status, "{path} {options:.40?}: {body}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string(), "{body}");
    }
    let allow = machine.curl("/logout", &["-i"]).1;
    assert!(allow.contains("allow: POST"), "{allow}");
    let head = format!("GET /status HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    for (bytes, expected) in [
        (&b""[..], ""),
        (b"\0\x01\x02\xff\r\n\r\n", "HTTP/1.1 400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400"),
        (b"GET /status", ""),
        (b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", ""),
        (b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"),
        (b"POST /logout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"),
        (head.as_bytes(), "HTTP/1.1 431"),
    ] {
        let answer = sent(&machine.socket(), bytes);
        assert!(answer.starts_with(expected) && !answer.contains("200 OK"), "{:.60?}: {answer:?}", bytes);
    }
    // More than are served at once, and none of them says a word: their time runs out.
    let silent: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(machine.socket()).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(machine.status().0, 0, "it is signed in still");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(silent);
    machine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_goes_with_the_daemon_and_comes_again_after_a_crash() {
    let mut machine = Machine::start().await;
    let found = std::fs::metadata(machine.socket()).unwrap();
    assert!(found.file_type().is_socket() && found.permissions().mode() & 0o777 == 0o660);
    // Another one leaves it alone, serves all the same, and is not taken for the first.
    let other = state_dir();
    let mut second = command(&machine.sandbox, other.path(), "", &["serve"]);
    second.env("MCP_PROXY_CONTROL__SOCKET", machine.socket());
    let mut second = Program::start(second);
    second.line("Listen: ");
    // The log comes by another way, and in its own time.
    if !second.seen().contains("no control socket") {
        second.line("no control socket");
    }
    let mut asked = command(&machine.sandbox, other.path(), "", &["status", "--json"]);
    asked.env("MCP_PROXY_CONTROL__SOCKET", machine.socket());
    let asked = finish(asked);
    assert!(asked.stderr.contains("it is not asked"), "{}", asked.stderr);
    assert_eq!(serde_json::from_str::<Value>(&asked.stdout).unwrap()["daemon"]["control"], Value::Null);
    drop(second);

    machine.daemon.signal("KILL");
    machine.daemon.wait();
    assert!(machine.socket().exists(), "a crash leaves it");
    assert_eq!(machine.run(&["status"]).code, 77, "without a daemon, the files are asked");
    machine.daemon = serve(&machine.sandbox, machine.directory.path(), "", false);
    machine.daemon.line("Listen: ");
    assert_eq!(machine.curl("/ready", &[]).0, 503);
    machine.stop();
    assert!(!machine.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_managers_socket_is_served_and_stays() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let passed = UnixListener::bind(socket(directory.path())).unwrap();
    let own = directory.path().join("own.sock");
    let mut serve = command(&sandbox, directory.path(), "", &["serve"]);
    serve.env("MCP_PROXY_CONTROL__SOCKET", &own);
    let mut daemon = start_with(serve, &[passed.as_fd()], Some("control"));
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    let mut machine = Machine { sandbox, directory, daemon, address };
    let mut login = machine.login();
    follow(&machine.sandbox.approve(&authorize_url(&mut login)).unwrap()).await;
    assert_eq!(login.end().0, 0);
    assert!(machine.status().0 == 0 && !own.exists());
    machine.stop();
    assert!(machine.socket().exists(), "it is not the daemon's to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_logins_is_asked_in_vain() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let file = directory.path().join("mcp-proxy.toml");
    let text = support::config_text(
        &sandbox,
        directory.path(),
        "auth = \"token-command\"\ntoken_command = [\"/bin/echo\", \"t\"]",
    );
    let command = |args: &[&str]| {
        std::fs::write(&file, &text).unwrap();
        let mut command = bare(args);
        command.arg("--config").arg(&file).env("MCP_PROXY_CONTROL__SOCKET", socket(directory.path()));
        command
    };
    let mut daemon = Program::start(command(&["serve"]));
    daemon.line("Listen: ");
    for args in [["login"], ["logout"]] {
        let finished = finish(command(&args));
        assert!(finished.code == 0 && finished.stdout.contains("No upstream needs a login"), "{}", finished.stdout);
    }
    let status = finish(command(&["status", "--json"]));
    let health = serde_json::from_str::<Value>(&status.stdout).unwrap()["daemon"]["health"].clone();
    assert_eq!((status.code, &health["status"]), (0, &json!("healthy")), "{}", status.stdout);
}
