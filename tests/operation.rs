//! The real program as an operator meets it (rows E of the failure list, and A12): start, messages, exit codes, saved
//! logins that are not usable, the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks and a clock of its own")]

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use support::person::{follow, logins, sign_in};
use support::program::{Program, bare, command, finish};
use support::{PATIENCE, post, sandbox, send, state_dir, whole};
use tokio::task::JoinSet;

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":"a-7","method":"tools/list"}"#;
const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";

/// A daemon of the real program.
struct Running {
    program: Program,
    address: SocketAddr,
}

impl Running {
    fn start(sandbox: &Sandbox, directory: &Path, args: &[&str]) -> Self {
        let mut program = Program::start(command(sandbox, directory, "", args));
        let address = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
        Self { program, address }
    }

    async fn get(&self, path: &str) -> StatusCode {
        follow(&format!("http://{}{path}", self.address)).await.0
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, http::HeaderMap, String) {
        whole(send(self.address, post(self.address, path, body)).await).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e1_a_start_from_a_saved_login_needs_no_cloud() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    sandbox.cloud().refuse_connections(true);
    sandbox.cloud().refuse_token_connections(true);
    let mut running = Running::start(&sandbox, directory.path(), &[]);
    assert_eq!(running.get("/health").await, StatusCode::OK);
    let (status, _, text) = running.post(ECHO, REQUEST).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("\"a-7\"") && text.contains("cannot reach alibaba"), "{text}");
    running.program.line("Available Servers: not known");
    assert_eq!(running.get("/health").await, StatusCode::OK);

