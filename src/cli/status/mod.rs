//! `mcp-proxy status`: who is signed in, until when, and what the daemon says. Changes nothing.

mod json;
mod words;

use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, say, settings};
use crate::config::Loaded;
use crate::config::settings::Listen;
use crate::daemon::neighbour::{self, Neighbour};
use crate::daemon::report::login::{Login, State};
use crate::daemon::report::{Status, Upstream};
use crate::daemon::{Environment, custody};
use crate::model::time::{Clock, Wall};

/// Everything that is said.
#[derive(Debug)]
struct Report {
    now: Wall,
    logins: Vec<Login>,
    daemon: Daemon,
    /// The key that is given cannot be used.
    key_problem: Option<String>,
}

/// What is known of a daemon.
#[derive(Debug)]
enum Daemon {
    /// It was asked at its control socket.
    Asked(PathBuf, Box<Status>),
    /// Somebody was looked for on the configured port; `None` if that is not fixed.
    LookedFor(Option<String>, Neighbour),
}

/// Says how things stand.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, as_json: bool) -> Exit {
    let now = Clock::system().now().wall;
    let report = match running::find(loaded).await {
        Running::Daemon(client, mut status) => {
            let logins = status.upstreams.iter_mut().filter_map(|upstream| upstream.login.take()).collect();
            Report { now, logins, daemon: Daemon::Asked(client.path().to_owned(), status), key_problem: None }
        }
        Running::Nobody => from_files(loaded, environment, now).await,
        Running::Denied(path) => {
            error_line(&running::denied(&path));
            from_files(loaded, environment, now).await
        }
        Running::Silent(error) => {
            error_line(&error.to_string());
            from_files(loaded, environment, now).await
        }
    };
    match as_json {
        true => say(&json::text(&report)),
        false => {
            say(&words::text(&report));
            if let Some(problem) = &report.key_problem {
                error_line(problem);
            }
        }
    }
    report.exit()
}

/// What the saved logins say, and whoever listens on the port.
async fn from_files(loaded: &Loaded, environment: &Environment, now: Wall) -> Report {
    let settings = settings(loaded);
    let (key, key_problem) = match custody::key(settings, environment) {
        Ok(key) => (key, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let logins = custody::kept(settings, key).iter().map(|kept| Login::look(kept, now)).collect();
    Report { now, logins, daemon: ask(&settings.listen).await, key_problem }
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
            Self::Asked(_, status) => !status.ready,
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
        let asked = |ready: bool| Daemon::Asked("/x".into(), Box::new(Status { ready, ..json::of_nothing() }));
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
            let report = Report { now: Wall::from_unix_seconds(0), logins, daemon, key_problem: None };
            assert_eq!(report.exit(), exit, "{report:?}");
        }
    }
}
