//! Whatever is wrong with the token endpoint for a while: requests are served as long as the token lives, nothing is
//! lost, the tries are few, people are told what happened where, and the token is renewed once it is over.
//!
//! The time of these daemons stands still until a test lets it pass, so every try can be counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks and a clock of its own")]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy::observe::health::Standing;
use mcp_proxy_sandbox::{Cloud, Sandbox, TokenFault};
use support::time::Time;
use support::{PATIENCE, Proxy, sandbox, state_dir};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const ECHO: &str = "/lab/echo";
const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
/// Seconds after which a token of three hours is renewed, and lives for half an hour still.
const DUE: u64 = 9000;
/// No wait between two tries is longer, in seconds.
const NEXT_TRY: u64 = 61;
/// A daemon looks at its clock every second.
const NOTICED: Duration = Duration::from_millis(1300);

/// A fault and what must be said of it.
struct Case {
    name: &'static str,
    begin: Box<dyn Fn(&Cloud)>,
    /// Seconds that the server asks to be left alone.
    retry_after: Option<u64>,
    says: &'static [&'static str],
}

fn fails(name: &'static str, fault: TokenFault, says: &'static [&'static str]) -> Case {
    let begin = Box::new(move |cloud: &Cloud| cloud.fail_token(fault.clone(), None));
    Case { name, begin, retry_after: None, says }
}

fn answers(name: &'static str, status: u16, content_type: &str, body: &str, says: &'static [&'static str]) -> Case {
    let (content_type, body) = (content_type.to_owned(), body.to_owned());
    fails(name, TokenFault::Answer { status, content_type, body }, says)
}

fn cases() -> Vec<Case> {
    const JSON: &str = "application/json";
    const UNUSABLE: &[&str] = &["localhost gave no usable token answer", "not the JSON of RFC 6749"];
    const SLOW: &[&str] = &["localhost:", "did not answer within 3 s"];
    let slow_down = TokenFault::Status { status: 429, retry_after: Some(150) };
    let unavailable = TokenFault::Status { status: 503, retry_after: None };
    vec![
        fails("503", unavailable, &["localhost answered temporarily_unavailable"]),
        Case { retry_after: Some(150), ..fails("429", slow_down, &["localhost answered temporarily_unavailable"]) },
        answers("a page", 500, "text/html", "<html><h1>Oops</h1>", &["localhost answered 500 Internal Server Error"]),
        fails("garbage", TokenFault::Garbage, UNUSABLE),
        answers("wrong types", 200, JSON, r#"{"access_token":7,"refresh_token":[],"expires_in":{}}"#, UNUSABLE),
        answers("a list", 200, JSON, "[]", UNUSABLE),
        answers("no token", 200, JSON, r#"{"expires_in":60}"#, &["localhost gave no usable", "no access_token"]),
        answers("another kind of token", 200, JSON, r#"{"access_token":"x","token_type":"mac"}"#, &["not Bearer"]),
        fails("byte by byte", TokenFault::Drip { ms: 100 }, SLOW),
        fails("silence", TokenFault::Hang, SLOW),
        fails("cut", TokenFault::CutBefore, &["the connection to localhost:", "broke before the answer was complete"]),
        Case {
            name: "nobody listens",
            begin: Box::new(|cloud| {
                cloud.refuse_token_connections(true);
                cloud.cut_connections();
            }),
            retry_after: None,
            says: &["cannot connect to localhost:", "refused"],
        },
    ]
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

fn standing(proxy: &Proxy) -> Standing {
    proxy.daemon.health.standings()["alibaba"].clone()
}

async fn served(proxy: &Proxy) -> bool {
    proxy.post(ECHO, REQUEST).await.0 == StatusCode::OK && standing(proxy).signed_in
}

fn saved_login(state: &Path) -> PathBuf {
    state.join("logins/alibaba.CN.aliyun-cli-mcp-proxy.json")
}

/// A state directory with more configuration beside the main file.
fn configured(more: &str) -> Arc<TempDir> {
    let state = state_dir();
    configure(&state, more);
    state
}

fn configure(state: &TempDir, more: &str) {
    std::fs::create_dir_all(state.path().join("conf.d")).unwrap();
    std::fs::write(state.path().join("conf.d/more.toml"), more).unwrap();
}

/// The one condition is about the renewal, and its reason says all this.
fn assert_told(name: &str, proxy: &Proxy, says: &[&str]) {
    let conditions = proxy.daemon.health.conditions();
    let [condition] = conditions.as_slice() else { panic!("{name}: {conditions:?}") };
    assert_eq!(condition.name, "token-renewal-failing", "{name}");
    for words in says {
        assert!(condition.reason.contains(words), "{name}: {words:?} is not in {:?}", condition.reason);
    }
}

/// The fault has begun: three tries, no more, and nothing is lost. Afterwards `end` ends it.
async fn endures(case: &Case, time: &Time, proxy: &Proxy, end: impl FnOnce()) {
    let name = case.name;
    let file = saved_login(proxy.state_dir().path());
    let saved = std::fs::read(&file).unwrap();
    let wait = case.retry_after.unwrap_or(NEXT_TRY);
    time.pass(DUE);
    for tries in 1..=3 {
        until(name, || standing(proxy).renewal_failures == tries).await;
        assert!(served(proxy).await, "{name}: the token lives");
        assert_told(name, proxy, case.says);
        assert_eq!(std::fs::read(&file).unwrap(), saved, "{name}: the login stays as it is");
        if tries == 3 {
            break;
        }
        if case.retry_after.is_some() {
            time.pass(wait - 1);
            tokio::time::sleep(NOTICED).await;
            assert_eq!(standing(proxy).renewal_failures, tries, "{name}: no try before the time asked for");
            time.pass(1);
        } else {
            time.pass(wait);
        }
    }
    tokio::time::sleep(NOTICED).await;
    end();
    time.pass(wait);
    until(name, || standing(proxy).renewals == 1).await;
    until(name, || proxy.daemon.health.conditions().is_empty()).await;
    assert!(served(proxy).await, "{name}: after the fault");
    assert_eq!(standing(proxy).renewal_failures, 3, "{name}: one try in its time");
    assert_ne!(std::fs::read(&file).unwrap(), saved, "{name}: the new token is saved");
}

#[tokio::test]
async fn a3_every_passing_fault_of_the_token_endpoint_is_endured() {
    let all = cases().into_iter().map(|case| async move {
        let sandbox = sandbox().await;
        let (cloud, time) = (sandbox.cloud(), Time::new());
        // An answer that is cut off must not cost the refresh token: that is another story (A5).
        cloud.set_rotation(false);
        let state = configured("network.api_timeout = \"3s\"\n");
        let proxy = Proxy::start_with(&sandbox, "", time.clock(), state).await;
        proxy.sign_in(&sandbox).await;
        (case.begin)(&cloud);
        endures(&case, &time, &proxy, || cloud.clear_faults()).await;
        // The code, three tries and the renewal: nothing below repeats a call on its own.
        assert!(cloud.counts().token_calls <= 5, "{}: {} calls", case.name, cloud.counts().token_calls);
    });
    futures_util::future::join_all(all).await;
}

/// Leads to a port that can be changed, as a name does whose address changes.
async fn junction(to: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut incoming, _)) = listener.accept().await {
            let target = SocketAddr::from(([127, 0, 0, 1], to.load(Ordering::SeqCst)));
            tokio::spawn(async move {
                let mut outgoing = TcpStream::connect(target).await.unwrap();
                // Either side may end it.
                let _ = tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await;
            });
        }
    });
    port
}

fn token_port(sandbox: &Sandbox) -> u16 {
    Url::parse(&sandbox.token_url()).unwrap().port().unwrap()
}

#[tokio::test]
async fn a3_a_certificate_of_somebody_else_is_endured() {
    let (sandbox, stranger) = (sandbox().await, sandbox().await);
    let to = Arc::new(AtomicU16::new(token_port(&sandbox)));
    let port = junction(to.clone()).await;
    let state = configured(&format!("alibaba.endpoints.oauth = \"https://localhost:{port}\"\n"));
    let time = Time::new();
    let proxy = Proxy::start_with(&sandbox, "", time.clock(), state).await;
    proxy.sign_in(&sandbox).await;
    to.store(token_port(&stranger), Ordering::SeqCst);
    sandbox.cloud().cut_connections();
    let says = &["cannot connect to localhost:", "certificate"];
    let case = Case { name: "TLS", begin: Box::new(|_| {}), retry_after: None, says };
    endures(&case, &time, &proxy, || to.store(token_port(&sandbox), Ordering::SeqCst)).await;
    assert_eq!(stranger.cloud().counts().token_calls, 0, "nothing was told to the stranger");
}

#[tokio::test]
async fn a3_a_name_that_does_not_resolve_is_endured() {
    const NOWHERE: &str = "https://no-such-host.invalid/";
    let sandbox = sandbox().await;
    let (state, time) = (state_dir(), Time::new());
    let proxy = Proxy::start_with(&sandbox, "", time.clock(), state.clone()).await;
    proxy.sign_in(&sandbox).await;
    proxy.stop().await;
    // The same login, for a server whose name the resolver does not know for a while.
    let here = std::fs::read_to_string(saved_login(state.path())).unwrap();
    let host = format!("{}/", sandbox.token_url());
    assert!(here.contains(&host), "{host}");
    std::fs::write(saved_login(state.path()), here.replace(&host, NOWHERE)).unwrap();
    let nowhere = std::fs::read(saved_login(state.path())).unwrap();
    configure(&state, &format!("alibaba.endpoints.oauth = {NOWHERE:?}\nnetwork.connect_timeout = \"2s\"\n"));
    let proxy = Proxy::start_with(&sandbox, "", time.clock(), state.clone()).await;
    time.pass(DUE);
    for tries in 1..=2 {
        until("DNS", || standing(&proxy).renewal_failures == tries).await;
        assert!(served(&proxy).await, "the token lives");
        assert_told("DNS", &proxy, &["cannot connect to no-such-host.invalid: "]);
        assert_eq!(std::fs::read(saved_login(state.path())).unwrap(), nowhere, "the login stays as it is");
        time.pass(if tries == 1 { NEXT_TRY } else { 0 });
    }
    proxy.stop().await;
    std::fs::write(saved_login(state.path()), here).unwrap();
    configure(&state, "");
    let proxy = Proxy::start_with(&sandbox, "", time.clock(), state.clone()).await;
    until("renewed", || standing(&proxy).renewals == 1).await;
    assert!(served(&proxy).await && proxy.daemon.health.conditions().is_empty());
}

#[tokio::test]
async fn a7_a_cloud_whose_clock_is_wrong_changes_nothing() {
    for wrong in [7200, -7200] {
        let sandbox = sandbox().await;
        let (cloud, time) = (sandbox.cloud(), Time::new());
        cloud.set_clock_offset(wrong);
        let proxy = Proxy::start_with(&sandbox, "", time.clock(), state_dir()).await;
        proxy.sign_in(&sandbox).await;
        assert!(served(&proxy).await, "{wrong} s");
        let life = Duration::from_secs(10_800);
        for renewals in 0..=2 {
            assert_eq!(standing(&proxy).expires_at, Some(time.now().wall.plus(life)), "{wrong} s: by our own clock");
            assert_eq!(cloud.counts().refreshes, renewals, "{wrong} s: when it is due, and no more");
            if renewals < 2 {
                time.pass(DUE);
                cloud.advance_clock(i64::try_from(DUE).unwrap());
                until("renewed", || standing(&proxy).renewals == renewals + 1).await;
                assert!(served(&proxy).await, "{wrong} s");
            }
        }
        assert_eq!(cloud.counts().gateway_unauthorized, 0, "{wrong} s");
        assert!(proxy.daemon.health.conditions().is_empty(), "{wrong} s");
    }
}

#[tokio::test]
async fn a_token_file_that_is_missing_at_the_start_is_named_and_awaited() {
    let sandbox = sandbox().await;
    let minter = Proxy::signed_in(&sandbox).await;
    let saved = std::fs::read(saved_login(minter.state_dir().path())).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    let state = state_dir();
    let file = state.path().join("token");
    let more = format!("auth = \"token-file\"\ntoken_file = {file:?}\n[limits]\ntoken_wait = \"100ms\"");
    let proxy = Proxy::start_with(&sandbox, &more, Clock::system(), state.clone()).await;
    until("the file is looked for", || !proxy.daemon.health.conditions().is_empty()).await;
    let (status, headers, body) = proxy.post(ECHO, REQUEST).await;
    assert_eq!((status, headers.contains_key("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    assert!(body.contains("no token for alibaba") && body.contains("file"), "{body}");
    assert!(!body.contains("mcp-proxy login") && !body.contains("renew"), "{body}");
    assert_told("missing", &proxy, &["cannot read the token file", file.to_str().unwrap(), "No such file"]);
    let remedy = proxy.daemon.health.conditions()[0].remedy.clone();
    assert!(remedy.contains("file") && !remedy.contains("network"), "{remedy}");
    // It is found at the next look, however long the wait for the next try has become.
    tokio::time::sleep(Duration::from_secs(3)).await;
    std::fs::write(&file, saved["access_token"].as_str().unwrap()).unwrap();
    let found = async { while proxy.post(ECHO, REQUEST).await.0 != StatusCode::OK {} };
    assert!(tokio::time::timeout(Duration::from_secs(2), found).await.is_ok(), "served within a second or so");
    assert!(proxy.daemon.health.conditions().is_empty());
}
