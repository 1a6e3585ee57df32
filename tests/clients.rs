//! Software that other people wrote, unchanged, through the daemon: every official MCP client on every transport
//! that it has, signed in, without a login, and while its token is taken away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

#[path = "clients_suite/drivers.rs"]
mod drivers;
#[path = "clients_suite/rust_sdk.rs"]
mod rust_sdk;
mod support;

use drivers::{Client, Transport, run};
use mcp_proxy_sandbox::{Cloud, Sandbox};
use support::{Proxy, sandbox};

/// The local URL of `sandbox-tools`.
fn url(proxy: &Proxy, sandbox: &Sandbox, transport: Transport) -> String {
    let server = sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap();
    match transport {
        Transport::Streamable => format!("http://{}{}", proxy.address, server.mcp_path),
        Transport::Sse => format!("http://{}{}", proxy.address, server.sse_path),
        Transport::Stdio => bridge(proxy, &server.mcp_path),
    }
}

/// The command of a bridge to the server at `path`, as JSON: program and arguments.
fn bridge(proxy: &Proxy, path: &str) -> String {
    let file = proxy.state_dir().path().join("stdio.toml");
    let (host, port) = (proxy.address.ip(), proxy.address.port());
    let text = format!("[listen]\nhost = \"{host}\"\nport = {port}\n[control]\nsocket = \"off\"\n");
    std::fs::write(&file, text).unwrap();
    let program = env!("CARGO_BIN_EXE_mcp-proxy");
    serde_json::json!([program, "stdio", format!("--config={}", file.display()), format!("--server={path}")])
        .to_string()
}

/// All cases of the driver; only what the transport or the revision does not have may be left out.
async fn every_case_passes(client: Client, transport: Transport) {
    every_case_passes_at(&sandbox().await, client, transport).await;
}

/// All cases over HTTP+SSE, at a server that names its endpoint with scheme and host (row C4 of the failure list). A
/// client that took it as it is would find no credential there, and refuses it as one of another origin.
async fn every_case_passes_with_absolute_endpoints(client: Client) {
    let sandbox = sandbox().await;
    sandbox.cloud().set_absolute_endpoint(true);
    every_case_passes_at(&sandbox, client, Transport::Sse).await;
    let unauthorized = sandbox.cloud().counts().gateway_unauthorized;
    assert_eq!(unauthorized, 0, "every message came through the daemon");
}

