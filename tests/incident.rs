//! An incident from beginning to end, with the real program: everything stops at once and stays stopped, grants end at
//! the server, the audit trail says who did what; with a running daemon, without one, and with one that has no socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};
use support::person::{follow, logins, sign_in};
use support::program::{Finished, Program, command, finish};
use support::systemd::Manager;
use support::{PATIENCE, post, sandbox, send, state_dir, whole};
use tempfile::TempDir;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":"a-7","method":"tools/call","params":{"name":"echo","arguments":{"secret":"the-value"}}}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const ECHO: &str = "/lab/echo";

/// A signed-in daemon of the real program, with a control socket and an audit trail.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    daemon: Program,
    address: SocketAddr,
    /// Known to the OAuth application.
    port: String,
}

impl Machine {
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(more: impl FnOnce(&mut Command)) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let port = sign_in(&sandbox, directory.path(), &[]).await;
        let mut serve = typed(&sandbox, directory.path(), &["serve"]);
        more(&mut serve);
        let (daemon, address) = started(serve);
        Self { sandbox, directory, daemon, address, port }
    }

    fn run(&self, args: &[&str]) -> Finished {
        let finished = finish(typed(&self.sandbox, self.directory.path(), args));
        for secret in self.sandbox.cloud().issued_secrets() {
            assert!(!finished.stdout.contains(&secret) && !finished.stderr.contains(&secret), "a secret got out");
        }
        finished
    }

    async fn post(&self, body: &str) -> (StatusCode, String) {
        let (status, _, text) = whole(send(self.address, post(self.address, ECHO, body)).await).await;
        (status, text)
    }

    async fn says_that_it_is_stopped(&self) {
        let before = self.sandbox.cloud().counts().gateway_requests;
        let (status, text) = self.post(CALL).await;
        let error: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &error["id"]), (StatusCode::OK, &json!("a-7")), "clients show such an error: {text}");
        assert!(error["error"]["message"].as_str().unwrap().contains("mcp-proxy resume"), "{text}");
        assert_eq!(self.post(NOTE).await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(self.sandbox.cloud().counts().gateway_requests, before, "nothing is forwarded");
        let (status, _, health) = follow(&format!("http://{}/health", self.address)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{health}");
        assert!(health.contains("\"incident\""), "{health}");
    }

    fn restart(&mut self) {
        self.daemon.signal("TERM");
        assert_eq!(self.daemon.end().0, 0);
        (self.daemon, self.address) = started(typed(&self.sandbox, self.directory.path(), &["serve"]));
    }

    fn ends(&mut self) {
        self.daemon.signal("TERM");
        assert_eq!(self.daemon.end().0, 0);
    }

    /// A daemon with more configuration takes the place of the one that has ended.
    fn starts_with(&mut self, more: &str) {
        let serve = typed_with(&self.sandbox, self.directory.path(), more, &["serve"]);
        (self.daemon, self.address) = started(serve);
    }

    fn run_with(&self, more: &str, args: &[&str]) -> Finished {
        finish(typed_with(&self.sandbox, self.directory.path(), more, args))
    }
}

fn started(serve: Command) -> (Program, SocketAddr) {
    let mut daemon = Program::start(serve);
    let address = daemon.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    (daemon, address)
}

fn typed(sandbox: &Sandbox, directory: &Path, args: &[&str]) -> Command {
    typed_with(sandbox, directory, "", args)
}

fn typed_with(sandbox: &Sandbox, directory: &Path, more: &str, args: &[&str]) -> Command {
    let mut command = command(sandbox, directory, more, args);
    command.env("MCP_PROXY_CONTROL__SOCKET", directory.join("control.sock"));
    command.env("MCP_PROXY_LOG__AUDIT_FILE", trail(directory));
    command
}

fn trail(directory: &Path) -> PathBuf {
    directory.join("audit.jsonl")
}

