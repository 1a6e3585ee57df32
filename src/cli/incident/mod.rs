//! `mcp-proxy incident` and `mcp-proxy resume`: everything stops, the grants end, and what happened is shown; and the end
//! of that. A running daemon does it itself; without one, it is done on the files, which the next daemon obeys.

mod advice;
mod since;
mod trail;

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, kept, logout, say, settings};
use crate::config::Loaded;
use crate::config::settings::Auth;
use crate::daemon::Environment;
use crate::daemon::control::client::ClientError;
use crate::daemon::control::protocol::{AddedKey, Declared, Ended, IncidentRequest, Resumed};
use crate::daemon::incident::{Notice, Statement};
use crate::daemon::ledger::Ledger;
use crate::model::language::Language;
use crate::model::time::Clock;
use crate::net::api_client::ApiClient;
use crate::phrase::commands;

/// Stops all forwarding, ends every grant, and shows the audit trail since a time.
pub(super) async fn declare(
    loaded: &Loaded,
    environment: &Environment,
    rotate_keys: bool,
    since: &str,
    language: Language,
) -> Exit {
    let since = match since::parse(since, Clock::system().now().wall) {
        Ok(since) => since,
        Err(error) => {
            error_line(&format!("--since: {error}"));
            return Exit::Usage;
        }
    };
    let (declared, exit) = match running::find(loaded).await {
        Running::Daemon(client, _) => match client.incident(IncidentRequest { rotate_keys }).await {
            Ok(declared) => (declared, Exit::Ok),
            Err(error) => return failed(&error),
        },
        Running::Nobody => alone(loaded, environment, rotate_keys).await,
        Running::Denied(path) => return denied(&path),
        // It may hang: what it will find, and what looks at the file, stops it all the same.
        Running::Silent(error) => {
            error_line(&error.to_string());
            let (declared, _) = alone(loaded, environment, rotate_keys).await;
            (declared, Exit::Unavailable)
        }
    };
    let exit = tell(&declared, rotate_keys, exit, language);
    say("");
    trail::show(settings(loaded).log.audit_file.as_deref(), since);
    say("");
    let others = settings(loaded).upstreams.iter().filter(|upstream| !matches!(upstream.auth, Auth::AlibabaOauth(_)));
    let others: Vec<&str> = others.map(|upstream| upstream.proxy.name.as_str()).collect();
    say(&advice::text(&declared.logins, &others, since, language));
    exit
}

/// Ends an incident.
pub(super) async fn resume(loaded: &Loaded, language: Language) -> Exit {
    let resumed = match running::find(loaded).await {
        Running::Daemon(client, _) => match client.resume().await {
            Ok(resumed) => resumed,
            Err(error) => return failed(&error),
        },
        Running::Nobody => match resumed_on_file(loaded) {
            Ok(resumed) => resumed,
            Err(exit) => return exit,
        },
        Running::Denied(path) => return denied(&path),
        Running::Silent(error) => return failed(&error),
    };
    say(match resumed.was_stopped {
        true => commands::INCIDENT_OVER.text(language),
        false => commands::NO_INCIDENT.text(language),
    });
    Exit::Ok
}

/// Without a daemon: the file that the next one obeys, and every saved login.
async fn alone(loaded: &Loaded, environment: &Environment, rotate_keys: bool) -> (Declared, Exit) {
    let (notice, now) = (Notice::in_dir(&settings(loaded).state_dir), Clock::system().now().wall);
    let not_written = notice.write(true, &myself(), now).err();
    let (mut logins, mut exit) = (Vec::new(), Exit::Ok);
    match (kept(loaded, environment), ApiClient::new(&settings(loaded).net)) {
        (Ok(kept), Ok(api)) => {
            for login in &kept {
                logins.push(Ended::of(login, &login.remove(Some(&api)).await));
            }
        }
        (Err(because), _) => exit = because,
        (_, Err(error)) => {
            error_line(&error.to_string());
            exit = Exit::Config;
        }
    }
    let (keys, keys_kept) = match rotate_keys.then(|| Ledger::new(&settings(loaded).state_dir).replace_all(now)) {
        None => (Vec::new(), None),
        Some(Ok(made)) => (made.iter().map(AddedKey::of).collect(), None),
        Some(Err(error)) => (Vec::new(), Some(error.to_string())),
    };
    let not_written = not_written.map(|error| error.to_string());
    (Declared { file: notice.path().to_owned(), not_written, logins, keys, keys_kept }, exit)
}

fn resumed_on_file(loaded: &Loaded) -> Result<Resumed, Exit> {
    let notice = Notice::in_dir(&settings(loaded).state_dir);
    if !notice.read().is_some_and(|statement: Statement| statement.active) {
        return Ok(Resumed { was_stopped: false });
    }
    match notice.write(false, &myself(), Clock::system().now().wall) {
        Ok(()) => Ok(Resumed { was_stopped: true }),
        Err(error) => {
            error_line(&format!("{} cannot be written: {error}. Run this with sudo", notice.path().display()));
            Err(Exit::IoError)
        }
    }
}

/// Says what was done; the exit code is that of the worst.
fn tell(declared: &Declared, rotate_keys: bool, mut exit: Exit, language: Language) -> Exit {
    let file = declared.file.display();
    match &declared.not_written {
        None => say(&commands::FORWARDING_STOPPED.fill(language, &[("file", &file)])),
        Some(error) => {
            error_line(&format!(
                "a running mcp-proxy forwards nothing, but that ends with it: {file} cannot be written: {error}. Stop \
                 it: systemctl stop mcp-proxy.service mcp-proxy.socket"
            ));
            exit = Exit::IoError;
        }
    }
    for ended in &declared.logins {
        exit = logout::tell(ended, true, None, language).unwrap_or(exit);
    }
    if rotate_keys {
        match &declared.keys_kept {
            Some(error) => {
                error_line(&format!("the client keys are still good: {error}"));
                exit = Exit::IoError;
            }
            None if declared.keys.is_empty() => say(commands::NO_KEYS.text(language)),
            None => {
                say(commands::KEYS_REPLACED.text(language));
                declared.keys.iter().for_each(|made| say(&format!("  {}: {}", made.client, made.key)));
            }
        }
    }
    exit
}

fn myself() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

fn denied(path: &Path) -> Exit {
    error_line(&running::denied(path));
    Exit::NoPermission
}

fn failed(error: &ClientError) -> Exit {
    error_line(&error.to_string());
    match error {
        ClientError::Refused { status, .. } if status.is_server_error() => Exit::IoError,
        ClientError::Refused { .. } => Exit::NoPermission,
        ClientError::Silent { .. } => Exit::Unavailable,
    }
}
