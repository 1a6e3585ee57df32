//! What we ship is what we test: the example configuration is complete, correct and says the true defaults, and
//! the list of dependencies is the truth.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_proxy::config::keys::{Fallback, KEYS};
use mcp_proxy::config::settings::{Listen, Settings};
use mcp_proxy::config::{Inputs, load};
use mcp_proxy::proxy::settings::{Settings as ProxySettings, Supply};
use toml::de::DeTable;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn example() -> String {
    read("packaging/mcp-proxy.toml")
}

#[track_caller]
fn parse(text: &str) -> Settings {
    let directory = tempfile::tempdir().unwrap();
    let main_file = directory.path().join("mcp-proxy.toml");
    fs::write(&main_file, text).unwrap();
    let environment = vec![("HOME".into(), "/home/a".into())];
    match load(&Inputs { main_file, environment, uid: 0, ..Inputs::default() }) {
        Ok(loaded) => loaded.settings,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// The line with its key in force, if it is a commented key: `#port = 8088`, but not `# The port`.
fn uncommented(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
}

/// Dotted path and value of every example, by the section it stands in.
fn examples(text: &str) -> BTreeMap<String, String> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        let line = uncommented(line).unwrap_or(line);
        if line.starts_with('[') {
            section = format!("{}.", line.trim_matches(['[', ']']));
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let twice = found.insert(format!("{section}{key}"), value.to_owned());
            assert_eq!(twice, None, "{section}{key} stands twice");
        }
    }
    found
}

#[test]
fn as_it_stands_the_example_changes_nothing() {
    assert_eq!(parse(&example()), parse(""));
}

#[test]
fn with_every_example_in_force_it_is_correct() {
    // Each kind of login has keys of its own, which the others refuse.
    for (auth, supply, of_others) in [
        (
            "alibaba-oauth",
            Supply::Login,
            ["client_id", "scope", "boundary_policy", "safety_policy", "allowed_tools", "token_file", "token_command"]
                .as_slice(),
        ),
        ("access-key", Supply::Credentials, &["token_file", "token_command"]),
        (
            "token-file",
            Supply::Source,
            &["client_id", "scope", "boundary_policy", "safety_policy", "allowed_tools", "token_command"],
        ),
        (
            "token-command",
            Supply::Source,
            &["client_id", "scope", "boundary_policy", "safety_policy", "allowed_tools", "token_file"],
        ),
    ] {
        let is_of_others = |key: &str| of_others.iter().any(|other| key.starts_with(other));
        let example = example();
        let in_force = example.lines().map(|line| match uncommented(line) {
            Some(key) if !is_of_others(key) => key,
            _ => line,
        });
        let text: String = in_force.map(|line| format!("{line}\n")).collect();
        let settings = parse(&text.replace("auth = \"alibaba-oauth\"", &format!("auth = \"{auth}\"")));
        let unix = settings.listen.unix.clone();
        assert_eq!(settings.listen, Listen { unix, ..parse("").listen });
        let ProxySettings { clients, allowed_hosts, allowed_origins, .. } = settings.proxy.clone();
        assert_eq!(clients.in_order().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["dify"]);
        assert_eq!(clients.access, parse("").proxy.clients.access);
        assert_eq!(settings.proxy, ProxySettings { clients, allowed_hosts, allowed_origins, ..parse("").proxy });
        assert_eq!(settings.net.connect_timeout, parse("").net.connect_timeout);
        assert_eq!(settings.upstreams[0].proxy.supply, supply);
    }
}

#[test]
fn each_example_can_be_put_in_force_alone() {
    let text = example();
    let (before_upstream, _) = text.split_once("#[[upstream]]").unwrap();
    let count = before_upstream.lines().filter(|line| uncommented(line).is_some()).count();
    // The keys of a listener with TLS need each other.
    let (_, tls) = before_upstream.split_once("\n[tls]\n").unwrap();
    let of_tls: Vec<&str> = tls.lines().take_while(|line| !line.starts_with('[')).filter_map(uncommented).collect();
    for chosen in 0..count {
        let mut index = 0;
        let one = before_upstream.lines().map(|line| match uncommented(line) {
            Some(key) => {
                index += 1;
                let together = of_tls.contains(&key);
                if index == chosen + 1 || together { format!("{key}\n") } else { format!("{line}\n") }
            }
            None => format!("{line}\n"),
        });
        parse(&one.collect::<String>());
    }
}

