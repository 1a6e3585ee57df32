//! Signing in: what breaks in other proxies (rows B of the failure list, and A13), with a real terminal and a real
//! browser where there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks and a clock of its own")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use mcp_proxy::auth::credential::{Binding, Credential, Expected, Grant};
use mcp_proxy::auth::custody::{Custody, Login};
use mcp_proxy::auth::endpoint::TokenEndpoint;
use mcp_proxy::auth::keeper::{Keeper, Parts};
use mcp_proxy::auth::store::Store;
use mcp_proxy::daemon::sign_in::{Begun, SignInError, SignedIn};
use mcp_proxy::model::secret::Secret;
use mcp_proxy::model::time::Clock;
use mcp_proxy::model::upstream::UpstreamName;
use mcp_proxy::net::api_client::ApiClient;
use mcp_proxy::observe::health::Health;
use mcp_proxy::observe::pulse::Pulse;
use mcp_proxy_sandbox::{ApiFault, Consent, Sandbox, SignedInAs, TokenFault};
use support::person::{authorize_url, follow, logins, sign_in};
use support::prerequisites::{Need, clients, lacks};
use support::program::{Program, bare, command, finish};
use support::{PATIENCE, Proxy, config_text, environment, sandbox, state_dir};
use tokio_util::sync::CancellationToken;
use url::Url;

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned()).expect("the parameter")
}

