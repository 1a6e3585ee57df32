//! `mcp-proxy client`: makes, lists and removes the keys by which clients are known. A running daemon does it itself;
//! without one, the file is changed.

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{error_line, say, settings};
use crate::config::Loaded;
use crate::daemon::control::client::{Client, ClientError};
use crate::daemon::control::protocol::KeyRequest;
use crate::daemon::ledger::{Ledger, LedgerError};
use crate::daemon::report::Date;
use crate::daemon::report::clients::{self, Clients};
use crate::model::client::ClientName;
use crate::model::language::Language;
use crate::model::secret::Secret;
use crate::model::time::{Clock, in_words};
use crate::phrase::commands;

/// What is to be done.
pub(super) enum Wanted<'a> {
    /// Make a key.
    Add { name: &'a str },
    /// Remove the keys of a client, or one of them.
    Remove { name: &'a str, fingerprint: Option<&'a str> },
    /// List clients and keys.
    List { as_json: bool },
}

/// Who does it.
enum Doer {
    Daemon(Client),
    Files(Ledger),
}

/// Does it.
pub(super) async fn run(loaded: &Loaded, wanted: Wanted<'_>, language: Language) -> Exit {
    let doer = match doer(loaded).await {
        Ok(doer) => doer,
        Err(exit) => return exit,
    };
    let done = match wanted {
        Wanted::Add { name } => add(loaded, &doer, name, language).await,
        Wanted::Remove { name, fingerprint } => remove(&doer, name, fingerprint, language).await,
        Wanted::List { as_json } => list(loaded, &doer, as_json).await,
    };
    done.unwrap_or_else(|exit| exit)
}

async fn doer(loaded: &Loaded) -> Result<Doer, Exit> {
    match running::find(loaded).await {
        Running::Daemon(client, _) => Ok(Doer::Daemon(client)),
        Running::Nobody => Ok(Doer::Files(Ledger::new(&settings(loaded).state_dir))),
        Running::Denied(path) => Err(refuse(&running::denied(&path), Exit::NoPermission)),
        Running::Silent(error) => Err(refuse(&error.to_string(), Exit::Unavailable)),
    }
}

/// Makes a key for a client, without a word about it.
///
/// # Errors
/// When there is none; why has been printed.
pub(super) async fn made_key(loaded: &Loaded, name: &str) -> Result<Secret, Exit> {
    make(loaded, &doer(loaded).await?, &legal(name)?).await
}

async fn make(loaded: &Loaded, doer: &Doer, client: &ClientName) -> Result<Secret, Exit> {
    Ok(match doer {
        Doer::Daemon(daemon) => {
            let request = KeyRequest { client: client.to_string(), fingerprint: None };
            Secret::new(daemon.add_key(&request).await.map_err(|error| asked(&error))?.key)
        }
        Doer::Files(ledger) => {
            let configured = &settings(loaded).proxy.clients;
            clients::takes_keys(configured, client).map_err(|why| refuse(&why, Exit::Config))?;
            ledger.add(client, Clock::system().now().wall).map_err(|error| kept(&error))?
        }
    })
}

async fn add(loaded: &Loaded, doer: &Doer, name: &str, language: Language) -> Result<Exit, Exit> {
    let client = legal(name)?;
    let key = make(loaded, doer, &client).await?;
    // The key alone on standard output, for programs; the rest is for the person.
    error_line(&commands::KEY_MADE.fill(language, &[("client", &client)]));
    say(key.expose());
    Ok(Exit::Ok)
}

async fn remove(doer: &Doer, name: &str, fingerprint: Option<&str>, language: Language) -> Result<Exit, Exit> {
    let client = legal(name)?;
    let removed = match doer {
        Doer::Daemon(daemon) => {
            let request = KeyRequest { client: client.to_string(), fingerprint: fingerprint.map(str::to_owned) };
            daemon.remove_keys(&request).await.map_err(|error| asked(&error))?.removed
        }
        Doer::Files(ledger) => ledger.remove(&client, fingerprint).map_err(|error| kept(&error))?,
    };
    match removed {
        0 => Err(refuse(
            &format!("there is no such key of the client {client}; see: mcp-proxy client list"),
            Exit::NoInput,
        )),
        1 => {
            say(&commands::KEY_REMOVED.fill(language, &[("client", &client)]));
            Ok(Exit::Ok)
        }
        many => {
            say(&commands::KEYS_REMOVED.fill(language, &[("client", &client), ("many", &many)]));
            Ok(Exit::Ok)
        }
    }
}

async fn list(loaded: &Loaded, doer: &Doer, as_json: bool) -> Result<Exit, Exit> {
    let clients = match doer {
        Doer::Daemon(daemon) => daemon.clients().await.map_err(|error| asked(&error))?,
        Doer::Files(ledger) => {
            let keys = ledger.read().map_err(|error| kept(&error))?.keys;
            clients::listed(&settings(loaded).proxy.clients, &keys, Clock::system().now().wall)
        }
    };
    match as_json {
        // Only maps with odd keys cannot be written, and there are none.
        true => say(&serde_json::to_string_pretty(&clients).unwrap_or_default()),
        false => say(&text(&clients, settings(loaded).state_dir.as_path())),
    }
    Ok(Exit::Ok)
}

fn text(clients: &Clients, state_dir: &Path) -> String {
    if clients.clients.is_empty() {
        return format!(
            "No [[client]] is configured, and there are no client keys in {}. Who may call is said by access.others.",
            state_dir.display()
        );
    }
    let ago = |at: Option<Date>, otherwise: &str| match (at, clients.time) {
        (Some(at), Some(now)) => format!("{} ago", in_words(now.wall().since(at.wall()))),
        _ => otherwise.to_owned(),
    };
    let mut lines = Vec::new();
    for client in &clients.clients {
        let what = match (client.configured, client.needs_key, client.keys.is_empty()) {
            (false, ..) => "not in the configuration: its keys are good for nothing",
            (true, true, true) => "needs a key and has none: mcp-proxy client add",
            (true, true, false) => "needs a key",
            (true, false, _) => "needs no key",
        };
        lines.push(format!("{}: {what}", client.name));
        for key in &client.keys {
            let (made, used) = (ago(key.created, "at an unknown time"), ago(key.last_used, "never"));
            lines.push(format!("  {}  made {made}, last used {used}", key.fingerprint));
        }
    }
    lines.join("\n")
}

fn legal(name: &str) -> Result<ClientName, Exit> {
    let rule = "a name has 1 to 32 of a-z, 0-9 and -, and begins with a letter";
    ClientName::parse(name).ok_or_else(|| refuse(&format!("there can be no client {name:?}: {rule}"), Exit::Usage))
}

fn asked(error: &ClientError) -> Exit {
    let exit = match error {
        ClientError::Refused { status, .. } => match status.as_u16() {
            403 => Exit::NoPermission,
            409 => Exit::Config,
            500 => Exit::IoError,
            _ => Exit::Unavailable,
        },
        ClientError::Silent { .. } => Exit::Unavailable,
    };
    refuse(&error.to_string(), exit)
}

fn kept(error: &LedgerError) -> Exit {
    let exit = match error {
        LedgerError::Disk { .. } => Exit::IoError,
        LedgerError::NotReadable { .. } => Exit::DataError,
        LedgerError::Full => Exit::CantCreate,
        LedgerError::Randomness(_) => Exit::OsError,
    };
    refuse(&error.to_string(), exit)
}

fn refuse(why: &str, exit: Exit) -> Exit {
    error_line(why);
    exit
}
