//! `mcp-proxy client-config`: what it prints works where it can be run here, what it writes leaves everything else as it
//! is, and the documents show what it prints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};
use support::program::{Finished, Program, bare, command, finish};
use support::{Proxy, sandbox, state_dir};
use tempfile::TempDir;

const KEYS: &str = "[access]\nothers = \"nobody\"\n[[client]]\nname = \"desk\"\nkey = true";

/// A daemon with a control socket, signed in, and a person with a home.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    more: String,
    daemon: Program,
}

impl Machine {
    async fn start(more: &str) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        // The login is made by a daemon in this process, in the same directory.
        let first = Proxy::start_with(&sandbox, "", Clock::system(), directory.clone()).await;
        first.sign_in(&sandbox).await;
        first.stop().await;
        let mut serve = command(&sandbox, directory.path(), more, &["serve"]);
        serve.env("MCP_PROXY_CONTROL__SOCKET", directory.path().join("control.sock"));
        let mut daemon = Program::start(serve);
        daemon.line("Listen: ");
        daemon.line("sandbox-tools");
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { sandbox, directory, more: more.to_owned(), daemon }
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Finished {
        let args: Vec<&str> = ["client-config"].iter().chain(args).copied().collect();
        let mut command = command(&self.sandbox, self.directory.path(), &self.more, &args);
        command.env("MCP_PROXY_CONTROL__SOCKET", self.directory.path().join("control.sock"));
        command.env("HOME", self.home()).envs(environment.iter().copied()).current_dir(self.home());
        finish(command)
    }

    fn printed(&self, args: &[&str]) -> String {
        let finished = self.run(args, &[]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        finished.stdout
    }
}

/// The answer to `initialize` at a URL, with a header.
fn initialize(url: &str, authorization: Option<&str>) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let body = body.to_string();
    let header = authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\n{header}\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_leads_to_the_servers_of_the_daemon() {
    let machine = Machine::start("blocked_servers = [\"sandbox-notes\"]").await;
    let printed: Value = serde_json::from_str(&machine.printed(&["cursor"])).unwrap();
    let servers = printed["mcpServers"].as_object().unwrap();
    assert!(servers.contains_key("sandbox-tools") && !servers.contains_key("sandbox-notes"), "{printed}");
    let answer = initialize(servers["sandbox-tools"]["url"].as_str().unwrap(), None);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("protocolVersion"), "{answer}");

