//! Unix sockets that we make ourselves: private from their first moment, and never in the place of a live one.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::{UnixListener, UnixStream};

use crate::daemon::listener::{BACKLOG, BindError};
use crate::daemon::port_holder;
use crate::net::listener::{Listener, SocketFile};

/// Listens at `path`, whose file is made with `mode`. A socket file that nobody listens on is replaced.
pub(super) async fn listen_at(path: &Path, mode: u32) -> Result<Listener, BindError> {
    clear(path).await?;
    make(path, mode).map_err(|source| BindError::SocketRefused { path: path.to_owned(), source })
}

/// Makes room: removes a socket that is dead, and nothing else.
async fn clear(path: &Path) -> Result<(), BindError> {
    let refused = |source| BindError::SocketRefused { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(stream) => {
            let pid = stream.peer_cred().ok().and_then(|theirs| theirs.pid());
            let holder = pid.and_then(port_holder::name);
            Err(BindError::SocketInUse { path: path.to_owned(), holder })
        }
        // Too many are waiting to be accepted, so somebody is there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::SocketInUse { path: path.to_owned(), holder: None })
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(refused),
        Err(error) => Err(refused(error)),
    }
}

fn make(path: &Path, mode: u32) -> io::Result<Listener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file gets the mode of the socket, less the umask: so it is never open wider than it should be, not even
    // for a moment. The second change gives back what the umask took.
    fchmod(&socket, Mode::from_raw_mode(mode))?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = SocketFile::made(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, BACKLOG)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into())?, Some(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_file_has_its_mode_and_goes_with_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        for mode in [0o600, 0o666] {
            let listener = listen_at(&path, mode).await.unwrap();
            assert_eq!(mode_of(&path), mode);
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "its file stays");
        let first = listen_at(&path, 0o600).await.unwrap();
        let error = listen_at(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("listen.unix"), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        assert!(listen_at(&path, 0o600).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "precious").unwrap();
        let error = listen_at(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let error = listen_at(&directory.path().join("none/x"), 0o600).await.unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_took_our_place_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let ours = listen_at(&path, 0o600).await.unwrap();
        fs::remove_file(&path).unwrap();
        let theirs = listen_at(&path, 0o600).await.unwrap();
        drop(ours);
        assert!(path.exists());
        drop(theirs);
    }
}
