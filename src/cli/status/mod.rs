//! `mcp-proxy status`: who is signed in, until when, and what the daemon says. Changes nothing.

mod calls;
mod json;
mod upstreams;
mod watch;
mod words;

use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::screen::Line;
use crate::cli::terminal::Terminal;
use crate::cli::{error_line, say, settings};
use crate::config::Loaded;
use crate::config::settings::Listen;
use crate::daemon::neighbour::{self, Neighbour};
use crate::daemon::report::login::{Login, State};
use crate::daemon::report::reach::Reachability;
use crate::daemon::report::recent::Recent;
use crate::daemon::report::{Status, Upstream};
use crate::daemon::{Environment, custody};
use crate::model::time::{Clock, Wall};

pub(super) use self::watch::watch;

/// Everything that is said.
#[derive(Debug)]
struct Report {
    now: Wall,
    logins: Vec<Login>,
    daemon: Daemon,
    /// The key that is given cannot be used.
    key_problem: Option<String>,
    /// Why the daemon was not asked, though there may be one.
    notes: Vec<String>,
}

/// What is known of a daemon.
#[derive(Debug)]
enum Daemon {
    /// It was asked at its control socket.
    Asked(Box<Asked>),
    /// Somebody was looked for on the configured port; `None` if that is not fixed.
    LookedFor(Option<String>, Neighbour),
}

/// What a daemon said at its control socket.
#[derive(Debug)]
struct Asked {
    control: PathBuf,
    status: Status,
    /// Who calls what; `None` if it does not say so, or not to us.
    recent: Option<Recent>,
    /// How the upstreams are reached; likewise.
    reach: Option<Reachability>,
}

/// Says how things stand.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, terminal: &Terminal, as_json: bool) -> Exit {
    let report = look(loaded, environment).await;
    report.notes.iter().for_each(|note| error_line(note));
    match as_json {
        true => say(&json::text(&report)),
        false => {
            let lines = words::lines(&report, terminal.language, terminal.size().map(|size| size.columns));
            say(&rendered(&lines, terminal));
            if let Some(problem) = &report.key_problem {
                error_line(problem);
            }
        }
    }
    report.exit()
}

fn rendered(lines: &[Line], terminal: &Terminal) -> String {
    // What scrolls is not cut: nothing else would show the rest.
    lines.iter().map(|line| line.render(terminal.colours, None)).collect::<Vec<_>>().join("\n")
}

/// Finds out how things stand.
async fn look(loaded: &Loaded, environment: &Environment) -> Report {
    let now = Clock::system().now().wall;
    let (running, note) = running::look(loaded).await;
    let mut notes: Vec<String> = note.into_iter().collect();
    match running {
        Running::Daemon(client, mut status) => {
            let logins = status.upstreams.iter_mut().filter_map(|upstream| upstream.login.take()).collect();
            // An older daemon knows neither, and not everybody may see who calls.
            let (recent, reach) = tokio::join!(client.recent(), client.reach());
            let (control, recent, reach) = (client.path().to_owned(), recent.ok(), reach.ok());
            let daemon = Daemon::Asked(Box::new(Asked { control, status: *status, recent, reach }));
            return Report { now, logins, daemon, key_problem: None, notes };
        }
        Running::Nobody => {}
        Running::Denied(path) => notes.push(running::denied(&path)),
        Running::Silent(error) => notes.push(error.to_string()),
    }
    from_files(loaded, environment, now, notes).await
}

/// What the saved logins say, and whoever listens on the port.
async fn from_files(loaded: &Loaded, environment: &Environment, now: Wall, notes: Vec<String>) -> Report {
    let settings = settings(loaded);
    let (key, key_problem) = match custody::key(settings, environment) {
        Ok(key) => (key, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let logins = custody::kept(settings, key).iter().map(|kept| Login::look(kept, now)).collect();
    Report { now, logins, daemon: ask(&settings.listen).await, key_problem, notes }
}

async fn ask(listen: &Listen) -> Daemon {
    let address = neighbour::address(listen);
    let neighbour = match &address {
        Some(address) => neighbour::ask(address).await,
        None => Neighbour::None,
    };
    Daemon::LookedFor(address, neighbour)
}

impl Report {
    /// The worst of it.
    fn exit(&self) -> Exit {
        let any = |state: State| self.logins.iter().any(|login| login.state == state);
        if self.key_problem.is_some() || any(State::Unusable) {
            Exit::Config
        } else if any(State::SignInNeeded) {
            Exit::NoPermission
        } else if self.daemon.is_degraded() {
            Exit::TempFail
        } else {
            Exit::Ok
        }
    }
}

impl Daemon {
    fn is_degraded(&self) -> bool {
        match self {
            Self::Asked(asked) => !asked.status.ready,
            Self::LookedFor(_, Neighbour::Proxy(reported)) => reported.status != "healthy",
            Self::LookedFor(_, Neighbour::None | Neighbour::Other(_)) => false,
        }
    }
}

/// The upstream whose token ends first, or has ended: what one line says of all of them.
fn first_to_end(status: &Status) -> Option<&Upstream> {
    status.upstreams.iter().min_by_key(|upstream| (upstream.serves, upstream.token_ends.is_none(), upstream.token_ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::neighbour::Reported;

    #[test]
    fn the_exit_code_is_the_worst_of_it() {
        let proxy = |status: &str| {
            Neighbour::Proxy(Reported {
                status: status.to_owned(),
                token_status: "valid".to_owned(),
                token_expires_in: None,
                uptime: None,
                active_requests: None,
                last_renewal: None,
                next_renewal: None,
                conditions: Vec::new(),
            })
        };
        let port = |neighbour: Neighbour| Daemon::LookedFor(None, neighbour);
        let asked = |ready: bool| {
            let status = Status { ready, ..json::of_nothing() };
            Daemon::Asked(Box::new(Asked { control: "/x".into(), status, recent: None, reach: None }))
        };
        for (states, daemon, exit) in [
            (vec![State::SignedIn], port(Neighbour::None), Exit::Ok),
            (vec![State::SignedIn], port(proxy("healthy")), Exit::Ok),
            (vec![State::SignedIn], port(Neighbour::Other("x".to_owned())), Exit::Ok),
            (vec![State::SignedIn], port(proxy("degraded")), Exit::TempFail),
            (vec![State::SignedIn, State::SignInNeeded], port(proxy("degraded")), Exit::NoPermission),
            (vec![State::SignInNeeded, State::Unusable], port(proxy("healthy")), Exit::Config),
            (vec![State::SignedIn], asked(true), Exit::Ok),
            (vec![State::SignedIn], asked(false), Exit::TempFail),
            (vec![State::SignInNeeded], asked(false), Exit::NoPermission),
        ] {
            let logins = states.iter().map(|state| Login { state: *state, ..Login::of_nobody() }).collect();
            let report =
                Report { now: Wall::from_unix_seconds(0), logins, daemon, key_problem: None, notes: Vec::new() };
            assert_eq!(report.exit(), exit, "{report:?}");
        }
    }
}
