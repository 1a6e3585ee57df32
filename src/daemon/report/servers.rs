//! The MCP servers of the upstreams as programs read them: where clients reach them, and what the server lists say.

use serde::{Deserialize, Serialize};

use crate::daemon::catalogue::Listing;
use crate::daemon::report::Date;
use crate::model::server::McpServer;
use crate::policy::servers::{Denied, ServerRule, ServerRules};

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// The servers of all upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// [`VERSION`].
    pub version: u32,
    /// Now.
    pub time: Option<Date>,
    /// In the order of their names.
    pub upstreams: Vec<Catalogued>,
}

/// The servers of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogued {
    /// The name of the upstream.
    pub name: String,
    /// How much is known of its servers.
    pub state: Knowledge,
    /// Why nothing, or nothing newer, is known.
    pub problem: Option<String>,
    /// Why the server of the Core edition is not among them, if the cloud does not tell.
    pub without_cores: Option<String>,
    /// In the cloud's order.
    pub servers: Vec<Server>,
    /// Names and ids in `allowed_servers` and `blocked_servers` that no server has.
    pub nobody: Vec<String>,
}

/// How much is known of the servers of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// The list as it was last read, minutes ago at most.
    Current,
    /// The last good copy; the list could not be read since.
    Saved,
    /// Nothing yet.
    Unknown,
    /// Nobody lists them: the upstream has no control plane.
    Unlisted,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The id.
    pub id: String,
    /// The name; two servers may share one.
    pub name: String,
    /// What its operator says of it.
    pub description: String,
    /// Its Streamable HTTP endpoint.
    pub mcp: Option<Endpoint>,
    /// Its HTTP+SSE endpoint.
    pub sse: Option<Endpoint>,
    /// Whether requests to it pass.
    pub verdict: Verdict,
    /// Why they do not, or not all of them.
    pub reason: Option<String>,
}

/// An endpoint that clients can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The path, the same here and at the upstream.
    pub path: String,
    /// The whole address, if there is a TCP port to reach it at.
    pub url: Option<String>,
}

/// Whether requests to a server pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They do.
    Allowed,
    /// An entry of `blocked_servers` fits.
    Blocked,
    /// No entry of `allowed_servers` fits.
    NotAllowed,
    /// The lists cannot be applied to its path, so it is refused.
    Undecided,
    /// It cannot be reached through this upstream.
    OutOfReach,
}

/// What the report of one upstream is made of.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The upstream.
    pub name: &'a str,
    /// The path below which requests go to it.
    pub mount: &'a str,
    /// The lists that are in force.
    pub rules: &'a ServerRules,
    /// Host and port at which clients on this machine reach the daemon.
    pub address: Option<&'a str>,
    /// The servers, as far as they are known, and how the last reading went; `None` if nobody lists them.
    pub catalogue: Option<(&'a [McpServer], &'a Listing)>,
}

