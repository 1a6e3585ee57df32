//! Whoever calls, however it comes, whatever it shows: which client it is, and what it may then do, is what an evaluation
//! written only here says. The callers are real: other users, in control groups with the names of units, from several
//! addresses, over TCP, TLS and a Unix socket, with keys and certificates, right and wrong.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::{CLIENT_CA, Host};
use crate::matrix::{Rules, clients};
use crate::support::prerequisites::{Need, lacks};
use crate::world::{call, request};

const ALICE: u32 = 54_321;
const BOB: u32 = 54_322;

/// How a caller comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Tcp(&'static str),
    /// From that address, with a certificate of that name.
    Tls(&'static str, Option<&'static str>),
    Unix,
}

/// A caller, as it really is.
#[derive(Debug, Clone)]
struct Caller {
    way: Way,
    uid: u32,
    unit: Option<&'static str>,
    /// The client that its key was made for; `"wrong"`: nobody's.
    key: Option<&'static str>,
}

/// How a client is known. All that is given must hold.
#[derive(Debug, Clone, Default)]
struct Known {
    name: &'static str,
    users: Option<&'static [u32]>,
    group_of_root: bool,
    /// What its unit begins and ends with.
    unit: Option<(&'static str, &'static str)>,
    address: Option<&'static str>,
    certificate: Option<&'static str>,
    key: bool,
}

const UNITS: [&str; 2] = ["mp-one-7.service", "mp-two.scope"];
const CERTIFICATES: [&str; 2] = ["dns:a.example", "uri:spiffe://b.example/agents/7"];

fn known() -> Vec<Known> {
    let any = Known::default();
    vec![
        Known { name: "one-alice", unit: Some(("mp-one-", ".service")), users: Some(&[ALICE]), ..any },
        Known { name: "two", unit: Some(("mp-", ".scope")), key: true, ..any },
        Known { name: "cert-key", certificate: Some(CERTIFICATES[0]), key: true, ..any },
        Known { name: "cert", certificate: Some(CERTIFICATES[1]), address: Some("127.0.0.1"), ..any },
        Known { name: "far", address: Some("127.0.0.2"), users: Some(&[ALICE, BOB]), ..any },
        Known { name: "admins", group_of_root: true, address: Some("127.0.0.1"), ..any },
        Known { name: "keyed", key: true, ..any },
        Known { name: "any-cert", certificate: Some("*"), ..any },
    ]
}

impl Known {
    fn text(&self, rules: &Rules) -> String {
        let mut text = format!("[[client]]\nname = \"{}\"\nkey = {}\n", self.name, self.key);
        let _ = self
            .users
            .map(|users| writeln!(text, "users = {:?}", users.iter().map(ToString::to_string).collect::<Vec<_>>()));
        if self.group_of_root {
            text.push_str("groups = [\"root\"]\n");
        }
        let _ = self.unit.map(|(begins, ends)| writeln!(text, "units = [\"{begins}*{ends}\"]"));
        let _ = self.address.map(|address| writeln!(text, "addresses = [\"{address}\"]"));
        let _ = self.certificate.map(|name| writeln!(text, "certificates = [\"{name}\"]"));
        text + &rules.text()
    }

    fn is(&self, caller: &Caller) -> bool {
        let (address, certificate) = match caller.way {
            Way::Tcp(address) => (Some(address), None),
            Way::Tls(address, certificate) => (Some(address), certificate),
            Way::Unix => (None, None),
        };
        self.users.is_none_or(|users| users.contains(&caller.uid))
            && (!self.group_of_root || caller.uid == 0)
            && self.unit.is_none_or(|(begins, ends)| {
                caller.unit.is_some_and(|unit| unit.starts_with(begins) && unit.ends_with(ends))
            })
            && (self.address.is_none() || self.address == address)
            && self.certificate.is_none_or(|wanted| certificate.is_some_and(|shown| wanted == "*" || wanted == shown))
            && (!self.key || caller.key == Some(self.name))
    }
}

/// What a caller is taken for.
#[derive(Debug, PartialEq)]
enum Taken<'a> {
    For(&'a Known, &'a Rules),
    ForNobodyInParticular,
    ForAStranger,
}

/// The reference: docs/CLIENT_RULES.md in a few lines.
fn taken<'a>(caller: &Caller, clients: &'a [(Known, Rules)], others: &str) -> Taken<'a> {
    if caller.key == Some("wrong") {
        return Taken::ForAStranger;
    }
    if let Some((known, rules)) = clients.iter().find(|(known, _)| known.is(caller)) {
        return Taken::For(known, rules);
    }
    let welcome = others == "owner" && (caller.way == Way::Unix || caller.uid == 0);
    if welcome && caller.key.is_none() { Taken::ForNobodyInParticular } else { Taken::ForAStranger }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Control groups with the names of units, where this machine lets us make some.