#[test]
fn it_names_every_key_and_no_other() {
    let named: Vec<_> = examples(&example()).into_keys().collect();
    let mut known: Vec<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn it_says_the_true_defaults() {
    let examples = examples(&example());
    for key in KEYS {
        if let Fallback::Value(value) = key.default {
            assert_eq!(examples[key.path], value, "{}", key.path);
        }
    }
}

#[test]
fn each_key_is_explained_above_it() {
    let text = example();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| uncommented(pair[1]).is_some_and(|line| !line.starts_with('['))) {
        assert!(pair[0].starts_with("# "), "nothing above {}", pair[1]);
    }
}

/// The workspace's members: the heading of each in the list of dependencies, and its manifest.
const MEMBERS: &[(&str, &str)] = &[
    ("mcp-proxy", "Cargo.toml"),
    ("mcp-proxy-lab", "benches/lab/Cargo.toml"),
    ("mcp-proxy-sandbox", "tests/sandbox/Cargo.toml"),
];

/// One line of the list of dependencies.
struct Line {
    /// The member, and `dependencies` or `dev-dependencies`.
    section: (String, &'static str),
    name: String,
    places: Vec<String>,
    to_come: bool,
    why: String,
}

/// The text in backticks of a cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn listed() -> Vec<Line> {
    let (mut member, mut kind, mut lines) = (String::new(), "dependencies", Vec::new());
    for line in read("docs/DEPENDENCIES.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (member, kind) = (heading.to_owned(), "dependencies");
        } else if line == "For its tests:" {
            kind = "dev-dependencies";
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let [name, places, why] = cells.as_slice() else { panic!("three cells are needed: {line}") };
            lines.push(Line {
                section: (member.clone(), kind),
                name: name.trim_end_matches('`').to_owned(),
                places: quoted(places),
                to_come: places.ends_with(", to come"),
                why: (*why).to_owned(),
            });
        }
    }
    lines
}

/// True if code below `path` names the crate: `name::`, `name!`, but not `other::name::`.
fn names(path: &Path, name: &str) -> bool {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        // The stand-in is a member of its own.
        return entries.filter(|entry| *entry != root().join("tests/sandbox")).any(|entry| names(&entry, name));
    }
    let Ok(text) = fs::read_to_string(path) else { return false };
    let is_code = path.extension().is_some_and(|extension| extension == "rs");
    let word = |c: char| c.is_alphanumeric() || c == '_';
    is_code
        && text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
            line.match_indices(name).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                !before.ends_with(word) && !before.ends_with("::") && (after.starts_with("::") || after == ";")
            })
        })
}

#[test]
fn every_dependency_has_its_line_and_no_line_is_stale() {
    let listed = listed();
    for (member, manifest) in MEMBERS {
        let text = read(manifest);
        let document = DeTable::parse(&text).unwrap();
        for kind in ["dependencies", "dev-dependencies"] {
            let table = document.get_ref().get(kind).and_then(|table| table.get_ref().as_table()).unwrap();
            let mut declared: Vec<&str> = table.keys().map(|name| name.get_ref().as_ref()).collect();
            declared.sort_unstable();
            let of_this = |line: &&Line| line.section == ((*member).to_owned(), kind);
            let lines: Vec<&str> = listed.iter().filter(of_this).map(|line| line.name.as_str()).collect();
            assert_eq!(lines, declared, "docs/DEPENDENCIES.md, {member}, {kind}");
        }
    }
    assert!(listed.iter().all(|line| MEMBERS.iter().any(|(member, _)| line.section.0 == *member)));
}

#[test]
fn every_dependency_is_used_where_its_line_says() {
    for Line { name, places, to_come, why, .. } in listed() {
        assert!(!places.is_empty() && why.ends_with('.'), "{name}: say where and why");
        for place in places {
            let path: PathBuf = root().join(&place);
            let used = names(&path, &name.replace('-', "_"));
            assert!(used || to_come, "{name}: {place} does not use it");
            assert!(!(used && to_come), "{name}: {place} uses it now; take \"to come\" out of docs/DEPENDENCIES.md");
        }
    }
}