impl Known<'_> {
    /// The report.
    pub fn report(&self) -> Catalogued {
        let mut report = Catalogued {
            name: self.name.to_owned(),
            state: Knowledge::Unlisted,
            problem: None,
            without_cores: None,
            servers: Vec::new(),
            nobody: Vec::new(),
        };
        let Some((servers, listing)) = self.catalogue else { return report };
        let saved = if servers.is_empty() { Knowledge::Unknown } else { Knowledge::Saved };
        (report.state, report.problem, report.without_cores) = match listing {
            Listing::Fresh { without_cores, .. } => (Knowledge::Current, None, without_cores.clone()),
            Listing::Failed(reason) => (saved, Some(reason.clone()), None),
            Listing::Pending => (saved, Some("the list is being read; ask again in a moment".to_owned()), None),
        };
        report.servers = servers.iter().map(|server| self.server(server, servers)).collect();
        if report.state != Knowledge::Unknown {
            let rules = self.rules.blocked.iter().chain(&self.rules.allowed);
            report.nobody = rules.filter(|rule| is_nobody(rule, servers)).map(ToString::to_string).collect();
        }
        report
    }

    fn server(&self, server: &McpServer, all: &[McpServer]) -> Server {
        let judged = |path: &Option<String>| path.as_deref().map(|path| (self.endpoint(path), self.judge(path, all)));
        let (mcp, sse) = (judged(&server.mcp_path), judged(&server.sse_path));
        let (verdict, reason) = match (&mcp, &sse) {
            (None, None) => (Verdict::OutOfReach, server.out_of_reach.clone()),
            (Some((_, one)), None) | (None, Some((_, one))) => one.clone(),
            (Some((_, one)), Some((_, other))) if one.0 == other.0 => one.clone(),
            (Some((_, passes)), Some((_, refused))) if passes.0 == Verdict::Allowed => half("HTTP+SSE", refused),
            (Some((_, refused)), Some((_, passes))) if passes.0 == Verdict::Allowed => half("Streamable HTTP", refused),
            (Some((_, one)), Some(_)) => one.clone(),
        };
        // Of a server of which a half passes, the other half is nothing to give to a client.
        let shown = |of: Option<(Endpoint, Judgement)>| {
            of.filter(|(_, judgement)| verdict != Verdict::Allowed || judgement.0 == Verdict::Allowed)
                .map(|(endpoint, _)| endpoint)
        };
        Server {
            id: server.id.clone(),
            name: server.name.clone(),
            description: server.description.clone(),
            mcp: shown(mcp),
            sse: shown(sse),
            verdict,
            reason,
        }
    }

    fn endpoint(&self, path: &str) -> Endpoint {
        let url = self.address.map(|address| format!("http://{address}{path}"));
        Endpoint { path: path.to_owned(), url }
    }

    fn judge(&self, path: &str, all: &[McpServer]) -> Judgement {
        let mount = self.mount.trim_end_matches('/');
        if !path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/')) {
            let reason = format!(
                "its path {path} is not below {}, where the upstream is mounted; paths are kept as they are",
                self.mount
            );
            return (Verdict::OutOfReach, Some(reason));
        }
        match self.rules.decide(path, all) {
            Ok(()) => (Verdict::Allowed, None),
            Err(Denied::Blocked(rule)) => (Verdict::Blocked, Some(format!("blocked_servers has {rule}"))),
            Err(Denied::NotAllowed) => (Verdict::NotAllowed, Some("no entry of allowed_servers fits".to_owned())),
            Err(Denied::Ambiguous(why)) => (Verdict::Undecided, Some(format!("its path {why}"))),
            Err(Denied::Undecided(rule)) => (Verdict::Undecided, Some(format!("it is not known whether it is {rule}"))),
        }
    }
}

/// A verdict and its reason.
type Judgement = (Verdict, Option<String>);

/// What is said of a server of which one endpoint passes and the other does not.
fn half(endpoint: &str, (_, reason): &Judgement) -> Judgement {
    (Verdict::Allowed, Some(format!("not over {endpoint}: {}", reason.as_deref().unwrap_or("it is refused"))))
}

