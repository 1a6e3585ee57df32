//! The list of MCP servers with the real program: all pages and both lists, the hosts of listed URLs, rules by name for
//! servers that are made later, and `mcp-proxy servers` with and without a daemon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::{ApiFault, Sandbox};
use serde_json::{Value, json};
use support::person::sign_in;
use support::program::{Finished, Program, command, finish};
use support::{Proxy, environment, post, sandbox, send, state_dir, whole};
use tempfile::TempDir;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// A signed-in daemon with API credentials, and whoever asks it.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    daemon: Program,
    address: String,
}

impl Machine {
    async fn start(more: &str, prepare: impl FnOnce(&Sandbox)) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        prepare(&sandbox);
        let port = sign_in(&sandbox, directory.path(), &[]).await;
        let mut serve = command(&sandbox, directory.path(), more, &["serve", "--port", &port]);
        serve.env("MCP_PROXY_CONTROL__SOCKET", socket(directory.path()));
        let mut daemon = Program::start(serve);
        let address = daemon.line("Listen: ").replace("Listen: ", "");
        daemon.line("Available Servers");
        Self { sandbox, directory, daemon, address }
    }

    /// `mcp-proxy servers` of somebody who has neither credentials nor the daemon's files.
    fn servers(&self, args: &[&str]) -> Finished {
        let mut command = support::program::bare(&[&["servers"], args].concat());
        command.env("MCP_PROXY_CONTROL__SOCKET", socket(self.directory.path())).env("HOME", "/nonexistent");
        finish(command)
    }

    fn json(&self) -> Value {
        let finished = self.servers(&["--json"]);
        assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{}", finished.stdout);
        serde_json::from_str(&finished.stdout).unwrap()
    }

    /// Name, verdict and reason of every server.
    fn verdicts(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let answer = self.json();
        let servers = answer["upstreams"][0]["servers"].as_array().unwrap();
        servers.iter().map(|one| (text(&one["name"]), text(&one["verdict"]), text(&one["reason"]))).collect()
    }

    async fn post(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) =
            whole(send(self.address.parse().unwrap(), post(self.address.parse().unwrap(), path, INITIALIZE)).await)
                .await;
        (status, body)
    }

    /// The path that the cloud gives a server.
    fn path_of(&self, id: &str) -> String {
        self.sandbox.servers().into_iter().find(|server| server.id == id).unwrap().mcp_path
    }

    /// Has the configuration and the list read anew, and waits until the list has another length.
    fn reload(&mut self, servers: usize) {
        self.daemon.signal("HUP");
        let deadline = Instant::now() + support::PATIENCE;
        while self.verdicts().len() != servers {
            assert!(Instant::now() < deadline, "{:?}", self.verdicts());
        }
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

#[tokio::test(flavor = "multi_thread")]
async fn e4_all_pages_are_listed_and_the_core_edition_beside_them() {
    let machine = Machine::start("", |sandbox| sandbox.cloud().set_page_size(1)).await;
    let answer = machine.json();
    assert_eq!((&answer["version"], &answer["upstreams"][0]["state"]), (&json!(1), &json!("current")));
    let names: Vec<String> = machine.verdicts().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["sandbox-tools", "sandbox-notes", "cloudphone", "core"]);
    for server in answer["upstreams"][0]["servers"].as_array().unwrap() {
        let url = server["mcp"]["url"].as_str().unwrap();
        let path = url.strip_prefix(&format!("http://{}", machine.address)).expect(url);
        assert_eq!(path, server["mcp"]["path"]);
        let (status, body) = machine.post(path).await;
        assert_eq!(status, StatusCode::OK, "{url}: {body}");
    }
    let text = machine.servers(&[]).stdout;
    let expected = format!(
        "  core\n    id         cOrE000000000001\n    MCP        http://{}/id/cOrE000000000001/mcp\n",
        machine.address
    );
    assert!(text.starts_with("alibaba: 4 servers\n") && text.contains(&expected), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_rule_by_name_holds_for_servers_that_are_made_later() {
    let mut machine = Machine::start("blocked_servers = [\"secret\"]\n", |_| ()).await;
    let (later, harmless) = (machine.sandbox.cloud().add_server("secret"), machine.sandbox.cloud().add_server("open"));
    let (blocked, open) = (machine.path_of(&later), machine.path_of(&harmless));
    // Until the list has them, nobody knows which of them is the one.
    for path in [&blocked, &open, &blocked.replace("/custom/secret/", "/custom/open/")] {
        let (status, body) = machine.post(path).await;
        assert!(status == StatusCode::FORBIDDEN && body.contains("it is not known"), "{path}: {status} {body}");
    }
    machine.reload(6);
    assert_eq!(machine.post(&open).await.0, StatusCode::OK);
    for path in [&blocked, &blocked.replace("/custom/secret/", "/custom/open/")] {
        let (status, body) = machine.post(path).await;
        assert!(status == StatusCode::FORBIDDEN && body.contains("blocked_servers has secret"), "{path}: {body}");
    }
    let verdicts = machine.verdicts();
    let of = |name: &str| verdicts.iter().find(|(own, ..)| own == name).map(|(_, verdict, _)| verdict.as_str());
    assert_eq!((of("secret"), of("open"), of("core")), (Some("blocked"), Some("allowed"), Some("allowed")));

    // A second one of that name, and lists that a reload exchanges.
    machine.sandbox.cloud().add_server("secret");
    machine.sandbox.cloud().add_server("other");
    machine.reload(8);
    let verdicts = machine.verdicts();
    assert_eq!(verdicts.iter().filter(|(_, verdict, _)| verdict == "blocked").count(), 2, "{verdicts:?}");
    let file = machine.directory.path().join("mcp-proxy.toml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("blocked_servers = [\"secret\"]", "allowed_servers = [\"open\", \"opne\"]");
    std::fs::write(&file, text).unwrap();
    machine.sandbox.cloud().remove_server(&harmless);
    machine.sandbox.cloud().add_server("open");
    machine.sandbox.cloud().add_server("open");
    machine.reload(9);
    let verdicts = machine.verdicts();
    let allowed = verdicts.iter().filter(|(_, verdict, _)| verdict == "allowed").count();
    assert_eq!((allowed, machine.json()["upstreams"][0]["nobody"].clone()), (2, json!(["opne"])), "{verdicts:?}");
}

#[tokio::test]
async fn d4_a_request_for_a_server_that_is_not_listed_has_the_list_read_again_and_no_storm_of_them_does() {
    let sandbox = sandbox().await;
    let more = "auth = \"access-key\"\nblocked_servers = [\"secret\"]\n";
    let proxy = Proxy::start_with(&sandbox, more, Clock::system(), state_dir()).await;
    let lists = || sandbox.cloud().counts().api_calls("ListApiMcpServers");
    let answers = async |path: &str, wanted: StatusCode, says: &str| {
        let waited = async {
            loop {
                let (status, _, body) = proxy.post(path, INITIALIZE).await;
                if status == wanted && body.contains(says) {
                    return;
                }
            }
        };
        tokio::time::timeout(support::PATIENCE, waited)
            .await
            .unwrap_or_else(|_| panic!("{path}: never {wanted} {says}"));
    };
    answers(&sandbox.servers()[0].mcp_path, StatusCode::OK, "").await;
    assert_eq!(lists(), 1);
    let ids = ["secret", "open"].map(|name| sandbox.cloud().add_server(name));
    let path_of = |id: &str| sandbox.servers().into_iter().find(|server| server.id == id).unwrap().mcp_path;
    let [blocked, open] = ids.map(|id| path_of(&id));
    for _ in 0..20 {
        answers(&open, StatusCode::FORBIDDEN, "it is not known").await;
        answers(&blocked, StatusCode::FORBIDDEN, "it is not known").await;
    }
    assert_eq!(lists(), 1, "not yet, and not for each of them");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30)).await;
    tokio::time::resume();
    answers(&open, StatusCode::OK, "").await;
    answers(&blocked, StatusCode::FORBIDDEN, "blocked_servers has secret").await;
    assert_eq!(lists(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_without_credentials_it_is_said_whose_credentials_count() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let credentials = environment(&sandbox);
    let with_socket = |args: &[&str]| {
        let mut command = command(&sandbox, directory.path(), "auth = \"access-key\"\n", args);
        command.env("MCP_PROXY_CONTROL__SOCKET", socket(directory.path()));
        command
    };
    let mut serve = with_socket(&["serve"]);
    credentials.keys().for_each(|name| {
        serve.env_remove(name);
    });
    let mut daemon = Program::start(serve);
    daemon.line("the server list cannot be read");
    // Whoever asks has credentials of their own; what they would show is not what the daemon decides by.
    let asked = with_socket(&["servers"]);
    let asked = tokio::task::spawn_blocking(|| finish(asked)).await.unwrap();
    assert_eq!(asked.code, 69, "{}", asked.stdout);
    assert!(asked.stdout.starts_with("alibaba: not known yet ("), "{}", asked.stdout);
    assert!(
        asked.stderr.contains("its API credentials that read this list and decide by it, not yours"),
        "{}",
        asked.stderr
    );
    assert_eq!(sandbox.cloud().counts().api_calls("ListApiMcpServers"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_said_once_by_a_daemon_and_again_when_it_changes() {
    let mut machine = Machine::start("", |sandbox| sandbox.cloud().set_clock_offset(2 * 3600)).await;
    let said = |machine: &mut Machine| machine.daemon.seen().matches("the clock of this machine").count();
    let refused = |machine: &Machine| machine.sandbox.cloud().counts().api_errors["InvalidTimeStamp.Expired"];
    assert_eq!(said(&mut machine), 1);
    let before = refused(&machine);
    for servers in 5..=6 {
        machine.sandbox.cloud().add_server("more");
        machine.reload(servers);
    }
    assert_eq!((said(&mut machine), refused(&machine)), (1, before), "it is known: nothing is refused, nothing said");
    machine.sandbox.cloud().set_clock_offset(0);
    machine.sandbox.cloud().add_server("more");
    machine.reload(7);
    assert_eq!(refused(&machine), before + 1);
    assert!(machine.daemon.seen().contains("the clock of this machine agrees with the cloud's again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn e5_a_server_on_another_host_is_shown_as_out_of_reach_with_the_reason() {
    let mut machine = Machine::start("", |sandbox| {
        sandbox.cloud().set_public_base("https://openapi-mcp.ap-southeast-1.aliyuncs.com");
        sandbox.cloud().set_vpc_base("https://evil.example");
    })
    .await;
    for (name, verdict, reason) in machine.verdicts() {
        assert_eq!(verdict, "out-of-reach", "{name}");
        assert!(
            reason.contains("https://openapi-mcp.ap-southeast-1.aliyuncs.com, the gateway of the site INTL"),
            "{reason}"
        );
    }
    let answer = machine.json();
    assert_eq!(
        (&answer["upstreams"][0]["servers"][0]["mcp"], &answer["upstreams"][0]["servers"][0]["sse"]),
        (&json!(null), &json!(null))
    );
    assert!(machine.servers(&[]).stdout.contains("    verdict    out of reach: it is on https://openapi-mcp.ap-"));
    assert!(machine.daemon.seen().contains("a listed server is out of reach"), "{}", machine.daemon.seen());

    // The gateway's host in the other network serves the same paths, here too.
    machine.sandbox.cloud().set_vpc_base("https://openapi-mcp-cn.vpc-proxy.aliyuncs.com");
    machine.sandbox.cloud().set_public_base("https://evil.example");
    machine.sandbox.cloud().add_server("more");
    machine.reload(5);
    for (name, verdict, _) in machine.verdicts() {
        assert_eq!(verdict, "allowed", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_the_cloud_is_asked_and_else_the_saved_list_is_shown() {
    let mut machine = Machine::start("blocked_servers = [\"core\"]\n", |_| ()).await;
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let servers = |credentials: bool, args: &[&str]| {
        let mut command = command(&machine.sandbox, machine.directory.path(), "blocked_servers = [\"core\"]\n", args);
        if !credentials {
            environment(&machine.sandbox).keys().for_each(|name| {
                command.env_remove(name);
            });
        }
        finish(command)
    };
    let asked = servers(true, &["servers", "--port", "9"]);
    assert_eq!((asked.code, asked.stderr.as_str()), (0, ""), "{}", asked.stdout);
    assert!(asked.stdout.starts_with("alibaba: 4 servers\n  sandbox-tools\n"), "{}", asked.stdout);
    assert!(asked.stdout.contains("http://127.0.0.1:9/accounts/"), "{}", asked.stdout);
    assert!(asked.stdout.contains("blocked: blocked_servers has core"), "{}", asked.stdout);

    let saved = servers(false, &["servers"]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    assert!(saved.stdout.contains("Note: this is the last list that could be read ("), "{}", saved.stdout);
    let state: Value = serde_json::from_str(&servers(false, &["servers", "--json"]).stdout).unwrap();
    assert_eq!(state["upstreams"][0]["state"], "saved");

    std::fs::remove_dir_all(machine.directory.path().join("catalogue")).unwrap();
    let unknown = servers(false, &["servers"]);
    assert_eq!(unknown.code, 69, "{}", unknown.stdout);
    assert!(unknown.stdout.starts_with("alibaba: not known yet ("), "{}", unknown.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_may_not_list_is_told_the_ram_action_and_the_policy() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (key, _) = sandbox.access_key();
    let servers = || finish(command(&sandbox, directory.path(), "", &["servers"]));
    sandbox.cloud().set_permission(&key, "openapiexplorer:ListApiMcpServerCores", false);
    let partly = servers();
    assert_eq!(partly.code, 0, "{}", partly.stdout);
    assert!(partly.stdout.starts_with("alibaba: 3 servers\n"), "{}", partly.stdout);
    let policy = r#"{"Statement":[{"Action":"openapiexplorer:ListApiMcpServerCores","Effect":"Allow","Resource":"*"}],"Version":"1"}"#;
    assert!(
        partly.stdout.contains("Core edition is not listed") && partly.stdout.contains(policy),
        "{}",
        partly.stdout
    );

    sandbox.cloud().set_permission(&key, "openapiexplorer:ListApiMcpServers", false);
    let refused = servers();
    assert_eq!(refused.code, 69, "{}", refused.stdout);
    assert!(refused.stdout.contains(r#""Action":"openapiexplorer:ListApiMcpServers""#), "{}", refused.stdout);
    sandbox.cloud().fail_api(ApiFault::Throttled { retry_after_ms: Some(60_000) }, None);
    let throttled = servers();
    assert!(throttled.code == 69 && throttled.stdout.contains("too many calls"), "{}", throttled.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_and_a_busy_cloud_are_said_and_the_list_is_read_all_the_same() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let servers = || finish(command(&sandbox, directory.path(), "", &["servers"]));
    for (hours, says) in
        [(8, "the clock of this machine is 8 h behind"), (-8, "the clock of this machine is 8 h ahead")]
    {
        sandbox.cloud().set_clock_offset(hours * 3600);
        let listed = servers();
        assert_eq!(listed.code, 0, "{}", listed.stdout);
        let minutes = says.replace("8 h", "7 h 59 min");
        assert!(listed.stderr.contains(says) || listed.stderr.contains(&minutes), "{}", listed.stderr);
        assert_eq!(listed.stderr.lines().count(), 1, "it is learned once: {}", listed.stderr);
    }
    sandbox.cloud().set_clock_offset(3 * 24 * 3600);
    let refused = servers();
    assert_eq!(refused.code, 69, "{}", refused.stdout);
    assert!(refused.stdout.contains("behind, and 15 minutes are allowed. Set the clock"), "{}", refused.stdout);

    sandbox.cloud().set_clock_offset(0);
    sandbox.cloud().fail_api(ApiFault::Throttled { retry_after_ms: Some(10) }, Some(2));
    let waited = servers();
    assert_eq!((waited.code, waited.stderr.as_str()), (0, ""), "{}", waited.stdout);
    assert!(waited.stdout.starts_with("alibaba: 4 servers\n"), "{}", waited.stdout);
}

/// The keys of every object in `value`.
fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            into.insert(name.clone());
            keys(value, into);
        }),
        Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_documented() {
    let machine = Machine::start("", |_| ()).await;
    let mut names = BTreeSet::new();
    keys(&machine.json(), &mut names);
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTROL.md")).unwrap();
    let section = document.split("\n## The servers\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let missing: Vec<&String> = names.iter().filter(|name| !section.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/CONTROL.md does not describe {missing:?}");
}
