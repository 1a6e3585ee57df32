//! The page of `mcp-proxy ui`, with the real program: who gets in and who does not, what a tunnel to the control socket
//! may do, signing in from the page, what arrives while somebody looks on, and all of it in a real browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has tasks and a clock of its own")]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use mcp_proxy_sandbox::{Consent, Sandbox};
use support::person::{authorize_url, follow};
use support::prerequisites::{Need, clients, lacks};
use support::program::{Finished, Program, bare, command, finish};
use support::{PATIENCE, environment, post, sandbox, send, state_dir, whole};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// A path of the gateway that answers every authorized request.
const ECHO: &str = "/lab/echo";
const MESSAGE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"looked-on"}}"#;

type Page = (StatusCode, HeaderMap, String);

/// A daemon with a control socket.
struct Machine {
    sandbox: Sandbox,
    directory: Arc<TempDir>,
    daemon: Program,
    address: SocketAddr,
}

impl Machine {
    /// A daemon that has no API credentials, as the system's daemon has none; the person who looks at it has some.
    async fn start(more: &str) -> Self {
        Self::start_with(more, false).await
    }

    /// The same, perhaps with API credentials of its own.
    async fn start_with(more: &str, credentials: bool) -> Self {
        let (sandbox, directory) = (sandbox().await, state_dir());
        let mut serve = command(&sandbox, directory.path(), more, &["serve"]);
        serve.env("MCP_PROXY_CONTROL__SOCKET", directory.path().join("control.sock"));
        if !credentials {
            environment(&sandbox).keys().for_each(|name| {
                serve.env_remove(name);
            });
        }
        let mut daemon = Program::start(serve);
        let address = daemon.line("Listen: ").replace("Listen: ", "").parse().unwrap();
        Self { sandbox, directory, daemon, address }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn ui(&self, args: &[&str]) -> Command {
        let args: Vec<&str> = ["ui", "--no-browser"].iter().chain(args).copied().collect();
        let mut command = bare(&args);
        command.arg("--config").arg(self.directory.path().join("mcp-proxy.toml")).envs(environment(&self.sandbox));
        command.env("MCP_PROXY_CONTROL__SOCKET", self.socket());
        command
    }

    /// The same, and the person has signed in at a terminal.
    async fn signed_in() -> Self {
        let machine = Self::start("").await;
        let mut login = bare(&["login", "--no-browser", "--config"]);
        login.arg(machine.directory.path().join("mcp-proxy.toml")).envs(environment(&machine.sandbox));
        login.env("MCP_PROXY_CONTROL__SOCKET", machine.socket());
        let mut login = Program::start(login);
        let callback = machine.sandbox.approve(&authorize_url(&mut login)).unwrap();
        assert_eq!(follow(&callback).await.0, StatusCode::OK);
        assert_eq!(login.end().0, 0);
        machine
    }

    /// A call of a client through the proxy.
    async fn call(&self) -> StatusCode {
        whole(send(self.address, post(self.address, ECHO, MESSAGE)).await).await.0
    }

    fn holds_no_secret(&self, text: &str) {
        for secret in self.sandbox.cloud().issued_secrets() {
            assert!(!text.contains(&secret), "a secret got out");
        }
        assert!(!text.contains(&self.sandbox.access_key().1), "an API secret got out");
    }
}

/// The page on a port of its own, and a person with a browser.
struct Window {
    program: Program,
    address: SocketAddr,
    link: String,
    cookie: String,
}

impl Window {
    /// Runs `mcp-proxy ui`; nobody has come by the link yet.
    fn open(machine: &Machine, args: &[&str]) -> Self {
        let mut program = Program::start(machine.ui(args));
        let link = program.line("?once=").trim().to_owned();
        let authority = link.strip_prefix("http://").unwrap().split('/').next().unwrap();
        Self { address: authority.parse().unwrap(), program, link, cookie: String::new() }
    }