fn is_nobody(rule: &ServerRule, servers: &[McpServer]) -> bool {
    match rule {
        ServerRule::NameOrId(text) => !servers.iter().any(|server| server.name == *text || server.has_id(text)),
        ServerRule::Path(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn server(name: &str, id: &str) -> McpServer {
        let path = |end: &str| Some(format!("/accounts/1/custom/{name}/id/{id}/{end}"));
        let (id, name, description) = (id.into(), name.into(), String::new());
        McpServer { id, name, description, mcp_path: path("mcp"), sse_path: path("sse"), out_of_reach: None }
    }

    fn rules(allowed: &[&str], blocked: &[&str]) -> ServerRules {
        let parse = |list: &[&str]| list.iter().map(|text| ServerRule::parse(text).unwrap()).collect();
        ServerRules { allowed: parse(allowed), blocked: parse(blocked) }
    }

    fn report(servers: &[McpServer], rules: &ServerRules, mount: &str) -> Catalogued {
        let listing = Listing::Fresh { servers: Arc::from(servers), without_cores: None };
        let catalogue = Some((servers, &listing));
        Known { name: "alibaba", mount, rules, address: Some("127.0.0.1:8088"), catalogue }.report()
    }

    #[test]
    fn servers_come_with_addresses_and_the_verdict_of_the_lists() {
        let far = McpServer { mcp_path: None, sse_path: None, out_of_reach: Some("far".into()), ..server("far", "C3") };
        let list = [server("ecs", "A1"), server("ram", "B2"), far];
        let got = report(&list, &rules(&[], &["ram", "rma"]), "/");
        let shown: Vec<_> = got.servers.iter().map(|s| (s.name.as_str(), s.verdict, s.reason.as_deref())).collect();
        let expected = [
            ("ecs", Verdict::Allowed, None),
            ("ram", Verdict::Blocked, Some("blocked_servers has ram")),
            ("far", Verdict::OutOfReach, Some("far")),
        ];
        assert_eq!(shown, expected);
        assert_eq!((got.state, got.nobody), (Knowledge::Current, vec!["rma".to_owned()]));
        let path = "/accounts/1/custom/ecs/id/A1/mcp".to_owned();
        let url = Some(format!("http://127.0.0.1:8088{path}"));
        assert_eq!(got.servers[0].mcp, Some(Endpoint { path, url }));
        assert_eq!((&got.servers[2].mcp, &got.servers[2].sse), (&None, &None));

        let allowed = report(&list, &rules(&["A1"], &[]), "/");
        let verdicts: Vec<_> = allowed.servers.iter().map(|server| server.verdict).collect();
        assert_eq!(verdicts, [Verdict::Allowed, Verdict::NotAllowed, Verdict::OutOfReach]);
    }

    #[test]
    fn of_a_server_that_passes_by_half_only_that_half_is_shown() {
        let got = report(&[server("ecs", "A1")], &rules(&[], &["/accounts/1/custom/ecs/id/A1/sse"]), "/");
        let server = &got.servers[0];
        assert_eq!((server.verdict, server.mcp.is_some(), server.sse.is_some()), (Verdict::Allowed, true, false));
        let reason = server.reason.as_deref();
        assert_eq!(reason, Some("not over HTTP+SSE: blocked_servers has /accounts/1/custom/ecs/id/A1/sse"));
    }

    #[test]
    fn a_server_beside_the_mount_is_out_of_reach() {
        let list = [server("ecs", "A1")];
        assert_eq!(report(&list, &rules(&[], &[]), "/accounts/1").servers[0].verdict, Verdict::Allowed);
        let beside = report(&list, &rules(&[], &[]), "/acc");
        assert_eq!(beside.servers[0].verdict, Verdict::OutOfReach);
        assert!(beside.servers[0].reason.as_deref().unwrap().contains("not below /acc"), "{beside:?}");
    }

    #[test]
    fn what_is_not_known_is_told_apart() {
        let list = [server("ecs", "A1")];
        let (rules, failed) = (rules(&[], &["ram"]), Listing::Failed("no key".to_owned()));
        let of = |catalogue| {
            let report = Known { name: "a", mount: "/", rules: &rules, address: None, catalogue }.report();
            (report.state, report.problem.unwrap_or_default(), report.servers.len(), report.nobody.len())
        };
        assert_eq!(of(None), (Knowledge::Unlisted, String::new(), 0, 0));
        assert_eq!(of(Some((&list, &failed))), (Knowledge::Saved, "no key".to_owned(), 1, 1));
        assert_eq!(of(Some((&[], &failed))), (Knowledge::Unknown, "no key".to_owned(), 0, 0));
        let (state, problem, _, _) = of(Some((&[], &Listing::Pending)));
        assert!(state == Knowledge::Unknown && problem.contains("in a moment"), "{problem}");
    }
}
