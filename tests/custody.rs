//! The custody of saved logins, through the real program: keys, sign-out, import, status, and what a running daemon
//! makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mcp_proxy::auth::credential::Credential;
use mcp_proxy::auth::store::{Protection, SealKey, Store};
use mcp_proxy::model::time::{Clock, Wall};
use mcp_proxy::model::upstream::UpstreamName;
use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};
use support::program::{Finished, Program, bare, command, finish};
use support::{Proxy, sandbox};
use tempfile::TempDir;

const ECHO: &str = "/lab/echo";
/// A daemon looks at the store every second; a busy machine gets some more.
const NOTICED: Duration = Duration::from_secs(4);

fn store(state: &Path) -> Store {
    Store::new(state, &UpstreamName::parse("alibaba").unwrap(), "CN", "aliyun-cli-mcp-proxy")
}

fn with_key(file: &Path) -> String {
    format!("[login]\nkey_file = {file:?}")
}

/// The program, in a thread of its own: the sandbox lives in this one.
async fn run(sandbox: &Sandbox, state: &Path, more: &str, args: &[&str]) -> Finished {
    let command = command(sandbox, state, more, args);
    let finished = tokio::task::spawn_blocking(|| finish(command)).await.unwrap();
    for secret in sandbox.cloud().issued_secrets() {
        assert!(!finished.stdout.contains(&secret) && !finished.stderr.contains(&secret), "a secret was printed");
    }
    finished
}

/// A state directory with a login, and no daemon.
async fn signed_in(sandbox: &Sandbox) -> Arc<TempDir> {
    Proxy::signed_in(sandbox).await.stop().await
}