    /// The same, and comes by the link.
    async fn entered(machine: &Machine) -> Self {
        let mut window = Self::open(machine, &[]);
        let (status, headers, _) = follow(&window.link).await;
        assert_eq!((status, &headers["location"]), (StatusCode::SEE_OTHER, &"/ui".parse().unwrap()));
        let cookie = headers["set-cookie"].to_str().unwrap();
        window.cookie = cookie.split(';').next().unwrap().to_owned();
        window
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(self.address, request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
    }

    /// As the browser asks that came by the link.
    async fn get(&self, path: &str) -> Page {
        let host = self.address.to_string();
        whole(self.ask("GET", path, &[("host", &host), ("cookie", &self.cookie)], "").await).await
    }

    /// As the browser sends a form.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let (host, origin) = (self.address.to_string(), self.origin());
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("host", host.as_str()),
            ("cookie", &self.cookie),
            ("origin", &origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        whole(self.ask("POST", path, &headers, &form).await).await
    }

    /// What the forms of the page carry.
    async fn form_key(&self) -> String {
        let page = self.get("/ui").await.2;
        page.split("name=\"key\" value=\"").nth(1).expect("a form").split('"').next().unwrap().to_owned()
    }

    /// Waits until the page says something.
    async fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.get("/ui").await.2;
            if page.contains(text) {
                return page;
            }
            assert!(Instant::now() < deadline, "no {text:?}: {page}");
        }
    }

    fn end(mut self) {
        self.program.signal("INT");
        let (code, printed) = self.program.end();
        assert_eq!(code, 0, "{printed}");
    }
}

