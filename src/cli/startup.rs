//! What a start prints: where it listens, what may be used, and the servers with their local URLs.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::config::settings::{Auth, Settings};
use crate::model::server::McpServer;
use crate::proxy::policy::{Denied, ServerRule, ServerRules};

/// The head of the print-out; printed once the port is bound.
pub(super) fn head(settings: &Settings, address: SocketAddr) -> String {
    let mut text = format!("MCP Proxy Server Started\nListen: {address}\n");
    for upstream in &settings.upstreams {
        if let Auth::AlibabaOauth(alibaba) = &upstream.auth {
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
pub(super) fn servers(servers: &[McpServer], rules: &ServerRules, mount: &str, address: SocketAddr) -> String {
    if servers.is_empty() {
        return "Available Servers: none. Create one on the OpenAPI MCP Server page of the console\n".to_owned();
    }
    let mut text = "Available Servers:\n".to_owned();
    let base = format!("http://{}{}", reachable(address), mount.trim_end_matches('/'));
    for server in servers {
        let paths = [("MCP", &server.mcp_path), ("SSE", &server.sse_path)];
        let verdict = paths.iter().find_map(|(_, path)| path.as_ref()).map(|path| rules.decide(path, servers));
        let verdict = match verdict {
            Some(Err(Denied::Blocked(_))) => " (blocked)",
            Some(Err(_)) => " (not in whitelist)",
            _ => "",
        };
        let _ = writeln!(text, "  - {}{verdict}", server.name);
        for (kind, path) in paths {
            if let Some(path) = path {
                let _ = writeln!(text, "    {kind}: {base}{path}");
            }
        }
    }
    for (list, rules) in [("blocked_servers", &rules.blocked), ("allowed_servers", &rules.allowed)] {
        for rule in rules.iter().filter(|rule| names_nobody(rule, servers)) {
            let _ = writeln!(
                text,
                "Note: no server has the name or id {rule} of {list}; check its spelling. Servers that are not listed \
                 here are refused"
            );
        }
    }
    text
}

fn names_nobody(rule: &ServerRule, servers: &[McpServer]) -> bool {
    match rule {
        ServerRule::NameOrId(text) => !servers.iter().any(|server| server.name == *text || server.id == *text),
        ServerRule::Path(_) => false,
    }
}

/// The address as a client on this machine reaches it.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_listed_with_local_urls_and_verdicts() {
        let server = |name: &str, id: &str| McpServer {
            id: id.into(),
            name: name.into(),
            description: String::new(),
            mcp_path: Some(format!("/accounts/1/custom/{name}/id/{id}/mcp")),
            sse_path: None,
        };
        let list = [server("ecs", "a"), server("ram", "b")];
        let rules = ServerRules { allowed: vec![], blocked: vec![ServerRule::parse("ram").unwrap()] };
        let text = servers(&list, &rules, "/", "0.0.0.0:8088".parse().unwrap());
        let expected = "Available Servers:\n  - ecs\n    MCP: http://127.0.0.1:8088/accounts/1/custom/ecs/id/a/mcp\n  \
                        - ram (blocked)\n    MCP: http://127.0.0.1:8088/accounts/1/custom/ram/id/b/mcp\n";
        assert_eq!(text, expected);
    }
}
