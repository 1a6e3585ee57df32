//! Who may use it: the real program, callers who are other users of this host, other machines and containers in network
//! namespaces of their own, and keys. What is refused must not reach the upstream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mcp_proxy::daemon::ledger::Ledger;
use mcp_proxy::model::upstream::UpstreamName;
use support::PATIENCE;
use support::prerequisites::{Need, lacks};
use support::program::{Program, bare, finish};
use tempfile::TempDir;

/// Users who are nobody in particular.
const ALICE: u32 = 54_321;
const BOB: u32 = 54_322;

/// An upstream that answers everything with 200 and keeps what it was asked.
#[derive(Clone)]
struct Upstream {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = upstream.seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    let mut head = String::new();
                    while reader.read_line(&mut head).is_ok_and(|length| length > 0) {
                        if head.ends_with("\r\n\r\n") {
                            seen.lock().unwrap().push(std::mem::take(&mut head));
                            let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                        }
                    }
                });
            }
        });
        upstream
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// A daemon, its directory and its upstream.
struct Host {
    directory: TempDir,
    upstream: Upstream,
    daemon: Program,
    address: String,
}

impl Host {
    fn start(rules: &str) -> Self {
        Self::start_in(&[], "127.0.0.1", rules)
    }

    /// With a command before that of the daemon, on another address.
    fn start_in(before: &[&str], listen: &str, rules: &str) -> Self {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
        fs::write(directory.path().join("token"), "the-token-of-the-upstream").unwrap();
        configure(directory.path(), &upstream, listen, rules);
        let mut command = bare(&["serve"]);
        if let [program, args @ ..] = before {
            let mut outer = Command::new(program);
            outer.args(args).arg(command.get_program()).args(command.get_args());
            outer.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
            command = outer;
        }
        command.arg("--config").arg(directory.path().join("main.toml"));
        let mut daemon = Program::start(command);
        let address = daemon.line("Listen: ").replace("Listen: ", "").trim().to_owned();
        Self { directory, upstream, daemon, address }
    }

    fn reload(&mut self, rules: &str) {
        configure(self.directory.path(), &self.upstream, "127.0.0.1", rules);
        self.daemon.signal("HUP");
        self.daemon.line("the configuration was read anew");
    }

    fn unix(&self) -> String {
        self.directory.path().join("clients.sock").display().to_string()
    }

    /// Runs a command of the program.
    fn run(&self, args: &[&str]) -> support::program::Finished {
        let mut command = bare(args);
        command.arg("--config").arg(self.directory.path().join("main.toml"));
        finish(command)
    }

    /// What a caller gets: the status and the body.
    fn ask(&self, before: &[&str], more: &[&str]) -> (u16, String) {
        self.ask_for("/mcp", before, more)
    }

    fn ask_for(&self, path: &str, before: &[&str], more: &[&str]) -> (u16, String) {
        curl(before, &format!("http://{}{path}", self.address), more)
    }

    fn reaches_the_upstream(&self, before: &[&str], more: &[&str]) {
        let seen = self.upstream.seen();
        assert_eq!(self.ask(before, more), (200, "ok".to_owned()), "{before:?} {more:?}");
        assert_eq!(self.upstream.seen(), seen + 1, "{before:?} {more:?}");
    }

    fn is_refused(&self, status: u16, says: &str, before: &[&str], more: &[&str]) {
        let seen = self.upstream.seen();
        let (found, body) = self.ask(before, more);
        assert_eq!(found, status, "{before:?} {more:?}: {body}");
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&error["jsonrpc"], &error["error"]["code"]), (&"2.0".into(), &(-31_403).into()), "{body}");
        assert!(error["error"]["message"].as_str().unwrap().contains(says), "{body}");
        assert_eq!(self.upstream.seen(), seen, "{before:?} {more:?} was forwarded");
    }
}

