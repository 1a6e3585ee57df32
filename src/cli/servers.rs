//! `mcp-proxy servers`: the MCP servers, their local addresses, and what the server lists say of each. Changes nothing.

use std::fmt::Write;

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, say, settings};
use crate::config::Loaded;
use crate::config::settings::Auth;
use crate::daemon::control::client::{Client, ClientError};
use crate::daemon::report::Date;
use crate::daemon::report::servers::{Catalogued, Knowledge, Known, Server, Servers, VERSION, Verdict};
use crate::daemon::{Environment, catalogue, neighbour, sign_in};
use crate::model::time::Clock;
use crate::net::api_client::ApiClient;

/// Says which servers there are.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, as_json: bool) -> Exit {
    let servers = match found(loaded, environment, &running::find(loaded).await).await {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    match as_json {
        // Only maps with odd keys cannot be written, and there are none.
        true => say(&serde_json::to_string_pretty(&servers).unwrap_or_default()),
        false => say(&text(&servers)),
    }
    match servers.upstreams.iter().any(|upstream| upstream.state == Knowledge::Unknown) {
        true => Exit::Unavailable,
        false => Exit::Ok,
    }
}

/// What the daemon that was found knows, and without one what the cloud or the saved list says.
///
/// # Errors
/// When nobody says anything; the reason has been printed.
pub(super) async fn found(loaded: &Loaded, environment: &Environment, running: &Running) -> Result<Servers, Exit> {
    match running {
        Running::Daemon(client, _) => return asked(client).await.inspect(whose),
        Running::Nobody => {}
        Running::Denied(path) => error_line(&running::denied(path)),
        Running::Silent(error) => error_line(&error.to_string()),
    }
    alone(loaded, environment).await
}

/// Says whose credentials count, where a daemon could not read its list: those of whoever asks would show another
/// account, or verdicts that are not the daemon's.
fn whose(servers: &Servers) {
    let lacks = |upstream: &&Catalogued| matches!(upstream.state, Knowledge::Unknown | Knowledge::Saved);
    for upstream in servers.upstreams.iter().filter(lacks) {
        error_line(&format!(
            "{}: a daemon runs, and it is its API credentials that read this list and decide by it, not yours. Where it \
             has them from is said by: mcp-proxy status",
            upstream.name
        ));
    }
}

/// What a running daemon knows.
async fn asked(client: &Client) -> Result<Servers, Exit> {
    client.servers().await.map_err(|error| {
        match &error {
            ClientError::Refused { status, .. } if status.as_u16() == 404 => error_line(&format!(
                "the mcp-proxy at {} is an older one and does not know its servers; restart it",
                client.path().display()
            )),
            error => error_line(&error.to_string()),
        }
        Exit::Unavailable
    })
}

/// What the cloud says to the API credentials of whoever asks, else the copy that a daemon saved.
async fn alone(loaded: &Loaded, environment: &Environment) -> Result<Servers, Exit> {
    let (settings, clock) = (settings(loaded), Clock::system());
    let client = ApiClient::new(&settings.net).map_err(|error| {
        error_line(&error.to_string());
        Exit::Config
    })?;
    let address = neighbour::address(&settings.listen);
    let mut upstreams = Vec::new();
    for upstream in &settings.upstreams {
        let proxy = &upstream.proxy;
        let seen = match &upstream.auth {
            Auth::AlibabaOauth(alibaba) | Auth::AccessKey { alibaba, .. } => {
                let credentials = sign_in::credentials(alibaba, environment, client.clone(), clock.clone());
                let name = proxy.name.clone();
                Some(catalogue::look(&settings.state_dir, name, alibaba.site, credentials).await)
            }
            Auth::Source(_) => None,
        };
        let catalogue = seen.as_ref().map(|(servers, listing)| (servers.as_ref(), listing));
        let (name, mount, rules) = (proxy.name.as_str(), proxy.mount.as_str(), &proxy.rules);
        upstreams.push(Known { name, mount, rules, address: address.as_deref(), catalogue }.report());
    }
    Ok(Servers { version: VERSION, time: Date::of(Some(clock.now().wall)), upstreams })
}

