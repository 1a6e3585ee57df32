//! What a start prints: where it listens, what may be used, and the servers with their local URLs.

use std::fmt::Write;

use crate::config::settings::{Auth, Settings};
use crate::daemon::report::servers::{Catalogued, Verdict};
use crate::net::listener::Address;
use crate::policy::servers::{ServerRule, ServerRules};

/// The head of the print-out; printed once every socket is bound.
pub(super) fn head(settings: &Settings, listening: &[Address]) -> String {
    let mut text = "MCP Proxy Server Started\n".to_owned();
    for address in listening {
        let _ = writeln!(text, "Listen: {address}");
    }
    for upstream in &settings.upstreams {
        if let Auth::AlibabaOauth(alibaba) | Auth::AccessKey { alibaba, .. } = &upstream.auth {
            let _ = writeln!(text, "Region: {}", alibaba.site);
        }
        let _ = writeln!(text, "Upstream: {}", upstream.proxy.origin);
        text.push('\n');
        text.push_str(&access(&upstream.proxy.rules));
    }
    text
}

fn access(rules: &ServerRules) -> String {
    if rules.are_empty() {
        return "Access Control: All servers are allowed\n".to_owned();
    }
    let mut text = "Access Control:\n".to_owned();
    for (title, list) in
        [("Blacklist (blocked servers)", &rules.blocked), ("Whitelist (allowed servers)", &rules.allowed)]
    {
        if !list.is_empty() {
            let _ = writeln!(text, "  {title}:");
            list.iter().for_each(|rule: &ServerRule| text.push_str(&format!("    - {rule}\n")));
        }
    }
    text
}

/// The servers of an upstream with their local URLs and the verdict of the rules.
pub(super) fn servers(known: &Catalogued) -> String {
    if known.servers.is_empty() {
        return "Available Servers: none. Create one on the OpenAPI MCP Server page of the console\n".to_owned();
    }
    let mut text = "Available Servers:\n".to_owned();
    for server in &known.servers {
        let verdict = match server.verdict {
            Verdict::Allowed => "",
            Verdict::Blocked => " (blocked)",
            Verdict::NotAllowed | Verdict::Undecided => " (not in whitelist)",
            Verdict::OutOfReach => " (out of reach)",
        };
        let _ = writeln!(text, "  - {}{verdict}", server.name);
        for (kind, endpoint) in [("MCP", &server.mcp), ("SSE", &server.sse)] {
            if let Some(url) = endpoint.as_ref().and_then(|endpoint| endpoint.url.as_ref()) {
                let _ = writeln!(text, "    {kind}: {url}");
            }
        }
        if let Some(reason) = server.reason.as_ref().filter(|_| server.verdict == Verdict::OutOfReach) {
            let _ = writeln!(text, "    {reason}");
        }
    }
    for rule in &known.nobody {
        let _ = writeln!(
            text,
            "Note: no server has the name or id {rule} of the server lists; check its spelling. Servers that are not \
             listed here are refused"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::report::servers::{Endpoint, Knowledge, Server};

    #[test]
    fn servers_are_listed_with_local_urls_and_verdicts() {
        let server = |name: &str, verdict: Verdict, reason: &str| {
            let path = format!("/accounts/1/custom/{name}/id/a/mcp");
            let url = Some(format!("http://127.0.0.1:8088{path}"));
            Server {
                id: "a".to_owned(),
                name: name.to_owned(),
                description: String::new(),
                mcp: Some(Endpoint { path, url }).filter(|_| verdict != Verdict::OutOfReach),
                sse: None,
                verdict,
                reason: Some(reason.to_owned()),
            }
        };
        let known = Catalogued {
            name: "alibaba".to_owned(),
            state: Knowledge::Current,
            problem: None,
            without_cores: None,
            servers: vec![
                server("ecs", Verdict::Allowed, ""),
                server("ram", Verdict::Blocked, "blocked_servers has ram"),
                server("far", Verdict::OutOfReach, "it is elsewhere"),
            ],
            nobody: vec!["rma".to_owned()],
        };
        let expected = "Available Servers:\n  - ecs\n    MCP: http://127.0.0.1:8088/accounts/1/custom/ecs/id/a/mcp\n  \
                        - ram (blocked)\n    MCP: http://127.0.0.1:8088/accounts/1/custom/ram/id/a/mcp\n  \
                        - far (out of reach)\n    it is elsewhere\nNote: no server has the name or id rma of the server \
                        lists; check its spelling. Servers that are not listed here are refused\n";
        assert_eq!(servers(&known), expected);
    }
}