fn configure(directory: &Path, upstream: &Upstream, listen: &str, rules: &str) {
    let place = directory.display();
    let text = format!(
        r#"
state_dir = "{place}/state"
[listen]
host = "{listen}"
port = 0
unix = ["{place}/clients.sock"]
unix_mode = "0666"
[control]
socket = "{place}/control.sock"
[[upstream]]
name = "test"
mount = "/"
url = "http://127.0.0.1:{}"
auth = "token-file"
token_file = "{place}/token"
{rules}
"#,
        upstream.port
    );
    fs::write(directory.join("main.toml"), text).unwrap();
    // Other users have to come to the socket.
    fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
}

fn curl(before: &[&str], url: &str, more: &[&str]) -> (u16, String) {
    let mut line = before.to_vec();
    line.extend(["curl", "--silent", "--max-time", "20", "--include", "--write-out", "\n%{http_code}"]);
    line.extend(more);
    line.push(url);
    let output = Command::new(line[0]).args(&line[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{line:?}: {output:?}"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    assert!(!head.to_ascii_lowercase().contains("www-authenticate"), "{head}");
    (status.parse().unwrap(), body.to_owned())
}

fn as_user(uid: u32) -> Vec<String> {
    ["setpriv", "--clear-groups", &format!("--reuid={uid}"), &format!("--regid={uid}")].map(str::to_owned).to_vec()
}

macro_rules! user {
    ($uid:expr) => {
        &as_user($uid).iter().map(String::as_str).collect::<Vec<_>>()
    };
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain waited for: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn signed_in(host: &Host, user: Option<u32>) {
    let ledger = Ledger::new(&host.directory.path().join("state"));
    ledger.signed_in(&UpstreamName::parse("test").unwrap(), user).unwrap();
}

#[test]
fn d1_other_users_of_this_host_are_refused_until_they_sign_in() {
    if lacks("d1_other_users_of_this_host_are_refused_until_they_sign_in", Need::OtherUsers) {
        return;
    }
    let host = Host::start("");
    host.reaches_the_upstream(&["env"], &[]);
    host.is_refused(403, "users = [\"54321\"]", user!(ALICE), &[]);
    host.is_refused(403, "access.others", user!(BOB), &["--data", "{}"]);
    // The mode of a Unix socket is a decision of its own.
    let socket = host.unix();
    host.reaches_the_upstream(user!(BOB), &["--unix-socket", &socket]);
    signed_in(&host, Some(ALICE));
    until("alice to be let in", || host.ask(user!(ALICE), &[]).0 == 200);
    host.is_refused(403, "54322", user!(BOB), &[]);
    signed_in(&host, None);
    until("alice to be refused", || host.ask(user!(ALICE), &[]).0 == 403);
}

#[test]
fn d1_who_sends_and_leaves_at_once_is_not_taken_for_root() {
    if lacks("d1_who_sends_and_leaves_at_once_is_not_taken_for_root", Need::OtherUsers) {
        return;
    }
    let host = Host::start("");
    let port = host.address.rsplit(':').next().unwrap();
    let script = format!(
        "for n in {{1..200}}; do exec 3<>/dev/tcp/127.0.0.1/{port}; \
         printf 'POST /mcp HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n' >&3; exec 3>&-; done"
    );
    let status = Command::new("setpriv").args(&as_user(ALICE)[1..]).args(["bash", "-c", &script]).status().unwrap();
    assert!(status.success());
    // Behind all of them in the queue.
    host.reaches_the_upstream(&["env"], &[]);
    assert_eq!(host.upstream.seen(), 1, "a request of somebody who left was forwarded");
}

#[test]
fn d8_health_says_to_strangers_whether_it_serves_and_no_more() {
    if lacks("d8_health_says_to_strangers_whether_it_serves_and_no_more", Need::OtherUsers) {
        return;
    }
    let host = Host::start("");
    until("the token", || host.ask(&["env"], &[]).0 == 200);
    let (status, body) = host.ask_for("/health", user!(ALICE), &[]);
    assert_eq!((status, body.as_str()), (200, r#"{"status":"healthy"}"#));
    let (status, body) = host.ask_for("/health", &["env"], &[]);
    assert!(status == 200 && body.contains("uptime"), "{body}");
    // Whose browser comes back from a sign-in is not known by its user.
    assert_eq!(host.ask_for("/callback?code=x&state=y", user!(ALICE), &[]).0, 200);
    assert_eq!(host.ask_for("/.well-known/oauth-authorization-server", user!(ALICE), &[]).0, 404);
}

#[test]
fn clients_are_known_by_user_and_changed_by_a_reload() {
    if lacks("clients_are_known_by_user_and_changed_by_a_reload", Need::OtherUsers) {
        return;
    }
    let alice = |more: &str| {
        format!("[access]\nothers = \"nobody\"\n[[client]]\nname = \"alice\"\nusers = [\"54321\"]\n{more}")
    };
    let mut host = Host::start(&alice(""));
    host.reaches_the_upstream(user!(ALICE), &[]);
    host.reaches_the_upstream(user!(ALICE), &["--unix-socket", &host.unix()]);
    host.is_refused(403, "none of the clients", user!(BOB), &[]);
    host.is_refused(403, "none of the clients", user!(BOB), &["--unix-socket", &host.unix()]);
    host.is_refused(403, "none of the clients", &["env"], &[]);
    host.reload(&alice("addresses = [\"127.0.0.2\"]"));
    host.is_refused(403, "none of the clients", user!(ALICE), &[]);
    host.reaches_the_upstream(user!(ALICE), &["--interface", "127.0.0.2"]);
    host.reload(&alice("blocked_servers = [\"/mcp\"]"));
    host.is_refused(403, "blocked_servers", user!(ALICE), &[]);
    host.reload("[access]\nothers = \"anyone\"");
    host.reaches_the_upstream(user!(BOB), &[]);
    assert!(host.run(&["status"]).stdout.contains("open-to-anyone"));
    // A client that fits nobody by a slip is a fault, and nothing changes.
    configure(
        host.directory.path(),
        &host.upstream,
        "127.0.0.1",
        "[[client]]\nname = \"x\"\nusers = [\"no-such-user\"]",
    );
    host.daemon.signal("HUP");
    assert!(host.daemon.line("client.x.users").contains("no-such-user"));
    host.reaches_the_upstream(user!(BOB), &[]);
}

/// A caller of another user who keeps one connection.
struct Keeping {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Keeping {
    fn start(host: &Host, uid: u32) -> Self {
        let port = host.address.rsplit(':').next().unwrap();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; while read -r line; do \
             printf 'HEAD /mcp HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&3; \
             while read -r line <&3; do line=${{line%$'\\r'}}; [[ $line != HTTP* ]] || echo \"$line\"; [[ $line ]] || break; done; done"
        );
        let mut child = Command::new("setpriv");
        child.args(&as_user(uid)[1..]).args(["bash", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    fn asks(&mut self) -> String {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_reload_that_asks_for_users_counts_for_connections_that_are_open() {
    if lacks("a_reload_that_asks_for_users_counts_for_connections_that_are_open", Need::OtherUsers) {
        return;
    }
    let mut host = Host::start("[access]\nothers = \"anyone\"");
    let (mut alice, mut bob) = (Keeping::start(&host, ALICE), Keeping::start(&host, BOB));
    assert_eq!((alice.asks(), bob.asks()), ("200".to_owned(), "200".to_owned()));
    host.reload("[[client]]\nname = \"alice\"\nusers = [\"54321\"]");
    assert_eq!((alice.asks(), bob.asks()), ("200".to_owned(), "403".to_owned()));
}

const DIFY: &str = "[access]\nothers = \"nobody\"\n[[client]]\nname = \"dify\"\nkey = true";

#[test]
fn a_key_is_good_from_its_making_to_its_removal_and_never_leaves() {
    let mut host = Host::start(DIFY);
    host.is_refused(401, "mcp-proxy client add dify", &["env"], &[]);
    let made = host.run(&["client", "add", "dify"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = made.stdout.trim().to_owned();
    assert!(
        key.starts_with("mcpk_") && key.len() == 48 && !made.stderr.contains(&key),
        "{made_err}",
        made_err = made.stderr
    );
    let (bearer, other) = (format!("Authorization: Bearer {key}"), format!("X-MCP-Proxy-Key: {key}"));
    host.reaches_the_upstream(&["env"], &["--header", &bearer]);
    host.reaches_the_upstream(&["env"], &["--header", &other]);
    host.reaches_the_upstream(&["env"], &["--header", &other, "--header", "Authorization: Bearer a-placeholder"]);
    let seen = host.upstream.seen.lock().unwrap().join("\n");
    assert!(
        seen.contains("Bearer the-token-of-the-upstream") && !seen.contains("mcpk_") && !seen.contains("x-mcp-proxy"),
        "{seen}"
    );

    let listed = host.run(&["client", "list", "--json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let dify = &listed["clients"][0];
    assert_eq!((&dify["name"], &dify["needs_key"]), (&"dify".into(), &true.into()), "{listed}");
    assert!(dify["keys"][0]["last_used"].is_string(), "{listed}");
    let fingerprint = dify["keys"][0]["fingerprint"].as_str().unwrap();
    assert!(host.run(&["client", "list"]).stdout.contains(fingerprint));

    // Rotation: two are good for a while.
    let second = host.run(&["client", "add", "dify"]).stdout.trim().to_owned();
    host.reaches_the_upstream(&["env"], &["--header", &bearer]);
    assert_eq!(host.run(&["client", "remove", "dify", "--key", fingerprint]).code, 0);
    host.is_refused(401, "not known here", &["env"], &["--header", &bearer]);
    host.reaches_the_upstream(&["env"], &["--header", &format!("Authorization: Bearer {second}")]);
    assert_eq!(host.run(&["client", "remove", "dify", "--key", fingerprint]).code, 66);
    assert_eq!(host.run(&["client", "add", "cursor"]).code, 78, "a key for a client that there is not");
    assert_eq!(host.run(&["client", "add", "Dify!"]).code, 64);

    // Without its rule a key is good for nothing, even where everybody may call.
    host.reload("[access]\nothers = \"anyone\"");
    host.reaches_the_upstream(&["env"], &[]);
    host.is_refused(
        403,
        "made for the client dify",
        &["env"],
        &["--header", &format!("Authorization: Bearer {second}")],
    );
    let printed = host.daemon.seen().to_owned();
    assert!(!printed.contains(&key) && !printed.contains(&second) && !printed.contains("mcpk_"), "{printed}");
}

#[test]
fn a_key_that_is_made_without_asking_the_daemon_is_taken_all_the_same() {
    let host = Host::start(DIFY);
    let mut command = bare(&["client", "add", "dify", "--config"]);
    command.arg(host.directory.path().join("main.toml")).env("MCP_PROXY_CONTROL__SOCKET", "off");
    let key = finish(command).stdout.trim().to_owned();
    let header = format!("Authorization: Bearer {key}");
    until("the key to be taken", || host.ask(&["env"], &["--header", &header]).0 == 200);
}

#[test]
fn guesses_are_slowed_down_and_shut_nobody_out() {
    let host = Host::start(DIFY);
    let key = host.run(&["client", "add", "dify"]).stdout.trim().to_owned();
    let right = format!("Authorization: Bearer {key}");
    let near = |at: usize| {
        let mut near = key.clone().into_bytes();
        near[at] = if near[at] == b'A' { b'B' } else { b'A' };
        format!("Authorization: Bearer {}", String::from_utf8(near).unwrap())
    };
    for at in 5..15 {
        host.is_refused(401, "not known here", &["env"], &["--header", &near(at)]);
    }
    host.is_refused(429, "too many wrong client keys", &["env"], &["--header", &near(20)]);
    host.reaches_the_upstream(&["env"], &["--header", &right]);
    for odd in ["mcpk_", &format!("{key} "), &key[..47], &key.to_uppercase()] {
        let (status, body) = host.ask(&["env"], &["--header", &format!("X-MCP-Proxy-Key: {odd}x")]);
        assert_eq!(status, 429, "{body}");
    }
}

#[test]
fn only_root_and_the_daemons_user_make_keys() {
    if lacks("only_root_and_the_daemons_user_make_keys", Need::OtherUsers) {
        return;
    }
    let host = Host::start(DIFY);
    let socket = host.directory.path().join("control.sock");
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let socket = socket.display().to_string();
    for path in ["add", "remove"] {
        let url = format!("http://localhost/clients/{path}");
        let (status, body) = curl(user!(ALICE), &url, &["--unix-socket", &socket, "--json", "{\"client\": \"dify\"}"]);
        assert_eq!(status, 403, "{body}");
    }
    let (status, body) = curl(user!(ALICE), "http://localhost/clients", &["--unix-socket", &socket]);
    assert!(status == 200 && body.contains("dify"), "{body}");
}

/// Network namespaces: one for the host, with a bridge and a cable, one for a container, one for another machine.
struct Networks {
    prefix: String,
}

impl Networks {
    fn make() -> Self {
        // Tests of one process run at the same time.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let networks = Self { prefix: format!("mp{}-{number}", std::process::id()) };
        for name in ["h", "c", "d", "r"] {
            networks.ip(&["netns", "add", &networks.name(name)]);
        }
        let [host, container, remote] = ["h", "c", "r"].map(|name| networks.name(name));
        networks.inside(&host, &["link", "set", "lo", "up"]);
        // An address of its own: otherwise it has its lowest port's, and another one when a port comes or goes, which
        // the container learns of only later.
        networks.inside(&host, &["link", "add", "br0", "address", "02:00:00:00:00:09", "type", "bridge"]);
        networks.inside(&host, &["link", "add", "v0", "type", "veth", "peer", "name", "eth0", "netns", &container]);
        networks.inside(&host, &["link", "set", "v0", "master", "br0", "up"]);
        networks.inside(&host, &["address", "add", "10.9.0.1/24", "dev", "br0"]);
        networks.inside(&host, &["link", "set", "br0", "up"]);
        networks.inside(&container, &["address", "add", "10.9.0.2/24", "dev", "eth0"]);
        networks.inside(&container, &["link", "set", "eth0", "up"]);
        // Another set of containers has a bridge of its own.
        let other = networks.name("d");
        networks.inside(&host, &["link", "add", "br1", "type", "bridge"]);
        networks.inside(&host, &["link", "add", "v1", "type", "veth", "peer", "name", "eth0", "netns", &other]);
        networks.inside(&host, &["link", "set", "v1", "master", "br1", "up"]);
        networks.inside(&host, &["address", "add", "10.8.0.1/24", "dev", "br1"]);
        networks.inside(&host, &["link", "set", "br1", "up"]);
        networks.inside(&other, &["address", "add", "10.8.0.2/24", "dev", "eth0"]);
        networks.inside(&other, &["link", "set", "eth0", "up"]);
        networks.inside(&other, &["route", "add", "default", "via", "10.8.0.1"]);
        networks.inside(&host, &["link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", &remote]);
        networks.inside(&host, &["address", "add", "192.0.2.1/24", "dev", "cable"]);
        networks.inside(&host, &["link", "set", "cable", "up"]);
        networks.inside(&remote, &["address", "add", "192.0.2.2/24", "dev", "eth0"]);
        networks.inside(&remote, &["link", "set", "eth0", "up"]);
        networks.inside(&remote, &["route", "add", "default", "via", "192.0.2.1"]);
        networks
    }

    fn name(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }

    fn ip(&self, args: &[&str]) {
        let output = Command::new("ip").args(args).output().unwrap();
        assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn inside(&self, namespace: &str, args: &[&str]) {
        self.ip(&[&["-n", namespace], args].concat());
    }

    /// What a caller in that namespace gets: the status alone.
    fn ask(&self, from: &str, host: &Host, user: Option<u32>) -> u16 {
        let name = self.name(from);
        let mut before = vec!["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), name];
        before.extend(user.map(as_user).unwrap_or_default());
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        host.ask(&before, &["--noproxy", "*"]).0
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in ["c", "d", "r", "h"] {
            let _ = Command::new("ip").args(["netns", "delete", &self.name(name)]).output();
        }
    }
}

#[test]
fn d1_containers_and_other_machines_are_told_apart_from_users_of_this_host() {
    const NAME: &str = "d1_containers_and_other_machines_are_told_apart_from_users_of_this_host";
    if lacks(NAME, Need::OtherUsers) || lacks(NAME, Need::NetworkNamespaces) {
        return;
    }
    let networks = Networks::make();
    let host_name = networks.name("h");
    let before = ["ip", "netns", "exec", host_name.as_str()];
    // The upstream is in another namespace: who may go on is answered that it is out of reach.
    const MAY: u16 = 502;
    let start = |listen: &str, rules: &str| {
        let host = Host::start_in(&before, listen, rules);
        until("the token", || networks.ask("h", &host, None) != 503);
        host
    };
    let bridge = start("10.9.0.1", "");
    for (from, user, expected) in [
        ("c", None, MAY),
        ("d", None, MAY),
        ("r", None, 403),
        ("h", None, MAY),
        ("h", Some(ALICE), 403),
        ("c", Some(ALICE), MAY),
    ] {
        assert_eq!(networks.ask(from, &bridge, user), expected, "the bridge's address, from {from} as {user:?}");
    }
    let closed = start("10.9.0.1", "[access]\ncontainers = false");
    assert_eq!((networks.ask("c", &closed, None), networks.ask("h", &closed, None)), (403, MAY));
    let cable = start("192.0.2.1", "");
    for (from, user, expected) in [("r", None, 403), ("h", None, MAY), ("h", Some(ALICE), 403)] {
        assert_eq!(networks.ask(from, &cable, user), expected, "the cable's address, from {from} as {user:?}");
    }
    let ruled = start("192.0.2.1", "[[client]]\nname = \"office\"\naddresses = [\"192.0.2.2\"]");
    assert_eq!((networks.ask("r", &ruled, None), networks.ask("h", &ruled, Some(ALICE))), (MAY, 403));
    // A tunnel in the bridge: whoever is at the other end of it is no container.
    networks.inside(&host_name, &["tuntap", "add", "dev", "trunk", "mode", "tap"]);
    networks.inside(&host_name, &["link", "set", "trunk", "master", "br0", "up"]);
    assert_eq!(networks.ask("c", &bridge, None), 403);
    networks.inside(&host_name, &["link", "delete", "trunk"]);
    assert_eq!(networks.ask("c", &bridge, None), MAY);
}

#[test]
fn d2_d3_d4_d8_hold_for_a_client_on_another_machine() {
    const NAME: &str = "d2_d3_d4_d8_hold_for_a_client_on_another_machine";
    if lacks(NAME, Need::NetworkNamespaces) {
        return;
    }
    let networks = Networks::make();
    let (host_name, remote) = (networks.name("h"), networks.name("r"));
    let rules = "[[client]]\nname = \"office\"\naddresses = [\"192.0.2.2\"]\nblocked_servers = [\"/secret\"]\n\
                 allowed_servers = [\"/open\", \"/secret\"]";
    let host = Host::start_in(&["ip", "netns", "exec", &host_name], "192.0.2.1", rules);
    let before = ["ip", "netns", "exec", remote.as_str()];
    let ask =
        |path: &str, more: &[&str]| host.ask_for(path, &before, &[&["--noproxy", "*", "--path-as-is"], more].concat());
    // The upstream is in another namespace: what may go on is answered that it is out of reach.
    until("the token", || ask("/open/mcp", &[]).0 == 502);
    for (path, more, says) in [
        ("/open/mcp", &["--header", "Host: evil.example"][..], "listen.allowed_hosts"),
        ("/open/mcp", &["--header", "Origin: https://evil.example"], "listen.allowed_origins"),
        ("/secret/mcp", &[], "blocked_servers"),
        ("/open/../secret/mcp", &[], "refused"),
        ("/open/%2e%2e/secret/mcp", &[], "refused"),
        ("/open%2f..%2fsecret/mcp", &[], "refused"),
        ("/openly/mcp", &[], "allowed_servers"),
    ] {
        let (status, body) = ask(path, more);
        let says_so = body.contains(says) || body.contains("Access denied");
        assert!(status == 403 && says_so, "{path} {more:?}: {status} {body}");
    }
    // A name that no server is known by: what may be that server is refused, and nobody lists the servers here.
    let rules = "[[client]]\nname = \"office\"\naddresses = [\"192.0.2.2\"]\nblocked_servers = [\"ram\"]";
    let named = Host::start_in(&["ip", "netns", "exec", &host_name], "192.0.2.1", rules);
    let (status, body) = named.ask_for("/accounts/1/custom/x/id/a/mcp", &before, &["--noproxy", "*"]);
    assert!(status == 403 && body.contains("[[client]] office"), "{status} {body}");
    let stranger = Host::start_in(&["ip", "netns", "exec", &host_name], "192.0.2.1", "");
    let health = |host: &Host| host.ask_for("/health", &before, &["--noproxy", "*"]);
    until("the token", || health(&stranger).0 == 200);
    assert_eq!(health(&stranger), (200, r#"{"status":"healthy"}"#.to_owned()));
    assert_eq!(host.upstream.seen() + stranger.upstream.seen(), 0);
}

#[test]
fn d6_another_user_reads_nothing_of_what_is_kept() {
    if lacks("d6_another_user_reads_nothing_of_what_is_kept", Need::OtherUsers) {
        return;
    }
    let host = Host::start(DIFY);
    let key = host.run(&["client", "add", "dify"]).stdout.trim().to_owned();
    signed_in(&host, Some(BOB));
    let state = host.directory.path().join("state");
    let kept: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.iter().any(|file| file.ends_with("access.json")), "{kept:?}");
    for file in kept.iter().chain([&state]) {
        for program in ["cat", "ls", "cp"] {
            let mut reading = Command::new("setpriv");
            reading.args(&as_user(ALICE)[1..]).arg(program).arg(file);
            let output = reading.args(["/dev/null"].iter().filter(|_| program == "cp")).output().unwrap();
            // A name can be listed by who knows it only where its directory lets in.
            assert!(!output.status.success(), "{program} {}: {output:?}", file.display());
        }
    }
    // Nor the memory of the daemon, where keys and tokens are.
    for file in ["environ", "maps", "mem"] {
        let path = format!("/proc/{}/{file}", host.daemon.id());
        let output =
            Command::new("setpriv").args(&as_user(ALICE)[1..]).args(["head", "-c", "1", &path]).output().unwrap();
        assert!(!output.status.success(), "{path}: {output:?}");
    }
    assert!(key.starts_with("mcpk_"));
}

#[test]
fn what_is_read_at_the_other_end_is_never_more_than_an_answer() {
    // A refusal closes nothing: the connection is good for a request that is allowed.
    let host = Host::start(DIFY);
    let key = host.run(&["client", "add", "dify"]).stdout.trim().to_owned();
    let mut stream = std::net::TcpStream::connect(&host.address).unwrap();
    let request = |key: &str| format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-MCP-Proxy-Key: {key}\r\n\r\n");
    stream.write_all(request("mcpk_wrong").as_bytes()).unwrap();
    stream.write_all(request(&key).replace("localhost\r\n", "localhost\r\nConnection: close\r\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let statuses: Vec<&str> = said.match_indices("HTTP/1.1 ").map(|(at, _)| &said[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["401", "200"], "{said}");
}
