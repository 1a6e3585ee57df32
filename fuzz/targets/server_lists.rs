//! Server lists against paths. The first line of an input is a path; each other one is `allow RULE`, `block RULE` or
//! `server ID NAME`.

#![no_main]

use http::uri::PathAndQuery;
use libfuzzer_sys::fuzz_target;
use mcp_proxy::model::server::McpServer;
use mcp_proxy::policy::servers::{Denied, ServerRule, ServerRules};
use percent_encoding::percent_decode_str;
use url::Url;

/// The segments of the path as a program sees them that takes `/` and `\` for the same and goes along dot segments.
fn reached(path: &str) -> Option<Vec<String>> {
    let url = Url::parse("https://gw.example").ok()?.join(path).ok()?;
    (url.host_str() == Some("gw.example")).then(|| url.path().split('/').skip(1).map(decoded).collect())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The id, by its place: an account or a server may itself be called `id`.
fn id_in(segments: &[String]) -> Option<&String> {
    let called = |place: usize, word: &str| segments.get(place).is_some_and(|segment| segment == word);
    let marker = match called(0, "accounts") {
        true if called(2, "custom") => 4,
        true if called(2, "system") => 5,
        _ => 0,
    };
    called(marker, "id").then(|| segments.get(marker + 1)).flatten()
}

/// The path in another spelling that means the same: letters and digits encoded.
fn encoded(path: &str) -> String {
    let mut after_percent = 0;
    let spell = |c: char| {
        after_percent = if c == '%' { 2 } else { i32::max(after_percent - 1, -1) };
        let is_code = after_percent >= 0 && c.is_ascii_hexdigit();
        if c.is_ascii_alphanumeric() && !is_code { format!("%{:02x}", u32::from(c)) } else { c.to_string() }
    };
    path.chars().map(spell).collect()
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    // What no request can ask for need not be decided.
    let Ok(Ok(path)) = lines.next().map(str::parse::<PathAndQuery>).ok_or(()) else { return };
    let path = path.path();
    let mut rules = ServerRules::default();
    let mut catalogue = Vec::new();
    for line in lines {
        match line.split_once(' ') {
            Some(("allow", rule)) => rules.allowed.extend(ServerRule::parse(rule)),
            Some(("block", rule)) => rules.blocked.extend(ServerRule::parse(rule)),
            Some(("server", server)) => {
                let (id, name) = server.split_once(' ').unwrap_or((server, server));
                let (id, name) = (id.to_owned(), name.to_owned());
                catalogue.push(McpServer {
                    id,
                    name,
                    description: String::new(),
                    mcp_path: None,
                    sse_path: None,
                    out_of_reach: None,
                });
            }
            _ => {}
        }
    }
    let decision = rules.decide(path, &catalogue);

    // Spelling and a final slash change nothing, unless the path was refused for its spelling.
    if !matches!(decision, Err(Denied::Ambiguous(_))) && path != "/" && !rules.are_empty() {
        assert_eq!(rules.decide(&encoded(path), &catalogue), decision, "encoded: {}", encoded(path));
        let slash = if let Some(without) = path.strip_suffix('/') { without.to_owned() } else { format!("{path}/") };
        assert_eq!(rules.decide(&slash, &catalogue), decision, "{slash}");
    }
    // Blocked wins: what the block list alone refuses, no allow list opens.
    let blocked_alone = ServerRules { allowed: Vec::new(), blocked: rules.blocked.clone() };
    if let Err(denied) = blocked_alone.decide(path, &catalogue) {
        assert_eq!(decision, Err(denied));
    }
    if decision.is_err() || rules.are_empty() || path == "/" {
        return;
    }
    // What passes means one thing to everybody, and no rule says otherwise.
    let Some(segments) = reached(path) else { panic!("it passes, but leaves the upstream") };
    let said = id_in(&segments);
    let known = |id: &str, name: &str| catalogue.iter().find(|server| server.id == id).is_some_and(|s| s.name == name);
    for rule in &rules.blocked {
        match rule {
            ServerRule::Path(prefix) => assert!(!segments.starts_with(prefix), "{segments:?} lies below {rule}"),
            ServerRule::NameOrId(text) => {
                let id = said.expect("where a list has names, a path without an id is not decided");
                assert!(id != text && !known(id, text), "{segments:?} is {rule}");
            }
        }
    }
    let allows = |rule: &ServerRule| match rule {
        ServerRule::Path(prefix) => segments.starts_with(prefix),
        ServerRule::NameOrId(text) => said.is_some_and(|id| id == text || known(id, text)),
    };
    assert!(rules.allowed.is_empty() || rules.allowed.iter().any(allows), "{segments:?} is not allowed");
});