/// The whole text, without a line break at its end.
fn text(servers: &Servers) -> String {
    let mut text = String::new();
    for upstream in &servers.upstreams {
        of_upstream(&mut text, upstream);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn of_upstream(text: &mut String, upstream: &Catalogued) {
    let Catalogued { name, state, problem, without_cores, servers, nobody } = upstream;
    let problem = problem.as_deref().unwrap_or("the reason is not known");
    let _ = match (state, servers.len()) {
        (Knowledge::Unlisted, _) => writeln!(text, "{name}: nobody lists the servers of this upstream"),
        (Knowledge::Unknown, _) => writeln!(text, "{name}: not known yet ({problem})"),
        (_, 0) => writeln!(text, "{name}: none. Create one on the OpenAPI MCP Server page of the console"),
        (_, 1) => writeln!(text, "{name}: 1 server"),
        (_, count) => writeln!(text, "{name}: {count} servers"),
    };
    if *state == Knowledge::Saved {
        let _ = writeln!(text, "Note: this is the last list that could be read ({problem})");
    }
    servers.iter().for_each(|server| of_server(text, server));
    for rule in nobody {
        let _ = writeln!(text, "Note: no server has the name or id {rule} of the server lists; check its spelling");
    }
    if let Some(reason) = without_cores {
        let _ = writeln!(text, "Note: the server of the Core edition is not listed ({reason})");
    }
}

fn of_server(text: &mut String, server: &Server) {
    let Server { id, name, mcp, sse, verdict, reason, .. } = server;
    let _ = writeln!(text, "  {name}");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:<11}{value}");
    };
    line("id", id);
    for (kind, endpoint) in [("MCP", mcp), ("SSE", sse)] {
        if let Some(endpoint) = endpoint {
            line(kind, endpoint.url.as_deref().unwrap_or(&endpoint.path));
        }
    }
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    line("verdict", &format!("{}{reason}", word(*verdict)));
}

/// The verdict as people read it.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Blocked => "blocked",
        Verdict::NotAllowed => "not allowed",
        Verdict::Undecided => "refused",
        Verdict::OutOfReach => "out of reach",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::report::servers::Endpoint;

    fn of_one(server: Option<Server>, state: Knowledge, problem: Option<&str>) -> String {
        let upstream = Catalogued {
            name: "alibaba".to_owned(),
            state,
            problem: problem.map(str::to_owned),
            without_cores: None,
            servers: server.into_iter().collect(),
            nobody: Vec::new(),
        };
        text(&Servers { version: VERSION, time: None, upstreams: vec![upstream] })
    }

    #[test]
    fn servers_in_words() {
        let endpoint = |url: Option<&str>| Endpoint { path: "/id/A1/mcp".to_owned(), url: url.map(str::to_owned) };
        let server = Server {
            id: "A1".to_owned(),
            name: "ecs".to_owned(),
            description: String::new(),
            mcp: Some(endpoint(Some("http://127.0.0.1:8088/id/A1/mcp"))),
            sse: Some(endpoint(None)),
            verdict: Verdict::Blocked,
            reason: Some("blocked_servers has ecs".to_owned()),
        };
        let expected = "alibaba: 1 server\n  ecs\n    id         A1\n    MCP        http://127.0.0.1:8088/id/A1/mcp\n    \
                        SSE        /id/A1/mcp\n    verdict    blocked: blocked_servers has ecs";
        assert_eq!(of_one(Some(server.clone()), Knowledge::Current, None), expected);
        let saved = of_one(Some(server), Knowledge::Saved, Some("no key"));
        assert!(saved.contains("1 server\nNote: this is the last list that could be read (no key)\n  ecs"), "{saved}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let unknown = of_one(None, Knowledge::Unknown, Some("no key. Get one"));
        assert_eq!(unknown, "alibaba: not known yet (no key. Get one)");
        assert!(of_one(None, Knowledge::Current, None).contains("none. Create one"));
        assert!(of_one(None, Knowledge::Unlisted, None).contains("nobody lists"));
    }
}