async fn served(proxy: &Proxy) -> bool {
    proxy.post(ECHO, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.0 == StatusCode::OK
        && proxy.daemon.health.standings()["alibaba"].signed_in
}

async fn becomes(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(NOTICED, async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("within {NOTICED:?}: {what}"));
}

fn generated(directory: &Path, name: &str) -> PathBuf {
    let file = directory.join(name);
    let made = finish(bare(&["key", "generate", file.to_str().unwrap()]));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = SealKey::read_file(&file).unwrap();
    for says in [key.id(), "key_file", "LoadCredentialEncrypted=token-key:", file.to_str().unwrap()] {
        assert!(made.stdout.contains(says), "{says}: {}", made.stdout);
    }
    assert!(!made.stdout.contains(std::fs::read_to_string(&file).unwrap().trim()));
    file
}

fn sealed_with(state: &Path, key: &Path) -> bool {
    let key_id = SealKey::read_credential(key).unwrap().id().to_owned();
    store(state).protection() == Some(Protection::Sealed { key_id })
}

#[tokio::test]
async fn d6_a_plain_login_is_encrypted_at_the_start_and_stays_usable() {
    let sandbox = sandbox().await;
    let state = signed_in(&sandbox).await;
    assert_eq!(store(state.path()).protection(), Some(Protection::Plain));
    let key = generated(state.path(), "key");
    let again = finish(bare(&["key", "generate", key.to_str().unwrap()]));
    assert_eq!(again.code, 73, "{}", again.stderr);
    for _ in 0..2 {
        let proxy = Proxy::start_with(&sandbox, &with_key(&key), Clock::system(), state.clone()).await;
        assert!(sealed_with(state.path(), &key));
        assert!(served(&proxy).await);
        sandbox.cloud().revoke_access_tokens();
        assert!(served(&proxy).await, "the renewed login is saved and used");
        assert!(sealed_with(state.path(), &key));
        proxy.stop().await;
    }
    // A person signs in where the key is not at hand: the daemon takes the login and encrypts it.
    let keyed = store(state.path()).sealed_with(Some(Arc::new(SealKey::read_file(&key).unwrap())));
    let mut newer = keyed.load().unwrap().unwrap();
    newer.grant.serial += 1;
    let proxy = Proxy::start_with(&sandbox, &with_key(&key), Clock::system(), state.clone()).await;
    keyed.remove().unwrap();
    store(state.path()).save(&newer, Clock::system().now().wall).unwrap();
    becomes("encrypted", async || sealed_with(state.path(), &key)).await;
    assert!(served(&proxy).await);
    assert_eq!(keyed.load().unwrap(), Some(newer));
    proxy.stop().await;
    // The same key as systemd passes it, readable for a group as far as the mode says.
    let credentials = tempfile::tempdir().unwrap();
    std::fs::copy(&key, credentials.path().join("token-key")).unwrap();
    std::fs::set_permissions(credentials.path().join("token-key"), PermissionsExt::from_mode(0o440)).unwrap();
    let mut passed = command(&sandbox, state.path(), "", &["status", "--json"]);
    passed.env("CREDENTIALS_DIRECTORY", credentials.path());
    assert_eq!(finish(passed).code, 0);
}

#[tokio::test]
async fn d6_a_key_that_cannot_be_used_is_an_error_at_start() {
    let sandbox = sandbox().await;
    let state = support::state_dir();
    let key = generated(state.path(), "key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    for args in [["serve"], ["login"]] {
        let refused = run(&sandbox, state.path(), &with_key(&key), &args).await;
        assert_eq!(refused.code, 78, "{}", refused.stderr);
        let remedy = format!("chmod 600 {}", key.display());
        assert!(refused.stderr.contains("login.key_file") && refused.stderr.contains(&remedy), "{}", refused.stderr);
    }
    let credentials = tempfile::tempdir().unwrap();
    let passed = credentials.path().join("token-key");
    std::fs::write(&passed, "no key").unwrap();
    let mut command = command(&sandbox, state.path(), "", &["serve"]);
    command.env("CREDENTIALS_DIRECTORY", credentials.path());
    let refused = finish(command);
    assert_eq!(refused.code, 78);
    assert!(refused.stderr.contains(passed.to_str().unwrap()), "{}", refused.stderr);
}

#[tokio::test]
async fn d6_keys_rotate_from_plain_and_from_one_to_the_next() {
    let sandbox = sandbox().await;
    let state = signed_in(&sandbox).await;
    let saved = store(state.path()).load().unwrap();
    let [first, second] = ["first", "second"].map(|name| generated(state.path(), name));
    let (first_path, second_path) = (first.to_str().unwrap(), second.to_str().unwrap());
    let rotated = run(&sandbox, state.path(), "", &["key", "rotate", "--new-key", first_path]).await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    assert!(rotated.stdout.contains(&format!("login.key_file = \"{first_path}\"")), "{}", rotated.stdout);
    assert!(sealed_with(state.path(), &first));
    // Without the key that opens it, nothing happens.
    let refused = run(&sandbox, state.path(), "", &["key", "rotate", "--new-key", second_path]).await;
    assert_eq!(refused.code, 78, "{}", refused.stdout);
    assert!(sealed_with(state.path(), &first));
    for says in ["is encrypted", "was encrypted"] {
        let args = ["key", "rotate", "--new-key", second_path];
        let rotated = run(&sandbox, state.path(), &with_key(&first), &args).await;
        assert_eq!(rotated.code, 0, "{}", rotated.stderr);
        assert!(rotated.stdout.contains(says), "{}", rotated.stdout);
        assert!(sealed_with(state.path(), &second));
    }
    // The configuration is changed already, and a login has still the old key.
    let back = ["key", "rotate", "--new-key", first_path, "--old-key", second_path];
    assert_eq!(run(&sandbox, state.path(), &with_key(&first), &back).await.code, 0);
    let opened = store(state.path()).sealed_with(Some(Arc::new(SealKey::read_file(&first).unwrap())));
    assert_eq!(opened.load().unwrap(), saved);
}

#[tokio::test]
async fn a_running_daemon_notices_that_a_person_signed_out_and_in_again() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let state = proxy.state_dir();
    assert!(served(&proxy).await);
    let saved = store(state.path()).load().unwrap().unwrap();
    let out = run(&sandbox, state.path(), "", &["logout"]).await;
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("signed out") && out.stdout.contains("RAM console"), "{}", out.stdout);
    assert_eq!(store(state.path()).load().unwrap(), None);
    let signed_out = || {
        let conditions = proxy.daemon.health.conditions();
        conditions.iter().any(|known| known.name == "login-required" && known.reason.starts_with("signed out"))
    };
    becomes("signed out", async || signed_out() && !served(&proxy).await).await;
    assert_eq!(sandbox.cloud().counts().revocations, 0);
    // A rejection or the end of a token must not bring the login back.
    sandbox.cloud().revoke_access_tokens();
    assert!(!served(&proxy).await);
    assert_eq!((store(state.path()).load().unwrap(), sandbox.cloud().counts().refreshes), (None, 0));
    let none = run(&sandbox, state.path(), "", &["logout"]).await;
    assert_eq!(none.code, 0);
    assert!(none.stdout.contains("there is no saved login"), "{}", none.stdout);
    // And in again, by another process.
    store(state.path()).save(&saved, Clock::system().now().wall).unwrap();
    becomes("signed in", async || served(&proxy).await).await;
    assert!(proxy.daemon.health.conditions().iter().all(|known| known.name != "login-required"));
}

