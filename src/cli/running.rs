//! Is a daemon running that keeps the logins in question? Then it is asked, and nobody needs its files.

use std::path::{Path, PathBuf};

use crate::cli::{error_line, settings};
use crate::config::Loaded;
use crate::daemon::control::client::{Client, ClientError, Reach};
use crate::daemon::report::Status;

/// What was found.
pub(super) enum Running {
    /// A daemon, and how it stands.
    Daemon(Client, Box<Status>),
    /// One whose socket we may not open.
    Denied(PathBuf),
    /// One that gives no answer.
    Silent(ClientError),
    /// None.
    Nobody,
}

/// Looks for the daemon that the configuration leads to.
pub(super) async fn find(loaded: &Loaded) -> Running {
    let (running, note) = look(loaded).await;
    if let Some(note) = note {
        error_line(&note);
    }
    running
}

/// The same, with what a person has to know about it.
pub(super) async fn look(loaded: &Loaded) -> (Running, Option<String>) {
    let settings = settings(loaded);
    let client = match Client::find(&settings.control.sought).await {
        Reach::Daemon(client) => client,
        Reach::Denied(path) => return (Running::Denied(path), None),
        Reach::Nobody => return (Running::Nobody, None),
    };
    match client.status().await {
        Ok(status) => {
            // A second daemon of this user has logins of its own.
            if loaded.places.contains_key("state_dir") && status.state_dir != settings.state_dir {
                let note = format!(
                    "note: the mcp-proxy at {} keeps its logins in {}, not in {}; it is not asked",
                    client.path().display(),
                    status.state_dir.display(),
                    settings.state_dir.display()
                );
                return (Running::Nobody, Some(note));
            }
            (Running::Daemon(client, Box::new(status)), None)
        }
        Err(error) => (Running::Silent(error), None),
    }
}

/// What to do about a socket that we may not open.
pub(super) fn denied(path: &Path) -> String {
    format!(
        "a mcp-proxy is running, but you may not open its control socket {}. Run this with sudo, or join the group \
         mcp-proxy. To use a mcp-proxy of your own instead, set MCP_PROXY_CONTROL__SOCKET=off",
        path.display()
    )
}
