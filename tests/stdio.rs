//! `mcp-proxy stdio`: the real program between a client that speaks over standard input and output, played here line by
//! line, and a daemon in front of the sandbox. What other people's clients make of it is in `clients.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};
use support::prerequisites::{Need, lacks};
use support::program::{Program, bare, command};
use support::{PATIENCE, Proxy, sandbox, state_dir};
use tempfile::TempDir;

const CALL: &str = "tools/call";

/// A running bridge, and its client's side.
struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    /// What came while something else was waited for.
    early: Vec<Value>,
}

impl Bridge {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { input: child.stdin.take(), child, lines, early: Vec::new() }
    }

    /// To the server at `path`, through the daemon at the port of `proxy`.
    fn to(proxy: &Proxy, path: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = bare(&["stdio", "--server", path]);
        command.arg("--config").arg(led_to(proxy)).envs(environment.iter().copied());
        Self::start(command)
    }

    fn say(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        self.say(message.to_string().as_bytes());
    }

    /// The next message; every line of standard output is one.
    fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The answer to `id`; what comes before it is kept.
    fn answer(&mut self, id: &Value) -> Value {
        let is_it = |message: &Value| message["id"] == *id && message.get("method").is_none();
        if let Some(at) = self.early.iter().position(is_it) {
            return self.early.remove(at);
        }
        loop {
            let message = self.next();
            if is_it(&message) {
                return message;
            }
            self.early.push(message);
        }
    }

    fn ask(&mut self, id: u64, method: &str, params: &Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.answer(&json!(id))
    }

    /// Begins a session as clients do.
    fn begin(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.ask(0, "initialize", &params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer
    }

    fn echo(&mut self, id: u64, text: &str) -> Value {
        self.ask(id, CALL, &json!({"name": "echo", "arguments": {"text": text}}))
    }

    fn echoes(&mut self, id: u64) {
        let text = format!("call {id}");
        let answer = self.echo(id, &text);
        assert_eq!(answer["result"]["content"][0]["text"], text, "{answer}");
    }

    /// Says that there is nothing more, and answers the exit code and what still came.
    fn end(&mut self) -> (i32, Vec<Value>) {
        drop(self.input.take());
        let mut last = std::mem::take(&mut self.early);
        while let Ok(line) = self.lines.recv_timeout(PATIENCE * 4) {
            last.push(serde_json::from_str(&line).unwrap());
        }
        (self.child.wait().unwrap().code().unwrap_or(-1), last)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration that leads to the daemon of `proxy` and to nothing else.
fn led_to(proxy: &Proxy) -> PathBuf {
    let file = proxy.state_dir().path().join("stdio.toml");
    let (host, port) = (proxy.address.ip(), proxy.address.port());
    let text = format!("[listen]\nhost = \"{host}\"\nport = {port}\n[control]\nsocket = \"off\"\n");
    std::fs::write(&file, text).unwrap();
    file
}

fn path(sandbox: &Sandbox, sse: bool) -> String {
    let server = sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap();
    if sse { server.sse_path } else { server.mcp_path }
}

async fn bridged(more: &str) -> (Sandbox, Proxy, Bridge) {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in_with(&sandbox, more).await;
    let bridge = Bridge::to(&proxy, &path(&sandbox, false), &[]);
    (sandbox, proxy, bridge)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_beginning_to_end() {
    let (_sandbox, _proxy, mut bridge) = bridged("").await;
    let answer = bridge.begin();
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{answer}");
    for id in 1..4 {
        bridge.echoes(id);
    }
    let text = "a\u{2028}b\u{2029}c\u{85}d \"e\"\\n";
    assert_eq!(bridge.echo(4, text)["result"]["content"][0]["text"], text);
    assert_eq!(bridge.end(), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_they_are_ready_and_all_of_them_before_the_end() {
    let (_sandbox, _proxy, mut bridge) = bridged("").await;
    bridge.begin();
    let slow = json!({"name": "progress", "arguments": {"seconds": 2, "steps": 1}});
    bridge.send(&json!({"jsonrpc": "2.0", "id": "slow", "method": CALL, "params": slow}));
    for id in 1..20 {
        let params = json!({"name": "echo", "arguments": {"text": id.to_string()}});
        bridge.send(&json!({"jsonrpc": "2.0", "id": id, "method": CALL, "params": params}));
    }
    for id in 1..20 {
        assert_eq!(bridge.answer(&json!(id))["result"]["content"][0]["text"], id.to_string());
    }
    assert!(bridge.early.iter().all(|message| message["id"] != "slow"), "it was not waited for");
    let (code, last) = bridge.end();
    let slow = last.iter().find(|message| message["id"] == "slow").expect("it is answered after the end of the input");
    assert!(slow.get("result").is_some() && code == 0, "{slow}, {code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_said_and_the_session_goes_on() {
    let (_sandbox, _proxy, mut bridge) = bridged("").await;
    bridge.begin();
    for (line, code) in [
        (&b"hello"[..], -32700),
        (b"{\"jsonrpc\":\"2.0\",", -32700),
        (b"\x00\xFF\xFE", -32700),
        (b"{\"method\":\"\xFF\"}", -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (b"null", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
        (b"GET / HTTP/1.1", -32700),
    ] {
        bridge.say(line);
        let answer = bridge.answer(&Value::Null);
        assert_eq!(answer["error"]["code"], code, "{}: {answer}", String::from_utf8_lossy(line));
    }
    bridge.say(b"");
    bridge.say(b"  \r");
    // Sixty-four MiB are the most that one message may have.
    for _ in 0..65 {
        bridge.input.as_mut().unwrap().write_all(&vec![b'x'; 1024 * 1024]).unwrap();
    }
    bridge.say(b"");
    assert_eq!(bridge.answer(&Value::Null)["error"]["code"], -32600);
    bridge.echoes(7);
    assert_eq!(bridge.end(), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_login_the_answer_says_how_to_sign_in() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let mut bridge = Bridge::to(&proxy, &path(&sandbox, false), &[]);
    let error = bridge.begin()["error"].clone();
    assert!(error["code"] == -31401 && error["message"].as_str().unwrap().contains("mcp-proxy login"), "{error}");
    let error = bridge.ask(1, "tools/list", &json!({}))["error"].clone();
    assert_eq!(error["code"], -31401, "{error}");
    proxy.sign_in(&sandbox).await;
    bridge.begin();
    bridge.echoes(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_with_the_words_of_the_rule() {
    let (_sandbox, _proxy, mut bridge) = bridged("blocked_servers = [\"sandbox-tools\"]").await;
    let error = bridge.begin()["error"].clone();
    assert_eq!(error["code"], -31403, "{error}");
    assert!(error["message"].as_str().unwrap().contains("blocked_servers has sandbox-tools"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_key_comes_by_the_environment_alone() {
    let sandbox = sandbox().await;
    let more = "[access]\nothers = \"nobody\"\n[[client]]\nname = \"desk\"\nkey = true";
    let proxy = Proxy::signed_in_with(&sandbox, more).await;
    let mut stranger = Bridge::to(&proxy, &path(&sandbox, false), &[]);
    let error = stranger.begin()["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("needs a key"), "{error}");

    let config = proxy.state_dir().path().join("mcp-proxy.toml");
    let added = bare(&["client", "add", "desk", "--config"]).arg(config).output().unwrap();
    let key = String::from_utf8(added.stdout).unwrap();
    let wrong = "mcpk_0000000000000000000000000000000000000000000";
    let mut guest = Bridge::to(&proxy, &path(&sandbox, false), &[("MCP_PROXY_CLIENT_KEY", wrong)]);
    assert!(guest.begin()["error"]["message"].as_str().unwrap().contains("not known"));
    // The daemon notices a new key within a second or so.
    let mut client = Bridge::to(&proxy, &path(&sandbox, false), &[("MCP_PROXY_CLIENT_KEY", key.trim())]);
    let end = std::time::Instant::now() + PATIENCE;
    while client.begin().get("result").is_none() {
        assert!(std::time::Instant::now() < end, "the key is not taken");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    client.echoes(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_without_sessions_pass_with_their_headers() {
    let (_sandbox, _proxy, mut bridge) = bridged("").await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discovered = bridge.ask(1, "server/discover", &json!({"_meta": meta}));
    assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
    let params = json!({"_meta": meta, "name": "echo", "arguments": {"text": "stateless"}});
    let answer = bridge.ask(2, CALL, &params);
    assert_eq!(answer["result"]["content"][0]["text"], "stateless", "{answer}");
    // The end of the response is what cancels here; nobody waits for the answer, and the next call is served.
    let params = json!({"_meta": meta, "name": "progress", "arguments": {"seconds": 30, "steps": 3}});
    bridge.send(&json!({"jsonrpc": "2.0", "id": 3, "method": CALL, "params": params}));
    let params = json!({"_meta": meta, "requestId": 3});
    bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    let answer = bridge.ask(4, "tools/list", &json!({"_meta": meta}));
    assert!(answer["result"]["tools"].is_array(), "{answer}");
    assert_eq!(bridge.end(), (0, Vec::new()), "the cancelled call was not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_first_transport_is_recognised() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let mut bridge = Bridge::to(&proxy, &path(&sandbox, true), &[]);
    let answer = bridge.begin();
    assert!(answer.get("result").is_some(), "{answer}");
    for id in 1..4 {
        bridge.echoes(id);
    }
    assert_eq!(bridge.end(), (0, Vec::new()));
}

/// A daemon of its own, as the real program with a control socket and a Unix socket for clients.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    more: String,
    daemon: Program,
    /// `127.0.0.1:PORT`, for clients.
    address: String,
}

impl Machine {
    async fn signed_in() -> Self {
        Self::signed_in_with("").await
    }

    async fn signed_in_with(more: &str) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        // The login is made by a daemon in this process, in the same directory.
        let signed_in =
            Proxy::start_with(&sandbox, "", mcp_proxy::model::time::Clock::system(), directory.clone()).await;
        signed_in.sign_in(&sandbox).await;
        signed_in.stop().await;
        let (daemon, address) = serve(&sandbox, directory.path(), more);
        Self { sandbox, directory, more: more.to_owned(), daemon, address }
    }

    fn restart(&mut self) {
        self.daemon.signal("TERM");
        self.daemon.wait();
        self.serve();
    }

    fn serve(&mut self) {
        (self.daemon, self.address) = serve(&self.sandbox, self.directory.path(), &self.more);
    }

    fn bridge(&self, args: &[&str]) -> Bridge {
        let mut command = command(&self.sandbox, self.directory.path(), &self.more, args);
        Bridge::start({
            command.envs(sockets(self.directory.path()));
            command
        })
    }
}

fn sockets(directory: &Path) -> BTreeMap<String, String> {
    let place = |name: &str| directory.join(name).display().to_string();
    BTreeMap::from([
        ("MCP_PROXY_CONTROL__SOCKET".to_owned(), place("control.sock")),
        ("MCP_PROXY_LISTEN__UNIX".to_owned(), place("mcp.sock")),
    ])
}

fn serve(sandbox: &Sandbox, directory: &Path, more: &str) -> (Program, String) {
    let mut command = command(sandbox, directory, more, &["serve"]);
    command.envs(sockets(directory));
    let mut daemon = Program::start(command);
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    daemon.line("sandbox-tools");
    (daemon, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_looked_up_at_the_daemon_and_a_restart_is_survived() {
    let mut machine = Machine::signed_in().await;
    let mut bridge = machine.bridge(&["stdio", "--server", "sandbox-tools"]);
    assert!(bridge.begin().get("result").is_some());
    bridge.echoes(1);
    machine.restart();
    bridge.echoes(2);
    // What is asked while nobody is there waits.
    machine.daemon.signal("TERM");
    machine.daemon.wait();
    let params = json!({"name": "echo", "arguments": {"text": "patience"}});
    bridge.send(&json!({"jsonrpc": "2.0", "id": 3, "method": CALL, "params": params}));
    machine.serve();
    assert_eq!(bridge.answer(&json!(3))["result"]["content"][0]["text"], "patience");
    assert_eq!(bridge.end(), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_said_as_the_answer() {
    let machine = Machine::signed_in().await;
    let mut bridge = machine.bridge(&["stdio", "--server", "sandbox-tool"]);
    let error = bridge.begin()["error"].clone();
    let words = error["message"].as_str().unwrap();
    assert!(words.contains("no MCP server \"sandbox-tool\"") && words.contains("sandbox-notes"), "{words}");
    assert_eq!(bridge.end(), (69, Vec::new()));

    let mut bridge = machine.bridge(&["stdio"]);
    let error = bridge.begin()["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("several MCP servers"), "{error}");
}

/// Somebody who may use the port but not look names up: with a path there is nothing to look up.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_open_the_sockets_uses_the_port() {
    if lacks("who_may_not_open_the_sockets_uses_the_port", Need::OtherUsers) {
        return;
    }
    let machine = Machine::signed_in_with("[access]\nothers = \"anyone\"").await;
    let directory = machine.directory.path();
    std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let address = machine.address.clone();
    let (host, port) = address.rsplit_once(':').unwrap();
    let file = directory.join("theirs.toml");
    let text =
        format!("[listen]\nhost = \"{host}\"\nport = {port}\nunix = [\"{}\"]\n", directory.join("mcp.sock").display());
    std::fs::write(&file, text).unwrap();
    // Where the program was built, others may not look.
    let program = directory.join("mcp-proxy");
    std::fs::copy(env!("CARGO_BIN_EXE_mcp-proxy"), &program).unwrap();
    for readable in [&file, &program] {
        std::fs::set_permissions(readable, Permissions::from_mode(0o755)).unwrap();
    }
    let other = |server: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--clear-groups", "--reuid=4321", "--regid=4321"]).arg(&program);
        command.args(["stdio", "--server", server, "--config"]).arg(&file);
        command.env("MCP_PROXY_CONTROL__SOCKET", directory.join("control.sock")).env("HOME", "/nonexistent");
        command.current_dir("/");
        Bridge::start(command)
    };
    let mut bridge = other(&path(&machine.sandbox, false));
    let begun = bridge.begin();
    assert!(begun.get("result").is_some(), "{begun}");
    bridge.echoes(1);
    assert_eq!(bridge.end(), (0, Vec::new()));

    let error = other("sandbox-tools").begin()["error"].clone();
    let words = error["message"].as_str().unwrap();
    assert!(words.contains("you may not open its control socket") && words.contains("by its path"), "{words}");
}
