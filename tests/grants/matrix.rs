//! Every rule against every server, method and tool: what passes is what an evaluation written only here, from the
//! documents, says. A refused request reaches no server, and an allowed one arrives as it is.

use crate::server::TOOLS;
use crate::world::{Outcome, World, note, request};

/// One client's rules, as they stand in the configuration.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Rules {
    allowed_servers: Vec<&'static str>,
    blocked_servers: Vec<&'static str>,
    allowed_methods: Vec<&'static str>,
    blocked_methods: Vec<&'static str>,
    allowed_tools: Vec<&'static str>,
    blocked_tools: Vec<&'static str>,
    pub(crate) read_only: bool,
}

impl Rules {
    pub(crate) fn text(&self) -> String {
        format!(
            "allowed_servers = {:?}\nblocked_servers = {:?}\nallowed_methods = {:?}\nblocked_methods = {:?}\n\
             allowed_tools = {:?}\nblocked_tools = {:?}\nread_only = {}\n",
            self.allowed_servers,
            self.blocked_servers,
            self.allowed_methods,
            self.blocked_methods,
            self.allowed_tools,
            self.blocked_tools,
            self.read_only,
        )
    }

    pub(crate) fn server(&self, path: &str) -> bool {
        let below = |prefix: &&str| path == *prefix || path.starts_with(&format!("{prefix}/"));
        !self.blocked_servers.iter().any(below)
            && (self.allowed_servers.is_empty() || self.allowed_servers.iter().any(below))
    }

    fn method(&self, method: &str) -> bool {
        let always =
            ["initialize", "server/discover", "ping"].contains(&method) || method.starts_with("notifications/");
        !self.blocked_methods.iter().any(|pattern| glob(pattern, method))
            && (always
                || self.allowed_methods.is_empty()
                || self.allowed_methods.iter().any(|pattern| glob(pattern, method)))
    }

    /// `listed`: the client has seen the list of tools at this server.
    fn tool(&self, tool: &str, listed: bool) -> bool {
        let reads = TOOLS.iter().any(|(name, says)| *name == tool && *says == Some(true));
        !self.blocked_tools.iter().any(|pattern| glob(&pattern.to_lowercase(), &tool.to_lowercase()))
            && (self.allowed_tools.is_empty() || self.allowed_tools.iter().any(|pattern| glob(pattern, tool)))
            && (!self.read_only || (listed && reads))
    }

    /// Whether a message may pass.
    pub(crate) fn message(&self, method: &str, tool: Option<&str>, listed: bool) -> bool {
        self.method(method) && tool.is_none_or(|tool| self.tool(tool, listed))
    }
}

/// Whether `text` is what `pattern` describes: every way to read each star is tried.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(&pattern[1..], &text[at..]))
        }
        Some(first) => text.strip_prefix(first).is_some_and(|rest| glob(&pattern[first.len_utf8()..], rest)),
    }
}

const SERVERS: [&str; 4] = ["/a/mcp", "/a/stream", "/b/mcp", "/ab/mcp"];
const METHODS: [&str; 7] =
    ["initialize", "ping", "tools/list", "resources/read", "prompts/get", "logging/setLevel", "x"];
const NOTES: [&str; 2] = ["notifications/initialized", "notifications/cancelled"];

/// All clients: each kind of rule by itself in several forms, and in pairs.
pub(crate) fn clients() -> Vec<Rules> {
    let servers = [(vec![], vec![]), (vec!["/a"], vec![]), (vec!["/a", "/b"], vec!["/a/stream"])];
    let methods = [
        (vec![], vec![]),
        (vec!["tools/*"], vec![]),
        (vec![], vec!["tools/call", "notifications/c*"]),
        (vec!["*/list", "tools/*", "x"], vec!["prompts/*", "ping"]),
    ];
    let tools = [
        (vec![], vec![], false),
        (vec!["*Things"], vec!["Delete*"], false),
        (vec![], vec!["DESCRIBE*"], false),
        (vec![], vec![], true),
        (vec!["*e*"], vec!["écho"], true),
    ];
    let mut clients = Vec::new();
    for (at, (allowed_servers, blocked_servers)) in servers.iter().enumerate() {
        for (method, (allowed_methods, blocked_methods)) in methods.iter().enumerate() {
            for (tool, (allowed_tools, blocked_tools, read_only)) in tools.iter().enumerate() {
                // Server lists are independent of the rest, so not every triple is needed; every pair is.
                if at > 0 && (method + tool) % 3 != at {
                    continue;
                }
                clients.push(Rules {
                    allowed_servers: allowed_servers.clone(),
                    blocked_servers: blocked_servers.clone(),
                    allowed_methods: allowed_methods.clone(),
                    blocked_methods: blocked_methods.clone(),
                    allowed_tools: allowed_tools.clone(),
                    blocked_tools: blocked_tools.clone(),
                    read_only: *read_only,
                });
            }
        }
    }
    clients
}