fn records(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(trail(directory)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_stops_everything_ends_the_grant_and_shows_who_did_what() {
    let manager = Manager::new();
    let mut machine = Machine::start_with(|serve| manager.listens_to(serve)).await;
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
    let stream = Request::get("/lab/hold").header("host", machine.address.to_string());
    let stream = send(machine.address, stream.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let revocations = machine.sandbox.cloud().counts().revocations;

    let done = machine.run(&["incident", "--since", "1h", "--rotate-keys"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let cut = tokio::time::timeout(PATIENCE, stream.into_body().collect()).await.expect("the stream ends");
    assert!(cut.is_err(), "it is cut, not ended");
    assert_eq!(machine.sandbox.cloud().counts().revocations, revocations + 1);
    assert!(logins(machine.directory.path()).is_empty());
    for says in [
        "forwards nothing, also after a restart",
        "The grant is revoked at the server",
        "tools/call  echo",
        "control: incident",
        "No client has a key",
        "https://ram.console.aliyun.com",
        "ActionTrail",
        "authorization: done",
    ] {
        assert!(done.stdout.contains(says), "{says}: {}", done.stdout);
    }
    machine.says_that_it_is_stopped().await;
    manager.wait_for("STATUS=stopped: ");
    let status = machine.run(&["status"]);
    assert_eq!(status.code, 77, "{}", status.stdout);
    assert!(status.stdout.contains("incident"), "{}", status.stdout);

    machine.restart();
    machine.says_that_it_is_stopped().await;
    let resumed = machine.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stdout.contains("The incident is over"), "{}", resumed.stdout);
    let (_, text) = machine.post(CALL).await;
    assert!(text.contains("mcp-proxy login") && !text.contains("resume"), "{text}");
    assert!(machine.run(&["resume"]).stdout.contains("There is no incident"));
    sign_in(&machine.sandbox, machine.directory.path(), &["--port", &machine.port]).await;
    machine.restart();
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_cannot_be_revoked_is_kept_and_the_command_can_be_repeated() {
    let machine = Machine::start().await;
    machine.sandbox.cloud().refuse_token_connections(true);
    let kept = machine.run(&["incident"]);
    assert_eq!(kept.code, 69, "{}{}", kept.stdout, kept.stderr);
    assert!(kept.stderr.contains("could not be revoked") && kept.stdout.contains("NOT done"), "{}", kept.stdout);
    assert_eq!(logins(machine.directory.path()).len(), 1);
    machine.says_that_it_is_stopped().await;
    machine.sandbox.cloud().refuse_token_connections(false);
    let done = machine.run(&["incident"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(logins(machine.directory.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_it_is_done_on_the_files_and_the_next_daemon_obeys() {
    let mut machine = Machine::start().await;
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let revocations = machine.sandbox.cloud().counts().revocations;
    let done = machine.run(&["incident"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(machine.sandbox.cloud().counts().revocations, revocations + 1);
    assert!(logins(machine.directory.path()).is_empty());
    (machine.daemon, machine.address) = started(typed(&machine.sandbox, machine.directory.path(), &["serve"]));
    machine.says_that_it_is_stopped().await;
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    assert!(machine.run(&["resume"]).stdout.contains("The incident is over"));
    assert!(machine.run(&["resume"]).stdout.contains("There is no incident"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_a_control_socket_obeys_the_file() {
    let mut machine = Machine::start_with(|serve| {
        serve.env("MCP_PROXY_CONTROL__SOCKET", "off");
    })
    .await;
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
    assert_eq!(machine.run(&["incident"]).code, 0);
    machine.daemon.line("declared an incident");
    machine.says_that_it_is_stopped().await;
    assert_eq!(machine.run(&["resume"]).code, 0);
    machine.daemon.line("requests are forwarded again");
}

/// The status and the text for a call with that key.
async fn with_key(machine: &Machine, key: &str) -> (StatusCode, String) {
    let mut request = post(machine.address, ECHO, CALL);
    request.headers_mut().insert("x-mcp-proxy-key", key.parse().unwrap());
    let (status, _, text) = whole(send(machine.address, request).await).await;
    (status, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_rotated_end_at_once_and_the_new_ones_are_shown_once() {
    let mut machine = Machine::start().await;
    let rules = "\n[access]\nothers = \"nobody\"\n[[client]]\nname = \"dify\"\nkey = true\n[[client]]\nname = \"cursor\"\nkey = true\n";
    machine.ends();
    machine.starts_with(rules);
    let add =
        |machine: &Machine, client: &str| machine.run_with(rules, &["client", "add", client]).stdout.trim().to_owned();
    let mut old = vec![add(&machine, "dify"), add(&machine, "dify"), add(&machine, "cursor")];
    for key in &old {
        assert_eq!(with_key(&machine, key).await.0, StatusCode::OK, "{key}");
    }
    // With a running daemon, and then without one.
    for alone in [false, true] {
        if alone {
            machine.ends();
        }
        let done = machine.run_with(rules, &["incident", "--rotate-keys"]);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let shown = |name: &str| -> Vec<String> {
            let lines = done.stdout.lines().filter_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
            lines.map(str::to_owned).collect()
        };
        let new = [shown("dify"), shown("cursor")].concat();
        assert!(
            !new.is_empty() && new.iter().all(|key| key.starts_with("mcpk_") && key.len() == 48),
            "{}",
            done.stdout
        );
        assert!(!shown("cursor").is_empty() && new.iter().all(|key| !old.contains(key)));
        assert!(done.stdout.contains("shown this once"), "{}", done.stdout);
        if alone {
            machine.starts_with(rules);
        }
        for key in &old {
            let (status, text) = with_key(&machine, key).await;
            assert!(status == StatusCode::UNAUTHORIZED || status == StatusCode::TOO_MANY_REQUESTS, "{key}: {text}");
            assert!(!text.contains("mcp-proxy resume"), "{text}");
        }
        for key in &new {
            let (status, text) = with_key(&machine, key).await;
            assert!(status == StatusCode::OK && text.contains("mcp-proxy resume"), "who has a key hears why: {text}");
        }
        // Nobody can be shown them again, and no file has them.
        let again = machine.run_with(rules, &["client", "list", "--json"]).stdout + machine.daemon.seen();
        let kept = std::fs::read_to_string(machine.directory.path().join("access.json")).unwrap();
        let trail = std::fs::read_to_string(trail(machine.directory.path())).unwrap();
        for key in old.iter().chain(&new) {
            assert!(![&again, &kept, &trail].iter().any(|text| text.contains(key)), "{key} is kept somewhere");
        }
        old = new;
    }
    assert_eq!(machine.run_with(rules, &["resume"]).code, 0);
    let (_, text) = with_key(&machine, &old[0]).await;
    assert!(text.contains("mcp-proxy login"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_stops_nothing() {
    let machine = Machine::start().await;
    let slip = machine.run(&["incident", "--since", "yesterday"]);
    assert_eq!(slip.code, 64, "{}", slip.stderr);
    assert!(slip.stderr.contains("how long ago"), "{}", slip.stderr);
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_has_a_record_of_each_request_and_each_decision_and_no_argument() {
    let mut machine = Machine::start_with(|serve| {
        // The trail does not depend on the log.
        serve.env("MCP_PROXY_LOG__LEVEL", "error").args(["--blocked-servers", "/lab/secret"]);
    })
    .await;
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
    let refused = |path: &str, host: &str, origin: Option<&str>| {
        let mut request = Request::post(path).header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.body(Full::<Bytes>::default()).unwrap()
    };
    let own = machine.address.to_string();
    for (path, host, origin) in [
        ("/lab/echo", "evil.example", None),
        ("/lab/echo", own.as_str(), Some("https://evil.example")),
        ("/lab/secret/x?token=hidden", own.as_str(), None),
        ("/lab/%2e%2e/secret", own.as_str(), None),
    ] {
        let answer = send(machine.address, refused(path, host, origin)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        whole(answer).await;
    }
    // logrotate's way: rename, then reload.
    let rotated = machine.directory.path().join("audit.jsonl.1");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&trail(machine.directory.path())), 0o600);
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let records = records(machine.directory.path());
    std::fs::rename(trail(machine.directory.path()), rotated).unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|record| (record["path"].as_str().unwrap(), record["verdict"].as_str().unwrap(), record["rule"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("/lab/echo", "allowed", None),
            ("/lab/echo", "refused", Some("listen.allowed_hosts")),
            ("/lab/echo", "refused", Some("listen.allowed_origins")),
            ("/lab/secret/x", "refused", Some("blocked_servers has /lab/secret")),
            ("/lab/%2e%2e/secret", "refused", Some("the path has a dot segment")),
        ]
    );
    assert_eq!(records[0]["calls"], json!([{"method": "tools/call", "name": "echo"}]), "and no argument");
    assert_eq!((&records[0]["status"], &records[0]["ending"]), (&json!(200), &json!("complete")));
    let text = serde_json::to_string(&records).unwrap();
    for hidden in ["arguments", "secret\":", "hidden"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_arguments_are_there_for_a_client_that_asks_for_them_and_values_never() {
    let mut machine = Machine::start().await;
    let file = machine.directory.path().join("mcp-proxy.toml");
    let rules = "\n[[client]]\nname = \"dify\"\nlog_argument_names = true\n";
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + rules).unwrap();
    machine.daemon.signal("HUP");
    machine.daemon.line("in force: client.dify");
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let record = records(machine.directory.path()).remove(0);
    assert_eq!(record["calls"], json!([{"method": "tools/call", "name": "echo", "argument_names": ["secret"]}]));
    assert_eq!(record["client_name"], "dify");
    assert!(!record.to_string().contains("the-value"), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_trail_goes_on_in_a_new_file_after_a_reload() {
    let mut machine = Machine::start().await;
    let (file, rotated) = (trail(machine.directory.path()), machine.directory.path().join("audit.jsonl.1"));
    assert_eq!(machine.post(CALL).await.0, StatusCode::OK);
    // The answer does not wait for the trail.
    let written = async {
        while records(machine.directory.path()).is_empty() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("the record is written");
    std::fs::rename(&file, &rotated).unwrap();
    // A configuration that is not correct must not keep the trail in the old file.
    std::fs::write(machine.directory.path().join("mcp-proxy.toml"), "slip = 1").unwrap();
    machine.daemon.signal("HUP");
    machine.daemon.line("stays as it was");
    assert_eq!(machine.post(NOTE).await.0, StatusCode::OK);
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let methods = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["calls"][0]["method"].clone()).collect()
    };
    assert_eq!(methods(std::fs::read_to_string(rotated).unwrap()), ["tools/call"]);
    assert_eq!(methods(std::fs::read_to_string(file).unwrap()), ["notifications/initialized"]);
}