#[tokio::test]
async fn a_renewal_right_after_a_sign_out_does_not_bring_the_login_back() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let store = store(proxy.state_dir().path());
    assert!(served(&proxy).await);
    store.remove().unwrap();
    sandbox.cloud().revoke_access_tokens();
    assert!(!served(&proxy).await, "the rejected token is not renewed");
    assert_eq!((store.load().unwrap(), sandbox.cloud().counts().refreshes), (None, 0));
}

#[tokio::test]
async fn a_login_that_replaces_a_removed_one_between_two_looks_is_taken() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let store = store(proxy.state_dir().path());
    sandbox.cloud().revoke_access_tokens();
    assert!(served(&proxy).await);
    let mut other = store.load().unwrap().unwrap();
    let held = other.grant.serial;
    let now = Clock::system().now().wall;
    let later = now.plus(Duration::from_secs(777));
    other.grant.serial = held - 1;
    other.grant.obtained_at = now;
    other.grant.expires_at = Some(later);
    store.remove().unwrap();
    store.save(&other, now).unwrap();
    becomes("the new login is used", async || proxy.daemon.health.standings()["alibaba"].expires_at == Some(later))
        .await;
    assert!(served(&proxy).await);
}

#[tokio::test]
async fn a_state_directory_that_is_away_for_a_moment_is_no_sign_out() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let logins = proxy.state_dir().path().join("logins");
    let away = proxy.state_dir().path().join("away");
    std::fs::rename(&logins, &away).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(served(&proxy).await);
    std::fs::rename(&away, &logins).unwrap();
    // The file is there and cannot be read.
    let file = store(proxy.state_dir().path()).path().to_owned();
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, "{").unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(served(&proxy).await);
    std::fs::write(&file, text).unwrap();
}

#[tokio::test]
async fn logout_revokes_first_and_keeps_what_it_could_not_revoke() {
    let sandbox = sandbox().await;
    let state = signed_in(&sandbox).await;
    let cloud = sandbox.cloud();
    cloud.refuse_token_connections(true);
    let kept = run(&sandbox, state.path(), "", &["logout", "--revoke"]).await;
    assert_eq!(kept.code, 69, "{}", kept.stdout);
    for says in ["login is kept", "`mcp-proxy logout`", "https://ram.console.aliyun.com"] {
        assert!(kept.stderr.contains(says), "{says}: {}", kept.stderr);
    }
    let saved = store(state.path()).load().unwrap().expect("kept");
    cloud.refuse_token_connections(false);
    // The server refuses: it does not know such a client.
    let mut foreign = saved.clone();
    foreign.binding.client_id = "1".to_owned();
    store(state.path()).save(&foreign, Clock::system().now().wall).unwrap();
    let refused = run(&sandbox, state.path(), "", &["logout", "--revoke"]).await;
    assert_eq!(refused.code, 77, "{}", refused.stderr);
    assert!(refused.stderr.contains("invalid_client"), "{}", refused.stderr);
    assert!(store(state.path()).load().unwrap().is_some());
    store(state.path()).save(&saved, Clock::system().now().wall).unwrap();
    let revocations = cloud.counts().revocations;
    let done = run(&sandbox, state.path(), "", &["logout", "--revoke"]).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("revoked at the server"), "{}", done.stdout);
    assert_eq!(cloud.counts().revocations, revocations + 1);
    assert_eq!(std::fs::read_dir(state.path().join("logins")).unwrap().count(), 1, "the lock alone");
    // What was revoked is worth nothing any more.
    store(state.path()).save(&saved, Clock::system().now().wall).unwrap();
    let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state).await;
    assert!(!served(&proxy).await);
}

