//! The life of a token against the sandbox: what breaks in other proxies (rows A of the failure list).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "what is measured is printed, not judged")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use http::StatusCode;
use mcp_proxy::model::time::{Clock, Now, Wall};
use mcp_proxy_sandbox::{GatewayFault, Sandbox, TokenFault};
use support::time::Time;
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
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(saved_login(minter)).unwrap()).unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_wait_at_one_refresh_and_none_is_late() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    // Connections to the upstream are there, as in a busy hour.
    assert_eq!(parallel(&proxy, 1000).await, [StatusCode::OK; 1000]);
    cloud.revoke_access_tokens();
    cloud.fail_token(TokenFault::Slow { ms: 2500 }, Some(1));
    let refreshed = async {
        cloud.wait_until(|counts| counts.refreshes == 1, PATIENCE).await.expect("one refresh");
        Instant::now()
    };
    let served = async {
        let served = parallel(&proxy, 1000).await;
        (served, Instant::now())
    };
    let (refreshed, (served, last)) = tokio::join!(refreshed, served);
    assert_eq!(served, [StatusCode::OK; 1000]);
    assert_eq!(cloud.counts().refreshes, 1);
    println!("the last of 1000 requests was served {:?} after the refresh", last - refreshed);
}

#[tokio::test]
async fn a3_an_outage_of_the_authorization_server_loses_nothing() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(2));
    let proxy = Proxy::signed_in_with(&sandbox, "[limits]\ntoken_wait = \"100ms\"").await;
    cloud.fail_token(TokenFault::Status { status: 503, retry_after: None }, None);
    cloud.wait_until(|counts| counts.refreshes_failed >= 2, PATIENCE).await.expect("it tries");
    let before = std::fs::read(saved_login(&proxy)).unwrap();
    // The token has ended: the answer says what is wrong, and never that the client should sign in.
    let ended = async {
        loop {
            let (status, headers, body) = proxy.post(ECHO, r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#).await;
            if status != StatusCode::OK {
                return (status, headers, body);
            }
        }
    };
    let (status, headers, body) = tokio::time::timeout(PATIENCE, ended).await.expect("the token ends");
    assert_eq!((status, headers.contains_key("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    assert!(body.contains("\"id\":7") && body.contains("cannot renew"), "{body}");
    assert_eq!(conditions(&proxy), ["token-renewal-failing"]);
    assert_eq!(std::fs::read(saved_login(&proxy)).unwrap(), before, "nothing is deleted");
    cloud.set_access_token_life(None);
    cloud.clear_faults();
    let served = async { while proxy.post(ECHO, "{}").await.0 != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, served).await.expect("it recovers by itself");
    assert!(conditions(&proxy).is_empty());
}

#[tokio::test]
async fn a5_a_lost_refresh_answer_is_stated_plainly() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    cloud.fail_token(TokenFault::CutAfter, Some(1));
    cloud.revoke_access_tokens();
    let (status, _, body) = proxy.post(ECHO, r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("mcp-proxy login"), "{body}");
    let condition = proxy.daemon.health.conditions().remove(0);
    assert_eq!(condition.name, "login-required");
    assert!(condition.reason.contains("invalid_grant") && condition.reason.contains("lost"), "{}", condition.reason);
    assert!(saved_login(&proxy).exists(), "nothing is deleted");
    proxy.sign_in(&sandbox).await;
    assert_eq!(parallel(&proxy, 3).await, [StatusCode::OK; 3]);
}

#[tokio::test]
async fn a7_after_eight_hours_asleep_the_first_request_is_served() {
    let sandbox = sandbox().await;
    let slept = Arc::new(AtomicI64::new(0));
    let (real, read) = (Clock::system(), slept.clone());
    let clock = Clock::from_fn(move || {
        let Now { wall, mono } = real.now();
        Now { wall: Wall::from_unix_millis(wall.unix_millis() + read.load(Ordering::SeqCst)), mono }
    });
    let proxy = Proxy::start_with(&sandbox, "", clock, support::state_dir()).await;
    proxy.sign_in(&sandbox).await;
    for hours in [8, 7, 16] {
        // Ahead as after a suspend, back as somebody sets a clock, ahead again.
        slept.store(hours * 3_600_000, Ordering::SeqCst);
        sandbox.cloud().set_clock_offset(hours * 3600);
        assert_eq!(parallel(&proxy, 20).await, [StatusCode::OK; 20]);
    }
    assert!((2..=3).contains(&sandbox.cloud().counts().refreshes), "{}", sandbox.cloud().counts().refreshes);
}