async fn every_case_passes_at(sandbox: &Sandbox, client: Client, transport: Transport) {
    let proxy = Proxy::signed_in(sandbox).await;
    let Some(report) = run(client, transport, &url(&proxy, sandbox, transport), &[]).await else { return };
    if transport == Transport::Stdio && client == Client::Inspector {
        assert!(report.passed.len() >= 2, "{}", report.text);
        return;
    }
    let has_sessions = transport == Transport::Streamable && client.era() == "legacy";
    let one_call_a_session = matches!(client, Client::LangChain | Client::Inspector);
    let left_out: &[&str] = if has_sessions || one_call_a_session { &[] } else { &["resume", "terminate", "lost"] };
    assert_eq!(report.skipped, left_out, "{}", report.text);
    assert!(report.passed.len() >= 2, "{}", report.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_over_streamable_http() {
    every_case_passes(Client::TypeScriptV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_over_sse() {
    every_case_passes(Client::TypeScriptV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_legacy_over_streamable_http() {
    every_case_passes(Client::TypeScriptV2Legacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_legacy_over_sse() {
    every_case_passes(Client::TypeScriptV2Legacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_auto_over_streamable_http() {
    every_case_passes(Client::TypeScriptV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_over_streamable_http() {
    every_case_passes(Client::PythonV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_over_sse() {
    every_case_passes(Client::PythonV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_legacy_over_streamable_http() {
    every_case_passes(Client::PythonV2Legacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_legacy_over_sse() {
    every_case_passes(Client::PythonV2Legacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_auto_over_streamable_http() {
    every_case_passes(Client::PythonV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_over_streamable_http() {
    every_case_passes(Client::LangChain, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_over_sse() {
    every_case_passes(Client::LangChain, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_legacy_over_streamable_http() {
    every_case_passes(Client::FastMcpLegacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_legacy_over_sse() {
    every_case_passes(Client::FastMcpLegacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_auto_over_streamable_http() {
    every_case_passes(Client::FastMcpAuto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inspector_over_streamable_http() {
    every_case_passes(Client::Inspector, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inspector_over_sse() {
    every_case_passes(Client::Inspector, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_over_stdio() {
    every_case_passes(Client::TypeScriptV1, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_legacy_over_stdio() {
    every_case_passes(Client::TypeScriptV2Legacy, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_auto_over_stdio() {
    every_case_passes(Client::TypeScriptV2Auto, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_over_stdio() {
    every_case_passes(Client::PythonV1, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_legacy_over_stdio() {
    every_case_passes(Client::PythonV2Legacy, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_auto_over_stdio() {
    every_case_passes(Client::PythonV2Auto, Transport::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inspector_over_stdio() {
    every_case_passes(Client::Inspector, Transport::Stdio).await;
}

/// A server that speaks HTTP+SSE alone, for clients that do not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_over_stdio_to_an_older_server() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let server = sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap();
    let command = bridge(&proxy, &server.sse_path);
    let Some(report) = run(Client::TypeScriptV1, Transport::Stdio, &command, &[]).await else { return };
    assert!(report.passed.len() >= 10, "{}", report.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_typescript_v1_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::TypeScriptV1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_typescript_v2_legacy_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::TypeScriptV2Legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_python_v1_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::PythonV1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_python_v2_legacy_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::PythonV2Legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_langchain_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::LangChain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_fastmcp_legacy_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::FastMcpLegacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_inspector_over_sse_with_absolute_endpoints() {
    every_case_passes_with_absolute_endpoints(Client::Inspector).await;
}

/// The person reads how to sign in, and the client starts no sign-in of its own.
async fn without_a_login_its_person_reads_how_to_sign_in(client: Client, transport: Transport) {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let case = ["--case", "sign_in_needed", "--expect", "mcp-proxy login"];
    let Some(report) = run(client, transport, &url(&proxy, &sandbox, transport), &case).await else { return };
    assert_eq!(report.passed, ["sign_in_needed"], "{}", report.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::TypeScriptV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_legacy_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::TypeScriptV2Legacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_auto_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::TypeScriptV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::PythonV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_legacy_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::PythonV2Legacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_auto_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::PythonV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::LangChain, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_legacy_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::FastMcpLegacy, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_auto_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::FastMcpAuto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inspector_without_a_login() {
    without_a_login_its_person_reads_how_to_sign_in(Client::Inspector, Transport::Streamable).await;
}

/// A tool that its rules block is not listed, and the person reads why a call of it is refused; what is left works.
async fn a_blocked_tool_is_not_seen_and_its_refusal_is_read(client: Client, transport: Transport) {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in_with(&sandbox, "[[client]]\nname = \"tested\"\nblocked_tools = [\"lar*\"]").await;
    let case = ["--case", "restricted", "--expect", "blocked_tools of [[client]] tested has lar*"];
    let Some(report) = run(client, transport, &url(&proxy, &sandbox, transport), &case).await else { return };
    assert_eq!(report.passed, ["restricted"], "{}", report.text);
    assert!(!sandbox.cloud().counts().mcp_calls.contains_key("large"), "{:?}", sandbox.cloud().counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_reads_refusals() {
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::TypeScriptV1, Transport::Streamable).await;
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::TypeScriptV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_reads_refusals() {
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::TypeScriptV2Auto, Transport::Streamable).await;
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::TypeScriptV2Legacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_reads_refusals() {
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::PythonV1, Transport::Streamable).await;
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::PythonV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_reads_refusals() {
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::PythonV2Auto, Transport::Streamable).await;
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::PythonV2Legacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_reads_refusals() {
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::FastMcpAuto, Transport::Streamable).await;
    a_blocked_tool_is_not_seen_and_its_refusal_is_read(Client::FastMcpLegacy, Transport::Sse).await;
}

/// Rules that allow everything are applied to every message, and no client notices.
async fn rules_are_not_noticed(client: Client, transport: Transport) {
    let sandbox = sandbox().await;
    let rules = "[[client]]\nname = \"tested\"\nallowed_tools = [\"*\"]\nblocked_methods = [\"x/*\"]";
    let proxy = Proxy::signed_in_with(&sandbox, rules).await;
    let Some(report) = run(client, transport, &url(&proxy, &sandbox, transport), &[]).await else { return };
    assert!(report.passed.len() >= 2, "{}", report.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_does_not_notice_rules() {
    rules_are_not_noticed(Client::TypeScriptV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v1_does_not_notice_rules_over_sse() {
    rules_are_not_noticed(Client::TypeScriptV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_v2_auto_does_not_notice_rules() {
    rules_are_not_noticed(Client::TypeScriptV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_does_not_notice_rules_over_sse() {
    rules_are_not_noticed(Client::PythonV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_auto_does_not_notice_rules() {
    rules_are_not_noticed(Client::PythonV2Auto, Transport::Streamable).await;
}

// HTTP+SSE opens with a GET, to which no JSON-RPC error can be the answer. These clients show the reason phrase; the
// TypeScript SDKs show the number of the status alone.

#[tokio::test(flavor = "multi_thread")]
async fn python_v1_without_a_login_over_sse() {
    without_a_login_its_person_reads_how_to_sign_in(Client::PythonV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_v2_legacy_without_a_login_over_sse() {
    without_a_login_its_person_reads_how_to_sign_in(Client::PythonV2Legacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_legacy_without_a_login_over_sse() {
    without_a_login_its_person_reads_how_to_sign_in(Client::FastMcpLegacy, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_without_a_login_over_sse() {
    without_a_login_its_person_reads_how_to_sign_in(Client::LangChain, Transport::Sse).await;
}

#[tokio::test]
async fn the_documents_show_what_a_client_is_told() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let (_, _, told) = proxy.post("/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LOGINS.md")).unwrap();
    let shown = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(shown), json(&told));
}

/// Cases that ask one thing after another, and hold a stream open meanwhile.
const ONE_AFTER_ANOTHER: [&str; 7] = ["tools", "echo", "progress", "large", "resource", "reconnect", "prompt"];

fn only<'a>(cases: &[&'a str]) -> Vec<&'a str> {
    cases.iter().flat_map(|case| ["--case", case]).collect()
}

fn calls(cloud: &Cloud) -> u64 {
    cloud.counts().mcp_calls.values().sum()
}

/// After each tool call, the token is revoked that it was made with.
async fn revocations_are_not_noticed(client: Client, transport: Transport) {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let cloud = sandbox.cloud();
    let revoking = async {
        let mut seen = 0;
        loop {
            let more = |counts: &mcp_proxy_sandbox::Counts| counts.mcp_calls.values().sum::<u64>() > seen;
            if cloud.wait_until(more, support::PATIENCE).await.is_some() {
                seen = calls(&cloud);
                cloud.revoke_access_tokens();
            }
        }
    };
    let (url, flow) = (url(&proxy, &sandbox, transport), only(&ONE_AFTER_ANOTHER));
    let report = tokio::select! {
        report = run(client, transport, &url, &flow) => report,
        () = revoking => unreachable!("it revokes for ever"),
    };
    let Some(report) = report else { return };
    assert_eq!(report.passed, ONE_AFTER_ANOTHER, "{}", report.text);
    let counts = cloud.counts();
    assert!(counts.gateway_unauthorized >= 3 && counts.refreshes >= 3, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_does_not_notice_revocations() {
    revocations_are_not_noticed(Client::TypeScriptV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_over_sse_does_not_notice_revocations() {
    revocations_are_not_noticed(Client::TypeScriptV1, Transport::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_auto_does_not_notice_revocations() {
    revocations_are_not_noticed(Client::PythonV2Auto, Transport::Streamable).await;
}

/// Tokens live for two seconds while the client works for longer.
async fn expiries_are_not_noticed(client: Client, transport: Transport) {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(2));
    let proxy = Proxy::signed_in(&sandbox).await;
    let flow = [&ONE_AFTER_ANOTHER[..], &["parallel", "cancel"]].concat();
    let Some(report) = run(client, transport, &url(&proxy, &sandbox, transport), &only(&flow)).await else { return };
    assert_eq!(report.passed, flow, "{}", report.text);
    assert!(cloud.counts().refreshes >= 2, "{:?}", cloud.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_auto_does_not_notice_expiries() {
    expiries_are_not_noticed(Client::TypeScriptV2Auto, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_does_not_notice_expiries() {
    expiries_are_not_noticed(Client::PythonV1, Transport::Streamable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_over_sse_does_not_notice_expiries() {
    expiries_are_not_noticed(Client::PythonV1, Transport::Sse).await;
}