    sandbox.cloud().clear_faults();
    assert_eq!(running.post(ECHO, REQUEST).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn e3_started_is_printed_once_the_port_accepts() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    for _ in 0..5 {
        let running = Running::start(&sandbox, directory.path(), &[]);
        TcpStream::connect(running.address).expect("whoever read the line may connect");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e3_a_port_in_use_is_named_with_who_holds_it_and_nothing_is_called_started() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = finish(command(&sandbox, directory.path(), "", &["--port", &address.port().to_string()]));
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("(process {})", std::process::id())), "{}", ended.stderr);
    assert!(ended.stderr.contains("--port"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn e4_every_page_of_the_server_list_is_read_and_printed() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let cloud = sandbox.cloud();
    cloud.set_page_size(2);
    cloud.add_server("fourth");
    cloud.add_server("fifth");
    let servers = sandbox.servers();
    assert_eq!(servers.len(), 5);
    sign_in(&sandbox, directory.path(), &[]).await;
    let mut running = Running::start(&sandbox, directory.path(), &[]);
    let last = servers.last().unwrap();
    running.program.line(&last.sse_path);
    let printed = running.program.seen().to_owned();
    for server in &servers {
        for path in [&server.mcp_path, &server.sse_path] {
            assert!(printed.contains(&format!("http://{}{path}", running.address)), "{path}: {printed}");
        }
    }
}

#[test]
fn a_slip_on_the_command_line_ends_with_64_and_names_the_flag() {
    for (args, says) in [
        (&["--prot", "1"][..], "--port"),
        (&["serve", "--region-type", "EU"], "--region-type: invalid region type: \"EU\"; must be CN or INTL"),
        (&["--port", "99999"], "--port"),
        (&["--blocked-servers", "a/b"], "--blocked-servers"),
        (&["sing-in"], "sing-in"),
    ] {
        let mut command = bare(args);
        command.env("HOME", "/nonexistent");
        let ended = finish(command);
        assert_eq!(ended.code, 64, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    for (args, says) in [(["--help"], "--allowed-servers"), (["--version"], env!("CARGO_PKG_VERSION"))] {
        let ended = finish(bare(&args));
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains(says) && ended.stderr.is_empty(), "{}", ended.stdout);
    }
}

fn with_config(text: &str, args: &[&str], environment: &[(&str, &str)]) -> (support::program::Finished, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("my.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = bare(args);
    command.env("HOME", directory.path()).envs(environment.iter().copied()).arg("--config").arg(&file);
    (finish(command), file)
}

#[test]
fn e7_an_unknown_key_ends_with_78_and_is_named_with_file_line_and_the_nearest_key() {
    let (ended, file) = with_config("[listen]\nhost = \"::1\"\nprot = 1\n", &[], &[]);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    let place = format!("mcp-proxy: {}:3:1: listen.prot: unknown key", file.display());
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    assert!(ended.stderr.contains("the nearest known key is listen.port"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn e7_all_problems_of_all_places_are_reported_at_once() {
    let text = "[listen]\nhots = \"x\"\n[limits]\ndrain_timeout = \"soon\"\nmax_connections = true\n[alibaba]\nregion_type = \"EU\"\n";
    let environment = [("MCP_PROXY_LISTEN__PORT", "x")];
    for command in ["serve", "login", "check-config"] {
        let (ended, _) = with_config(text, &[command, "--scope", ""], &environment);
        assert_eq!(ended.code, 78, "{}", ended.stderr);
        let problems = [
            "my.toml:2:1: listen.hots:",
            "my.toml:4:",
            "limits.drain_timeout:",
            "my.toml:5:",
            "limits.max_connections:",
            "my.toml:7:",
            "invalid region type: \"EU\"",
            "environment variable MCP_PROXY_LISTEN__PORT: listen.port: \"x\" is not an integer",
            "--scope:",
        ];
        for says in problems {
            assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
        }
        assert_eq!(ended.stderr.lines().count(), 6, "{}", ended.stderr);
    }
}

#[test]
fn e7_a_configuration_that_cannot_be_read_is_named() {
    let mut missing = bare(&["--config", "/nonexistent/my.toml"]);
    missing.env("HOME", "/nonexistent");
    let ended = finish(missing);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("/nonexistent/my.toml"), "{}", ended.stderr);
    let (ended, file) = with_config("[listen\n", &[], &[]);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{}:1:", file.display())), "{}", ended.stderr);
}

#[test]
fn check_config_says_where_values_come_from() {
    let environment = [("MCP_PROXY_LISTEN__HOST", "::1")];
    let (ended, file) =
        with_config("[limits]\ndrain_timeout = \"1s\"\n", &["check-config", "--port", "7"], &environment);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for says in [
        format!("limits.drain_timeout: from {}:2:", file.display()),
        "listen.host: from environment variable MCP_PROXY_LISTEN__HOST".to_owned(),
        "listen.port: from --port".to_owned(),
    ] {
        assert!(ended.stdout.contains(&says), "{says}: {}", ended.stdout);
    }
}

/// What may have become of a saved login.
enum Damage {
    Truncated,
    Garbage,
    Empty,
    Newer,
    Unreadable,
}

async fn a_damaged_login_is_named_and_kept(damage: Damage) {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let port = sign_in(&sandbox, directory.path(), &[]).await;
    let (name, text) = logins(directory.path()).pop_first().unwrap();
    let file = directory.path().join("logins").join(&name);
    let damaged = match damage {
        Damage::Truncated => text[..text.len() / 2].to_owned(),
        Damage::Garbage => "\u{0}\u{1}not a login at all".to_owned(),
        Damage::Empty => String::new(),
        Damage::Newer => text.replace("\"version\": 1", "\"version\": 99"),
        Damage::Unreadable => {
            // Modes do not stop root, but nobody reads a directory as a file.
            std::fs::rename(&file, directory.path().join("away")).unwrap();
            std::fs::create_dir(&file).unwrap();
            String::new()
        }
    };
    if file.is_file() {
        std::fs::write(&file, &damaged).unwrap();
    }

    let mut running = Running::start(&sandbox, directory.path(), &[]);
    running.program.line("Sign in with: mcp-proxy login");
    let printed = running.program.seen().to_owned();
    let warning = printed.lines().find(|line| line.contains("WARN")).unwrap_or_default();
    assert!(warning.contains(&file.display().to_string()), "{printed}");
    assert_eq!(running.get("/health").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(running.post(ECHO, REQUEST).await.0, StatusCode::OK);
    assert_eq!(logins(directory.path()), [(name.clone(), damaged.clone())].into(), "nothing was touched");

    sign_in(&sandbox, directory.path(), &["--port", &port]).await;
    running.program.line("over");
    assert_eq!(running.get(ECHO).await, StatusCode::OK);
    let mut now = logins(directory.path());
    assert!(now.remove(&name).unwrap().contains("\"access_token\""));
    let (aside, kept) = now.pop_first().expect("the old file is kept aside");
    assert!(aside.starts_with(&format!("{name}.kept-")) && now.is_empty(), "{aside}");
    assert_eq!(kept, damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_truncated_login_is_named_and_kept() {
    a_damaged_login_is_named_and_kept(Damage::Truncated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_file_that_is_no_login_is_named_and_kept() {
    a_damaged_login_is_named_and_kept(Damage::Garbage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_an_empty_login_is_named_and_kept() {
    a_damaged_login_is_named_and_kept(Damage::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_login_of_a_newer_version_is_named_and_kept() {
    a_damaged_login_is_named_and_kept(Damage::Newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_an_unreadable_login_is_named_and_kept() {
    a_damaged_login_is_named_and_kept(Damage::Unreadable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_login_for_another_site_application_or_scope_is_not_used_and_kept() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let before = logins(directory.path());
    for args in [["--region-type", "INTL"], ["--oauth-app-name", "other"], ["--scope", "openid"]] {
        let mut running = Running::start(&sandbox, directory.path(), &args);
        running.program.line("Sign in with: mcp-proxy login");
        assert_eq!(running.get("/health").await, StatusCode::SERVICE_UNAVAILABLE, "{args:?}");
        assert_eq!(running.get(ECHO).await, StatusCode::SERVICE_UNAVAILABLE, "{args:?}");
        if args[0] == "--scope" {
            let printed = running.program.seen();
            assert!(printed.contains("scope \"/acs/mcp-server\" instead of \"openid\"); it is kept"), "{printed}");
        }
        running.program.signal("TERM");
        assert_eq!(running.program.end().0, 0);
        assert_eq!(logins(directory.path()), before, "{args:?}");
    }
    assert_eq!(sandbox.cloud().counts().gateway_requests, sandbox.cloud().counts().gateway_unauthorized);
    assert_eq!(Running::start(&sandbox, directory.path(), &[]).get(ECHO).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_new_login_keeps_one_for_another_configuration_aside() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let port = sign_in(&sandbox, directory.path(), &[]).await;
    // A login for CN under the name of one for INTL, as a copied state directory may have it.
    let (name, text) = logins(directory.path()).pop_first().unwrap();
    let foreign = name.replace(".CN.", ".INTL.");
    std::fs::write(directory.path().join("logins").join(&foreign), &text).unwrap();
    sign_in(&sandbox, directory.path(), &["--region-type", "INTL", "--port", &port]).await;
    let mut now = logins(directory.path());
    assert_eq!(now.remove(&name).as_ref(), Some(&text));
    assert!(now.remove(&foreign).unwrap().contains("\"site\": \"INTL\""));
    let (aside, kept) = now.pop_first().expect("the old login is kept aside");
    assert!(aside.starts_with(&format!("{foreign}.kept-")), "{aside}");
    assert_eq!(kept, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_without_terminal_and_login_nothing_is_asked_and_the_truth_is_served() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut running = Running::start(&sandbox, directory.path(), &[]);
    running.program.line("Not signed in. Sign in with: mcp-proxy login");
    running.program.line("Available Servers:");

    let (status, headers, text) = running.post("/accounts/1/custom/a/id/b/mcp", REQUEST).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/json");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], "a-7");
    assert!(answer["error"]["message"].as_str().unwrap().contains("mcp-proxy login"), "{text}");
    assert!(!(-32768..=-32000).contains(&answer["error"]["code"].as_i64().unwrap()), "{text}");

    let (status, headers, text) = running.post("/accounts/1/custom/a/id/b/mcp", NOTIFICATION).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "60"), "{text}");
    let (status, headers, text) = follow(&format!("http://{}/accounts/1/custom/a/id/b/mcp", running.address)).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "60"), "{text}");
    assert!(!headers.contains_key("www-authenticate"));

    let printed = running.program.seen().to_owned();
    assert!(!printed.contains("Enter authorization code"), "{printed}");
    let counts = sandbox.cloud().counts();
    assert_eq!((counts.token_calls, counts.api_calls("CreateApplication"), counts.gateway_requests), (0, 0, 0));
    running.program.signal("TERM");
    assert_eq!(running.program.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_signals_end_the_program_promptly_and_idle_streams_cleanly() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let clock = Clock::system();
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(&sandbox, directory.path(), &[]);
        let request = http::Request::get("/lab/hold").header("host", running.address.to_string());
        let stream = send(running.address, request.body(http_body_util::Full::default()).unwrap()).await;
        assert_eq!(stream.status(), StatusCode::OK);
        let asked = clock.now().mono;
        running.program.signal(signal);
        let ended = tokio::time::timeout(PATIENCE, stream.into_body().collect()).await.expect("an end");
        ended.expect("a clean end, not a broken stream");
        let (code, printed) = running.program.end();
        assert!(
            clock.now().mono.since(asked) < Duration::from_secs(1),
            "{signal}: {:?}",
            clock.now().mono.since(asked)
        );
        assert_eq!(code, 0, "{signal}: {printed}");
        assert!(!printed.contains("ERROR") && !printed.contains("WARN"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_and_a_second_signal_does_not_wait_for_it() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (cloud, clock, mut asking) = (sandbox.cloud(), Clock::system(), JoinSet::new());
    for (path, signals) in [("/lab/slow?ms=500", 1), ("/lab/slow?ms=60000", 2)] {
        let mut running = Running::start(&sandbox, directory.path(), &[]);
        running.program.line("Available Servers:");
        let before = cloud.counts().gateway_requests;
        let (address, body) = (running.address, post(running.address, path, REQUEST));
        asking.spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
            let (_, answer) = tokio::join!(connection, sender.send_request(body));
            answer.map(|response| response.status())
        });
        cloud.wait_until(|counts| counts.gateway_requests > before, PATIENCE).await.expect("it is under way");
        running.program.signal("TERM");
        running.program.line("stopping: requests may finish");
        let asked = clock.now().mono;
        if signals == 2 {
            running.program.signal("INT");
        }
        let (code, printed) = running.program.end();
        assert_eq!(code, 0, "{printed}");
        assert!(clock.now().mono.since(asked) < Duration::from_secs(2), "{path}: {:?}", clock.now().mono.since(asked));
        let answer = tokio::time::timeout(PATIENCE, asking.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.is_ok_and(|status| status == StatusCode::OK), signals == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_refusals_and_failures_have_a_line_each_and_what_is_left_out_is_summed_up() {
    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let mut command = command(&sandbox, directory.path(), "", &[]);
    command.env("MCP_PROXY_LOG__ROUTINE_PER_SECOND", "0");
    let mut program = Program::start(command);
    let address = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    let mut running = Running { program, address };
    for _ in 0..3 {
        assert_eq!(running.post(ECHO, REQUEST).await.0, StatusCode::OK);
    }
    assert_eq!(running.post(ECHO, CALL).await.0, StatusCode::OK);
    let mut foreign = post(address, ECHO, REQUEST);
    foreign.headers_mut().insert("origin", http::HeaderValue::from_static("https://elsewhere.example"));
    assert_eq!(whole(send(address, foreign).await).await.0, StatusCode::FORBIDDEN);
    assert_eq!(running.post("/no-such-mount", REQUEST).await.0, StatusCode::NOT_FOUND);
    running.program.signal("TERM");
    let (code, printed) = running.program.end();
    assert_eq!(code, 0, "{printed}");
    let lines = |wanted: &str| printed.lines().filter(|line| line.contains(wanted)).count();
    assert_eq!(lines("POST /lab/echo tools/call echo 200"), 1, "{printed}");
    assert_eq!(lines("POST /lab/echo 403"), 1, "{printed}");
    assert_eq!(lines("POST /no-such-mount tools/list 404"), 1, "{printed}");
    assert_eq!(lines("POST /lab/echo tools/list"), 0, "{printed}");
    assert_eq!(
        lines("3 more requests without lines of their own (log.routine_per_second): 3 tools/list;"),
        1,
        "{printed}"
    );
}