#[tokio::test]
async fn a9_two_daemons_on_one_store_never_refresh_twice() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let first = Proxy::signed_in(&sandbox).await;
    let second = Proxy::start_with(&sandbox, "", Clock::system(), first.state_dir()).await;
    for round in 1..=5 {
        cloud.fail_token(TokenFault::Slow { ms: 100 }, Some(1));
        cloud.revoke_access_tokens();
        let (a, b) = tokio::join!(parallel(&first, 5), parallel(&second, 5));
        assert_eq!((a, b), (vec![StatusCode::OK; 5], vec![StatusCode::OK; 5]), "round {round}");
        assert_eq!(cloud.counts().refreshes, round);
    }
    assert_eq!(cloud.counts().refreshes_failed, 0, "the loser adopts the newer credential");
}

#[tokio::test]
async fn a11_a_save_that_fails_costs_no_request_and_is_made_up_for() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    let (logins, aside) = (proxy.state_dir().path().join("logins"), proxy.state_dir().path().join("aside"));
    // A file where the directory should be: no save succeeds, for root neither.
    std::fs::rename(&logins, &aside).unwrap();
    std::fs::write(&logins, b"").unwrap();
    cloud.revoke_access_tokens();
    assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5]);
    assert_eq!(conditions(&proxy), ["token-not-durable"]);
    std::fs::remove_file(&logins).unwrap();
    std::fs::rename(&aside, &logins).unwrap();
    let mut changes = proxy.daemon.health.changes();
    let made_up = async {
        while !conditions(&proxy).is_empty() {
            changes.changed().await.unwrap()
        }
    };
    tokio::time::timeout(PATIENCE, made_up).await.expect("the save is tried again");
    let state = proxy.stop().await;
    let again = Proxy::start_with(&sandbox, "", Clock::system(), state).await;
    assert_eq!(parallel(&again, 5).await, [StatusCode::OK; 5]);
    assert_eq!(cloud.counts().refreshes, 1, "the renewed token is the one on disk");
}

fn conditions(proxy: &Proxy) -> Vec<&'static str> {
    proxy.daemon.health.conditions().iter().map(|condition| condition.name).collect()
}

fn saved_login(proxy: &Proxy) -> std::path::PathBuf {
    proxy.state_dir().path().join("logins/alibaba.CN.aliyun-cli-mcp-proxy.json")
}

/// Asks where every token is refused.
async fn ask_in_vain(proxy: &Proxy) {
    let (status, _, body) = proxy.post("/lab/early401", r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("refused the token, a renewed one too"), "{body}");
}

#[tokio::test]
async fn a8_a_path_that_refuses_every_token_costs_two_renewals_and_no_waiting() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let (time, more) = (Time::new(), "[limits]\ntoken_wait = \"20s\"");
    let proxy = Proxy::start_with(&sandbox, more, time.clock(), support::state_dir()).await;
    proxy.sign_in(&sandbox).await;
    let asking = async {
        for _ in 0..50 {
            ask_in_vain(&proxy).await;
        }
        assert_eq!(cloud.counts().refreshes, 2);
        // What other paths do with their tokens changes nothing there.
        cloud.revoke_access_tokens();
        assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5], "other paths go on");
        ask_in_vain(&proxy).await;
        assert_eq!(cloud.counts().refreshes, 3);
        time.pass(60);
        for _ in 0..50 {
            ask_in_vain(&proxy).await;
        }
        assert_eq!(cloud.counts().refreshes, 4, "once a minute, then more and more rarely");
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("nobody waits for a renewal that changes nothing");
    assert_eq!(parallel(&proxy, 5).await, [StatusCode::OK; 5]);
}

#[tokio::test]
async fn a8_a_token_that_ends_right_after_its_renewal_is_renewed_again() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let proxy = Proxy::signed_in(&sandbox).await;
    for round in 1..=2 {
        cloud.fail_gateway(GatewayFault::Status { status: 401, retry_after: None }, Some(2));
        let (_, _, body) = proxy.post(ECHO, r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#).await;
        assert!(body.contains("refused the token, a renewed one too"), "{body}");
        cloud.revoke_access_tokens();
        assert_eq!(parallel(&proxy, 1).await, [StatusCode::OK], "round {round}");
        assert_eq!(cloud.counts().refreshes, 2 * round);
    }
}