    let one: Value = serde_json::from_str(&machine.printed(&["vscode", "--server", "sandbox-tools"])).unwrap();
    assert_eq!(one["servers"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sandbox-tools"]);
    let blocked = machine.run(&["cursor", "--server", "sandbox-notes"], &[]);
    assert!(blocked.code == 69 && blocked.stderr.contains("blocked_servers has sandbox-notes"), "{}", blocked.stderr);
    assert_eq!(blocked.stdout, "");
    let unknown = machine.run(&["emacs"], &[]);
    assert!(unknown.code == 64 && unknown.stderr.contains("claude-desktop"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_speak_the_language_of_the_person_and_the_snippet_none() {
    let machine = Machine::start("").await;
    let english = machine.run(&["dify"], &[("LANG", "en_US.UTF-8")]);
    let chinese = machine.run(&["dify"], &[("LANG", "zh_CN.UTF-8")]);
    assert_eq!(english.stdout, chinese.stdout);
    assert!(english.stderr.contains("Add MCP Server") && english.stderr.contains("FreeBind=yes"), "{}", english.stderr);
    assert!(chinese.stderr.contains("添加 MCP 服务"), "{}", chinese.stderr);
    // The daemon of the test listens on the loopback address alone, which no container reaches.
    assert!(!english.stdout.contains("127.0.0.1"), "{}", english.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_and_works_and_without_one_there_is_a_placeholder() {
    let mut machine = Machine::start(KEYS).await;
    let plain = machine.run(&["cursor", "--server", "sandbox-tools"], &[]);
    assert!(plain.stdout.contains("Bearer mcpk_...") && plain.stderr.contains("--key-for"), "{}", plain.stderr);
    let wrong = machine.run(&["cursor", "--key-for", "nobody"], &[]);
    assert!(wrong.code == 78 && wrong.stdout.is_empty(), "{}", wrong.stderr);

    let printed = machine.printed(&["cursor", "--server", "sandbox-tools", "--key-for", "desk"]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let server = &printed["mcpServers"]["sandbox-tools"];
    let bearer = server["headers"]["Authorization"].as_str().unwrap();
    let answer = initialize(server["url"].as_str().unwrap(), Some(bearer));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Into a file: closed to others, and no second key for a rehearsal.
    let file = machine.home().join(".cursor/mcp.json");
    let rehearsed = machine.run(&["cursor", "--key-for", "desk", "--dry-run"], &[]);
    assert!(rehearsed.stdout.contains("mcpk_...") && !file.exists(), "{}", rehearsed.stdout);
    assert_eq!(machine.run(&["cursor", "--key-for", "desk", "--write"], &[]).code, 0);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let bearer = written["mcpServers"]["sandbox-tools"]["headers"]["Authorization"].as_str().unwrap();
    assert!(bearer.len() > 40 && !machine.daemon.seen().contains(bearer));
    // What is there stays when it is written again without a key.
    assert_eq!(machine.run(&["cursor", "--write"], &[]).code, 0);
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_changed_and_everything_else_in_it_stays() {
    let machine = Machine::start("").await;
    let file = machine.home().join(".vscode/mcp.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let before =
        "// mine\n{\n\t\"inputs\": [], // none yet\n\t\"servers\": {\n\t\t\"own\": {\"command\": \"x\"}\n\t}\n}\n";
    fs::write(&file, before).unwrap();
    let args = ["vscode", "--server", "sandbox-tools", "--project"];
    let rehearsed = machine.run(&[&args[..], &["--dry-run"]].concat(), &[]);
    assert!(rehearsed.code == 0 && rehearsed.stdout.contains("+\t\t\"sandbox-tools\": {"), "{}", rehearsed.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    let write = [&args[..], &["--write"]].concat();
    assert_eq!(machine.run(&write, &[]).code, 0);
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.starts_with("// mine\n{\n\t\"inputs\": [], // none yet\n\t\"servers\": {\n\t\t\"own\": "), "{after}");
    assert!(after.contains("\"sandbox-tools\": {\n\t\t\t\"type\": \"http\","), "{after}");
    let backup = file.with_file_name("mcp.json.bak");
    assert_eq!(fs::read_to_string(&backup).unwrap(), before);
    fs::remove_file(&backup).unwrap();
    let again = machine.run(&write, &[("LANG", "en_US.UTF-8")]);
    assert!(again.code == 0 && again.stderr.contains("nothing was changed"), "{}", again.stderr);
    assert!(fs::read_to_string(&file).unwrap() == after && !backup.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_or_not_understood_is_left_alone() {
    let machine = Machine::start("").await;
    let file = machine.home().join(".claude.json");
    for (text, says) in [
        ("{\"mcpServers\": ", "not understood"),
        ("{\"mcpServers\": []}", "not understood"),
        ("{\"mcpServers\": {\"sandbox-tools\": {\"url\": \"https://elsewhere.example/mcp\"}}}", "another server"),
        ("{\"mcpServers\": {\"sandbox-tools\": {\"command\": \"npx\"}}}", "another server"),
    ] {
        fs::write(&file, text).unwrap();
        let refused = machine.run(&["claude-code", "--server", "sandbox-tools", "--write"], &[]);
        assert!(refused.code == 65 && refused.stderr.contains(says), "{text}: {}", refused.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    for app in ["dify", "langchain", "inspector"] {
        let refused = machine.run(&[app, "--write"], &[]);
        assert!(refused.code == 64 && refused.stderr.contains("no file"), "{app}: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(machine.home()).unwrap().count(), 1, "nothing else was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_claude_desktop_starts_is_a_bridge() {
    let machine = Machine::start("").await;
    assert_eq!(machine.run(&["claude-desktop", "--server", "sandbox-tools", "--write"], &[]).code, 0);
    let file = machine.home().join(".config/Claude/claude_desktop_config.json");
    let written: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let server = &written["mcpServers"]["sandbox-tools"];
    let arguments = server["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let mut command = Command::new(server["command"].as_str().unwrap());
    command.args(arguments).env_clear();
    command.env("MCP_PROXY_CONTROL__SOCKET", machine.directory.path().join("control.sock"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    writeln!(child.stdin.as_mut().unwrap(), "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("protocolVersion"), "{line}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// The program that runs a client of other people; `None`, after saying so, where `tests/prepare` could not install it.
#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was not tested")]
fn installed(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if !path.exists() {
        println!(
            "SKIPPED {}: {} is missing: run tests/prepare",
            std::thread::current().name().unwrap_or("a test"),
            path.display()
        );
    }
    path.exists().then_some(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_takes_its_configuration() {
    let build = "tests/clients/inspector/node_modules/@modelcontextprotocol/inspector-cli/build";
    let Some(build) = installed(build) else { return };
    let machine = Machine::start("").await;
    let file = machine.home().join("mcp.json");
    fs::write(&file, machine.printed(&["inspector", "--server", "sandbox-tools"])).unwrap();
    let mut inspector = Command::new("node");
    inspector.arg(build.join("cli.js")).args(["--cli", "--config"]).arg(file);
    inspector.args(["--server", "sandbox-tools", "--method", "tools/list"]).current_dir(build);
    inspector.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let listed = inspector.output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(text.contains("\"echo\""), "{text}{}", String::from_utf8_lossy(&listed.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_for_langchain_lists_the_tools() {
    let Some(python) = installed("target/test-clients/py1/bin/python") else { return };
    let machine = Machine::start("").await;
    let file = machine.home().join("tools.py");
    fs::write(&file, machine.printed(&["langchain", "--server", "sandbox-tools"])).unwrap();
    let ran =
        Command::new(python).arg(file).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.lines().any(|line| line == "echo"), "{text}{}", String::from_utf8_lossy(&ran.stderr));
}

/// What the command prints without a daemon for the server of the documents.
fn documented(app: &str) -> String {
    let server = "/accounts/1234/custom/NAME/id/ID/mcp";
    let mut command = bare(&["client-config", app, "--server", server]);
    command.env("MCP_PROXY_CONTROL__SOCKET", "off");
    let finished = finish(command);
    assert_eq!(finished.code, 0, "{app}: {}", finished.stderr);
    let printed = finished.stdout.replace(env!("CARGO_BIN_EXE_mcp-proxy"), "mcp-proxy");
    // Docker may have another bridge where this runs.
    match (app, printed.find("http://"), printed.find(":8088")) {
        ("dify", Some(begin), Some(end)) => format!("{}http://172.17.0.1{}", &printed[..begin], &printed[end..]),
        _ => printed,
    }
}

#[test]
fn the_document_shows_what_is_printed() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
    let document = fs::read_to_string(document).unwrap();
    let apps = [
        "dify",
        "claude-code",
        "claude-desktop",
        "cursor",
        "vscode",
        "cherry-studio",
        "langchain",
        "openai-agents",
        "inspector",
    ];
    for app in apps {
        let printed = documented(app);
        assert!(document.contains(&format!("\n{printed}```")), "{app}:\n{printed}");
        assert!(document.contains(&format!("mcp-proxy client-config {app}")), "{app}");
    }
}