/// The path and query of a URL.
fn target(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

type Page = (StatusCode, HeaderMap, String);

/// The browser arrives at `path` while the login waits for it: the page, and how the login ended.
async fn arrive(proxy: &Proxy, mut begun: Begun, path: &str) -> (Page, Result<SignedIn, SignInError>) {
    let login = async {
        let delivery = begun.delivered().await.unwrap();
        begun.finish_delivered(delivery).await
    };
    tokio::join!(proxy.get(path), login)
}

#[tokio::test]
async fn b1_stray_callbacks_change_nothing_and_the_waiting_login_succeeds_afterwards() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let begun = proxy.daemon.sign_in().begin().await.unwrap();
    let state = parameter(begun.authorize_url(), "state");
    for query in [
        "".to_owned(),
        "?".to_owned(),
        "?code=forged-code-1".to_owned(),
        "?code=forged-code-1&state=".to_owned(),
        "?code=forged-code-1&state=forged-state".to_owned(),
        "?error=access_denied".to_owned(),
        "?error=access_denied&state=forged-state".to_owned(),
        format!("?code=forged-code-1&state={}", &state[..state.len() - 1]),
        format!("?code=forged-code-1&state=x&state={state}"),
        format!("?state={state}"),
    ] {
        let (status, _, page) = proxy.get(&format!("/callback{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}");
        assert!(page.contains("No login is waiting"), "{query}: {page}");
    }
    assert_eq!(sandbox.cloud().counts().token_calls, 0, "no code was sent anywhere");

    let callback = sandbox.approve(begun.authorize_url()).unwrap();
    // What looks at the address before it follows it, as scanners of links do, uses nothing up.
    let look =
        Request::head(target(&callback)).header("host", proxy.address.to_string()).body(Full::default()).unwrap();
    assert_eq!(support::whole(proxy.send(look).await).await.2, "");
    assert_eq!(sandbox.cloud().counts().token_calls, 0);
    let ((status, _, page), ended) = arrive(&proxy, begun, &target(&callback)).await;
    ended.unwrap();
    assert!(status == StatusCode::OK && page.contains("Signed in"), "{page}");
    assert_eq!(proxy.post(ECHO, REQUEST).await.0, StatusCode::OK);
    proxy.stop().await;
}

#[tokio::test]
async fn b1_stray_callbacks_do_not_touch_a_login_in_use() {
    let sandbox = sandbox().await;
    let proxy = Proxy::signed_in(&sandbox).await;
    let calls = sandbox.cloud().counts().token_calls;
    for query in ["", "?code=forged-code-1", "?code=forged-code-1&state=x", "?error=invalid_grant", "?error=x&state=x"]
    {
        assert!(proxy.get(&format!("/callback{query}")).await.2.contains("nothing was changed"), "{query}");
    }
    assert_eq!(proxy.post(ECHO, REQUEST).await.0, StatusCode::OK);
    assert_eq!(sandbox.cloud().counts().token_calls, calls);
    assert!(proxy.daemon.health.conditions().is_empty());
    proxy.stop().await;
}

#[tokio::test]
async fn b2_a_callback_that_nothing_waits_for_is_not_called_a_success() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let begun = proxy.daemon.sign_in().begin().await.unwrap();
    let callback = sandbox.approve(begun.authorize_url()).unwrap();
    drop(begun); // The person gave up before the browser arrived.
    let (_, _, page) = proxy.get(&target(&callback)).await;
    assert!(page.contains("No login is waiting") && !page.contains("Signed in"), "{page}");
    assert_eq!(sandbox.cloud().counts().token_calls, 0);

    // The address of a login that succeeded is worth nothing a second time.
    let begun = proxy.daemon.sign_in().begin().await.unwrap();
    let callback = sandbox.approve(begun.authorize_url()).unwrap();
    let (first, _) = arrive(&proxy, begun, &target(&callback)).await;
    let second = proxy.get(&target(&callback)).await;
    assert!(first.2.contains("Signed in") && second.2.contains("No login is waiting"), "{}", second.2);
    assert_eq!(sandbox.cloud().counts().token_calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_refused_consent_is_said_on_the_page_and_by_the_program_and_can_be_repaired() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut login = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let url = authorize_url(&mut login);
    let port = Url::parse(&parameter(&url, "redirect_uri")).unwrap().port().unwrap().to_string();
    let (status, headers, page) = follow(&sandbox.deny(&url).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("Not signed in") && page.contains("The permission was refused"), "{page}");
    is_a_private_page(&headers);
    let (code, printed) = login.end();
    assert_eq!(code, 77, "{printed}");
    assert!(printed.contains("refused: access_denied") && printed.contains("run: mcp-proxy login"), "{printed}");
    assert!(!printed.contains("successful"), "{printed}");
    assert!(logins(directory.path()).is_empty());

    sign_in(&sandbox, directory.path(), &["--port", &port]).await;
    assert_eq!(logins(directory.path()).len(), 1);
}

#[tokio::test]
async fn b7_of_two_logins_the_newer_wins_and_the_older_is_told() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let mut older = proxy.daemon.sign_in().begin().await.unwrap();
    let late = sandbox.approve(older.authorize_url()).unwrap();
    let newer = proxy.daemon.sign_in().begin().await.unwrap();
    let told = tokio::time::timeout(PATIENCE, older.delivered()).await.expect("at once").unwrap_err();
    assert!(told.to_string().contains("another login was begun"), "{told}");
    assert!(proxy.get(&target(&late)).await.2.contains("No login is waiting"));

    let callback = sandbox.approve(newer.authorize_url()).unwrap();
    let (page, _) = arrive(&proxy, newer, &target(&callback)).await;
    assert!(page.2.contains("Signed in"), "{}", page.2);
    assert_eq!(proxy.post(ECHO, REQUEST).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_second_login_without_port_and_without_terminal_says_so_and_ends() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut first = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let url = authorize_url(&mut first);
    let port = Url::parse(&parameter(&url, "redirect_uri")).unwrap().port().unwrap().to_string();
    let (code, printed) = Program::start(command(&sandbox, directory.path(), "", &["login", "--port", &port])).end();
    assert_eq!(code, 69, "{printed}");
    assert!(printed.contains(&format!("127.0.0.1:{port}")), "{printed}");
    assert!(printed.contains(&format!("mcp-proxy (process {})", first.id())), "{printed}");
    assert!(printed.contains("terminal"), "{printed}");
    // The first one never noticed.
    assert_eq!(follow(&sandbox.approve(&url).unwrap()).await.0, StatusCode::OK);
    assert_eq!(first.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_login_without_a_refresh_token_names_cause_and_fix_and_replaces_nothing() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().sign_in_as(SignedInAs::Role);
    let mut login = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let url = authorize_url(&mut login);
    let port = Url::parse(&parameter(&url, "redirect_uri")).unwrap().port().unwrap().to_string();
    let (status, headers, page) = follow(&sandbox.approve(&url).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    is_a_private_page(&headers);
    let (code, printed) = login.end();
    assert_eq!(code, 77, "{printed}");
    for text in [&page, &printed] {
        assert!(text.contains("empty RefreshToken") && text.contains("assumed role"), "{text}");
        assert!(text.contains("Native") && text.contains("aliyun-cli-mcp-proxy"), "{text}");
    }
    assert!(logins(directory.path()).is_empty());

    // A good login that is there stays.
    sandbox.cloud().sign_in_as(SignedInAs::User);
    sign_in(&sandbox, directory.path(), &["--port", &port]).await;
    let before = logins(directory.path());
    sandbox.cloud().sign_in_as(SignedInAs::Role);
    let args = ["login", "--no-browser", "--port", &port];
    let mut login = Program::start(command(&sandbox, directory.path(), "", &args));
    follow(&sandbox.approve(&authorize_url(&mut login)).unwrap()).await;
    assert_eq!(login.end().0, 77);
    assert_eq!(logins(directory.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_cannot_be_exchanged_fails_the_login_and_says_why() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let fault = TokenFault::OAuth { error: "invalid_grant".into() };
    sandbox.cloud().fail_token(fault, None);
    let mut login = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    let (status, _, page) = follow(&callback).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{page}");
    let (code, printed) = login.end();
    assert_eq!(code, 69, "{printed}");
    assert!(printed.contains("the sign-in failed: localhost answered invalid_grant"), "{printed}");
    assert!(!printed.contains(&parameter(&callback, "code")), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_does_not_fit_is_named_with_what_to_do() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let cloud = sandbox.cloud();
    let mcp = ["/acs/mcp-server"];
    cloud.create_application("web", "WebApp", &["http://127.0.0.1:1/callback"], &mcp).unwrap();
    cloud.create_application("scopeless", "NativeApp", &["http://127.0.0.1:1/callback"], &["openid"]).unwrap();
    cloud.create_application("elsewhere", "NativeApp", &["http://127.0.0.1:1/callback"], &mcp).unwrap();
    for (name, says) in [
        ("web", ["has the type WebApp", "must be NativeApp"]),
        ("scopeless", ["does not have the scope /acs/mcp-server", "it has: openid"]),
        ("elsewhere", ["does not have the redirect URI http://127.0.0.1:", "it has: http://127.0.0.1:1/callback"]),
        ("nowhere", ["there is no OAuth application \"nowhere\"", "there are: web, scopeless, elsewhere"]),
    ] {
        let ended = finish(command(&sandbox, directory.path(), "", &["login", "--oauth-app-name", name]));
        assert_eq!(ended.code, 78, "{name}: {}", ended.stderr);
        for words in says {
            assert!(ended.stderr.contains(words), "{name}: {}", ended.stderr);
        }
        assert!(ended.stderr.contains("--oauth-app-name") || ended.stderr.contains("UpdateApplication"));
        assert!(!ended.stdout.contains("successful"), "{}", ended.stdout);
    }
    assert_eq!(cloud.counts().api_calls("CreateApplication"), 0, "a named application is never created");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_api_credentials_are_named_with_their_place_and_never_shown() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (id, secret) = sandbox.access_key();
    let run = |id: &str, secret: &str| {
        let mut command = command(&sandbox, directory.path(), "", &["login"]);
        command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", id).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret);
        finish(command)
    };
    for (id, secret) in [(id.as_str(), "not-the-secret"), ("LTAI5tNobodysKey", secret.as_str())] {
        let ended = run(id, secret);
        assert_eq!(ended.code, 78, "{}", ended.stderr);
        assert!(ended.stderr.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{}", ended.stderr);
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
    sandbox.cloud().set_key_active(&id, false);
    let ended = run(&id, &secret);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("disabled") || ended.stderr.contains("Inactive"), "{}", ended.stderr);

    sandbox.cloud().set_key_active(&id, true);
    sandbox.cloud().set_permission(&id, "ram:CreateApplication", false);
    let ended = run(&id, &secret);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("ram:CreateApplication"), "{}", ended.stderr);

    let mut without = command(&sandbox, directory.path(), "", &["login"]);
    without.env_remove("ALIBABA_CLOUD_ACCESS_KEY_ID").env_remove("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    let ended = finish(without);
    assert_eq!(ended.code, 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("aliyun.json"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_cannot_be_reached_is_no_fault_of_the_configuration() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().refuse_connections(true);
    let ended = finish(command(&sandbox, directory.path(), "", &["login"]));
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot connect to localhost"), "{}", ended.stderr);
    sandbox.cloud().refuse_connections(false);
    sandbox.cloud().fail_api(ApiFault::Html, None);
    let ended = finish(command(&sandbox, directory.path(), "", &["login"]));
    assert_eq!(ended.code, 69, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_ends_a_login_whose_exchange_hangs() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let cloud = sandbox.cloud();
    cloud.fail_token(TokenFault::Hang, None);
    let mut login = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    let mut browser = tokio::task::JoinSet::new();
    browser.spawn(async move { follow_if_answered(&callback).await });
    cloud.wait_until(|counts| counts.token_calls == 1, PATIENCE).await.expect("the code is being exchanged");
    login.signal("INT");
    login.line("once more ends that at once");
    let clock = Clock::system();
    let asked = clock.now().mono;
    login.signal("INT");
    assert_eq!(login.end().0, 75);
    let took = clock.now().mono.since(asked);
    assert!(took.as_secs() < 2, "{took:?}");
}

/// Goes to an address of which no answer may ever come.
async fn follow_if_answered(url: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let url = Url::parse(url).unwrap();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target(url.as_str()));
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.read(&mut [0; 1]).await;
}

#[tokio::test]
async fn the_pages_are_private_and_repeat_nothing_secret() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    for fault in [None, Some(TokenFault::OAuth { error: "invalid_grant".into() })] {
        if let Some(fault) = fault.clone() {
            sandbox.cloud().fail_token(fault, Some(1));
        }
        let begun = proxy.daemon.sign_in().begin().await.unwrap();
        let callback = sandbox.approve(begun.authorize_url()).unwrap();
        let ((status, headers, page), ended) = arrive(&proxy, begun, &target(&callback)).await;
        assert_eq!((ended.is_ok(), status == StatusCode::OK), (fault.is_none(), fault.is_none()));
        is_a_private_page(&headers);
        for secret in [parameter(&callback, "code"), parameter(&callback, "state")] {
            assert!(!page.contains(&secret), "{page}");
        }
    }
    let (_, headers, page) = proxy.get("/callback?code=forged-code-1&state=forged-state").await;
    is_a_private_page(&headers);
    assert!(!page.contains("forged"), "{page}");
}

fn is_a_private_page(headers: &HeaderMap) {
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn foreign_words_on_the_page_are_text() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    let begun = proxy.daemon.sign_in().begin().await.unwrap();
    let state = parameter(begun.authorize_url(), "state");
    let attack = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%0d%0aSet-Cookie:%20a=b";
    let path = format!("/callback?error={attack}&error_description={attack}&state={state}");
    let ((_, headers, page), ended) = arrive(&proxy, begun, &path).await;
    let error = ended.unwrap_err();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    assert!(!headers.contains_key("set-cookie"));
    assert!(matches!(error, SignInError::Denied { .. }));
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}

/// Runs `tests/clients/terminal/paste.py`: a real pseudo-terminal and a person who pastes.
fn paste(sandbox: &Sandbox, directory: &Path, options: &[&str], args: &[&str]) -> Output {
    let file = directory.join("mcp-proxy.toml");
    std::fs::write(&file, config_text(sandbox, directory, "")).unwrap();
    let mut command = Command::new("python3");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(environment(sandbox));
    command.arg(clients().join("terminal/paste.py")).args(options);
    command.arg("--").arg(bare(&[]).get_program()).args(args).arg("--config").arg(file);
    command.output().unwrap()
}

fn screen(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn pasting_succeeds(test: &str, options: &[&str]) {
    if lacks(test, Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().set_consent(Consent::Allow);
    let options = [&["--success", "OAuth login successful!"], options].concat();
    let output = paste(&sandbox, directory.path(), &options, &["login", "--no-browser"]);
    assert!(output.status.success(), "{}", screen(&output));
    assert_eq!(logins(directory.path()).len(), 1);
    assert_eq!(sandbox.cloud().counts().code_exchanges, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_the_code_can_be_pasted() {
    pasting_succeeds("b5_the_code_can_be_pasted", &["--paste", "code", "--blanks"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_the_whole_address_can_be_pasted() {
    pasting_succeeds("b5_the_whole_address_can_be_pasted", &["--paste", "url"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_the_address_can_be_pasted_with_blanks_and_line_breaks() {
    let test = "b5_the_address_can_be_pasted_with_blanks_and_line_breaks";
    pasting_succeeds(test, &["--paste", "url", "--blanks", "--wrap", "40"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_garbage_gets_its_message_and_the_prompt_stays() {
    let test = "b5_garbage_gets_its_message_and_the_prompt_stays";
    let answer = "neither a code nor an address with one[^$]*Enter authorization code or address:";
    pasting_succeeds(test, &["--paste", "url", "--first", "what now?", "--first-answer", answer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_an_empty_line_gets_its_message_and_the_prompt_stays() {
    let test = "b5_an_empty_line_gets_its_message_and_the_prompt_stays";
    pasting_succeeds(test, &["--first", "", "--first-answer", "nothing was pasted"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_pasted_refusal_is_said_and_ends_with_77() {
    if lacks("b3_a_pasted_refusal_is_said_and_ends_with_77", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().set_consent(Consent::Deny);
    let options = ["--paste", "url", "--success", "the sign-in was refused: access_denied", "--expect-exit", "77"];
    let output = paste(&sandbox, directory.path(), &options, &["login", "--no-browser"]);
    assert!(output.status.success(), "{}", screen(&output));
    assert!(logins(directory.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_start_in_a_terminal_asks_and_serves_afterwards() {
    if lacks("b5_a_start_in_a_terminal_asks_and_serves_afterwards", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().set_consent(Consent::Allow);
    let options = ["--paste", "url", "--success", "sandbox-notes[^$]*/mcp$", "--then", "interrupt"];
    let output = paste(&sandbox, directory.path(), &options, &["--no-browser"]);
    let screen = screen(&output);
    assert!(output.status.success(), "{screen}");
    let order = ["MCP Proxy Server Started", "Enter authorization code", "login successful!", "Available Servers"];
    let places: Vec<_> = order.iter().map(|words| screen.find(words)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}: {screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_beside_a_serving_daemon_is_pasted_and_taken_over_by_itself() {
    if lacks("a_login_beside_a_serving_daemon_is_pasted_and_taken_over_by_itself", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().set_consent(Consent::Allow);
    let mut daemon = Program::start(command(&sandbox, directory.path(), "", &[]));
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    daemon.line("Sign in with: mcp-proxy login");
    let (status, _, text) = follow(&format!("http://{address}/health")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");

    let port = address.rsplit(':').next().unwrap();
    let options = ["--paste", "url", "--success", "OAuth login successful!"];
    let output = paste(&sandbox, directory.path(), &options, &["login", "--no-browser", "--port", port]);
    let screen = screen(&output);
    assert!(output.status.success(), "{screen}");
    assert!(screen.contains(&format!("mcp-proxy (process {})", daemon.id())), "{screen}");

    daemon.line("over"); // The condition login-required.
    let (status, _, text) = follow(&format!("http://{address}/health")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(follow(&format!("http://{address}{ECHO}")).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_after_a_revocation_is_taken_over_even_if_the_files_were_removed() {
    if lacks("a_login_after_a_revocation_is_taken_over_even_if_the_files_were_removed", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().set_consent(Consent::Allow);
    let mut daemon = Program::start(command(&sandbox, directory.path(), "", &[]));
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    let port = address.rsplit(':').next().unwrap().to_owned();
    let login = || {
        let options = ["--success", "OAuth login successful!"];
        let output = paste(&sandbox, directory.path(), &options, &["login", "--no-browser", "--port", &port]);
        assert!(output.status.success(), "{}", screen(&output));
    };
    let echo = format!("http://{address}{ECHO}");
    login();
    daemon.line("over");
    for _ in 0..3 {
        sandbox.cloud().revoke_access_tokens();
        assert_eq!(follow(&echo).await.0, StatusCode::OK);
    }
    // All is revoked, and somebody removed the files to begin anew.
    sandbox.cloud().revoke_grants();
    assert_eq!(follow(&echo).await.0, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::remove_dir_all(directory.path().join("logins")).unwrap();
    login();
    daemon.line("over");
    assert_eq!(follow(&echo).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn e8_a_login_by_another_process_is_taken_over_although_the_old_one_is_good() {
    let directory = state_dir();
    let (name, clock) = (UpstreamName::parse("alibaba").unwrap(), Clock::system());
    let store = Store::new(directory.path(), &name, "CN", "app");
    let login = |serial: u64, token: &str| Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example/".into(),
            account: None,
            client_id: "1".into(),
            client_name: "app".into(),
            scope: "s".into(),
        },
        grant: Grant {
            serial,
            access_token: Secret::new(token),
            refresh_token: Some(Secret::new("refresh")),
            obtained_at: clock.now().wall,
            expires_at: None,
            refresh_expires_at: None,
        },
    };
    store.save(&login(1, "old-token"), clock.now().wall).unwrap();
    let (publisher, tokens) = mcp_proxy::token::slot(clock.clone());
    let endpoint = Url::parse("https://oauth.example").unwrap();
    let api = ApiClient::new(&mcp_proxy::net::Settings::default()).unwrap();
    let (keeper, _handle) = Keeper::start(Parts {
        name,
        custody: Custody::Login(Arc::new(Login {
            store: store.clone(),
            expected: Expected {
                site: "CN".into(),
                token_endpoint: endpoint.to_string(),
                client_name: "app".into(),
                scope: "s".into(),
            },
            endpoint: TokenEndpoint::new(api, &endpoint),
        })),
        publisher,
        health: Health::new(clock.clone()),
        clock: clock.clone(),
        seed: 1,
    });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(keeper.run(CancellationToken::new(), Pulse::default().part("keeper")));
    let old = tokens.current().expect("the saved login is in use");

    store.save(&login(2, "new-token"), clock.now().wall).unwrap();
    let new = tokens.newer_than(old.generation(), Duration::from_secs(60)).await.expect("the new login is in use");
    assert_eq!(new.authorization(), "Bearer new-token");
}

/// Runs a command in a pseudo-terminal and types the end of the input as soon as it asks.
const END_OF_INPUT: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"Enter authorization code" not in seen:
    seen += os.read(terminal, 4096)
os.write(terminal, b"\x04")
try:
    while more := os.read(terminal, 4096):
        seen += more
except OSError:
    pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_nobody_can_answer_any_more_ends() {
    if lacks("a_login_that_nobody_can_answer_any_more_ends", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let login = command(&sandbox, directory.path(), "", &["login", "--no-browser", "--port", &port]);
    let mut python = Command::new("python3");
    python.args(["-c", END_OF_INPUT]).arg(login.get_program()).args(login.get_args());
    python.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(environment(&sandbox));
    let (code, printed) = Program::start(python).end();
    assert_eq!(code, 75, "{printed}");
    assert!(printed.contains("the input has ended"), "{printed}");
}

/// A script for `BROWSER`, and the lines that it writes.
fn browser_script(directory: &Path, click: &str) -> (std::path::PathBuf, std::sync::mpsc::Receiver<String>) {
    use std::os::unix::fs::PermissionsExt;
    let (script, pipe) = (directory.join("browser"), directory.join("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sign_in = clients().join("browser/sign_in.mjs");
    let text = format!(
        "#!/bin/sh\nnode '{}' --url \"$1\" --click {click} >'{pipe}' 2>&1\necho \"exit $?\" >'{pipe}'\n",
        sign_in.display(),
        pipe = pipe.display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Open for both, so that neither side waits for the other.
    let file = std::fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(file).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    (script, lines)
}

async fn in_a_real_browser(test: &str, click: &str) -> Option<(i32, String, serde_json::Value)> {
    if lacks(test, Need::Browser) {
        return None;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (script, lines) = browser_script(directory.path(), click);
    let mut login = command(&sandbox, directory.path(), "", &["login"]);
    login.env("BROWSER", script).env("PATH", std::env::var_os("PATH").unwrap());
    let (code, printed) = Program::start(login).end();
    let mut report = String::new();
    let ended = loop {
        let line = lines.recv_timeout(PATIENCE * 3).expect("the browser's report");
        if let Some(code) = line.strip_prefix("exit ") {
            break code.to_owned();
        }
        report.push_str(&line);
        report.push('\n');
    };
    assert_eq!(ended, "0", "{report}{printed}");
    let report: serde_json::Value = serde_json::from_str(&report).expect(&report);
    assert_eq!(report["cacheControl"], "no-store");
    assert!(report["csp"].as_str().unwrap().starts_with("default-src 'none'"), "{report}");
    Some((code, printed, report))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_real_browser_that_the_login_opens() {
    let test = "a_person_signs_in_with_a_real_browser_that_the_login_opens";
    let Some((code, printed, report)) = in_a_real_browser(test, "allow").await else { return };
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("Opening browser for OAuth login...") && printed.contains("login successful!"));
    assert_eq!(report["status"], 200, "{report}");
    assert!(report["title"].as_str().unwrap().starts_with("Signed in"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_person_refuses_in_a_real_browser() {
    let Some((code, printed, report)) = in_a_real_browser("b3_a_person_refuses_in_a_real_browser", "deny").await else {
        return;
    };
    assert_eq!(code, 77, "{printed}");
    assert_eq!(report["status"], 403, "{report}");
    assert!(report["text"].as_str().unwrap().contains("The permission was refused"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_cannot_be_opened_is_said_and_the_login_goes_on() {
    for (browser, says) in [("/nonexistent/browser", "No browser was opened"), ("false", "could not be opened")] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let mut login = command(&sandbox, directory.path(), "", &["login"]);
        login.env("BROWSER", browser).env("PATH", std::env::var_os("PATH").unwrap());
        let mut login = Program::start(login);
        let callback = sandbox.deny(&authorize_url(&mut login)).unwrap();
        if !login.seen().contains(says) {
            login.line(says);
        }
        assert_eq!(follow(&callback).await.0, StatusCode::FORBIDDEN);
        assert_eq!(login.end().0, 77);
    }
}
