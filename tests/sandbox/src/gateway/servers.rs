//! Which MCP servers exist, under which paths, and what answers there.

use crate::cloud::Cloud;
use crate::random;

/// What answers under a server's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Tools,
    Notes,
}

/// A server as the control plane knows it, the same for every account.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) source: &'static str,
    pub(crate) product: Option<&'static str>,
    pub(crate) description: &'static str,
    pub(crate) backend: Backend,
}

/// A server of one account, with its path up to `/mcp` or `/sse`.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) entry: Entry,
    pub(crate) path: String,
}

/// The servers every stand-in starts with.
pub(crate) fn defaults() -> Vec<Entry> {
    let entry = |id: &str, name: &str, source, product, description, backend| Entry {
        id: id.to_owned(),
        name: name.to_owned(),
        source,
        product,
        description,
        backend,
    };
    let tools = "Tools, resources and prompts of every kind";
    vec![
        entry("sAnDb0xT00Ls0001", "sandbox-tools", "custom", None, tools, Backend::Tools),
        entry("sAnDb0xN0Tes0001", "sandbox-notes", "custom", None, "Notes", Backend::Notes),
        entry("sAnDb0xSyStEm001", "cloudphone", "system", Some("eds-aic"), tools, Backend::Tools),
        entry("cOrE000000000001", "core", "core", None, tools, Backend::Tools),
    ]
}

/// A further custom server with the tools behind it.
pub(crate) fn custom(name: &str) -> Entry {
    Entry {
        id: random::token(16),
        name: name.to_owned(),
        source: "custom",
        product: None,
        description: "Added while running",
        backend: Backend::Tools,
    }
}

/// All servers of an account.
pub(crate) fn listed(cloud: &Cloud, account: &str) -> Vec<Listed> {
    let entries = cloud.state.servers.lock().clone();
    entries
        .into_iter()
        .map(|entry| {
            let (name, id) = (&entry.name, &entry.id);
            let path = match (entry.source, entry.product) {
                ("system", Some(product)) => {
                    format!("/accounts/{account}/system/{product}/{name}/id/{id}")
                }
                ("core", _) => format!("/id/{id}"),
                _ => format!("/accounts/{account}/custom/{name}/id/{id}"),
            };
            Listed { entry, path }
        })
        .collect()
}

/// What answers at a path, and under which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Streamable,
    Sse,
    Message,
}

/// Finds the server of a path, spelled exactly as the control plane spells it.
pub(crate) fn find(cloud: &Cloud, account: &str, path: &str) -> Option<(Listed, Transport)> {
    if path == "/mcp" {
        // The fixed endpoint that needs no server of one's own.
        let core = listed(cloud, account).into_iter().find(|own| own.entry.source == "core")?;
        return Some((core, Transport::Streamable));
    }
    let (prefix, last) = path.rsplit_once('/')?;
    let transport = match last {
        "mcp" => Transport::Streamable,
        "sse" => Transport::Sse,
        "message" => Transport::Message,
        _ => return None,
    };
    let server = listed(cloud, account).into_iter().find(|own| own.path == prefix)?;
    Some((server, transport))
}
