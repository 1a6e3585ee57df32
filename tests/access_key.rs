//! A token for API credentials, without a person: from the configuration to an MCP call, and through everything that a
//! machine left alone must get over by itself, or say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::{ApiFault, RequestRecord, Sandbox};
use support::program::{Program, command, finish};
use support::time::Time;
use support::{PATIENCE, Proxy, config_text, environment, sandbox, state_dir};
use tokio_util::sync::CancellationToken;

const ECHO: &str = "/lab/echo";
const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const MINT: &str = "GenerateAccessToken";
const AUTH: &str = "auth = \"access-key\"";
/// Seconds after which a token of three days is replaced, which lives for some hours still.
const DUE: u64 = 246_000;
/// No wait between two tries is longer, in seconds, unless the cloud asks for it.
const NEXT_TRY: u64 = 62;

/// Time passes for daemon and cloud alike.
fn pass(time: &Time, sandbox: &Sandbox, seconds: u64) {
    time.pass(seconds);
    sandbox.cloud().advance_clock(i64::try_from(seconds).unwrap());
}

async fn start(sandbox: &Sandbox, more: &str, clock: Clock) -> Proxy {
    Proxy::start_with(sandbox, &format!("{AUTH}\n{more}"), clock, state_dir()).await
}

async fn start_as(sandbox: &Sandbox, environment: BTreeMap<String, String>, clock: Clock) -> Proxy {
    let state = state_dir();
    let text = config_text(sandbox, state.path(), &format!("{AUTH}\n[limits]\ntoken_wait = \"100ms\""));
    Proxy::configured(&text, environment, clock, state).await
}

async fn served(proxy: &Proxy, count: usize) -> bool {
    let requests = (0..count).map(|_| proxy.post(ECHO, REQUEST));
    futures_util::future::join_all(requests).await.iter().all(|(status, _, _)| *status == StatusCode::OK)
}

