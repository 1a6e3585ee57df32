//! Who may do what, and what nobody may see (rows D of the failure list): raw requests, so that nothing on the way
//! makes them well-formed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::StatusCode;
use mcp_proxy::alibaba::credentials::{ApiCredentials, source};
use mcp_proxy::auth::credential::{Binding, Credential, Grant, TokenAnswer};
use mcp_proxy::auth::endpoint::CodeExchange;
use mcp_proxy::auth::flow::{Client, Delivery, Desk};
use mcp_proxy::auth::machine::{Action, Event, RenewalOutcome};
use mcp_proxy::auth::store::SealKey;
use mcp_proxy::config::Inputs;
use mcp_proxy::model::callback::Callback;
use mcp_proxy::model::secret::Secret;
use mcp_proxy::model::time::Wall;
use mcp_proxy::token::Bearer;
use mcp_proxy_sandbox::{ApiFault, Sandbox, TokenFault};
use serde_json::{Value, json};
use support::person::{authorize_url, follow, sign_in};
use support::program::{Program, command};
use support::{PATIENCE, Proxy, post, sandbox, send, state_dir, whole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";

/// Sends bytes as they are; the status and the whole answer.
async fn raw(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let exchange = async {
        // The server may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer and an end");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// The head of a GET, with `more` header lines.
fn get(target: &str, host: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")
}

#[tokio::test]
async fn d2_foreign_hosts_and_origins_are_refused_before_anything_else() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let own = proxy.address.to_string();
    let forwarded = || sandbox.cloud().counts().gateway_requests;
    for path in [ECHO, "/health", "/callback?code=x&state=y", "/.well-known/oauth-authorization-server", "/favicon.ico"]
    {
        for (host, more) in [
            ("evil.example", ""),
            ("evil.example:8088", ""),
            ("127.0.0.1.evil.example", ""),
            ("localhost.evil.example", ""),
            ("192.0.2.1", ""),
            (own.as_str(), "Origin: https://evil.example\r\n"),
            (own.as_str(), "Origin: null\r\n"),
            (own.as_str(), "Origin: http://127.0.0.1:1\r\n"),
            (own.as_str(), "Origin: http://127.0.0.1\r\nOrigin: https://evil.example\r\n"),
            ("evil.example", "Origin: http://evil.example\r\n"),
        ] {
            let (status, answer) = raw(proxy.address, &get(path, host, more)).await;
            assert_eq!(status, 403, "{path} {host} {more}: {answer}");
            assert!(answer.contains("\"error\"") && answer.contains("listen.allowed_"), "{answer}");
            assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
        }
    }
    // What names no host, or two, or comes as to a general proxy.
    for (request, expected) in [
        (format!("GET {ECHO} HTTP/1.1\r\nConnection: close\r\n\r\n"), 400),
        (get(ECHO, &own, "Host: evil.example\r\n"), 400),
        (get(ECHO, "", ""), 400),
        (get(ECHO, "evil.example@/x", ""), 400),
        (get(&format!("http://evil.example{ECHO}"), &own, ""), 403),
        (format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n"), 501),
        (format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n"), 501),
    ] {
        let (status, answer) = raw(proxy.address, &request).await;
        assert_eq!(status, expected, "{request}: {answer}");
    }
    let preflight = format!(
        "OPTIONS {ECHO} HTTP/1.1\r\nHost: {own}\r\nOrigin: https://evil.example\r\n\
         Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    );
    let (status, answer) = raw(proxy.address, &preflight).await;
    assert_eq!(status, 403, "{answer}");
    assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
    assert_eq!(forwarded(), 0, "none of these reached the upstream");

    for (host, more) in [(own.as_str(), ""), ("localhost", ""), (own.as_str(), &*format!("Origin: http://{own}\r\n"))] {
        assert_eq!(raw(proxy.address, &get(ECHO, host, more)).await.0, 200, "{host} {more}");
    }
}

#[tokio::test]
async fn d3_no_spelling_of_a_path_leaves_what_is_allowed() {
    let sandbox = sandbox().await;
    let servers = sandbox.servers();
    let (tools, notes) = (&servers[0].mcp_path, &servers[1].mcp_path);
    let uid = sandbox.account_uid();
    let rules = format!("allowed_servers = [\"/accounts/{uid}/custom/sandbox-tools\", \"{ECHO}\"]");
    let proxy = Proxy::signed_in_with(&sandbox, &rules).await;
    let own = proxy.address.to_string();
    let (up, down) = ("/accounts/X/custom/sandbox-tools/id/Y/mcp", notes.trim_start_matches('/'));
    let up = up.replace('X', uid);
    let targets = [
        notes.clone(),
        format!("{up}/../../../../../../{down}"),
        format!("{up}/%2e%2e/%2e%2e/%2e%2e/%2E%2E/%2e%2e/%2e%2e/{down}"),
        format!("{up}/..%2f..%2f..%2f..%2f..%2f..%2f{down}"),
        format!("{up}/..%5c..%5c{down}"),
        format!("{up}/..\\..\\{down}"),
        format!("{up}/..;/..;/{down}"),
        format!("{up}/%252e%252e/{down}"),
        format!("{up}/%c0%ae%c0%ae/{down}"),
        format!("{up}/.%00./{down}"),
        format!("{up}/./x"),
        format!("{up}//x"),
        format!("//{down}"),
        format!("/.{notes}"),
        format!("/health/..{notes}"),
        format!("/callback/..{notes}"),
        format!("{ECHO}/../..{notes}"),
        format!("{ECHO}%2f..%2f..{notes}"),
        format!("{ECHO}-admin"),
        format!("/accounts/{uid}/custom/sandbox-tools-admin/id/Y/mcp"),
        format!("/ACCOUNTS/{uid}/custom/sandbox-tools/id/Y/mcp"),
        format!("http://{own}{notes}"),
        "/mcp".to_owned(),
        "/id/cOrE000000000001/mcp".to_owned(),
    ];
    for target in &targets {
        let (status, answer) = raw(proxy.address, &get(target, &own, "")).await;
        assert_eq!(status, 403, "{target}: {answer}");
        assert!(answer.contains("Access denied") && answer.contains("allowed_servers"), "{target}: {answer}");
    }
    assert_eq!(sandbox.cloud().counts().gateway_requests, 0, "none of these reached the upstream");

    // What is allowed passes as it was spelled.
    let spelled = format!("{ECHO}/%65?a=%2e%2e/..&b=//");
    assert_eq!(raw(proxy.address, &get(&spelled, &own, "")).await.0, 404);
    let tools = tools.replace("sandbox", "%73andbox");
    raw(proxy.address, &get(&tools, &own, "")).await;
    let received: Vec<String> = sandbox.cloud().received().into_iter().map(|record| record.target).collect();
    assert!(received.ends_with(&[spelled, tools]), "{received:?}");
}

#[tokio::test]
async fn d3_a_redirect_of_the_upstream_does_not_lead_past_the_rules() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in_with(&sandbox, "allowed_servers = [\"/lab/redirect\", \"/lab/bytes\"]").await;
    let (status, _, text) = proxy.get("/lab/redirect?code=307&to=/lab/echo").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{text}");
    assert!(text.contains("redirects to"), "{text}");
    assert_eq!(proxy.get("/lab/redirect?code=307&to=/lab/bytes/3").await.0, StatusCode::OK);
    let received: Vec<String> = sandbox.cloud().received().into_iter().map(|record| record.target).collect();
    assert!(received.iter().all(|target| !target.starts_with(ECHO)), "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_blocked_name_holds_for_every_server_of_that_name_also_for_later_ones() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let cloud = sandbox.cloud();
    let ids = [cloud.add_server("ram"), cloud.add_server("ram")];
    sign_in(&sandbox, directory.path(), &[]).await;
    let uid = sandbox.account_uid();
    let path = |name: &str, id: &str| format!("/accounts/{uid}/custom/{name}/id/{id}/mcp");
    let start = |names: &str| {
        let mut program = Program::start(command(&sandbox, directory.path(), "", &["--blocked-servers", names]));
        let address = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
        program.line("Available Servers");
        (program, address)
    };
    let ask = async |address: SocketAddr, path: &str| whole(send(address, post(address, path, REQUEST)).await).await;
    let passes = async |address: SocketAddr, path: &str| {
        let before = cloud.counts().gateway_requests;
        let (status, _, text) = ask(address, path).await;
        let forwarded = cloud.counts().gateway_requests - before;
        assert_eq!(status == StatusCode::FORBIDDEN, forwarded == 0, "{path}: {text}");
        (forwarded == 1, text)
    };
    let known = sandbox.servers()[0].mcp_path.clone();

    let (mut program, address) = start("ram");
    for id in &ids {
        for name in ["ram", "harmless", "r%61m"] {
            let (passed, text) = passes(address, &path(name, id)).await;
            assert!(!passed && text.contains("blocked_servers has ram"), "{name}: {text}");
        }
        let (passed, text) = passes(address, &format!("/id/{id}/mcp")).await;
        assert!(!passed, "{text}");
    }
    assert!(passes(address, &known).await.0);
    let (later, other) = (cloud.add_server("ram"), cloud.add_server("other"));
    for (name, id) in [("ram", &later), ("other", &other), ("other", &"nOsUcHiD00000000".to_owned())] {
        let (passed, text) = passes(address, &path(name, id)).await;
        assert!(!passed && text.contains("it is not known whether this MCP server is ram"), "{name}: {text}");
    }
    program.signal("TERM");
    assert_eq!(program.end().0, 0);

    // The next start knows them; and knows them still when the list cannot be read.
    for reachable in [true, false] {
        if !reachable {
            cloud.fail_api(mcp_proxy_sandbox::ApiFault::Denied, None);
        }
        let (mut program, address) = start("ram");
        assert!(!passes(address, &path("ram", &later)).await.0);
        assert!(!passes(address, &path("other", &later)).await.0);
        assert!(passes(address, &path("other", &other)).await.0);
        program.signal("TERM");
        assert_eq!(program.end().0, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_blocked_name_that_no_server_has_is_said() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let args = ["--blocked-servers", "sandbox-note,sandbox-tools"];
    let mut program = Program::start(command(&sandbox, directory.path(), "", &args));
    let said = program.line("no server has the name or id");
    assert!(said.contains("sandbox-note") && !said.contains("sandbox-tools"), "{said}");
}

/// Everything a daemon and its logins print at the finest level, through a life full of secrets.
async fn everything_printed(sandbox: &Sandbox, directory: &Path, level: &str) -> String {
    let cloud = sandbox.cloud();
    let traced = |args: &[&str]| {
        let mut command = command(sandbox, directory, "", args);
        command.env("MCP_PROXY_LOG__LEVEL", level);
        Program::start(command)
    };
    let mut all = String::new();
    // A login that fails at the exchange, and one that succeeds.
    let mut login = traced(&["login", "--no-browser"]);
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    cloud.fail_token(TokenFault::OAuth { error: "invalid_grant".into() }, Some(1));
    follow(&callback).await;
    all.push_str(&login.end().1);
    let port = url::Url::parse(&callback).unwrap().port().unwrap().to_string();
    let mut login = traced(&["login", "--no-browser", "--port", &port]);
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    assert_eq!(follow(&callback).await.0, StatusCode::OK);
    all.push_str(&login.end().1);

    let mut daemon = traced(&[]);
    let address: SocketAddr = daemon.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    daemon.line("Available Servers");
    let ask = async || {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"secret":"canary-body"}}"#;
        let mut request = post(address, "/lab/echo?key=canary-query", body);
        request.headers_mut().insert("authorization", "Bearer canary-authorization".parse().unwrap());
        request.headers_mut().insert("cookie", "session=canary-cookie".parse().unwrap());
        request.headers_mut().insert("mcp-session-id", "canary-session".parse().unwrap());
        whole(send(address, request).await).await.0
    };
    assert_eq!(ask().await, StatusCode::OK);
    cloud.revoke_access_tokens();
    assert_eq!(ask().await, StatusCode::OK);
    follow(&format!("http://{address}/callback?code=canary-code&state=canary-state")).await;
    follow(&format!("http://{address}/lab/sse?events=3&x=canary-query")).await;
    follow(&format!("http://{address}/lab/redirect?code=307&to=https://other.example/?x=canary-redirect")).await;
    follow(&format!("http://{address}/lab/redirect?code=302&to=/x?x=canary-redirect")).await;
    let mcp = &sandbox.servers()[0].mcp_path;
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",
        "capabilities":{},"clientInfo":{"name":"canary-body","version":"1"}}}"#;
    assert_eq!(whole(send(address, post(address, mcp, hello)).await).await.0, StatusCode::OK);
    let read = r#"{"id":1,"method":"resources/read","params":{"uri":"notes://1?key=canary-query#canary-fragment"}}"#;
    whole(send(address, post(address, "/lab/echo", read)).await).await;
    cloud.fail_gateway(mcp_proxy_sandbox::GatewayFault::CutBefore, Some(2));
    ask().await;
    cloud.clear_faults();
    cloud.fail_token(TokenFault::Garbage, Some(1));
    cloud.revoke_access_tokens();
    ask().await;
    cloud.revoke_grants();
    ask().await;
    ask().await;
    daemon.signal("TERM");
    let (code, printed) = daemon.end();
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("POST /lab/echo tools/call 200"), "{printed}");
    assert!(printed.contains("resources/read notes://1 200"), "{printed}");
    all + &printed
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_no_secret_no_body_and_no_query_is_ever_printed() {
    let finest = "trace,hyper::proto=trace,hyper_util::client=trace,reqwest::connect=trace,rustls::client=trace";
    for level in ["trace", finest] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let all = everything_printed(&sandbox, directory.path(), level).await;
        assert!(all.contains("DEBUG"), "the level works: {all}");
        let secrets = sandbox.cloud().issued_secrets();
        assert!(secrets.len() > 8, "codes, tokens and keys");
        for secret in &secrets {
            let line = all.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{level}");
            // Nor a part of it that helps to guess the rest.
            let start = &secret[..secret.len().min(16)];
            assert_eq!(all.lines().find(|line| line.contains(start)), None, "{level}");
        }
        assert_eq!(all.lines().find(|line| line.contains("canary")), None, "{level}");
    }
}

/// Somebody's API credentials: variables, and the current profile of the aliyun CLI with those that it needs.
struct Owner {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    profiles: Vec<Value>,
}

/// API credentials of every kind.
fn owners(sandbox: &Sandbox, directory: &Path) -> Vec<Owner> {
    let cloud = sandbox.cloud();
    let ((id, secret), temporary) = (sandbox.access_key(), sandbox.temporary_access_key());
    let role = format!("acs:ram::{}:role/mcp-role", sandbox.account_uid());
    let of_key = |mode: &str| {
        json!({ "name": "first", "mode": mode, "access_key_id": id, "access_key_secret": secret,
            "ram_role_arn": role, "ram_session_name": "mcp-proxy" })
    };
    let oidc_file = directory.join("oidc-token");
    std::fs::write(&oidc_file, cloud.issue_oidc_token(3600)).unwrap();
    let oidc = json!({ "name": "first", "mode": "OIDC", "oidc_token_file": oidc_file, "ram_role_arn": role,
        "oidc_provider_arn": format!("acs:ram::{}:oidc-provider/sandbox-idp", sandbox.account_uid()) });
    let printed = directory.join("printed.json");
    let keys = json!({ "mode": "StsToken", "access_key_id": temporary.0, "access_key_secret": temporary.1,
        "sts_token": temporary.2 });
    std::fs::write(&printed, keys.to_string()).unwrap();
    let external =
        json!({ "name": "first", "mode": "External", "process_command": format!("/bin/cat {}", printed.display()) });
    let mut sts = keys.clone();
    sts["name"] = "first".into();
    let sso = json!({ "name": "first", "mode": "CloudSSO", "cloud_sso_sign_in_url": sandbox.cloud_url(),
        "cloud_sso_account_id": sandbox.account_uid(), "cloud_sso_access_config": "ac-00sandbox00",
        "access_token": cloud.issue_cloud_sso_token(3600), "cloud_sso_access_token_expire": 4_102_444_800_u64 });
    let oauth = json!({ "name": "first", "mode": "OAuth", "oauth_site_type": "CN",
        "oauth_access_token": cloud.issue_cli_token(3600), "oauth_access_token_expire": 4_102_444_800_u64 });
    let chained = json!({ "name": "second", "mode": "ChainableRamRoleArn", "source_profile": "first",
        "ram_role_arn": role, "ram_session_name": "second" });
    let machine = json!({ "name": "first", "mode": "EcsRamRole" });
    let uri = json!({ "name": "first", "mode": "CredentialsURI",
        "credentials_uri": format!("{}/credentials", sandbox.page_url()) });
    let variables = vec![
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", temporary.0.clone()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", temporary.1.clone()),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", temporary.2.clone()),
    ];
    let mut owners = vec![Owner { name: "environment", variables, profiles: Vec::new() }];
    owners.extend(
        [
            ("AK", vec![of_key("AK")]),
            ("StsToken", vec![sts]),
            ("RamRoleArn", vec![of_key("RamRoleArn")]),
            ("ChainableRamRoleArn", vec![chained, of_key("AK")]),
            ("EcsRamRole", vec![machine]),
            ("OIDC", vec![oidc]),
            ("CredentialsURI", vec![uri]),
            ("External", vec![external]),
            ("CloudSSO", vec![sso]),
            ("OAuth", vec![oauth]),
        ]
        .map(|(name, profiles)| Owner { name, variables: Vec::new(), profiles }),
    );
    owners
}

/// Everything that is printed, shown and answered while a machine with these credentials works, is refused everything,
/// and works again.
async fn everything_said(sandbox: &Sandbox, directory: &Path, owner: &Owner) -> String {
    const RULES: &str = "auth = \"access-key\"\nsafety_policy = \"*=allow\"\n[limits]\ntoken_wait = \"100ms\"";
    let cloud = sandbox.cloud();
    if let Some(first) = owner.profiles.first() {
        let config = json!({ "current": first["name"], "profiles": owner.profiles });
        std::fs::write(directory.join("aliyun.json"), config.to_string()).unwrap();
    }
    let socket = directory.join("control.sock");
    let make = |args: &[&str]| {
        let mut command = command(sandbox, directory, RULES, args);
        command.env_remove("ALIBABA_CLOUD_ACCESS_KEY_ID").env_remove("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
        command.envs(owner.variables.iter().map(|(name, value)| (*name, value.as_str())));
        command.env("MCP_PROXY_LOG__LEVEL", "trace,hyper::proto=trace,hyper_util::client=trace,rustls::client=trace");
        command.env("MCP_PROXY_CONTROL__SOCKET", &socket);
        command.env("MCP_PROXY_ALIBABA__ENDPOINTS__METADATA", sandbox.metadata_url());
        command
    };
    let shown = async |args: &'static [&'static str]| {
        let command = make(args);
        let ended = tokio::task::spawn_blocking(|| support::program::finish(command)).await.unwrap();
        format!("{}{}", ended.stdout, ended.stderr)
    };
    let all_commands: [&'static [&'static str]; 5] =
        [&["check-config"], &["servers"], &["servers", "--json"], &["status"], &["status", "--json"]];
    let mut daemon = Program::start(make(&["serve"]));
    let address: SocketAddr = daemon.line("Listen: ").replace("Listen: ", "").parse().unwrap();
    let ask = async || {
        let (status, headers, body) = whole(send(address, post(address, ECHO, REQUEST)).await).await;
        (status, format!("{headers:?} {body}"))
    };
    let mut all = String::new();
    daemon.line("Available Servers");
    let (status, answer) = ask().await;
    assert_eq!(status, StatusCode::OK, "{}: {answer}", owner.name);
    for args in all_commands {
        all.push_str(&shown(args).await);
    }
    // The cloud quotes what it was sent, which may hold a token.
    let (_, _, quoted) = sandbox.temporary_access_key();
    let message = format!("Specified signature is not matched. server string to sign is:POST&SecurityToken%3D{quoted}");
    let fault = ApiFault::Error {
        status: 400,
        code: "SignatureDoesNotMatch".to_owned(),
        message,
        recommend: Some("https://api.aliyun.com/troubleshoot?q=SignatureDoesNotMatch".to_owned()),
        retry_after_ms: None,
    };
    cloud.fail_api(fault, None);
    cloud.revoke_access_tokens();
    let (status, answer) = ask().await;
    assert!(status.is_server_error(), "{}: {status} {answer}", owner.name);
    all.push_str(&answer);
    daemon.line("token-renewal-failing");
    for args in all_commands {
        all.push_str(&shown(args).await);
    }
    let (_, _, health) = whole(
        send(
            address,
            http::Request::get("/health")
                .header("host", address.to_string())
                .body(http_body_util::Full::default())
                .unwrap(),
        )
        .await,
    )
    .await;
    all.push_str(&health);
    cloud.clear_faults();
    daemon.signal("TERM");
    let (code, printed) = daemon.end();
    assert_eq!(code, 0, "{printed}");
    all + &printed
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_no_secret_is_said_whatever_the_credentials_are() {
    let sandbox = sandbox().await;
    sandbox.cloud().set_metadata_hardened(true);
    let root = state_dir();
    for index in 0..owners(&sandbox, root.path()).len() {
        // Made anew for each: the one before has revoked what it could.
        let owner = owners(&sandbox, root.path()).swap_remove(index);
        let directory = state_dir();
        let all = everything_said(&sandbox, directory.path(), &owner).await;
        assert!(all.contains("DEBUG") && all.contains("SignatureDoesNotMatch"), "{}: {all}", owner.name);
        for secret in sandbox.cloud().issued_secrets() {
            // Nor a part of it that helps to guess the rest; the first letters of some say only what they are.
            let part = &secret[secret.len().min(24) / 4..secret.len().min(24)];
            assert_eq!(all.lines().find(|line| line.contains(part)), None, "{}", owner.name);
        }
        for quoted in ["Signature=", "SecurityToken=", "SecurityToken%3D", "OIDCToken="] {
            assert_eq!(all.lines().find(|line| line.contains(quoted)), None, "{}", owner.name);
        }
    }
}

/// Every file and directory at `path` and below it, with its mode.
fn modes(path: &Path) -> BTreeMap<PathBuf, u32> {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let mut found = BTreeMap::from([(path.to_owned(), metadata.permissions().mode() & 0o7777)]);
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            found.extend(modes(&entry.unwrap().path()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_whatever_is_kept_is_private_even_with_umask_000() {
    for order in [["serve", "login"], ["login", "serve"]] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let state = directory.path().join("deep/state");
        for what in order {
            let inner = command(&sandbox, directory.path(), "", &[what]);
            let mut outer = Command::new("/bin/sh");
            outer.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
            outer.env_clear().stdin(std::process::Stdio::null()).env("MCP_PROXY_STATE_DIR", &state);
            outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let mut program = Program::start(outer);
            if what == "serve" {
                program.line("Available Servers:");
                program.signal("TERM");
            } else {
                follow(&sandbox.approve(&authorize_url(&mut program)).unwrap()).await;
            }
            let (code, printed) = program.end();
            assert_eq!(code, 0, "{printed}");
            for (path, mode) in modes(&state) {
                let expected = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(format!("{mode:o}"), format!("{expected:o}"), "{order:?}: {}", path.display());
            }
        }
        let files = modes(&state).into_keys().filter(|path| path.is_file()).count();
        assert!(files >= 2, "the login and the server list");
    }
}

#[tokio::test]
async fn d7_what_the_authorization_server_says_is_not_passed_to_clients() {
    for fault in [
        TokenFault::OAuth { error: "invalid_grant".into() },
        TokenFault::OAuth { error: "temporarily_unavailable".into() },
        TokenFault::Status { status: 503, retry_after: None },
        TokenFault::Html,
        TokenFault::Garbage,
    ] {
        let sandbox = sandbox().await;
        let proxy = Proxy::signed_in_with(&sandbox, "[limits]\ntoken_wait = \"200ms\"").await;
        sandbox.cloud().fail_token(fault.clone(), None);
        sandbox.cloud().revoke_access_tokens();
        let mut texts = vec![proxy.post(ECHO, REQUEST).await, proxy.get(ECHO).await, proxy.get("/health").await];
        texts.push(proxy.post(ECHO, REQUEST).await);
        assert!(sandbox.cloud().counts().refreshes_failed > 0, "{fault:?}");
        for (status, headers, text) in texts {
            assert!(![400, 401, 404, 405].contains(&status.as_u16()), "{fault:?}: {status}");
            for said in ["invalid_grant", "temporarily", "injected", "Bad Gateway", "localhost", "request id", "cut of"]
            {
                assert!(!text.contains(said), "{fault:?}: {text}");
            }
            assert!(!headers.contains_key("www-authenticate"));
        }
    }
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_and_oversized_heads_are_refused() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let own = proxy.address.to_string();
    let long = "x".repeat(1 << 20);
    let many: String = (0..500).map(|number| format!("X-{number}: y\r\n")).collect();
    let body = |more: &str| format!("POST {ECHO} HTTP/1.1\r\nHost: {own}\r\n{more}Connection: close\r\n\r\n0\r\n\r\n");
    for (request, expected) in [
        (get(ECHO, &own, "X-A: b\rX-Injected: c\r\n"), 400),
        (get(ECHO, &own, "X-A: b\nX-B\n c\r\n"), 400),
        (get(ECHO, &own, "X-A: b\0c\r\n"), 400),
        (get(ECHO, &own, "X A: b\r\n"), 400),
        (get(ECHO, &own, "X-A : b\r\n"), 400),
        (get(ECHO, &own, " folded: b\r\n"), 400),
        (get(&format!("{ECHO}\u{1}"), &own, ""), 400),
        (body("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        (body("Content-Length: -1\r\n"), 400),
        (body("Content-Length: +5\r\n"), 400),
        (body("Transfer-Encoding: identity\r\nContent-Length: 5\r\n"), 400),
        (body("Transfer-Encoding: chunked, identity\r\n"), 400),
        (get(ECHO, &own, &format!("X-A: {long}\r\n")), 431),
        (get(ECHO, &own, &many), 431),
        (get(&format!("{ECHO}?{long}"), &own, ""), 431),
    ] {
        let (status, answer) = raw(proxy.address, &request).await;
        let shown: String = request.chars().take(120).collect();
        assert_eq!(status, expected, "{shown:?}: {answer}");
    }
    assert_eq!(sandbox.cloud().counts().gateway_requests, 0, "none of these reached the upstream");

    // Encoded line breaks are a part of the path, and stay it.
    let (status, answer) = raw(proxy.address, &get(&format!("{ECHO}?x=%0d%0aX-Injected:%20c"), &own, "")).await;
    assert!(status == 200 && answer.contains("x=%0d%0aX-Injected:%20c"), "{answer}");
    // A length beside chunks is dropped, not passed on (RFC 9112 section 6.3).
    let (_, answer) = raw(proxy.address, &body("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")).await;
    assert!(!answer.to_lowercase().contains("\"content-length\""), "{answer}");
    assert_eq!(proxy.get(ECHO).await.0, StatusCode::OK, "and the daemon lives");
}

#[test]
fn d5_debug_shows_no_secret() {
    const SECRET: &str = "hush-7f3a";
    let secret = || Secret::new(SECRET);
    let shows = |what: &str, value: &dyn Debug| {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!text.contains(SECRET), "{what}: {text}");
        }
    };
    let callback = Callback::from_query(&format!("code={SECRET}&state={SECRET}"));
    let answer = TokenAnswer { access_token: secret(), refresh_token: Some(secret()), expires_in: None };
    let binding = Binding {
        site: "CN".into(),
        token_endpoint: "https://oauth.example".into(),
        account: None,
        client_id: "1".into(),
        client_name: "app".into(),
        scope: "s".into(),
    };
    let now = Wall::from_unix_seconds(1);
    let grant = Grant {
        serial: 1,
        access_token: secret(),
        refresh_token: Some(secret()),
        obtained_at: now,
        expires_at: None,
        refresh_expires_at: None,
    };
    let credential = Credential { binding, grant };
    shows("Secret", &secret());
    shows("Callback", &callback);
    shows("Delivery", &Delivery { callback, outcome: tokio::sync::oneshot::channel().0 });
    shows(
        "Action",
        &[Action::Save(credential.clone()), Action::Renew { credential: credential.clone(), rejected: false }],
    );
    shows("Publish", &Action::Publish { generation: 1, token: secret(), expires: None });
    let outcome = RenewalOutcome::Renewed { answer: answer.clone(), asked_at: now };
    shows("Event", &[Event::SignedIn(credential.clone()), Event::RenewalEnded { serial: 1, outcome }]);
    shows("TokenAnswer", &answer);
    shows("Credential", &credential);
    let (code, verifier) = (secret(), secret());
    shows("CodeExchange", &CodeExchange { client_id: "1", code: &code, verifier: &verifier, redirect_uri: "r" });
    shows("Bearer", &Bearer::new(1, &secret(), None).unwrap());
    let credentials = ApiCredentials {
        access_key_id: "id".into(),
        access_key_secret: secret(),
        security_token: Some(secret()),
        bearer: Some(source::Bearer::new(secret(), None).unwrap()),
        source: "here".into(),
    };
    shows("ApiCredentials", &credentials);
    let (key, text) = SealKey::generate().unwrap();
    for shown in [format!("{key:?}"), format!("{text:?}")] {
        assert!(!shown.contains(text.expose()), "{shown}");
    }
    let environment = vec![("ALIBABA_CLOUD_ACCESS_KEY_SECRET".into(), SECRET.into())];
    shows("Inputs", &Inputs { environment, ..Inputs::default() });

    let desk = Desk::default();
    let attempt = desk.begin(Client {
        id: "1".into(),
        authorization_endpoint: "https://signin.example/auth".parse().unwrap(),
        redirect_uri: "http://127.0.0.1:1/callback".into(),
        scope: "s".into(),
    });
    let attempt = attempt.unwrap();
    let state = attempt.authorize_url().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for text in [format!("{attempt:?}"), format!("{desk:?}")] {
        assert!(!text.contains(&state) && !text.contains(attempt.verifier().expose()), "{text}");
    }
}
