//! Which MCP server is meant: chosen by name, id or path among those that the daemon has.

use std::path::Path;

use crate::config::settings::Settings;
use crate::daemon::report::servers::{Catalogued, Knowledge, Server, Servers, Verdict};

/// A server that clients can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// What people call it.
    pub(super) name: String,
    /// What tells it from others of that name, if there is such a thing.
    pub(super) id: Option<String>,
    /// Its path here.
    pub(super) path: String,
    /// True if it speaks HTTP+SSE only.
    pub(super) is_sse: bool,
}

/// Why none, or more than one, can be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotChosen {
    /// It may be known soon.
    #[error("the MCP servers are not known yet: {0}")]
    NotKnownYet(String),
    /// It will not be.
    #[error("{0}")]
    None(String),
}

/// A server that is named by its path: nobody needs to know it.
pub(super) fn by_path(path: &str) -> Option<Chosen> {
    let path = path.starts_with('/').then_some(path)?;
    let segments: Vec<&str> = path.split(['?', '#']).next()?.split('/').filter(|part| !part.is_empty()).collect();
    // The cloud's paths are /accounts/ACCOUNT/custom/NAME/id/ID/mcp; elsewhere the last segment that says something.
    let after = |word: &str| segments.iter().position(|part| *part == word).and_then(|at| segments.get(at + 1));
    let telling = || segments.iter().rev().find(|part| !matches!(**part, "mcp" | "sse"));
    let name = after("custom").or_else(|| after("system")).or_else(telling).copied().unwrap_or("mcp-proxy");
    let id = after("id").map(|id| (*id).to_owned());
    Some(Chosen { name: name.to_owned(), id, path: path.to_owned(), is_sse: false })
}

/// The server that is meant.
///
/// # Errors
/// When it is none, or not plain which.
pub(super) fn one(servers: &[Chosen], unusable: &[String], wanted: Option<&str>) -> Result<Chosen, NotChosen> {
    let fits = |server: &&Chosen| match wanted {
        Some(wanted) => server.name == wanted || server.id.as_deref() == Some(wanted) || server.path == wanted,
        None => true,
    };
    let found: Vec<&Chosen> = servers.iter().filter(fits).collect();
    let listed = |servers: &[&Chosen]| servers.iter().map(|server| shown(server)).collect::<Vec<_>>().join(", ");
    match (&found[..], wanted) {
        ([server], _) => Ok((*server).clone()),
        ([], Some(wanted)) => {
            if let Some(chosen) = by_path(wanted) {
                return Ok(chosen);
            }
            let reason = unusable.iter().find(|reason| reason.starts_with(&format!("{wanted}: ")));
            let all: Vec<&Chosen> = servers.iter().collect();
            Err(NotChosen::None(match reason {
                Some(reason) => format!("this MCP server cannot be used: {reason}. See: mcp-proxy servers"),
                None if all.is_empty() => {
                    format!("there is no MCP server {wanted:?}, nor any other. See: mcp-proxy servers")
                }
                None => format!("there is no MCP server {wanted:?}. There are: {}", listed(&all)),
            }))
        }
        ([], None) => {
            Err(NotChosen::None("there is no MCP server that can be used. See: mcp-proxy servers".to_owned()))
        }
        (several, Some(wanted)) => Err(NotChosen::None(format!(
            "{wanted:?} can be several MCP servers; say which by its id with --server, or by --upstream: {}",
            listed(several)
        ))),
        (several, None) => {
            Err(NotChosen::None(format!("there are several MCP servers; say which with --server: {}", listed(several))))
        }
    }
}

fn shown(server: &Chosen) -> String {
    match &server.id {
        Some(id) => format!("{} (id {id})", server.name),
        None => format!("{} ({})", server.name, server.path),
    }
}

/// All servers that can be used, and in words why others cannot, each beginning with its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Usable {
    pub(super) servers: Vec<Chosen>,
    pub(super) unusable: Vec<String>,
    /// Why there may be more.
    pub(super) unknown: Option<String>,
}

/// Looks through a report. `mounts` are the paths of the upstreams by their names: one whose servers nobody lists is a
/// server itself.
pub(super) fn usable(
    report: &Servers,
    mounts: &[(String, String)],
    upstream: Option<&str>,
) -> Result<Usable, NotChosen> {
    let mut usable = Usable::default();
    let meant = |listed: &&Catalogued| upstream.is_none_or(|name| listed.name == name);
    if !report.upstreams.iter().any(|listed| meant(&listed)) {
        let names: Vec<&str> = report.upstreams.iter().map(|listed| listed.name.as_str()).collect();
        let wanted = upstream.unwrap_or_default();
        return Err(NotChosen::None(format!("there is no upstream {wanted:?}. There are: {}", names.join(", "))));
    }
    for listed in report.upstreams.iter().filter(meant) {
        let mount = mounts.iter().find(|(name, _)| *name == listed.name).map(|(_, mount)| mount.as_str());
        match listed.state {
            Knowledge::Unlisted => usable.servers.extend(mount.filter(|mount| *mount != "/").map(|mount| Chosen {
                name: listed.name.clone(),
                id: None,
                path: mount.to_owned(),
                is_sse: Path::new(mount).ends_with("sse"),
            })),
            Knowledge::Unknown => usable.unknown.clone_from(&listed.problem),
            Knowledge::Current | Knowledge::Saved => {}
        }
        for server in &listed.servers {
            match of_list(server) {
                Ok(chosen) => usable.servers.push(chosen),
                Err(reason) => {
                    usable.unusable.push(format!("{}: {reason}", server.name));
                    usable.unusable.push(format!("{}: {reason}", server.id));
                }
            }
        }
    }
    Ok(usable)
}