/// The same call in several spellings.
fn spellings(tool: &str) -> [String; 3] {
    let escaped: String = tool.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#),
        format!(
            r#" {{"params":{{"arguments":{{"name":"ping"}},"n\u0061me":"{escaped}"}},"method":"tools\/c\u0061ll","id":"1","jsonrpc":"2.0"}}"#
        ),
        format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"{tool}","_meta":{{}}}}}}"#),
    ]
}

/// Sends a body and holds what came of it against what was to come.
async fn ask(world: &World, path: &str, body: &str, passes: bool, rules: &Rules) {
    hold(&world.post(path, body).await, path, body, passes, rules);
}

fn hold(outcome: &Outcome, path: &str, body: &str, passes: bool, rules: &Rules) {
    let at = format!("{path} {body} of {rules:?}: {outcome:?}");
    if passes {
        assert!(outcome.reached.len() == 1 && outcome.reached[0].body == body && outcome.status.is_success(), "{at}");
    } else {
        assert!(outcome.refusal().is_some_and(|words| words.contains("[[client]] dify")), "{at}");
    }
}

async fn every_request_of(rules: Rules) -> usize {
    let world = World::new(&rules.text()).await;
    let mut asked = 0;
    for path in SERVERS {
        let open = rules.server(path);
        for listed in [false, true] {
            if listed {
                ask(&world, path, &request(1, "tools/list"), open && rules.method("tools/list"), &rules).await;
            }
            let listed = listed && open && rules.method("tools/list");
            for (tool, _) in TOOLS.into_iter().chain([("Unheard", None)]) {
                let passes = open && rules.message("tools/call", Some(tool), listed);
                for body in spellings(tool) {
                    ask(&world, path, &body, passes, &rules).await;
                }
                let batch = format!("[{},{}]", request(1, "ping"), spellings(tool)[0]);
                ask(&world, path, &batch, passes && rules.method("ping"), &rules).await;
                asked += 4;
            }
        }
        for method in METHODS {
            ask(&world, path, &request(2, method), open && rules.message(method, None, true), &rules).await;
        }
        for method in NOTES {
            ask(&world, path, &note(method), open && rules.message(method, None, true), &rules).await;
        }
        asked += METHODS.len() + NOTES.len();
        if open && rules.method("tools/list") {
            let list = world.post(path, &request(3, "tools/list")).await.body;
            for (tool, _) in TOOLS {
                let shown = list.contains(&format!(r#""name":"{tool}""#));
                assert_eq!(shown, rules.message("tools/call", Some(tool), true), "{tool} in {list} of {rules:?}");
            }
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_what_the_rules_say() {
    let mut asked = 0;
    for rules in clients() {
        asked += every_request_of(rules).await;
    }
    assert!(asked > 5000, "{asked} requests");
}

/// Two clients of one daemon, told apart by how they come: each has its own rules, and none of the other's.
#[tokio::test(flavor = "multi_thread")]
async fn every_caller_has_the_rules_of_its_own_client() {
    let all = clients();
    let mut asked = 0;
    for (at, over_tcp) in all.iter().enumerate().step_by(3) {
        let over_unix = &all[(at + all.len() / 2) % all.len()];
        let rules = format!(
            "addresses = [\"127.0.0.0/8\"]\n{}[[client]]\nname = \"local\"\n{}",
            over_tcp.text(),
            over_unix.text()
        );
        let world = World::new(&rules).await;
        for path in SERVERS {
            for (tool, _) in TOOLS {
                // Nobody has listed the tools here, so it is not known of any that it reads.
                for body in spellings(tool) {
                    let passes = |rules: &Rules| rules.server(path) && rules.message("tools/call", Some(tool), false);
                    hold(&world.post(path, &body).await, path, &body, passes(over_tcp), over_tcp);
                    let outcome = world.post_locally(path, &body).await;
                    let named =
                        Outcome { body: outcome.body.replace("[[client]] local", "[[client]] dify"), ..outcome };
                    hold(&named, path, &body, passes(over_unix), over_unix);
                    asked += 2;
                }
            }
        }
    }
    assert!(asked > 1000, "{asked} requests");
}