/// What keeps a page to itself.
fn is_kept_to_itself(headers: &HeaderMap) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_opens_the_page_once_for_one_browser() {
    let machine = Machine::start("").await;
    let window = Window::open(&machine, &[]);
    assert!(window.address.ip().is_loopback() && window.address.port() != 0);
    let host = window.address.to_string();
    let target = window.link.strip_prefix(&window.origin()).unwrap().to_owned();

    let (status, headers, page) = whole(window.ask("GET", "/ui", &[("host", &host)], "").await).await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("Open the link of the command"), "{page}");
    is_kept_to_itself(&headers);
    let head = window.ask("HEAD", &target, &[("host", &host)], "").await;
    assert_eq!(head.status(), StatusCode::FORBIDDEN, "whoever looks at links uses nothing up");

    let many: Vec<Page> = join_all((0..8).map(|_| follow(&window.link))).await;
    let (entered, refused): (Vec<&Page>, Vec<&Page>) = many.iter().partition(|page| page.0 == StatusCode::SEE_OTHER);
    assert_eq!((entered.len(), refused.len()), (1, 7));
    let cookie = entered[0].1["set-cookie"].to_str().unwrap();
    let (value, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(flags, "Path=/; HttpOnly; SameSite=Strict");
    assert_eq!(value.split_once('=').unwrap().1.len(), 64, "256 bits");
    is_kept_to_itself(&entered[0].1);
    for (status, headers, page) in refused {
        assert!(*status == StatusCode::FORBIDDEN && page.contains("This link was used already"), "{page}");
        assert!(page.contains("mcp-proxy ui") && !headers.contains_key("set-cookie"));
    }
    // Who is inside already is shown in, and others are not.
    let again = window.ask("GET", &target, &[("host", &host), ("cookie", value)], "").await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    let chinese = window.ask("GET", &target, &[("host", &host), ("accept-language", "zh-CN")], "").await;
    assert!(whole(chinese).await.2.contains("此链接已被使用"));
    window.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_in_beside_the_browser_that_came_by_the_link() {
    let machine = Machine::start("").await;
    let window = Window::entered(&machine).await;
    let (host, origin) = (window.address.to_string(), window.origin());
    let own = [("host", host.as_str()), ("cookie", window.cookie.as_str())];

    let (status, headers, page) = window.get("/ui").await;
    assert!(status == StatusCode::OK && page.contains("Sign-in needed"), "{page}");
    is_kept_to_itself(&headers);
    machine.holds_no_secret(&page);
    for (path, content_type) in
        [("/ui/live.js", "text/javascript"), ("/ui/style.css", "text/css"), ("/ui/icon.svg", "image/svg+xml")]
    {
        let (status, headers, _) = window.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(headers["content-type"].to_str().unwrap().starts_with(content_type), "{path}");
        is_kept_to_itself(&headers);
    }

    let port = window.address.port();
    for (host, more) in [
        (format!("localhost:{port}"), None),
        (format!("evil.example:{port}"), None),
        ("127.0.0.1".to_owned(), None),
        (host.clone(), Some(("origin", "http://evil.example"))),
        (host.clone(), Some(("origin", "null"))),
        (host.clone(), Some(("sec-fetch-site", "cross-site"))),
    ] {
        let headers: Vec<(&str, &str)> =
            [("host", host.as_str()), ("cookie", &window.cookie)].into_iter().chain(more).collect();
        let (status, headers, page) = whole(window.ask("GET", "/ui/events", &headers, "").await).await;
        assert!(status == StatusCode::FORBIDDEN && page.contains("Not from here"), "{host} {more:?}: {page}");
        is_kept_to_itself(&headers);
    }

    // Of the control socket, nothing but the page is behind this port.
    for path in ["/status", "/metrics", "/recent", "/clients", "/ui/x", "/favicon.ico"] {
        assert_eq!(window.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let with_origin: Vec<(&str, &str)> = own.into_iter().chain([("origin", origin.as_str())]).collect();
    for path in ["/logout", "/incident", "/login", "/clients/add"] {
        let status = window.ask("POST", path, &with_origin, "{}").await.status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"] {
        let status = window.ask(method, "/ui", &with_origin, "").await.status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }

    // A form counts only if this daemon made it, and if the browser says that it comes from here.
    let key = window.form_key().await;
    for key in ["", "0", &key[..63], "form-key"] {
        let (status, _, page) = window.submit("/ui/login", &[("key", key), ("upstream", "alibaba")]).await;
        assert!(status == StatusCode::FORBIDDEN && page.contains("Reload the page"), "{key}: {page}");
    }
    let form = format!("key={key}&upstream=alibaba");
    for (headers, why) in [
        (vec![own[0], own[1]], "no Origin"),
        (vec![own[0], ("origin", origin.as_str())], "no cookie"),
        (vec![own[0], own[1], ("origin", "http://evil.example")], "foreign Origin"),
    ] {
        let status = window.ask("POST", "/ui/login", &headers, &form).await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
    }
    assert!(!window.get("/ui").await.2.contains("id=\"paste\""), "no login was begun");

    // Another daemon's page has another cookie, whatever the browser sends along.
    let other = Window::entered(&machine).await;
    let stranger = [("host", host.as_str()), ("cookie", other.cookie.as_str())];
    assert_eq!(window.ask("GET", "/ui", &stranger, "").await.status(), StatusCode::FORBIDDEN);
    other.end();
    window.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_from_the_page_with_credentials_that_the_daemon_does_not_have() {
    let machine = Machine::start("").await;
    let window = Window::entered(&machine).await;
    let key = window.form_key().await;
    let begin = [("key", key.as_str()), ("lang", "en"), ("upstream", "alibaba")];
    let where_to = |page: &str| {
        let url = page.split("content=\"0;url=").nth(1).expect(page).split('"').next().unwrap();
        url.replace("&amp;", "&")
    };

    // Through the browser.
    let (status, headers, page) = window.submit("/ui/login", &begin).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let url = where_to(&page);
    assert!(url.contains("/oauth2/v1/auth?"), "{url}");
    assert!(window.says("A sign-in waits").await.contains("id=\"paste\""));
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert!(!window.get("/ui").await.2.contains(&state), "the page knows nothing of the login");
    let callback = machine.sandbox.approve(&url).unwrap();
    let (status, _, page) = follow(&callback).await;
    assert!(status == StatusCode::OK && page.contains("Signed in"), "{page}");
    let page = window.says("Signed in to alibaba.").await;
    assert!(page.contains("renewed by itself in") && !page.contains("id=\"paste\""), "{page}");
    machine.holds_no_secret(&page);
    assert_eq!(machine.call().await, StatusCode::OK);

    // Pasted, by somebody whose browser cannot follow; at first it is the wrong text.
    let url = where_to(&window.submit("/ui/login", &begin).await.2);
    let page = window.says("id=\"paste\"").await;
    let id = page.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let paste = [("key", key.as_str()), ("id", &id), ("text", "what now?")];
    let (status, headers, _) = window.submit("/ui/paste", &paste).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/ui?lang=en"));
    window.says("neither a code nor an address with one").await;
    let callback = machine.sandbox.approve(&url).unwrap();
    let paste = [("key", key.as_str()), ("id", &id), ("text", &callback)];
    assert_eq!(window.submit("/ui/paste", &paste).await.0, StatusCode::SEE_OTHER);
    window.says("Signed in to alibaba.").await;
    assert_eq!(machine.sandbox.cloud().counts().code_exchanges, 2);

    // Refused, and said in the language of the page.
    let url = where_to(&window.submit("/ui/login", &begin).await.2);
    follow(&machine.sandbox.deny(&url).unwrap()).await;
    window.says("The sign-in did not work: the sign-in was refused: access_denied").await;
    let chinese = window.get("/ui?lang=zh-CN").await.2;
    assert!(chinese.contains("登录未成功") && chinese.contains("<html lang=\"zh-CN\">"), "{chinese}");
    assert_eq!(machine.call().await, StatusCode::OK, "the login that was there is still there");
    window.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_appears_while_somebody_looks_on_and_onlookers_are_bounded() {
    let mut machine = Machine::signed_in().await;
    let window = Window::entered(&machine).await;
    let host = window.address.to_string();
    let headers = [("host", host.as_str()), ("cookie", window.cookie.as_str())];
    let mut events = window.ask("GET", "/ui/events", &headers, "").await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    is_kept_to_itself(events.headers());
    let hear = async |events: &mut Response<Incoming>, wanted: &str| {
        let (mut text, deadline) = (String::new(), Instant::now() + PATIENCE);
        while !text.contains(wanted) {
            assert!(Instant::now() < deadline, "no {wanted:?}: {text}");
            let frame = tokio::time::timeout(PATIENCE, events.body_mut().frame()).await.expect("news in time");
            text.push_str(&String::from_utf8_lossy(&frame.expect("it goes on").unwrap().into_data().unwrap()));
        }
        text
    };
    let first = hear(&mut events, "\"id\":\"servers\"").await;
    for part in ["summary", "standing", "conditions", "numbers", "clients", "latency", "calls", "refusals"] {
        assert!(first.contains(&format!("\"id\":\"{part}\"")), "{part}: {first}");
    }
    assert_eq!(machine.call().await, StatusCode::OK);
    let news = hear(&mut events, "looked-on").await;
    assert!(news.contains("\"id\":\"calls\"") && !news.contains("\"id\":\"servers\""), "{news}");

    // There are eight places; who leaves makes room.
    let mut onlookers = vec![events];
    while onlookers.len() < 8 {
        let one = window.ask("GET", "/ui/events", &headers, "").await;
        assert_eq!(one.status(), StatusCode::OK);
        onlookers.push(one);
    }
    assert_eq!(window.ask("GET", "/ui/events", &headers, "").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(window.get("/ui").await.0, StatusCode::OK, "the page itself is there");
    onlookers.pop();
    let deadline = Instant::now() + PATIENCE;
    let mut last = loop {
        let one = window.ask("GET", "/ui/events", &headers, "").await;
        if one.status() == StatusCode::OK {
            break one;
        }
        assert!(Instant::now() < deadline, "no place was made");
    };

    // When the daemon stops, they end, and the page says what to do.
    machine.daemon.signal("TERM");
    assert_eq!(machine.daemon.end().0, 0);
    let ended = async { while last.body_mut().frame().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the events end");
    let (status, headers, page) = window.get("/ui").await;
    assert!(status == StatusCode::BAD_GATEWAY && page.contains("The daemon gives no answer"), "{page}");
    is_kept_to_itself(&headers);
    window.end();
}

/// What `ssh -L` does: a port that leads to the control socket.
async fn tunnel(socket: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut far = UnixStream::connect(socket).await.unwrap();
                let _ = tokio::io::copy_bidirectional::<TcpStream, UnixStream>(&mut near, &mut far).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_tunnel_the_page_is_there_and_other_pages_do_nothing() {
    let machine = Machine::start("").await;
    let address = tunnel(machine.socket()).await;
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        whole(send(address, request.body(Full::new(Bytes::from_static(b"{}"))).unwrap()).await).await
    };
    let local = format!("localhost:{}", address.port());
    let foreign = format!("evil.example:{}", address.port());
    let origin = format!("http://{foreign}");

    let (status, headers, page) = ask("GET", "/ui", &[("host", &local)]).await;
    assert!(status == StatusCode::OK && page.contains("id=\"sign-in-alibaba\""), "{page}");
    is_kept_to_itself(&headers);
    let (status, headers, _) = ask("GET", "/", &[("host", &local), ("accept-language", "zh")]).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/ui?lang=zh-CN"));

    // A name that was led here, a page that calls, a form that is sent.
    for path in ["/ui", "/status", "/recent", "/metrics"] {
        assert_eq!(ask("GET", path, &[("host", &foreign)]).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["/logout", "/incident", "/login", "/ui/login"] {
        for headers in [
            vec![("host", local.as_str()), ("origin", origin.as_str())],
            vec![("host", local.as_str()), ("origin", "null")],
            vec![("host", foreign.as_str()), ("origin", origin.as_str())],
            vec![("host", local.as_str()), ("sec-fetch-site", "cross-site")],
        ] {
            let (status, _, text) = ask("POST", path, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {headers:?}: {text}");
        }
    }
    // Tools go on as before.
    assert_eq!(ask("GET", "/status", &[("host", &local)]).await.0, StatusCode::OK);
    assert_eq!(ask("GET", "/ready", &[("host", "mcp-proxy")]).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _, text) = ask("GET", "/nothing", &[("host", &local)]).await;
    assert!(status == StatusCode::NOT_FOUND && text.contains("there are /ui"), "{text}");
    let (status, headers, page) = ask("GET", "/ui/nothing", &[("host", &local)]).await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("There is no such page"), "{page}");
    is_kept_to_itself(&headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_sees_no_calls_and_no_button() {
    if lacks("who_may_only_look_sees_no_calls_and_no_button", Need::OtherUsers) {
        return;
    }
    let machine = Machine::start("").await;
    machine.call().await;
    std::fs::set_permissions(machine.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(machine.socket(), PermissionsExt::from_mode(0o666)).unwrap();
    let mut curl = Command::new("setpriv");
    curl.args(["--reuid=54321", "--regid=54321", "--clear-groups", "curl", "-sS", "--max-time", "20"]);
    curl.arg("--unix-socket").arg(machine.socket()).arg("http://localhost/ui");
    let output = curl.output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("Sign-in needed") && page.contains("To sign in, run mcp-proxy login"), "{page}");
    assert!(!page.contains("<form") && !page.contains("looked-on"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_of_the_machine_does_not_get_in_with_the_link() {
    if lacks("another_user_of_the_machine_does_not_get_in_with_the_link", Need::OtherUsers) {
        return;
    }
    let machine = Machine::start("").await;
    let window = Window::open(&machine, &[]);
    let mut curl = Command::new("setpriv");
    curl.args([
        "--reuid=54321",
        "--regid=54321",
        "--clear-groups",
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "-w",
        "%{http_code}",
    ]);
    let output = curl.args(["--max-time", "20", &window.link]).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.ends_with("403") && page.contains("from another user"), "{page}");
    assert_eq!(follow(&window.link).await.0, StatusCode::SEE_OTHER, "the link was not used up");
    window.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_nobody_uses_it_and_says_what_is_in_the_way() {
    let machine = Machine::start("").await;
    let mut window = Window::open(&machine, &["--idle", "200ms"]);
    let (code, printed) = window.program.end();
    assert!(code == 0 && printed.contains("Nobody used the page for 200 ms"), "{code} {printed}");

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let Finished { code, stderr, .. } = finish(machine.ui(&["--port", &port]));
    assert!(code == 69 && stderr.contains("cannot be listened on") && stderr.contains("--port"), "{code} {stderr}");
    drop(taken);
    let window = Window::open(&machine, &["--port", &port]);
    assert_eq!(window.address.port().to_string(), port);
    window.end();

    for (args, says) in [(["--port", "x"], "--port"), (["--idle", "soon"], "--idle")] {
        let Finished { code, stderr, .. } = finish(machine.ui(&args));
        assert!(code == 64 && stderr.contains(says), "{code} {stderr}");
    }
    let mut nobody = machine.ui(&[]);
    nobody.env("MCP_PROXY_CONTROL__SOCKET", machine.directory.path().join("none")).env("LANG", "zh_CN.UTF-8");
    let Finished { code, stderr, .. } = finish(nobody);
    assert!(code == 69 && stderr.contains("没有运行 mcp-proxy"), "{code} {stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_people_read_it_use_it_and_sign_in_from_it() {
    if lacks("in_a_real_browser_people_read_it_use_it_and_sign_in_from_it", Need::Browser) {
        return;
    }
    let machine = Machine::start_with("blocked_servers = [\"/lab/refused\"]\n", true).await;
    machine.sandbox.cloud().set_consent(Consent::Ask);
    let window = Window::open(&machine, &[]);
    let server = machine.sandbox.servers().into_iter().find(|server| server.name == "sandbox-tools").unwrap();
    let pictures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/ui-pictures");
    let mut node = Command::new("node");
    node.arg(clients().join("browser/dashboard.mjs"))
        .args(["--link", &window.link, "--sign-in", "--pictures"])
        .arg(pictures);
    node.args(["--call", &format!("http://{}{}", machine.address, server.mcp_path)]);
    node.args(["--refused", &format!("http://{}/lab/refused/mcp", machine.address)]);
    let output = tokio::task::spawn_blocking(move || node.output().unwrap()).await.unwrap();
    let (seen, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{problems}\n{seen}");
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["looks"].as_array().unwrap().len(), 16, "{seen}");
    assert_eq!(seen["link"]["again"]["status"], 403);
    assert!(seen["signIn"]["standing"].as_str().unwrap().contains("Signed in to alibaba."), "{seen}");
    assert!(seen["copied"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{seen}");
    machine.holds_no_secret(&seen.to_string());
    window.end();
}
