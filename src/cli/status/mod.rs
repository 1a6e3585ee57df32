//! `mcp-proxy status`: who is signed in, until when, and what the daemon says. Changes nothing.

mod json;
mod login;
mod words;

use crate::cli::exit::Exit;
use crate::cli::status::login::{Login, State};
use crate::cli::{error_line, say, settings};
use crate::config::Loaded;
use crate::config::settings::Listen;
use crate::daemon::neighbour::{self, Neighbour};
use crate::daemon::{Environment, custody};
use crate::model::time::{Clock, Wall};

/// Everything that is said.
#[derive(Debug)]
struct Report {
    now: Wall,
    logins: Vec<Login>,
    /// Where the daemon was looked for; `None` if its port is not fixed.
    address: Option<String>,
    daemon: Neighbour,
    /// The key that is given cannot be used.
    key_problem: Option<String>,
}

/// Says how things stand.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, as_json: bool) -> Exit {
    let settings = settings(loaded);
    let (key, key_problem) = match custody::key(settings, environment) {
        Ok(key) => (key, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let now = Clock::system().now().wall;
    let logins = custody::kept(settings, key).iter().map(|kept| Login::look(kept, now)).collect();
    let (address, daemon) = ask(&settings.listen).await;
    let report = Report { now, logins, address, daemon, key_problem };
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

async fn ask(listen: &Listen) -> (Option<String>, Neighbour) {
    let address = neighbour::address(listen);
    let daemon = match &address {
        Some(address) => neighbour::ask(address).await,
        None => Neighbour::None,
    };
    (address, daemon)
}

impl Report {
    /// The worst of it.
    fn exit(&self) -> Exit {
        let any = |state: State| self.logins.iter().any(|login| login.state == state);
        if self.key_problem.is_some() || any(State::Unusable) {
            Exit::Config
        } else if any(State::SignInNeeded) {
            Exit::NoPermission
        } else if matches!(&self.daemon, Neighbour::Proxy(reported) if reported.status != "healthy") {
            Exit::TempFail
        } else {
            Exit::Ok
        }
    }
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
        for (states, daemon, exit) in [
            (vec![State::SignedIn], Neighbour::None, Exit::Ok),
            (vec![State::SignedIn], proxy("healthy"), Exit::Ok),
            (vec![State::SignedIn], Neighbour::Other("x".to_owned()), Exit::Ok),
            (vec![State::SignedIn], proxy("degraded"), Exit::TempFail),
            (vec![State::SignedIn, State::SignInNeeded], proxy("degraded"), Exit::NoPermission),
            (vec![State::SignInNeeded, State::Unusable], proxy("healthy"), Exit::Config),
        ] {
            let logins = states.iter().map(|state| Login { state: *state, ..login::nobody() }).collect();
            let now = Wall::from_unix_seconds(0);
            let report = Report { now, logins, address: None, daemon, key_problem: None };
            assert_eq!(report.exit(), exit, "{report:?}");
        }
    }
}
