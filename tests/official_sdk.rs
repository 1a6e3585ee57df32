//! The cloud vendor's own Python SDK and the daemon, judged by one stand-in: every provider of credentials and every call
//! that the daemon makes is accepted from the SDK, so what the stand-in accepts from the daemon is what the SDK sends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use serde_json::json;
use support::prerequisites::{Need, clients, environment, lacks};
use support::{Proxy, sandbox, state_dir};
use tokio::process::Command;

/// All cases together take a tenth of this.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the daemon calls, each with a signature.
const CALLS: [&str; 6] = [
    "AssumeRole",
    "CreateApplication",
    "GenerateAccessToken",
    "ListApiMcpServerCores",
    "ListApiMcpServers",
    "ListApplications",
];

fn port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

fn write(file: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Runs the script in a home of its own; what it printed.
async fn run(sandbox: &Sandbox, home: &Path) -> String {
    let cloud = sandbox.cloud();
    let token_file = home.join("oidc-token");
    write(&token_file, &cloud.issue_oidc_token(3600));
    let names: Vec<String> = sandbox.servers().into_iter().map(|server| server.name).collect();
    let description = json!({
        "tls_port": port(&sandbox.cloud_url()),
        "metadata_port": port(&sandbox.metadata_url()),
        "page_url": sandbox.page_url(),
        "credentials_uri": format!("{}/credentials", sandbox.page_url()),
        "account": sandbox.account_uid(),
        "key": sandbox.access_key(),
        "temporary": sandbox.temporary_access_key(),
        "oidc_provider": format!("acs:ram::{}:oidc-provider/sandbox-idp", sandbox.account_uid()),
        "oidc_token_file": token_file,
        "cloud_sso_configuration": "ac-00sandbox00",
        "cloud_sso_token": cloud.issue_cloud_sso_token(3600),
        "cli_token": cloud.issue_cli_token(3600),
        "servers": names,
    });
    let file = home.join("sandbox.json");
    write(&file, &description.to_string());
    let mut command = Command::new(environment("alibaba"));
    command.arg(clients().join("python/alibaba_sdk.py")).arg("--sandbox").arg(&file);
    command.env_clear().env("HOME", home).env("TMPDIR", home).env("SSL_CERT_FILE", sandbox.ca_file());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the script ends in time").unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{text}", output.status);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendor_s_own_sdk_is_accepted_for_the_same_calls_as_the_daemon() {
    if lacks("the_vendor_s_own_sdk_is_accepted_for_the_same_calls_as_the_daemon", Need::AlibabaSdk) {
        return;
    }
    let (sandbox, home) = (sandbox().await, state_dir());
    let cloud = sandbox.cloud();
    cloud.set_metadata_hardened(true);
    let text = run(&sandbox, home.path()).await;
    let passed = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 23, "{text}");
    let by_sdk = cloud.counts();
    for call in CALLS {
        assert!(by_sdk.api_calls(call) > 0, "{call}: {:?}", by_sdk.api);
    }

    // The daemon, before the same judge: not one of its calls is refused.
    let role = format!("acs:ram::{}:role/mcp-role", sandbox.account_uid());
    let (id, secret) = sandbox.access_key();
    let profile = json!({ "name": "default", "mode": "RamRoleArn", "access_key_id": id, "access_key_secret": secret,
        "ram_role_arn": role, "ram_session_name": "mcp-proxy", "expired_seconds": 900 });
    let state = state_dir();
    write(&state.path().join("aliyun.json"), &json!({ "current": "default", "profiles": [profile] }).to_string());
    let text = support::config_text(&sandbox, state.path(), "auth = \"access-key\"");
    let machine = Proxy::configured(&text, BTreeMap::new(), Clock::system(), state).await;
    let (status, _, body) = machine.post("/lab/echo", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    Proxy::signed_in(&sandbox).await.stop().await;
    machine.stop().await;
    let both = cloud.counts();
    for call in CALLS {
        let by_daemon = both.api_calls(call) - by_sdk.api_calls(call);
        assert!(by_daemon > 0, "{call}: {:?}", both.api);
    }
    assert_eq!(both.api_errors, by_sdk.api_errors, "nothing of the daemon was refused");
}