async fn becomes_served(proxy: &Proxy) {
    let waited = async { while proxy.post(ECHO, REQUEST).await.0 != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, waited).await.expect("served by itself");
    assert!(proxy.daemon.health.conditions().is_empty());
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

fn mints(sandbox: &Sandbox) -> u64 {
    sandbox.cloud().counts().api_calls(MINT)
}

/// The one condition: its reason and its remedy.
async fn told(proxy: &Proxy) -> (String, String) {
    until("a condition", || !proxy.daemon.health.conditions().is_empty()).await;
    let condition = proxy.daemon.health.conditions().remove(0);
    assert_eq!(condition.name, "token-renewal-failing");
    (condition.reason, condition.remedy)
}

/// What a client is told that asks meanwhile.
async fn answer_without_token(proxy: &Proxy) -> String {
    let (status, headers, body) = proxy.post(ECHO, REQUEST).await;
    assert_eq!((status, headers.contains_key("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    assert!(body.contains("API credentials") && body.contains("mcp-proxy status"), "{body}");
    assert!(!body.contains("mcp-proxy login"), "{body}");
    body
}

fn assert_without_secrets(sandbox: &Sandbox, text: &str) {
    for secret in sandbox.cloud().issued_secrets() {
        assert!(!text.contains(&secret), "a secret was shown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_environment_to_an_mcp_call_with_no_person() {
    let (sandbox, state) = (sandbox().await, state_dir());
    let socket = state.path().join("control.sock");
    let with_socket = |args: &[&str]| {
        let mut command = command(&sandbox, state.path(), AUTH, args);
        command.env("MCP_PROXY_CONTROL__SOCKET", &socket);
        command
    };
    let mut program = Program::start(with_socket(&["serve"]));
    let line = program.line("Listen: ");
    let address: SocketAddr = line.trim().strip_prefix("Listen: ").unwrap().parse().unwrap();
    let server = sandbox.servers().remove(0);
    program.line(&format!("http://{address}{}", server.mcp_path));
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",
        "capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let (status, _, body) =
        support::whole(support::send(address, support::post(address, &server.mcp_path, initialize)).await).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("serverInfo"), "{body}");

    let status = tokio::task::spawn_blocking({
        let (plain, json) = (with_socket(&["status"]), with_socket(&["status", "--json"]));
        || (finish(plain), finish(json))
    });
    let (plain, json) = status.await.unwrap();
    assert_eq!((plain.code, json.code), (0, 0), "{}{}", plain.stdout, json.stdout);
    let seen = program.seen().to_owned();
    for shown in [&seen, &plain.stdout, &json.stdout, &plain.stderr] {
        assert_without_secrets(&sandbox, shown);
    }
    assert!(!seen.contains("login") && mints(&sandbox) == 1, "{seen}");
    assert!(!state.path().join("logins").exists(), "nothing is saved");
    program.signal("TERM");
    assert!(program.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_status_say_why_there_is_no_token() {
    let (sandbox, state) = (sandbox().await, state_dir());
    sandbox.cloud().set_permission(&sandbox.access_key().0, "ram:GenerateAccessToken", false);
    let socket = state.path().join("control.sock");
    let with_socket = |args: &[&str]| {
        let mut command = command(&sandbox, state.path(), AUTH, args);
        command.env("MCP_PROXY_CONTROL__SOCKET", &socket);
        command
    };
    let mut program = Program::start(with_socket(&["serve"]));
    let line = program.line("token-renewal-failing");
    let asked = with_socket(&["status"]);
    let status = tokio::task::spawn_blocking(|| finish(asked)).await.unwrap();
    for shown in [&line, &status.stdout] {
        assert!(shown.contains(r#""Action":"ram:GenerateAccessToken""#) && shown.contains("tried again"), "{shown}");
        assert_without_secrets(&sandbox, shown);
    }
    assert_ne!(status.code, 0, "{}", status.stdout);
}

#[tokio::test]
async fn it_is_replaced_ahead_of_its_end_and_no_request_waits() {
    let (sandbox, time) = (sandbox().await, Time::new());
    let proxy = start(&sandbox, "", time.clock()).await;
    assert!(served(&proxy, 5).await);
    for round in 2..=4 {
        pass(&time, &sandbox, DUE);
        until("replaced", || proxy.daemon.health.standings()["alibaba"].renewals == round).await;
        assert!(served(&proxy, 5).await);
        assert_eq!(mints(&sandbox), round);
    }
    assert_eq!(sandbox.cloud().counts().gateway_unauthorized, 0, "nobody ever sent an expired token");
}

#[tokio::test]
async fn twenty_requests_after_a_revocation_cause_one_new_token_and_are_all_served() {
    let sandbox = sandbox().await;
    let proxy = start(&sandbox, "", Clock::system()).await;
    assert!(served(&proxy, 1).await);
    sandbox.cloud().revoke_access_tokens();
    assert!(served(&proxy, 20).await);
    assert_eq!(mints(&sandbox), 2);
}

#[tokio::test]
async fn what_the_credentials_may_not_do_is_said_with_the_policy_to_paste() {
    let (sandbox, time) = (sandbox().await, Time::new());
    let (id, _) = sandbox.access_key();
    sandbox.cloud().set_permission(&id, "ram:GenerateAccessToken", false);
    let proxy = start_as(&sandbox, environment(&sandbox), time.clock()).await;
    let (reason, remedy) = told(&proxy).await;
    let policy =
        r#"{"Statement":[{"Action":"ram:GenerateAccessToken","Effect":"Allow","Resource":"*"}],"Version":"1"}"#;
    for says in ["may not do ram:GenerateAccessToken", policy, "ALIBABA_CLOUD_ACCESS_KEY_ID"] {
        assert!(reason.contains(says), "{reason}");
    }
    assert!(remedy.contains("without a restart") && !remedy.contains("login"), "{remedy}");
    let body = answer_without_token(&proxy).await;
    assert_without_secrets(&sandbox, &format!("{reason}{body}"));
    assert_eq!(mints(&sandbox), 1, "a refusal is not repeated at once");
    sandbox.cloud().set_permission(&id, "ram:GenerateAccessToken", true);
    pass(&time, &sandbox, NEXT_TRY);
    becomes_served(&proxy).await;
}

#[tokio::test]
async fn credentials_that_are_missing_or_wrong_are_named_and_looked_for_again() {
    let (sandbox, time) = (sandbox().await, Time::new());
    let (id, secret) = sandbox.access_key();
    let variables = |id: &str, secret: &str| {
        let [id_name, secret_name] = ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"];
        BTreeMap::from([(id_name.to_owned(), id.to_owned()), (secret_name.to_owned(), secret.to_owned())])
    };
    for (environment, says) in [
        (variables(&id, "wrong"), "does not belong to its access key id"),
        (variables("LTAInobody", &secret), "does not exist"),
        (variables(&id, ""), "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"),
    ] {
        let proxy = start_as(&sandbox, environment, time.clock()).await;
        let (reason, _) = told(&proxy).await;
        assert!(reason.contains(says), "{reason}");
        assert_without_secrets(&sandbox, &format!("{reason}{}", answer_without_token(&proxy).await));
    }
    sandbox.cloud().set_key_active(&id, false);
    let proxy = start_as(&sandbox, environment(&sandbox), time.clock()).await;
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains("ALIBABA_CLOUD_ACCESS_KEY_ID is disabled. Enable it in the RAM console"), "{reason}");
    sandbox.cloud().set_key_active(&id, true);
    // The file of the aliyun CLI comes later.
    let proxy = start_as(&sandbox, BTreeMap::new(), time.clock()).await;
    let file = proxy.state_dir().path().join("aliyun.json");
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains(file.to_str().unwrap()), "{reason}");
    let profile =
        serde_json::json!({ "name": "default", "mode": "AK", "access_key_id": id, "access_key_secret": secret });
    std::fs::write(&file, serde_json::json!({ "current": "default", "profiles": [profile] }).to_string()).unwrap();
    pass(&time, &sandbox, NEXT_TRY);
    becomes_served(&proxy).await;
}

#[tokio::test]
async fn nobody_waits_for_what_only_a_person_can_end() {
    let (sandbox, time) = (sandbox().await, Time::new());
    let cloud = sandbox.cloud();
    let (id, _) = sandbox.access_key();
    cloud.set_permission(&id, "ram:GenerateAccessToken", false);
    let more = "[limits]\ntoken_wait = \"10min\"";
    // Asked before the first try has ended: answered when it ends.
    let proxy = start(&sandbox, more, time.clock()).await;
    for _ in 0..3 {
        let body = tokio::time::timeout(PATIENCE, answer_without_token(&proxy)).await.expect("answered at once");
        assert!(body.contains("only a person can change") && mints(&sandbox) == 1, "{body}");
    }
    let (_, headers, _) = proxy.post(ECHO, REQUEST).await;
    assert_eq!(headers["retry-after"], "60");
    // What may be over soon is waited for: the same request is served.
    cloud.set_permission(&id, "ram:GenerateAccessToken", true);
    cloud.fail_api(ApiFault::Throttled { retry_after_ms: Some(120_000) }, None);
    pass(&time, &sandbox, NEXT_TRY);
    until("the other reason", || {
        proxy.daemon.health.conditions().first().is_some_and(|condition| condition.reason.contains("too many calls"))
    })
    .await;
    let (served, ()) = tokio::join!(proxy.post(ECHO, REQUEST), async {
        cloud.clear_faults();
        pass(&time, &sandbox, 125);
    });
    assert_eq!(served.0, StatusCode::OK, "{}", served.2);
}

/// The file of the aliyun CLI, with one key.
fn write_profile(file: &Path, (id, secret): &(String, String)) {
    let profile =
        serde_json::json!({ "name": "default", "mode": "AK", "access_key_id": id, "access_key_secret": secret });
    let text = serde_json::json!({ "current": "default", "profiles": [profile] }).to_string();
    std::fs::write(file.with_extension("new"), text).unwrap();
    std::fs::rename(file.with_extension("new"), file).unwrap();
}

#[tokio::test]
async fn a_changed_file_is_used_at_once_and_one_that_cannot_be_read_is_said_and_leads_to_nobody_else() {
    let sandbox = sandbox().await;
    // Time stands still: nothing here waits for the next try.
    let time = Time::new();
    let (key, other) = (sandbox.access_key(), sandbox.other_access_key());
    let proxy = start_as(&sandbox, BTreeMap::new(), time.clock()).await;
    let file = proxy.state_dir().path().join("aliyun.json");
    told(&proxy).await;
    write_profile(&file, &(key.0.clone(), "wrong".to_owned()));
    until("the new reason", || {
        let conditions = proxy.daemon.health.conditions();
        conditions.first().is_some_and(|condition| condition.reason.contains("does not belong to its access key id"))
    })
    .await;
    write_profile(&file, &key);
    becomes_served(&proxy).await;
    let asked_by = |id: &str| {
        let asked = format!("AccessKeyId={id}&");
        sandbox.cloud().received().iter().filter(|r| r.target.contains(MINT) && r.target.contains(&asked)).count()
    };
    // Another identity: its token takes the place of the one that would be good for days.
    write_profile(&file, &other);
    until("asked as somebody else", || asked_by(&other.0) == 1).await;
    until("in use", || proxy.daemon.health.standings()["alibaba"].renewals == 2).await;
    assert!(served(&proxy, 5).await && asked_by(&key.0) == 2);
    let listed_by = |id: &str| {
        let by = |record: &RequestRecord| record.header("authorization").iter().any(|text| text.contains(id));
        sandbox.cloud().received().iter().any(|record| record.target == "/apimcpservers" && by(record))
    };
    until("the list of servers is that of the other identity", || listed_by(&other.0)).await;

    // What cannot be read is said; the token that is there serves on, and nobody is asked as the one before.
    std::fs::write(&file, "{\"current\":\"default\",\"profiles\":[{\"access_key_secret\":\"hun").unwrap();
    let (reason, remedy) = told(&proxy).await;
    assert!(reason.contains("the file ends too early") && !reason.contains("hun"), "{reason}");
    assert!(remedy.contains("as soon as a file of the credentials changes"), "{remedy}");
    assert!(served(&proxy, 5).await);
    std::fs::remove_file(&file).unwrap();
    until("the new reason", || {
        let conditions = proxy.daemon.health.conditions();
        conditions.first().is_some_and(|condition| condition.reason.contains("which is not there any more"))
    })
    .await;
    assert_eq!((asked_by(&key.0), asked_by(&other.0)), (2, 1));
    write_profile(&file, &other);
    until("over", || proxy.daemon.health.conditions().is_empty()).await;
    assert_eq!(asked_by(&other.0), 2);
    assert!(served(&proxy, 5).await);
}

/// A program that begins another one and hangs, until there are keys to print; both take no SIGTERM. They say which processes they are, and with which
/// words they were begun.
fn hanging(directory: &Path) -> PathBuf {
    let program = directory.join("get keys");
    let text = r#"#!/bin/sh
trap '' TERM
cd "$(dirname "$0")" || exit 1
printf '%s\n' "$@" > words
[ -e keys.json ] && exec cat keys.json
sh -c 'trap "" TERM; echo $$ > child.new; mv child.new child; while :; do sleep 1000; done' &
echo $$ > parent.new
mv parent.new parent
while :; do wait; done
"#;
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    program
}

/// The processes of [`hanging`], once both run.
async fn hang(directory: &Path) -> Vec<String> {
    let files = ["parent", "child"].map(|name| directory.join(name));
    until("both run", || files.iter().all(|file| file.exists())).await;
    files.iter().map(|file| std::fs::read_to_string(file).unwrap().trim().to_owned()).collect()
}

fn runs(process: &str) -> bool {
    // Ended, but not yet looked after by whoever adopted it.
    let is_over = |stat: &str| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !is_over(&stat))
}

fn write_command(file: &Path, line: &str) {
    let profile = serde_json::json!({ "name": "default", "mode": "External", "process_command": line });
    let text = serde_json::json!({ "current": "default", "profiles": [profile] }).to_string();
    std::fs::write(file.with_extension("new"), text).unwrap();
    std::fs::rename(file.with_extension("new"), file).unwrap();
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children_and_said() {
    let (sandbox, state) = (sandbox().await, state_dir());
    let program = hanging(state.path());
    // Words that a shell would act on.
    let line = format!("'{}' '$HOME' '; touch x' a\\ b", program.display());
    write_command(&state.path().join("aliyun.json"), &line);
    let text = config_text(&sandbox, state.path(), &format!("{AUTH}\n[limits]\ntoken_wait = \"100ms\""));
    let proxy = Proxy::configured(&text, BTreeMap::new(), Clock::system(), state.clone()).await;
    let processes = hang(state.path()).await;
    assert_eq!(std::fs::read_to_string(state.path().join("words")).unwrap(), "$HOME\n; touch x\na b\n");
    assert!(processes.iter().all(|process| runs(process)));
    assert!(answer_without_token(&proxy).await.contains("goes on trying"));

    let (id, secret) = sandbox.access_key();
    let keys = serde_json::json!({ "mode": "AK", "access_key_id": id, "access_key_secret": secret });
    std::fs::write(state.path().join("keys.json"), keys.to_string()).unwrap();
    // A minute passes for the daemon.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains("took longer than 1 min") && reason.contains("the command"), "{reason}");
    until("both ended", || !processes.iter().any(|process| runs(process))).await;
    assert!(!state.path().join("x").exists());
    // It is run again by itself.
    becomes_served(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_ends_with_the_daemon_and_no_secret_stands_on_a_command_line() {
    let (sandbox, state) = (sandbox().await, state_dir());
    let line = format!("'{}' --json", hanging(state.path()).display());
    write_command(&state.path().join("aliyun.json"), &line);
    let mut command = command(&sandbox, state.path(), AUTH, &["serve"]);
    command.env_remove("ALIBABA_CLOUD_ACCESS_KEY_ID").env_remove("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    let mut daemon = Program::start(command);
    let mut processes = hang(state.path()).await;
    processes.push(daemon.id().to_string());
    for process in &processes {
        let words = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
        assert!(!words.is_empty());
        assert_without_secrets(&sandbox, &words);
    }
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    until("all ended", || !processes.iter().any(|process| runs(process))).await;
}

#[tokio::test]
async fn temporary_credentials_do_as_well() {
    let sandbox = sandbox().await;
    let (id, secret, token) = sandbox.temporary_access_key();
    let names = ["ID", "SECRET"].map(|end| format!("ALIBABA_CLOUD_ACCESS_KEY_{end}"));
    let mut environment: BTreeMap<_, _> = names.into_iter().zip([id.clone(), secret]).collect();
    environment.insert("ALIBABA_CLOUD_SECURITY_TOKEN".to_owned(), token);
    let time = Time::new();
    let proxy = start_as(&sandbox, environment, time.clock()).await;
    becomes_served(&proxy).await;
    sandbox.cloud().expire_session(&id);
    pass(&time, &sandbox, DUE);
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains("temporary credentials"), "{reason}");
    assert_without_secrets(&sandbox, &reason);
    assert!(served(&proxy, 5).await, "the token that is there serves to its end");
}

#[tokio::test]
async fn a_wrong_clock_is_made_up_for() {
    for wrong in [7200, -7200] {
        let sandbox = sandbox().await;
        sandbox.cloud().set_clock_offset(wrong);
        let proxy = start(&sandbox, "", Clock::system()).await;
        assert!(served(&proxy, 5).await, "{wrong} s");
        assert_eq!((mints(&sandbox), sandbox.cloud().counts().api_errors["InvalidTimeStamp.Expired"] >= 1), (2, true));
        assert!(proxy.daemon.health.conditions().is_empty(), "{wrong} s");
    }
}

#[tokio::test]
async fn what_passes_is_waited_for_as_the_cloud_asks() {
    let (sandbox, time) = (sandbox().await, Time::new());
    let cloud = sandbox.cloud();
    cloud.fail_api(ApiFault::Throttled { retry_after_ms: Some(120_000) }, None);
    let proxy = start_as(&sandbox, environment(&sandbox), time.clock()).await;
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains("too many calls"), "{reason}");
    answer_without_token(&proxy).await;
    let before = mints(&sandbox);
    pass(&time, &sandbox, 110);
    // A keeper looks at its clock every second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(mints(&sandbox), before, "not before the time that was asked for");
    cloud.clear_faults();
    pass(&time, &sandbox, 15);
    becomes_served(&proxy).await;
    // Nobody there: the next try is soon, and the token that is good serves meanwhile.
    cloud.fail_api(ApiFault::Html, None);
    pass(&time, &sandbox, DUE);
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains("502"), "{reason}");
    assert!(served(&proxy, 5).await);
    cloud.clear_faults();
    pass(&time, &sandbox, NEXT_TRY);
    until("over", || proxy.daemon.health.conditions().is_empty()).await;
}

#[tokio::test]
async fn client_scope_and_boundary_are_asked_for_as_configured() {
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    let client =
        cloud.create_application("own", "NativeApp", &["http://127.0.0.1/callback"], &["/acs/mcp-server"]).unwrap();
    let policy = r#"{"Version": "1", "Statement": [{"Effect": "Deny", "Action": "ram:*", "Resource": "*"}]}"#;
    let more = format!("client_id = \"{client}\"\nscope = \"/acs/mcp-server\"\nboundary_policy = '{policy}'");
    let proxy = start(&sandbox, &more, Clock::system()).await;
    assert!(served(&proxy, 1).await);
    let (sent, meant): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&cloud.last_boundary().unwrap()).unwrap(), serde_json::from_str(policy).unwrap());
    assert_eq!(sent, meant);
}

#[tokio::test]
async fn the_cloud_is_told_what_to_refuse_before_a_token_is_used() {
    const RESTRICT: &str = "UpdateBearerTokenSafetyPolicy";
    let (sandbox, time) = (sandbox().await, Time::new());
    let cloud = sandbox.cloud();
    let more = "safety_policy = \"sandbox-tools:e*=allow,*=deny\"\nallowed_tools = [\"echo\"]\n[limits]\ntoken_wait = \"100ms\"";
    let proxy = start(&sandbox, more, time.clock()).await;
    let path = sandbox.servers().remove(0).mcp_path;
    let call = |tool: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"x"}}}}}}"#
        )
    };
    for round in 1..=2 {
        let (status, _, body) = proxy.post(&path, &call("delete-everything")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
        assert_ne!(proxy.post(&path, &call("echo")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(cloud.last_rules().as_deref(), Some("sandbox-tools:e*=allow,*=deny"));
        assert_eq!((mints(&sandbox), cloud.counts().api_calls(RESTRICT)), (round, round));
        let wanted = ["GenerateAccessToken", "/safePolicy/set", &path];
        let targets: Vec<String> = cloud.received().into_iter().map(|record| record.target).collect();
        let places = wanted.map(|wanted| targets.iter().rposition(|target| target.contains(wanted)));
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{targets:?}");
        cloud.forget_received();
        if round == 1 {
            cloud.revoke_access_tokens();
        }
    }
    // A token that cannot be restricted is not used.
    cloud.set_access_token_life(Some(0));
    let (proxy, before) = (start(&sandbox, more, time.clock()).await, cloud.counts().gateway_requests);
    let (reason, _) = told(&proxy).await;
    assert!(reason.contains(&format!("refused {RESTRICT}")), "{reason}");
    assert_without_secrets(&sandbox, &format!("{reason}{}", answer_without_token(&proxy).await));
    assert_eq!(cloud.counts().gateway_requests, before);
}

/// Writes the key into the aliyun CLI's file as the CLI does: a new file in the old one's place.
fn write_key(file: &Path, (id, secret): &(String, String)) {
    let profile =
        serde_json::json!({ "name": "default", "mode": "AK", "access_key_id": id, "access_key_secret": secret });
    let unfinished = file.with_extension("new");
    std::fs::write(&unfinished, serde_json::json!({ "current": "default", "profiles": [profile] }).to_string())
        .unwrap();
    std::fs::rename(unfinished, file).unwrap();
}

/// An MCP client that calls a tool again and again until `stop`; how many calls, or the first that failed.
async fn keep_calling(address: SocketAddr, path: &str, stop: &CancellationToken) -> Result<u64, String> {
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",
        "capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let (status, headers, body) =
        support::whole(support::send(address, support::post(address, path, initialize)).await).await;
    let session = headers.get("mcp-session-id").ok_or_else(|| format!("initialize: {status} {body}"))?.clone();
    let ask = async |message: &str| {
        let mut request = support::post(address, path, message);
        request.headers_mut().insert("mcp-session-id", session.clone());
        support::whole(support::send(address, request).await).await
    };
    let (status, _, body) = ask(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    if status != StatusCode::ACCEPTED {
        return Err(format!("initialized: {status} {body}"));
    }
    let mut calls = 0;
    while !stop.is_cancelled() {
        calls += 1;
        let text = format!("call {calls} of {}", session.to_str().unwrap_or_default());
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{calls},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}}}}}"#
        );
        let (status, _, body) = ask(&call).await;
        if status != StatusCode::OK || !body.contains(&text) {
            return Err(format!("{text}: {status} {body}"));
        }
    }
    Ok(calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_in_the_file_is_changed_while_64_clients_work_and_no_request_fails() {
    const CLIENTS: usize = 64;
    const ROTATIONS: usize = 3;
    let (sandbox, state, stop) = (sandbox().await, state_dir(), CancellationToken::new());
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(3));
    let file = state.path().join("aliyun.json");
    let mut key = sandbox.access_key();
    write_key(&file, &key);
    let text = config_text(&sandbox, state.path(), AUTH);
    let proxy = Proxy::configured(&text, BTreeMap::new(), Clock::system(), state).await;
    becomes_served(&proxy).await;

    let path = sandbox.servers().remove(0).mcp_path;
    let clients = futures_util::future::join_all((0..CLIENTS).map(|_| keep_calling(proxy.address, &path, &stop)));
    let rotations = async {
        let used = |id: &str, times: u64| {
            let id = id.to_owned();
            cloud.wait_until(move |counts| counts.api_keys.get(&id).is_some_and(|own| *own >= times), PATIENCE)
        };
        let echoes = |counts: &mcp_proxy_sandbox::Counts| counts.tool_calls("sandbox-tools/echo");
        for round in 0..ROTATIONS {
            let before = echoes(&cloud.counts());
            let busy = cloud.wait_until(|counts| echoes(counts) >= before + 2 * CLIENTS as u64, PATIENCE).await;
            assert!(busy.is_some(), "the clients work");
            let next = cloud.create_access_key();
            write_key(&file, &next);
            if round == 0 {
                cloud.set_key_active(&key.0, false)
            } else {
                cloud.delete_access_key(&key.0)
            }
            assert!(used(&next.0, 2).await.is_some(), "round {round}: {:?}", cloud.counts());
            key = next;
        }
        stop.cancel();
    };
    let (clients, ()) = tokio::join!(clients, rotations);
    let calls: Vec<u64> = clients.into_iter().collect::<Result<_, _>>().unwrap();
    let counts = cloud.counts();
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    assert_eq!(counts.tool_calls("sandbox-tools/echo"), calls.iter().sum::<u64>(), "each call was made once");
    assert_eq!((counts.api_keys.len(), counts.api_keys.contains_key(&key.0)), (ROTATIONS + 1, true));
    assert!(proxy.daemon.health.conditions().is_empty());
}

