//! The life of a token against the sandbox: what breaks in other proxies (rows A of the failure list).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::{Sandbox, TokenFault};
use support::{PATIENCE, Proxy, sandbox};

/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";

async fn parallel(proxy: &Proxy, count: usize) -> Vec<StatusCode> {
    let requests = (0..count).map(|_| proxy.post(ECHO, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
    futures_util::future::join_all(requests).await.into_iter().map(|(status, _, _)| status).collect()
}

#[tokio::test]
async fn a1_twenty_requests_at_expiry_cause_one_refresh_and_are_all_served() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(1));
    let proxy = Proxy::signed_in(&sandbox).await;
    let before = cloud.counts().refreshes;
    cloud.set_access_token_life(None);
    cloud.fail_token(TokenFault::Slow { ms: 500 }, Some(1));
    cloud.advance_clock(2);
    assert_eq!(parallel(&proxy, 20).await, [StatusCode::OK; 20]);
    assert_eq!(cloud.counts().refreshes, before + 1);
}

#[tokio::test]
async fn a2_twenty_requests_after_a_revocation_cause_one_refresh_and_are_all_served() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    cloud.revoke_access_tokens();
    assert_eq!(parallel(&proxy, 20).await, [StatusCode::OK; 20]);
    assert_eq!(cloud.counts().refreshes, 1);
}

#[tokio::test]
async fn a4_a_refresh_answer_without_a_refresh_token_keeps_the_old_one() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    cloud.set_rotation(false);
    for round in 1..=3 {
        cloud.revoke_access_tokens();
        assert_eq!(parallel(&proxy, 1).await, [StatusCode::OK]);
        assert_eq!(cloud.counts().refreshes, round);
    }
    let state = proxy.stop().await;
    let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state).await;
    cloud.revoke_access_tokens();
    assert_eq!(parallel(&proxy, 1).await, [StatusCode::OK], "the saved refresh token is the old one");
}

#[tokio::test]
async fn a6_a_token_of_unknown_life_is_used_and_not_renewed_all_the_time() {
    use mcp_proxy_sandbox::ExpiresIn;
    for form in [ExpiresIn::Absent, ExpiresIn::Zero, ExpiresIn::Negative, ExpiresIn::String] {
        let sandbox = sandbox().await;
        let cloud = sandbox.cloud();
        cloud.set_expires_in(form);
        let proxy = Proxy::signed_in(&sandbox).await;
        for _ in 0..5 {
            assert_eq!(parallel(&proxy, 4).await, [StatusCode::OK; 4], "{form:?}");
        }
        assert_eq!(cloud.counts().refreshes, 0, "{form:?}");
    }
}

#[tokio::test]
async fn a6_a_short_token_is_renewed_ahead_and_no_request_waits_for_it() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(3));
    let _proxy = Proxy::signed_in(&sandbox).await;
    let renewed = cloud.wait_until(|counts| counts.refreshes >= 2, PATIENCE).await.expect("renewed by itself");
    assert!(renewed.gateway_unauthorized == 0, "nobody ever sent an expired token");
}

/// The access token of a new login through `minter`.
async fn a_token(sandbox: &Sandbox, minter: &Proxy) -> String {
    minter.sign_in(sandbox).await;
    let saved = minter.state_dir().path().join("logins/alibaba.CN.aliyun-cli-mcp-proxy.json");
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(saved).unwrap()).unwrap();
    saved["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_file_is_used_and_read_again_when_it_changes() {
    let sandbox = sandbox().await;
    let minter = Proxy::start(&sandbox).await;
    let first = a_token(&sandbox, &minter).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, &first).unwrap();
    let more = format!("auth = \"token-file\"\ntoken_file = \"{}\"", file.display());
    let proxy = Proxy::start_with(&sandbox, &more, Clock::system(), support::state_dir()).await;
    assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5]);
    sandbox.cloud().revoke_access_tokens();
    // The file still holds the refused token; when it gets another, waiting requests go on with that.
    let second = a_token(&sandbox, &minter).await;
    let replace = async { std::fs::write(&file, &second).unwrap() };
    let (served, ()) = tokio::join!(parallel(&proxy, 5), replace);
    assert_eq!(served, [StatusCode::OK; 5]);
    assert!(!state_has(&proxy, &second), "nothing of it is saved");
}

#[tokio::test]
async fn a_token_command_is_asked_again_after_a_rejection() {
    let sandbox = sandbox().await;
    let minter = Proxy::start(&sandbox).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("answer.json");
    let write = |token: &str| {
        std::fs::write(&file, format!(r#"{{"access_token":"{token}","expires_in":"3600"}}"#)).unwrap();
    };
    write(&a_token(&sandbox, &minter).await);
    let more = format!("auth = \"token-command\"\ntoken_command = [\"/bin/cat\", \"{}\"]", file.display());
    let proxy = Proxy::start_with(&sandbox, &more, Clock::system(), support::state_dir()).await;
    assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5]);
    sandbox.cloud().revoke_access_tokens();
    write(&a_token(&sandbox, &minter).await);
    assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5]);
}

fn state_has(proxy: &Proxy, text: &str) -> bool {
    let logins = proxy.state_dir().path().join("logins");
    let files = std::fs::read_dir(logins).into_iter().flatten().flatten();
    files.into_iter().any(|file| std::fs::read_to_string(file.path()).unwrap_or_default().contains(text))
}

#[tokio::test]
async fn a_thousand_requests_wait_at_one_refresh_and_none_is_late() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    cloud.revoke_access_tokens();
    cloud.fail_token(TokenFault::Slow { ms: 300 }, Some(1));
    assert_eq!(parallel(&proxy, 1000).await, [StatusCode::OK; 1000]);
    assert_eq!(cloud.counts().refreshes, 1);
}
