//! `mcp-proxy stdio`: a client that speaks over standard input and output, and an MCP server of the running daemon.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bridge::{self, Target, lines};
use crate::cli::choice::{self, Chosen, NotChosen};
use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, servers, settings};
use crate::config::Loaded;
use crate::config::settings::Settings;
use crate::daemon::report::servers::Servers;
use crate::daemon::signals::StopSignals;
use crate::daemon::{Environment, listener, neighbour};
use crate::model::secret::Secret;
use crate::net::direct::Door;

/// The variable with the client key. Not a flag: everybody can read the arguments of a process.
const KEY: &str = "MCP_PROXY_CLIENT_KEY";
/// The name of the packaged Unix socket for clients, beside the control socket.
const SOCKET: &str = "mcp.sock";
/// How long a server is looked for that is not known yet: a daemon that has just started reads its list.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

/// Bridges until the client has said all.
pub(super) async fn run(
    loaded: &Loaded,
    environment: &Environment,
    server: Option<&str>,
    upstream: Option<&str>,
) -> Exit {
    let (signals, pieces) = match (StopSignals::take(), lines::standard_input()) {
        (Ok(signals), Ok(pieces)) => (signals, pieces),
        (Err(error), _) | (_, Err(error)) => {
            error_line(&format!("cannot start: {error}"));
            return Exit::OsError;
        }
    };
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let bridged = async {
        let target = tokio::select! {
            target = find(loaded, environment, server, upstream) => target,
            () = stop.cancelled() => return true,
        };
        bridge::run(target, pieces, tokio::io::stdout(), stop.clone()).await
    };
    let found = tokio::select! {
        found = bridged => found,
        () = async { signals.cancel(stop.clone(), now.clone()).await; std::future::pending().await } => true,
        () = now.cancelled() => true,
    };
    if found { Exit::Ok } else { Exit::Unavailable }
}

/// The server and where the daemon is.
async fn find(
    loaded: &Loaded,
    environment: &Environment,
    server: Option<&str>,
    upstream: Option<&str>,
) -> Result<Target, String> {
    let end = Instant::now() + PATIENCE;
    let key = environment.get(KEY).filter(|key| !key.is_empty()).map(Secret::new);
    loop {
        let running = running::find(loaded).await;
        let doors = doors(settings(loaded), &running);
        match chosen(loaded, environment, &running, server, upstream).await {
            Ok(Chosen { path, is_sse, name, .. }) => {
                let host = doors.iter().find_map(|door| match door {
                    Door::Tcp(address) => Some(address.clone()),
                    Door::Unix(_) => None,
                });
                tracing::info!("{name} at {path}, through {}", shown(&doors));
                return Ok(Target { doors, host: host.unwrap_or_else(|| "localhost".to_owned()), path, is_sse, key });
            }
            // Who may not ask the daemon learns no more by waiting.
            Err(NotChosen::NotKnownYet(_)) if !is_denied(&running) && Instant::now() + PAUSE < end => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(with_remedy(&error, &running)),
        }
    }
}

async fn chosen(
    loaded: &Loaded,
    environment: &Environment,
    running: &Running,
    server: Option<&str>,
    upstream: Option<&str>,
) -> Result<Chosen, NotChosen> {
    let path = server.and_then(choice::by_path);
    let report = match running {
        Running::Daemon(client, _) => client.servers().await.ok(),
        // A path says enough.
        _ if path.is_some() => None,
        Running::Silent(error) => return Err(NotChosen::NotKnownYet(error.to_string())),
        Running::Nobody | Running::Denied(_) => servers::found(loaded, environment, &Running::Nobody).await.ok(),
    };
    let Some(report) = report else {
        let unknown = || NotChosen::NotKnownYet("nobody can be asked for them".to_owned());
        return path.ok_or_else(unknown);
    };
    choose(&report, &mounts(loaded, running), server, upstream)
}

fn choose(
    report: &Servers,
    mounts: &[(String, String)],
    server: Option<&str>,
    upstream: Option<&str>,
) -> Result<Chosen, NotChosen> {
    let usable = choice::usable(report, mounts, upstream)?;
    choice::one(&usable.servers, &usable.unusable, server).map_err(|error| match usable.unknown {
        Some(reason) => NotChosen::NotKnownYet(reason),
        None => error,
    })
}

/// The paths of the upstreams: the daemon's, if there is one.
pub(super) fn mounts(loaded: &Loaded, running: &Running) -> Vec<(String, String)> {
    match running {
        Running::Daemon(_, status) => {
            status.upstreams.iter().map(|upstream| (upstream.name.clone(), upstream.mount.clone())).collect()
        }
        _ => choice::mounts(settings(loaded)),
    }
}

/// Where the daemon may be: where it says that it listens, or where the configuration leads. Unix sockets first: nobody
/// else can be behind them.
fn doors(settings: &Settings, running: &Running) -> Vec<Door> {
    let mut doors = match running {
        Running::Daemon(_, status) => heard(&status.listens),
        _ => Vec::new(),
    };
    if doors.is_empty() {
        let beside = settings.control.sought.iter().map(|control| control.with_file_name(SOCKET));
        for path in settings.listen.unix.iter().cloned().chain(beside) {
            let door = Door::Unix(path);
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
        doors.extend(neighbour::address(&settings.listen).map(Door::Tcp));
    }
    doors
}

/// The doors in what a daemon says of itself.
fn heard(listens: &[String]) -> Vec<Door> {
    let unix = listens.iter().filter(|text| Path::new(text).is_absolute()).map(|path| Door::Unix(path.into()));
    let mut tcp: Vec<SocketAddr> =
        listens.iter().filter_map(|text| text.parse().ok()).map(listener::from_here).collect();
    tcp.sort_by_key(|address| !address.ip().is_loopback());
    unix.chain(tcp.into_iter().map(|address| Door::Tcp(address.to_string()))).collect()
}

fn shown(doors: &[Door]) -> String {
    doors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn is_denied(running: &Running) -> bool {
    matches!(running, Running::Denied(_))
}

fn with_remedy(error: &NotChosen, running: &Running) -> String {
    match running {
        Running::Denied(path) => format!(
            "it is not known which MCP server is meant: a mcp-proxy is running, but you may not open its control socket {}, where names are looked up. Name \
             the MCP server by its path instead, as it is listed by: sudo mcp-proxy servers (--server /accounts/.../mcp)",
            path.display()
        ),
        Running::Nobody => format!("{error}. No mcp-proxy is running. Start it with: systemctl start mcp-proxy.socket"),
        Running::Daemon(..) | Running::Silent(_) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_what_the_daemon_says_the_private_ones_first() {
        let listens =
            ["172.17.0.1:8088", "[::]:8088", "/run/mcp-proxy/mcp.sock", "a socket without a name", "127.0.0.1:1"];
        let listens = listens.map(str::to_owned);
        let expected = ["/run/mcp-proxy/mcp.sock", "[::1]:8088", "127.0.0.1:1", "172.17.0.1:8088"];
        let found: Vec<String> = heard(&listens).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}
