//! The sockets of the control server: those that systemd passed, else one of our own.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tokio::net::UnixListener;

use crate::daemon::inherited::Socket;
use crate::daemon::listener::BindError;
use crate::daemon::unix_socket;
use crate::net::listener::Listener;

/// For the owner and the group.
const MODE: u32 = 0o660;
/// Of the directory, when it has to be made: whoever the socket lets in has to reach it.
const DIRECTORY_MODE: u32 = 0o755;

/// Takes the `passed` sockets; without any, opens one at `path`. A daemon serves without it too, so what is in the way
/// is logged, and no more.
pub(in crate::daemon) async fn open(passed: Vec<Socket>, path: Option<&Path>) -> Vec<Listener> {
    if !passed.is_empty() {
        return passed.into_iter().filter_map(adopted).collect();
    }
    match path {
        Some(path) => opened(path).await,
        None => Vec::new(),
    }
}

fn adopted(socket: Socket) -> Option<Listener> {
    // Over TCP nobody can tell who calls.
    let Socket::Unix(listener) = socket else {
        tracing::warn!(
            "a control socket from the service manager is TCP and is not used: ListenStream= must be a path"
        );
        return None;
    };
    match UnixListener::from_std(listener) {
        Ok(listener) => Some(Listener::Unix(listener, None)),
        Err(error) => {
            tracing::warn!("a control socket from the service manager cannot be used: {error}");
            None
        }
    }
}

async fn opened(path: &Path) -> Vec<Listener> {
    if let Err(error) = make_directory(path) {
        tracing::debug!("the directory of {} is not made: {error}", path.display());
    }
    match unix_socket::listen_at(path, MODE).await {
        Ok(listener) => vec![listener],
        Err(error) => {
            tracing::warn!(
                "no control socket, so status, login and logout work on the files alone: {}",
                in_words(path, &error)
            );
            Vec::new()
        }
    }
}

/// Makes the directory of the socket, if the one above it is there.
fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.exists()) else { return Ok(()) };
    DirBuilder::new().mode(DIRECTORY_MODE).create(directory)?;
    // What the umask took is given back.
    std::fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))
}

fn in_words(path: &Path, error: &BindError) -> String {
    let path = path.display();
    match error {
        BindError::SocketInUse { holder, .. } => {
            let by = holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"));
            format!("{path} is in use{by}. Each daemon needs its own; see control.socket")
        }
        BindError::NotASocket { .. } => {
            format!("{path} is no socket, and it is left alone. Remove it, or see control.socket")
        }
        BindError::SocketRefused { source, .. } => {
            format!("{path}: {source}. Its directory must be there and let the daemon's user write; see control.socket")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_directory_is_made_and_the_socket_is_for_owner_and_group() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp-proxy/control.sock");
        let first = open(Vec::new(), Some(&path)).await;
        assert_eq!(first.len(), 1);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o755));
        assert!(open(Vec::new(), Some(&path)).await.is_empty(), "another one has it");
        drop(first);
        assert!(!path.exists());
        assert!(open(Vec::new(), Some(&directory.path().join("none/none/x"))).await.is_empty());
    }

    #[tokio::test]
    async fn passed_sockets_come_first_and_must_be_unix_sockets() {
        let directory = tempfile::tempdir().unwrap();
        let (passed, own) = (directory.path().join("passed"), directory.path().join("own"));
        let unix = std::os::unix::net::UnixListener::bind(&passed).unwrap();
        unix.set_nonblocking(true).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = open(vec![Socket::Tcp(tcp), Socket::Unix(unix)], Some(&own)).await;
        assert_eq!(taken.len(), 1);
        drop(taken);
        assert!(passed.exists() && !own.exists(), "it is not ours to remove");
        assert!(open(Vec::new(), None).await.is_empty());
    }
}