/// The login as `aliyun mcp-proxy` saves it.
fn peer_file(saved: &Credential) -> String {
    let Credential { binding, grant } = saved;
    let seconds = |end: Option<Wall>| end.map(Wall::unix_seconds);
    let text = json!({
        "name": "default-mcp",
        "mcp_oauth_app_name": binding.client_name,
        "mcp_oauth_app_id": binding.client_id,
        "mcp_oauth_site_type": binding.site,
        "mcp_oauth_access_token": grant.access_token.expose(),
        "mcp_oauth_refresh_token": grant.refresh_token.as_ref().unwrap().expose(),
        "mcp_oauth_access_token_validity": 10800,
        "mcp_oauth_access_token_expire": seconds(grant.expires_at),
        "mcp_oauth_refresh_token_expire": seconds(grant.refresh_expires_at),
    });
    format!("{text:#}")
}

#[tokio::test]
async fn the_login_of_aliyun_mcp_proxy_is_found_and_taken_over() {
    let sandbox = sandbox().await;
    let state = signed_in(&sandbox).await;
    let saved = store(state.path()).load().unwrap().unwrap();
    store(state.path()).remove().unwrap();
    let missing = run(&sandbox, state.path(), "", &["import"]).await;
    assert_eq!(missing.code, 66, "{}", missing.stderr);
    let peer = state.path().join(".mcpproxy_config");
    std::fs::write(&peer, peer_file(&saved)).unwrap();
    // A start that needs a login says where one is.
    let mut serve = Program::start(command(&sandbox, state.path(), "", &["serve"]));
    tokio::task::spawn_blocking(move || {
        assert!(serve.line("Found the login").ends_with("take it over with: mcp-proxy import"));
        serve.signal("TERM");
        assert!(serve.wait().success());
    })
    .await
    .unwrap();
    assert_eq!(store(state.path()).load().unwrap(), None, "found is not taken");
    for (flags, says) in [
        (["--region-type", "INTL"], "--region-type CN"),
        (["--oauth-app-name", "mine"], "--oauth-app-name aliyun-cli-mcp-proxy"),
    ] {
        let refused = run(&sandbox, state.path(), "", &["import", flags[0], flags[1]]).await;
        assert_eq!(refused.code, 78, "{}", refused.stderr);
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    // A daemon that waits for a login takes it by itself.
    let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state.clone()).await;
    assert!(!served(&proxy).await);
    let done = run(&sandbox, state.path(), "", &["import"]).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("Do not run `aliyun mcp-proxy`"), "{}", done.stdout);
    becomes("the imported login is used", async || served(&proxy).await).await;
    let ours = store(state.path()).load().unwrap().unwrap();
    assert_eq!((ours.binding.account, ours.binding.client_id), (None, saved.binding.client_id.clone()));
    assert_eq!(
        ours.grant.refresh_expires_at.map(Wall::unix_seconds),
        saved.grant.refresh_expires_at.map(Wall::unix_seconds)
    );
    assert_eq!(std::fs::read_to_string(&peer).unwrap(), peer_file(&saved), "the original is as it was");
    sandbox.cloud().revoke_access_tokens();
    assert!(served(&proxy).await, "it can be renewed");
    proxy.stop().await;
    // Now ours is newer.
    let newer = run(&sandbox, state.path(), "", &["import", peer.to_str().unwrap()]).await;
    assert_eq!(newer.code, 75, "{}", newer.stderr);
    assert!(newer.stderr.contains("--force"), "{}", newer.stderr);
    assert_eq!(run(&sandbox, state.path(), "", &["import", "--force"]).await.code, 0);
    std::fs::write(&peer, "{}").unwrap();
    assert_eq!(run(&sandbox, state.path(), "", &["import", "--force"]).await.code, 65);
}

