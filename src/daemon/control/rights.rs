//! Who may do what through the control socket.
//!
//! Whoever can open the socket may look. Signing in and out is for root, for the daemon's own user, and for those whom
//! the file's owner or group let in: as long as its mode is closed to others, that was decided by the kernel.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::model::peer::{Credentials, Peer};
use crate::net::owner::Finder;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// Look, sign in and sign out.
    All,
    /// Look.
    Look,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    peer: Peer,
    inode: Option<u64>,
    pub(super) rights: Rights,
}

impl Caller {
    /// Who came in by the socket at `path`.
    pub(super) fn of(peer: Peer, inode: Option<u64>, path: Option<&Path>) -> Self {
        let file = path.and_then(|path| std::fs::metadata(path).ok()).as_ref().map(SocketMode::of);
        let own = rustix::process::geteuid().as_raw();
        let rights = match peer {
            Peer::Unix(credentials) => rights(credentials, own, file),
            Peer::Tcp(_) => Rights::Look,
        };
        Self { peer, inode, rights }
    }

    /// True for root and the daemon's own user.
    pub(super) fn is_root_or_own(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        matches!(self.peer, Peer::Unix(credentials) if is_named(credentials, own))
    }

    /// Whose process it is. A user that our user namespace does not know is looked for by its socket.
    pub(super) fn user(&self, finder: &Finder) -> Option<u32> {
        let Peer::Unix(credentials) = self.peer else { return None };
        Some(credentials.uid).filter(|uid| *uid != UNKNOWN).or_else(|| finder.unix(self.inode?))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}

/// Whom the file of a socket lets in (unix(7): connecting needs write permission).
#[derive(Debug, Clone, Copy)]
struct SocketMode {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl SocketMode {
    fn of(found: &Metadata) -> Self {
        Self { uid: found.uid(), gid: found.gid(), mode: found.mode() }
    }
}

/// What the kernel says for every user and group that our user namespace does not know (user_namespaces(7)): two of
/// them need not be the same. Services with PrivateUsers= see most others so.
const UNKNOWN: u32 = 65_534;

fn is_named(caller: Credentials, own_uid: u32) -> bool {
    caller.uid == 0 || (caller.uid == own_uid && own_uid != UNKNOWN)
}

fn rights(caller: Credentials, own_uid: u32, file: Option<SocketMode>) -> Rights {
    const OTHERS_MAY_WRITE: u32 = 0o002;
    let is_known = |id: u32| id != UNKNOWN;
    let named = is_named(caller, own_uid);
    let let_in = file.is_some_and(|file| {
        // Open to all, a socket says nothing of the groups that a process has beside its own.
        file.mode & OTHERS_MAY_WRITE == 0
            || (caller.uid == file.uid && is_known(file.uid))
            || (caller.gid == file.gid && is_known(file.gid))
    });
    if named || let_in { Rights::All } else { Rights::Look }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_the_socket_decides_who_may_sign_in() {
        let caller = |uid: u32, gid: u32| Credentials { pid: Some(7), uid, gid };
        let file = |mode: u32| Some(SocketMode { uid: 0, gid: 990, mode: 0o140_000 | mode });
        const OWN: u32 = 990;
        for (who, file, expected) in [
            (caller(0, 0), file(0o666), Rights::All),
            (caller(OWN, 5), file(0o666), Rights::All),
            (caller(1000, 1000), file(0o660), Rights::All),
            (caller(1000, 1000), file(0o666), Rights::Look),
            (caller(1000, 990), file(0o666), Rights::All),
            (caller(UNKNOWN, UNKNOWN), file(0o660), Rights::All),
            (caller(UNKNOWN, UNKNOWN), Some(SocketMode { uid: UNKNOWN, gid: UNKNOWN, mode: 0o140_666 }), Rights::Look),
            // A socket whose file is gone, or that never had one.
            (caller(1000, 990), None, Rights::Look),
            (caller(0, 0), None, Rights::All),
        ] {
            assert_eq!(rights(who, OWN, file), expected, "{who:?} {file:?}");
        }
    }
}