fn of_list(server: &Server) -> Result<Chosen, String> {
    let reason = server.reason.clone().unwrap_or_else(|| "it has no endpoint".to_owned());
    if server.verdict != Verdict::Allowed {
        return Err(reason);
    }
    let (path, is_sse) = match (&server.mcp, &server.sse) {
        (Some(endpoint), _) => (endpoint.path.clone(), false),
        (None, Some(endpoint)) => (endpoint.path.clone(), true),
        (None, None) => return Err(reason),
    };
    Ok(Chosen { name: server.name.clone(), id: Some(server.id.clone()), path, is_sse })
}

/// The paths of the configured upstreams.
pub(super) fn mounts(settings: &Settings) -> Vec<(String, String)> {
    let of = |upstream: &crate::config::settings::Upstream| {
        (upstream.proxy.name.as_str().to_owned(), upstream.proxy.mount.clone())
    };
    settings.upstreams.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::report::servers::{Endpoint, VERSION};

    fn server(name: &str, id: &str, verdict: Verdict) -> Server {
        let endpoint = |end: &str| Some(Endpoint { path: format!("/custom/{name}/id/{id}/{end}"), url: None });
        let reason = (verdict != Verdict::Allowed).then(|| "blocked_servers has it".to_owned());
        let (name, id, description) = (name.to_owned(), id.to_owned(), String::new());
        Server { id, name, description, mcp: endpoint("mcp"), sse: endpoint("sse"), verdict, reason }
    }

    fn catalogued(name: &str, state: Knowledge, servers: Vec<Server>) -> Catalogued {
        let name = name.to_owned();
        Catalogued { name, state, problem: None, without_cores: None, servers, nobody: Vec::new() }
    }

    fn report() -> Servers {
        let old = Server { mcp: None, ..server("old", "D4", Verdict::Allowed) };
        let listed = vec![
            server("ecs", "A1", Verdict::Allowed),
            server("ram", "B2", Verdict::Blocked),
            server("ecs", "C3", Verdict::Allowed),
            old,
        ];
        let upstreams = vec![
            catalogued("alibaba", Knowledge::Current, listed),
            catalogued("own", Knowledge::Unlisted, Vec::new()),
            catalogued("root", Knowledge::Unlisted, Vec::new()),
        ];
        Servers { version: VERSION, time: None, upstreams }
    }

    fn choose(wanted: Option<&str>, upstream: Option<&str>) -> Result<(String, bool), String> {
        let mounts = [("own", "/v1/mcp"), ("root", "/"), ("alibaba", "/")];
        let mounts: Vec<_> = mounts.iter().map(|(name, mount)| ((*name).to_owned(), (*mount).to_owned())).collect();
        let usable = usable(&report(), &mounts, upstream).map_err(|error| error.to_string())?;
        let chosen = one(&usable.servers, &usable.unusable, wanted).map_err(|error| error.to_string())?;
        Ok((chosen.path, chosen.is_sse))
    }

    #[test]
    fn servers_are_found_by_name_id_and_path() {
        for (wanted, upstream, path, is_sse) in [
            (Some("A1"), None, "/custom/ecs/id/A1/mcp", false),
            (Some("C3"), Some("alibaba"), "/custom/ecs/id/C3/mcp", false),
            (Some("old"), None, "/custom/old/id/D4/sse", true),
            (Some("own"), None, "/v1/mcp", false),
            (None, Some("own"), "/v1/mcp", false),
            (Some("/any/path"), None, "/any/path", false),
            (Some("/custom/old/id/D4/sse"), None, "/custom/old/id/D4/sse", true),
        ] {
            assert_eq!(choose(wanted, upstream), Ok((path.to_owned(), is_sse)), "{wanted:?} {upstream:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (wanted, upstream, says) in [
            (Some("ecs"), None, "can be several"),
            (Some("ram"), None, "blocked_servers has it"),
            (Some("B2"), None, "blocked_servers has it"),
            (Some("rma"), None, "There are: ecs (id A1), ecs (id C3), old (id D4), own (/v1/mcp)"),
            (None, None, "several MCP servers; say which with --server"),
            (None, Some("x"), "no upstream \"x\". There are: alibaba, own, root"),
            (None, Some("root"), "no MCP server that can be used"),
            (Some("x"), Some("root"), "nor any other"),
        ] {
            let error = choose(wanted, upstream).unwrap_err();
            assert!(error.contains(says), "{wanted:?} {upstream:?}: {error}");
        }
    }

    #[test]
    fn a_path_says_what_to_call_it() {
        for (path, name) in [
            ("/accounts/1/custom/ecs/id/A1/mcp", "ecs"),
            ("/v1/github/mcp?x=1", "github"),
            ("/mcp", "mcp-proxy"),
            ("/", "mcp-proxy"),
        ] {
            assert_eq!(by_path(path).unwrap().name, name, "{path}");
        }
        assert_eq!(by_path("ecs"), None);
    }
}