#[tokio::test]
async fn slips_are_found_before_anything_starts() {
    let (sandbox, state) = (sandbox().await, state_dir());
    let file = state.path().join("boundary.json");
    std::fs::write(&file, r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#).unwrap();
    let from_file = format!("{AUTH}\nboundary_policy = {file:?}");
    for (more, says) in [
        ("client_id = \"1\"", "upstream.alibaba.client_id: is not read with auth = \"alibaba-oauth\""),
        ("auth = \"access-key\"\ntoken_file = \"/x\"", "leave it out, or set auth = \"token-file\""),
        ("auth = \"access-key\"\nclient_id = \"a b\"", "cannot be the id of an OAuth client"),
        ("auth = \"access-key\"\nboundary_policy = \"{}\"", "must have \"Version\": \"1\""),
        ("auth = \"access-key\"\nboundary_policy = \"/nowhere/at-all\"", "cannot read /nowhere/at-all"),
        (&from_file, "only takes away"),
        ("auth = \"accesskey\"", "alibaba-oauth, access-key, token-file, token-command"),
    ] {
        let ended = check(&sandbox, state.path(), more).await;
        assert!(ended.contains(says), "{more}: {ended}");
    }
}

async fn check(sandbox: &Sandbox, state: &Path, more: &str) -> String {
    let command = command(sandbox, state, more, &["check-config"]);
    let ended = tokio::task::spawn_blocking(|| finish(command)).await.unwrap();
    assert_eq!(ended.code, 78, "{more}: {}", ended.stderr);
    ended.stderr
}
