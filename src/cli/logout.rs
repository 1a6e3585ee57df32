//! `mcp-proxy logout`: ends the logins, at the server too if that is asked for. A running daemon does it itself; without
//! one, the files are removed.

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, kept, note_no_logins, say, settings};
use crate::config::Loaded;
use crate::daemon::Environment;
use crate::daemon::control::client::{Client, ClientError};
use crate::daemon::control::protocol::{Ended, LogoutRequest, Outcome, Problem};
use crate::daemon::custody;
use crate::daemon::ledger::Ledger;
use crate::daemon::obstacle::Obstacle;
use crate::net::api_client::ApiClient;

/// Ends the login of every upstream.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, revoke: bool) -> Exit {
    match running::find(loaded).await {
        Running::Daemon(client, _) => through(&client, revoke).await,
        Running::Nobody => alone(loaded, environment, revoke).await,
        Running::Denied(path) => {
            error_line(&running::denied(&path));
            Exit::NoPermission
        }
        Running::Silent(error) => {
            error_line(&error.to_string());
            Exit::Unavailable
        }
    }
}

/// Lets a running daemon do it.
async fn through(client: &Client, revoke: bool) -> Exit {
    match client.logout(LogoutRequest { revoke }).await {
        Ok(answer) => {
            note_no_logins(&answer.logins);
            answer.logins.iter().fold(Exit::Ok, |exit, ended| {
                tell(ended, revoke, "The running mcp-proxy does not use the login any more.").unwrap_or(exit)
            })
        }
        Err(error) => {
            error_line(&error.to_string());
            match error {
                ClientError::Refused { .. } => Exit::NoPermission,
                ClientError::Silent { .. } => Exit::Unavailable,
            }
        }
    }
}

/// Removes the saved login of every configured upstream.
async fn alone(loaded: &Loaded, environment: &Environment, revoke: bool) -> Exit {
    let logins = match revoke {
        true => kept(loaded, environment),
        // A login whose key is lost can be removed all the same.
        false => Ok(custody::kept(settings(loaded), None)),
    };
    let logins = match logins {
        Ok(logins) => logins,
        Err(exit) => return exit,
    };
    let api = match revoke.then(|| ApiClient::new(&settings(loaded).net)).transpose() {
        Ok(api) => api,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::Config;
        }
    };
    note_no_logins(&logins);
    let mut exit = Exit::Ok;
    for login in &logins {
        let ended = Ended::of(login, &login.remove(api.as_ref()).await);
        if ended.outcome == Outcome::Removed
            && let Err(error) = Ledger::new(&settings(loaded).state_dir).signed_in(&login.upstream, None)
        {
            error_line(&format!("who had signed in is noted still: {error}"));
        }
        let daemon = "A running mcp-proxy stops using the login within two seconds.";
        exit = tell(&ended, revoke, daemon).unwrap_or(exit);
    }
    exit
}

/// Says what became of a login; `Some` if it was not what was asked for. `daemon` is what a running daemon makes of it.
pub(super) fn tell(ended: &Ended, revoke: bool, daemon: &str) -> Option<Exit> {
    let (name, file) = (&ended.upstream, ended.file.display());
    match (ended.outcome, &ended.problem) {
        (_, Some(problem)) => error_line(&format!("{name}: {}", failed(ended, problem, revoke))),
        (Outcome::Nothing, None) => {
            say(&format!("{name}: there is no saved login ({file} does not exist); nothing was changed."));
        }
        (Outcome::Removed | Outcome::Kept, None) => {
            let server = match revoke {
                true => "The grant is revoked at the server.".to_owned(),
                false => {
                    format!("The grant itself lives on at the server until it ends. To end it now: {}", console(ended))
                }
            };
            say(&format!("{name}: signed out; {file} was overwritten and removed. {server}\n{daemon}"));
        }
    }
    for file in &ended.set_aside {
        say(&format!("{name}: {} holds a login that was set aside; remove it by hand.", file.display()));
    }
    ended.problem.as_ref().map(|problem| problem.obstacle.into())
}

fn failed(ended: &Ended, problem: &Problem, revoke: bool) -> String {
    let reason = &problem.reason;
    if problem.not_revoked && revoke {
        return format!(
            "the login is kept ({}), because the grant could not be revoked: {reason}. Try again, or remove it here \
             with `mcp-proxy logout` and end the grant at the server: {}",
            ended.file.display(),
            console(ended)
        );
    }
    match problem.obstacle {
        Obstacle::Disk => {
            format!("{reason}. The login may be there still; give write access to its directory and try again")
        }
        _ => reason.clone(),
    }
}

/// How a person ends the grant without us.
fn console(ended: &Ended) -> String {
    format!(
        "in the RAM console, {}, under OAuth applications, take back the authorization of the application {:?}",
        ended.console, ended.application
    )
}