#[tokio::test]
async fn status_tells_the_truth_in_every_state() {
    let sandbox = sandbox().await;
    let state = support::state_dir();
    let json = |finished: &Finished| serde_json::from_str::<Value>(&finished.stdout).expect("JSON");
    let none = run(&sandbox, state.path(), "", &["status", "--json"]).await;
    assert_eq!((none.code, &json(&none)["upstreams"][0]["state"]), (77, &json!("sign-in-needed")));
    let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state.clone()).await;
    proxy.sign_in(&sandbox).await;
    let port = proxy.address.port().to_string();
    let good = run(&sandbox, state.path(), "", &["status", "--json", "--port", &port]).await;
    assert_eq!(good.code, 0, "{}", good.stdout);
    let status = json(&good);
    assert_eq!((&status["version"], &status["exit_code"]), (&json!(1), &json!(0)));
    assert_eq!(status["daemon"]["listens"], "mcp-proxy");
    assert_eq!(status["daemon"]["health"]["status"], "healthy");
    let login = &status["upstreams"][0];
    assert_eq!((&login["state"], &login["encrypted"]), (&json!("signed-in"), &json!(false)));
    assert!(login["access_token"]["expires_in"].as_u64().unwrap() > 10_000, "{login}");
    assert!(login["refresh_token"]["expires_in"].as_u64().unwrap() > 30_000_000, "{login}");
    let words = run(&sandbox, state.path(), "", &["status", "--port", &port]).await;
    for says in ["alibaba: signed in", "access token   ends in 2 h 59 min", "not encrypted", "is healthy"] {
        assert!(words.stdout.contains(says), "{says}: {}", words.stdout);
    }
    // The grant is taken away: the daemon knows, the file does not.
    sandbox.cloud().revoke_grants();
    assert!(!served(&proxy).await);
    assert_eq!(run(&sandbox, state.path(), "", &["status", "--port", &port]).await.code, 75);
    proxy.stop().await;
    let scope = run(&sandbox, state.path(), "", &["status", "--json", "--scope", "other"]).await;
    assert_eq!(scope.code, 77);
    assert!(json(&scope)["upstreams"][0]["problem"].as_str().unwrap().contains("scope"), "{}", scope.stdout);
    let serial = store(state.path()).load().unwrap().unwrap().grant.serial;
    store(state.path()).renewal_begins(serial).unwrap();
    let cut_off = json(&run(&sandbox, state.path(), "", &["status", "--json"]).await);
    assert_eq!(cut_off["upstreams"][0]["renewal_cut_off"], true);
    let key = generated(state.path(), "key");
    assert_eq!(run(&sandbox, state.path(), "", &["key", "rotate", "--new-key", key.to_str().unwrap()]).await.code, 0);
    let locked = run(&sandbox, state.path(), "", &["status", "--json"]).await;
    assert_eq!(locked.code, 78);
    assert_eq!(json(&locked)["upstreams"][0]["encrypted"], true);
    let opened = run(&sandbox, state.path(), &with_key(&key), &["status"]).await;
    assert_eq!(opened.code, 0, "{}", opened.stdout);
    assert!(opened.stdout.contains(&format!("key {}", SealKey::read_file(&key).unwrap().id())), "{}", opened.stdout);
}

#[tokio::test]
async fn the_end_of_a_login_is_announced_ahead() {
    let sandbox = sandbox().await;
    let state = signed_in(&sandbox).await;
    let mut saved = store(state.path()).load().unwrap().unwrap();
    let now = Clock::system().now().wall;
    saved.grant.refresh_expires_at = Some(now.plus(Duration::from_secs(10 * 86_400 + 60)));
    store(state.path()).save(&saved, now).unwrap();
    let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state.clone()).await;
    let conditions = proxy.daemon.health.conditions();
    let ending = conditions.iter().find(|known| known.name == "login-expiring").expect("announced at the start");
    assert!(ending.reason.contains("ends in 10 d") && ending.remedy.contains("mcp-proxy login"), "{ending:?}");
    assert!(served(&proxy).await, "and the login is in use");
    // A new login ends it.
    saved.grant.serial += 1;
    saved.grant.obtained_at = Clock::system().now().wall;
    saved.grant.refresh_expires_at = Some(now.plus(Duration::from_secs(365 * 86_400)));
    store(state.path()).save(&saved, now).unwrap();
    becomes("no condition", async || proxy.daemon.health.conditions().is_empty()).await;
}
