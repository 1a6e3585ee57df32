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
use crate::model::language::Language;
use crate::net::api_client::ApiClient;
use crate::phrase::{Phrase, commands};

/// Ends the login of every upstream.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, revoke: bool, language: Language) -> Exit {
    match running::find(loaded).await {
        Running::Daemon(client, _) => through(&client, revoke, language).await,
        Running::Nobody => alone(loaded, environment, revoke, language).await,
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
async fn through(client: &Client, revoke: bool, language: Language) -> Exit {
    match client.logout(LogoutRequest { revoke }).await {
        Ok(answer) => {
            note_no_logins(&answer.logins, language);
            answer.logins.iter().fold(Exit::Ok, |exit, ended| {
                tell(ended, revoke, Some(commands::DAEMON_STOPPED_USING), language).unwrap_or(exit)
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
async fn alone(loaded: &Loaded, environment: &Environment, revoke: bool, language: Language) -> Exit {
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
    note_no_logins(&logins, language);
    let mut exit = Exit::Ok;
    for login in &logins {
        let ended = Ended::of(login, &login.remove(api.as_ref()).await);
        if ended.outcome == Outcome::Removed
            && let Err(error) = Ledger::new(&settings(loaded).state_dir).signed_in(&login.upstream, None)
        {
            error_line(&format!("who had signed in is noted still: {error}"));
        }
        exit = tell(&ended, revoke, Some(commands::DAEMON_STOPS_USING), language).unwrap_or(exit);
    }
    exit
}

/// Says what became of a login; `Some` if it was not what was asked for. `daemon` is what a running daemon makes of it.
pub(super) fn tell(ended: &Ended, revoke: bool, daemon: Option<Phrase>, language: Language) -> Option<Exit> {
    let (name, file) = (&ended.upstream, ended.file.display());
    match (ended.outcome, &ended.problem) {
        (_, Some(problem)) => error_line(&format!("{name}: {}", failed(ended, problem, revoke))),
        (Outcome::Nothing, None) => {
            say(&commands::NO_SAVED_LOGIN.fill(language, &[("upstream", name), ("file", &file)]));
        }
        (Outcome::Removed | Outcome::Kept, None) => {
            let server = match revoke {
                true => commands::GRANT_REVOKED.text(language).to_owned(),
                false => commands::GRANT_LIVES_ON.fill(language, &[("console", &console(ended, language))]),
            };
            say(&commands::SIGNED_OUT.fill(language, &[("upstream", name), ("file", &file), ("server", &server)]));
            if let Some(daemon) = daemon {
                say(daemon.text(language));
            }
        }
    }
    for file in &ended.set_aside {
        say(&commands::SET_ASIDE.fill(language, &[("upstream", name), ("file", &file.display())]));
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
            console(ended, Language::English)
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
fn console(ended: &Ended, language: Language) -> String {
    let application = format!("{:?}", ended.application);
    commands::CONSOLE.fill(language, &[("console", &ended.console), ("application", &application)])
}