struct Groups(Option<PathBuf>);

impl Groups {
    fn make() -> Self {
        let trees = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let tree = trees.into_iter().find(|tree| tree.join("cgroup.procs").exists());
        let slice = tree.map(|tree| tree.join(format!("mptest{}.slice", std::process::id())));
        let made = slice.filter(|slice| UNITS.iter().all(|unit| fs::create_dir_all(slice.join(unit)).is_ok()));
        if made.is_none() {
            println!("SKIPPED callers in units: no control groups can be made here");
        }
        Self(made)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let Some(slice) = &self.0 else { return };
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        for directory in UNITS.iter().map(|unit| slice.join(unit)).chain([slice.clone()]) {
            // The kernel needs a moment to see that its processes have ended.
            while fs::remove_dir(&directory).is_err() && std::time::Instant::now() < deadline {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

fn callers(groups: &Groups) -> Vec<Caller> {
    let certificates = [None, Some(CERTIFICATES[0]), Some(CERTIFICATES[1])];
    let over_tls = certificates.map(|certificate| Way::Tls("127.0.0.1", certificate));
    let ways = [Way::Unix, Way::Tcp("127.0.0.1"), Way::Tcp("127.0.0.2"), Way::Tls("127.0.0.2", certificates[1])];
    let units = if groups.0.is_some() { &[None, Some(UNITS[0]), Some(UNITS[1])][..] } else { &[None] };
    let keys = [None, Some("two"), Some("cert-key"), Some("keyed"), Some("wrong")];
    let mut callers = Vec::new();
    for (number, way) in ways.into_iter().chain(over_tls).enumerate() {
        for (user, uid) in [0, ALICE, BOB].into_iter().enumerate() {
            for (group, unit) in units.iter().enumerate() {
                for (shown, key) in keys.into_iter().enumerate() {
                    // Every pair of two of these stands in here, and most triples.
                    if (number + user + group + shown) % 2 == 0 || key.is_none() {
                        callers.push(Caller { way, uid, unit: *unit, key });
                    }
                }
            }
        }
    }
    callers
}

/// What each caller asks for, with the path, the method and the tool.
fn questions() -> Vec<(&'static str, String, &'static str, Option<&'static str>)> {
    let mut questions = Vec::new();
    for path in ["/a/mcp", "/b/mcp"] {
        let id = |questions: &Vec<_>| u32::try_from(questions.len()).unwrap();
        for tool in ["DescribeThings", "DeleteThings"] {
            questions.push((path, call(id(&questions), tool), "tools/call", Some(tool)));
        }
        questions.push((path, request(id(&questions), "resources/read"), "resources/read", None));
    }
    questions
}

/// All questions of a caller in one go, by curl: status and body of each.
fn asked(host: &Host, groups: &Groups, caller: &Caller, keys: &[(&str, String)]) -> Vec<(u16, String)> {
    let at = |name: &str| host.directory.path().join(name).display().to_string();
    let mut line: Vec<String> = Vec::new();
    if let (Some(unit), Some(slice)) = (caller.unit, &groups.0) {
        let file = slice.join(unit).join("cgroup.procs");
        line.extend(["bash".into(), "-c".into(), format!("echo $$ > {} && exec \"$0\" \"$@\"", file.display())]);
    }
    let user = caller.uid.to_string();
    line.extend(
        ["setpriv", "--clear-groups", "--reuid", &user, "--regid", &user, "curl", "--silent"].map(str::to_owned),
    );
    for (number, (path, body, ..)) in questions().iter().enumerate() {
        if number > 0 {
            line.push("--next".to_owned());
        }
        line.extend(
            ["--silent", "--max-time", "60", "--noproxy", "*", "--write-out", "\\n%{http_code}\\n"].map(str::to_owned),
        );
        line.extend(["--json".to_owned(), body.clone()]);
        if let Some(key) = caller.key {
            let text = keys.iter().find(|(name, _)| *name == key).map_or("mcpk_wrong", |(_, text)| text);
            line.extend(["--header".to_owned(), format!("X-MCP-Proxy-Key: {text}")]);
        }
        let url = match caller.way {
            Way::Unix => {
                line.extend(["--unix-socket".to_owned(), at("clients.sock")]);
                format!("http://localhost{path}")
            }
            Way::Tcp(address) => {
                line.extend(["--interface".to_owned(), address.to_owned()]);
                format!("http://{}{path}", host.plain)
            }
            Way::Tls(address, certificate) => {
                line.extend(["--interface".to_owned(), address.to_owned(), "--cacert".to_owned(), at("ca.pem")]);
                if let Some(at_) = certificate.and_then(|name| CERTIFICATES.iter().position(|known| *known == name)) {
                    line.extend(["--cert".to_owned(), at(&format!("client{at_}.pem"))]);
                    line.extend(["--key".to_owned(), at(&format!("client{at_}.key"))]);
                }
                format!("https://{}{path}", host.tls)
            }
        };
        line.push(url);
    }
    let output = Command::new(&line[0]).args(&line[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut answers = Vec::new();
    let mut body = String::new();
    for part in text.lines() {
        match part.parse::<u16>() {
            Ok(status) => answers.push((status, std::mem::take(&mut body))),
            Err(_) => body.push_str(part),
        }
    }
    assert_eq!(answers.len(), questions().len(), "{caller:?}: {output:?}");
    assert!(answers.iter().all(|(status, _)| *status != 0), "{caller:?}: {}", String::from_utf8_lossy(&output.stderr));
    answers
}

/// Every caller against clients in this order; how many questions passed, and how many were refused.
fn everybody(
    host: &Host,
    groups: &Groups,
    clients: &[(Known, Rules)],
    others: &str,
    keys: &[(&str, String)],
) -> [usize; 2] {
    let mut counts = [0; 2];
    for caller in callers(groups) {
        host.reached();
        let answers = asked(host, groups, &caller, keys);
        let taken = taken(&caller, clients, others);
        let mut reached = host.server.take_seen().into_iter();
        for ((path, body, method, tool), (status, text)) in questions().into_iter().zip(answers) {
            let at = format!("{method} {tool:?} at {path} by {caller:?}, taken for {taken:?}: {status} {text}");
            let passes = match &taken {
                Taken::For(_, rules) => rules.server(path) && rules.message(method, tool, false),
                Taken::ForNobodyInParticular => true,
                Taken::ForAStranger => false,
            };
            counts[usize::from(passes)] += 1;
            if passes {
                assert!(status == 200 && text.contains("\"result\""), "{at}");
                assert_eq!(reached.next().expect("what passes reaches the server").body, body, "{at}");
                continue;
            }
            assert!(text.contains("\"error\""), "{at}");
            match &taken {
                Taken::For(known, _) => assert!(text.contains(&format!("[[client]] {}", known.name)), "{at}"),
                _ if caller.key == Some("wrong") => assert!([401, 429].contains(&status), "{at}"),
                _ => assert!([401, 403].contains(&status), "{at}"),
            }
        }
        assert!(reached.next().is_none(), "something that is refused has reached the server: {caller:?}");
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_whoever_calls_is_taken_for_who_it_is_and_may_do_what_that_client_may() {
    if lacks("d1_whoever_calls_is_taken_for_who_it_is_and_may_do_what_that_client_may", Need::OtherUsers) {
        return;
    }
    let mut host = Host::start(CLIENT_CA, "").await;
    for (number, name) in CERTIFICATES.into_iter().enumerate() {
        host.clients.client(&[name]).write(host.directory.path(), &format!("client{number}"));
    }
    // The files of a test's callers, who are other users.
    for name in ["", "ca.pem", "client0.pem", "client0.key", "client1.pem", "client1.key"] {
        fs::set_permissions(host.directory.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let groups = Groups::make();
    // Without rules about who reads: what the servers say of their tools is another matter.
    let rules: Vec<Rules> = clients().into_iter().filter(|rules| !rules.read_only).collect();
    let in_order = |shift: usize| -> Vec<(Known, Rules)> {
        known()
            .into_iter()
            .enumerate()
            .map(|(at, known)| (known, rules[(at * 5 + shift) % rules.len()].clone()))
            .collect()
    };
    let mut backwards = in_order(3);
    backwards.reverse();
    let mut keys = Vec::new();
    for (clients, others) in [(in_order(1), "nobody"), (backwards, "owner")] {
        let text: String = clients.iter().map(|(known, rules)| known.text(rules)).collect();
        host.reload(CLIENT_CA, &format!("[access]\nothers = \"{others}\"\n{text}"));
        if keys.is_empty() {
            for name in ["two", "cert-key", "keyed"] {
                keys.push((name, host.run(&["client", "add", name]).stdout.trim().to_owned()));
            }
        }
        let [refused, passed] = everybody(&host, &groups, &clients, others, &keys);
        println!("{passed} passed, {refused} were refused");
        assert!(passed > 100 && refused > 100, "{passed} passed, {refused} were refused");
    }
}
