//! What people see: two languages in the terminal and in the browser, a QR code where it helps, a sign of life where
//! somebody waits, and a live status that gives the terminal back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use http::{Request, StatusCode};
use http_body_util::Full;
use mcp_proxy_sandbox::{ApiFault, Consent, Sandbox, TokenFault};
use serde_json::Value;
use support::person::{authorize_url, follow};
use support::prerequisites::{Need, clients, lacks};
use support::program::{Program, bare, command, finish};
use support::{Proxy, config_text, environment, sandbox, state_dir};

const ENGLISH: (&str, &str) = ("LANG", "en_US.UTF-8");
const CHINESE: (&str, &str) = ("LANG", "zh_CN.UTF-8");
const TERM: (&str, &str) = ("TERM", "xterm-256color");
/// Large enough for the QR code of a sign-in address.
const TALL: &[&str] = &["--size", "100x60"];
/// Two rows of a finder pattern, as half blocks.
const FINDER: &str = "██ ▄▄▄▄▄ █";

/// A script of `tests/clients/terminal` with `mcp-proxy ARGS`, led to `sandbox`.
fn script(name: &str, sandbox: &Sandbox, directory: &Path, set: &[(&str, &str)]) -> Command {
    std::fs::write(directory.join("mcp-proxy.toml"), config_text(sandbox, directory, "")).unwrap();
    let mut command = Command::new("python3");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(environment(sandbox)).envs(set.iter().copied());
    command.arg(clients().join("terminal").join(name));
    command
}

fn with_program<'a>(script: &'a mut Command, directory: &Path, args: &[&str]) -> &'a mut Command {
    script.arg("--").arg(bare(&[]).get_program()).args(args).arg("--config").arg(directory.join("mcp-proxy.toml"))
}

/// Signs in at a terminal by pasting; answers what was on the screen.
fn paste(sandbox: &Sandbox, directory: &Path, set: &[(&str, &str)], options: &[&str], args: &[&str]) -> String {
    let mut paste = script("paste.py", sandbox, directory, set);
    let output = with_program(paste.args(options), directory, args).output().unwrap();
    let screen = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{screen}");
    screen
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Goes step by step through a command at a terminal; answers what the terminal was sent, and how it ended.
fn look(sandbox: &Sandbox, directory: &Path, set: &[(&str, &str)], steps: &[&str], args: &[&str]) -> (String, Value) {
    let mut look = script("look.py", sandbox, directory, set);
    for step in steps {
        look.args(["--step", step]);
    }
    let Output { stdout, stderr, .. } = with_program(look.args(TALL), directory, args).output().unwrap();
    let (sent, stderr) = (text(&stdout), text(&stderr));
    let end: Value = stderr.lines().next_back().and_then(|line| serde_json::from_str(line).ok()).expect(&stderr);
    assert_eq!(end["problem"], Value::Null, "{sent}");
    assert_eq!(end["lines"], true, "the terminal is as it was: {sent:?}");
    (sent, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_in_their_language_with_a_code_to_scan() {
    if lacks("a_person_signs_in_in_their_language_with_a_code_to_scan", Need::Python) {
        return;
    }
    for (locale, first, success, says) in [
        (ENGLISH, "Open this address in a browser", "login successful!", "Or scan it with a phone:"),
        (CHINESE, "请在任意一台设备的浏览器中打开以下地址并登录：", "登录成功！", "也可以用手机扫描二维码打开："),
    ] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        sandbox.cloud().set_consent(Consent::Allow);
        let options = [TALL, &["--success", success]].concat();
        let screen = paste(&sandbox, directory.path(), &[locale, TERM], &options, &["login", "--no-browser"]);
        for words in [first, says, FINDER] {
            assert!(screen.contains(words), "{words}: {screen}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_code_where_it_could_not_be_scanned_or_is_not_wanted() {
    if lacks("there_is_no_code_where_it_could_not_be_scanned_or_is_not_wanted", Need::Python) {
        return;
    }
    let small: &[&str] = &["--size", "80x24"];
    for (set, size, args) in [
        (&[ENGLISH, TERM][..], small, &["login", "--no-browser"][..]),
        (&[ENGLISH, TERM], TALL, &["login", "--no-browser", "--no-qr"]),
        (&[("LC_ALL", "C"), TERM], TALL, &["login", "--no-browser"]),
        (&[ENGLISH, ("TERM", "dumb")], TALL, &["login", "--no-browser"]),
        (&[ENGLISH, TERM, ("BROWSER", "true")], TALL, &["login"]),
    ] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        sandbox.cloud().set_consent(Consent::Allow);
        let options = [size, &["--success", "login successful!"]].concat();
        let screen = paste(&sandbox, directory.path(), set, &options, args);
        assert!(!screen.contains('█') && !screen.contains("scan"), "{set:?} {args:?}: {screen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_network_sees_a_sign_of_life_and_ctrl_c_leaves_nothing_behind() {
    if lacks("who_waits_for_the_network_sees_a_sign_of_life_and_ctrl_c_leaves_nothing_behind", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().fail_api(ApiFault::Hang, None);
    for (locale, waits, stopped) in [
        (ENGLISH, "Looking for the OAuth application", "Stopped. You are not signed in."),
        (CHINESE, "正在查找 OAuth 应用", "已中止，没有登录。"),
    ] {
        let waits_for = format!("wait:{waits}");
        let (sent, end) =
            look(&sandbox, directory.path(), &[locale, TERM], &[&waits_for, r"type:\x03"], &["login", "--no-browser"]);
        assert_eq!(end["exit"], 75, "{sent}");
        let spun = sent.rfind(waits).unwrap();
        let after = &sent[spun + waits.len()..];
        assert!(after.contains("\r\x1b[K") && after.trim_end().ends_with(stopped), "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_cannot_take_lines_back_gets_none_to_take_back() {
    if lacks("a_terminal_that_cannot_take_lines_back_gets_none_to_take_back", Need::Python) {
        return;
    }
    for (term, shown) in [(TERM, true), (("TERM", "dumb"), false)] {
        let (sandbox, directory) = (sandbox().await, state_dir());
        sandbox.cloud().set_consent(Consent::Allow);
        sandbox.cloud().fail_token(TokenFault::Slow { ms: 900 }, None);
        let options = ["--success", "login successful!"];
        let screen = paste(&sandbox, directory.path(), &[ENGLISH, term], &options, &["login", "--no-browser"]);
        assert_eq!(screen.contains("Exchanging the code for tokens"), shown, "{screen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_into_a_pipe_is_plain_text() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sandbox.cloud().fail_token(TokenFault::Slow { ms: 700 }, None);
    let mut login = command(&sandbox, directory.path(), "", &["login", "--no-browser"]);
    login.envs([ENGLISH, TERM]);
    let mut login = Program::start(login);
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    assert_eq!(follow(&callback).await.0, StatusCode::OK);
    let (code, printed) = login.end();
    assert_eq!(code, 0, "{printed}");
    for sign in ["\x1b", "\r", "█", "Exchanging", "⠋"] {
        assert!(!printed.contains(sign), "{sign:?}: {printed:?}");
    }
    let mut status = command(&sandbox, directory.path(), "", &["status"]);
    status.envs([CHINESE, TERM]);
    let status = finish(status);
    assert!(status.stdout.contains("alibaba: 已登录") && !status.stdout.contains('\x1b'), "{}", status.stdout);

    let mut logout = command(&sandbox, directory.path(), "", &["logout"]);
    logout.envs([CHINESE]);
    let logout = finish(logout);
    assert!(logout.code == 0 && logout.stdout.contains("alibaba：已退出登录"), "{}", logout.stdout);
    let mut resume = command(&sandbox, directory.path(), "", &["resume"]);
    resume.envs([CHINESE]);
    assert_eq!(finish(resume).stdout.trim_end(), "当前没有安全事件，未做任何更改。");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_headed_in_the_language_of_the_person() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut login = command(&sandbox, directory.path(), "", &["login", "--no-browser"]);
    login.envs([CHINESE]);
    let mut login = Program::start(login);
    let callback = sandbox.deny(&authorize_url(&mut login)).unwrap();
    assert_eq!(follow(&callback).await.0, StatusCode::FORBIDDEN);
    let (code, printed) = login.end();
    assert!(code == 77 && printed.contains("登录被拒绝：the sign-in was refused: access_denied"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_in_the_language_of_the_browser() {
    let sandbox = sandbox().await;
    let proxy = Proxy::start(&sandbox).await;
    for (accepts, language, title) in [
        (None, "en", "No login is waiting"),
        (Some("zh-CN,zh;q=0.9,en;q=0.8"), "zh-CN", "没有正在等待的登录"),
        (Some("de-DE,en;q=0.5"), "en", "No login is waiting"),
    ] {
        let mut request = Request::get("/callback?code=x&state=y").header("host", proxy.address.to_string());
        if let Some(accepts) = accepts {
            request = request.header("accept-language", accepts);
        }
        let answer = proxy.send(request.body(Full::default()).unwrap()).await;
        let (_, headers, page) = support::whole(answer).await;
        assert_eq!(headers["content-language"], language);
        assert!(page.contains(&format!("<html lang=\"{language}\">")) && page.contains(title), "{page}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_status_has_a_screen_of_its_own_and_gives_the_terminal_back() {
    if lacks("a_live_status_has_a_screen_of_its_own_and_gives_the_terminal_back", Need::Python) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let watch = &["status", "--watch"];
    for (locale, leave, says) in [
        (ENGLISH, "type:q", "a person has to sign in"),
        (CHINESE, r"type:\x03", "需要有人登录"),
        (ENGLISH, "signal:TERM", "q: leave"),
    ] {
        let says = format!("wait:{says}");
        // The second frame is the proof that it goes on.
        let steps = [&says, "keys", &says, leave];
        let (sent, end) = look(&sandbox, directory.path(), &[locale, TERM], &steps, watch);
        assert_eq!(end["exit"], 77, "{sent:?}");
        assert_eq!(sent.matches("\x1b[?1049h").count(), 1, "{sent:?}");
        assert!(sent.trim_end().ends_with("\x1b[?7h\x1b[?25h\x1b[?1049l"), "{sent:?}");
        assert!(sent.contains("\x1b[31m"), "there are colours: {sent:?}");
    }
    // A smaller window is drawn anew, within its bounds; without colours, where they are not wanted.
    let line = "[^\x1b]*\x1b\\[K\r+\n";
    let small = format!("raw:\x1b\\[H{line}{line}{line}\\.\\.\\. [^\x1b]*…\x1b\\[K\x1b\\[J");
    let steps = ["wait:sign in", "resize:30x4", &small, "type:q"];
    let (sent, _) = look(&sandbox, directory.path(), &[ENGLISH, TERM, ("NO_COLOR", "1")], &steps, watch);
    assert!(!sent.contains("\x1b[31m") && !sent.contains("\x1b[2m"), "{sent:?}");

    let piped = finish(command(&sandbox, directory.path(), "", watch));
    assert!(piped.code == 64 && piped.stderr.contains("--watch needs a terminal"), "{}", piped.stderr);
    assert_eq!(piped.stdout, "");
}
